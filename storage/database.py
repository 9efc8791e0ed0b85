"""One directory, one database: opening it, and refusing what cannot be right.

A directory holds `stepcare.db` (pseudonymous), and the vault beside it: `vault.db` (identities and keys) and
`vault.key`. One connection writes, behind a lock; every read has a connection of its own.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from engine.audit import canonical, instant
from engine.errors import Conflict, InvalidInput, NotFound, Unverifiable
from storage.seal import Random
from storage.tables import Row
from storage.vault import Details, KeyEncryptionKey, Vault, key_from_file, new_ref

try:
    from pysqlite3 import dbapi2 as driver
except ImportError:  # no wheel fits this machine: the standard library's own
    import sqlite3 as driver

DriverError: type[Exception] = driver.Error
Busy: type[Exception] = driver.OperationalError
LIBRARY: tuple[int, ...] = driver.sqlite_version_info

# Versions of the schema, oldest first; a test compares them with the migrations. Alembic itself is loaded only to
# migrate: it would double the time of every command.
VERSIONS = ("0001",)
# Older libraries can lose a WAL frame when two processes write and one of them resets the log.
SAFE_FOR_TWO_WRITERS = (3, 51, 3)
BUSY_SECONDS = 10
SITE_REF = "site"  # whose key seals what is decided for the whole site
CONNECTING = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # a second wall: rows removed by REPLACE meet their DELETE triggers too
    "PRAGMA synchronous = FULL",
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
    try:
        for pragma in CONNECTING:
            connection.execute(pragma)
    except DriverError:
        connection.close()
        raise
    return connection  # type: ignore[no-any-return]  # the driver is one of two modules


def rows(cursor: Any) -> list[Row]:
    """Give a cursor's rows by column name."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, found, strict=True)) for found in cursor]


class Database:
    """An open database with its vault. Threads may share it."""

    def __init__(self, files: Files, vault: Vault, library: tuple[int, ...] = LIBRARY) -> None:
        """Use `Database.open`. `library` is the version of SQLite that decides whether two processes may write."""
        self.files, self.vault, self.library = files, vault, library
        self.lock = threading.RLock()
        self.origin = ""
        self.zone = ""
        self._writer: Connection | None = None
        self._held: int | None = None
        self._idle: list[Connection] = []

    @classmethod
    def open(cls, where: str | Path, *, random: Random, key: KeyEncryptionKey | None = None) -> Self:
        """Open a migrated database; `key` None: the vault's key lies in the file beside it.

        NotFound for what is missing, Conflict for a schema older than this program, Unverifiable for a newer one
        and for a vault that belongs to another database.
        """
        files = Files.of(where)
        connection = _existing(files)
        try:
            _require_current(connection, files)
            (origin,) = connection.execute("SELECT origin FROM audit_head").fetchone()
            vault_id, zone = connection.execute("SELECT vault, zone FROM meta").fetchone()
        finally:
            connection.close()
        vault = Vault.open(
            files.vault, key or key_from_file(files.key, random, create=False), origin=origin, random=random
        )
        if vault.id != vault_id:
            vault.close()
            raise Unverifiable(
                f"The vault {files.vault} is not the one {files.database} was made with: restore both from one backup."
            )
        database = cls(files, vault)
        database.origin, database.zone = origin, zone
        return database

    @property
    def writer(self) -> Connection:
        """Give the one connection that writes; hold `lock` while using it."""
        if self._held is None:
            self._held = _hold(self.files, alone=self.library < SAFE_FOR_TWO_WRITERS)
        if self._writer is None:
            self._writer = connect(self.files.database)
        return self._writer

    @writer.setter
    def writer(self, connection: Connection | None) -> None:
        self._writer = connection

    def undo(self) -> None:
        """Undo what the writer has begun. A connection that cannot even do that is thrown away, which undoes it."""
        writer = self._writer
        if writer is None:
            return
        try:
            # SQLite has already rolled back by itself after some errors (disk full): asking again would hide them.
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        except driver.Error:
            self._writer = None
            writer.close()

    @contextmanager
    def reading(self) -> Generator[Connection, None, None]:
        """Give a connection that cannot write, seeing one moment of the database."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self.files.database)
            connection.execute("PRAGMA query_only = ON")
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Close every connection, and the vault."""
        with self.lock:
            for connection in (*self._idle, *((self._writer,) if self._writer else ())):
                connection.close()
            self._idle.clear()
            self._writer = None
            if self._held is not None:
                os.close(self._held)
                self._held = None
        self.vault.close()


def _existing(files: Files) -> Connection:
    if not files.database.is_file():
        raise NotFound(what="database", name=str(files.database), remedy="run `stepcare migrate` to make one")
    try:
        return connect(files.database)
    except driver.DatabaseError as error:
        raise Unverifiable(
            f"{files.database} cannot be opened ({error}): name the directory that holds your database."
        ) from None


def _require_current(connection: Connection, files: Files) -> None:
    found = _version(connection)
    if found == VERSIONS[-1]:
        return
    if found is None or found in VERSIONS:
        raise Conflict(
            f"{files.database} has schema {found or 'none'}, this program needs {VERSIONS[-1]}: run `stepcare migrate`."
        )
    raise Unverifiable(
        f"{files.database} has schema {found}, newer than this program's {VERSIONS[-1]}: use the newer program."
    )


def _version(connection: Connection) -> str | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def _hold(files: Files, *, alone: bool) -> int:
    """Hold the writers' lock, shared or alone."""
    held = os.open(files.lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(held, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Conflict(
            f"Another process writes to {files.database}. While one migrates, or has an SQLite older than "
            f"{'.'.join(map(str, SAFE_FOR_TWO_WRITERS))}, no other may write: stop one of them, or install pysqlite3."
        ) from None
    return held


# --- making and migrating -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a new database is told once. `origin` names its log for ever, `zone` is the site's."""

    now: datetime
    origin: str = ""
    zone: str = "Europe/Berlin"


def migrate(where: str | Path, founding: Founding, *, random: Random, key: KeyEncryptionKey | None = None) -> str:
    """Make a database, or bring an old one up to this program's schema; gives the schema's version.

    Doing it again changes nothing, also after a crash at any point: the schema, the head and `meta` are one
    commit, and the vault is made after it, under the origin fixed there.
    """
    files = Files.of(where)
    files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not files.database.exists():
        os.close(os.open(files.database, os.O_CREAT | os.O_WRONLY, 0o600))
    held = _hold(files, alone=True)  # nobody writes while tables change
    connection = _existing(files)
    try:
        _refuse_newer(connection, files)
        connection.execute("PRAGMA journal_mode = WAL")
        _upgrade(connection, founding, random)
        _join_vault(connection, files, founding, random=random, key=key)
    finally:
        connection.close()
        os.close(held)
    return VERSIONS[-1]


def _refuse_newer(connection: Connection, files: Files) -> None:
    found = _version(connection)
    if found is not None and found not in VERSIONS:
        _require_current(connection, files)


def _upgrade(connection: Connection, founding: Founding, random: Random) -> None:
    from alembic.command import upgrade  # noqa: PLC0415 - only migrating pays for loading it
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    config = Config()
    # Options are read with %-interpolation, and a directory may hold a percent sign.
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    engine = create_engine("sqlite://", creator=lambda: connection, module=driver, poolclass=StaticPool)
    with engine.begin() as transaction:
        transaction.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = transaction
        upgrade(config, "head")
        if transaction.exec_driver_sql("SELECT count(*) FROM audit_head").scalar_one() == 0:
            _found(transaction, founding, random)


def _found(transaction: Any, founding: Founding, random: Random) -> None:
    origin = founding.origin or f"stepcare/{new_ref('log', random)}"
    empty = canonical({})
    for sql, values in (
        ("INSERT INTO audit_head (id, n, rooted, frontier, origin) VALUES (1, 0, 0, x'', ?)", (origin,)),
        (
            "INSERT INTO meta (id, created_at, vault, zone) VALUES (1, ?, '', ?)",
            (instant(founding.now), founding.zone),
        ),
        # The first decisions are made before anybody has set a parameter, and say so by this hash.
        ("INSERT INTO parameter_set (sha256, bytes) VALUES (?, ?)", (hashlib.sha256(empty).hexdigest(), empty)),
    ):
        transaction.exec_driver_sql(sql, values)


def _join_vault(
    connection: Connection, files: Files, founding: Founding, *, random: Random, key: KeyEncryptionKey | None
) -> None:
    joined, origin = connection.execute("SELECT vault, origin FROM meta, audit_head").fetchone()
    if joined:
        return
    fresh = key or key_from_file(files.key, random, create=not files.vault.exists())
    vault = Vault.open(files.vault, fresh, origin=origin, random=random, create=True)
    try:
        vault.add_person(SITE_REF, Details(name="the site itself"), founding.now)
        connection.execute("UPDATE meta SET vault = ?", (vault.id,))
    finally:
        vault.close()
