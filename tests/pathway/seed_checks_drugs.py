"""Drugs: what S33 to S36 ask for, as behaviour."""

from collections.abc import Mapping

from engine.decision import Decision
from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seed_checks_needles import planned, site
from tests.pathway.seeds import ACUTE, CHRONIC, Settings, at, blocks, due, fine, hints, shown, silent, stops, window
from tests.worlds import RAVI, World
from tests.worlds_pathway import on, point, points_of, reassess, screened

NSAID_QUESTIONS = (
    *("hypersensitivity", "heart_bypass", "gi_bleed", "kidney_disease", "heart_failure", "cirrhosis", "anticoagulant"),
)
NSAID: dict[str, Json] = {**dict.fromkeys(NSAID_QUESTIONS, False), "pregnancy": "not_possible"}
RELAXANT: dict[str, Json] = {
    "drug": "cyclobenzaprine",
    "aged_65": False,
    "maoi_14_days": False,
    "heart_disease": False,
    "hyperthyroidism": False,
}
SITE: dict[str, Settings] = {"steroid_interval_days": 90, "steroid_per_year": 3}


def s33(pathway: Pathway) -> None:
    """An NSAID begins once its questions are answered; a suspected inflammatory disease is evaluated, not just treated."""
    world = at(pathway, "self_care")
    for question in NSAID:
        unanswered = {key: answer for key, answer in NSAID.items() if key != question}
        stops(world.start("nsaid", **unanswered), Level.HS2, "RX-01")
    silent(world.start("nsaid", **NSAID, review_on=on(10)), "C9")
    assert window(due(world, "nsaid_review")) == (0, 10), "nobody looks at it again"
    assert {"nsaid", "muscle_relaxant"} <= set(pathway.tracks["P3"].kinds), "the track of drugs does not hold it"
    fine(world.record("assessment", suspected_inflammatory=True))
    stops(world.start("nsaid", **NSAID), Level.SS, "RX-02")
    suspected = at(pathway, "assessed")
    fine(suspected.record("assessment", **suspected_in(suspected)))
    stops(suspected.move("enter_step1", preference="agrees_with_plan"), Level.HS2, "ASMT-04")
    hints(at(pathway, "self_care", onset=CHRONIC).start("nsaid", **NSAID), "C9")
    for card in ("inflammatory_wording", "nsaid_timing"):
        assert shown(pathway, card, world), f"{card} is not shown"
    assert pathway.sources["acp_2017"].status == "expired", "the lapsed guideline counts as current"


def suspected_in(world: World) -> dict[str, Json]:
    """Give the assessment again, with the suspicion added."""
    old = next(record for record in world.episode.records if record.form == "assessment")
    return {**old.values, "suspected_inflammatory": True}


def s34(pathway: Pathway) -> None:
    """A muscle relaxant is for a short, planned time, in acute pain; its end is looked after."""
    world = at(pathway, "self_care", onset=ACUTE)
    stops(world.start("muscle_relaxant", **RELAXANT), Level.HSX, "RX-03")
    stops(world.start("muscle_relaxant", **RELAXANT, planned_stop=on(22)), Level.SS, "RX-04")
    later: dict[str, Json] = {"starts_on": on(7), "planned_stop": on(29)}
    stops(world.start("muscle_relaxant", **RELAXANT, **later), Level.SS, "RX-04")
    fine(world.start("muscle_relaxant", **RELAXANT, planned_stop=on(21)))
    assert window(due(world, "muscle_relaxant_stop")) == (0, 21), "its end is not looked after"
    fine(world.do(RAVI, Kind.STOP, {"form": "muscle_relaxant", "status": "done"}))
    assert not [item for item in world.episode.due_items if item.status == "open" and "relaxant" in item.kind], "owed"
    subacute = at(pathway, "self_care")
    stops(subacute.start("muscle_relaxant", **RELAXANT, planned_stop=on(5)), Level.SS, "RX-05")
    longer = at(pathway, "self_care", onset=ACUTE, settings={"relaxant_max_days": 30})
    fine(longer.start("muscle_relaxant", **RELAXANT, planned_stop=on(30)))
    assert {"nsaid", "muscle_relaxant"} <= set(pathway.tracks["P3"].kinds), "the track of drugs does not hold it"
    assert pathway.sources["cyclobenzaprine_label"].kind == "label", "the longest course has no label behind it"


def after_a_session(pathway: Pathway, **answers: Json) -> World:
    """Give a world in which one session without steroid was reassessed two weeks later."""
    world = _two_weeks_on(pathway, "injected")
    reassess(world, **answers)
    return world


def _two_weeks_on(pathway: Pathway, place: str, settings: Mapping[str, Settings] = SITE) -> World:
    """Give a world two weeks into the step of injections, its trigger point felt again and red flags screened."""
    world = at(pathway, place, settings=settings).day(42)
    fine(world.record("trigger_point", **point()))
    screened(world)
    return world


def steroid(world: World, **changes: Json) -> Decision:
    """Plan a session of methylprednisolone acetate alone, 10 mg in a small area, changed as said."""
    alone: dict[str, Json] = {"agent": None, "concentration": None, "concentration_unit": None}
    values: dict[str, Json] = {"steroid": "methylprednisolone_acetate", "steroid_mg": 10, "area_size": "small"}
    sites = site(world, point=points_of(world)[-1])
    return planned(world, **{**alone, **values, "sites": sites, "steroid_mixed": False, **changes})


def s35(pathway: Pathway) -> None:
    """A steroid comes only after professional care and a reassessed session without one did not help."""
    fine(steroid(after_a_session(pathway)))
    first = _two_weeks_on(pathway, "injection")
    stops(steroid(first), Level.HS2, "TPI-20")
    helped = after_a_session(pathway, nprs=3, function_word="improved", pgic="much_improved")
    stops(steroid(helped), Level.HS2, "TPI-20")
    unseen = _two_weeks_on(pathway, "injected")
    stops(steroid(unseen), Level.HS2, "TPI-20")
    assert "C3" in pathway.sources["mpa_label"].conflicts, "that sources disagree on steroids is not said"


def s36(pathway: Pathway) -> None:
    """4 to 30 mg by the size of the area, of methylprednisolone acetate; no other steroid without a range of its own."""
    for mg in (4, 30):
        fine(steroid(after_a_session(pathway), steroid_mg=mg))
    world = after_a_session(pathway)
    for outside in (3, 31, 40):
        stops(steroid(world, steroid_mg=outside), Level.HS2, "TPI-21-MG")
    stops(steroid(world, area_size=None), Level.HSX, "TPI-21-AREA")
    blocks(steroid(world, steroid_mg=None), "TPI-21-AREA")
    stops(steroid(world, steroid="triamcinolone_acetonide", steroid_mg=20), Level.HSX, "TPI-21")
    own: dict[str, Settings] = {**SITE, "triamcinolone_min_mg": 5, "triamcinolone_max_mg": 20}
    set_up = _two_weeks_on(pathway, "injected", own)
    reassess(set_up)
    stops(steroid(set_up, steroid="triamcinolone_acetonide", steroid_mg=30), Level.HS2, "TPI-21-MG")
    fine(steroid(set_up, steroid="triamcinolone_acetonide", steroid_mg=20))
    assert pathway.sources["mpa_label"].directness == "indirect", "another use's range counts as this one's"
