"""Where a fleet's processes come from: one process that has imported the program, and forks it with a command line.

Each child is `stepcare` with these words, in a session of its own, on the fleet's clock; nothing else is changed.
A fresh interpreter would take longer to start than most of them live.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import stepcare.app
import stepcare.worker.setup
from stepcare.worker.setup import steady
from tests.fleet.shared_clock import SharedClock, corrected_by

DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
HOLDS_A_CLOCK = ("stepcare.web.server", "stepcare.desk.working")


def on_the_clock_of(path: Path) -> None:
    """Put the fleet's clock where the program takes its own from, before anything has taken it."""
    shared = SharedClock(path)
    assert not any(name in sys.modules for name in HOLDS_A_CLOCK)
    setattr(stepcare.app, "CorrectedClock", corrected_by(shared))  # noqa: B010 - a class put in the place of a class
    stepcare.worker.setup.steady = lambda: steady() + shared.on_top.total_seconds()


def born(words: list[str], environment: dict[str, str], log: str) -> int:
    """Fork a child that runs these words; gives its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)  # whatever ends the tests, nobody is left
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for stream in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(environment)
        sys.argv = ["stepcare", *words]
        code = _run()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run() -> int:
    from stepcare.cli import main  # noqa: PLC0415 - after the clock

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def main(clock: Path) -> None:
    """Fork whatever is asked for on stdin, until it is closed."""
    on_the_clock_of(clock)
    import stepcare.cli  # noqa: PLC0415
    import stepcare.desk.working  # noqa: PLC0415
    import stepcare.web.server  # noqa: F401, PLC0415 - children have it already

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends is gone at once
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        sys.stdout.write(f"{born(asked['words'], asked['environment'], asked['log'])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
