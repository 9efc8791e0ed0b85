"""One PostgreSQL database: its connections, and what its errors mean.

The vault is not in it, nor in its cluster: it lies in a directory of its own, which the caller names.
"""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from engine.errors import Conflict, InvalidInput, StepcareError, Unavailable
from storage.connection import Connection, Words
from storage.statements import POSTGRESQL

SCHEMES = ("postgresql", "postgres")
CONNECT_SECONDS = 10
PREPARE_AFTER = 2
# What a session promises, whatever the server's defaults are: an answer means that it is on the disk.
OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s "
    "-c timezone=UTC -c search_path=public,pg_temp"
)
MIGHTY = (
    "SELECT r.rolsuper OR pg_has_role(r.oid, c.relowner, 'MEMBER'), r.rolname FROM pg_roles r, pg_class c "
    "WHERE r.rolname = current_user AND c.oid = 'audit_entry'::regclass"
)
_NAME = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@cache
def translated(sql: str) -> str:
    """Give a statement with its named values as this driver writes them."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


class Session:
    """A connection that takes statements as SQLite's driver does."""

    def __init__(self, inner: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """Wrap a connection in autocommit mode: transactions begin where the code says BEGIN."""
        self.inner = inner

    @property
    def in_transaction(self) -> bool:
        """Say whether a transaction is open, also one that has failed."""
        return self.inner.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def execute(self, sql: str, parameters: Any = None, /) -> Any:
        """Run one statement."""
        return self.inner.execute(translated(sql) if parameters else sql, parameters or None)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run one statement for each set of parameters, in one round trip."""
        cursor = self.inner.cursor()
        cursor.executemany(translated(sql), parameters)
        return cursor

    def close(self) -> None:
        """Close it; an open transaction is undone."""
        self.inner.close()


class Postgres:
    """The database of one address."""

    words: Words = POSTGRESQL
    dialect: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, address: str, vault: Path) -> None:
        """Name the database, and the directory of its vault."""
        self.address, self.directory = checked(address), vault
        self._entered = False

    @property
    def place(self) -> str:
        """Name the database without its password."""
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")
        user = host[0].partition(":")[0]
        return urlunsplit((parts.scheme, f"{user}@{host[2]}" if user else host[2], parts.path, "", ""))

    @property
    def name(self) -> str:
        """Give the database's own name."""
        return urlsplit(self.address).path.lstrip("/")

    @property
    def vault(self) -> Path:
        """Give the vault's file."""
        return self.directory / "vault.db"

    @property
    def key(self) -> Path:
        """Give the file of the vault's own key."""
        return self.directory / "vault.key"

    def connect(self, *, reading: bool = False) -> Connection:
        """Open a connection; one for reading cannot write."""
        options = f"{OPTIONS} -c default_transaction_read_only=on" if reading else OPTIONS
        try:
            inner = psycopg.connect(
                self.address, autocommit=True, prepare_threshold=PREPARE_AFTER, options=options,
                connect_timeout=CONNECT_SECONDS, application_name="stepcare",
            )  # fmt: skip
        except psycopg.Error as error:
            raise self.said(error) from error
        return Session(inner)

    def enter(self) -> None:
        """Refuse a role that could change the log: the one that owns it, or a superuser."""
        if self._entered:
            return
        connection = self.connect(reading=True)
        try:
            (mighty, role) = connection.execute(MIGHTY).fetchone()
        except psycopg.Error as error:
            raise self.said(error) from error
        finally:
            connection.close()
        if mighty:
            raise InvalidInput(
                f"The role {role} owns the log or is a superuser, so it could change what is written: connect as "
                f"{self.name}_app, which can only append."
            )
        self._entered = True

    def leave(self) -> None:
        """Do nothing."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait for nobody: rows are locked, and the log's head last."""
        return nullcontext()

    def tidy(self, connection: Connection) -> None:
        """Do nothing: the server tidies up by itself."""

    def scrub(self, connection: Connection) -> bool:  # noqa: ARG002 - only a vacuum could, and that is the owner's
        """Say yes: the server removes old versions of rows itself, when it vacuums."""
        return True

    def is_lost(self, connection: Connection) -> bool:
        """Say whether the server has hung up."""
        return isinstance(connection, Session) and (connection.inner.closed or connection.inner.broken)

    def said(self, error: Exception) -> StepcareError:
        """Give a driver's error as ours, with what to do. Never the driver's own words: they may quote a row."""
        state = getattr(error, "sqlstate", None)
        if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            return Conflict("Other processes have been writing for too long: nothing was kept, try again.")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Unavailable(
                f"The database {self.place} does not answer or cannot write ({state or type(error).__name__}): nothing "
                "is acknowledged. See to the server, then try again with the same key."
            )
        said = str(error).partition("\n")[0] if isinstance(error, psycopg.errors.RaiseException) else state
        return StepcareError(f"The database refused ({said}): nothing was kept. Run `stepcare audit verify`.")


def checked(address: str) -> str:
    """Give an address back; InvalidInput for one that names no database."""
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.path.strip("/"):
        raise InvalidInput("An address of PostgreSQL names its database: postgresql://user@host/database.")
    return address
