"""The log as the sealer reads it: the head, and the entries' own bytes; no vault is opened and nothing is written.

Whoever seals needs no key to anything sealed, and on PostgreSQL no more than the role that only reads. SQLite is
opened read-only, so that another OS user with the right to read the file is enough.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import bindparam, select

from engine.census import TYPE
from engine.errors import VerificationFailed
from engine.merkle import Frontier
from storage.connection import Connection
from storage.database import Database, backend_of, require_current
from storage.sqlite import Sqlite, connect_reading
from storage.tables import TABLES, compiled

BATCH = 512
CENSUSES = 100  # site entries looked through at a time
ENDS = (
    "SELECT e.ep, e.epn, e.leaf FROM audit_entry e JOIN (SELECT ep, max(epn) AS epn FROM audit_entry "
    "WHERE ep IS NOT NULL AND idx < :size GROUP BY ep) last ON last.ep = e.ep AND last.epn = e.epn ORDER BY e.ep"
)
SITE_ENTRIES = "SELECT idx, entry FROM audit_entry WHERE ep IS NULL AND idx < :end ORDER BY idx DESC LIMIT :most"


class Log(StrEnum):
    """Which of the two logs."""

    DECISIONS = "decisions"
    ACCESS = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """An entry as it was read back: its index, the leaf hash kept beside it, and its bytes."""

    index: int
    leaf: bytes
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What one log is asked by."""

    head: str
    entries: str
    leaves: str


def _statements(head: str, entry: str) -> Statements:
    heads, entries = TABLES[head], TABLES[entry]
    within = (entries.c.idx >= bindparam("first"), entries.c.idx < bindparam("end"))
    return Statements(
        head=compiled(select(heads.c.origin, heads.c.n, heads.c.rooted, heads.c.frontier)),
        entries=compiled(select(entries.c.idx, entries.c.leaf, entries.c.entry).where(*within).order_by(entries.c.idx)),
        leaves=compiled(select(entries.c.idx, entries.c.leaf).where(*within).order_by(entries.c.idx)),
    )


STATEMENTS = {
    Log.DECISIONS: _statements("audit_head", "audit_entry"),
    Log.ACCESS: _statements("access_head", "access_entry"),
}


class Moment:
    """One moment of one log."""

    def __init__(self, connection: Connection, log: Log) -> None:
        """Read the head; VerificationFailed for one that contradicts itself."""
        self._connection, self._statements = connection, STATEMENTS[log]
        found = connection.execute(self._statements.head).fetchone()
        if found is None:
            raise VerificationFailed("The log's head is gone: restore database and vault from one backup.")
        origin, size, rooted, nodes = found
        self.origin = str(origin)
        if rooted != size:
            raise VerificationFailed(f"The log's head says {size} entries and has a tree of {rooted}: verify the log.")
        self.frontier = Frontier.from_bytes(size, bytes(nodes))

    @property
    def size(self) -> int:
        """Give the number of entries."""
        return self.frontier.size

    def entries(self, first: int, end: int) -> Iterator[Committed]:
        """Give the entries from `first` up to, not including, `end`; VerificationFailed where one is missing."""
        for index, leaf, entry in self._rows(self._statements.entries, first, end):
            yield Committed(index=index, leaf=bytes(leaf), entry=bytes(entry))

    def leaves(self, first: int, end: int) -> Iterator[bytes]:
        """Give the leaf hashes kept beside the entries; VerificationFailed where one is missing."""
        for _, leaf in self._rows(self._statements.leaves, first, end):
            yield bytes(leaf)

    def _rows(self, statement: str, first: int, end: int) -> Iterator[tuple[int, ...]]:
        due = first
        while due < end:
            stop = min(due + BATCH, end)
            for row in self._connection.execute(statement, {"first": due, "end": stop}):
                if row[0] != due:
                    break
                due += 1
                yield row
            if due != stop:
                raise VerificationFailed(f"Entry {due} is missing from the log of {self.size}: compare with a backup.")


class Source:
    """A database as the sealer sees it; one connection, opened anew when it is lost."""

    def __init__(self, where: str | Path, log: Log = Log.DECISIONS) -> None:
        """Name the database and the log; nothing is opened yet."""
        # The vault's directory is only named, never looked into.
        self._backend, self._log = backend_of(where, Path()), log
        self._connection: Connection | None = None

    @contextmanager
    def moment(self) -> Generator[Moment, None, None]:
        """Give one moment of the log; raises Unavailable where the database does not answer."""
        try:
            connection = self._open()
            connection.execute(self._backend.words.begin_reading)
            yield Moment(connection, self._log)
            connection.execute("ROLLBACK")
        except BaseException as error:
            self.close()
            if isinstance(error, self._backend.errors):
                raise self._backend.said(error) from error
            raise

    def close(self) -> None:
        """Close the connection; the next moment opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            backend = self._backend
            opened = connect_reading(backend) if isinstance(backend, Sqlite) else backend.connect(reading=True)
            try:
                require_current(opened, backend)
            except BaseException:
                opened.close()
                raise
            self._connection = opened
        return self._connection


# --- the end of every episode -------------------------------------------------------------------------------------


def ends_at(database: Database, size: int) -> list[tuple[str, int, str]]:
    """Give (episode, number, leaf in hex) of every episode's last entry at a size of the log, as a census counts them."""
    with database.reading() as connection:
        found = connection.execute(ENDS, {"size": size}).fetchall()
    return sorted((str(episode), int(number), bytes(leaf).hex()) for episode, number, leaf in found)


def last_census(database: Database, end: int) -> tuple[int, str] | None:
    """Give index and words of the last census among the log's first `end` entries, None where there is none."""
    with database.reading() as connection:
        while True:
            found = connection.execute(SITE_ENTRIES, {"end": end, "most": CENSUSES}).fetchall()
            for index, data in found:
                entry = json.loads(bytes(data))
                if entry["type"] == TYPE and entry["outcome"] == "accepted":
                    return int(index), str(entry["trigger"])
            if len(found) < CENSUSES:
                return None
            end = int(found[-1][0])
