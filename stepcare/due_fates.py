"""What became of an episode's messages and timers: the entry that made each, what happened to it, and what ended it.

Read from the entries and from nothing else: a row may say how often a message was tried, but only an entry says that
it was decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from engine.audit import instant
from engine.model import Episode, Json, Message, Timer
from stepcare.answers import put
from stepcare.past import Past, Step
from stepcare.shown import timeline_json

Row = dict[str, Json]
T = TypeVar("T", Message, Timer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An entry that made something what it then was: queued, armed, accepted, cancelled."""

    entry: int
    at: datetime
    by: str
    what: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate(Generic[T]):
    """A message or a timer as it is now, and the entries that made it so, the first one first."""

    item: T
    turns: tuple[Turn, ...]

    @property
    def made(self) -> Turn:
        """Give the entry that put it there."""
        return self.turns[0]

    @property
    def last(self) -> Turn:
        """Give the entry that made it what it is."""
        return self.turns[-1]


def message_fates(past: Past) -> list[Fate[Message]]:
    """Give every message the episode ever had, in the order they were put there."""
    return _fates(past, Message)


def timer_fates(past: Past) -> list[Fate[Timer]]:
    """Give every timer the episode ever had, in the order they were armed; one that was armed anew is told on."""
    return _fates(past, Timer)


def _fates(past: Past, kind: type[T]) -> list[Fate[T]]:
    last: dict[str, T] = {}
    turns: dict[str, list[Turn]] = {}
    for step in past.steps:
        for item in _touched(step, kind):
            turn, before = _turn(past, step, item), last.get(item.id)
            last[item.id], so_far = item, turns.setdefault(item.id, [])
            said = bool(so_far) and (so_far[-1].status, so_far[-1].reason) == (turn.status, turn.reason)
            if before is None or not said or not _same_time(before, item):
                so_far.append(turn)
    return [Fate(item=item, turns=tuple(turns[key])) for key, item in last.items()]


def _touched(step: Step, kind: type[T]) -> Iterator[T]:
    """Give what an entry put down, as it was after it."""
    return put(step.kept.decision, kind)


def _same_time(before: Message | Timer, after: Message | Timer) -> bool:
    return not isinstance(before, Timer) or not isinstance(after, Timer) or before.at == after.at


def _turn(past: Past, step: Step, item: Message | Timer) -> Turn:
    compiled = past.app.engine.compiled(step.after.pathway)
    return Turn(
        entry=step.index,
        at=step.recorded_at,
        by=step.kept.envelope.actor.id,
        what=str(timeline_json(step.kept, compiled)["what"]),
        status=item.state if isinstance(item, Timer) else item.status,
        reason="" if isinstance(item, Timer) else item.reason,
    )


def turn_json(turn: Turn) -> Row:
    """Give an entry's part in a fate."""
    return {
        "entry": turn.entry,
        "at": instant(turn.at),
        "by": turn.by,
        "what": turn.what,
        "status": turn.status,
        "reason": turn.reason or None,
    }


def due_title(episode: Episode, due_item: str | None) -> str | None:
    """Give what a message or timer is about, in the words of its due item; None where it belongs to none."""
    return next((item.title for item in episode.due_items if item.id == due_item), None)
