"""Nine places, two years: one reminder for each calendar day, a gap goes forward, a repeated hour counts once.

What is expected is found without the functions under test: the time is walked in UTC, minute by minute wherever an
offset changes, and the wall time read off by adding the offset.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from engine.calendar import WEEK
from engine.ladder import instant_of, resolved_again
from engine.model import DueItem, Episode, Person, Role, Timer
from engine.time import after, at_local, local_day, start_of
from engine.view import Pending, View
from tests.worlds import compiled, shipped, utc

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Nuuk",
    "UTC",
)
FIRST, DAYS = date(2026, 1, 1), 730
ALL = tuple(FIRST + timedelta(days=number) for number in range(DAYS))
CLOCKS = (
    time(9),
    time(0),  # 00:00 Cairo is skipped in April
    time(0, 30),
    time(1, 45),  # New York and Lord Howe show it twice
    time(2, 15),  # Berlin and Lord Howe skip it, Berlin shows it twice
    time(2, 30),
    time(3),
    time(23, 15),  # Cairo shows it twice, Nuuk skips it
    time(23, 59),
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a zone's offset stays the same, from one instant (UTC, naive) on."""

    since: datetime
    offset: timedelta


@cache
def stretches(zone: str) -> tuple[Stretch, ...]:
    """Walk the hours of the years and then, where an offset changed, the minutes."""
    here, found = ZoneInfo(zone), list[Stretch]()
    at = datetime.combine(FIRST, time(0)) - 2 * DAY
    while at < datetime.combine(FIRST, time(0)) + (DAYS + 2) * DAY:
        offset = _offset(here, at)
        if not found:
            found.append(Stretch(at, offset))
        elif found[-1].offset != offset:
            change = at - HOUR
            while _offset(here, change) == found[-1].offset:
                change += MINUTE
            found.append(Stretch(change, offset))
        at += HOUR
    return tuple(found)


def _offset(here: ZoneInfo, at: datetime) -> timedelta:
    shown = at.replace(tzinfo=UTC).astimezone(here)
    return shown.replace(tzinfo=None) - at


def wall(zone: str, at: datetime) -> datetime:
    """Read a wall clock at an instant (UTC, naive)."""
    known = stretches(zone)
    return at + known[bisect_right([one.since for one in known], at) - 1].offset


def expected(zone: str, shown: datetime) -> datetime:
    """Give the first instant at which a clock shows this, else what it would be had nobody turned the clock."""
    known = stretches(zone)
    ends = (*(one.since for one in known[1:]), datetime.combine(date.max, time(0)))
    first = [shown - one.offset for one, end in zip(known, ends, strict=True) if one.since <= shown - one.offset < end]
    if first:
        return min(first)
    before = next(one for one, end in zip(known, ends, strict=True) if shown - one.offset >= end > shown - 2 * DAY)
    return shown - before.offset


@pytest.mark.parametrize("clock", CLOCKS, ids=str)
@pytest.mark.parametrize("zone", ZONES)
def test_one_reminder_for_each_local_day(zone: str, clock: time) -> None:
    """730 days, 730 instants, each later than the one before: none is lost in a gap, none doubled in a repeated hour."""
    told = [at_local(day, clock, zone).replace(tzinfo=None) for day in ALL]

    assert told == [expected(zone, datetime.combine(day, clock)) for day in ALL]
    assert all(one < other for one, other in pairwise(told))
    for day, at in zip(ALL, told, strict=True):
        shown = wall(zone, at)
        # Only a gap shows another time than was asked for, and only at the end of a day another day.
        assert shown >= datetime.combine(day, clock)
        assert shown - datetime.combine(day, clock) <= HOUR
        assert shown.date() == day or (clock.hour == 23 and zone == "America/Nuuk")


@pytest.mark.parametrize(
    ("zone", "day", "clock", "instant"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 15), utc(2026, 3, 29, 1, 15)),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 15), utc(2026, 10, 25, 0, 15)),
        ("America/New_York", date(2026, 11, 1), time(1, 45), utc(2026, 11, 1, 5, 45)),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), utc(2026, 4, 4, 14, 45)),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), utc(2026, 10, 3, 15, 45)),
        ("Africa/Cairo", date(2026, 4, 24), time(0), utc(2026, 4, 23, 22)),
        ("Africa/Cairo", date(2026, 10, 29), time(23, 15), utc(2026, 10, 29, 20, 15)),
        ("America/Nuuk", date(2026, 3, 28), time(23, 15), utc(2026, 3, 29, 1, 15)),
        ("Asia/Kathmandu", date(2026, 6, 1), time(9), utc(2026, 6, 1, 3, 15)),
        ("Pacific/Apia", date(2026, 1, 1), time(9), utc(2025, 12, 31, 20)),
        ("Pacific/Apia", date(2011, 12, 30), time(9), utc(2011, 12, 30, 19)),  # a day that never was
    ],
)
def test_the_nights_the_clocks_change_by_name(zone: str, day: date, clock: time, instant: datetime) -> None:
    """Written out by hand: forward over a gap of one hour or of half an hour, the first of a repeated time."""
    assert at_local(day, clock, zone) == instant


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_rung_comes_once_each_local_day(zone: str) -> None:
    """Two years of a rung that repeats every day at nine: no day twice, none left out, always nine on the wall."""
    told = [at.astimezone(ZoneInfo(zone)) for at in daily(zone, DAYS)]

    assert [at.date() for at in told] == list(ALL)
    assert {at.time() for at in told} == {time(9)}


def daily(zone: str, days: int) -> Iterator[datetime]:
    """Give the first instants of the shipped rung that repeats daily, where every day is worked."""
    everywhere = compiled(shipped(), working_days=list(WEEK))
    start = at_local(FIRST - DAY, time(0), zone)
    item = DueItem(
        id="flag_routine:x",
        kind="flag_routine",
        occurrence="x",
        title="",
        anchor=start,
        opens_after="P0D",
        due_after="P0D",
        opens_at=start,
        due_at=at_local(FIRST, time(0), zone),
        due_on=FIRST - DAY,
        owner_role=Role.ASSESSOR,
    )
    view = View(everywhere, Episode(id="e", person=Person(id="p"), zone=zone), Pending(), start, FIRST)
    policy = everywhere.pathway.due["flag_routine"]
    for number in range(days):
        at = instant_of(view, policy, item, len(policy.ladder) - 1 + number)
        assert at is not None
        yield at


@pytest.mark.parametrize("zone", ZONES)
def test_fourteen_days_keep_nine_o_clock_and_336_hours_do_not(zone: str) -> None:
    """P14D is nine o'clock two weeks on, wherever and whenever; PT336H is so many hours, whatever the wall shows."""
    for day in ALL[:-14]:
        nine = at_local(day, time(9), zone)

        assert after(nine, "P14D", zone) == at_local(day + timedelta(days=14), time(9), zone)
        assert after(nine, "PT336H", zone) - nine == timedelta(hours=336)
    turned = len(stretches(zone)) > 1
    moved = [day for day in ALL[:-14] if after(nine_on(day, zone), "P14D", zone) != nine_on(day, zone) + 14 * DAY]
    assert bool(moved) is turned


def nine_on(day: date, zone: str) -> datetime:
    """Give nine o'clock of a day."""
    return at_local(day, time(9), zone)


@pytest.mark.parametrize(
    ("day", "days", "goes_to"),
    [
        (date(2028, 2, 28), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 1, date(2028, 3, 1)),
        (date(2026, 2, 28), 1, date(2026, 3, 1)),
        (date(2028, 2, 15), 14, date(2028, 2, 29)),
        (date(2026, 1, 31), 28, date(2026, 2, 28)),
        (date(2026, 8, 31), 1, date(2026, 9, 1)),
        (date(2026, 12, 31), 1, date(2027, 1, 1)),
        (date(2026, 12, 18), 14, date(2027, 1, 1)),
    ],
)
@pytest.mark.parametrize("zone", ZONES)
def test_the_ends_of_months_and_years(zone: str, day: date, days: int, goes_to: date) -> None:
    """29 February, the 31st and New Year are days like others."""
    assert local_day(after(nine_on(day, zone), f"P{days}D", zone), zone) == goes_to
    assert start_of(goes_to, zone) > start_of(day, zone)


@given(
    some.sampled_from(ZONES),
    some.dates(FIRST, FIRST + timedelta(days=DAYS - 40)),
    some.times(timezones=some.none()).map(lambda one: one.replace(second=0, microsecond=0, fold=0)),
)
@example("Africa/Cairo", date(2026, 4, 10), time(0))
@example("America/Nuuk", date(2026, 3, 20), time(23, 59))
@example("Australia/Lord_Howe", date(2026, 9, 20), time(2, 1))
def test_one_reminder_each_day_for_any_zone_and_time(zone: str, first: date, clock: time) -> None:
    """Any place, any time of day, any five weeks: one instant for each day, in order, the one the clocks say."""
    days = [first + timedelta(days=number) for number in range(35)]
    told = [at_local(day, clock, zone) for day in days]

    assert sorted(set(told)) == told
    assert [at.replace(tzinfo=None) for at in told] == [expected(zone, datetime.combine(day, clock)) for day in days]


@given(some.sampled_from(ZONES), some.sampled_from(ALL), some.sampled_from(CLOCKS))
def test_a_timer_resolved_again_under_the_same_rules_stays(zone: str, day: date, clock: time) -> None:
    """Its wall time and zone are enough to find its instant again: an upgrade that changes nothing moves nothing."""
    at = at_local(day, clock, zone)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(timespec="minutes")
    timer = Timer(
        id="t@0", kind="reassessment", occurrence="t", due_item="t", at=at, local=local, zone=zone, armed_on=1
    )

    assert resolved_again(timer) == at
