"""Due work laid out for the pump: timers and messages that wait, of every urgency."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from engine.decision import Event, Put
from engine.model import DueItem, Kind, Message, Timer
from storage.database import Database
from tests.storage.acts import NOW, Acts, a_message, a_task, a_timer

LATER = NOW + timedelta(days=20)
SOON = timedelta(seconds=31)  # after a lease of half a minute is over


def put(acts: Acts, episode: str, *items: DueItem | Timer | Message) -> None:
    """Put work down, in one entry."""
    events: Sequence[Event] = [Put(item=item) for item in items]
    acts.keep(acts.change(acts.store.episode(episode), Kind.RECORD, *events))


def timers(acts: Acts, episode: str, many: int) -> None:
    """Arm timers, each an hour after the one before."""
    put(acts, episode, *(replace(a_timer(one), at=NOW + timedelta(hours=one)) for one in range(many)))


def messages(acts: Acts, episode: str, many: int, channel: str = "console") -> None:
    """Queue messages, each an hour after the one before."""
    made = (
        replace(a_message(episode, one), not_before=NOW + timedelta(hours=one), channel=channel) for one in range(many)
    )
    put(acts, episode, *made)


def owed(acts: Acts, episode: str, kind: str, number: int, at: datetime) -> None:
    """Owe a piece of work of a kind, with its timer and its message."""
    task = a_task(number, id=f"{kind}:{number}", kind=kind)
    timer = replace(a_timer(number), id=f"{kind}:{number}@0", due_item=task.id, at=at)
    message = replace(a_message(episode, number), id=f"{episode}:{kind}:{number}", due_item=task.id, not_before=at)
    put(acts, episode, task, timer, message)


def asked(database: Database, query: str, **values: object) -> list[tuple[object, ...]]:
    """Ask the database."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(query, values).fetchall()]
