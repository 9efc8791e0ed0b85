"""What this room asks of a database, whichever it is: a connection, and the few things each kind says its own way."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.engine import Dialect

from engine.errors import StepcareError
from storage.tables import Row


class Connection(Protocol):
    """What this room asks of a driver's connection; tests wrap it to fail at a chosen statement.

    Statements name their values `:name`, whatever the driver's own way is.
    """

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
class Words:
    """The statements that the two kinds of database say differently: how work begins, and what is locked.

    `many` makes the value of `:ids` from a list. Rows are locked in the order of their keys, the log's head last.
    `hint` tells other processes, with the commit, that something is due `:at` (empty: there is no way to).
    """

    begin: str
    begin_reading: str
    has_version: str
    many: Callable[[Sequence[Any]], Any]
    episodes: str
    persons: str
    site: str
    head: str
    their_episodes: str
    old_tries: str
    hint: str


class Backend(Protocol):
    """One database of one kind: how it is reached, and what its errors mean."""

    words: Words
    dialect: Dialect
    errors: tuple[type[Exception], ...]

    @property
    def place(self) -> str:
        """Name the database, without any secret, as messages do."""

    @property
    def vault(self) -> Path:
        """Give the vault's file."""

    @property
    def key(self) -> Path:
        """Give the file of the vault's own key."""

    def connect(self, *, reading: bool = False) -> Connection:
        """Open a connection; one for reading cannot write."""

    def enter(self) -> None:
        """Enter this process among those that write; raises Conflict where it may not."""

    def leave(self) -> None:
        """Leave those that write."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait for this process's turn to write, and give it to the next one afterwards."""

    def tidy(self, connection: Connection) -> None:
        """Do, after a commit and while it is still our turn, what must be done now and then."""

    def scrub(self, connection: Connection) -> bool:
        """Leave no old page of what was removed in any file of ours; False: somebody reads them still, try again."""

    def is_lost(self, connection: Connection) -> bool:
        """Say whether a connection can no longer be used."""

    def said(self, error: Exception) -> StepcareError:
        """Give a driver's error as ours, with what to do."""


def rows(cursor: Any) -> list[Row]:
    """Give a cursor's rows by column name."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, found, strict=True)) for found in cursor]
