"""The composition root: the one place that reads the clock, makes ids, and puts the rooms together."""

import gc
import os
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.errors import InvalidInput, StepcareError
from engine.service import Answer, Engine
from stepcare.replay import recaller
from storage.database import Database
from storage.store import Store
from storage.vault import Vault
from storage.vault_key import key_from_environment
from storage.writer import Writer
from workflows.load import pathway_from_bytes

Clock = Callable[[], datetime]
MakeId = Callable[[], str]
MOST_TIMERS = 100_000  # a play that fires more than this between two lines has lost its way


def wall_clock() -> datetime:
    """Read the clock, in UTC. Nothing else in Stepcare does."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place


class CorrectedClock:
    """The wall clock, put right by what somebody shows whom several machines believe: their database server."""

    def __init__(self, wall: Clock = wall_clock) -> None:
        """Show the wall clock's own time until it is corrected."""
        self._wall, self._offset = wall, timedelta(0)

    def __call__(self) -> datetime:
        """Give the time."""
        return self._wall() + self._offset

    def correct(self, shown: datetime) -> None:
        """Take what is shown there for the time that it is now."""
        self._offset = shown - self._wall()


class VirtualClock:
    """A clock that goes where a story goes, and only forward."""

    def __init__(self, start: datetime) -> None:
        """Stand at `start` (aware)."""
        self._now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        """Give the time."""
        return self._now

    def forward_to(self, instant: datetime) -> None:
        """Go to an instant, which must not lie before the present one."""
        if instant < self._now:
            raise InvalidInput(f"The clock stands at {self._now.isoformat()} and cannot go back to {instant}.")
        self._now = instant.astimezone(UTC)


def id_source(clock: Clock, random: Callable[[int], bytes] = os.urandom) -> MakeId:
    """Give a maker of ids: 48 bits of time and 74 random ones (UUID version 7), so that they sort as they were made."""

    def make() -> str:
        milliseconds = int(clock().timestamp() * 1000)
        noise = int.from_bytes(random(10), "big")
        value = (milliseconds << 80) | noise
        value = value & ~(0xF << 76) | (7 << 76)
        return str(uuid.UUID(int=value & ~(0b11 << 62) | (0b10 << 62)))

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The assembled product over one open database."""

    database: Database
    store: Store
    engine: Engine
    clock: Clock
    make_id: MakeId

    @property
    def vault(self) -> Vault:
        """Where identities are."""
        return self.database.vault

    @property
    def writer(self) -> Writer:
        """Where decisions queue for their commit."""
        return self.store.writer


@contextmanager
def open_app(where: str | Path, clock: Clock = wall_clock, vault: Path | None = None) -> Generator[App, None, None]:
    """Open a migrated database; at the end what was handed over is written, and it is closed.

    `vault` is the vault's directory where the database is none itself.
    """
    key = key_from_environment(os.environ, os.urandom)
    database = Database.open(where, random=os.urandom, key=key, vault=vault)
    try:
        app = assembled(database, clock)
        try:
            yield app
        finally:
            app.writer.close()
    finally:
        database.close()


def assembled(database: Database, clock: Clock) -> App:
    """Put the door in front of an open database."""
    store = Store(database, os.urandom)
    return App(
        database=database,
        store=store,
        engine=Engine(store=store, clock=clock, read_pack=pathway_from_bytes, recall=recaller(store)),
        clock=clock,
        make_id=id_source(clock),
    )


def migrate_app(where: str | Path, zone: str, clock: Clock = wall_clock, vault: Path | None = None) -> str:
    """Make a database, or bring one up to this program's schema; gives the schema's version."""
    from storage.migrate import Founding, migrate  # noqa: PLC0415 - only migrating pays for loading Alembic

    key = key_from_environment(os.environ, os.urandom)
    return migrate(where, Founding(now=clock(), zone=zone), random=os.urandom, key=key, vault=vault)


def settle(process: int | None = None) -> None:
    """Settle in for serving, once everything is loaded; `process` counts those that serve together from 0.

    The collector passes over what stays: packs, schemas and routes live as long as the process. And the process keeps
    to one core (None: it may wander): one of its threads runs at a time whatever we do, and handing the interpreter
    from core to core costs a third of the work. How it was measured stands in docs/performance.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if process is not None and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[process % len(cores)]})


@contextmanager
def temporary_app(clock: Clock, zone: str, directory: str | None = None) -> Generator[App, None, None]:
    """Make a fresh database that lasts as long as a story; `directory` keeps it there instead."""
    with tempfile.TemporaryDirectory(prefix="stepcare-") as made:
        where = directory or made
        migrate_app(where, zone, clock)
        with open_app(where, clock) as app:
            yield app


def pass_time(app: App, clock: VirtualClock, until: datetime) -> Iterator[Answer]:
    """Let time pass: each timer fires at its own instant, in order, and the clock ends at `until`."""
    for _ in range(MOST_TIMERS):
        waiting = app.store.due_timers(until, 1)
        if not waiting:
            clock.forward_to(until)
            return
        episode, timer = waiting[0]
        at = next(one.at for one in app.store.episode(episode).timers if one.id == timer)
        clock.forward_to(max(at, clock()))
        for answer in app.engine.fire_due(app.make_id, limit=1):
            if answer.entry is None:
                raise StepcareError(f"Timer {timer} of episode {episode} cannot fire: {answer.decision.problem}")
            yield answer
    raise StepcareError(f"More than {MOST_TIMERS} timers fell due before {until.isoformat()}: a ladder never ends.")
