"""Two people: another person, the rule's role, once, within three days, on exactly what was asked."""

from datetime import timedelta

import pytest

from engine.decision import Decision
from engine.model import Actor, Kind, Outcome, Role
from tests.worlds import ANN, LENA, PIA, RAVI, World
from tests.worlds_pathway import episode_in, session

MAX = Actor(id="max", role=Role.ASSESSOR)


def asked() -> tuple[World, Decision]:
    """Give a world in which voiding the episode waits for a second person."""
    world = episode_in("self_care")
    return world, world.move("void", reason="test_entry")


def test_a_void_waits_for_a_second_person() -> None:
    """One person alone voids nothing; the request is an entry and stands open for 72 hours."""
    world, decision = asked()

    assert decision.outcome is Outcome.NEEDS_SIGN_OFF
    assert decision.failed == ("TWO-27",)
    assert world.episode.state == "self_care"
    (request,) = world.episode.requests
    assert request.expires_at - request.opened_at == timedelta(hours=72)


def test_nobody_signs_off_their_own_request() -> None:
    """The person counts, not the role: Ravi acting as lead is still Ravi."""
    world, decision = asked()

    as_lead = Actor(id=RAVI.id, role=Role.LEAD)
    answer = world.do(as_lead, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id)

    assert answer.outcome is Outcome.REFUSED
    assert answer.failed == ("SIGN-02",)
    assert world.episode.state == "self_care"


def test_another_persons_yes_executes_it() -> None:
    """The yes decides again and executes; both names stand in the log."""
    world, decision = asked()

    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id)

    assert answer.outcome is Outcome.ACCEPTED
    assert world.episode.state == "voided"
    assert [rule.id for rule in answer.rules if rule.signed_off] == ["TWO-27"]


def test_a_no_is_kept_too() -> None:
    """Who said no, and why, is part of the log; the request is closed."""
    world, decision = asked()

    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "no", "text": "not a test"}, of=decision.command.id)

    assert answer.outcome is Outcome.ACCEPTED
    assert (world.episode.requests[0].status, world.episode.requests[0].why) == ("refused", "not a test")
    assert world.episode.state == "self_care"


def test_a_yes_counts_once() -> None:
    """A request that was answered cannot be answered again."""
    world, decision = asked()
    world.do(LENA, Kind.SIGN_OFF, {"answer": "no"}, of=decision.command.id)

    again = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id)

    assert again.failed == ("SIGN-01",)
    assert world.episode.state == "self_care"


@pytest.mark.parametrize(("hours", "open_"), [(72, True), (73, False)])
def test_a_request_expires_after_72_hours(hours: int, open_: bool) -> None:
    """On the last second it still counts; an hour later it does not."""
    world, decision = asked()
    world.now += timedelta(hours=hours)

    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id)

    assert (answer.outcome is Outcome.ACCEPTED) is open_
    assert (world.episode.state == "voided") is open_


def test_a_role_that_may_not_is_told_who_may() -> None:
    """The coordinator signs nothing off."""
    world, decision = asked()

    answer = world.do(ANN, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id)

    assert answer.failed == ("ROLE-01",)


def test_a_changed_fact_voids_the_request() -> None:
    """What was asked on one set of facts is not executed on another: a corrected plan must be asked again."""
    world = episode_in("injection")
    world.record("red_flag_screen", **dict.fromkeys(world.compiled.pathway.red_flags, "absent"))
    plan = world.plan("injection_session", **session(world, anticoagulant=True, anticoagulant_last_on="2026-03-01"))
    assert plan.outcome is Outcome.NEEDS_SIGN_OFF
    assert plan.failed == ("INJ-05",)
    world.record("red_flag_screen", **dict.fromkeys(world.compiled.pathway.red_flags, "absent"))

    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=plan.command.id)

    assert answer.outcome is Outcome.REFUSED
    assert world.episode.requests[-1].status == "void"
    assert world.episode.treatments[-1].kind != "injection_session"


def test_a_signed_off_plan_keeps_the_requests_id() -> None:
    """The session that was asked for is the session that is planned, by the one who asked."""
    world = episode_in("injection")
    world.record("red_flag_screen", **dict.fromkeys(world.compiled.pathway.red_flags, "absent"))
    plan = world.plan("injection_session", **session(world, anticoagulant=True, anticoagulant_last_on="2026-03-01"))

    world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=plan.command.id)

    treatment = world.episode.treatments[-1]
    assert (treatment.id, treatment.status) == (plan.command.id, "planned")
    assert next(r for r in world.episode.records if r.id == treatment.record).by == PIA.id
    assert world.replayed()


def test_an_unknown_request_is_said_so() -> None:
    """A wrong number is an error, not a refusal, and leaves nothing behind."""
    world, _ = asked()

    answer = world.do(MAX, Kind.SIGN_OFF, {"answer": "yes"}, of="c999")

    assert answer.outcome is Outcome.INVALID
    assert "c999" in answer.problem
