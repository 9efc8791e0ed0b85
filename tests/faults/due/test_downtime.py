"""Away for an hour, three days, thirty days; put back from a backup; everybody at nine: nobody gets too much, or twice."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.faults.due.receiver import keys_at, lines_at
from tests.faults.due.ward import ESCALATE, REMIND, SENT, Ward
from tests.storage.homes import KINDS

HERE = ZoneInfo("Europe/Berlin")
OUTAGES = {"1h": timedelta(hours=1), "3d": timedelta(days=3), "30d": timedelta(days=30)}
MANY = [6, pytest.param(200, marks=pytest.mark.long)]


@pytest.mark.parametrize("people", MANY)
@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_after_an_outage_there_is_one_catch_up(
    ward_of: Callable[..., Ward], kind: str, outage: str, people: int
) -> None:
    """A person hears once a day at most, in the daytime, and nothing that is worth nothing any more."""
    ward = ward_of(kind, people)
    ward.dial.go(REMIND + OUTAGES[outage])
    for _ in range(8):
        ward.drained()
        ward.dial.pass_(timedelta(hours=6))

    ward.drained()
    ward.check()
    to_people = [(datetime.fromisoformat(one["at"]).astimezone(HERE), one["to"]) for one in to_patients(ward)]
    assert all(8 <= at.hour < 20 for at, _ in to_people)
    assert max(Counter((at.date(), to) for at, to in to_people).values(), default=0) <= 1


def to_patients(ward: Ward) -> list[dict[str, str]]:
    """Give what patients got."""
    return [one for one in lines_at(ward.received) if one["to"].endswith("@example.org")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_that_is_put_back_sends_nothing_again(ward_of: Callable[..., Ward], kind: str) -> None:
    """What was sent since the backup was made is not known any more: nothing that may have gone goes again."""
    ward = ward_of(kind)
    ward.dial.go(REMIND)
    ward.drained()
    backup = ward.home.copy(ward.received.with_name("backup"))
    ward.dial.go(SENT)
    ward.drained()
    before = keys_at(ward.received)
    assert before
    ward.home.drop()

    ward.home = backup
    ward.received.rename(ward.received.with_name("before"))
    ward.dial.pass_(timedelta(hours=1))
    ward.drained(restored=True)
    ward.dial.go(ESCALATE)
    ward.drained(restored=True)

    assert not {key for key in keys_at(ward.received) if not key.startswith("digest-")} & set(before)
    with ward.opened() as app:
        held = [one for one in app.store.episode("e1").messages if one.recipient == "patient"]
    assert held[0].status == "unknown"


@pytest.mark.parametrize("people", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_everybody_at_nine_is_spread(ward_of: Callable[..., Ward], people: int) -> None:
    """All reminders fall due at one minute: they go over a quarter of an hour, each at its own moment, and none twice."""
    ward = ward_of("sqlite", people)
    ward.dial.go(REMIND)
    ward.drained()
    for _ in range(6):
        ward.dial.pass_(timedelta(minutes=3))
        ward.drained()

    ward.check()
    assert len(to_patients(ward)) == people
    by_minute = Counter(one["at"][:16] for one in to_patients(ward))
    assert max(by_minute.values()) < people
    with ward.opened() as app:
        first = {app.store.episode(f"e{number}").messages[0].not_before for number in range(1, people + 1)}
    assert len(first) > people / 4
