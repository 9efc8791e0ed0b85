"""Calendar days are the site's; hours are exact; a change of clocks neither loses nor doubles a day."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from engine.errors import InvalidInput
from engine.time import after, at_local, clock_from, duration_from, is_calendar, local_day, require_aware, zone

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P14D", timedelta(days=14)),
        ("P2W", timedelta(days=14)),
        ("-P7D", timedelta(days=-7)),
        ("PT72H", timedelta(hours=72)),
        ("P1DT30M", timedelta(days=1, minutes=30)),
        ("P0D", timedelta(0)),
    ],
)
def test_durations_are_read_as_written(text: str, length: timedelta) -> None:
    """A window of P14D is fourteen days, one of PT72H seventy-two hours."""
    assert duration_from(text) == length


@pytest.mark.parametrize("text", ["P", "14D", "PT", "P1DT", "P1Y", "", "-P", "P14 D", "P99999D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A mistyped window is refused with an example of how to write it."""
    with pytest.raises(InvalidInput, match="P14D"):
        duration_from(text)


def test_fourteen_days_keep_the_wall_clock_over_the_change_to_summer_time() -> None:
    """Therapy started at 09:00 on 20 March in Berlin: two weeks later it is 09:00 again, one hour less in UTC."""
    start = at_local(date(2026, 3, 20), time(9), BERLIN)

    assert after(start, "P14D", BERLIN) == datetime(2026, 4, 3, 7, tzinfo=UTC)
    assert after(start, "PT336H", BERLIN) == datetime(2026, 4, 3, 8, tzinfo=UTC)
    assert is_calendar("P14D")
    assert not is_calendar("PT336H")


def test_a_time_in_the_spring_gap_moves_forward() -> None:
    """02:30 does not exist on 29 March 2026 in Berlin; the reminder goes at 03:30."""
    assert at_local(date(2026, 3, 29), time(2, 30), BERLIN).astimezone(zone(BERLIN)).hour == 3


def test_a_time_in_the_autumn_fold_means_its_first_occurrence() -> None:
    """02:30 happens twice on 25 October 2026 in Berlin; the first is meant, so nothing is sent twice."""
    assert at_local(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_day_is_the_sites_day() -> None:
    """23:30 UTC on 1 June is already 2 June in Berlin."""
    assert local_day(datetime(2026, 6, 1, 23, 30, tzinfo=UTC), BERLIN) == date(2026, 6, 2)


def test_a_time_without_a_zone_names_no_instant() -> None:
    """A naive time is refused, with what to add."""
    with pytest.raises(InvalidInput, match="time zone"):
        require_aware(datetime(2026, 3, 2, 9), "occurred_at")  # noqa: DTZ001 - the mistake itself


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "a\0b"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """A site's zone is an IANA name or nothing."""
    with pytest.raises(InvalidInput, match="IANA"):
        zone(name)


@pytest.mark.parametrize("text", ["9:00", "24:00", "09:60", "noon"])
def test_a_time_of_day_is_two_digits_each(text: str) -> None:
    """Reminders go at a time of day written like 09:00."""
    with pytest.raises(InvalidInput, match="09:00"):
        clock_from(text)
    assert clock_from("09:05") == time(9, 5)
