"""What brings workers down is put aside in the end, and holds up nobody else."""

from collections.abc import Callable

import pytest

from storage.pump_figures import failed, parked
from tests.faults.due.ward import OVER, REMIND, SENT, Ward, beats_on, until
from tests.storage.homes import KINDS

TIMER = "reassessment:s2@0"
KEY = f"e1:{TIMER}:patient:email"
MOST_DEATHS = 8


def stuck(ward: Ward) -> dict[str, str]:
    """Give what somebody has to look at, and why."""
    with ward.opened() as app:
        return {one.id: one.why for one in (*parked(app.database), *failed(app.database))}


def worn_out(ward: Ward, **poison: object) -> int:
    """Start workers until one lives; gives how many have died."""
    for died in range(MOST_DEATHS + 1):
        if not ward.lost(ward.start(lasting=True, **poison)):
            return died
    raise AssertionError(f"After {MOST_DEATHS} deaths it still kills.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_timer_that_kills_every_worker_is_put_aside(ward_of: Callable[..., Ward], kind: str) -> None:
    """Counted when it is claimed, so that dying counts: after five times it is parked, and the others have fired."""
    ward = ward_of(kind)
    ward.dial.go(REMIND)

    died = worn_out(ward, point="fire.uncommitted", about=f"e1:{TIMER}")

    assert 5 <= died <= MOST_DEATHS
    assert stuck(ward) == {TIMER: "dead"}
    ward.check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_timer_that_always_fails_is_put_aside(ward_of: Callable[..., Ward], kind: str) -> None:
    """An error nobody expected: it is parked with its name, and its neighbours of the same commit have fired."""
    ward = ward_of(kind)
    ward.dial.go(REMIND)

    ward.drained(point="fire.uncommitted", about=f"e1:{TIMER}", act="raise", lasting=True)

    assert list(stuck(ward)) == [TIMER]
    ward.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["send.intended", "call.open"])
def test_a_message_that_kills_every_worker_is_dead(ward_of: Callable[..., Ward], kind: str, point: str) -> None:
    """After five crashes a person is told, and the others have been sent."""
    ward = ward_of(kind)
    ward.dial.go(REMIND)
    ward.drained()
    ward.dial.go(SENT)

    died = worn_out(ward, point=point, about=KEY)

    assert 5 <= died <= MOST_DEATHS
    assert list(stuck(ward)) == [KEY]
    ward.check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_no_entry_knows_is_put_aside(ward_of: Callable[..., Ward], kind: str) -> None:
    """Somebody wrote into the table past all guards: that row waits for a person, is not deleted, and holds up nobody."""
    ward = ward_of(kind)
    written(ward, "id", "nobodys@0", TIMER)
    ward.dial.go(REMIND)
    working = ward.start(drains=False)  # it does not drain before that row is aside
    until(working, lambda phase: phase == "ready")
    while "nobodys@0" not in stuck(ward):
        assert ward.dial() < REMIND + 40 * OVER
        beats_on(ward, working)
        ward.dial.pass_(OVER)
    working.stop()
    until(working, lambda phase: phase == "closed")

    assert fired_for_the_others(ward)
    written(ward, "id", TIMER, "nobodys@0")
    ward.drained()
    ward.check()


UNREADABLE = "2026-02-30T08:00:00.000000Z"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_row_that_cannot_be_read_holds_up_nobody(ward_of: Callable[..., Ward], kind: str) -> None:
    """An instant that is none: that row waits for a person, and the others fire."""
    ward = ward_of(kind)
    written(ward, "at", UNREADABLE, TIMER)
    ward.dial.go(REMIND)
    working = ward.start(drains=False)
    until(working, lambda phase: phase == "ready")
    beats_on(ward, working)
    beats_on(ward, working)
    working.stop()
    until(working, lambda phase: phase == "closed")

    assert fired_for_the_others(ward)
    assert TIMER in stuck(ward)


def written(ward: Ward, column: str, new: str, timer: str) -> None:
    """Write into a row of the first person's timers past all guards, as if nobody had ever claimed it."""
    with ward.home.unguarded() as connection:
        connection.execute(
            f"UPDATE timer SET {column} = :new, parked = NULL, attempt = 0, lease_owner = NULL, lease_until = NULL "  # noqa: S608 - our own words
            "WHERE episode_id = 'e1' AND id = :id",
            {"new": new, "id": timer},
        )


def fired_for_the_others(ward: Ward) -> bool:
    """Say whether everybody else's reminder has fired."""
    with ward.opened() as app:
        others = [timer for number in range(2, 7) for timer in app.store.episode(f"e{number}").timers]
    return all(one.state == "fired" for one in others if one.id == TIMER)
