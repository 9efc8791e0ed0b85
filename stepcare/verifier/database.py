"""The log as it lies in an embedded database (SQLite), read-only, also while it is in use.

Only the two tables of the log are read. What else the database holds follows from the log, and is checked by
`stepcare audit verify`, which knows how.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stepcare.verifier.outcome import Absent, Tampered, Unverifiable

DATABASE = "stepcare.db"
_MAGIC = b"SQLite format 3\x00"
_WAIT = 5.0
_HEAD = "SELECT n, rooted, frontier, origin FROM audit_head"
_ROWS = "SELECT idx, id, ep, epn, leaf, entry FROM audit_entry ORDER BY idx"
_HASHES = "SELECT idx, leaf FROM audit_entry ORDER BY idx"


class Database:
    """One moment of a database's log."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the head; Tampered where there is not exactly one."""
        self._connection = connection
        heads = list(self._rows(_HEAD))
        if len(heads) != 1:
            raise Tampered("The log's head is gone, or there are several: restore a backup.")
        self.size, self.rooted, self.frontier, self.origin = heads[0]

    def entries(self) -> Iterator[tuple[Any, ...]]:
        """Give idx, id, ep, epn, leaf and entry of each row, as they lie there."""
        return self._rows(_ROWS)

    def hashes(self) -> Iterator[tuple[Any, ...]]:
        """Give idx and leaf of each row."""
        return self._rows(_HASHES)

    def _rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise Tampered(f"A part of the log is missing from the database ({error}): restore a backup.") from None
            raise Unverifiable(f"The database cannot be read now ({error}): try again, or copy it.") from None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Tampered(f"The database cannot be read to its end ({error}): restore a backup.") from None


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """Open a database file for reading; Absent without one, Unverifiable for another kind of file."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise Absent(f"There is no database {path.name} here.") from None
    except OSError as error:
        raise Unverifiable(f"{path.name} cannot be read ({error.strerror}).") from None
    if magic != _MAGIC:
        raise Unverifiable(f"{path.name} is no SQLite database: on a server, give the published folder instead.")
    with closing(_connect(path)) as connection:
        yield Database(connection)


def _connect(path: Path) -> sqlite3.Connection:
    """Connect read-only, and begin a moment that stays as it is while others write."""
    # A database that nobody has open, on a medium that cannot be written, has no room for the file that readers
    # share; then nobody else can write either. While there is a log of changes, it must be read.
    wal = path.with_name(f"{path.name}-wal")
    quiet = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    problem: sqlite3.Error | None = None
    for more in dict.fromkeys(("", quiet)):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro{more}", uri=True, timeout=_WAIT, isolation_level=None
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        except sqlite3.Error as error:
            connection.close()
            problem = error
        else:
            return connection
    if isinstance(problem, sqlite3.OperationalError):
        raise Unverifiable(f"The database cannot be opened ({problem}): copy its folder to where you may write.")
    raise Tampered(f"The database cannot be read ({problem}): restore a backup.")
