"""One directory, one database: opening it, and refusing what cannot be right.

A directory holds `stepcare.db` (pseudonymous), and the vault beside it: `vault.db` (identities and keys) and
`vault.key`. One connection writes, behind a lock; every read has a connection of its own.
"""

import fcntl
import os
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from engine.errors import Conflict, InvalidInput, NotFound, Unverifiable
from storage.tables import Row

try:
    from pysqlite3 import dbapi2 as driver
except ImportError:  # no wheel fits this machine: the standard library's own
    import sqlite3 as driver

# Versions of the schema, oldest first; a test compares them with the migrations. Alembic itself is loaded only to
# migrate: it would double the time of every command.
VERSIONS = ("0001",)
# Older libraries can lose a WAL frame when two processes write and one of them resets the log.
SAFE_FOR_TWO_WRITERS = (3, 51, 3)
BUSY_SECONDS = 10
CONNECTING = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # a second wall: rows removed by REPLACE meet their DELETE triggers too
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


class Connection(Protocol):
    """What this room asks of a driver's connection; tests wrap it to fail at a chosen statement."""

    @property
    def in_transaction(self) -> bool:
        """Say whether a transaction is open."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run one statement for each set of parameters."""

    def close(self) -> None:
        """Close it; an open transaction is undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files are."""

    directory: Path

    @classmethod
    def of(cls, where: str | Path) -> Self:
        """Read a directory, or `sqlite:///DIRECTORY`."""
        text = str(where)
        scheme, _, rest = text.partition("://")
        if not rest:
            return cls(directory=Path(text))
        if scheme == "sqlite" and not urlsplit(text).netloc:
            return cls(directory=Path(rest.removeprefix("/")))
        raise InvalidInput(f"{scheme} databases are not supported by this version: name a directory.")

    @property
    def database(self) -> Path:
        """The episodes, the log, the work."""
        return self.directory / "stepcare.db"

    @property
    def vault(self) -> Path:
        """Identities and data keys."""
        return self.directory / "vault.db"

    @property
    def key(self) -> Path:
        """What wraps the data keys."""
        return self.directory / "vault.key"

    @property
    def lock(self) -> Path:
        """Held by every process that writes."""
        return self.directory / "writer.lock"


def connect(path: Path) -> Connection:
    """Open a connection to an existing file, every promise switched on."""
    connection = driver.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin where the code says BEGIN
        check_same_thread=False,
        cached_statements=256,
    )
    for pragma in CONNECTING:
        connection.execute(pragma)
    return connection  # type: ignore[no-any-return]  # the driver is one of two modules


def rows(cursor: Any) -> list[Row]:
    """Give a cursor's rows by column name."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, found, strict=True)) for found in cursor]
