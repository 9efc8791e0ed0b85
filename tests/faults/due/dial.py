"""One clock for all processes of a test, which the test turns: time that passes, and a wall clock that is stepped.

Both clocks run with the machine's own monotonic one. What is added to both has passed; what is added to the wall alone
is a step. So a lease is over as soon as a test says so, and nobody waits.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SHAPE = struct.Struct("dd")


class Dial:
    """A file that holds by how much both clocks are ahead of the machine's, in seconds."""

    def __init__(self, path: Path, start: datetime | None = None) -> None:
        """Share the dial at a path; `start`: make it, and let the wall show this time now."""
        if start is not None:
            path.write_bytes(SHAPE.pack(start.timestamp() - time.monotonic(), 0.0))
        self.path = path
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), SHAPE.size)

    def __call__(self) -> datetime:
        """Give the wall clock's time."""
        return datetime.fromtimestamp(time.monotonic() + self._read()[0], UTC)

    def steady(self) -> float:
        """Give the seconds of the clock that nobody steps."""
        return time.monotonic() + self._read()[1]

    def pass_(self, span: timedelta) -> None:
        """Let time pass, for everybody."""
        wall, steady = self._read()
        self._write(wall + span.total_seconds(), steady + span.total_seconds())

    def go(self, instant: datetime) -> None:
        """Let time pass until an instant that is still to come."""
        self.pass_(max(instant - self(), timedelta(0)))

    def step(self, span: timedelta) -> None:
        """Set the wall clock alone."""
        wall, steady = self._read()
        self._write(wall + span.total_seconds(), steady)

    def _read(self) -> tuple[float, float]:
        wall, steady = SHAPE.unpack(self._shared[:])
        return wall, steady

    def _write(self, wall: float, steady: float) -> None:
        self._shared[:] = SHAPE.pack(wall, steady)


def let_the_scheduler_read(wall: "Dial") -> None:
    """Have the scheduler's own clock be this one: it must not be left out of a step."""
    from apscheduler.schedulers import base  # noqa: PLC0415 - only the process that works has it

    class Shown(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return wall().astimezone(tz)

    vars(base)["datetime"] = Shown
