"""An episode at an earlier moment: as it was recorded by then, or what had occurred by then as it is known today.

The first is what people saw and decided on; the second is a reading of today's knowledge, and nothing is decided anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from engine.audit import instant
from engine.decision import Put
from engine.errors import NotFound
from engine.fold import valid
from engine.model import Episode, Flag, Json, Record, Stay, Treatment
from engine.picture import picture
from engine.time import local_day
from engine.view import Pending, View
from stepcare.moment import Moment, said_at
from stepcare.past import Past, Step
from stepcare.shown import episode_json, record_json

Row = dict[str, Json]
RECORDED: Final = "recorded"
OCCURRED: Final = "occurred"
NOT_REDECIDED = (
    "A reading of what is known today, not re-decided: nobody saw or decided on this. "
    "Work owed, timers, messages and requests are left out: they follow from decisions, not from what occurred."
)
T = TypeVar("T", Treatment, Flag)


def recorded_json(past: Past, moment: Moment) -> Row:
    """Give the episode as `episode show` would have shown it then; raises NotFound before its first entry."""
    stood = past.at(moment.at)
    said: Row = {
        "asked": moment.typed,
        "at": instant(moment.at),
        "by": RECORDED,
        "entry": stood.entry,
        "later": stood.later,
    }
    return {"as_of": said, **episode_json(stood.episode, stood.compiled, moment.at)}


def occurred_json(past: Past, moment: Moment, now: datetime) -> Row:
    """Give what had occurred by then, as it is known at `now`, corrections applied; raises NotFound before all of it."""
    known = past.episode
    seen = had_occurred(known, past.steps, moment.at)
    if not seen.stays and not seen.records:
        raise _nothing_yet(past, moment)
    compiled = past.app.engine.compiled(known.pathway, past.site(now).parameters)
    view = View(compiled, seen, Pending(), moment.at, local_day(moment.at, known.zone))
    derived = {name: value for name, value in picture(view).items() if name != "overdue"}
    state = compiled.pathway.states.get(seen.state)
    said: Row = {
        "asked": moment.typed,
        "at": instant(moment.at),
        "by": OCCURRED,
        "decided_anew": False,
        "note": NOT_REDECIDED,
        "known_at": instant(now),
        "recorded_later": _recorded_later(past, seen, moment.at),
    }
    return {
        "as_of": said,
        "episode": known.id,
        "person": known.person.id,
        "pathway": {"id": compiled.pathway.id, "version": compiled.pathway.version, "sha256": known.pathway},
        "parameters": compiled.parameters_hash,
        "state": seen.state or None,
        "title": state.title if state else None,
        "since": instant(seen.stays[-1].since) if seen.stays else None,
        "stays": [{"state": stay.state, "since": instant(stay.since)} for stay in seen.stays],
        "zone": known.zone,
        "derived": derived,
        "flags": [_flag(flag) for flag in seen.flags],
        "treatments": [
            {"id": one.id, "kind": one.kind, "status": one.status, "since": instant(one.since)}
            for one in seen.treatments
        ],
        "deviations": [{"id": one.rule, "record": one.record, "reason": one.reason} for one in seen.deviations],
        "records": [_record(past, record, moment.at) for record in seen.records],
    }


def _recorded_later(past: Past, seen: Episode, at: datetime) -> list[Json]:
    """Give the entries that told later of what had occurred by then; a correction tells of it, whenever it was made."""
    late = {step.index for step in past.steps if step.occurred_at <= at < step.recorded_at}
    late |= {past.records[record.id][1] for record in seen.records if record.recorded_at > at}
    return list[Json](sorted(late))


def had_occurred(known: Episode, steps: Sequence[Step], at: datetime) -> Episode:
    """Give an episode cut down to what had occurred by then: records, stays, treatments and flags, nothing that follows."""
    records = tuple(record for record in valid(known.records) if record.occurred_at <= at)
    there = {record.id for record in records}
    stays = _stays(known, at)
    flags = tuple(
        flag if flag.cleared_at is None or flag.cleared_at <= at else replace(flag, cleared_at=None)
        for flag in known.flags
        if flag.opened_at <= at
    )
    put = [event.item for step in steps for event in step.kept.decision.events if isinstance(event, Put)]
    treatments = [item for item in put if isinstance(item, Treatment) and item.since <= at]
    return replace(
        known,
        state=stays[-1].state if stays else "",
        stays=stays,
        return_to=(),
        records=records,
        treatments=tuple({item.id: item for item in sorted(treatments, key=lambda one: one.since)}.values()),
        flags=flags,
        due_items=(),
        timers=(),
        messages=(),
        requests=(),
        deviations=tuple(one for one in known.deviations if one.record in there),
    )


def _stays(known: Episode, at: datetime) -> tuple[Stay, ...]:
    """Give the stays that had begun; one that ended later is still running."""
    begun = 0
    while begun < len(known.stays) and known.stays[begun].since <= at:
        begun += 1
    stays = known.stays[:begun]
    return (*stays[:-1], replace(stays[-1], until=None)) if stays else ()


def _flag(flag: Flag) -> Row:
    cleared = instant(flag.cleared_at) if flag.cleared_at else None
    return {"id": flag.item, "urgency": flag.urgency, "opened_at": instant(flag.opened_at), "cleared_at": cleared}


def _record(past: Past, record: Record, at: datetime) -> Row:
    """Give a record that stands today, with what was known of it then: not yet, otherwise, or the same."""
    found = record_json(record)
    found["recorded_later"] = record.recorded_at > at
    found["corrects"] = [one.old for one in past.corrections if one.new == record.id]
    return found


def _nothing_yet(past: Past, moment: Moment) -> NotFound:
    first = min(past.steps, key=lambda step: step.occurred_at)
    zone = past.app.database.zone
    remedy = (
        f"nothing of it had occurred at {said_at(moment.at, zone)}; the first that did is entry {first.index}, "
        f"at {said_at(first.occurred_at, zone)}. Ask for a moment from then on."
    )
    return NotFound(what="record of episode", name=past.episode.id, remedy=remedy)
