"""What will be sent about an episode if nobody acts: when, to whom, by what, why, and what would stop it."""

from collections.abc import Iterator
from datetime import datetime

from engine.audit import instant
from engine.compiled import Compiled
from engine.model import Episode, Json
from engine.pathway import DuePolicy, Pathway
from engine.preview import Planned, preview
from engine.reach import PATIENT
from engine.time import zone
from stepcare.due_reasons import reason_in_words
from stepcare.words import sms_parts, words_of

Row = dict[str, Json]
WAITS = "wait"  # a message that is queued already
FEW = 3  # states that are named one by one


def coming_json(compiled: Compiled, episode: Episode, until: datetime, now: datetime) -> list[Row]:
    """Give everything that will be sent, suppressed or put before somebody by `until`, in the order it comes."""
    return [_row(compiled.pathway, episode, one) for one in preview(compiled, episode, until, now)]


def _row(pathway: Pathway, episode: Episode, one: Planned) -> Row:
    at = one.sends_at or one.at or one.not_before
    text = words_of(pathway, one.template, one.language) if one.template else None
    return {
        "at": _maybe(at),
        "local": at.astimezone(zone(episode.zone)).strftime("%Y-%m-%d %H:%M") if at else "",
        "kind": one.kind or WAITS,
        "to": one.recipient,
        "channel": one.channel or None,
        "about": _about(pathway, episode, one),
        "due_item": one.due_item,
        "template": one.template or None,
        "language": one.language or None,
        "text": text,
        "sms_parts": sms_parts(text) if text else None,
        "message": one.message,
        "not_before": _maybe(one.not_before),
        "expires_at": _maybe(one.expires_at),
        "sends_at": _maybe(one.sends_at),
        "will": _will(one),
        "why_not": reason_in_words(one.reason) if one.message and one.sends_at is None else None,
        "proposes": one.proposes,
        "stopped_by": list[Json](_stops(pathway, episode, one)),
    }


def _will(one: Planned) -> str:
    """Say in a word what becomes of it: sent, proposed, waits (beyond what was looked at), not sent."""
    if one.message is None:
        return "proposed"
    if one.sends_at is not None:
        return "sent"
    return "waits" if one.status == "queued" else "not sent"


def _about(pathway: Pathway, episode: Episode, one: Planned) -> str | None:
    """Give the title of the work it is about; work that is still to be proposed is named by its kind."""
    name = one.proposes or one.due_item
    item = next((item for item in episode.due_items if item.id == name), None)
    policy = _policy(pathway, name)
    return item.title if item else policy.title if policy else None


def _policy(pathway: Pathway, due_item: str | None) -> DuePolicy | None:
    return pathway.due.get((due_item or "").partition(":")[0])


def _stops(pathway: Pathway, episode: Episode, one: Planned) -> Iterator[str]:
    """Say what would keep it from being sent, in words."""
    policy = _policy(pathway, one.due_item)
    if policy is not None:
        yield from _stops_of(pathway, policy)
    item = next((item for item in episode.due_items if item.id == one.due_item), None)
    if item is not None and item.snoozed_until is None:
        yield "it is put off by “remind later”"
    if one.recipient == PATIENT:
        yield "the person dies, withdraws consent or asks not to be contacted"
    if one.expires_at is not None:
        late = one.expires_at.astimezone(zone(episode.zone)).strftime("%Y-%m-%d %H:%M")
        yield f"it could not be sent before {late}"


def _stops_of(pathway: Pathway, policy: DuePolicy) -> Iterator[str]:
    if policy.done_by:
        yield f"the work is done ({', '.join(_said(pathway, binding) for binding in policy.done_by)})"
    names = [pathway.states[name].title for name in policy.states if name in pathway.states]
    if names:
        yield f"the episode leaves {' / '.join(names)}" if len(names) < FEW else "the episode leaves its treatment"
    if policy.pauses:
        yield "a hold or an evaluation begins"


def _said(pathway: Pathway, binding: str) -> str:
    """Say a binding as people read it: a transition by its title, a form by its own."""
    kind, _, name = binding.partition(" ")
    if kind in pathway.transitions:
        return pathway.transitions[kind].title.lower()
    if name in pathway.forms:
        return f"{kind} {pathway.forms[name].title.lower()}"
    return binding


def _maybe(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None
