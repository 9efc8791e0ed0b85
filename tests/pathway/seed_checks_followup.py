"""Follow-up, sources and words left open: what S50 to S55 and S57 ask for, as behaviour."""

from datetime import timedelta

from engine.model import Json, Kind, Level
from engine.names import names
from engine.pathway import Pathway
from engine.prove import prove_pathway
from tests.pathway.seed_checks_algorithm import REHAB, WANTED, step_up
from tests.pathway.seeds import (
    CHRONIC,
    at,
    chronicity_on,
    compiled_of,
    deviates,
    due,
    fine,
    hints,
    owed,
    shown,
    silent,
    stops,
    value,
    window,
)
from tests.worlds import ANN, START, World
from tests.worlds_pathway import (
    better,
    no_better,
    on,
    point,
    points_of,
    reassess,
    registration,
    screened,
    session,
    session_record,
)

PLAN: dict[str, Json] = {"relapse_plan": True, "next_contact": on(42), **WANTED}
DISCHARGE: dict[str, Json] = {"sub_reason": "no_further_benefit", "safety_net": True, "summary": True}


def _window_of_a_step(pathway: Pathway) -> None:
    """Day 13 is an interim contact and leaves the reassessment standing; day 14 fulfils it and begins the next."""
    world = at(pathway, "self_care")
    assert window(due(world, "reassessment")) == (14, 28), "the window is not two to four weeks"
    world.day(13)
    screened(world)
    deviates(world.record("reassessment", **no_better()), "RE-01")
    assert window(due(world, "reassessment")) == (14, 28), "a day too early, and it counts"
    assert value(world, "reassessed_here") is True, "it was not kept"
    assert value(world, "reassessed") is False, "it counts as a reassessment"
    world.day(14)
    screened(world)
    deviates(world.record("reassessment", **no_better()))
    assert value(world, "reassessed") is True, "in the window, and it does not count"
    assert window(due(world, "reassessment")) == (28, 42), "the next one is not owed"


def _start_of_therapy(pathway: Pathway) -> None:
    """The window counts from the day therapy began, which is stated, and lies after the state before and not far ahead."""
    began = at(pathway, "assessed").day(5)
    stops(began.move("enter_step1", **WANTED, therapy_start=on(-1)), Level.FORM, "THER-01")
    fine(began.move("enter_step1", **WANTED, therapy_start=on(2)))
    assert window(due(began, "reassessment")) == (16, 30), "the window counts from the move, not from the therapy"
    up = at(pathway, "self_care").day(14)
    reassess(up)
    stops(step_up(up, therapy_start=on(60)), Level.FORM, "THER-02")
    fine(step_up(up, therapy_start=on(12)))
    assert window(due(up, "reassessment")) == (26, 40), "the next window counts from the move"
    down: dict[str, Json] = {"to": "self_care", "reason": "patient_preference", "stops": "-", "stays": "-", **WANTED}
    stops(up.move("step_down", **down, therapy_start=on(-1)), Level.FORM, "THER-03")
    fine(up.move("step_down", **down, therapy_start=on(14)))
    again = at(pathway, "maintenance").day(20)
    screened(again)
    back: dict[str, Json] = {"to": "self_care", "basis": "patient_report", "why": "it helped", **WANTED}
    stops(again.move("relapse", **back, therapy_start=on(-1)), Level.FORM, "THER-04")
    fine(again.move("relapse", **back, therapy_start=on(20)))


def s50(pathway: Pathway) -> None:
    """Care is reassessed two to four weeks after a therapy began, and nobody moves on without it."""
    _window_of_a_step(pathway)
    _start_of_therapy(pathway)
    chosen = at(pathway, "self_care", settings={"reassess_opens": "P10D", "reassess_due": "P20D"})
    assert window(due(chosen, "reassessment")) == (10, 20), "a site cannot choose the window"
    unseen = at(pathway, "self_care").day(14)
    stops(step_up(unseen), Level.SS, "PATH-05")
    stops(unseen.move("respond", ANN, **PLAN), Level.HSX, "RESP-01")
    needled = at(pathway, "injection", onset=CHRONIC).day(42)
    reassess(needled)
    fine(needled.record("trigger_point", **point()))
    fine(needled.plan("injection_session", **session(needled, points_of(needled)[-1])))
    needled.day(43)
    fine(needled.record("injection_record", **session_record(needled, points_of(needled)[-1])))
    stops(step_up(needled), Level.SS, "PATH-15")
    assert "reassessments_on_time" in pathway.reports, "nobody counts what was on time"


def s51(pathway: Pathway) -> None:
    """Where symptoms persist, looking for other causes is considered: before closing, and once all steps were given."""
    world = at(pathway, "self_care").day(14)
    reassess(world)
    asked: dict[str, Json] = {"tried": "self-care", "question": "another cause?"}
    stops(world.move("evaluate_nonresponse", **asked), Level.HS2, "PATH-13")
    stops(world.move("discharge", **DISCHARGE), Level.HSX, "PATH-12")
    stops(world.move("discharge", **DISCHARGE, evaluation="not_needed"), Level.HSX, "PATH-12")
    fine(world.move("discharge", **DISCHARGE, evaluation="not_needed", evaluation_why="seen by a rheumatologist"))
    second = at(pathway, "self_care", settings={"discharge_level": "HS2"}).day(14)
    reassess(second)
    stops(second.move("discharge", **DISCHARGE), Level.HS2, "PATH-12")
    responded = at(pathway, "self_care").day(14)
    reassess(responded, **better())
    fine(responded.move("discharge", **DISCHARGE))
    done = at(pathway, "injected").day(42)
    hints(reassess(done), "EVAL-02")
    assert value(done, "comprehensive") is True, "three steps were given, and it is not seen"
    stops(done.move("evaluate_nonresponse"), Level.HSX, "EVAL-01")
    fine(done.move("evaluate_nonresponse", **asked))
    assert done.episode.state == "further_evaluation", "nobody looks further"
    assert "nonresponders_closed" in pathway.reports, "nobody counts those closed without"


def s52(pathway: Pathway) -> None:
    """A programme joins at least two professions, a physical and a psychosocial part; chronic cases may need many hours."""
    world = at(pathway, "multidisciplinary")
    lacking: tuple[dict[str, Json], ...] = (
        {"professions": [{"profession": "physiotherapy"}, {"profession": "physiotherapy"}]},
        {"components": ["psychological", "social_or_work"]},
        {"components": ["physical", "medical"]},
    )
    for less in lacking:
        stops(world.start("rehab_programme", **{**REHAB, **less}), Level.SS, "MDR-01")
    silent(world.start("rehab_programme", **REHAB), "MDR-02")
    chronic = at(pathway, "multidisciplinary", onset=CHRONIC)
    hints(chronic.start("rehab_programme", **{**REHAB, "hours": None}), "MDR-02")
    strict = at(pathway, "multidisciplinary", settings={"professions_min": 3})
    stops(strict.start("rehab_programme", **REHAB), Level.SS, "MDR-01")
    early = at(pathway, "professional").day(28)
    reassess(early)
    stops(step_up(early, to="multidisciplinary"), Level.SS, "PATH-08")
    assert shown(pathway, "rehabilitation_intensive", chronic), "what an intensive programme is, is not shown"
    assert not shown(pathway, "rehabilitation_intensive", early), "it is shown where nothing is chronic"
    assert "kamper_2015" in pathway.cards["rehabilitation_intensive"].sources, "its source is not shown"


def s53(pathway: Pathway) -> None:
    """Nine sources are cited and none is listed: each has a row that says it is inferred; every rule has a source."""
    cited = {source.seed_ref: source for source in pathway.sources.values() if source.seed_ref}
    assert sorted(cited) == list(range(1, 10)), "a citation has no row"
    assert all(source.inferred and source.confidence != "stated" for source in cited.values()), (
        "inference shown as fact"
    )
    unread = {name for name, source in pathway.sources.items() if source.verified == "no"}
    leaning = [rule.id for rule in pathway.rules if set(rule.sources) <= unread]
    assert leaning == [], f"{leaning} rest on what nobody read"
    assert not [rule for rule in pathway.rules if not set(rule.sources) <= set(pathway.sources)], "a source has no row"
    bare = pathway.rules[0].model_copy(update={"sources": ()})
    without = pathway.model_copy(update={"rules": (bare, *pathway.rules[1:])})
    found = {finding.code for finding in prove_pathway(without, names(without))}
    assert "PACK-01" in found, "a rule without a source may be published"
    assert pathway.due["source_review"].owner == "pathway_owner", "nobody reviews the sources"
    assert pathway.sources["acp_2017"].review_due < START.isoformat(), "the lapsed guideline has no review day"
    assert "source_status" in pathway.reports, "nobody sees what has lapsed"
    assert shown(pathway, "inferred_sources", at(pathway, "intake")), "that they are inferred is not shown"


def s54(pathway: Pathway) -> None:
    """Acute, subacute and chronic follow from the day it began, with stated borders; the day a class changes is looked at."""
    told = {days: chronicity_on(pathway, days) for days in (0, 27, 28, 84, 85)}
    assert told == {0: "acute", 27: "acute", 28: "subacute", 84: "subacute", 85: "chronic"}, f"{told}"
    assert chronicity_on(pathway, 28, subacute_from_day=29) == "acute", "a site cannot set the first border"
    assert chronicity_on(pathway, 91, chronic_from_day=92) == "subacute", "a site cannot set the second border"
    world = World(compiled=compiled_of(pathway))
    future = (START + timedelta(days=1)).isoformat()
    stops(world.do(ANN, Kind.REGISTER, registration(onset=future)), Level.FORM, "DATA-07")
    hints(world.do(ANN, Kind.REGISTER, registration(onset=None)), "REG-01")
    assert value(world, "chronicity") is None, "unknown onset is called something"
    crossing = at(pathway, "self_care", onset=START).day(28)
    first, second = owed(crossing, "chronicity_crossing")
    assert [window(item)[1] for item in (first, second)] == [35, 92], "nobody looks when the class changes"
    assert first.id in {message.due_item for message in crossing.episode.messages}, "nobody hears of it on day 28"
    fine(crossing.record("chronicity_review", decision="nothing_changes", due_item=first.id))
    assert first not in owed(crossing, "chronicity_crossing"), "it was looked at, and is owed all the same"
    assert "chronicity_crossing" in pathway.tracks["P9"].due, "no track watches the course"
    assert shown(pathway, "chronicity_borders", world), "where the borders come from is not shown"
