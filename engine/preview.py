"""What will be sent when, if nothing but time passes: the worker's own functions, run ahead on a copy.

Nobody guesses here: timers fire by `fire`, messages go by `may_send`, and the episode is folded as it would be. So the
preview is what then happens, unless a person acts, a channel fails, or another episode of theirs sends something.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.audit import instant
from engine.compiled import Compiled
from engine.decision import Decision, Put
from engine.deliver import Contact, Defer, End, counted_from, may_send
from engine.fire import fire
from engine.fold import fold
from engine.ladder import position_of, rung_of
from engine.model import Actor, Command, DueItem, Episode, Kind, Message, Outcome, Role, Timer
from engine.reach import PATIENT

AHEAD = Actor(id="preview", role=Role.SERVICE)
MOST_STEPS = 5_000  # a ladder that calls hourly for half a year; what comes after is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One thing that would come: a message, or work that is put before a person.

    `at` is when its timer fires (None: the message waits already), `timer` and `kind` (remind, escalate, propose) say
    which rung it is; `due_item` the work it is about, None for none. For a message: `message` its id, `not_before` the
    first instant it may go, and `sends_at` when it does (None: never, and `status` and `reason` say what becomes of it;
    status queued: not before the end of what was looked at). For work that is proposed, `proposes` is its due item.
    """

    at: datetime | None
    timer: str | None
    kind: str
    due_item: str | None
    recipient: str
    channel: str = ""
    template: str = ""
    language: str = ""
    message: str | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    sends_at: datetime | None = None
    status: str = ""
    reason: str = ""
    proposes: str | None = None


@dataclass(slots=True, kw_only=True)
class _Ahead:
    """The course as it would go on: the episode, what is waiting until when, and what was found."""

    compiled: Compiled
    episode: Episode
    now: datetime
    waits: dict[str, datetime] = field(default_factory=dict)
    sent: list[datetime] = field(default_factory=list)
    found: dict[str, Planned] = field(default_factory=dict)


def preview(compiled: Compiled, episode: Episode, until: datetime, now: datetime) -> tuple[Planned, ...]:
    """Give what would come of an episode from `now` to `until` (both aware, UTC), in the order it comes.

    Nothing is changed. Messages that wait already are among it.
    """
    ahead = _Ahead(compiled=compiled, episode=episode, now=now)
    for message in episode.messages:
        if message.status == "queued":
            ahead.waits[message.id] = message.not_before
            ahead.found[message.id] = _planned(message, None, "")
    for _ in range(MOST_STEPS):
        timer, ready = _next_timer(ahead), _next_message(ahead)
        if timer is not None and (ready is None or timer.at <= ahead.waits[ready.id]):
            if timer.at > until:
                break
            _fire(ahead, timer)
        elif ready is not None:
            if ahead.waits[ready.id] > until:
                break
            _send(ahead, ready)
        else:
            break
    return tuple(sorted(ahead.found.values(), key=_in_order))


def _in_order(one: Planned) -> tuple[str, str]:
    at = one.sends_at or one.at or one.not_before
    return (instant(at) if at else "", one.message or one.proposes or "")


def _next_timer(ahead: _Ahead) -> Timer | None:
    armed = (timer for timer in ahead.episode.timers if timer.state == "armed")
    return min(armed, key=lambda timer: (timer.at, timer.id), default=None)


def _next_message(ahead: _Ahead) -> Message | None:
    queued = (message for message in ahead.episode.messages if message.status == "queued")
    return min(queued, key=lambda message: (ahead.waits[message.id], message.id), default=None)


def _fire(ahead: _Ahead, timer: Timer) -> None:
    ahead.now = max(ahead.now, timer.at)
    command = Command(id=f"preview:{timer.id}", kind=Kind.FIRE, actor=AHEAD, episode=ahead.episode.id, of=timer.id)
    decision = fire(ahead.compiled, ahead.episode, command, ahead.now)
    if decision.outcome is not Outcome.ACCEPTED:
        raise AssertionError("an armed timer whose instant has come is fired")
    rung = rung_of(ahead.compiled.pathway.due[timer.kind], position_of(timer))
    for one in _came(decision, timer, rung.kind if rung else "", ahead):
        ahead.found[one.message or one.proposes or ""] = one
    ahead.episode = fold(ahead.episode, decision.events, ahead.episode.version + 1)
    _note_ends(ahead)


def _came(decision: Decision, timer: Timer, kind: str, ahead: _Ahead) -> Iterator[Planned]:
    known = {message.id for message in ahead.episode.messages}
    owed = {item.id for item in ahead.episode.due_items}
    for event in decision.events:
        match event:
            case Put(item=Message() as message) if message.id not in known:
                ahead.waits[message.id] = message.not_before
                yield _planned(message, timer, kind, ahead.now)
            case Put(item=DueItem() as item) if item.id not in owed and kind == "propose":
                yield Planned(
                    at=ahead.now,
                    timer=timer.id,
                    kind=kind,
                    due_item=timer.due_item,
                    recipient=str(item.owner_role),
                    proposes=item.id,
                )
            case _:
                pass


def _planned(message: Message, timer: Timer | None, kind: str, at: datetime | None = None) -> Planned:
    return Planned(
        at=at,
        timer=timer.id if timer else None,
        kind=kind,
        due_item=message.due_item,
        recipient=message.recipient,
        channel=message.channel,
        template=message.template,
        language=message.language,
        message=message.id,
        not_before=message.not_before,
        expires_at=message.expires_at,
        status=message.status,
        reason=message.reason,
    )


def _send(ahead: _Ahead, message: Message) -> None:
    """Ask what the worker would ask, at the instant it would; a message that may go is taken by its channel."""
    ahead.now = max(ahead.now, ahead.waits[message.id])
    verdict = may_send(ahead.compiled, ahead.episode, message, _contact(ahead), ahead.now)
    if isinstance(verdict, Defer):
        ahead.waits[message.id] = verdict.until
        return
    status, reason = (verdict.status, verdict.reason) if isinstance(verdict, End) else ("accepted", "")
    if status == "accepted":
        ahead.found[message.id] = replace(ahead.found[message.id], sends_at=ahead.now)
        ahead.sent += [ahead.now] if message.recipient == PATIENT else []
    after = Put(item=replace(message, status=status, reason=reason))
    ahead.episode = fold(ahead.episode, (after,), ahead.episode.version + 1)
    _note_ends(ahead)


def _contact(ahead: _Ahead) -> Contact:
    today, week = counted_from(ahead.compiled, ahead.episode, ahead.now)
    return Contact(
        sent_today=sum(at >= today for at in ahead.sent), sent_this_week=sum(at >= week for at in ahead.sent)
    )


def _note_ends(ahead: _Ahead) -> None:
    """Keep with everything found what its message is by now."""
    for message in ahead.episode.messages:
        known = ahead.found.get(message.id)
        if known is not None and (known.status, known.reason) != (message.status, message.reason):
            ahead.found[message.id] = replace(known, status=message.status, reason=message.reason)
