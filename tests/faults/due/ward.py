"""A clinic with people in it whose reminders come due, and workers that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stepcare.app import App, open_app
from storage.pump import Pump
from tests.faults.due.checks import wrong_in
from tests.faults.due.child import Job
from tests.faults.due.dial import Dial
from tests.faults.running import PATIENCE, ROOT, Nursery, Running
from tests.storage.homes import Home

REMIND = datetime(2026, 3, 23, 8, 0, 5, tzinfo=UTC)  # reminders fall due; they are spread over a quarter of an hour
SENT = datetime(2026, 3, 23, 8, 30, tzinfo=UTC)  # by now all of them may go
ESCALATE = datetime(2026, 3, 31, 7, 0, 5, tzinfo=UTC)  # two ladders reach the coordinator
LEAD = datetime(2026, 4, 7, 7, 30, tzinfo=UTC)  # the next rungs, and one that calls the clinicians
STAGES = (REMIND, SENT, ESCALATE, LEAD)
OVER = timedelta(seconds=35)  # a lease and a moment


class Ward:
    """One database of the test's own, its clock, its receivers, and the workers that are started on it."""

    def __init__(self, home: Home, room: Path, nursery: Nursery) -> None:
        """Begin shortly before the first reminders."""
        self.home, self._room, self._nursery = home, room, nursery
        self.dial = Dial(room / "dial", REMIND - timedelta(hours=1))
        self.received = room / "received"
        self.crashes = self._made = 0
        self._alive: list[Running] = []

    # --- workers ----------------------------------------------------------------------------------------------------

    def job(self, **more: Any) -> Job:
        """Give what a worker is to do."""
        self._made += 1
        said: dict[str, Any] = {
            "where": self.home.address,
            "vault": str(self.home.vault),
            "record": str(self._room / f"record-{self._made}"),
            "dial": str(self.dial.path),
            "received": str(self.received),
        }
        return Job(**{**said, **more})

    def start(self, **more: Any) -> Running:
        """Start a worker."""
        job = self.job(**more)
        running = self._nursery._born("work", asdict(job), Path(job.record))
        self._alive.append(running)
        return running

    def drained(self, **more: Any) -> None:
        """Let a worker do what there is to do, until nothing is left."""
        self.ended(self.start(**more))

    def ended(self, running: Running) -> None:
        """Wait until a worker that drains has ended well."""
        said = until(running, lambda phase: phase in ("closed", "broken"))
        assert said == "closed", running.said().broken

    def lost(self, running: Running) -> bool:
        """Wait until a worker has died at its step, or ended well without ever having come there; says which."""
        said = until(running, lambda phase: phase in ("closed", "broken"))
        assert said != "broken", running.said().broken
        died = said != "closed"
        self.crashes += died
        if died:
            self.dial.pass_(OVER)  # its leases are over, and nobody waited
        return died

    def killed(self, running: Running) -> None:
        """Kill a worker, and let its leases be over."""
        running.kill()
        self.crashes += 1
        self.dial.pass_(OVER)

    def leave(self) -> None:
        """Leave no process behind, frozen ones neither."""
        for one in self._alive:
            one.kill()

    # --- afterwards -------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Generator[App, None, None]:
        """Open the database at the clock's time."""
        with open_app(self.home.address, self.dial, self.home.vault) as app:
            yield app

    def check(self, *, honours: bool = True) -> None:
        """Hold everything against what must be so."""
        with self.opened() as app:
            wrong = wrong_in(app, self.received, crashes=self.crashes, honours=honours)
        assert not wrong, "\n".join(wrong)


def until(running: Running, happened: Callable[[str], bool]) -> str:
    """Wait until a worker says something, or is dead; gives the last it said."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        gone, phase = running._gone(0), phase_of(running)
        if happened(phase) or gone:
            return phase_of(running)
        time.sleep(0.01)
    raise AssertionError(f"Nothing happened for {PATIENCE} s: {phase_of(running)}")


def phase_of(running: Running) -> str:
    """Give the last a worker said."""
    said = running.said()
    return "broken" if said.broken else said.phase


def beats_on(ward: Ward, working: Running) -> None:
    """Wait for two more heartbeats: the jobs run, whatever the clock or the database do."""
    with ward.opened() as app:
        for _ in range(2):
            before, end = seen(app), time.monotonic() + PATIENCE / 2
            while seen(app) == before:
                assert time.monotonic() < end, "It does not tick any more."
                assert phase_of(working) in ("ready", "reached", "frozen")  # the last it said: it may be awake again
                time.sleep(0.02)


def seen(app: App) -> list[datetime]:
    """Give when the workers last beat."""
    return [one.beat_at for one in Pump(app.database, "looks").workers()]


def freeze(running: Running) -> None:
    """Freeze a worker."""
    os.kill(running.pid, signal.SIGSTOP)


def thaw(running: Running) -> None:
    """Let a frozen worker go on."""
    os.kill(running.pid, signal.SIGCONT)


@contextmanager
def nursery() -> Generator[Nursery, None, None]:
    """Open a nursery of workers, and close it at the end."""
    words = [sys.executable, "-m", "tests.faults.due.child"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own words
        try:
            yield Nursery(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)
