"""A commit that fails or dies at any statement, before or after it: all of it is there, or nothing."""

import secrets
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.errors import Conflict, Unavailable
from engine.service import Change
from storage.connection import Connection
from storage.database import Database
from storage.sqlite import Busy
from storage.store import Store
from storage.tables import TABLES
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import NOW, Acts
from tests.storage.homes import Directory, Home

Fault = Callable[[], BaseException]


class Died(BaseException):
    """The process is gone: nothing that comes after this statement happens."""


class Failing:
    """A connection that fails at its n-th statement, before or after it was carried out."""

    def __init__(self, inner: Connection, at: int, fault: Fault, *, after: bool) -> None:
        """Fail once at statement `at` (0 is the first); Died lasts."""
        self.inner, self.at, self.fault, self.after = inner, at, fault, after
        self.count = 0
        self.dead = False
        self.committed = False

    @property
    def in_transaction(self) -> bool:
        """Ask the real one."""
        return self.inner.in_transaction

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement, or fail."""
        return self._run(lambda: self.inner.execute(sql, parameters), sql)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run a statement many times, or fail."""
        return self._run(lambda: self.inner.executemany(sql, parameters), sql)

    def close(self) -> None:
        """Close the real one."""
        self.inner.close()

    def _run(self, work: Callable[[], Any], sql: str) -> Any:
        if self.dead:
            raise Died
        here, self.count = self.count == self.at, self.count + 1
        if here and not self.after:
            raise self._failed()
        done = work()
        self.committed |= sql == "COMMIT"
        if here:
            raise self._failed()
        return done

    def _failed(self) -> BaseException:
        failed = self.fault()
        self.dead = isinstance(failed, Died)
        return failed


def changes(acts: Acts) -> tuple[Change, Change]:
    """Give two decisions that touch every table of the decision path."""
    return acts.visiting("e2", key="k7"), acts.registering("e8", "p8")


def dump(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Give every row of every table."""
    return {table: connection.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall() for table in TABLES}  # noqa: S608 - our own


def opened(home: Home) -> tuple[Database, Acts]:
    """Open a database with everything needed to act on it, ids not used before."""
    database = home.open()
    acts = Acts(store=Store(database, secrets.token_bytes))
    for _ in range(100):
        next(acts.made)
    return database, acts


def statements_of_one_apply(home: Home) -> int:
    """Count the statements of the apply that is going to fail."""
    database, acts = opened(home)
    with closing(database):
        counting = Failing(database.writer, -1, Died, after=False)
        database.writer = counting
        assert all(one.error is None for one in acts.store.apply(changes(acts)))
        return counting.count


def dies(_: Home) -> Fault:
    """Die."""
    return Died


def disk_is_full(home: Home) -> Fault:
    """Fail as the database does when its disk is full."""
    if isinstance(home, Directory):
        return lambda: Busy("database or disk is full")
    return lambda: psycopg.errors.DiskFull("could not extend file: No space left on device")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", [dies, disk_is_full], ids=["death", "full"])
def test_a_commit_is_all_or_nothing_at_every_statement(
    lived: Home, tmp_path: Path, fault: Callable[[Home], Fault], *, after: bool
) -> None:
    """Whatever statement of a commit fails: nothing half-written, the log verifies, and the same wish goes through."""
    total = statements_of_one_apply(lived.copy(tmp_path / "count"))
    assert total > 12
    for at in range(total):
        home = lived.copy(tmp_path / str(at))
        database, acts = opened(home)
        with closing(database):
            wanted = changes(acts)
            with database.reading() as connection:
                before = dump(connection)
            failing = Failing(database.writer, at, fault(home), after=after)
            database.writer = failing
            try:
                acts.store.apply(wanted)
            except Died:
                failing.close()
                database.writer = None
        survives(home, before, wanted, committed=failing.committed)
        home.drop()


def survives(home: Home, before: object, wanted: tuple[Change, Change], *, committed: bool) -> None:
    """Open it again: all or nothing, verified, and the wishes can be kept."""
    database, acts = opened(home)
    with closing(database):
        with database.reading() as connection:
            assert (dump(connection) == before) is not committed
        report = verify_log(database, opener_of(database))
        assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())
        repeated, registered = acts.store.apply(wanted)
        assert repeated.error is None
        assert (registered.error is not None) is committed
        assert verify_log(database, opener_of(database)).verdict is Verdict.VERIFIED


def test_a_failed_commit_is_reported_and_the_next_one_works(lived: Home, tmp_path: Path) -> None:
    """The caller hears that nothing was kept and why; the store goes on."""
    database, acts = opened(lived.copy(tmp_path / "data"))
    with closing(database):
        failing = Failing(database.writer, 6, disk_is_full(lived), after=False)
        database.writer = failing
        change = acts.assigning("e1")

        (failed,) = acts.store.apply((change,))
        (kept,) = acts.store.apply((change,))

        assert isinstance(failed.error, Unavailable)
        assert "try again" in str(failed.error)
        assert kept.error is None


def test_a_database_that_stays_locked_is_a_conflict(lived: Home, tmp_path: Path) -> None:
    """Another process that does not let go is waited for once; then every caller hears it, and may try again."""
    database, acts = opened(lived.copy(tmp_path / "data"))
    with closing(database), closing(database.backend.connect()) as other:
        if isinstance(lived, Directory):
            database.writer.execute("PRAGMA busy_timeout = 0")
        else:
            database.writer.execute("SET lock_timeout = '200ms'")
        other.execute(database.backend.words.begin)
        other.execute(database.backend.words.head)

        found = acts.store.apply(changes(acts))
        if isinstance(lived, Directory):
            with pytest.raises(Conflict):
                acts.store.forget_keys(NOW)

        assert all(isinstance(one.error, Conflict) for one in found)
        other.execute("ROLLBACK")
        assert all(one.error is None for one in acts.store.apply(changes(acts)))


class Stuck(Failing):
    """A connection that fails at every statement from the n-th on, ROLLBACK included."""

    def _run(self, work: Callable[[], Any], sql: str) -> Any:
        self.at = max(self.at, self.count)
        return super()._run(work, sql)


def test_a_writer_that_cannot_even_roll_back_is_replaced(lived: Home, tmp_path: Path) -> None:
    """A connection in an unknown state is thrown away, which undoes what it had begun."""
    database, acts = opened(lived.copy(tmp_path / "data"))
    with closing(database):
        database.writer = Stuck(database.writer, 6, disk_is_full(lived), after=False)
        change = acts.assigning("e1")

        (failed,) = acts.store.apply((change,))

        assert failed.error is not None
        assert acts.keep(change) == 12
        assert verify_log(database, opener_of(database)).verdict is Verdict.VERIFIED
