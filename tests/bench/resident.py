"""`stepcare worker` as a process of its own, and what it takes of the processor."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

from stepcare.app import App
from tests.bench.fleet import ROOT
from tests.bench.sites import Place
from tests.servers import Server

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


@contextmanager
def working(app: App, place: Place, *words: str) -> Iterator["Popen[bytes]"]:
    """Run a worker; it is there once it has said so in the database, which `app` has open."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
    command = [sys.executable, "-m", "stepcare", "worker", *words]
    before = _workers(app)
    process = Popen(command, cwd=ROOT, env={**environment, **place.settings}, stdout=DEVNULL, stderr=DEVNULL)  # noqa: S603 - our own program
    try:
        end = time.monotonic() + START_SECONDS
        while _workers(app) == before:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit("`stepcare worker` does not start.")
            time.sleep(0.02)
        yield process
        if process.poll() is not None:
            raise SystemExit(f"`stepcare worker` has ended with {process.returncode}.")
    finally:
        process.terminate()
        process.wait()


def _workers(app: App) -> int:
    with app.database.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM worker").fetchone()[0])


def processor_of(process: int) -> float:
    """Give the seconds of processor that a process has had; nothing where it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def processor_of_server(server: Server) -> float:
    """Give the seconds of processor that all processes of a server have had."""
    postmaster = int((server.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    return sum(processor_of(one) for one in (postmaster, *_children(postmaster)))


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == parent:
            yield int(stat.parent.name)
