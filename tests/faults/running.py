"""Processes that work until they are killed, and what they had said by then."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from tests.faults.course import Acked
from tests.faults.load import Job

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds until something that should happen is taken for hanging


@dataclass(slots=True)
class Said:
    """What one or more processes have said: `waited` are the keys that were asked with where nobody answered."""

    acked: list[Acked] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    broken: list[object] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    phase: str = ""

    def read(self, record: Path) -> "Said":
        """Add what stands in a record; the last line of a killed process may be cut off."""
        for line in record.read_bytes().splitlines(keepends=True) if record.exists() else ():
            if not line.endswith(b"\n"):
                continue
            what, about = json.loads(line)
            if what == "acked":
                self.acked.append(Acked.from_json(about))
            elif what == "sent":
                self.sent.append(about)
            elif what == "failed":
                self.failed.append(tuple(about))
            elif what == "waited":
                self.waited.append(about)
            elif what == "broken":
                self.broken.append(about)
            else:
                self.phase = what
        return self


@dataclass(slots=True)
class Running:
    """A process at work."""

    pid: int
    record: Path
    _watch: int = field(init=False)

    def __post_init__(self) -> None:
        """Hold it by its number, which nobody else can get meanwhile."""
        self._watch = os.pidfd_open(self.pid)

    def said(self) -> Said:
        """Give what it has said so far."""
        return Said().read(self.record)

    def until(self, happened: Callable[[Said], object]) -> Said:
        """Wait until it has said something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            gone, said = self._gone(0), self.said()
            if happened(said):
                return said
            assert not gone, f"The process ended before it had done its work: {said.phase} {said.broken} {said.failed}"
            time.sleep(0.005)
        raise AssertionError(f"Nothing happened for {PATIENCE} s: {self.said()}")

    def until_more(self) -> None:
        """Wait until something more was acknowledged."""
        before = len(self.said().acked)
        self.until(lambda said: len(said.acked) > before)

    def until_waits(self) -> None:
        """Wait until it was told that nothing can be kept now."""
        before = len(self.said().waited)
        self.until(lambda said: len(said.waited) > before)

    def stop(self) -> None:
        """Ask it to stop."""
        signal.pidfd_send_signal(self._watch, signal.SIGTERM)

    def ended(self) -> Said:
        """Ask it to stop, wait until it has, and give what it has said."""
        self.stop()
        assert self._gone(PATIENCE), f"It does not stop: {self.said()}"
        said = self.said()
        assert said.phase == "closed", said
        return said

    def killed(self) -> Said:
        """Kill it, and give what it had said by then."""
        self.kill()
        return self.said()

    def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        if not self._gone(0):
            signal.pidfd_send_signal(self._watch, signal.SIGKILL)
        assert self._gone(PATIENCE), "A killed process does not die."

    def _gone(self, seconds: float) -> bool:
        return bool(select.select([self._watch], [], [], seconds)[0])


class Nursery:
    """Where working processes come from."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Use `nursery`."""
        self._process = process

    def start(self, job: Job) -> Running:
        """Start a process that works."""
        return self._born("load", asdict(job), Path(job.record))

    def serve(self, where: Path, socket: Path) -> Running:
        """Start a server."""
        return self._born("serve", {"where": str(where), "socket": str(socket)}, socket.with_suffix(".log"))

    def _born(self, what: str, job: object, record: Path) -> Running:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps([what, job]), file=stdin, flush=True)
        return Running(pid=int(stdout.readline()), record=record)

    @contextmanager
    def running(self, *jobs: Job) -> Generator[list[Running], None, None]:
        """Run processes; whatever happens, none is left."""
        started: list[Running] = []
        try:
            started.extend(self.start(job) for job in jobs)
            yield started
        finally:
            for one in started:
                one.kill()


@contextmanager
def nursery() -> Generator[Nursery, None, None]:
    """Open a nursery, and close it at the end."""
    words = [sys.executable, "-m", "tests.faults.load"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own words
        try:
            yield Nursery(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


def kill_somewhere(working: list[Running], random: Random) -> None:
    """Kill processes: mostly at work, sometimes while they open the database or close it."""
    moment = random.choice(["work"] * 4 + ["start", "stop"])
    if moment == "start":
        working[-1].until(lambda said: said.phase)
        time.sleep(random.uniform(0, 0.1))
    else:
        working[-1].until(lambda said: said.acked)
        time.sleep(random.uniform(0, 0.5))
    if moment == "stop":
        for one in working:
            one.stop()
        time.sleep(random.uniform(0, 0.05))
    for one in working:
        one.kill()


def one_life(processes: Nursery, jobs: list[Job], random: Random) -> Said:
    """Work until killed; gives what the processes had said."""
    with processes.running(*jobs) as working:
        kill_somewhere(working, random)
    return said_by(jobs)


def said_by(jobs: Iterable[Job]) -> Said:
    """Give what processes had said."""
    said = Said()
    for job in jobs:
        said.read(Path(job.record))
    return said


class Service(Protocol):
    """A server that can be killed and started again."""

    def start(self) -> None:
        """Start it; nobody waits until it answers."""

    def kill(self) -> None:
        """Kill all its processes at once."""


class Forked:
    """A server of one process, from the nursery."""

    def __init__(self, nursery: Nursery, place: Path, socket: Path) -> None:
        """Serve this place."""
        self._nursery, self._place, self._socket = nursery, place, socket
        self._running: Running | None = None

    def start(self) -> None:
        """Start it."""
        self._running = self._nursery.serve(self._place, self._socket)

    def kill(self) -> None:
        """Kill it."""
        if self._running is not None:
            self._running.kill()


class Program:
    """`stepcare serve` itself, in two processes."""

    def __init__(self, place: Path, socket: Path) -> None:
        """Serve this place."""
        self._words = [sys.executable, "-m", "stepcare", "--data", str(place), "serve", "--uds", str(socket)]
        self._log = socket.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [*self._words, "--workers", "2"], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def started(service: Service) -> Generator[None, None, None]:
    """Begin with a server that starts; leave none behind."""
    service.start()
    try:
        yield
    finally:
        service.kill()
