"""An open database with its vault: connections for reading, one that writes, and refusing what cannot be right.

One connection writes, behind a lock; every read has a connection of its own.
"""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from engine.errors import Conflict, InvalidInput, Unverifiable
from storage.connection import Backend, Connection
from storage.queue import Queue
from storage.seal import Random
from storage.sqlite import Files, Sqlite
from storage.vault import Vault
from storage.vault_key import KeyEncryptionKey, key_from_file

# Versions of the schema, oldest first; a test compares them with the migrations. Alembic itself is loaded only to
# migrate: it would double the time of every command.
VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
SITE_REF = "site"  # whose key seals what is decided for the whole site
MOST_IDLE = 40  # connections for reading that are kept open


def backend_of(where: str | Path, vault: Path | None = None) -> Backend:
    """Give the database of an address: a directory, `sqlite:///DIRECTORY` or `postgresql://…`.

    `vault` is the directory of the vault; needed where the database is no directory itself.
    """
    if urlsplit(str(where)).scheme not in ("postgresql", "postgres"):
        return Sqlite(Files.of(where))
    from storage.postgres import Postgres  # noqa: PLC0415 - its driver is loaded only by those who use it

    if vault is None:
        raise InvalidInput(
            "The vault of a PostgreSQL database lies in a directory of its own, never in the same cluster: name it "
            "with STEPCARE_VAULT."
        )
    return Postgres(str(where), vault)


class Database:
    """An open database with its vault. Threads may share it."""

    def __init__(self, backend: Backend, vault: Vault) -> None:
        """Use `Database.open`."""
        self.backend, self.vault = backend, vault
        self.lock = threading.RLock()
        self.origin = ""
        self.zone = ""
        self.noting: Queue[Any, Any] | None = None  # where reads wait to be noted together, once there was one
        self._writer: Connection | None = None
        self.hung_up = False  # whether the server ended the last transaction by closing the connection
        self._idle: list[Connection] = []

    @classmethod
    def open(
        cls, where: str | Path, *, random: Random, key: KeyEncryptionKey | None = None, vault: Path | None = None
    ) -> Self:
        """Open a migrated database; `key` None: the vault's key lies in the file beside it.

        NotFound for what is missing, Conflict for a schema older than this program, Unverifiable for a newer one
        and for a vault that belongs to another database.
        """
        backend = backend_of(where, vault)
        connection = backend.connect(reading=True)
        try:
            require_current(connection, backend)
            (origin,) = connection.execute("SELECT origin FROM audit_head").fetchone()
            vault_id, zone = connection.execute("SELECT vault, zone FROM meta").fetchone()
        finally:
            connection.close()
        opened = Vault.open(
            backend.vault, key or key_from_file(backend.key, random, create=False), origin=origin, random=random
        )
        if opened.id != vault_id:
            opened.close()
            raise Unverifiable(
                f"The vault {backend.vault} is not the one {backend.place} was made with: restore both from one backup."
            )
        database = cls(backend, opened)
        database.origin, database.zone = origin, zone
        return database

    # --- writing ----------------------------------------------------------------------------------------------------

    @property
    def writer(self) -> Connection:
        """Give the one connection that writes; hold `lock` while using it."""
        self.backend.enter()
        if self._writer is None:
            self._writer = self._connected(reading=False)
        return self._writer

    @writer.setter
    def writer(self, connection: Connection | None) -> None:
        self._writer = connection

    @contextmanager
    def writing(self) -> Generator[Connection, None, None]:
        """Give the writing connection inside a transaction: committed at the end, undone when anything is raised.

        What the driver refuses is raised as ours.
        """
        with self.lock:
            writer = self.writer
            with self.backend.turn():
                try:
                    writer.execute(self.backend.words.begin)
                    yield writer
                    writer.execute("COMMIT")
                except BaseException as error:
                    self.undo()
                    if isinstance(error, self.backend.errors):
                        raise self.backend.said(error) from error
                    raise
                self.backend.tidy(writer)  # what goes wrong here undoes nothing: it is committed

    def scrub(self) -> bool:
        """Leave no trace of what was removed in the database's files; False: not possible just now, try again."""
        with self.lock:
            writer = self.writer
            with self.backend.turn():
                try:
                    return self.backend.scrub(writer)
                except self.backend.errors as error:
                    raise self.backend.said(error) from error

    def undo(self) -> None:
        """Undo what the writer has begun. A connection that cannot even do that is thrown away, which undoes it."""
        writer = self._writer
        if writer is None:
            return
        try:
            # SQLite has already rolled back by itself after some errors (disk full): asking again would hide them.
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            gone = self.hung_up = self.backend.is_lost(writer)
        except self.backend.errors:
            gone, self.hung_up = True, self.backend.is_lost(writer)
        if gone:
            self._writer = None
            writer.close()

    # --- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Generator[Connection, None, None]:
        """Give a connection that cannot write, seeing one moment of the database.

        What the driver refuses is raised as ours; a connection on which anything was raised is thrown away.
        """
        connection = self._begun()
        try:
            yield connection
            connection.execute("ROLLBACK")
        except BaseException as error:
            connection.close()
            if isinstance(error, self.backend.errors):
                raise self.backend.said(error) from error
            raise
        self._rest(connection)

    def look(self, sql: str, values: Mapping[str, Any]) -> Any:
        """Give the one row of one statement, which is a moment of its own."""
        connection = self._pooled()
        try:
            found = connection.execute(sql, values).fetchone()
        except self.backend.errors as error:
            connection.close()
            if not self.backend.is_lost(connection):
                raise self.backend.said(error) from error
            with self.reading() as fresh:  # the server hung up on an idle connection: ask on a new one
                return fresh.execute(sql, values).fetchone()
        self._rest(connection)
        return found

    def _begun(self) -> Connection:
        connection = self._pooled()
        try:
            connection.execute(self.backend.words.begin_reading)
        except self.backend.errors:
            connection.close()
            connection = self._connected(reading=True)
            try:
                connection.execute(self.backend.words.begin_reading)
            except self.backend.errors as error:
                connection.close()
                raise self.backend.said(error) from error
        return connection

    def _pooled(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connected(reading=True)

    def _connected(self, *, reading: bool) -> Connection:
        """Open a connection; its first statements already read the file, so they too may meet a broken disk."""
        try:
            return self.backend.connect(reading=reading)
        except self.backend.errors as error:
            raise self.backend.said(error) from error

    def _rest(self, connection: Connection) -> None:
        if len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close every connection, and the vault."""
        if self.noting is not None:
            self.noting.close()
        with self.lock:
            for connection in (*self._idle, *((self._writer,) if self._writer else ())):
                connection.close()
            self._idle.clear()
            self._writer = None
            self.backend.leave()
        self.vault.close()


def require_current(connection: Connection, backend: Backend) -> None:
    """Refuse a schema that is not this program's."""
    found = version_of(connection, backend)
    if found == VERSIONS[-1]:
        return
    if found is None or found in VERSIONS:
        raise Conflict(
            f"{backend.place} has schema {found or 'none'}, this program needs {VERSIONS[-1]}: run `stepcare migrate`."
        )
    raise Unverifiable(
        f"{backend.place} has schema {found}, newer than this program's {VERSIONS[-1]}: use the newer program."
    )


def version_of(connection: Connection, backend: Backend) -> str | None:
    """Give the schema's version, None where there is none yet."""
    try:
        if connection.execute(backend.words.has_version).fetchone() is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except backend.errors as error:
        raise backend.said(error) from error
    return str(found[0]) if found else None
