"""Calendar arithmetic: days are the site's days, durations say whether they mean days or hours.

`P14D` keeps the wall clock (14 days later at the same local time, also across a change of clocks); `PT72H` is
exact. A local time that a spring change skips moves forward by the gap; one that an autumn change repeats means
its first occurrence.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import InvalidInput

DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,5})M)?)?"
)
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Give the time zone of this IANA name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"There is no time zone {name!r}: use an IANA name such as Europe/Berlin.") from None


@lru_cache(maxsize=512)
def duration_from(text: str) -> timedelta:
    """Read an ISO 8601 duration in weeks, days, hours and minutes; it may be negative."""
    found = DURATION.fullmatch(text)
    if not found or text.rstrip("T") != text or text.lstrip("-") == "P":
        raise InvalidInput(f"{text!r} is not a duration: write P14D for days or PT72H for hours.")
    parts = {name: int(value) for name, value in found.groupdict("0").items() if name != "sign"}
    length = timedelta(**parts)
    return -length if found["sign"] else length


def is_calendar(text: str) -> bool:
    """Say whether a duration counts calendar days (no T part)."""
    return "T" not in text


def require_aware(instant: datetime, what: str) -> datetime:
    """Give the instant in UTC; a time without a zone is refused, because it names no instant."""
    if instant.tzinfo is None:
        raise InvalidInput(f"{what} {instant.isoformat()} has no time zone: add one, such as +01:00 or Z.")
    return instant.astimezone(UTC)


@lru_cache(maxsize=4096)
def local_day(instant: datetime, zone_name: str) -> date:
    """Give the calendar day of an instant in a zone."""
    return instant.astimezone(zone(zone_name)).date()


@lru_cache(maxsize=4096)
def at_local(day: date, clock: time, zone_name: str) -> datetime:
    """Give the UTC instant of a wall time, moving forward over a gap and taking the first of a repeated hour."""
    local = datetime.combine(day, clock, tzinfo=zone(zone_name))
    # In a gap the fold=0 reading uses the offset before the change, which lands after it: exactly "forward".
    return local.astimezone(UTC)


@lru_cache(maxsize=4096)
def start_of(day: date, zone_name: str) -> datetime:
    """Give the instant a local day begins."""
    return at_local(day, time(0), zone_name)


def clock_from(text: str) -> time:
    """Read a wall time such as 09:00."""
    found = CLOCK.fullmatch(text)
    if not found:
        raise InvalidInput(f"{text!r} is not a time of day: write 09:00.")
    return time(int(found[1]), int(found[2]))


def clock_within(text: str, low: int | str | None, high: int | str | None) -> time:
    """Read a wall time between two others, both included; None: no bound on that side."""
    clock = clock_from(text)
    if low is not None and clock < clock_from(str(low)):
        raise InvalidInput(f"{text} is before {low}.")
    if high is not None and clock > clock_from(str(high)):
        raise InvalidInput(f"{text} is after {high}.")
    return clock


@lru_cache(maxsize=4096)
def after(anchor: datetime, duration: str, zone_name: str, times: int = 1) -> datetime:
    """Add a duration, so many times over: calendar days keep the local wall time, hours are exact."""
    length = duration_from(duration) * times
    if not is_calendar(duration):
        return anchor + length
    local = anchor.astimezone(zone(zone_name))
    return at_local(local.date() + length, local.time().replace(tzinfo=None), zone_name)
