"""A new edition of the time zone rules: nine in the morning stays nine in the morning, and each move is an entry."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from engine.fire import RESOLVE
from engine.model import Timer
from stepcare.worker.zones import EDITION, edition_of, resolve_moved
from storage.pump import Pump
from storage.pump_figures import armed_episodes, counters
from storage.verify import verify_log
from storage.walk import opener_of
from tests.engine.test_ladder import without_summer_time
from tests.worker.clinic import Clinic

__all__ = ["without_summer_time"]
HOUR = timedelta(hours=1)
SUMMER = "2026-03-29"  # from then on


@pytest.fixture(autouse=True)
def rules_anew() -> Iterator[None]:
    """Do what a restart does, before and after each test."""
    edition_of.cache_clear()
    yield
    edition_of.cache_clear()


def by_day(clinic: Clinic, episode: str) -> dict[str, Timer]:
    """Give the armed timers that come in summer and count days."""
    timers = [one for one in clinic.episode(episode).timers if one.state == "armed" and one.local > SUMMER]
    return {one.id: one for one in timers if one.local.endswith("09:00")}


def moves(clinic: Clinic) -> int:
    """Count the entries by which timers were moved."""
    commands = [clinic.app.store.kept(one.idx).decision.command for one in clinic.app.store.entries()]
    return sum(one.of == RESOLVE for one in commands)


def test_new_rules_move_what_is_armed_once(any_clinic: Clinic, request: pytest.FixtureRequest) -> None:
    """Summer time is abolished: what was to come at nine comes at nine; nobody else is touched, and nobody twice."""
    clinic = any_clinic
    episode = clinic.patient()
    clinic.worker().once()
    seen, before = counters(clinic.database)[EDITION][0], by_day(clinic, episode)
    assert before
    assert moves(clinic) == 0

    request.getfixturevalue("without_summer_time")
    edition_of.cache_clear()
    clinic.worker().once()
    clinic.worker().once()

    after = by_day(clinic, episode)
    assert {name: one.at - before[name].at for name, one in after.items()} == dict.fromkeys(before, HOUR)
    assert moves(clinic) == 1
    assert counters(clinic.database)[EDITION][0] != seen
    assert verify_log(clinic.database, opener_of(clinic.database)).faults == ()


def test_under_the_same_rules_no_episode_is_looked_at(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the rules is what was seen last: one look at it, and that is all."""
    clinic.patient()
    clinic.worker().once()
    monkeypatch.setattr("stepcare.worker.zones.armed_episodes", lambda _: pytest.fail("nothing has changed"))

    assert resolve_moved(clinic.app, Pump(clinic.database, "w2"), clinic.clock(), "test") == 0


def test_what_could_not_be_moved_is_moved_the_next_time(
    clinic: Clinic, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away in the middle: the new rules are not noted as seen before all is done."""
    clinic.patient()
    clinic.patient()
    clinic.worker().once()
    request.getfixturevalue("without_summer_time")
    edition_of.cache_clear()
    pump, real = Pump(clinic.database, "w2"), clinic.app.engine.handle
    with monkeypatch.context() as away:
        away.setattr(type(clinic.app.engine), "handle", _breaks_after_one(real))
        with pytest.raises(OSError, match="away"):
            resolve_moved(clinic.app, pump, clinic.clock(), "test")
    assert moves(clinic) == 1

    assert resolve_moved(clinic.app, pump, clinic.clock(), "test") == 1


def _breaks_after_one(real: object) -> object:
    done: list[object] = []

    def handle(_: object, command: object) -> object:
        if done:
            raise OSError("away")
        done.append(command)
        return real(command)  # type: ignore[operator]

    return handle


def test_episodes_without_armed_timers_are_left_alone(clinic: Clinic) -> None:
    """Whoever has one is in the list, once."""
    before = armed_episodes(clinic.database)
    clinic.patient()

    assert (before, armed_episodes(clinic.database)) == ([], ["e1"])


@pytest.mark.parametrize(("one", "other"), [("Europe/Berlin", "Europe/London"), ("UTC", "Africa/Abidjan")])
def test_another_zone_is_another_edition(one: str, other: str) -> None:
    """Its name counts as well: two zones that agree today may part tomorrow."""
    assert edition_of(one) == edition_of(one) != edition_of(other)


def test_what_the_rules_say_counts_and_not_where_they_come_from(request: pytest.FixtureRequest) -> None:
    """Abolished summer time is another edition; read anew from the same place it is the same."""
    before = edition_of("Europe/Berlin")
    edition_of.cache_clear()
    assert edition_of("Europe/Berlin") == before
    request.getfixturevalue("without_summer_time")
    edition_of.cache_clear()

    assert edition_of("Europe/Berlin") != before
