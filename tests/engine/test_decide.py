"""What a command means: refusals explain themselves, records are never refused, the past is corrected, not changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.decide import decide
from engine.decision import Moved
from engine.model import Actor, Command, Kind, Level, Outcome, Role
from engine.why import options
from tests.worlds import ANN, AZIZ, LENA, OLGA, RAVI, World, compiled_shipped
from tests.worlds_pathway import episode_in, no_better, on, reassess, register, screened, today


def test_the_same_arguments_give_the_same_decision() -> None:
    """Every decision of a whole course, decided again from what it saw, is the same to the last clause."""
    world = episode_in("multidisciplinary")

    assert len(world.decisions) > 25
    assert world.replayed()


def test_a_refusal_lists_every_failed_rule_with_its_remedy() -> None:
    """From assessment with nothing recorded, step 1 names all that is missing, each with what would make it pass."""
    world = episode_in("assessment")

    decision = world.move("enter_step1")

    assert decision.outcome is Outcome.REFUSED
    assert {"ASMT-01", "BASE-01", "CON-01"} <= set(decision.failed)
    assert all(rule.message and rule.remedy for rule in decision.rules if not rule.satisfied)
    assert all(rule.sources for rule in decision.rules)


def test_a_step_up_without_reassessment_fails_on_that_alone() -> None:
    """Twenty days into self-care nobody steps up unseen: PATH-05, and nothing else, says so."""
    world = episode_in("self_care").day(20)

    assert world.move("step_up").failed == ("PATH-05",)


def test_a_soft_stop_passes_with_its_coded_reason_only() -> None:
    """Severe worsening is a reason for PATH-05; convenience is none, and the message lists those that are."""
    world = episode_in("self_care").day(20)

    wrong = world.do(RAVI, Kind.MOVE, {"transition": "step_up"}, override={"PATH-05": "local_practice"})
    right = world.do(RAVI, Kind.MOVE, {"transition": "step_up"}, override={"PATH-05": "severe_worsening"})

    assert wrong.outcome is Outcome.INVALID
    assert "severe_worsening" in wrong.problem
    assert right.outcome is Outcome.ACCEPTED
    assert right.state == "professional"


def test_the_reason_other_owes_a_sentence() -> None:
    """`other` without words explains nothing."""
    world = episode_in("assessed")
    bare = {"transition": "enter_step2_direct"}

    silent = world.do(RAVI, Kind.MOVE, {**bare}, override={"PATH-03": "other"})

    assert silent.outcome is Outcome.INVALID
    assert "sentence" in silent.problem


def test_the_clauses_name_value_origin_and_age() -> None:
    """An explanation says which record a value came from and when that was recorded."""
    world = episode_in("self_care").day(14)
    reassess(world)

    decision = world.move("step_up", preference="agrees_with_plan")

    used = [given for rule in decision.rules for clause in rule.clauses for given in clause.inputs]
    from_records = [given for given in used if given.record]
    assert from_records
    assert all(given.occurred_at and given.recorded_at for given in from_records)
    assert {record for record, _ in decision.reads} >= {given.record for given in from_records} - {decision.command.id}


@pytest.mark.parametrize("actor", [AZIZ, OLGA])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.REGISTER, Kind.FIRE)])
def test_auditors_and_outsiders_change_nothing(actor: Actor, kind: Kind) -> None:
    """Whatever they command, the episode stays as it was."""
    world = episode_in("self_care")
    before = world.episode

    decision = world.do(actor, kind, {"transition": "raise_concern", "form": "contact"})

    assert decision.outcome in (Outcome.REFUSED, Outcome.INVALID)
    assert decision.events == ()
    assert replace(world.episode, version=before.version) == before


def test_a_concern_comes_from_outside_the_team_too() -> None:
    """An emergency noticed by a stranger to the care team is not turned away."""
    world = episode_in("self_care")
    stranger = Actor(id="sam", role=Role.COORDINATOR, teams=frozenset({"south"}))

    assert world.move("raise_concern", stranger, urgency="urgent").state == "further_evaluation"
    assert world.move("hold", stranger, reason="travel", until=on(20)).failed == ("ROLE-01",)


def test_recording_a_present_emergency_item_raises_it_in_the_same_commit() -> None:
    """The screen that finds bladder trouble is itself the concern: one entry, state and flag together."""
    world = episode_in("self_care").day(3)

    decision = screened(world, cord_signs="present")

    assert decision.state == "further_evaluation"
    assert [flag.urgency for flag in world.episode.flags] == ["emergency"]
    assert any(isinstance(event, Moved) for event in decision.events)


def test_a_concern_returns_to_where_the_person_was_with_the_window_moved() -> None:
    """Ten days in evaluation do not count: the reassessment is due ten days later, in the same stay."""
    world = episode_in("self_care").day(5)
    due = next(item for item in world.episode.due_items if item.kind == "reassessment").due_on
    world.move("raise_concern", ANN, urgency="routine", told="ravi", told_on=on(today(world)))
    assert next(i for i in world.episode.due_items if i.kind == "reassessment").status == "on_hold"
    world.day(15)
    screened(world)

    back = world.move("clear_concern", outcome="no_serious_cause", result_on=on(15), document="letter")

    assert back.state == "self_care", back.failed
    item = next(item for item in world.episode.due_items if item.kind == "reassessment")
    assert item.status == "open"
    assert due is not None
    assert item.due_on == due + timedelta(days=10)


def test_holds_and_concerns_stack() -> None:
    """A red flag by telephone while on hold: cleared, the episode is on hold again, then back in its step."""
    world = episode_in("self_care").day(2)
    world.move("hold", ANN, reason="travel", until=on(20))
    world.move("raise_concern", ANN, urgency="routine", told="ravi", told_on=on(today(world)))
    assert world.episode.state == "further_evaluation"
    screened(world)

    first = world.move("clear_concern", outcome="no_serious_cause", result_on=on(2), document="letter")
    second = world.move("resume", ANN)

    assert (first.state, second.state) == ("on_hold", "self_care")
    assert world.episode.return_to == ()


def test_a_record_against_a_rule_is_kept_as_a_deviation() -> None:
    """A reassessment without a function score happened: it is kept, the reason is owed, the lead reviews it."""
    world = episode_in("self_care").day(16)

    decision = world.record("reassessment", nprs=7, pgic="no_change")

    assert decision.outcome is Outcome.ACCEPTED
    assert "RE-02" in decision.failed
    assert "RE-02" in {one.rule for one in world.episode.deviations if one.reason is None}
    assert any(item.kind == "reason_owed" for item in world.episode.due_items)


def test_a_reason_given_afterwards_settles_what_is_owed() -> None:
    """The owed reason arrives with the form that names its due item."""
    world = episode_in("self_care").day(16)
    world.record("reassessment", nprs=7, pgic="no_change")
    owed = next(item for item in world.episode.due_items if item.kind == "reason_owed")

    world.record("reason_given", due_item=owed.id, reason="not_measurable")

    item = next(item for item in world.episode.due_items if item.id == owed.id)
    assert item.status == "done"
    assert {one.reason for one in world.episode.deviations if f"reason_owed:{one.id}" == owed.id} == {"not_measurable"}


def test_impossible_input_is_an_error_on_records_and_plans_alike() -> None:
    """Pain of 11 on a scale of 0 to 10 is neither kept nor refused by rule: it is wrong, and nothing is written."""
    world = episode_in("self_care").day(16)
    version = world.episode.version

    decision = world.record("reassessment", nprs=11)

    assert decision.outcome is Outcome.INVALID
    assert decision.failed == ("DATA-02",)
    assert world.episode.version == version


def test_the_future_cannot_have_happened() -> None:
    """What occurs tomorrow is planned, not recorded."""
    world = episode_in("self_care").day(16)

    decision = world.do(
        RAVI, Kind.RECORD, {"form": "reassessment", **no_better()}, occurred=world.now + timedelta(days=1)
    )

    assert decision.outcome is Outcome.INVALID
    assert "future" in decision.problem


def test_a_late_entry_counts_by_when_it_occurred() -> None:
    """A paper visit of day 20 typed on day 33 was on time: the reassessment is fulfilled and nothing is overdue."""
    world = episode_in("self_care").day(33)
    twenty = world.now - timedelta(days=13)
    assert next(i for i in world.episode.due_items if i.kind == "reassessment").rung > 0

    decision = world.do(RAVI, Kind.RECORD, {"form": "reassessment", **no_better()}, occurred=twenty)

    assert decision.outcome is Outcome.ACCEPTED
    assert next(i for i in world.episode.due_items if i.kind == "reassessment").status == "done"
    record = world.episode.records[-1]
    assert record.occurred_at == twenty
    assert record.recorded_at == world.now


def test_a_correction_supersedes_and_names_what_relied_on_it() -> None:
    """The score behind a step-up was wrong: the old record stays, the response changes, the step-up is listed."""
    world = episode_in("self_care").day(14)
    wrong = reassess(world).command.id
    assert world.move("step_up", preference="agrees_with_plan").state == "professional"
    relied = world.episode.version

    decision = world.do(RAVI, Kind.CORRECT, {"record": wrong, "nprs": 2})

    assert decision.outcome is Outcome.ACCEPTED
    assert relied in decision.relied_on_by
    old = next(record for record in world.episode.records if record.id == wrong)
    assert old.superseded_by == decision.command.id
    assert old.values["nprs"] != world.episode.records[-1].values["nprs"]


def test_a_corrected_record_cannot_be_corrected_again() -> None:
    """There is one standing record; the other is history."""
    world = episode_in("self_care").day(14)
    wrong = reassess(world).command.id
    world.do(RAVI, Kind.CORRECT, {"record": wrong, "nprs": 2})

    again = world.do(RAVI, Kind.CORRECT, {"record": wrong, "nprs": 3})

    assert again.outcome is Outcome.INVALID
    assert "stands" in again.problem


def test_a_revised_onset_changes_chronicity_at_once() -> None:
    """Onset moved back a year: the episode is chronic from the same commit on."""
    world = episode_in("self_care")
    registration = world.episode.records[0].id

    decision = world.do(ANN, Kind.CORRECT, {"record": registration, "onset": "2025-03-01"})

    assert decision.derived["chronicity"] == "chronic"


def test_death_cancels_every_message_and_all_that_is_due() -> None:
    """Three queued messages must not go: none is left queued, no timer is armed, nothing is due."""
    world = episode_in("self_care").day(27)
    queued = [message for message in world.episode.messages if message.status == "queued"]
    assert queued

    world.move("died", ANN, source="family", died_on=on(26))

    assert all(message.status != "queued" for message in world.episode.messages)
    assert all(timer.state != "armed" for timer in world.episode.timers)
    assert all(item.status not in ("open", "on_hold") for item in world.episode.due_items)


def test_stepping_up_adds_and_stops_nothing() -> None:
    """In step 3 exercise still runs."""
    world = episode_in("injection")

    running = {one.kind for one in world.episode.treatments if one.status == "active"}

    assert {"exercise_programme", "massage", "self_management"} <= running


def test_why_names_every_way_out_with_what_closes_it() -> None:
    """Each transition from here is open, waits for a second person, or lists the rules that close it."""
    world = episode_in("self_care").day(20)

    found = options(world.compiled, world.episode, RAVI, world.now)

    by_name = {one.name: one for one in found}
    assert set(world.compiled.enforcer.allowed("self_care")) == {one.transition for one in found}
    assert [rule.id for rule in by_name["step_up"].closed_by] == ["PATH-05"]
    assert by_name["raise_concern"].open
    assert not by_name["void"].open
    assert by_name["void"].second
    assert by_name["void"].questions == ("reason",)
    assert [rule.id for rule in by_name["void"].closed_by] == ["TWO-27"]


def test_why_agrees_with_what_a_move_then_does() -> None:
    """Whatever `why` calls open goes through as it stands; whatever it calls closed does not."""
    for place in ("intake", "assessment", "self_care", "on_hold", "further_evaluation", "maintenance"):
        world = episode_in(place)
        for option in options(world.compiled, world.episode, RAVI, world.now):
            command = Command(
                id="try",
                kind=Kind.MOVE,
                actor=RAVI,
                episode=world.episode.id,
                values={"transition": option.transition, "to": option.target},
            )
            decision = decide(world.compiled, world.episode, command, world.now)
            if option.questions:
                assert decision.outcome is not Outcome.ACCEPTED
            else:
                assert (decision.outcome is Outcome.ACCEPTED) is option.open, (place, option.name, decision.failed)


def test_an_unknown_move_suggests_the_near_one() -> None:
    """A typing error is answered with the word that was meant."""
    world = episode_in("self_care")

    assert "step_up" in world.move("stepup").problem


def test_info_is_shown_and_logged_and_never_stops() -> None:
    """Every prompt that was shown is part of the decision."""
    world = World(compiled=compiled_shipped())
    register(world, onset=None)
    shown = [
        rule for _, decision in world.decisions for rule in decision.rules if rule.level is Level.INFO and rule.message
    ]

    assert shown
    assert all(
        rule.id in decision.prompts for _, decision in world.decisions for rule in decision.rules if rule.message
    )


def test_a_new_world_begins_unregistered() -> None:
    """Nothing can be recorded about an episode that nobody registered."""
    world = World(compiled=compiled_shipped())

    assert "register it first" in world.record("contact", ANN, channel="telephone", result="reached").problem
    assert today(world) == 0
    assert LENA.role is Role.LEAD
