"""A clock that was stepped is not believed at once, and each step is said in the log."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from engine.model import Kind
from stepcare.app import CorrectedClock
from stepcare.worker.guard import SETTLED, ClockGuard, Stepped
from tests.worker.clinic import DAY, MORNING, Clinic

HOUR, YEAR, SECOND = timedelta(hours=1), timedelta(days=365), timedelta(seconds=1)


@dataclass(slots=True)
class Clocks:
    """A wall clock that can be set, and one that nobody sets."""

    passed: timedelta = timedelta(0)
    offset: timedelta = timedelta(0)
    guard: ClockGuard = field(init=False)

    def __post_init__(self) -> None:
        """Watch from the beginning."""
        self.guard = ClockGuard(self.wall, self.steady)

    def wall(self) -> datetime:
        """Give what the wall shows."""
        return MORNING + self.passed + self.offset

    def steady(self) -> float:
        """Give the seconds that have really passed."""
        return self.passed.total_seconds()

    def wait(self, length: timedelta, look: timedelta = timedelta(seconds=10)) -> datetime | None:
        """Let time pass, looking now and then; gives what the guard says in the end."""
        until, said = self.passed + length, self.guard.now()
        while self.passed < until:
            self.passed = min(self.passed + look, until)
            said = self.guard.now()
        return said


def test_time_that_just_passes_is_believed() -> None:
    """Also when nobody looked for a day, and also when the clock is put right by less than a minute."""
    clocks = Clocks()

    clocks.passed += DAY
    clocks.offset += 50 * SECOND

    assert clocks.guard.now() == clocks.wall()
    assert clocks.guard.untold() == []


@pytest.mark.parametrize("step", [HOUR, YEAR, -HOUR, -YEAR])
def test_a_step_stops_the_work_until_the_clock_has_stood_for_a_while(step: timedelta) -> None:
    """Forward or back, by an hour or a year: nothing is done before the stated time is over."""
    clocks = Clocks()
    clocks.offset += step

    assert clocks.wait(SETTLED - 10 * SECOND) is None
    assert clocks.wait(20 * SECOND) == clocks.wall()
    direction = "forward" if step > timedelta(0) else "back"
    assert [one.direction for one in clocks.guard.untold()] == [direction]


@pytest.mark.parametrize("step", [HOUR, YEAR, -HOUR, -YEAR])
def test_a_clock_that_comes_back_is_believed_at_once(step: timedelta) -> None:
    """A mistake that is put right in time leaves nothing but its entries."""
    clocks = Clocks()
    clocks.offset += step
    assert clocks.wait(60 * SECOND) is None

    clocks.offset -= step

    assert clocks.guard.now() == clocks.wall()
    assert len(clocks.guard.untold()) == 2


def test_a_clock_stepped_back_is_believed_once_it_has_caught_up() -> None:
    """Past the time it was stepped back from, no time comes twice."""
    clocks = Clocks()
    clocks.offset -= 5 * 60 * SECOND

    assert clocks.wait(4 * 60 * SECOND) is None
    assert clocks.wait(70 * SECOND) == clocks.wall()


def test_a_clock_that_is_stepped_again_and_again_is_never_believed() -> None:
    """Each step begins the wait anew."""
    clocks = Clocks()
    for _ in range(10):
        clocks.offset += HOUR
        assert clocks.wait(SETTLED - 10 * SECOND) is None

    assert len(clocks.guard.untold()) == 10


def test_a_step_while_no_worker_ran_is_noticed_by_the_last_heartbeat() -> None:
    """A clock that stands before a time that is known to have been was stepped back."""
    clocks = Clocks()
    clocks.guard = ClockGuard(clocks.wall, clocks.steady, seen=MORNING + HOUR)

    assert clocks.guard.now() is None
    assert [one.direction for one in clocks.guard.untold()] == ["back"]


def test_steps_that_could_not_be_said_are_said_later() -> None:
    """Given back, they come again, in order."""
    clocks = Clocks()
    clocks.offset += HOUR
    clocks.guard.now()
    steps = clocks.guard.untold()

    clocks.guard.give_back(steps)

    assert clocks.guard.untold() == steps == [Stepped(seconds=3600, direction="forward")]


def test_the_worker_says_each_step_as_an_entry_and_does_nothing_early(clinic: Clinic) -> None:
    """Set forward by a month: no reminder goes, and the log says what happened to the clock."""
    clinic.patient()
    real = clinic.clock()
    worker = clinic.worker()
    worker.guard._steady = real.timestamp  # what has really passed: nothing
    clinic.clock.forward_to(real + 30 * DAY)

    worker.once()
    worker._tell_steps()

    assert clinic.email.got == clinic.console.got == []
    kinds = [one.decision.command for one in map(clinic.app.store.kept, _indexes(clinic))]
    said = [one.values for one in kinds if one.kind is Kind.CLOCK]
    assert said == [{"seconds": 30 * 86400, "direction": "forward"}]


def test_a_clock_is_put_right_by_the_servers() -> None:
    """Where the machine's own clock is five minutes off, the server's counts."""
    now: list[datetime] = [MORNING]
    clock = CorrectedClock(lambda: now[0])

    clock.correct(MORNING + 300 * SECOND)
    now[0] += HOUR

    assert clock() == MORNING + HOUR + 300 * SECOND


def _indexes(clinic: Clinic) -> list[int]:
    return [one.idx for one in clinic.app.store.entries()]
