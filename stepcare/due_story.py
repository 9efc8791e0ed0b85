"""What will be sent about an episode, when, to whom and why, and what was and was not: as JSON for CLI and API.

What comes is told by the engine's own preview, which lets time pass without keeping anything; what was is told by the
entries, with the worker's tries beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.audit import instant
from engine.compiled import Compiled
from engine.errors import InvalidInput, NotFound
from engine.fire import forecast
from engine.model import DueItem, Episode, Json, Message, Timer
from engine.pathway import DuePolicy, Pathway, Rung
from engine.time import local_day, zone
from engine.view import Pending, View
from stepcare.answers import due_item_json, message_json, timer_json
from stepcare.app import App
from stepcare.due_fates import Fate, due_title, message_fates, timer_fates, turn_json
from stepcare.due_preview import coming_json
from stepcare.due_reasons import STATES, reason_in_words, status_in_words
from stepcare.past import past_of
from stepcare.words import sms_parts, words_of
from storage.attempts import Attempt, Held, Receipt, attempts_of, held_messages, held_timers, receipts_of

Row = dict[str, Json]
OPEN = ("open", "on_hold")
SKIPPED = " skipped"  # the entry's own word: the row says expired
SENT = ("accepted", "delivered")
MOST_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the worker did with an episode's messages and timers."""

    attempts: Sequence[Attempt]
    receipts: Sequence[Receipt]
    messages: Mapping[str, Held]
    timers: Mapping[str, Held]


def due_story(app: App, episode: Episode, compiled: Compiled, now: datetime, days: int) -> Row:
    """Tell what is owed, what will be sent in so many days, and what became of every message and timer."""
    if not 0 <= days <= MOST_DAYS:
        raise InvalidInput(f"A forecast looks 0 to {MOST_DAYS} days ahead, not {days}.")
    until = now + timedelta(days=days)
    past, tried = past_of(app, episode.id), _tried(app, episode.id)
    items = [_item_json(item, episode, compiled, now) for item in episode.due_items if item.status in OPEN]
    return {
        "episode": episode.id,
        "state": episode.state,
        "at": instant(now),
        "until": instant(until),
        "due_items": list[Json](items),
        "coming": list[Json](coming_json(compiled, episode, until, now)),
        "messages": [_message_json(one, episode, compiled, tried, now) for one in message_fates(past)],
        "timers": [_timer_json(one, episode, tried) for one in timer_fates(past)],
    }


def message_story(app: App, episode: Episode, compiled: Compiled, now: datetime, message: str) -> Row:
    """Tell what became of one message; NotFound where the episode has none of that id."""
    tried = _tried(app, episode.id)
    for one in message_fates(past_of(app, episode.id)):
        if one.item.id == message:
            told = _message_json(one, episode, compiled, tried, now)
            return {"episode": episode.id, "state": episode.state, "at": instant(now), **told}
    remedy = f"`stepcare due explain {episode.id}` lists those the episode has."
    raise NotFound(what="message", name=message[:200], remedy=remedy)


def _tried(app: App, episode: str) -> Tried:
    return Tried(
        attempts=attempts_of(app.database, episode),
        receipts=receipts_of(app.database, episode),
        messages=held_messages(app.database, episode),
        timers=held_timers(app.database, episode),
    )


# --- what is owed -------------------------------------------------------------------------------------------------


def _item_json(item: DueItem, episode: Episode, compiled: Compiled, now: datetime) -> Row:
    policy = compiled.pathway.due[item.kind]
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    coming = [_rung_json(at, rung, item, episode, compiled.pathway) for at, rung in forecast(view, policy, item)]
    stands_still = item.status == "on_hold"
    return {
        **due_item_json(item),
        "timer": policy.timer,
        "because": _because(policy, item, episode.zone),
        "done_by": list(policy.done_by),
        "stands_still": stands_still,
        "coming": [] if stands_still else list[Json](coming),
    }


def _because(policy: DuePolicy, item: DueItem, zone_name: str) -> str:
    anchor = local_day(item.anchor, zone_name).isoformat()
    window = f"opens {item.opens_after} after {anchor}"
    until = f", due {item.due_after} after it" if item.due_after else f", due on {item.due_on}" if item.due_on else ""
    return f"each {policy.each}: {window}{until}"


def _rung_json(at: datetime, rung: Rung, item: DueItem, episode: Episode, pathway: Pathway) -> Row:
    language = episode.language if rung.to == "patient" else pathway.languages[0]
    who = item.owner or episode.owner if rung.to == "owner" else None
    return {
        "at": instant(at),
        "local": local_words(at, episode.zone),
        "kind": rung.kind,
        "to": who or rung.to,
        "template": rung.template,
        "text": words_of(pathway, rung.template, language) if rung.template else None,
        "proposes": rung.proposes,
        "repeats": rung.repeat is not None,
    }


def local_words(at: datetime, zone_name: str) -> str:
    """Say an instant on the clock of a zone, to the minute."""
    return at.astimezone(zone(zone_name)).strftime("%Y-%m-%d %H:%M")


# --- what was and was not sent --------------------------------------------------------------------------------------


def _message_json(fate: Fate[Message], episode: Episode, compiled: Compiled, tried: Tried, now: datetime) -> Row:
    message, held = fate.item, tried.messages.get(fate.item.id)
    text = words_of(compiled.pathway, message.template, message.language)
    ended = fate.last if message.status != "queued" else None
    return {
        **message_json(message),
        "local": local_words(message.not_before, episode.zone),
        "about": due_title(episode, message.due_item),
        "text": text,
        "sms_parts": sms_parts(text) if text else None,
        "words": status_in_words(message.status, message.reason),
        "why": _why(fate, held, now),
        "made": turn_json(fate.made),
        "ended": turn_json(ended) if ended else None,
        "history": [turn_json(turn) for turn in fate.turns],
        "taken_up": held.attempt if held else 0,
        "parked": held.parked if held else None,
        "try_at": instant(held.try_at) if held and held.try_at and message.status == "queued" else None,
        "attempts": [_attempt_json(one) for one in tried.attempts if one.message == message.id],
        "receipts": [_receipt_json(one) for one in tried.receipts if one.message == message.id],
    }


def _why(fate: Fate[Message], held: Held | None, now: datetime) -> str:
    """Say in a sentence why a message was, was not, or was not yet sent."""
    message = fate.item
    if message.status == "queued":
        return _waits(message, held, now)
    if message.status in SENT:
        return status_in_words(message.status, message.reason)
    if message.reason:
        return reason_in_words(message.reason) or message.reason
    if message.status == "cancelled":
        return f"entry {fate.last.entry} took it back: {fate.last.what}"
    return status_in_words(message.status)


def _waits(message: Message, held: Held | None, now: datetime) -> str:
    if held is not None and held.parked:
        return f"parked: {reason_in_words(held.parked)}; `stepcare due retry` takes it up again"
    if held is not None and held.stage == "sending":
        return "a worker is sending it, or broke off while it did"
    at = held.try_at if held is not None and held.try_at is not None else message.not_before
    if at <= now:
        return "it is due: the next free worker sends it"
    if held is not None and held.try_at is not None:
        last = f" ({reason_in_words(held.last_error)})" if held.last_error else ""
        return f"it is tried again later{last}"
    return "its time has not come"


def _attempt_json(one: Attempt) -> Row:
    return {
        "at": instant(one.at),
        "status": one.status,
        "channel": one.channel,
        "receiver": one.receiver or None,
        "worker": one.worker,
        "detail": one.detail or None,
        "reference": one.reference,
    }


def _receipt_json(one: Receipt) -> Row:
    return {"at": instant(one.at), "kind": one.kind, "detail": one.detail or None}


def _timer_json(fate: Fate[Timer], episode: Episode, tried: Tried) -> Row:
    timer, held = fate.item, tried.timers.get(fate.item.id)
    skipped = fate.last.what.endswith(SKIPPED)
    why = STATES["skipped" if skipped else timer.state]
    if timer.state == "armed" and held is not None and held.parked:
        why = f"parked: {reason_in_words(held.parked)}; `stepcare due retry` takes it up again"
    return {
        **timer_json(timer),
        "state": timer.state,
        "about": due_title(episode, timer.due_item),
        "why": why,
        "armed": turn_json(fate.made),
        "ended": turn_json(fate.last) if timer.state != "armed" else None,
        "history": [turn_json(turn) for turn in fate.turns],
        "parked": held.parked if held else None,
    }
