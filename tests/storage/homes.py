"""Where a test's database lives: a directory, or a PostgreSQL server with the vault's directory."""

import secrets
import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg

from storage.connection import Connection
from storage.database import Database
from storage.migrate import Founding, migrate
from storage.postgres import Session
from storage.roles import app_of
from storage.sqlite import connect
from storage.tables import TABLES
from tests.servers import Server, name_of
from tests.storage.acts import NOW

KINDS = ("sqlite", "postgresql")
ORIGIN = "clinic.example/log"


class Home(Protocol):
    """One database, to be opened as often as a test likes."""

    @property
    def address(self) -> str:
        """Name it, as the program's settings do."""

    @property
    def vault(self) -> Path:
        """Give the directory of the vault."""

    def open(self) -> Database:
        """Open it as the program does."""

    def copy(self, to: Path) -> "Home":
        """Give a copy of a database nobody has open; `to` is a directory that is not there yet."""

    def unguarded(self) -> AbstractContextManager[Connection]:
        """Give a connection of somebody mighty, the triggers away for a moment."""

    def drop(self) -> None:
        """Let go of what outlives the test's directory."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with an SQLite database and its vault."""

    path: Path

    @property
    def address(self) -> str:
        """Name the directory."""
        return str(self.path)

    @property
    def vault(self) -> Path:
        """Give the same directory: the vault lies beside the database."""
        return self.path

    @classmethod
    def found(cls, path: Path) -> "Directory":
        """Make an empty, migrated one."""
        migrate(path, Founding(now=NOW, origin=ORIGIN), random=secrets.token_bytes)
        return cls(path)

    def open(self) -> Database:
        """Open it as the program does."""
        return Database.open(self.path, random=secrets.token_bytes)

    def copy(self, to: Path) -> "Directory":
        """Copy the files."""
        return Directory(Path(shutil.copytree(self.path, to)))

    @contextmanager
    def unguarded(self) -> Generator[Connection, None, None]:
        """Drop every trigger and make it again, as somebody with the file could."""
        connection = connect(self.path / "stepcare.db")
        connection.execute("PRAGMA foreign_keys = OFF")
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, statement in guards:
            connection.execute(statement)
        connection.close()

    def drop(self) -> None:
        """Do nothing: it goes with the directory."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A database of a PostgreSQL server, and the directory of its vault."""

    server: Server
    address: str
    vault: Path

    @classmethod
    def found(cls, server: Server, vault: Path) -> "Cluster":
        """Make an empty, migrated one; opened as the role that serves."""
        address = server.empty_database()
        migrate(address, Founding(now=NOW, origin=ORIGIN), random=secrets.token_bytes, vault=vault)
        return cls(server, server.url(name_of(address), app_of(name_of(address))), vault)

    def open(self) -> Database:
        """Open it as the program does."""
        return Database.open(self.address, random=secrets.token_bytes, vault=self.vault)

    def copy(self, to: Path) -> "Cluster":
        """Copy the database in the server, and the vault's files."""
        return Cluster(self.server, self.server.fresh_database(self.address), Path(shutil.copytree(self.vault, to)))

    @contextmanager
    def unguarded(self) -> Generator[Connection, None, None]:
        """Switch every trigger off and on again, as the server's administrator could."""
        with psycopg.connect(self.server.administrator_of(self.address), autocommit=True) as inner:
            for table in TABLES:
                inner.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER ALL')
            names = "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
            guards = inner.execute(names).fetchall()
            yield Session(inner)
            for table in TABLES:
                inner.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER ALL')
            for table, name in guards:
                inner.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER "{name}"')

    def drop(self) -> None:
        """Remove the database and its roles."""
        self.server.drop_database(self.address)
