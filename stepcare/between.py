"""What changed of an episode between two moments, both as they were recorded by then."""

from collections.abc import Iterable
from typing import TypeVar

from engine.audit import instant
from engine.model import Deviation, DueItem, Episode, Flag, Json, Record, Request, Treatment
from engine.picture import picture
from engine.time import local_day
from engine.view import Pending, View
from stepcare.answers import due_item_json, flag_json, request_json
from stepcare.moment import Moment
from stepcare.past import Past, Standing, Step
from stepcare.shown import timeline_json

Row = dict[str, Json]
OWED = ("open", "on_hold")
MOVES = ("opens_at", "due_at", "status", "owner", "owner_role", "rung", "snoozed_until")
T = TypeVar("T", Record, Treatment, DueItem, Flag, Request)


def between_json(past: Past, first: Moment, last: Moment) -> Row:
    """Give the difference; before its first entry an episode is nothing. Raises NotFound where it is nothing at both."""
    after = past.at(last.at)
    before = past.at(first.at) if first.at >= past.steps[0].recorded_at else None
    was = before.episode if before is not None else Episode(id=after.episode.id, person=after.episode.person)
    passed = [step for step in past.steps if (before.entry if before else -1) < step.index <= after.entry]
    return {
        "episode": after.episode.id,
        "from": _moment_json(first, before),
        "to": _moment_json(last, after),
        "entries": [timeline_json(step.kept, after.compiled) for step in passed],
        "changed": _changed(before, after),
        "moves": _moves(passed),
        "records": _records(past, was, after.episode),
        "due_items": _due_items(was, after.episode),
        "flags": _flags(was, after.episode),
        "treatments": _treatments(was, after.episode),
        "requests": _requests(was, after.episode),
        "deviations": _deviations(was, after.episode),
    }


def _moment_json(moment: Moment, stood: Standing | None) -> Row:
    return {"asked": moment.typed, "at": instant(moment.at), "entry": stood.entry if stood else None}


def _changed(before: Standing | None, after: Standing) -> Row:
    """Give what is one thing and now another: {name: {"from", "to"}}, scores and the rest of the picture among them."""
    was, now = _standing_json(before), _standing_json(after)
    return {name: {"from": was.get(name), "to": now[name]} for name in now if was.get(name) != now[name]}


def _standing_json(stood: Standing | None) -> Row:
    if stood is None:
        return {}
    episode = stood.episode
    view = View(stood.compiled, episode, Pending(), stood.at, local_day(stood.at, episode.zone))
    return {
        "state": episode.state,
        "step": stood.compiled.pathway.states[episode.state].step,
        "team": episode.team,
        "owner": episode.owner,
        "language": episode.language,
        "pathway": episode.pathway,
        "parameters": stood.compiled.parameters_hash,
        **picture(view),
    }


def _moves(passed: Iterable[Step]) -> list[Json]:
    return [
        {
            "entry": step.index,
            "transition": step.kept.decision.transition,
            "from": step.before.state or None,
            "to": step.after.state,
            "at": instant(step.occurred_at),
        }
        for step in passed
        if step.before.state != step.after.state
    ]


# --- lists --------------------------------------------------------------------------------------------------------


def _new(was: Iterable[T], now: Iterable[T]) -> list[T]:
    known = {one.id for one in was}
    return [one for one in now if one.id not in known]


def _pairs(was: Iterable[T], now: Iterable[T]) -> list[tuple[T, T]]:
    """Give what is in both and not the same any more."""
    known = {one.id: one for one in was}
    return [(known[one.id], one) for one in now if one.id in known and known[one.id] != one]


def _records(past: Past, was: Episode, now: Episode) -> Row:
    gone = [(old, new) for old, new in _pairs(was.records, now.records) if old.superseded_by is None]
    gone += [(one, one) for one in _new(was.records, now.records) if one.superseded_by is not None]
    return {
        "added": [_record_json(past, one) for one in _new(was.records, now.records)],
        "superseded": [{**_record_json(past, new), "superseded_by": new.superseded_by} for _, new in gone],
    }


def _record_json(past: Past, record: Record) -> Row:
    return {
        "id": record.id,
        "form": record.form,
        "occurred_at": instant(record.occurred_at),
        "recorded_at": instant(record.recorded_at),
        "entry": past.records[record.id][1],
    }


def _due_items(was: Episode, now: Episode) -> Row:
    """Give the work that is owed now and was not, that is no more, that came and went, and whose dates have moved."""
    before = {one.id: one for one in was.due_items if one.status in OWED}
    after = {one.id: one for one in now.due_items if one.status in OWED}
    final = {one.id: one for one in now.due_items}
    passing = [one for one in _new(was.due_items, now.due_items) if one.id not in after]
    return {
        "opened": [due_item_json(one) for id_, one in after.items() if id_ not in before],
        "closed": [due_item_json(final[id_]) for id_ in before if id_ not in after],
        "passed": [due_item_json(one) for one in passing],
        "moved": [
            {**due_item_json(after[id_]), "was": moved}
            for id_, one in before.items()
            if id_ in after and (moved := _moved(due_item_json(one), due_item_json(after[id_])))
        ],
    }


def _moved(was: Row, now: Row) -> Row:
    return {name: was[name] for name in (*MOVES, "due_on") if was[name] != now[name]}


def _flags(was: Episode, now: Episode) -> Row:
    new = _new(was.flags, now.flags)
    gone = [one for _, one in _pairs(was.flags, now.flags)] + [one for one in new if one.cleared_at]
    return {
        "raised": [flag_json(one) for one in new],
        "cleared": [flag_json(one) for one in gone if one.cleared_at is not None],
    }


def _treatments(was: Episode, now: Episode) -> list[Json]:
    started = [(None, one) for one in _new(was.treatments, now.treatments)]
    turned = [(old.status, new) for old, new in _pairs(was.treatments, now.treatments) if old.status != new.status]
    return [
        {"id": one.id, "kind": one.kind, "from": old, "to": one.status, "since": instant(one.since)}
        for old, one in (*started, *turned)
    ]


def _requests(was: Episode, now: Episode) -> Row:
    new = _new(was.requests, now.requests)
    answered = [one for _, one in _pairs(was.requests, now.requests)] + [one for one in new if one.status != "open"]
    return {
        "opened": [request_json(one) for one in new],
        "answered": [request_json(one) for one in answered if one.status != "open"],
    }


def _deviations(was: Episode, now: Episode) -> Row:
    known = {one.id: one for one in was.deviations}
    new = [one for one in now.deviations if one.id not in known]
    reasoned = [one for one in now.deviations if one.id in known and one.reason != known[one.id].reason]
    return {"added": [_deviation_json(one) for one in new], "reasoned": [_deviation_json(one) for one in reasoned]}


def _deviation_json(deviation: Deviation) -> Row:
    return {"id": deviation.rule, "record": deviation.record, "reason": deviation.reason}
