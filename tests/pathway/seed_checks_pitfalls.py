"""The five pitfalls: what S45 to S49 ask for, as behaviour."""

from engine.decision import Decision
from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seed_checks_algorithm import WANTED, ended, in_professional_care, step_up
from tests.pathway.seed_checks_needles import done, done_site, planned, ready, site
from tests.pathway.seeds import at, blocks, deviates, due, fine, hints, shown, silent, stops, value, window
from tests.worlds import ANN, RAVI, World
from tests.worlds_pathway import (
    better,
    exercise,
    findings,
    no_better,
    on,
    point,
    points_of,
    reassess,
    screened,
    self_care,
)

PLAN: dict[str, Json] = {"relapse_plan": True, "next_contact": on(42), **WANTED}
DISAGREES: dict[str, Json] = {**better(), "pgic": "minimally_improved"}


def _reassessed(pathway: Pathway, **answers: Json) -> World:
    world = at(pathway, "self_care").day(14)
    reassess(world, **answers)
    return world


def _function_from_the_start(pathway: Pathway) -> None:
    """The baseline holds function, and there is a goal of function."""
    world = at(pathway, "assessed")
    fine(world.record("assessment", **findings(psfs=None)))
    stops(world.move("enter_step1", **WANTED), Level.HSX, "BASE-01")
    fine(world.record("assessment", **findings(psfs=None, nprs=None, peg=[6, 7, 7], function_goal=None)))
    stops(world.move("enter_step1", **WANTED), Level.SS, "GOAL-01")
    move: dict[str, Json] = {"transition": "enter_step1", **WANTED}
    hints(world.do(RAVI, Kind.MOVE, move, override={"GOAL-01": "not_measurable"}), "GOAL-02")
    silent(world.record("goal", goal="lift the grandchild"), "GOAL-02")


def _function_each_time(pathway: Pathway) -> None:
    """Each reassessment holds function, by a measure made for the region, on the scale it began with."""
    world = at(pathway, "self_care").day(14)
    screened(world)
    deviates(world.record("reassessment", **no_better(psfs=None)), "RE-02")
    deviates(world.record("reassessment", **no_better(psfs=None, odi=40)), "INS-01")
    deviates(world.record("reassessment", **no_better(psfs=None, peg=[6, 7, 7])))
    other = at(pathway, "self_care").day(14)
    reassess(other, nprs=None, peg=[6, 7, 7])
    blocks(step_up(other), "INS-02")


def s45(pathway: Pathway) -> None:
    """Pain alone decides nothing: function is measured, aimed at, and has its say in what comes next."""
    _function_from_the_start(pathway)
    _function_each_time(pathway)
    stops(step_up(_reassessed(pathway, **DISAGREES)), Level.SS, "RECO-01")
    fine(step_up(_reassessed(pathway, **DISAGREES), why="the person wants more"))
    unchanged = _reassessed(pathway, **better(function_word="unchanged"))
    assert value(unchanged, "recommendation") == "discordant", "less pain without function counts as success"
    stops(unchanged.move("respond", ANN, **PLAN), Level.SS, "RECO-02")
    fine(unchanged.move("respond", ANN, **PLAN, why="works again"))
    worse = _reassessed(pathway, **better(function_word="worse"))
    stops(worse.move("respond", ANN, **PLAN, why="-"), Level.HS2, "RESP-02")
    assert "GOAL-02" in pathway.tracks["P10"].invariants, "no track watches the goal"
    assert "pain_only_reassessments" in pathway.reports, "nobody counts reassessments of pain alone"
    assert shown(pathway, "instrument_limits", worse), "the limits of the questionnaires are not shown"


def s46(pathway: Pathway) -> None:
    """Self-management runs through every step: it can be paused, and a gap is shown and owed."""
    stop: dict[str, Json] = {"form": "self_management", "status": "stopped", "reason": "other"}
    for place in ("self_care", "professional", "injection", "multidisciplinary", "maintenance"):
        stops(at(pathway, place).do(RAVI, Kind.STOP, stop), Level.HS2, "SM-01")
    world = at(pathway, "self_care")
    silent(world.do(RAVI, Kind.STOP, {**stop, "paused_until": on(5)}), "SM-02")
    assert value(world, "self_management_kept") is True, "a pause with an end counts as a gap"
    world.day(6)
    hints(world.do(ANN, Kind.CONTACT, {"channel": "telephone", "result": "reached"}), "SM-02")
    assert window(due(world, "self_management_gap")) == (6, 13), "nobody is asked to close the gap"
    screened(world.day(14))
    fine(world.record("reassessment", **better()))
    stops(world.move("respond", ANN, **PLAN), Level.HS2, "SM-04")
    silent(world.start("self_management", **self_care()), "SM-02")
    fine(world.move("respond", ANN, **PLAN))
    sooner = at(pathway, "assessed", settings={"gap_within": "P3D"})
    ended(sooner, "self_management", "stopped")
    hints(sooner.move("enter_step1", **WANTED), "SM-03")
    assert window(due(sooner, "self_management_gap")) == (0, 3), "a site cannot choose how long a gap may be"
    assert "SM-02" in pathway.tracks["P1"].invariants, "no track watches self-management"
    assert "self_management_gaps" in pathway.reports, "nobody counts the gaps"


def _massage(world: World) -> Decision:
    return world.start("massage", technique="other")


def _unplanned(world: World) -> None:
    """Give up every planned exercise programme."""
    for one in world.episode.treatments:
        if one.kind == "exercise_programme" and one.status == "planned":
            values: dict[str, Json] = {"form": one.kind, "status": "stopped", "reason": "patient_preference"}
            fine(world.do(RAVI, Kind.STOP, values, of=one.id))


def s47(pathway: Pathway) -> None:
    """Nothing passive runs alone: exercise runs, begins within a week, or cannot be; a gap is shown and owed."""
    world = in_professional_care(pathway)
    ended(world, "motor_control_exercise", "stopped")
    stops(_massage(world), Level.SS, "PA-01")
    fine(world.plan("exercise_programme", RAVI, **exercise(starts_on=on(36))))
    stops(_massage(world), Level.SS, "PA-01")
    fine(world.plan("exercise_programme", RAVI, **exercise(starts_on=on(35))))
    silent(_massage(world), "PA-02")
    _unplanned(world)
    hints(screened(world), "PA-02")
    assert value(world, "passive_running") is True, "massage runs, and it is not seen"
    assert window(due(world, "active_beside_passive")) == (28, 35), "nobody is asked to close the gap"
    ended(world, "exercise_programme", "contraindicated")
    silent(_massage(world), "PA-02")
    patient = in_professional_care(pathway, active_within_days=14, active_within="P3D")
    ended(patient, "motor_control_exercise", "stopped")
    fine(patient.plan("exercise_programme", RAVI, **exercise(starts_on=on(42))))
    silent(_massage(patient), "PA-02")
    _unplanned(patient)
    assert window(due(patient, "active_beside_passive")) == (28, 31), "a site cannot choose how long a gap may be"
    assert "PA-02" in pathway.tracks["P2"].invariants, "no track watches the balance"
    assert "passive_without_active" in pathway.reports, "nobody counts the days"


def s48(pathway: Pathway) -> None:
    """No needle without an identified trigger point: not on entering the step, not in a plan, never unseen in a record."""
    world = ready(pathway, observe_min=10)
    fine(world.record("trigger_point", **point(finding="tenderness", taut_band=False)))
    stops(planned(world, sites=site(world, point=points_of(world)[-1])), Level.HSX, "TPI-02")
    fine(planned(world, sites=site(world)))
    deviates(done(world, sites=done_site(world, point=points_of(world)[-1])), "TPI-02-R")
    lower = ready(pathway, point_level="HS2")
    fine(lower.record("trigger_point", **point(spot_in_band=False)))
    stops(planned(lower, sites=site(lower, point=points_of(lower)[-1])), Level.HS2, "TPI-02")
    none = at(pathway, "professional").day(28)
    reassess(none)
    fine(none.do(RAVI, Kind.CORRECT, {"record": points_of(none)[0], "spot_in_band": False}))
    blocks(step_up(none, to="injection"), "TP-02")
    assert shown(pathway, "trigger_point_criteria", world), "what makes a trigger point is not shown"
    assert "injections_without_point" in pathway.reports, "nobody counts such sessions"


def s49(pathway: Pathway) -> None:
    """Continuous traction needs a second person, any other kind a reason: not shown to work is not forbidden."""
    world = at(pathway, "professional")
    stops(world.start("traction_continuous", why="the person asks"), Level.HS2, "TX-01")
    stops(world.plan("traction_continuous", RAVI), Level.HS2, "TX-01")
    stops(world.start("traction_intermittent", why="the person asks"), Level.SS, "TX-02")
    start: dict[str, Json] = {"form": "traction_intermittent", "why": "the person asks"}
    fine(world.do(RAVI, Kind.START, start, override={"TX-02": "patient_preference"}))
    assert shown(pathway, "traction_wording", world), "the wording is not explained"
    assert {"chou_2007", "who_2023"} <= set(pathway.cards["traction_wording"].sources), "newer guidance is not shown"
    assert "traction_orders" in pathway.reports, "nobody counts such orders"
