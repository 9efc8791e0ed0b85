"""However long the worker was down: it comes to an end, nobody is told twice, and nothing is sent that has expired."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.model import Kind
from tests.worlds import WORKER, World
from tests.worlds_pathway import episode_in

PLACES = ("intake", "self_care", "on_hold", "further_evaluation", "maintenance")
STANDS = {place: episode_in(place) for place in PLACES}
MOST = 200


def copied(place: str) -> World:
    """Give a world of its own that stands there."""
    return replace(STANDS[place], decisions=[])


@settings(deadline=None, max_examples=25)
@given(
    some.sampled_from(PLACES),
    some.lists(some.integers(1, 60 * 24 * 90), min_size=1, max_size=4),
)
def test_an_outage_is_made_up_for_once(place: str, naps: list[int]) -> None:
    """Minutes to months, up to four times over: each nap costs each piece of work at most one message an audience."""
    world = copied(place)
    for nap in naps:
        world.now += timedelta(minutes=nap)
        before = {message.id for message in world.episode.messages}
        for _ in range(MOST):
            waiting = [one for one in world.episode.timers if one.state == "armed" and one.at <= world.now]
            if not waiting:
                break
            timer = min(waiting, key=lambda one: (one.at, one.id))
            told = world.do(WORKER, Kind.FIRE, of=timer.id)
            late = timer.expires_at is not None and world.now > timer.expires_at
            assert (told.taken == "expired") is late
        else:
            raise AssertionError("it never comes to an end")
        fresh = [message for message in world.episode.messages if message.id not in before]
        said = Counter((one.due_item, one.recipient == "patient", one.template == "work_decide") for one in fresh)
        emergencies = {one.id for one in world.episode.due_items if one.kind in ("flag_emergency", "flag_urgent")}
        assert all(times == 1 for (item, _, _), times in said.items() if item not in emergencies), said
        assert all(times <= 2 for times in said.values()), said  # the first call, and the newest of the repeated ones
    assert world.replayed()
