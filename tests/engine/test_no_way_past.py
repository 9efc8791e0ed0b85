"""Ways round a rule that somebody tried: each is closed, and stays closed."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from engine.model import Actor, Json, Kind, Outcome, Role
from engine.time import at_local
from tests.worlds import ANN, LENA, PIA, RAVI, START, ZONE, World
from tests.worlds_pathway import episode_in, no_better, on, raise_concern, screen, screened, session, sign, today

RESULT: dict[str, Json] = {"outcome": "no_serious_cause", "result_on": on(0), "document": "letter"}


def emergency(world: World) -> None:
    """Record a screen that finds an emergency."""
    world.record("red_flag_screen", **screen(world.compiled, saddle_anaesthesia="present"))


def open_flags(world: World) -> list[str]:
    """Name the items of the open flags."""
    return [flag.item for flag in world.episode.flags if flag.cleared_at is None]


def test_a_yes_given_before_an_emergency_does_not_clear_it() -> None:
    """A clearance was asked for; then an emergency was found: the old yes counts for nothing."""
    world = episode_in("further_evaluation")
    asked = world.move("clear_concern", **RESULT)
    assert asked.outcome is Outcome.NEEDS_SIGN_OFF
    emergency(world)

    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=asked.command.id)

    assert answer.outcome is Outcome.REFUSED
    assert "saddle_anaesthesia" in open_flags(world)


def test_a_plan_is_not_corrected_past_its_rules() -> None:
    """A planned session meets every rule again when it is corrected: a dose over the maximum stays impossible."""
    world = episode_in("injection")
    screened(world)
    plan = world.plan("injection_session", **session(world))
    assert plan.outcome is Outcome.ACCEPTED, plan.failed

    wrong = world.do(PIA, Kind.CORRECT, {"record": plan.command.id, "infection": True, "consent_given": False})

    assert wrong.outcome is Outcome.REFUSED
    assert {"INJ-04", "INJ-15"} <= set(wrong.failed)


def test_a_registration_is_not_corrected_out_of_scope() -> None:
    """Eligibility is asked again when the region is corrected."""
    world = episode_in("self_care")

    decision = world.do(ANN, Kind.CORRECT, {"record": world.episode.records[0].id, "region": "knee"})

    assert decision.failed == ("ELIG-01",)


def test_a_coordinator_does_not_correct_the_assessors_move() -> None:
    """What only an assessor may state, only an assessor may restate."""
    world = episode_in("self_care")
    entry = next(record.id for record in world.episode.records if record.form == "step_entry")

    decision = world.do(ANN, Kind.CORRECT, {"record": entry, "preference": "wants_more"})

    assert decision.failed == ("ROLE-01",)


@pytest.mark.parametrize("days", [-1, 15])
def test_therapy_starts_on_a_day_that_can_be_true(days: int) -> None:
    """A start before the assessment, or more than two weeks ahead, would move every window of the step."""
    world = episode_in("assessed")

    decision = world.move("enter_step1", preference="agrees_with_plan", therapy_start=on(today(world) + days))

    assert decision.outcome is Outcome.INVALID
    assert decision.failed == ("THER-01",)


def test_a_plan_is_made_today() -> None:
    """Backdated, a plan would be judged on a day when the screen was fresh."""
    world = episode_in("injection").day(40)

    decision = world.do(
        PIA, Kind.PLAN, {"form": "injection_session", **session(world)}, occurred=world.now - timedelta(days=10)
    )

    assert decision.outcome is Outcome.INVALID


def test_a_move_does_not_lie_before_the_state_it_leaves() -> None:
    """Stays do not overlap: a move entered late lies after the one before it."""
    world = episode_in("assessed")
    early = at_local(START - timedelta(days=40), time(9), ZONE)

    decision = world.do(
        RAVI, Kind.MOVE, {"transition": "enter_step1", "preference": "agrees_with_plan"}, occurred=early
    )

    assert decision.outcome is Outcome.INVALID
    assert "began" in decision.problem


def test_a_closed_episode_is_not_reopened_in_the_past() -> None:
    """The window for reopening is judged today."""
    world = episode_in("closed_declined")
    closed = world.episode.stays[-1].since
    world.day(300)

    decision = world.do(
        RAVI, Kind.MOVE, {"transition": "reopen", "reason": "came_back"}, occurred=closed + timedelta(days=5)
    )

    assert decision.outcome is Outcome.INVALID


def test_a_further_concern_is_added_while_one_is_looked_into() -> None:
    """In further evaluation a telephone call about chest pain is not turned away: its flag stands beside the first."""
    world = episode_in("further_evaluation")
    before = len(open_flags(world))

    decision = world.move("raise_concern", ANN, urgency="emergency", told="ravi", flags=["chest_pattern"])

    assert decision.outcome is Outcome.ACCEPTED
    assert decision.state == "further_evaluation"
    assert len(open_flags(world)) == before + 1


def test_a_hold_keeps_its_end_through_a_concern() -> None:
    """Cleared back to hold, the hold still ends, and somebody still owes that."""
    world = episode_in("on_hold").day(3)
    raise_concern(world, "urgent")
    screened(world)
    sign(world, world.move("clear_concern", **RESULT))

    assert world.episode.state == "on_hold"
    assert [item.status for item in world.episode.due_items if item.kind == "hold_end"] == ["open"]


@pytest.mark.parametrize("leave", ["died", "void"])
def test_nobody_is_paged_about_an_episode_that_is_over(leave: str) -> None:
    """After death or voiding no flag alarm fires again."""
    world = episode_in("further_evaluation")
    emergency(world)
    if leave == "died":
        world.move("died", ANN, source="family")
    else:
        sign(world, world.move("void", reason="test_entry"))
    count = len(world.decisions)

    world.day(today(world) + 10)

    assert len(world.decisions) == count


def test_a_voided_emergency_blocks_nobody() -> None:
    """An emergency recorded in error is gone from the person with the episode it was recorded in."""
    world = episode_in("self_care")
    emergency(world)
    assert world.episode.person.emergencies

    sign(world, world.move("void", reason="wrong_person"))

    assert world.episode.person.emergencies == ()


def test_who_may_not_look_sees_nothing() -> None:
    """A refusal by care team shows no score, no response, no flag."""
    world = episode_in("professional")
    stranger = Actor(id="eve", role=Role.COORDINATOR, teams=frozenset({"other"}))

    decision = world.record("contact", stranger, channel="sms", result="no_answer")

    assert decision.failed == ("ROLE-01",)
    assert (decision.derived, decision.recommended, decision.reads) == ({}, None, ())


def test_an_emergency_is_not_snoozed() -> None:
    """What is a matter of safety does not wait for next week."""
    world = episode_in("further_evaluation")
    emergency(world)
    item = next(item for item in world.episode.due_items if item.kind == "flag_emergency")

    decision = world.do(ANN, Kind.SNOOZE, {"due_item": item.id, "until": on(today(world) + 5), "reason": "busy"})

    assert decision.outcome is Outcome.INVALID


def test_clear_columns_take_no_words() -> None:
    """Language, team and owner stand in the clear: they are codes and pseudonyms, never sentences."""
    world = World()
    values: dict[str, Json] = {"region": "upper_back"}

    for field in ("language", "team"):
        assert world.do(ANN, Kind.REGISTER, {**values, field: "Erika M., ill"}).outcome is Outcome.INVALID
    world = episode_in("self_care")
    assert world.do(ANN, Kind.ASSIGN, {"owner": "Bea B., cancer"}).outcome is Outcome.INVALID


@pytest.mark.parametrize("what", ["visit", "hold", "opt_out"])
def test_a_message_whose_reason_is_gone_is_taken_back(what: str) -> None:
    """The visit happened, the pathway is on hold: what is still queued for the person does not go."""
    world = episode_in("self_care").day(22)
    assert [m for m in world.episode.messages if m.status == "queued" and m.recipient == "patient"]

    if what == "visit":
        screened(world)
        world.record("reassessment", nprs=7, psfs={"lifting": 3, "desk work": 4}, function_word="unchanged")
    elif what == "hold":
        world.move("hold", ANN, reason="travel", until=on(40))
    else:
        world.do(ANN, Kind.CORRECT, {"record": world.episode.records[0].id, "contact_consent": False})

    assert not [m for m in world.episode.messages if m.status == "queued" and m.recipient == "patient"]


def test_a_correction_is_judged_where_it_belongs() -> None:
    """A reassessment of step 1 corrected in step 2: no false day 0, and nothing of step 2 is fulfilled by it."""
    world = episode_in("self_care").day(14)
    first = world.record("red_flag_screen", **screen(world.compiled))
    assert first.outcome is Outcome.ACCEPTED
    told = world.record("reassessment", **no_better())
    assert world.move("step_up", preference="agrees_with_plan").state == "professional"
    world.day(16)

    decision = world.do(RAVI, Kind.CORRECT, {"record": told.command.id, "nprs": 6})

    assert "RE-01" not in decision.failed
    mine = [item for item in world.episode.due_items if item.kind == "first_contact" and item.status == "open"]
    assert len(mine) == 1
    assert world.episode.state == "professional"


def test_a_late_entry_of_an_earlier_step_is_judged_there() -> None:
    """A visit of step 1 typed in during step 2 is on its own day of step 1, and is no reassessment of step 2."""
    world = episode_in("professional")
    start = world.episode.stays[-1].since

    decision = world.do(RAVI, Kind.RECORD, {"form": "reassessment", **no_better()}, occurred=start - timedelta(hours=2))

    assert "RE-01" not in decision.failed
    assert all(item.status == "open" for item in world.episode.due_items if item.id == "reassessment:s3")


def test_a_look_at_one_border_is_not_a_look_at_the_next() -> None:
    """The review of day 28 leaves the crossing of day 85 standing."""
    world = World()
    world.do(ANN, Kind.REGISTER, {"region": "upper_back", "onset": START.isoformat()})
    world.day(29)

    world.record("chronicity_review", decision="nothing_changes")

    status = {item.occurrence: item.status for item in world.episode.due_items if item.kind == "chronicity_crossing"}
    assert status == {"subacute": "done", "chronic": "open"}


def test_a_death_in_one_episode_silences_the_others() -> None:
    """Who has died in one episode is not reminded by another; a death undone brings the reminders back."""
    first = episode_in("self_care")
    first.move("died", ANN, source="family", died_on=on(0))
    dead = first.episode.person
    second = episode_in("self_care")
    second.episode = replace(second.episode, person=replace(second.episode.person, deceased=dead.deceased))

    second.day(28)
    undo = first.move("undo_death", LENA, proof="a telephone call")
    first.do(RAVI, Kind.SIGN_OFF, {"answer": "yes"}, of=undo.command.id)

    assert dead.deceased == ("e1",)
    theirs = [message for message in second.episode.messages if message.recipient == "patient"]
    assert {(message.status, message.reason) for message in theirs} == {("suppressed", "deceased")}
    assert first.episode.person.deceased == ()
