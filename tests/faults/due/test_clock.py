"""Clocks that are stepped: nothing goes early, nothing stalls or spins, and the log says it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from engine.audit import check_envelope
from tests.faults.due.receiver import lines_at
from tests.faults.due.ward import ESCALATE, REMIND, Ward, beats_on, until

YEAR, HOUR = timedelta(days=365), timedelta(hours=1)
SETTLED = timedelta(minutes=11)
STEPS = {"+1h": HOUR, "-1h": -HOUR, "+1y": YEAR, "-1y": -YEAR}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
@pytest.mark.parametrize("step", STEPS)
def test_a_stepped_clock_sends_nothing_early_and_stalls_nothing(
    ward_of: Callable[..., Ward], kind: str, step: str
) -> None:
    """Stepped by an hour or a year, there and back: work pauses, is said, and goes on when the clock is right again."""
    ward = ward_of(kind)
    working = ward.start(drains=False)
    until(working, lambda phase: phase == "ready")
    beats_on(ward, working)

    ward.dial.step(STEPS[step])
    beats_on(ward, working)
    assert lines_at(ward.received) == []
    with ward.opened() as app:
        assert all(one.state != "fired" for one in app.store.episode("e1").timers)
    ward.dial.step(-STEPS[step])
    beats_on(ward, working)
    working.stop()
    until(working, lambda phase: phase == "closed")

    with ward.opened() as app:
        said = [check_envelope(one.entry).trigger for one in app.store.entries()]
    assert "clock_step" in said
    ward.dial.go(ESCALATE)
    ward.drained()
    ward.check()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_clock_that_stays_set_forward_is_believed_after_a_while(ward_of: Callable[..., Ward], kind: str) -> None:
    """After ten minutes it is the time: what is due by then fires, once."""
    ward = ward_of(kind)
    working = ward.start(drains=False)
    until(working, lambda phase: phase == "ready")
    beats_on(ward, working)
    ward.dial.step(REMIND - ward.dial() + HOUR)
    beats_on(ward, working)
    with ward.opened() as app:
        assert all(one.state != "fired" for one in app.store.episode("e1").timers)

    ward.dial.pass_(SETTLED)
    beats_on(ward, working)
    working.stop()
    until(working, lambda phase: phase == "closed")
    ward.drained()

    with ward.opened() as app:
        assert any(one.state == "fired" for one in app.store.episode("e1").timers)
    ward.check()


def test_a_machine_that_slept_catches_up(ward: Ward) -> None:
    """Suspended over the instant and awake again: both clocks have moved, it is no step, and the work is done."""
    working = ward.start(drains=False)
    until(working, lambda phase: phase == "ready")
    ward.dial.go(ESCALATE)
    beats_on(ward, working)
    working.stop()
    until(working, lambda phase: phase == "closed")
    ward.drained()

    ward.check()


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_worker_whose_clock_differs_from_the_servers_works(ward_of: Callable[..., Ward], minutes: int) -> None:
    """The server's time counts; a machine five minutes behind or ahead of it ticks as fast as any."""
    ward = ward_of("sqlite")
    working = ward.start(drains=False, drift=minutes * 60.0)
    until(working, lambda phase: phase == "ready")

    beats_on(ward, working)

    working.stop()
    until(working, lambda phase: phase == "closed")
