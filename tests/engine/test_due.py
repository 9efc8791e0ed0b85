"""Due work: windows at both sides of their borders, one ladder, no bursts, and no job that moves a clinical state."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from engine.derive import is_overdue
from engine.fire import fire, forecast
from engine.model import Command, DueItem, Kind, Outcome, Timer
from engine.plan import plan
from engine.time import local_day
from engine.view import Pending, View
from tests.worlds import ANN, LENA, RAVI, WORKER, World, compiled, shipped
from tests.worlds_pathway import episode_in, no_better, on, reassess, screened


def reassessment(world: World) -> DueItem:
    """Give the reassessment of the present step."""
    return [item for item in world.episode.due_items if item.kind == "reassessment"][-1]


@pytest.mark.parametrize(("day", "fulfils"), [(13, False), (14, True), (28, True), (29, True)])
def test_a_reassessment_counts_from_day_14(day: int, fulfils: bool) -> None:
    """Day 13 is an interim contact and leaves the due item standing; from day 14 on it is fulfilled."""
    world = episode_in("self_care").day(day)
    screened(world)

    world.record("reassessment", **no_better())

    first = next(item for item in world.episode.due_items if item.kind == "reassessment")
    assert (first.status == "done") is fulfils


@pytest.mark.parametrize(("day", "late"), [(28, False), (29, True)])
def test_day_28_is_on_time_and_day_29_is_not(day: int, late: bool) -> None:
    """The window includes its last day, to the last minute in the site's zone."""
    world = episode_in("self_care").day(day, time(0) if late else time(23, 59))

    item = reassessment(world)

    assert is_overdue(item.due_at, item.status, world.now) is late


def test_after_a_reassessment_the_next_one_is_owed() -> None:
    """Staying in a step means being reassessed again, two to four weeks later."""
    world = episode_in("self_care").day(20)
    reassess(world)

    item = reassessment(world)

    assert item.status == "open"
    assert item.due_on is not None
    assert (item.due_on - local_day(world.now, world.episode.zone)).days == 28


def test_the_ladder_climbs_from_the_person_to_the_clinician() -> None:
    """Two reminders before, one after, then coordinator, lead and clinician; each message once."""
    world = episode_in("self_care").day(43)

    sent = [(m.recipient, m.template) for m in world.episode.messages if m.due_item == reassessment(world).id]

    assert [who for who, _ in sent] == ["patient", "patient", "coordinator", "patient", "lead", "clinician"]
    assert len({message.id for message in world.episode.messages}) == len(world.episode.messages)
    assert reassessment(world).rung == 3


def test_only_the_next_rung_is_armed() -> None:
    """One instant is awaited per item, so a change has one thing to move."""
    world = episode_in("self_care").day(21)

    armed = [timer for timer in world.episode.timers if timer.state == "armed"]

    assert len(armed) == len({timer.due_item for timer in armed})


def test_a_late_entry_sends_no_burst() -> None:
    """An episode typed in five weeks late escalates once for what was missed, and reminds nobody of the past."""
    world = episode_in("assessed")
    world.now += timedelta(days=40)
    before = len(world.episode.messages)
    start = world.now - timedelta(days=36)
    world.do(LENA, Kind.RECORD, {"form": "goal", "goal": "swim"})
    screened(world)
    decision = world.move(
        "enter_step1", preference="agrees_with_plan", therapy_start=local_day(start, "Europe/Berlin").isoformat()
    )
    assert decision.outcome is Outcome.ACCEPTED, decision.failed

    world.to(world.now + timedelta(minutes=1))

    sent = [m for m in world.episode.messages[before:] if m.due_item == reassessment(world).id]
    assert [message.recipient for message in sent] == ["lead"]


def test_a_person_who_did_not_consent_gets_no_message() -> None:
    """Not asked is not a yes: without consent to contact nothing is queued for the person, and it is said why."""
    world = episode_in("self_care")
    registration = world.episode.records[0].id
    world.do(ANN, Kind.CORRECT, {"record": registration, "contact_consent": None})

    world.day(27)

    theirs = [message for message in world.episode.messages if message.recipient == "patient"]
    assert {(message.status, message.reason) for message in theirs} == {("suppressed", "no_consent")}


def test_snoozed_work_waits_and_is_not_forgotten() -> None:
    """A snooze moves the next rung, not the due date."""
    world = episode_in("self_care").day(20)
    item = reassessment(world)

    world.do(ANN, Kind.SNOOZE, {"due_item": item.id, "until": on(27), "reason": "travel"})

    after = reassessment(world)
    timer = next(t for t in world.episode.timers if t.state == "armed" and t.due_item == item.id)
    assert after.due_on == item.due_on
    assert local_day(timer.at, world.episode.zone).isoformat() == on(27)


@pytest.mark.parametrize("days", [0, 15])
def test_a_snooze_has_limits(days: int) -> None:
    """One to fourteen days, by the site's parameter."""
    world = episode_in("self_care").day(20)

    answer = world.do(
        ANN, Kind.SNOOZE, {"due_item": reassessment(world).id, "until": on(20 + days), "reason": "travel"}
    )

    assert answer.outcome is Outcome.INVALID


def test_no_timer_moves_a_clinical_state() -> None:
    """Two years of firing everything that falls due: the state is the one a person left it in."""
    for place in ("intake", "self_care", "on_hold", "further_evaluation", "maintenance"):
        world = episode_in(place)
        world.day(240)
        fired = [decision for _, decision in world.decisions if decision.command.kind is Kind.FIRE]

        assert fired, place
        assert all(decision.state == decision.state_before for decision in fired)
        assert world.episode.state == place


def test_a_timer_the_plan_left_behind_is_stale() -> None:
    """A timer that was cancelled changes nothing when it comes after all."""
    world = episode_in("self_care").day(20)
    timer = next(t for t in world.episode.timers if t.state == "armed")
    world.move("decline", ANN, reason="no_longer_wanted", risk_told=True)
    command = Command(id="late", kind=Kind.FIRE, actor=WORKER, episode=world.episode.id, of=timer.id)

    decision = fire(world.compiled, world.episode, command, timer.at)

    assert decision.taken == "stale"
    assert decision.events == ()


def test_a_changed_parameter_moves_nothing_that_is_promised() -> None:
    """A shorter window counts from the next item on; replanned, it moves what is armed and lists passed reminders."""
    world = episode_in("self_care").day(10)
    due = reassessment(world).due_on
    world.compiled = compiled(shipped(), reassess_due="P14D")

    world.record("contact", ANN, channel="telephone", result="reached")
    kept = reassessment(world).due_on
    command = Command(id="r", kind=Kind.FIRE, actor=WORKER, episode=world.episode.id, of="replan")
    decision = fire(world.compiled, world.episode, command, world.now)

    assert kept == due
    moved = next(
        e.item for e in decision.events if hasattr(e, "item") and getattr(e.item, "kind", "") == "reassessment"
    )
    assert isinstance(moved, DueItem)
    assert moved.due_on is not None
    assert due is not None
    assert (due - moved.due_on).days == 14
    assert moved.id in str(decision.derived["passed"])


def test_planning_twice_changes_nothing() -> None:
    """The plan is a difference: asked again at the same moment it is empty, in every state."""
    for place in ("intake", "self_care", "professional", "injected", "on_hold", "further_evaluation", "maintenance"):
        world = episode_in(place)
        view = View(world.compiled, world.episode, Pending(), world.now, local_day(world.now, world.episode.zone))

        assert plan(view, view, (), "again") == (), place


def test_what_is_forecast_is_what_fires() -> None:
    """The preview of a ladder is the ladder: same instants, same rungs."""
    world = episode_in("self_care").day(15)
    item = reassessment(world)
    policy = world.compiled.pathway.due["reassessment"]
    view = View(world.compiled, world.episode, Pending(), world.now, local_day(world.now, world.episode.zone))
    foreseen = [at for at, _ in forecast(view, policy, item)]
    seen: list[datetime] = []

    while len(seen) < len(foreseen):
        timer = next((t for t in world.episode.timers if t.state == "armed" and t.due_item == item.id), None)
        if timer is None:
            break
        seen.append(timer.at)
        world.to(timer.at)

    assert seen == foreseen


def test_a_proposal_to_close_as_lost_is_put_before_a_person() -> None:
    """28 days late and three attempts without an answer: a person is asked to decide, nothing closes by itself."""
    world = episode_in("self_care").day(40)
    for channel in ("telephone", "sms", "letter"):
        world.record("contact", ANN, channel=channel, result="no_answer")

    world.day(57)

    assert any(item.kind == "lost_candidate" and item.status == "open" for item in world.episode.due_items)
    assert world.episode.state == "self_care"


def test_a_timer_in_another_zone_waits_for_the_sites_morning() -> None:
    """Rungs are acted on at nine in the site's zone, on both sides of the change of clocks."""
    world = episode_in("self_care")

    at = {timer.local[11:] for timer in world.episode.timers if isinstance(timer, Timer)}

    assert at == {"09:00"}
    assert replace(world.episode.timers[0], state="armed").zone == "Europe/Berlin"


def test_whoever_never_came_to_the_assessment_can_be_lost_too() -> None:
    """Four weeks past the day the assessment was due, three attempts in two ways: a person is asked, and may close."""
    world = episode_in("assessment").day(43)
    assert world.move("lost", ANN).failed == ("LOST-01",)
    for channel in ("telephone", "sms", "letter"):
        world.record("contact", ANN, channel=channel, result="no_answer")

    decision = world.move("lost", ANN)

    assert decision.outcome is Outcome.ACCEPTED, decision.failed
    assert decision.state == "closed_lost_to_follow_up"


def test_a_visit_corrected_to_an_early_day_fulfils_nothing() -> None:
    """The reassessment of day 14 was really on day 10: it was an interim contact, and the due item stands again."""
    world = episode_in("self_care").day(14)
    told = reassess(world)
    assert next(i for i in world.episode.due_items if i.id == "reassessment:s2").status == "done"

    world.do(RAVI, Kind.CORRECT, {"record": told.command.id}, occurred=world.now - timedelta(days=4))

    mine = {item.id: item.status for item in world.episode.due_items if item.kind == "reassessment"}
    assert mine["reassessment:s2"] == "open"
    assert list(mine.values()).count("open") == 1


def test_a_corrected_score_leaves_the_visit_done() -> None:
    """A wrong number on the right day changes nothing about the visit having happened."""
    world = episode_in("self_care").day(14)
    told = reassess(world)

    world.do(RAVI, Kind.CORRECT, {"record": told.command.id, "nprs": 5})

    item = next(i for i in world.episode.due_items if i.id == "reassessment:s2")
    assert (item.status, item.closed_by) == ("done", world.episode.records[-1].id)
