"""One directory, one SQLite database: its files, its connections, and whose turn it is to write.

A directory holds `stepcare.db` (pseudonymous), and the vault beside it: `vault.db` (identities and keys) and
`vault.key`. Several processes may write; they take turns by two file locks, because SQLite's own waiting is a retry
after a nap: whoever has just committed is awake and wins again, and the others starve.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy.engine import Dialect

from engine.errors import Conflict, InvalidInput, NotFound, StepcareError, Unavailable, Unverifiable
from storage.connection import Connection, Words
from storage.statements import SQLITE
from storage.tables import DIALECT

try:
    from pysqlite3 import dbapi2 as driver
except ImportError:  # no wheel fits this machine: the standard library's own
    import sqlite3 as driver

DRIVER: ModuleType = driver

DriverError: type[Exception] = driver.Error
Busy: type[Exception] = driver.OperationalError
LIBRARY: tuple[int, ...] = driver.sqlite_version_info

# Older libraries can lose a WAL frame when two processes write and one of them resets the log.
SAFE_FOR_TWO_WRITERS = (3, 51, 3)
BUSY_SECONDS = 10
TIDYING_MILLISECONDS = 50
MOST_JOURNAL = 16_000_000  # bytes: four times what SQLite aims at by itself
CONNECTING = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # a second wall: rows removed by REPLACE meet their DELETE triggers too
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",  # what lists said of a person who is erased is overwritten, not only unlinked
    "PRAGMA temp_store = MEMORY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where everything lies: one directory."""

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
        raise InvalidInput(f"{scheme} databases are not supported: name a directory, or postgresql://… .")

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

    @property
    def queue(self) -> Path:
        """Held by the process that is next to write."""
        return self.directory / "writer.next"

    @property
    def turn(self) -> Path:
        """Held by the process that writes."""
        return self.directory / "writer.turn"


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
    try:
        for pragma in CONNECTING:
            connection.execute(pragma)
    except DriverError:
        connection.close()
        raise
    return connection  # type: ignore[no-any-return]  # the driver is one of two modules


def connect_reading(backend: "Sqlite") -> Connection:
    """Open a connection that could not write if it wanted to: for an OS user who may only read the file."""
    file = backend.files.database
    if not file.is_file():
        raise NotFound(what="database", name=str(file), remedy="run `stepcare migrate` to make one")
    try:
        connection = driver.connect(
            f"{file.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except driver.Error as error:
        raise backend.said(error) from error
    return connection  # type: ignore[no-any-return]  # the driver is one of two modules


class Sqlite:
    """The database of one directory."""

    words: Words = SQLITE
    dialect: Dialect = DIALECT
    errors: tuple[type[Exception], ...] = (DriverError,)

    def __init__(self, files: Files, library: tuple[int, ...] = LIBRARY) -> None:
        """Name the files. `library` is the version of SQLite that decides whether two processes may write."""
        self.files, self.library = files, library
        self._locks: list[int] = []
        self._enough = MOST_JOURNAL
        self._journal = files.directory / "stepcare.db-wal"

    @property
    def place(self) -> str:
        """Name the directory."""
        return str(self.files.directory)

    @property
    def vault(self) -> Path:
        """Give the vault's file."""
        return self.files.vault

    @property
    def key(self) -> Path:
        """Give the file of the vault's own key."""
        return self.files.key

    def connect(self, *, reading: bool = False) -> Connection:
        """Open a connection; one for reading cannot write."""
        connection = self._connected()
        if reading:
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _connected(self) -> Connection:
        file = self.files.database
        if not file.is_file():
            raise NotFound(what="database", name=str(file), remedy="run `stepcare migrate` to make one")
        try:
            return connect(file)
        except driver.OperationalError as error:
            raise self.said(error) from error
        except driver.DatabaseError as error:
            raise Unverifiable(
                f"{file} cannot be opened ({error}): name the directory that holds your database."
            ) from error

    # --- who writes -------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Enter those that write: together with others where the library is safe for two, else alone."""
        if not self._locks:
            held = hold(self.files, alone=self.library < SAFE_FOR_TWO_WRITERS)
            self._locks = [held, _opened(self.files.queue), _opened(self.files.turn)]

    def leave(self) -> None:
        """Leave those that write."""
        for descriptor in self._locks:
            os.close(descriptor)
        self._locks = []

    @contextmanager
    def turn(self) -> Generator[None, None, None]:
        """Wait for the turn, and pass it on.

        Who has written queues again behind the one that waits: it cannot have the turn before it is next, and next
        is taken. A process that dies lets go of both.
        """
        _, queue, turn = self._locks
        fcntl.flock(queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)

    def tidy(self, connection: Connection) -> None:
        """Empty the journal when it has grown: nobody writes now, and new readers can do without it.

        SQLite tries so by itself after a commit, but gives up when anybody is reading, and with several processes
        somebody always is: the journal grew without end, and every read with it. A long reader (a verification) is
        not waited for: then it is tried again when the journal has grown by as much once more.
        """
        with suppress(DriverError, OSError):
            if self._journal.stat().st_size < self._enough:
                return
            connection.execute(f"PRAGMA busy_timeout = {TIDYING_MILLISECONDS}")
            try:
                (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._enough = self._enough + MOST_JOURNAL if busy else MOST_JOURNAL
            finally:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")

    def scrub(self, connection: Connection) -> bool:
        """Write the journal into the file and empty it; what was removed there is overwritten (`secure_delete`)."""
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def is_lost(self, connection: Connection) -> bool:  # noqa: ARG002 - a file does not hang up
        """Say no."""
        return False

    def said(self, error: Exception) -> StepcareError:
        """Give a driver's error as ours, with what to do."""
        if is_locked(error):
            return Conflict("Another process has been writing for too long: nothing was kept, try again.")
        if isinstance(error, driver.OperationalError):
            return Unavailable(
                f"The database cannot be used now ({error}): nothing was kept. See to {self.place} (space left, disk, "
                "rights), then try again."
            )
        return StepcareError(f"The database refused ({error}): nothing was kept. Run `stepcare audit verify`.")


def is_locked(error: Exception) -> bool:
    """Say whether another process held the file for too long."""
    return isinstance(error, Busy) and "locked" in str(error)


def hold(files: Files, *, alone: bool) -> int:
    """Hold the writers' lock, shared or alone."""
    held = _opened(files.lock)
    try:
        fcntl.flock(held, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Conflict(
            f"Another process writes to {files.database}. While one migrates, or has an SQLite older than "
            f"{'.'.join(map(str, SAFE_FOR_TWO_WRITERS))}, no other may write: stop one of them, or install pysqlite3."
        ) from None
    return held


def _opened(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
