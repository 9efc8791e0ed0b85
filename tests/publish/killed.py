"""Sealers that kill themselves, run as `python -m tests.publish.killed`.

Reads lines of FOLDER SIZE WHERE NTH, seals a log of SIZE entries in a process of its own for each, and writes how that
process ended. WHERE is a step of the sealer, or `file`: then the NTH immutable file is the last one written, or `aside`:
it dies between writing the NTH file aside and putting it in place.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from stepcare.publish import durable
from stepcare.publish.folder import Folder
from tests.publish.logs import Memory, made, sealer


def die() -> None:
    """End at once, as if the power had failed for this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def seal(place: Path, size: int, where: str, nth: int) -> None:
    """Seal, and die on the way."""
    one, number = sealer(Memory(made(size)), place), count(1)

    def step(name: str) -> None:
        if name == where:
            die()

    class Dying(Folder):
        def put(self, name: str, data: bytes) -> None:
            super().put(name, data)
            if where == "file" and next(number) == nth:
                die()

    written = durable._written

    def aside(*given: Any) -> None:
        written(*given)
        if where == "aside" and next(number) == nth:
            die()

    durable._written = aside  # type: ignore[assignment]  # the same arguments
    one.steps, one.folder = step, Dying(place / "published")
    one.seal()


def serve() -> None:
    """Fork one sealer for each line: loading everything anew for each would take seconds."""
    for line in sys.stdin:
        place, size, where, nth = line.split()
        child = os.fork()
        if not child:
            seal(Path(place), int(size), where, int(nth))
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
