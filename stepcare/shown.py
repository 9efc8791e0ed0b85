"""What is shown of an episode, a list's line, an entry, a pathway: the JSON the command line and the API share."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from engine.access import MAY
from engine.audit import Envelope, instant
from engine.compiled import Compiled
from engine.machine import sources_of, targets_of
from engine.model import Episode, Json, Kind, Record
from engine.pathway import Pathway
from engine.picture import picture
from engine.time import local_day
from engine.view import Pending, View
from stepcare.answers import asked, decision_json, due_item_json, flag_json, message_json, request_json, timer_json
from stepcare.replay import Redone
from storage.ledger import Kept
from storage.queries import DueLine, EpisodeLine

Row = dict[str, Json]


def citations_of(pathway: Pathway) -> dict[str, str]:
    """Give every source's citation."""
    return {name: source.citation for name, source in pathway.sources.items()}


def episode_line_json(line: EpisodeLine, names: Mapping[str, str] | None = None) -> Row:
    """Give an episode as a line of a list, with the name where names were asked for."""
    found: Row = {
        "id": line.id,
        "person": line.person,
        "state": line.state,
        "region": line.region,
        "team": line.team,
        "owner": line.owner,
        "version": line.version,
        "response": line.response,
        "chronicity": line.chronicity,
        "baseline": line.baseline,
        "last": line.last,
        "change": line.change,
        "flags_open": line.flags_open,
        "urgency": line.urgency,
        "next_due_at": instant(line.next_due_at) if line.next_due_at else None,
        "opened_at": instant(line.opened_at),
        "closed_at": instant(line.closed_at) if line.closed_at else None,
        "pathway": line.pathway,
    }
    return found if names is None else {**found, "name": names.get(line.person)}


def due_line_json(line: DueLine, now: datetime, names: Mapping[str, str] | None = None) -> Row:
    """Give a piece of work as a line of the worklist."""
    late = (now - line.item.due_at).days + 1 if line.item.due_at and line.item.due_at <= now else 0
    found: Row = {
        **due_item_json(line.item),
        "rank": line.rank,
        "late_days": late,
        "episode": line.episode,
        "person": line.person,
        "region": line.region,
        "state": line.state,
        "team": line.team,
        "owner": line.item.owner or line.episode_owner,
    }
    return found if names is None else {**found, "name": names.get(line.person)}


def episode_json(episode: Episode, compiled: Compiled, now: datetime) -> Row:
    """Give everything an episode is now."""
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    stay = episode.stays[-1] if episode.stays else None
    return {
        "episode": episode.id,
        "person": episode.person.id,
        "at": instant(now),
        "pathway": {"id": compiled.pathway.id, "version": compiled.pathway.version, "sha256": episode.pathway},
        "parameters": compiled.parameters_hash,
        "version": episode.version,
        "state": episode.state,
        "title": compiled.pathway.states[episode.state].title,
        "since": instant(stay.since) if stay else None,
        "return_to": [state for state, _ in episode.return_to],
        "team": episode.team,
        "owner": episode.owner,
        "zone": episode.zone,
        "language": episode.language,
        "derived": picture(view),
        "flags": [flag_json(flag) for flag in episode.flags],
        "treatments": [
            {"id": one.id, "kind": one.kind, "status": one.status, "since": instant(one.since)}
            for one in episode.treatments
        ],
        "due_items": [due_item_json(item) for item in episode.due_items if item.status in ("open", "on_hold")],
        "timers": [timer_json(timer) for timer in episode.timers if timer.state == "armed"],
        "messages": [message_json(one) for one in episode.messages if one.status == "queued"],
        "requests": [request_json(one) for one in episode.requests if one.status == "open"],
        "deviations": [{"id": one.rule, "record": one.record, "reason": one.reason} for one in episode.deviations],
        "records": [record_json(record) for record in episode.records],
        "relied_wrongly": list(_relied_wrongly(episode)),
    }


def _relied_wrongly(episode: Episode) -> Iterator[Row]:
    """Give each record that was corrected after decisions had relied on it, with those decisions' versions."""
    by_id = {record.id: record for record in episode.records}
    for record in episode.records:
        relied = episode.relied.get(record.id, ())
        if record.superseded_by is not None and relied:
            yield {
                "record": record.id,
                "form": record.form,
                "superseded_by": record.superseded_by,
                "corrected_in": by_id[record.superseded_by].version,
                "relied_on_by": list[Json](relied),
            }


def record_json(record: Record) -> Row:
    """Give one filled-in form."""
    return {
        "id": record.id,
        "form": record.form,
        "values": dict(record.values),
        "occurred_at": instant(record.occurred_at),
        "recorded_at": instant(record.recorded_at),
        "by": record.by,
        "superseded_by": record.superseded_by,
    }


def timeline_json(kept: Kept, compiled: Compiled) -> Row:
    """Give an entry as a line of its episode's story."""
    decision, envelope = kept.decision, kept.envelope
    command = decision.command
    passed = [f"{rule.id} passed: {rule.override.reason}" for rule in decision.rules if rule.override]
    passed += [f"{rule.id} signed off" for rule in decision.rules if rule.signed_off]
    form = command.values.get("form")
    title = compiled.pathway.forms[str(form)].title if form in compiled.pathway.forms else form
    what = decision.taken or (str(title).lower() if title else None) or asked(command) or command.of
    said = f"{command.kind.value} {what}" if what and what != command.kind.value else command.kind.value
    if command.kind is Kind.FIRE:
        said = f"timer of {str(command.of).partition(':')[0]} {decision.taken}"
    return {
        "entry": envelope.index,
        "recorded_at": instant(envelope.recorded_at),
        "occurred_at": instant(envelope.occurred_at or envelope.recorded_at),
        "by": envelope.actor.id,
        "role": envelope.actor.role,
        "command": command.kind.value,
        "what": said,
        "transition": decision.transition,
        "form": form,
        "record": command.id,
        "outcome": decision.outcome.value,
        "state_before": decision.state_before or None,
        "state": decision.state,
        "failed": list(decision.failed),
        "overrides": [rule.id for rule in decision.rules if rule.override],
        "signed_off": [rule.id for rule in decision.rules if rule.signed_off],
        "rules": ", ".join([*decision.failed, *passed]),
    }


def entry_line_json(envelope: Envelope) -> Row:
    """Give an entry as a line of the log, from what it says in the clear."""
    return {
        "entry": envelope.index,
        "at": instant(envelope.recorded_at),
        "by": envelope.actor.id,
        "role": envelope.actor.role,
        "type": envelope.type,
        "trigger": envelope.trigger,
        "episode": envelope.episode,
        "outcome": envelope.outcome,
    }


def kept_line_json(kept: Kept) -> Row:
    """Give an entry as a line of the log, with the rules that failed; it must be opened for that."""
    return {**entry_line_json(kept.envelope), "failed": list(kept.decision.failed)}


def entry_json(redone: Redone) -> Row:
    """Give an entry: its envelope, and the decision with every clause, as deciding it again explains it."""
    assert redone.kept is not None  # noqa: S101 - nothing was lost
    assert redone.decision is not None  # noqa: S101
    assert redone.before is not None  # noqa: S101
    envelope, command = redone.kept.envelope, redone.decision.command
    return {
        **kept_line_json(redone.kept),
        "command": command.kind.value,
        "asked": asked(command),
        "id": envelope.id,
        "via": command.via or None,
        "of": command.of,
        "values": dict(command.values),
        "previous": envelope.previous,
        "pathway": envelope.pathway,
        "parameters": envelope.parameters,
        "engine": envelope.engine,
        "versions": {"before": envelope.version_before, "after": envelope.version_after},
        "commitments": dict[str, Json](envelope.commitments),
        **decision_json(redone.decision, redone.before),
        "as_kept": not redone.differences,
        "differences": list[Json](redone.differences),
        "repeated": False,
    }


def pathway_json(pathway: Pathway, sha256: str) -> Row:
    """Give a pathway as programs read it: who may do what, and everything that may be said."""
    dump: Row = pathway.model_dump(mode="json")
    return {
        **{key: dump[key] for key in ("id", "title", "version", "status", "label", "languages", "initial")},
        "sha256": sha256,
        "roles": {
            role.value: {
                "commands": [kind.value for kind in MAY if role in MAY[kind]],
                "transitions": [key for key, one in pathway.transitions.items() if role in one.roles],
            }
            for role in dict.fromkeys(role for roles in MAY.values() for role in sorted(roles))
        },
        "transitions": {key: _transition_json(pathway, key, dump["transitions"]) for key in pathway.transitions},
        **{
            key: dump[key]
            for key in (
                *("states", "forms", "rules", "parameters", "treatments", "red_flags", "due", "instruments", "tables"),
                *("definitions", "override_reasons", "sources", "conflicts", "tracks", "cards", "notes", "reports"),
            )
        },
    }


def _transition_json(pathway: Pathway, key: str, dump: Any) -> Row:
    one = pathway.transitions[key]
    return {**dump[key], "sources": list(sources_of(pathway, one)), "targets": list(targets_of(pathway, one))}
