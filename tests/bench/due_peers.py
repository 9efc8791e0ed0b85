"""The peers that do due work: what is due is planned by one process, done by another, counted by its lines."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fleet import PEERS, Driven
from tests.servers import Server

MANY = 300
SETTLED = 4.0  # seconds without a line after which nothing more is expected
LONGEST = 40.0
NO_PEERS = "there is no .venv-bench: make it with `make bench`"
MODULES = {
    "APScheduler 3 job store": ("aps_job", "ten threads, no misfire limit"),
    "DBOS": ("dbos_queue", "one workflow of two steps each, queue looked at every 0.1 s"),
    "Procrastinate": ("procrastinate_task", "ten at once, a job that is done stays as a row"),
}
NAMES = {
    "SQLite": ("APScheduler 3 job store", "DBOS"),
    "PostgreSQL": ("APScheduler 3 job store", "DBOS", "Procrastinate"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded:
    """How fast reminders came to their lines, and what a kill did to so many (`of`); `said`: what differs."""

    rate: float
    lost: int
    doubled: int
    of: int
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of the peers, and two empty databases for it."""

    module: str
    said: str
    addresses: tuple[str, str]
    folder: Path


def peers_on(database: str, server: Server | None, folder: Path) -> Iterator[tuple[str, Peer]]:
    """Give each peer that works on a kind of database."""
    for name in NAMES[database]:
        module, said = MODULES[name]
        place = folder / module
        for part in ("fast", "killed"):
            (place / part).mkdir(parents=True)
        if server is None:
            addresses = str(place / "fast"), str(place / "killed")
        else:
            addresses = server.empty_database(), server.empty_database()
        yield name, Peer(module=module, said=said, addresses=addresses, folder=place)


def reminded_by(peer: Peer) -> Reminded:
    """Let a peer remind everybody; then once more, its worker killed on the way."""
    fast, killed = peer.addresses
    lines = peer.folder / "fast.lines"
    worker = _planned(peer, fast, lines)
    began = time.time()
    worker.tell("go")
    ended = _wait(lines, MANY)
    worker.stop()
    rate = len(lines_in(lines)) / (ended - began)
    lines = peer.folder / "killed.lines"
    worker = _planned(peer, killed, lines)
    worker.tell("go")
    _wait(lines, MANY // 3)
    os.kill(worker.id, signal.SIGKILL)
    worker.stop()
    worker = _worker(peer, killed, lines)
    worker.tell("go")
    _wait(lines, MANY)
    worker.stop()
    counted = Counter(lines_in(lines))
    doubled = sum(number > 1 for number in counted.values())
    return Reminded(rate=rate, lost=MANY - len(counted), doubled=doubled, of=MANY, said=peer.said)


def _planned(peer: Peer, address: str, lines: Path) -> Driven:
    planner = Driven([PEERS, "-m", f"tests.bench.peers.{peer.module}", "plan", address, lines, str(MANY)])
    planner.hear()
    planner.stop()
    return _worker(peer, address, lines)


def _worker(peer: Peer, address: str, lines: Path) -> Driven:
    worker = Driven([PEERS, "-m", f"tests.bench.peers.{peer.module}", "work", address, lines, str(MANY)])
    worker.hear()
    return worker


def _wait(lines: Path, many: int) -> float:
    """Wait until so many have their line, or nothing has come for a while; gives the time of the last line."""
    count, last, until = 0, time.time(), time.time() + LONGEST
    while count < many and time.time() < min(until, last + SETTLED):
        time.sleep(0.01)
        found = len(set(lines_in(lines)))
        if found > count:
            count, last = found, time.time()
    return last


def lines_in(file: Path) -> list[str]:
    """Give the key of every whole line."""
    if not file.exists():
        return []
    whole = file.read_bytes().rpartition(b"\n")[0]
    return [str(json.loads(line)["key"]) for line in whole.splitlines()]
