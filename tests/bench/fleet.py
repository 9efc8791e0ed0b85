"""Processes that are driven together: they are told what to do, begin at one moment, and say what they measured."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.figures import quantile
from tests.bench.sites import Place

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-bench" / "bin" / "python"
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What callers did together. `cpu` is of all their processes, in seconds."""

    seconds: float
    cpu: float
    served: Sequence[int]
    times: Sequence[float]
    errors: Mapping[str, int]

    @property
    def done(self) -> int:
        """Give how many were served."""
        return sum(self.served)

    @property
    def rate(self) -> float:
        """Give how many were served in a second."""
        return self.done / self.seconds

    @property
    def fairness(self) -> float:
        """Give what the least served caller got of what the most served got."""
        return min(self.served) / max(self.served) if max(self.served) else 0.0

    @property
    def cpu_each(self) -> float:
        """Give microseconds of processor for each."""
        return self.cpu / self.done * 1e6 if self.done else float("inf")

    def milliseconds(self, share: float) -> float:
        """Give the time within which this share was served."""
        return quantile(self.times, share) * 1e3


class Driven:
    """One process at the other end of a pipe."""

    def __init__(self, words: Sequence[str | Path]) -> None:
        """Start it; it may take its time."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
        )

    @property
    def id(self) -> int:
        """Give the process's number."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for a line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended: see above.")
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Fleet:
    """Several such processes, of which a run uses as many as it says."""

    def __init__(self, *commands: Sequence[str | Path]) -> None:
        """Start them, and wait until all stand."""
        self._all = [Driven(words) for words in commands]
        for one in self._all:
            one.hear()

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Let all end."""
        self.stop()

    def stop(self) -> None:
        """Let all end."""
        for one in self._all:
            one.stop()

    def run(self, *, seconds: float, threads: int, processes: int = 1, work: str = "") -> Ran:
        """Let so many processes with so many callers each work for so long."""
        chosen = self._all[:processes]
        for one in chosen:
            one.tell(json.dumps({"seconds": seconds, "threads": threads, "work": work}))
        for one in chosen:
            one.hear()
        for one in chosen:
            one.tell("go")
        heard = [one.hear() for one in chosen]
        return Ran(
            seconds=max(one["seconds"] for one in heard),
            cpu=sum(one["cpu"] for one in heard),
            served=[number for one in heard for number in one["served"]],
            times=sorted(took for one in heard for took in one["times"]),
            errors=sum((Counter[str](one["errors"]) for one in heard), Counter[str]()),
        )


def ours(place: Place, processes: int, name: str, module: str = "tests.bench.caller") -> Fleet:
    """Start processes of ours on one database."""
    vault = str(place.vault or "")
    return Fleet(
        *([sys.executable, "-m", module, place.database, vault, name, str(number)] for number in range(processes))
    )


def peer(module: str, address: str) -> Fleet:
    """Start one of the peers, in their environment."""
    return Fleet([PEERS, "-m", f"tests.bench.peers.{module}", address])
