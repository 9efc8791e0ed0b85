"""Which days are worked here, and where work goes from a day that is not.

A site's days are parameters (`working_days`, `closed_days`, `opened_days`), never a library's opinion: a decision
of last year is the same sum this year, whatever a table of public holidays says by then. `calendar_version` says in
words where the list of closed days came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from engine.errors import InvalidInput

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKING_DAYS, CLOSED_DAYS, OPENED_DAYS = "working_days", "closed_days", "opened_days"
MOST_DATES = 2000
LONGEST_CLOSURE = timedelta(days=31)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days on which a site works.

    `weekdays` in the words of WEEK. `closed` are holidays and closures, `opened` days worked all the same: an
    opening wins over a closure and over the weekend, so that a holiday that moved can be put right by hand.
    """

    weekdays: frozenset[str] = frozenset(WEEK)
    closed: frozenset[str] = frozenset()
    opened: frozenset[str] = frozenset()

    def is_worked(self, day: date) -> bool:
        """Say whether anybody is there on this day."""
        said = day.isoformat()
        return said in self.opened or (said not in self.closed and WEEK[day.weekday()] in self.weekdays)

    def roll(self, day: date, how: str) -> date:
        """Give the day itself, or the worked day it goes to.

        following: the next one. preceding: the last one before. modified_following: the next one, but the last one
        before where that would be in another month. none: the day itself, worked or not.
        """
        match how:
            case "following":
                return self._nearest(day, DAY)
            case "preceding":
                return self._nearest(day, -DAY)
            case "modified_following":
                found = self._nearest(day, DAY)
                return found if found.month == day.month else self._nearest(day, -DAY)
            case _:
                return day

    def _nearest(self, day: date, step: timedelta) -> date:
        """Give the nearest worked day in one direction.

        A closure without end puts nothing off for ever: past a month the work falls on its own day.
        """
        found = day
        while not self.is_worked(found):
            found += step
            if abs(found - day) > LONGEST_CLOSURE:
                return day
        return found


@lru_cache(maxsize=64)
def _calendar(weekdays: frozenset[str], closed: frozenset[str], opened: frozenset[str]) -> Calendar:
    return Calendar(weekdays=weekdays, closed=closed, opened=opened)


def calendar_from(parameters: Mapping[str, object]) -> Calendar:
    """Give the calendar a site's parameters describe; every day is worked where the pack has no `working_days`."""
    weekdays, closed, opened = (parameters.get(name) for name in (WORKING_DAYS, CLOSED_DAYS, OPENED_DAYS))
    none = frozenset[str]()
    return _calendar(
        weekdays if isinstance(weekdays, frozenset) else frozenset(WEEK),
        closed if isinstance(closed, frozenset) else none,
        opened if isinstance(opened, frozenset) else none,
    )


def dates_from(given: object) -> list[str]:
    """Read a list of days as they are kept: written YYYY-MM-DD, in order, each once."""
    if not isinstance(given, list | tuple):
        raise InvalidInput("a list of days is expected, each written as YYYY-MM-DD.")
    if len(given) > MOST_DATES:
        raise InvalidInput(f"{len(given)} days are more than the {MOST_DATES} that fit here: leave past years out.")
    return sorted({_day(one) for one in given})


def _day(given: object) -> str:
    try:
        day = date.fromisoformat(str(given)).isoformat()
    except ValueError:
        day = None
    if day is None or day != given:  # a week date, or one without dashes, is read but is not how a day is kept
        raise InvalidInput(f"{str(given)[:40]!r} is no day: write YYYY-MM-DD.")
    return day
