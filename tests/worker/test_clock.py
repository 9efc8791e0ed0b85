"""The scheduler is a clock and nothing more, and a clock that nobody can stop by setting another one."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import apscheduler.schedulers.base as scheduler
import pytest

from stepcare.worker.clock import Tick, Ticker

TICK = timedelta(seconds=0.05)
PATIENCE = 30.0  # seconds; a test waits for something to happen, never for time to pass
YEAR, HOUR = timedelta(days=365), timedelta(hours=1)


class Wall:
    """A wall clock that can be set."""

    offset = timedelta(0)

    def __call__(self) -> datetime:
        """Give the time it shows."""
        return datetime.now(UTC) + self.offset  # noqa: TID251 - a test's own clock


class Ticks:
    """A job that counts its runs, and lets others wait for them."""

    def __init__(self) -> None:
        """Nothing ran yet."""
        self.count = 0
        self.changed = threading.Condition()

    def __call__(self) -> None:
        """Run once."""
        with self.changed:
            self.count += 1
            self.changed.notify_all()

    def wait_for(self, more: int) -> bool:
        """Wait for so many more runs."""
        with self.changed:
            wanted = self.count + more
            return self.changed.wait_for(lambda: self.count >= wanted, PATIENCE)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """Give a wall clock that the scheduler reads, too."""
    made = Wall()

    class Shown(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # one way to call it is enough
            del tz
            return made()

    monkeypatch.setattr(scheduler, "datetime", Shown)
    return made


@pytest.fixture
def ticks() -> Ticks:
    """Give a job that counts."""
    return Ticks()


@pytest.fixture
def ticker(wall: Wall) -> Iterator[Ticker]:
    """Give a ticker on that wall clock, stopped at the end."""
    made = Ticker(wall, monotonic)
    yield made
    made.stop()


@pytest.mark.parametrize("step", [HOUR, -HOUR, YEAR, -YEAR], ids=["+1h", "-1h", "+1y", "-1y"])
def test_a_stepped_clock_stops_nothing(wall: Wall, ticks: Ticks, ticker: Ticker, step: timedelta) -> None:
    """Set forward or back by an hour or a year, the jobs go on, and nothing that was missed is made up for."""
    ticker.every("job", TICK, ticks)
    ticker.start()
    assert ticks.wait_for(3)
    begun, before = monotonic(), ticks.count

    wall.offset += step

    assert ticks.wait_for(10)
    at_most = (monotonic() - begun) / TICK.total_seconds() + 4  # one a tick, and those that were under way
    assert ticks.count - before <= at_most


def test_the_next_tick_is_one_interval_from_now() -> None:
    """What was missed is never counted: a year late, the next run is still one interval away."""
    now = datetime(2026, 3, 2, tzinfo=UTC)

    assert Tick(HOUR).get_next_fire_time(now - YEAR, now) == now + HOUR


def test_a_job_that_fails_runs_again(ticks: Ticks, ticker: Ticker) -> None:
    """Whatever a job raises, it is heard of and the job runs at its next tick."""
    failed: list[str] = []
    ticker = Ticker(Wall(), monotonic, failed.append)

    def broken() -> None:
        ticks()
        raise ZeroDivisionError

    ticker.every("broken", TICK, broken)
    ticker.start()
    assert ticks.wait_for(3)
    ticker.stop()

    assert set(failed) == {"broken"}


def test_a_job_that_cannot_even_be_counted_runs_again(ticks: Ticks) -> None:
    """Where the database is away, counting the failure fails, too; the job goes on."""

    def nobody(_: str) -> None:
        raise ConnectionError

    def broken() -> None:
        ticks()
        raise ZeroDivisionError

    ticker = Ticker(Wall(), monotonic, nobody)
    ticker.every("broken", TICK, broken)
    ticker.start()
    assert ticks.wait_for(3)
    ticker.stop()


def test_a_call_comes_before_the_tick(ticks: Ticks, ticker: Ticker) -> None:
    """Who is called runs at once, not when its hour has come; unknown names are nobody's."""
    ticker.every("job", HOUR, ticks, first=HOUR)
    ticker.start()

    ticker.call("nobody")
    ticker.call("job", TICK)

    assert ticks.wait_for(1)


def test_a_later_call_does_not_put_off_an_earlier_one(ticks: Ticks, ticker: Ticker) -> None:
    """Two hints: the earlier one counts."""
    ticker.every("job", HOUR, ticks, first=HOUR)
    ticker.start()

    ticker.call("job", TICK)
    ticker.call("job", HOUR)

    assert ticks.wait_for(1)


def test_a_call_to_a_job_that_runs_is_not_lost(ticker: Ticker) -> None:
    """A job that is called while it runs runs once more, however often it was called."""
    runs, entered, go = Ticks(), threading.Event(), threading.Event()

    def slow() -> None:
        runs()
        entered.set()
        assert go.wait(PATIENCE)

    ticker.every("job", HOUR, slow)
    ticker.start()
    assert entered.wait(PATIENCE)

    for _ in range(5):
        ticker.call("job")
    go.set()

    with runs.changed:
        assert runs.changed.wait_for(lambda: runs.count == 2, PATIENCE)
    ticker.stop()
    assert runs.count == 2


def test_a_dead_scheduler_is_made_anew(ticks: Ticks, ticker: Ticker) -> None:
    """Where the scheduler itself has died, the watchdog begins another one."""
    ticker.every("job", TICK, ticks)
    ticker.start()
    assert ticks.wait_for(2)

    assert ticker._scheduler is not None
    ticker._scheduler.shutdown(wait=True)

    assert ticks.wait_for(3)
