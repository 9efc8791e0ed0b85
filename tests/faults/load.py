"""Work for a process that is going to be killed: threads that live episodes, and a record of every answer they got.

A line is written only after the answer came, so what stands in the record was acknowledged. `nursery` forks such
processes from one that has imported everything, because a fresh interpreter takes longer to start than to kill.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

import structlog

import storage.postgres
import storage.sqlite
from engine.errors import StepcareError, Unavailable
from stepcare.app import App, open_app
from storage.vault import Details
from tests.faults.course import Acked, Course, begins, person_of
from tests.faults.http_door import Served

EPISODES = 1000  # more than anybody lives to begin
AGAIN = 0.1  # of the commands are given twice
SAMPLE = 9  # every so many are given again at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process is to do.

    `where` is a database, or with `tokens` (the secrets by actor) the socket of a server. `careless` is the control: the
    database answers before it is on the disk.
    """

    where: str
    course: str
    record: str
    lanes: tuple[str, ...]
    vault: str | None = None
    careless: bool = False
    tokens: Mapping[str, str] = field(default_factory=dict)
    patient: bool = False


class Door(Protocol):
    """A way to give one command: in this process, or to a server."""

    def send(self, key: str) -> Acked:
        """Give the command of a key; returns its answer, raises StepcareError where it was not kept."""


@dataclass(slots=True)
class Direct:
    """The engine's own door."""

    app: App
    course: Course

    def send(self, key: str) -> Acked:
        """Give the command of a key; the person of a registration is in the vault first."""
        if begins(key):
            self.app.store.add_person(person_of(key), Details(name="Ánna Canary"), self.course.now)
        return Acked.of(key, self.app.engine.handle(self.course.command(key, self.app.make_id())))


class Record:
    """The record: one line a fact, each written at once and whole."""

    def __init__(self, path: Path) -> None:
        """Write to the end of a file."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(self, what: str, about: object = None) -> None:
        """Write a line."""
        os.write(self._file, json.dumps([what, about]).encode() + b"\n")


@dataclass(slots=True, kw_only=True)
class Lane:
    """One thread: it lives a lane's episodes, one command after the other, and says what it was answered.

    `patient`: where the server or the database does not answer, it asks again with the same key until it does.
    """

    door: Door
    keys: list[str]
    record: Record
    stop: threading.Event
    patient: bool

    def live(self) -> None:
        """Live until told to stop. Now and then ask the same thing twice, as a client that lost the answer does."""
        random, done = Random(self.keys[0]), 0  # noqa: S311 - no secret
        for key in self.keys:
            if self.stop.is_set():
                break
            self.record.say("sent", key)
            if not self._answered(key) or (random.random() < AGAIN and not self._answered(key)):
                return
            done += 1
        if self.patient:
            all(self._answered(key) for key in self.keys[:done:SAMPLE])

    def _answered(self, key: str) -> bool:
        """Ask, and say what was answered; False where it is of no use to go on."""
        while True:
            try:
                self.record.say("acked", asdict(self.door.send(key)))
            except StepcareError as error:
                if self.patient and isinstance(error, Unavailable):
                    self.record.say("waited", key)
                    time.sleep(0.02)
                    continue
                self.record.say("failed", [key, error.code, str(error)])
                return False
            except Exception as error:  # noqa: BLE001 - the record says it, and the test fails on it
                self.record.say("broken", [key, repr(error)])
                return False
            return True


def be_careless() -> None:
    """Take from this process what makes an answer mean that it is on the disk."""
    said = tuple(one.replace("= FULL", "= NORMAL") for one in storage.sqlite.CONNECTING)
    assert said != storage.sqlite.CONNECTING
    vars(storage.sqlite)["CONNECTING"] = said
    assert "synchronous_commit=on" in storage.postgres.OPTIONS
    storage.postgres.OPTIONS = storage.postgres.OPTIONS.replace("synchronous_commit=on", "synchronous_commit=off")


def run(job: Job) -> None:
    """Live until told to stop (SIGTERM): on the database itself, or with a server."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if job.careless:
        be_careless()
    record, course, stop = Record(Path(job.record)), Course.from_file(Path(job.course)), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    record.say("opening")
    with ExitStack() as stack:
        if job.tokens:
            doors: list[Door] = [Served(job.where, job.tokens, course) for _ in job.lanes]
        else:
            vault = Path(job.vault) if job.vault else None
            doors = [Direct(stack.enter_context(open_app(job.where, lambda: course.now, vault)), course)] * len(
                job.lanes
            )
        lanes = [
            Lane(door=door, keys=course.keys(lane, EPISODES), record=record, stop=stop, patient=job.patient)
            for door, lane in zip(doors, job.lanes, strict=True)
        ]
        threads = [threading.Thread(target=lane.live) for lane in lanes]
        for thread in threads:
            thread.start()
        record.say("ready")
        for thread in threads:
            thread.join()
        record.say("closing")
    record.say("closed")


def serve(where: str, socket: str) -> None:
    """Do what `stepcare serve` does, without the time it takes to load it."""
    from stepcare.web.server import Address  # noqa: PLC0415 - only who serves loads it
    from stepcare.web.server import serve as run  # noqa: PLC0415

    log = os.open(f"{socket}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run(Address(host="", port=0, uds=Path(socket)), where, 1)


def nursery() -> None:
    """Fork one process for each job that comes as a line of JSON, and say its number; end with the orders."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has died is buried at once
    for line in sys.stdin:
        what, job = json.loads(line)
        if what == "serve":
            import stepcare.web.server  # noqa: F401, PLC0415 - here, so that the next one has it already
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status = 1
            with suppress(BaseException):
                if what == "serve":
                    serve(**job)
                else:
                    run(Job(**{**job, "lanes": tuple(job["lanes"])}))
                status = 0
            os._exit(status)
        print(child, flush=True)  # noqa: T201 - a program's answer


if __name__ == "__main__":
    nursery()
