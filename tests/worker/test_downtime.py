"""After an outage: one catch-up, nothing at night, nothing that is worth nothing any more, and one line that says so."""

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.model import Role
from engine.time import local_day
from stepcare.channels.rates import Rate
from stepcare.digest import due_digests
from storage.pump_figures import parked
from storage.verify import verify_log
from storage.walk import opener_of
from tests.worker.clinic import DAY, MORNING, Clinic

STOPS = MORNING + 20 * DAY  # the evening before the first reminders fall due
OUTAGES = {"1h": 21 * DAY + timedelta(hours=1), "3d": 24 * DAY - timedelta(hours=6), "30d": 51 * DAY}


def back_after(clinic: Clinic, people: int, outage: str, rate: Rate) -> None:
    """Let a caseload be left alone for the length of an outage, then let a worker catch up for two days."""
    for _ in range(people):
        clinic.patient()
    clinic.go(STOPS, clinic.worker())
    clinic.clock.forward_to(MORNING + OUTAGES[outage])
    clinic.go(clinic.clock() + 2 * DAY, clinic.worker(rate=rate))


def check(clinic: Clinic, people: int) -> None:
    """Hold what went out against the rules."""
    there = ZoneInfo(clinic.episode().zone)
    expiries = {one.id: one.expires_at for number in range(1, people + 1) for one in clinic.messages(f"e{number}")}
    to_people = [(at, parcel) for at, parcel in clinic.email.got if parcel.to.endswith("@example.org")]
    per_day = Counter((parcel.to, local_day(at, clinic.episode().zone)) for at, parcel in to_people)
    assert max(per_day.values(), default=0) <= 1  # one catch-up, never a burst
    assert len(clinic.email.keys) == len(set(clinic.email.keys))
    for at, parcel in to_people:
        assert 8 <= at.astimezone(there).hour < 20
        expires = expiries[parcel.key]
        assert expires is None or at <= expires
    for number in range(1, people + 1):
        timers = clinic.episode(f"e{number}").timers
        assert not [one for one in timers if one.state == "armed" and one.at <= clinic.clock() - timedelta(minutes=1)]
    assert parked(clinic.database) == []
    assert verify_log(clinic.database, opener_of(clinic.database)).faults == ()


@pytest.mark.parametrize("outage", OUTAGES)
def test_after_an_outage_there_is_one_catch_up(clinic: Clinic, outage: str) -> None:
    """An hour, three days, thirty days: each person hears at most once a day, by day, and only what still counts."""
    people = 12
    back_after(clinic, people, outage, Rate(per_second=1, burst=5))

    check(clinic, people)
    reminded = [parcel for _, parcel in clinic.email.got if parcel.to.endswith("@example.org")]
    if outage == "1h":
        assert len(reminded) == people  # late by an hour: still worth sending


@pytest.mark.long
@pytest.mark.parametrize("outage", OUTAGES)
def test_after_an_outage_with_thousands_due_there_is_one_catch_up(clinic: Clinic, outage: str) -> None:
    """The same with a caseload of ten thousand timers, drained no faster than the channel's rate."""
    people = 3400  # three timers each fall due at once
    back_after(clinic, people, outage, Rate(per_second=10, burst=20))

    check(clinic, people)


def test_what_came_too_late_is_one_line_in_the_digest(clinic: Clinic) -> None:
    """Reminders that had expired when the worker came back are counted for the team, and named to nobody."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    people = 5
    back_after(clinic, people, "3d", Rate(per_second=10, burst=20))

    morning = (MORNING + OUTAGES["3d"]).replace(hour=10)  # a Thursday
    digests = [one for one in due_digests(clinic.app, morning) if one.actor == "ann"]

    assert [one.dropped for one in digests] == [people]


def test_a_burst_at_one_minute_is_spread(clinic: Clinic) -> None:
    """Many that fall due at the same minute do not all go in the same second."""
    for _ in range(10):
        clinic.patient()

    clinic.go(MORNING + 22 * DAY, clinic.worker())

    times = {at for at, _ in clinic.email.got}
    assert len(clinic.email.got) == 10
    assert len(times) > 5
