"""Whether a message may go now, and what became of one: for the worker, as `decide` is for people.

What ends or holds back a message, first match first (`may_send`); the code is kept with the message:

    reason                     status       whom      asked at
    (not queued any more)      as it is     both      sending
    deceased, closed           cancelled    patient   commit and sending
    voided                     cancelled    both      commit and sending
    done, cancelled, on_hold   cancelled    both      commit and sending: how it stands with the work it is about
    snoozed                    cancelled    both      commit and sending
    moved                      cancelled    both      commit: the window of the work ends later now
    no_consent                 suppressed   patient   commit and sending: by category
    opted_out                  suppressed   patient   commit and sending: the next channel takes over
    expired                    expired      both      sending
    not_yet                    waits        both      sending
    quiet                      waits        both      sending: until the window ends; expired where that is too late
    no_address                 suppressed   both      sending: the next channel takes over
    cap_day, cap_week          waits        patient   sending: until the next day there; expired where that is too late

What a channel answered has its own codes (`failed`, `unknown`, `dead` with the channel's reason).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.access import why_not
from engine.compiled import Compiled
from engine.decision import Decision, Event, Put
from engine.fire import decided
from engine.fold import fold
from engine.model import Command, Episode, Json, Message, Values
from engine.outbox import handed_on, next_channel
from engine.quiet import message_allowed, zone_of
from engine.reach import PATIENT, over, standing
from engine.time import local_day, start_of
from engine.view import Pending, View

PER_DAY, PER_WEEK = "messages_per_day", "messages_per_week"  # the pack's parameters; no limit where it has none
WEEK = 7
ENDS = ("suppressed", "expired", "cancelled")  # what is decided here, not told by a channel
TOLD = ("accepted", "delivered", "failed", "unknown", "dead")
# From what to what a message may go when a channel has answered. One that was taken back while it was already on its
# way has been sent all the same: what has happened is never refused.
STEPS: Mapping[str, tuple[str, ...]] = {
    "queued": (*TOLD, *ENDS),
    "accepted": ("delivered", "failed"),
    "unknown": ("accepted", "delivered", "failed"),
    "cancelled": ("accepted", "delivered", "unknown"),
    "suppressed": ("accepted", "delivered", "unknown"),
}
ON_ITS_WAY = "on_its_way"  # the reason of a message that had gone before it was taken back
PASSED_ON = ("no_address", "opted_out")  # nothing was sent on this channel, and another may do
CODE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,59}")
REFERENCE = re.compile(r"[!-~]{1,200}")  # as a receiver names it: printable, no blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What only the outside knows: whether there is an address, and how much the person was sent already.

    `sent_today` and `sent_this_week` count over all the person's episodes, from the instants `counted_from` gives.
    """

    has_address: bool = True
    sent_today: int = 0
    sent_this_week: int = 0


@dataclass(frozen=True, slots=True)
class Send:
    """It may go, now."""


@dataclass(frozen=True, slots=True)
class Defer:
    """It waits: ask again at `until`."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class End:
    """It never goes: what it becomes, and the coded reason."""

    status: str
    reason: str


Verdict = Send | Defer | End


def may_send(compiled: Compiled, episode: Episode, message: Message, contact: Contact, now: datetime) -> Verdict:
    """Say whether a message may go at `now` (aware, UTC): everything is asked again, whatever was so when it was queued.

    Same arguments, same verdict. What it defers to is allowed then, as long as nothing else changes.
    """
    if message.status != "queued":
        return End(message.status, message.reason)
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    end = over(view, message, standing(episode.due_items, now))
    if end is not None:
        return End(*end)
    if message.expires_at is not None and now > message.expires_at:
        return End("expired", "expired")
    if now < message.not_before:
        return Defer(message.not_before, "not_yet")
    allowed = message_allowed(compiled, episode, message, now)
    if allowed > now:
        return _later(message, allowed, "quiet")
    if not contact.has_address:
        return End("suppressed", "no_address")
    return _capped(compiled, episode, message, contact, now) or Send()


def counted_from(compiled: Compiled, episode: Episode, now: datetime) -> tuple[datetime, datetime]:
    """Give the instants from which what was sent to the person counts: today's start where they live, six days before."""
    zone = zone_of(compiled, episode, PATIENT)
    today = local_day(now, zone)
    return start_of(today, zone), start_of(today - timedelta(days=WEEK - 1), zone)


def _capped(compiled: Compiled, episode: Episode, message: Message, contact: Contact, now: datetime) -> Verdict | None:
    """Hold back what would be too much for one person: until their next day, when it is counted anew."""
    if message.recipient != PATIENT:
        return None
    counted = ((PER_DAY, contact.sent_today, "cap_day"), (PER_WEEK, contact.sent_this_week, "cap_week"))
    why = next((why for name, sent, why in counted if _reached(compiled, name, sent)), None)
    if why is None:
        return None
    zone = zone_of(compiled, episode, PATIENT)
    tomorrow = start_of(local_day(now, zone) + timedelta(days=1), zone)
    return _later(message, message_allowed(compiled, episode, message, tomorrow), why)


def _reached(compiled: Compiled, name: str, sent: int) -> bool:
    most = compiled.numbers.get(name)
    return most is not None and sent >= most


def _later(message: Message, until: datetime, why: str) -> Verdict:
    """Wait, unless that is past the time the message is worth anything: then it ends, and says what held it back."""
    late = message.expires_at is not None and until > message.expires_at
    return End("expired", why) if late else Defer(until, why)


# --- what became of it --------------------------------------------------------------------------------------------


def deliver(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Decide what `command` (DELIVER) says became of a message.

    `values`: message (its id), result (accepted, delivered, failed, unknown, dead, or suppressed, expired, cancelled,
    which must be what `may_send` says now), reason (a code), reference (the receiver's own, optional), contact (the
    fields of `Contact`, as they were when it was asked; optional). `taken` is what the message is now, or stale:
    INVALID, with nothing changed. What failed on one channel goes on on the person's next.
    """
    view = View(compiled, episode, Pending(actor=command.actor), now, local_day(now, episode.zone))
    message = next((one for one in episode.messages if one.id == command.values.get("message")), None)
    refusal = why_not(command.actor, command.kind, episode) or _misread(command.values)
    if not refusal and message is None:
        refusal = "There is no such message here."
    if refusal or message is None:
        return decided(view, command, (), taken="stale", problem=refusal)
    ended = _ended(view, message, command.values)
    if isinstance(ended, str):
        return decided(view, command, (), taken="stale", problem=ended)
    events: tuple[Event, ...] = (Put(item=ended),)
    if _passed_on(ended):
        then = view.after(fold(episode, events, episode.version), Pending())
        channel = next_channel(then, ended)
        events += () if channel is None else (Put(item=handed_on(then, ended, channel)),)
    return decided(view, command, events, taken=ended.status)


def _ended(view: View, message: Message, values: Values) -> Message | str:
    """Give the message with its result; text says why it cannot have come to that."""
    result, reason = str(values["result"]), str(values.get("reason") or "")
    if result not in STEPS.get(message.status, ()):
        return f"A message that is {message.status} does not become {result}."
    if result in ENDS:
        verdict = may_send(view.compiled, view.episode, message, _contact(values.get("contact")), view.now)
        if not isinstance(verdict, End) or verdict.status != result:
            return f"It is not {result}: asked again, the answer is another."
        reason = verdict.reason
    elif message.status in ENDS:
        reason = ON_ITS_WAY
    reference = values.get("reference")
    return replace(message, status=result, reason=reason, reference=str(reference) if reference else message.reference)


def _passed_on(message: Message) -> bool:
    if message.recipient != PATIENT:
        return False
    return message.status == "failed" or (message.status == "suppressed" and message.reason in PASSED_ON)


def _misread(values: Values) -> str:
    """Say what is wrong with the command's own words, empty where nothing is."""
    unknown = set(values) - {"message", "result", "reason", "reference", "contact"}
    if unknown or values.get("result") not in (*TOLD, *ENDS):
        return f"A delivery says message, result ({', '.join((*TOLD, *ENDS))}), reason, reference and contact."
    reason, reference = values.get("reason") or "", values.get("reference") or ""
    if reason and not (isinstance(reason, str) and CODE.fullmatch(reason)):
        return "A reason is a code of small letters, digits, . : _ and -, 60 at most, no sentence."
    if reference and not (isinstance(reference, str) and REFERENCE.fullmatch(reference)):
        return "A reference is the receiver's own name of the message, 200 printable characters at most."
    return "" if _is_contact(values.get("contact")) else "A contact says has_address, sent_today and sent_this_week."


def _is_contact(said: Json) -> bool:
    kinds = {"has_address": bool, "sent_today": int, "sent_this_week": int}
    return said is None or (
        isinstance(said, dict) and all(key in kinds and type(value) is kinds[key] for key, value in said.items())
    )


def _contact(said: Json) -> Contact:
    found = said if isinstance(said, dict) else {}
    today, week = found.get("sent_today", 0), found.get("sent_this_week", 0)
    return Contact(
        has_address=found.get("has_address", True) is True,
        sent_today=today if isinstance(today, int) else 0,
        sent_this_week=week if isinstance(week, int) else 0,
    )
