"""Scope, assessment and self-care: what S01 to S14 ask for, as behaviour."""

from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seeds import at, blocks, compiled_of, fine, hints, impossible, said, shown, silent, stops
from tests.worlds import ANN, RAVI, World
from tests.worlds_pathway import (
    enter_step1,
    findings,
    point,
    points_of,
    register,
    registration,
    screened,
    self_care,
    session,
)

WANTED: dict[str, Json] = {"preference": "agrees_with_plan"}


def s01(pathway: Pathway) -> None:
    """Only mid and upper back, with trigger points, back pain or both, come in; a site may widen that."""

    def register_with(**changes: Json) -> None:
        fine(World(compiled=compiled_of(pathway)).do(ANN, Kind.REGISTER, registration(**changes)))

    def turned_away(**changes: Json) -> None:
        world = World(compiled=compiled_of(pathway))
        stops(world.do(ANN, Kind.REGISTER, registration(**changes)), Level.HSX, "ELIG-01")
        assert world.episode.state == "", "an episode began all the same"

    register_with(region="mid_back", problem="trigger_points")
    register_with(region="upper_back", problem="back_pain")
    turned_away(region="knee")
    turned_away(problem="other")
    wider = World(compiled=compiled_of(pathway, regions=("upper_back", "low_back"), problems=("other",)))
    register(wider, region="low_back", problem="other")
    assert wider.episode.state == "intake", "it did not begin in intake"


def s02(pathway: Pathway) -> None:
    """The claim that a combination works best is shown, adds steps to one another, and lets nobody skip one."""
    world = at(pathway, "professional")
    assert shown(pathway, "combination", world), "the card is not shown"
    assert world.compiled.pathway.cards["combination"].seed == ("S02",), "the card does not say what it answers"
    assert not any("S02" in rule.seed for rule in pathway.rules), "a rule rests on a claim about what works best"


def s03(pathway: Pathway) -> None:
    """No step begins without a complete initial assessment with its baseline."""
    world = at(pathway, "assessment")
    fine(world.record("consent", given=True, text_version="1"))
    screened(world)
    for name in ("enter_step1", "enter_step2_direct", "enter_step3_direct", "enter_step4_direct"):
        blocks(world.move(name, reason="other", **WANTED), "ASMT-01", "BASE-01")
    fine(world.record("assessment", **findings(complete=False)))
    fine(world.record("trigger_point", **point()))
    stops(world.move("enter_step1", **WANTED), Level.HSX, "ASMT-01")
    fine(world.record("assessment", **findings()))
    fine(world.move("enter_step1", **WANTED))
    assert "ROLE-01" in at(pathway, "assessment").record("assessment", ANN, **findings()).failed, "anybody may assess"


def s04(pathway: Pathway) -> None:
    """A trigger point is one hypersensitive spot in a taut band of a named muscle; tenderness is not one."""
    world = at(pathway, "assessment")
    stops(world.record("trigger_point", **point(taut_band=False)), Level.FORM, "TP-01")
    stops(world.record("trigger_point", **point(hypersensitive_spot=False)), Level.FORM, "TP-01")
    nameless = {key: value for key, value in point().items() if key != "muscle"}
    assert "muscle" in world.record("trigger_point", **nameless).problem, "the muscle was not asked for"
    fine(world.record("assessment", **findings(palpation="points_found")))
    blocks(world.move("enter_step1", **WANTED), "ASMT-03")
    fine(world.record("trigger_point", **point(finding="tenderness", taut_band=False)))
    fine(world.record("trigger_point", **point()))
    assert "ASMT-03" not in world.move("enter_step1", **WANTED).failed, "the trigger point was not seen"
    ready = at(pathway, "injection")
    fine(ready.record("trigger_point", **point(finding="tenderness", taut_band=False, side="right")))
    screened(ready)
    stops(ready.plan("injection_session", **session(ready, points_of(ready)[-1])), Level.HSX, "TPI-02")
    assert shown(pathway, "trigger_point_criteria", ready), "what makes a trigger point is not shown"


def s05(pathway: Pathway) -> None:
    """Pain on palpation is asked for: whether it hurts, and how much, as a whole number from 0 to 10."""
    world = at(pathway, "assessment")
    impossible(world.record("trigger_point", **point(palpation_pain=11)), "DATA-02")
    impossible(world.record("trigger_point", **point(palpation_pain="6.5")), "DATA-02")
    stops(world.record("trigger_point", **point(palpation_pain=None)), Level.FORM, "DATA-04")
    for pain in (0, 10):
        fine(world.record("trigger_point", **point(palpation_pain=pain, pain_elicited=pain > 0)))


def s06(pathway: Pathway) -> None:
    """Referred pain is yes, no or not tested; not tested is not no, and counts as no third sign."""
    world = at(pathway, "assessment")
    stops(world.record("trigger_point", **point(referred_pain=None)), Level.FORM, "DATA-01")
    fine(world.record("trigger_point", **point(referred_pain="yes", referred_to="front of the chest")))
    ready = at(pathway, "injection")
    screened(ready)
    fine(ready.record("trigger_point", **point(referred_pain="not_tested")))
    stops(ready.plan("injection_session", **session(ready, points_of(ready)[-1])), Level.SS, "TP-03")
    fine(ready.plan("injection_session", **session(ready, points_of(ready)[0])))


def s07(pathway: Pathway) -> None:
    """Range of motion of the affected muscles is recorded, or a reason why not."""
    world = at(pathway, "assessed")
    fine(world.record("assessment", **findings(rom=None)))
    stops(world.move("enter_step1", **WANTED), Level.SS, "ASMT-02")
    limited: dict[str, Json] = {"movement": "extension", "side": "both", "finding": "limited", "degrees": 10}
    fine(world.record("assessment", **findings(rom=[limited], affected_muscles=["erector_spinae"])))
    enter_step1(world)
    reasoned = at(pathway, "assessed")
    fine(reasoned.record("assessment", **findings(rom=[])))
    move: dict[str, Json] = {"transition": "enter_step1", **WANTED}
    decision = reasoned.do(RAVI, Kind.MOVE, move, override={"ASMT-02": "not_measurable"})
    assert said(fine(decision), "ASMT-02").override, "the reason was not kept"


def s08(pathway: Pathway) -> None:
    """Symptoms that go with it are asked for; headache, chest and shoulder pain ask for the red flags."""
    world = at(pathway, "assessment")
    impossible(world.record("assessment", **findings(associated_symptoms=["none", "headache"])), "DATA-03")
    hints(world.record("assessment", **findings(associated_symptoms=["headache"])), "ASSO-01")
    hints(world.record("assessment", **findings(associated_symptoms=["shoulder_pain"])), "ASSO-02")
    hints(world.record("assessment", **findings(associated_symptoms=["chest_pain"])), "ASSO-02")
    screened(world)
    both = findings(associated_symptoms=["headache", "shoulder_pain"])
    silent(world.record("assessment", **both), "ASSO-01", "ASSO-02")
    fine(world.record("assessment", **findings(associated_symptoms=None)))
    blocks(world.move("enter_step1", **WANTED), "ASMT-01")


def s09(pathway: Pathway) -> None:
    """Self-care is where everybody begins; above it a reason, proof of earlier care, or a second person is needed."""
    world = at(pathway, "assessed")
    stops(world.move("enter_step2_direct", **WANTED), Level.SS, "PATH-03")
    stops(world.move("enter_step2_direct", reason="done_elsewhere", **WANTED), Level.HS2, "PATH-04")
    stops(world.move("enter_step3_direct", reason="other", evidence="six months", **WANTED), Level.HS2, "TWO-06")
    fine(world.record("complexity", complex=True))
    stops(world.move("enter_step4_direct", reason="complex_or_chronic", **WANTED), Level.HS2, "TWO-07")
    assert shown(pathway, "stratification", world), "what sorting by risk is worth is not shown"
    reasons: tuple[dict[str, Json], ...] = (
        {"reason": "stratified_risk"},
        {"reason": "done_elsewhere", "evidence": "exercise until May"},
    )
    for values in reasons:
        direct = at(pathway, "assessed")
        fine(direct.move("enter_step2_direct", **values, **WANTED))
        assert direct.episode.state == "professional", "it did not begin at step 2"
    enter_step1(world)
    assert world.episode.state == "self_care", "the first step is another one"


def s10(pathway: Pathway) -> None:
    """Heat is one of the parts of self-care; before it, skin and feeling are looked at."""
    world = at(pathway, "assessment")
    hints(world.start("self_management", **self_care(heat_safe=None)), "SC-04")
    silent(world.start("self_management", **self_care(heat_safe=True)), "SC-04")
    silent(world.start("self_management", **self_care(heat="unsuitable", heat_safe=False)), "SC-04")


def s11(pathway: Pathway) -> None:
    """Self-massage is recommended beside the required parts, and asked for."""
    world = at(pathway, "assessment")
    fine(world.start("motor_control_exercise"))
    hints(world.start("self_management", **self_care(self_massage=None)), "SC-02")
    silent(world.start("self_management", **self_care(self_massage="declined")), "SC-02")


def s12(pathway: Pathway) -> None:
    """Changing what aggravates names at least one activity or position; it is never bed rest in general."""
    world = at(pathway, "assessment")
    stops(world.start("self_management", **self_care(activities=[])), Level.SS, "SC-03")
    stops(world.start("self_management", **self_care(activities=None)), Level.SS, "SC-03")
    fine(world.start("self_management", **self_care(activity_modification="declined", activities=None)))
    fine(world.start("self_management", **self_care(activities=[{"what": "carrying on one shoulder"}])))


def s13(pathway: Pathway) -> None:
    """Motor control exercises are recommended in self-care, and count as active beside something passive."""
    world = at(pathway, "assessment")
    hints(world.start("self_management", **self_care()), "SC-02")
    fine(world.start("motor_control_exercise", note="deep stabilisers"))
    silent(world.start("self_management", **self_care()), "SC-02")
    ready = at(pathway, "professional")
    fine(ready.do(RAVI, Kind.STOP, _stopped("exercise_programme")))
    fine(ready.start("massage", technique="other"))
    fine(ready.do(RAVI, Kind.STOP, _stopped("motor_control_exercise")))
    stops(ready.start("massage", technique="other"), Level.SS, "PA-01")


def _stopped(kind: str) -> dict[str, Json]:
    return {"form": kind, "status": "stopped", "reason": "patient_preference"}


def s14(pathway: Pathway) -> None:
    """Professional care is a step of its own: its treatments begin there and not in self-care."""
    world = at(pathway, "self_care")
    stops(world.start("massage", technique="other"), Level.HSX, "PATH-01")
    ready = at(pathway, "professional")
    fine(ready.start("massage", technique="other"))
    direct = at(pathway, "assessed")
    fine(direct.move("enter_step2_direct", reason="stratified_risk", **WANTED))
    assert direct.episode.state == "professional", "step 2 cannot be entered directly"
