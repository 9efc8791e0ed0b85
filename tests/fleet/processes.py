"""The processes of a fleet, to be killed, frozen and started again."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds until something that should happen is taken for hanging


@dataclass(slots=True)
class Process:
    """One process, held by its number, which nobody else can get meanwhile."""

    pid: int
    _watch: int = field(init=False)

    def __post_init__(self) -> None:
        """Take hold of it."""
        self._watch = os.pidfd_open(self.pid)

    @property
    def is_gone(self) -> bool:
        """Say whether it has ended."""
        return self._gone(0)

    def sent(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._watch, number)

    def ended_after(self, number: signal.Signals) -> None:
        """Send a signal, and wait until it has ended."""
        self.sent(number)
        assert self._gone(PATIENCE), f"Process {self.pid} does not end by {number.name}."

    def _gone(self, seconds: float) -> bool:
        return bool(select.select([self._watch], [], [], seconds)[0])


class Nursery:
    """Where processes come from, all on one clock."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Use `nursery`."""
        self._process = process

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        """Start `stepcare` with these words; what it says goes to `log`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        asked = {"words": list(words), "environment": dict(environment), "log": str(log)}
        print(json.dumps(asked), file=stdin, flush=True)
        return Process(int(stdout.readline()))


@contextmanager
def nursery(clock: Path) -> Generator[Nursery, None, None]:
    """Open a nursery on the clock of this file, and close it at the end."""
    words = [sys.executable, "-m", "tests.fleet.nursery", str(clock)]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
    with subprocess.Popen(  # noqa: S603 - our own words
        words, cwd=ROOT, env=ours, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Nursery(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)
