"""Remind me later: with a coded reason, so far, so often, and never what is a matter of safety."""

from datetime import timedelta

import pytest

from engine.decision import Decision
from engine.model import DueItem, Json, Kind, Outcome
from engine.snooze import times_put_off
from tests.worlds import ANN, World, compiled, shipped
from tests.worlds_pathway import episode_in, on, today


def put_off(world: World, item: DueItem, days: int = 1, /, **said: Json) -> Decision:
    """Put work off by some days."""
    until = on(today(world) + days)
    return world.do(ANN, Kind.SNOOZE, {"due_item": item.id, "until": until, "reason": "travel", **said})


def reassessment(world: World) -> DueItem:
    """Give the reassessment of the present step."""
    return [item for item in world.episode.due_items if item.kind == "reassessment"][-1]


def test_work_is_put_off_three_times_and_then_done() -> None:
    """The fourth time it is refused with the number, and what to do instead."""
    world = episode_in("self_care").day(20)
    told = []
    for _ in range(4):
        told.append(put_off(world, reassessment(world)))
        world.day(today(world) + 2)

    assert [one.outcome for one in told] == [Outcome.ACCEPTED] * 3 + [Outcome.INVALID]
    assert "3 times already" in told[-1].problem
    assert times_put_off(world.episode, reassessment(world).id) == 3
    assert world.replayed()


def test_the_times_are_counted_for_each_piece_of_work() -> None:
    """What was put off was this reassessment; another piece of work has its own three times."""
    world = episode_in("self_care").day(20)
    put_off(world, reassessment(world))

    other = next(item for item in world.episode.due_items if item.kind == "first_contact")

    assert times_put_off(world.episode, other.id) == 0


def test_a_site_says_how_often() -> None:
    """Once, at a site that wants it so."""
    world = episode_in("self_care").day(20)
    world.compiled = compiled(shipped(), snooze_times_max=1)
    put_off(world, reassessment(world))
    world.day(22)

    assert put_off(world, reassessment(world)).outcome is Outcome.INVALID


def test_the_reason_is_one_of_a_list() -> None:
    """Free words are no reason; a note may stand beside the code."""
    world = episode_in("self_care").day(20)

    assert "patient_asks" in put_off(world, reassessment(world), reason="he is away").problem
    assert "reason" in put_off(world, reassessment(world), reason=None).problem
    assert (
        put_off(world, reassessment(world), reason="other", note="Back from a trip then.").outcome is Outcome.ACCEPTED
    )


def test_putting_off_fulfils_nothing_and_moves_no_due_day() -> None:
    """The work stays open and due when it was; only the next rung waits."""
    world = episode_in("self_care").day(20)
    due = reassessment(world).due_at

    put_off(world, reassessment(world), 5)

    after = reassessment(world)
    assert (after.status, after.due_at) == ("open", due)
    assert after.snoozed_until is not None
    assert after.snoozed_until - world.now > timedelta(days=4)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Safety, too far and no reason: three problems in one answer."""
    world = episode_in("self_care")
    world.record("adverse_event", ANN, what="other", serious=False)
    world.day(2)
    item = next((one for one in world.episode.due_items if one.kind == "adverse_event_review"), None)
    assert item is not None

    problem = put_off(world, item, 40, reason=None).problem

    assert all(word in problem for word in ("safety", "40 days ahead", "reason"))


def test_the_form_of_a_snooze_is_no_form_to_record() -> None:
    """Otherwise work could be counted as put off that was not."""
    world = episode_in("self_care").day(20)

    told = world.record("snooze", ANN, item=reassessment(world).id, until=on(22), reason="travel")

    assert told.outcome is Outcome.INVALID
    assert "snooze it" in told.problem


@pytest.mark.parametrize(("reason", "outcome"), [("any words", Outcome.ACCEPTED), (None, Outcome.INVALID)])
def test_an_older_pathway_keeps_no_record_of_it(reason: str | None, outcome: Outcome) -> None:
    """An episode that runs on a pack without the form is put off as it always was."""
    forms = {name: form for name, form in shipped().forms.items() if name != "snooze"}
    world = episode_in("self_care").day(20)
    world.compiled = compiled(shipped().model_copy(update={"forms": forms}))

    assert put_off(world, reassessment(world), reason=reason).outcome is outcome
    assert times_put_off(world.episode, reassessment(world).id) == 0
