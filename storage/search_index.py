"""The search index: what entries say in the clear, laid out so that it can be asked quickly.

It is derived and disposable: a file of its own beside the vault, made from the entries and caught up before each search.
Decisions know nothing of it, and deleting it loses nothing. It holds what the envelopes say and whose sealed part lies
beside them (a pseudonym); no name, and nothing that was sealed.
"""

# ruff: noqa: S608 - the SQL is made of our own names; every value is a parameter

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import Conflict, StepcareError, Unavailable
from engine.merkle import Frontier
from storage import statements as sql
from storage.connection import Connection
from storage.database import SITE_REF, Database
from storage.search_fields import ADD, FIELDS, INDEXES, OF_RULES, SHAPE, TABLES, WORDS, Sets, row_of, unreadable
from storage.sqlite import DRIVER, DriverError, is_locked

FILE = "search.sqlite"
BATCH = 5_000  # entries read at once; each batch is a short moment of the database, which nobody has to wait for
WAIT_SECONDS = 60.0  # for another process that is building it

PATIENT = tuple(FIELDS).index("patient")

Progress = Callable[[int, int], None]


CLEAR = (
    "SELECT e.idx, e.entry, s.person_ref FROM audit_entry e LEFT JOIN audit_sealed s ON s.idx = e.idx "
    "WHERE e.idx >= :first AND e.idx < :end ORDER BY e.idx"
)
LEAF = "SELECT leaf FROM audit_entry WHERE idx = :idx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The index, open and caught up: it answers for the log's first `size` entries, whose tree has this root (hex).

    `origin` names the log. `added` is how many entries were read for that, `rebuilt` whether all of them were.
    """

    connection: Connection = field(repr=False)
    origin: str
    size: int
    root: str
    added: int
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class _Head:
    """The log at one moment: its size, its root, its last leaf, and the leaf before `known` (empty: none)."""

    size: int
    root: str
    leaf: bytes
    known: bytes


def index_file(database: Database) -> Path:
    """Name the index's file: it lies where the vault lies, which is beside the database where that is a directory."""
    return database.backend.vault.parent / FILE


def delete_index(database: Database) -> None:
    """Delete the index; the next search makes it anew."""
    file = index_file(database)
    for name in (file, file.with_name(f"{FILE}-wal"), file.with_name(f"{FILE}-shm")):
        name.unlink(missing_ok=True)


@contextmanager
def searching(database: Database, progress: Progress | None = None) -> Generator[Index, None, None]:
    """Give the index, caught up with the log as it is now; it does not change while it is held.

    An index of another log, of another shape, or one that stopped at a leaf the log no longer has is made anew.
    Raises Conflict while another process builds it for too long, Unavailable where it cannot be written.
    """
    try:
        opened = _opened(database, progress)
    except DriverError as error:
        if isinstance(error, DRIVER.OperationalError):
            raise _said(error, database) from error
        delete_index(database)  # no database any more, or a damaged one: it is made anew
        try:
            opened = _opened(database, progress)
        except DriverError as again:
            raise _said(again, database) from again
    try:
        yield opened
    except DriverError as error:
        raise _said(error, database) from error
    finally:
        opened.connection.close()


def _opened(database: Database, progress: Progress | None) -> Index:
    connection = _connected(index_file(database))
    try:
        found = _caught_up(connection, database, progress)
        connection.execute("BEGIN")
        connection.execute("SELECT size FROM meta").fetchone()  # from here on this moment of the file is seen
    except BaseException:
        connection.close()
        raise
    return found


def _connected(file: Path) -> Connection:
    try:
        # Made by us, so that nobody else can read it; the journal beside it gets the same rights.
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Unavailable(
            f"The search index {file} cannot be made ({error.strerror}): search as somebody who may write there."
        ) from error
    connection = DRIVER.connect(file, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes away is made again
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -64000")
    except DriverError:
        connection.close()
        raise
    return connection  # type: ignore[no-any-return]  # the driver is one of two modules


def _said(error: Exception, database: Database) -> StepcareError:
    file = index_file(database)
    if is_locked(error):
        return Conflict(f"Another process has been building the search index {file} for too long: search again later.")
    return Unavailable(
        f"The search index {file} cannot be used ({error}): see to the space left there. It may be deleted at any "
        "time: the next search makes it anew."
    )


# --- catching up --------------------------------------------------------------------------------------------------


def _caught_up(connection: Connection, database: Database, progress: Progress | None) -> Index:
    at = _stands_at(connection, database)
    head = _head(database, at[0] if at else 0)
    first = at[0] if at and at == (head.size, head.leaf) else None
    added, rebuilt = 0, False
    if first is None:
        connection.execute("BEGIN IMMEDIATE")  # others wait here, and find it done
        try:
            at = _stands_at(connection, database)
            head = _head(database, at[0] if at else 0)
            rebuilt = at is None or at[0] > head.size or at[1] != head.known
            first = 0 if at is None or rebuilt else at[0]
            _lay(connection, first, head.size, rebuilt=rebuilt)
            _add_all(connection, database, range(first, head.size), progress)
            _finish(connection, database, head, first)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(DriverError):
                connection.execute("ROLLBACK")
            raise
        added = head.size - first
    return Index(
        connection=connection, origin=database.origin, size=head.size, root=head.root, added=added, rebuilt=rebuilt
    )


def _stands_at(connection: Connection, database: Database) -> tuple[int, bytes] | None:
    """Give how many entries the index knows and the last one's leaf, None where it is not of this log and shape."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
        return None
    names = [row[1] for row in connection.execute("PRAGMA table_info(meta)")]
    if names != ["shape", "origin", "size", "leaf"]:
        return None
    found = connection.execute("SELECT shape, origin, size, leaf FROM meta").fetchone()
    return (found[2], found[3]) if found and found[:2] == (SHAPE, database.origin) else None


def _head(database: Database, known: int) -> _Head:
    with database.reading() as connection:
        size, rooted, nodes = connection.execute(sql.HEAD_NOW).fetchone()
        last = connection.execute(LEAF, {"idx": size - 1}).fetchone()
        before = connection.execute(LEAF, {"idx": known - 1}).fetchone()
    root = Frontier.from_bytes(rooted, bytes(nodes)).root().hex()
    return _Head(size, root, bytes(last[0]) if last else b"", bytes(before[0]) if before else b"")


def _lay(connection: Connection, first: int, size: int, *, rebuilt: bool) -> None:
    """Lay the tables anew; and take the indexes away where making them afterwards is quicker."""
    if rebuilt:
        for name in ("entry", "ruleset", "rule", "known", "meta"):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in TABLES:
            connection.execute(statement)
    elif size - first > first:
        for name in INDEXES:
            connection.execute(f"DROP INDEX IF EXISTS {name}")


def _finish(connection: Connection, database: Database, head: _Head, first: int) -> None:
    for name, columns in INDEXES.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON entry ({columns})")
    for name in WORDS:
        _learn(connection, name, f'SELECT DISTINCT "{name}" AS value FROM entry WHERE "entry" >= ?', (first,))
    for name, column in OF_RULES.items():
        _learn(connection, name, f"SELECT DISTINCT {column} AS value FROM rule", ())
    connection.execute("DELETE FROM meta")
    connection.execute("INSERT INTO meta VALUES (?, ?, ?, ?)", (SHAPE, database.origin, head.size, head.leaf))
    if head.size - first > first // 2:  # the planner's picture of it is out of date
        connection.execute("PRAGMA analysis_limit = 1000")
        connection.execute("ANALYZE")


def _learn(connection: Connection, name: str, found: str, values: tuple[int, ...]) -> None:
    said = f"SELECT '{name}', value, folded(value) FROM ({found}) WHERE value <> ''"
    connection.execute(f"INSERT OR IGNORE INTO known {said}", values)


def _add_all(connection: Connection, database: Database, new: range, progress: Progress | None) -> None:
    sets = Sets(connection)
    for begin in range(new.start, new.stop, BATCH):
        end = min(begin + BATCH, new.stop)
        # A moment of its own for each batch: a long one would keep the database from tidying its journal.
        with database.reading() as reading:
            found = reading.execute(CLEAR, {"first": begin, "end": end}).fetchall()
        _add(connection, [row_of(idx, bytes(entry), person, sets) for idx, entry, person in found])
        if progress is not None:
            progress(end - new.start, len(new))


def _add(connection: Connection, found: list[tuple[Any, ...]]) -> None:
    connection.execute("SAVEPOINT batch")
    try:
        connection.executemany(ADD, found)
    except (DRIVER.IntegrityError, DRIVER.InterfaceError, DRIVER.ProgrammingError, OverflowError):
        # Somebody's bytes are not what an entry is, though they can be read: only that one is put aside.
        connection.execute("ROLLBACK TO batch")
        for row in found:
            try:
                connection.execute(ADD, row)
            except (DRIVER.IntegrityError, DRIVER.InterfaceError, DRIVER.ProgrammingError, OverflowError):
                connection.execute(ADD, unreadable(row[0], row[PATIENT]))
    connection.execute("RELEASE batch")


def entries_at(database: Database, indexes: list[int]) -> Iterator[tuple[int, bytes, bytes, str | None]]:
    """Give (index, leaf, bytes, person's reference) of these entries of the log itself, in the order asked."""
    many = database.backend.words.many
    among = "= ANY(:ids)" if many is list else "IN (SELECT value FROM json_each(:ids))"
    statement = (
        "SELECT e.idx, e.leaf, e.entry, s.person_ref FROM audit_entry e LEFT JOIN audit_sealed s ON s.idx = e.idx "
        f"WHERE e.idx {among}"
    )
    with database.reading() as connection:
        rows = connection.execute(statement, {"ids": many(indexes)}).fetchall()
    found = {row[0]: row for row in rows}
    for idx in indexes:
        if idx in found:
            _, leaf, entry, person = found[idx]
            yield idx, bytes(leaf), bytes(entry), None if person == SITE_REF else person
