"""Who may act here: a short register of colleagues, kept in the vault because it holds names.

It gives an actor's id its roles and care teams. Nothing in the log depends on it: every entry names the actor's
pseudonym and the role that was used.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.audit import canonical
from engine.errors import Conflict, NotFound
from engine.model import Role
from storage.connection import Connection
from storage.database import Database
from storage.sqlite import connect

STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """One who may act. `id` is the pseudonym that entries name; `roles` are all they hold, `teams` the care teams.

    `contacts` are their own addresses by channel, `channels` those they want to hear by, the first one first (empty:
    as the site does).
    """

    id: str
    roles: tuple[Role, ...]
    teams: tuple[str, ...] = ("main",)
    name: str = field(default="", repr=False)
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)
    channels: tuple[str, ...] = ()


class Staff:
    """The register of one database's vault. Threads and processes may share it."""

    def __init__(self, database: Database) -> None:
        """Read and write the vault of an open database."""
        self._path = database.backend.vault

    def all(self) -> dict[str, Colleague]:
        """Give everybody, by id."""
        with self._open() as connection:
            return _read(connection)

    def find(self, who: str) -> Colleague:
        """Give one; raises NotFound, naming those who are there."""
        known = self.all()
        if who in known:
            return known[who]
        there = ", ".join(sorted(known)) or "nobody yet"
        raise NotFound(what="user", name=who[:80], remedy=f"add one with `stepcare user add`; there is {there}.")

    def add(self, colleague: Colleague) -> bool:
        """Keep a colleague; False when exactly this one was kept before. Conflict when the id is another's."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            known = _read(connection)
            old = known.get(colleague.id)
            if old is not None and old.name != colleague.name:
                raise Conflict(f"The id {colleague.id} is somebody else's: choose another, or give the same name.")
            kept = {**known, colleague.id: colleague}
            body = canonical({key: _body(one) for key, one in kept.items()})
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (STAFF, body))
            connection.execute("COMMIT")
        return old != colleague

    @contextmanager
    def _open(self) -> Generator[Connection, None, None]:
        connection = connect(self._path)
        try:
            yield connection
        finally:
            connection.close()  # an open transaction is undone


def _read(connection: Connection) -> dict[str, Colleague]:
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (STAFF,)).fetchone()
    kept: dict[str, Any] = json.loads(found[0]) if found else {}
    return {key: _colleague(key, body) for key, body in kept.items()}


def _colleague(key: str, body: dict[str, Any]) -> Colleague:
    roles = tuple(Role(one) for one in body["roles"])
    return Colleague(
        id=key,
        roles=roles,
        teams=tuple(body["teams"]),
        name=body["name"],
        # Not there in a register from before anything was sent to staff.
        contacts=dict(body.get("contacts", {})),
        channels=tuple(body.get("channels", ())),
    )


def _body(one: Colleague) -> dict[str, object]:
    return {
        "name": one.name,
        "roles": [role.value for role in one.roles],
        "teams": list(one.teams),
        "contacts": dict(one.contacts),
        "channels": list(one.channels),
    }
