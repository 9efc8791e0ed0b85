"""Passwords of colleagues: kept in the vault, and only as argon2id makes them."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from engine.audit import canonical
from engine.errors import InvalidInput
from storage.connection import Connection
from storage.database import Database
from storage.sqlite import connect

NAME = "passwords"
SHORTEST, LONGEST = 12, 200
TRIES, WITHIN = 10, timedelta(minutes=15)
MOST_NAMES = 10_000


class Passwords:
    """The passwords in one database's vault. Threads and processes may share it."""

    def __init__(self, database: Database) -> None:
        """Read and write the vault of an open database."""
        self._path = database.backend.vault

    def keep(self, who: str, password: str) -> None:
        """Set somebody's password; InvalidInput for one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidInput(f"A password has {SHORTEST} to {LONGEST} letters: a short sentence is a good one.")
        hashed = _hasher().hash(password)
        connection = connect(self._path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            kept = {**_read(connection), who: hashed}
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (NAME, canonical(kept)))
            connection.execute("COMMIT")
        finally:
            connection.close()

    def fits(self, who: str, password: str) -> bool:
        """Say whether this is their password; whether there is anybody of this name takes the same time to say."""
        connection = connect(self._path)
        try:
            hashed = _read(connection).get(who)
        finally:
            connection.close()
        try:
            return _hasher().verify(hashed or _nobodys(), password) and hashed is not None
        except (Argon2Error, InvalidHashError):
            return False


class Tries:
    """How often each name was tried lately, in one process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Count by `monotonic` (seconds)."""
        self._monotonic = monotonic
        self._tried: dict[str, list[float]] = {}

    def may_try(self, who: str) -> bool:
        """Count a try, and say whether it is still one of those that are taken."""
        now = self._monotonic()
        if len(self._tried) >= MOST_NAMES:
            self._tried.clear()
        lately = [at for at in self._tried.get(who, ()) if now - at < WITHIN.total_seconds()]
        self._tried[who] = [*lately, now][-TRIES - 1 :]
        return len(lately) < TRIES

    def forget(self, who: str) -> None:
        """Forget the tries of one who has proved who they are."""
        self._tried.pop(who, None)


def _read(connection: Connection) -> dict[str, str]:
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (NAME,)).fetchone()
    kept: dict[str, str] = json.loads(found[0]) if found else {}
    return kept


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id, with the library's present costs


@cache
def _nobodys() -> str:
    return _hasher().hash("nobody has this password")
