"""What is done once a day is done once a day, by whichever worker comes first."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from engine.model import Kind
from stepcare.worker.daily import MOST_TRIES, Daily
from storage.pump import Pump
from storage.pump_figures import counters
from tests.worker.clinic import DAY, MORNING, Clinic

NIGHT = MORNING.replace(hour=1)  # two o'clock there
HOUR = timedelta(hours=1)
EVERY = ["census", "retention", "erasures", "search"]


@pytest.fixture
def daily(clinic: Clinic) -> Callable[[datetime], list[str]]:
    """Do a day's work as a worker that has just begun."""
    count = iter(range(1000))

    def do(now: datetime) -> list[str]:
        clinic.clock.forward_to(max(now, clinic.clock()))
        return Daily(clinic.app, Pump(clinic.database, f"w{next(count)}")).run(now)

    return do


def censuses(clinic: Clinic) -> int:
    """Count the censuses in the log."""
    commands = [clinic.app.store.kept(one.idx).decision.command for one in clinic.app.store.entries()]
    return sum(one.kind is Kind.CENSUS for one in commands)


def test_a_days_work_is_done_once_whoever_asks(clinic: Clinic, daily: Callable[[datetime], list[str]]) -> None:
    """The first worker does it, the others find it done, however often they look."""
    assert daily(MORNING) == EVERY

    assert daily(MORNING) == []
    assert daily(MORNING + 5 * HOUR) == []
    assert censuses(clinic) == 1


def test_the_next_day_it_is_done_again(clinic: Clinic, daily: Callable[[datetime], list[str]]) -> None:
    """By the site's own calendar."""
    daily(MORNING)

    assert daily(MORNING + DAY) == EVERY
    assert censuses(clinic) == 2


def test_days_that_were_missed_are_caught_up_once(clinic: Clinic, daily: Callable[[datetime], list[str]]) -> None:
    """After a month without a worker there is one census, not thirty."""
    daily(MORNING)

    assert daily(MORNING + 30 * DAY) == EVERY
    assert censuses(clinic) == 2


def test_it_waits_for_the_small_hours(clinic: Clinic, daily: Callable[[datetime], list[str]]) -> None:
    """A day's work begins at three in the morning, there."""
    del clinic
    assert daily(NIGHT + DAY) == []
    assert daily(NIGHT + DAY + 2 * HOUR) == EVERY


def test_what_fails_is_tried_again_an_hour_later_and_the_gap_shows(
    clinic: Clinic, daily: Callable[[datetime], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are done all the same; after some tries it is left for the next day."""

    def broken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("stepcare.worker.daily.census", broken)
    night = MORNING.replace(hour=2) + DAY
    for hour in range(2 * MOST_TRIES):
        daily(night + hour * HOUR)
        daily(night + hour * HOUR)

    kept = counters(clinic.database)
    assert kept["daily_failed"][0] == MOST_TRIES
    assert kept["daily_planned"][0] - kept["daily_done"][0] == MOST_TRIES
    assert censuses(clinic) == 0
