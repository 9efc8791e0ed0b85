"""Hints that something is due soon, so that a worker need not wait for its next look. A lost hint costs a second.

In the process that commits, `Store.on_due` is called; on PostgreSQL the commit itself notifies every other process.
SQLite has no way to tell another process: its workers look every second.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from engine.audit import instant, instant_from
from engine.errors import StepcareError
from storage.database import Database
from storage.prepare import Prepared
from storage.sqlite import Sqlite
from storage.statements import DUE_CHANNEL

SOON = timedelta(seconds=2)


def due_soon(prepared: Iterable[Prepared]) -> datetime | None:
    """Give the earliest instant within `SOON` for which these changes arm a timer or queue a message, None for none."""
    found = (
        due
        for one in prepared
        if (due := _earliest(one)) is not None and due <= instant(one.change.decision.now + SOON)
    )
    earliest = min(found, default=None)
    return instant_from(earliest) if earliest is not None else None


def _earliest(prepared: Prepared) -> str | None:
    timers = (row["at"] for row in prepared.work.get("timer", ()) if row["state"] == "armed")
    queued = (row["not_before"] for row in prepared.work.get("message", ()) if row["status"] == "queued")
    return min((*timers, *queued), default=None)


class Listener:
    """A PostgreSQL server's hints, on a connection of its own. One thread uses it."""

    def __init__(self, address: str) -> None:
        """Connect and listen; raises what the driver says."""
        import psycopg  # noqa: PLC0415 - loaded only by those who use it

        self._errors = psycopg.Error
        self._connection = psycopg.connect(address, autocommit=True, application_name="stepcare-hints")
        self._connection.execute(f"LISTEN {DUE_CHANNEL}")

    def fileno(self) -> int:
        """Give the socket, to be waited for together with others."""
        return self._connection.fileno()

    def wait(self, seconds: float) -> datetime | None:
        """Wait for a hint, so long at most; give the instant something is due, None where none came.

        Several hints are one: the earliest. A server that hung up is said as None once the time is over; ask `is_lost`.
        """
        try:
            heard = [one.payload for one in self._connection.notifies(timeout=seconds, stop_after=1)]
            heard += [one.payload for one in self._connection.notifies(timeout=0)]
        except self._errors:
            return None
        return min(filter(None, map(_instant, heard)), default=None)

    @property
    def is_lost(self) -> bool:
        """Say whether the server has hung up: make another listener."""
        return self._connection.closed or self._connection.broken

    def close(self) -> None:
        """Stop listening."""
        self._connection.close()


def _instant(payload: str) -> datetime | None:
    try:
        return instant_from(payload)
    except StepcareError:
        return None  # anybody who may connect may notify


def listen(database: Database) -> Listener | None:
    """Listen to what other processes say is due; None: nobody can tell (SQLite). Unavailable where nobody answers."""
    if isinstance(database.backend, Sqlite):
        return None
    try:
        return Listener(database.backend.address)  # type: ignore[attr-defined]  # PostgreSQL's own
    except database.backend.errors as error:
        raise database.backend.said(error) from error
