"""Everything at once, drawn by a seed: kills, freezes, clock steps, a server that dies, a receiver that fails.

Five minutes in the long run; STEPCARE_SOAK_SECONDS says otherwise, STEPCARE_SOAK_SEED draws another course.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.faults.due.points import NAMES
from tests.faults.due.ward import OVER, STAGES, Ward, freeze, phase_of, thaw, until
from tests.faults.running import Running
from tests.servers import Server
from tests.storage.homes import KINDS

LONG = float(os.environ.get("STEPCARE_SOAK_SECONDS", "300"))
SEED = int(os.environ.get("STEPCARE_SOAK_SEED", "0"))
MOST_MEMORY = 2.0  # times what the steady worker took at first


class Soak:
    """A ward, one worker that stays, and others that come to grief."""

    def __init__(self, ward: Ward, server: Callable[[], Server], random: Random) -> None:
        """Begin."""
        self.ward, self._server, self._random = ward, server, random
        self.log: list[str] = []
        self.steady = ward.start(name="steady", drains=False, flaky=0.2)

    def step(self) -> None:
        """Let something happen."""
        acts = [self._point, self._point, self._kill, self._freeze, self._pass, self._pass, self._clock]
        if self.ward.home.address.startswith("postgres"):
            acts.append(self._restart)
        act = self._random.choice(acts)
        self.log.append(act.__name__)
        act()

    def _point(self) -> None:
        point = self._random.choice(NAMES)
        working = self.ward.start(point=point, at=self._random.randint(1, 4), flaky=0.2)
        end = time.monotonic() + 3
        while time.monotonic() < end and phase_of(working) not in ("reached", "closed"):
            time.sleep(0.02)
        self._gone(working)

    def _kill(self) -> None:
        working = self.ward.start(drains=False, flaky=0.2, slow=0.02)
        time.sleep(self._random.uniform(0, 0.6))
        self._gone(working)

    def _gone(self, working: Running) -> None:
        if phase_of(working) != "closed":
            self.ward.killed(working)

    def _freeze(self) -> None:
        freeze(self.steady)
        time.sleep(0.05)
        self.ward.dial.pass_(2 * OVER)
        time.sleep(self._random.uniform(0, 0.5))
        thaw(self.steady)
        self.ward.crashes += 1  # what it was doing nobody knows

    def _pass(self) -> None:
        self.ward.dial.pass_(timedelta(minutes=self._random.randint(1, 90)))

    def _clock(self) -> None:
        span = timedelta(hours=self._random.choice([-1, 1, 24, -24]))
        self.ward.dial.step(span)
        time.sleep(self._random.uniform(0, 0.3))
        self.ward.dial.step(-span)

    def _restart(self) -> None:
        server = self._server()
        server.kill()
        server.start()
        self.ward.crashes += 2
        self.ward.dial.pass_(OVER)

    def memory(self) -> int:
        """Give what the steady worker takes now, in kilobytes."""
        status = Path(f"/proc/{self.steady.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


@pytest.mark.long  # it takes long, and shares its machine badly
@pytest.mark.parametrize("seconds", [8, pytest.param(LONG, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_all_is_done_once(
    ward_of: Callable[..., Ward], request: pytest.FixtureRequest, kind: str, seconds: float
) -> None:
    """Afterwards: timers conserved, each message had its effect once, the log verifies and replays, nobody holds anything."""
    ward = ward_of(kind, 40)
    soak = Soak(ward, lambda: request.getfixturevalue("server"), Random(SEED))  # noqa: S311 - no secret
    until(soak.steady, lambda phase: phase == "ready")
    first, stages = soak.memory(), list(STAGES)
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        if stages and passed >= seconds * (len(STAGES) - len(stages)) / len(STAGES):
            ward.dial.go(max(stages.pop(0), ward.dial()))
        soak.step()
    grown = soak.memory() / first
    soak.steady.stop()
    until(soak.steady, lambda phase: phase == "closed")
    ward.dial.pass_(OVER)
    for _ in range(4):
        ward.drained()
        ward.dial.pass_(timedelta(minutes=31))
    ward.drained()

    print(json.dumps({"seed": SEED, "steps": len(soak.log), "crashes": ward.crashes, "grown": round(grown, 2)}))  # noqa: T201
    ward.check()
    assert grown < MOST_MEMORY
