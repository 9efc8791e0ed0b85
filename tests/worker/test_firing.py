"""Stage one: what is due fires exactly once, and what cannot fire is set aside, never lost."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.model import Command, Kind
from engine.service import Answer
from stepcare.app import App
from stepcare.worker.firing import MOST_ATTEMPTS, Firing
from storage.pump import Pump
from storage.pump_figures import counters, parked
from storage.verify import verify_log
from storage.walk import opener_of
from tests.worker.clinic import DAY, MORNING, Clinic, another

LATER = MORNING + 21 * DAY


def firing(clinic: Clinic, app: App | None = None, worker: str = "w1") -> Firing:
    """Put stage one together, alone."""
    mine = app or clinic.app
    return Firing(mine, Pump(mine.database, worker), clinic.clock)


def fired(clinic: Clinic, episode: str) -> Counter[str]:
    """Count the entries of an episode's timers by timer."""
    entries = clinic.app.store.entries_of(episode)
    kept = [clinic.app.store.kept(one.idx) for one in entries]
    return Counter(str(one.decision.command.of) for one in kept if one.decision.command.kind is Kind.FIRE)


def test_two_workers_fire_each_timer_once(any_clinic: Clinic) -> None:
    """However many workers there are, each timer has one entry and each message one row."""
    clinic = any_clinic
    episodes = [clinic.patient() for _ in range(6)]
    clinic.clock.forward_to(LATER)
    other = another(clinic.home, clinic)
    both = [firing(clinic), firing(clinic, other, "w2")]
    threads = [threading.Thread(target=one.run) for one in both]

    for one in threads:
        one.start()
    for one in threads:
        one.join()
    other.database.close()

    for episode in episodes:
        counted = fired(clinic, episode)
        assert counted
        assert set(counted.values()) == {1}
    assert not clinic.app.store.due_timers(LATER, 1)
    assert verify_log(clinic.database, opener_of(clinic.database)).faults == ()


def test_what_was_counted_is_what_was_done(clinic: Clinic) -> None:
    """The counters say how many fired and how late."""
    clinic.patient()
    clinic.clock.forward_to(LATER)

    done = firing(clinic).run()

    kept = counters(clinic.database)
    assert done.total > 0
    assert sum(kept[name][0] for name in kept if name.startswith("timer_")) == done.total
    assert kept["late_fire_count"][0] == done.total


def test_a_timer_of_a_kind_nobody_knows_is_parked(clinic: Clinic) -> None:
    """A kind that was renamed is set aside with its reason; the others fire, and nothing is deleted."""
    first, second = clinic.patient(), clinic.patient()
    clinic.clock.forward_to(LATER)
    mine = _without(clinic, first, KeyError)

    done = firing(clinic, mine).run()

    stuck = parked(clinic.database)
    assert {one.episode for one in stuck} == {first}
    assert all(one.why == "unreadable:KeyError" for one in stuck)
    assert done.counts["parked"] == len(stuck)
    assert fired(clinic, second)
    assert any(one.state == "armed" for one in clinic.episode(first).timers)


def test_a_renamed_kind_is_parked_and_goes_on_once_it_is_known_again(clinic: Clinic) -> None:
    """An update that forgot a kind of work loses nothing: taken back, the timers are taken up again and fire."""
    episode = clinic.patient()
    clinic.clock.forward_to(LATER)
    known = clinic.app.engine.compiled(clinic.episode(episode).pathway).pathway.due
    policy = known.pop("reassessment")
    firing(clinic).run()
    stuck = parked(clinic.database)
    assert {one.why for one in stuck} == {"unknown_kind"}

    known["reassessment"] = policy
    pump = Pump(clinic.database, "desk")
    assert all(pump.unpark("timer", one.episode, one.id) for one in stuck)
    firing(clinic).run()

    counted = fired(clinic, episode)
    assert {one.id for one in stuck} <= set(counted)
    assert set(counted.values()) == {1}


def test_who_brings_the_worker_down_is_parked_after_five_times(clinic: Clinic) -> None:
    """The count rises at the claim, so that a crash counts; only the culprit's goes on rising."""
    culprit, healthy = clinic.patient(), clinic.patient()
    clinic.clock.forward_to(LATER)
    crashes = 0
    while crashes < 3 * MOST_ATTEMPTS:
        try:
            firing(clinic, _without(clinic, culprit, SystemExit), f"w{crashes}").run()
        except SystemExit:
            crashes += 1
            clinic.clock.forward_to(clinic.clock() + timedelta(minutes=1))
        else:
            break

    stuck = parked(clinic.database)
    assert {(one.episode, one.why) for one in stuck} == {(culprit, "dead")}
    assert fired(clinic, healthy)
    assert not any(timer.state == "armed" and timer.at <= LATER for timer in clinic.episode(healthy).timers)


def test_a_database_that_is_away_counts_against_nobody(clinic: Clinic) -> None:
    """However long an outage lasts, afterwards everything fires."""
    episode = clinic.patient()
    clinic.clock.forward_to(LATER)
    away = _answering(clinic, lambda commands: [Unavailable("The disk is full.") for _ in commands])
    for number in range(3 * MOST_ATTEMPTS):
        firing(clinic, away, f"w{number}").run()

    firing(clinic).run()

    assert parked(clinic.database) == []
    assert fired(clinic, episode)


def test_nothing_fires_before_its_instant(clinic: Clinic) -> None:
    """A timer that is still to come is left alone."""
    episode = clinic.patient()

    firing(clinic).run()

    first = min(timer.at for timer in clinic.episode(episode).timers)
    assert first > clinic.clock()
    assert fired(clinic, episode) == Counter()


def test_nothing_fires_while_the_clock_is_not_believed(clinic: Clinic) -> None:
    """A worker that does not know the time does nothing."""
    episode = clinic.patient()
    clinic.clock.forward_to(LATER)

    Firing(clinic.app, Pump(clinic.database, "w1"), lambda: None).run()

    assert fired(clinic, episode) == Counter()


def test_writers_have_their_turn_between_two_batches(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each batch the worker takes a breath, in which whoever waits to write is served."""
    monkeypatch.setattr("stepcare.worker.firing.BATCH", 2)
    for _ in range(3):
        clinic.patient()
    clinic.clock.forward_to(LATER)
    breaths: list[float] = []

    def breathe(seconds: float) -> bool:
        breaths.append(seconds)
        return False

    Firing(clinic.app, Pump(clinic.database, "w1"), clinic.clock, breathe).run()

    assert len(breaths) > 1
    assert all(breaths)


def _without(clinic: Clinic, episode: str, error: type[BaseException]) -> App:
    """Give an app that breaks on one episode's timers."""

    def handle(commands: Sequence[Command]) -> Sequence[Answer | Exception]:
        if any(one.episode == episode for one in commands):
            raise error
        return clinic.app.engine.handle_each(commands)

    return _answering(clinic, handle)


def _answering(clinic: Clinic, handle: Callable[[Sequence[Command]], Sequence[Any]]) -> App:
    class Door:
        compiled = staticmethod(clinic.app.engine.compiled)
        handle_each = staticmethod(handle)

    return replace(clinic.app, engine=Door())  # type: ignore[arg-type]  # as much of a door as stage one asks for
