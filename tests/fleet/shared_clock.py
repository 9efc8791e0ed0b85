"""One clock for a whole fleet: the machine's own, and so much on top, which a test says in a file that all read.

What is on top also counts as slept through, as if the machines had been suspended: weeks pass, and no clock was
stepped. A lease is not slept through by its holder's own monotonic clock, which is the harder case.
"""

import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stepcare.app import CorrectedClock

MICROSECOND = timedelta(microseconds=1)
FORM = struct.Struct("<q")  # microseconds on top; eight bytes are written and read as one


class SharedClock:
    """The fleet's clock. Processes share its file."""

    def __init__(self, path: Path) -> None:
        """Read what is on top from a file, which is made where there is none."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not os.fstat(self._file).st_size:
            os.pwrite(self._file, FORM.pack(0), 0)

    def __call__(self) -> datetime:
        """Give the fleet's time, in UTC."""
        return datetime.now(UTC) + self.on_top  # noqa: TID251 - a test's own clock

    @property
    def on_top(self) -> timedelta:
        """Give what is to be added to the machine's own clock."""
        (microseconds,) = FORM.unpack(os.pread(self._file, FORM.size, 0))
        return timedelta(microseconds=microseconds)

    def go_to(self, instant: datetime) -> None:
        """Let it be an instant now, for everybody."""
        on_top = instant - datetime.now(UTC)  # noqa: TID251 - a test's own clock
        os.pwrite(self._file, FORM.pack(on_top // MICROSECOND), 0)


def corrected_by(shared: SharedClock) -> type[CorrectedClock]:
    """Give the program's own clock, with the fleet's time on top of what the database server shows."""

    class Fleet(CorrectedClock):
        """Corrected as ever: both clocks that are compared are the machine's own."""

        def __call__(self) -> datetime:
            return super().__call__() + shared.on_top

    return Fleet
