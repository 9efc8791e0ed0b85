"""The stepped algorithm: what S37 to S44 ask for, as behaviour."""

from engine.decision import Decision
from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seed_checks_care import AGAINST_MANIPULATION
from tests.pathway.seeds import (
    ACUTE,
    CHRONIC,
    Settings,
    at,
    blocks,
    fine,
    hints,
    said,
    shown,
    silent,
    stops,
    treatment,
    value,
)
from tests.worlds import RAVI, World
from tests.worlds_pathway import (
    better,
    exercise,
    inject,
    reassess,
    self_care,
    sign,
)

WANTED: dict[str, Json] = {"preference": "agrees_with_plan"}
TO_NEEDLES: dict[str, Json] = {"to": "injection", "technique": "injection", "manipulation_considered": "no", **WANTED}
REHAB: dict[str, Json] = {
    "professions": [{"profession": "physiotherapy"}, {"profession": "psychology"}],
    "components": ["physical", "psychological"],
    "hours": 100,
}


def step_up(world: World, /, **values: Json) -> Decision:
    """Ask for a step up."""
    return world.move("step_up", **{**WANTED, **values})


def ended(world: World, kind: str, status: str) -> None:
    """Record what became of a component of care."""
    fine(world.do(RAVI, Kind.STOP, {"form": kind, "status": status, "reason": "patient_preference"}))


def in_professional_care(pathway: Pathway, **settings: Settings) -> World:
    """Give a world two weeks into professional care in which nothing of it was begun, reassessed as no better."""
    world = at(pathway, "self_care", settings=settings).day(14)
    reassess(world)
    fine(step_up(world))
    world.day(28)
    reassess(world)
    return world


def s37(pathway: Pathway) -> None:
    """Steps follow one another: no way past them, none backwards by the name of forwards."""
    world = at(pathway, "self_care")
    stops(step_up(world, to="multidisciplinary"), Level.HSX, "PATH-01")
    stops(at(pathway, "intake").move("step_up", **WANTED), Level.HSX, "PATH-01")
    down: dict[str, Json] = {"reason": "patient_preference", "stops": "nothing", "stays": "everything", **WANTED}
    stops(at(pathway, "professional").move("step_down", to="injection", **down), Level.HSX, "PATH-02")
    fine(at(pathway, "multidisciplinary").move("step_down", to="injection", **down))
    fine(at(pathway, "injection").move("step_down", to="self_care", **down))
    assert "to" in step_up(at(pathway, "professional")).problem, "two ways lead on, and none was asked for"
    for place in ("self_care", "professional", "injection", "multidisciplinary"):
        assert at(pathway, place).episode.state == place, f"the steps do not lead to {place}"
    aside = in_professional_care(pathway)
    fine(aside.record("complexity", complex=True))
    ended(aside, "massage", "declined")
    fine(aside.start("exercise_programme", **exercise()))
    fine(step_up(aside, to="multidisciplinary"))


def s38(pathway: Pathway) -> None:
    """Self-care begins with heat, education and activity modification; what is missing stops the next step, not this."""
    for part in ("heat", "education", "activity_modification"):
        world = at(pathway, "assessed")
        fine(world.start("self_management", **self_care(**{part: None})))
        fine(world.move("enter_step1", **WANTED))
        world.day(14)
        reassess(world)
        stops(step_up(world), Level.HS2, "SC-01")
        fine(world.start("self_management", **self_care(**{part: "declined"}, not_given_why="not wanted")))
        fine(step_up(world))
        assert value(world, "step1_given") is True, "self-care was given, and it is not seen"
    bare = at(pathway, "assessed")
    ended(bare, "self_management", "stopped")
    hints(bare.move("enter_step1", **WANTED), "SM-03")
    assert bare.episode.state == "self_care", "the first step waits for self-care"


def s39(pathway: Pathway) -> None:
    """A step is added when care was reassessed as inadequate; what runs goes on until somebody ends it, with a reason."""
    early = at(pathway, "self_care").day(10)
    reassess(early)
    stops(step_up(early.day(15)), Level.SS, "PATH-05")
    move: dict[str, Json] = {"transition": "step_up", **WANTED}
    fine(early.do(RAVI, Kind.MOVE, move, override={"PATH-05": "severe_worsening"}))
    improved = at(pathway, "self_care").day(14)
    assert reassess(improved, **better()).recommended == "adequate", "all is better, and more is recommended"
    stops(step_up(improved), Level.HS2, "PATH-06")
    world = at(pathway, "self_care").day(14)
    assert reassess(world).recommended == "inadequate", "nothing is better, and no more is recommended"
    fine(step_up(world))
    assert treatment(world, "self_management") == "active", "the step took self-care away"
    assert treatment(world, "motor_control_exercise") == "active", "the step took exercise away"
    ended(world, "motor_control_exercise", "stopped")
    waiting = in_professional_care(pathway)
    for kind in ("massage", "exercise_programme"):
        ended(waiting, kind, "unavailable")
    stops(step_up(waiting, **TO_NEEDLES), Level.SS, "PATH-16")
    down: dict[str, Json] = {"to": "self_care", "reason": "patient_preference", **WANTED}
    stops(waiting.move("step_down", **down), Level.SS, "DOWN-03")
    fine(waiting.move("step_down", **down, stops="nothing", stays="self-care"))
    assert treatment(waiting, "self_management") == "active", "stepping down took self-care away"


def _both_halves(pathway: Pathway, given: str, other: str, **values: Json) -> None:
    """Say that one half of step 2 is not enough, and that a recorded refusal of the other is; of both it is not."""
    world = in_professional_care(pathway)
    fine(world.start("motor_control_exercise"))
    fine(world.start(given, **values))
    stops(step_up(world, **TO_NEEDLES), Level.HS2, "PATH-09")
    ended(world, other, "declined")
    assert value(world, "step2_given") is True, "half of step 2 was given, and it is not seen"
    fine(step_up(world, **TO_NEEDLES))
    neither = in_professional_care(pathway)
    for one in (given, other):
        ended(neither, one, "unavailable")
    stops(step_up(neither, **TO_NEEDLES), Level.SS, "PATH-16")


def s40(pathway: Pathway) -> None:
    """Massage of trigger points is part of step 2: given, or recorded why not, before the next step."""
    _both_halves(pathway, "exercise_programme", "massage", **exercise())


def s41(pathway: Pathway) -> None:
    """Supervised exercise is part of step 2: given, or recorded why not, before the next step."""
    stops(at(pathway, "professional").start("exercise_programme", supervised=True), Level.SS, "EX-01", "EX-02")
    _both_halves(pathway, "massage", "exercise_programme", technique="other")


def s42(pathway: Pathway) -> None:
    """Injections are for symptoms that persist through step 2; in chronic pain guidelines disagree, which is said first."""
    improved = at(pathway, "professional").day(28)
    reassess(improved, **better())
    stops(step_up(improved, **TO_NEEDLES), Level.HS2, "PATH-11")
    chronic = at(pathway, "professional", onset=CHRONIC).day(28)
    reassess(chronic)
    assert value(chronic, "persistent") is True, "no change in step 2 is not taken as persisting"
    stops(step_up(chronic, **TO_NEEDLES), Level.SS, "C1")
    fine(step_up(chronic, **TO_NEEDLES, c1_acknowledged=True, c1_patient_told=True))
    world = at(pathway, "injection")
    assert world.episode.state == "injection", "persisting symptoms do not lead to injections"
    stops(world.start("injection_session", technique="injection", sites=[]), Level.HSX, "PATH-17")
    assert value(world, "step3_settled") is False, "injections count as given before one was"
    inject(world)
    assert value(world, "step3_settled") is True, "a session was given, and it is not seen"
    blocks(step_up(in_professional_care(pathway), **TO_NEEDLES), "PATH-09")


def s43(pathway: Pathway) -> None:
    """Whether manipulation was considered is asked when injections begin; it is an addition there, never a condition."""
    unasked = {key: answer for key, answer in TO_NEEDLES.items() if key != "manipulation_considered"}
    world = at(pathway, "professional").day(28)
    reassess(world)
    hints(step_up(world, **unasked), "MAN-03")
    asked = at(pathway, "professional").day(28)
    reassess(asked)
    silent(step_up(asked, **TO_NEEDLES), "MAN-03")
    clear: dict[str, Json] = dict.fromkeys(AGAINST_MANIPULATION, False)
    silent(asked.start("manipulation", **clear), "MAN-02")
    for kind in ("exercise_programme", "motor_control_exercise"):
        ended(world, kind, "stopped")
    reason = {"PA-01": "clinical_judgement"}
    hints(world.do(RAVI, Kind.START, {"form": "manipulation", **clear}, override=reason), "MAN-02")
    direct = at(pathway, "assessed")
    values: dict[str, Json] = {"reason": "other", "evidence": "-", "manipulation_considered": "yes", **WANTED}
    decision = direct.move("enter_step3_direct", **values)
    assert "MAN-03" not in decision.prompts, "it was considered, and is asked for again"
    assert shown(pathway, "manipulation_no_content", world), "that there is no content is not shown"


def s44(pathway: Pathway) -> None:
    """Multidisciplinary rehabilitation is for cases that are complex or chronic, from step 2 or 3, or at once with a second person."""
    world = at(pathway, "professional").day(28)
    reassess(world)
    stops(step_up(world, to="multidisciplinary"), Level.SS, "PATH-08")
    fine(world.record("complexity", complex=True, why=["several_regions"]))
    fine(step_up(world, to="multidisciplinary"))
    fine(world.start("rehab_programme", **REHAB))
    lonely: dict[str, Json] = {**REHAB, "professions": [{"profession": "medicine"}]}
    stops(world.start("rehab_programme", **lonely), Level.SS, "MDR-01")
    chronic = at(pathway, "professional", onset=CHRONIC).day(28)
    reassess(chronic)
    fine(step_up(chronic, to="multidisciplinary"))
    direct = at(pathway, "assessed", onset=ACUTE)
    blocks(direct.move("enter_step4_direct", reason="other", **WANTED), "PATH-08", "TWO-07")
    fine(direct.record("complexity", complex=True))
    sign(direct, direct.move("enter_step4_direct", reason="complex_or_chronic", **WANTED))
    helped = at(pathway, "injected", onset=CHRONIC).day(42)
    reassess(helped, **better())
    stops(step_up(helped), Level.HS2, "PATH-10")
    capped = at(pathway, "injected", onset=CHRONIC, settings={"sessions_per_year": 1}).day(42)
    reassess(capped, **better())
    assert said(fine(step_up(capped)), "PATH-10").value is True, "no session is left, and the way on stays shut"
