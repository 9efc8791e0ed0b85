"""Days that are worked: the week, the holidays, what a site adds and takes back, and where work goes from the rest."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.calendar import LONGEST_CLOSURE, MOST_DATES, WEEK, Calendar, calendar_from, dates_from
from engine.errors import InvalidInput

OFFICE = frozenset(WEEK[:5])
EASTER = frozenset({"2026-04-03", "2026-04-06"})  # Good Friday and Easter Monday

FRIDAY, SATURDAY, TUESDAY = date(2026, 4, 3), date(2026, 4, 4), date(2026, 4, 7)


@pytest.mark.parametrize(
    ("day", "how", "goes_to"),
    [
        (date(2026, 4, 1), "following", date(2026, 4, 1)),  # a Wednesday stays
        (FRIDAY, "following", TUESDAY),
        (SATURDAY, "following", TUESDAY),
        (date(2026, 4, 6), "following", TUESDAY),
        (FRIDAY, "preceding", date(2026, 4, 2)),
        (date(2026, 4, 6), "preceding", date(2026, 4, 2)),
        (SATURDAY, "modified_following", TUESDAY),
        (date(2026, 1, 31), "following", date(2026, 2, 2)),
        (date(2026, 1, 31), "modified_following", date(2026, 1, 30)),
        (SATURDAY, "none", SATURDAY),
    ],
)
def test_a_holiday_on_friday_and_the_weekend_roll_as_the_rung_says(day: date, how: str, goes_to: date) -> None:
    """Four days nobody is there: following goes to Tuesday, preceding to Thursday, modified stays in its month."""
    assert Calendar(weekdays=OFFICE, closed=EASTER).roll(day, how) == goes_to


def test_a_holiday_that_moved_is_put_right_by_a_closure_and_an_opening() -> None:
    """A feast was expected on Friday 20 March 2026 and came on the Monday after: one day opens, another closes."""
    expected = Calendar(weekdays=OFFICE, closed=frozenset({"2026-03-20"}))
    came = Calendar(weekdays=OFFICE, closed=frozenset({"2026-03-20", "2026-03-23"}), opened=frozenset({"2026-03-20"}))

    assert expected.roll(date(2026, 3, 20), "following") == date(2026, 3, 23)
    assert came.roll(date(2026, 3, 20), "following") == date(2026, 3, 20)
    assert came.roll(date(2026, 3, 21), "following") == date(2026, 3, 24)


def test_a_saturday_may_be_opened() -> None:
    """An opening wins over the weekend, too."""
    assert Calendar(weekdays=OFFICE, opened=frozenset({"2026-04-04"})).roll(SATURDAY, "following") == SATURDAY


def test_a_closure_without_end_puts_nothing_off_for_ever() -> None:
    """A site that forgot to open again: past a month the work falls on its own day."""
    closed = frozenset((SATURDAY + timedelta(days=days)).isoformat() for days in range(90))

    assert Calendar(weekdays=OFFICE, closed=closed).roll(SATURDAY, "following") == SATURDAY
    assert Calendar(weekdays=frozenset()).roll(SATURDAY, "preceding") == SATURDAY


@given(some.dates(date(2020, 1, 1), date(2035, 12, 31)), some.sets(some.sampled_from(WEEK), min_size=1))
def test_a_rolled_day_is_worked_and_near(day: date, weekdays: set[str]) -> None:
    """Whatever the week of a site, every roll ends on a worked day, on the side it promises, within its bounds."""
    calendar = Calendar(weekdays=frozenset(weekdays))
    after, before, stays = (calendar.roll(day, how) for how in ("following", "preceding", "modified_following"))

    assert all(map(calendar.is_worked, (after, before, stays)))
    assert before <= day <= after
    assert after - before <= LONGEST_CLOSURE
    assert stays in (after, before)
    assert stays == after or after.month != day.month


def test_without_parameters_every_day_is_worked() -> None:
    """A pathway that says nothing of working days rolls nothing."""
    assert calendar_from({}).roll(SATURDAY, "following") == SATURDAY
    assert calendar_from({"working_days": OFFICE}).roll(SATURDAY, "following") == date(2026, 4, 6)


def test_a_list_of_days_is_kept_in_order_and_once() -> None:
    """However it was typed, the same closures are the same parameter value, and the same hash."""
    assert dates_from(["2026-12-25", "2026-01-01", "2026-12-25"]) == ["2026-01-01", "2026-12-25"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("2026-12-25", "a list of days"),
        (["25.12.2026"], "no day"),
        (["2026-02-29"], "no day"),
        ([20261225], "no day"),
        (["2026-W52-5"], "no day"),
        (["2026-12-25"] * (MOST_DATES + 1), "more than"),
    ],
)
def test_what_is_no_list_of_days_is_refused(given: object, why: str) -> None:
    """29 February of 2026 is no day; two thousand are enough for anybody."""
    with pytest.raises(InvalidInput, match=why):
        dates_from(given)
