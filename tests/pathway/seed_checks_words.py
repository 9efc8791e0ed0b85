"""What the text leaves open: words without a meaning (S55), who may do what, how to leave, what people want (S57)."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.model import Json, Level
from engine.pathway import Pathway
from tests.pathway.seed_checks_algorithm import TO_NEEDLES, WANTED, step_up
from tests.pathway.seeds import Settings, at, fine, shown, stops, value
from tests.worlds import ANN, PIA, World
from tests.worlds_pathway import better, findings, no_better, on, reassess, screened

WORDS = ("inadequate_response", "persistent", "complex", "comprehensive")


def change(
    pathway: Pathway, settings: Mapping[str, Settings] = MappingProxyType({}), before: int = 7, /, **answers: Json
) -> World:
    """Give a world reassessed on day 14 of self-care, from a baseline of pain."""
    world = at(pathway, "assessed", settings=settings)
    fine(world.record("assessment", **findings(nprs=before)))
    fine(world.move("enter_step1", **WANTED))
    world.day(14)
    reassess(world, **answers)
    return world


def _thresholds(pathway: Pathway) -> None:
    """Pain of 7 that falls to 5, to 3 or rises to 9, judged by the site's own thresholds."""

    def response(after: int, before: int = 7, **settings: Settings) -> object:
        return value(change(pathway, settings, before, nprs=after), "response")

    assert response(5) == "partial", "2 of 7 points are 29 percent"
    assert response(5, response_rule="points") == "responder", "a site cannot choose points"
    assert response(5, response_rule="points", response_points=3) == "partial", "a site cannot choose how many"
    assert response(5, response_percent=28) == "responder", "a site cannot choose the percentage"
    assert response(3) == "substantial", "4 of 7 points are more than half"
    assert response(3, response_substantial=60) == "responder", "a site cannot choose what is substantial"
    assert response(9) == "worse", "2 points more are worse"
    assert response(9, response_worse=3) == "none", "a site cannot choose what is worse"
    assert response(0, before=1) == "not_evaluable", "pain of 1 leaves no room"
    assert response(0, before=1, response_low_baseline=0) == "substantial", "a site cannot choose where room begins"


def _three_questions(pathway: Pathway) -> None:
    """Pain, function and the person's own view each have their say, by measure or by word."""
    word = change(pathway, **better(function_word="unchanged"))
    assert value(word, "function_change") == "unchanged", "the clinician's word does not count"
    measured = change(pathway, {"function_points": 1}, **better(function_word="unchanged"))
    assert value(measured, "function_change") == "improved", "a site's threshold does not count"
    minimally = better(pgic="minimally_improved")
    assert value(change(pathway, **minimally), "agrees") is False, "minimally better counts as better"
    kinder = change(pathway, {"pgic_agrees": ("minimally_improved",)}, **minimally)
    assert value(kinder, "agrees") is True, "a site cannot choose which word means better"
    words = set(pathway.instruments["pgic"].labels.values())
    assert words == set(pathway.forms["reassessment"].fields["pgic"].options), "the form asks for other words"
    composite = change(pathway, nprs=None, peg=[1, 1, 1])
    assert value(composite, "same_scale") is False, "two scales are compared"


def s55(pathway: Pathway) -> None:
    """Inadequate, persistent, complex and comprehensive mean one thing each, with numbers that a site can set."""
    for word in WORDS:
        one = pathway.definitions.get(word)
        assert one, f"{word} means nothing"
        assert one.owner, f"nobody answers for what {word} means"
    for word in ("persistent", "comprehensive"):
        assert value(at(pathway, "self_care"), word) is False, f"{word} holds before anything was tried"
    assert value(at(pathway, "self_care"), "complex") is None, "what nobody said is taken for no"
    unknown = change(pathway, **better(pgic=None))
    stops(step_up(unknown), Level.SS, "PATH-07")
    helped = change(pathway, **better())
    stops(step_up(helped), Level.HS2, "PATH-06")
    stops(helped.move("evaluate_nonresponse", tried="-", question="-"), Level.HS2, "PATH-13")
    further = at(pathway, "professional").day(28)
    reassess(further, **better())
    stops(step_up(further, **TO_NEEDLES), Level.HS2, "PATH-11")
    needled = at(pathway, "injected").day(42)
    fine(needled.record("complexity", complex=True))
    reassess(needled, **better())
    stops(step_up(needled), Level.HS2, "PATH-10")
    plan: dict[str, Json] = {"relapse_plan": True, "next_contact": on(42), **WANTED}
    stops(change(pathway).move("respond", ANN, **plan), Level.HS2, "RESP-02")
    assert shown(pathway, "thresholds_of_change", helped), "where the thresholds come from is not shown"
    _three_questions(pathway)
    _thresholds(pathway)


def _roles(pathway: Pathway) -> None:
    """Steps are an assessor's; a needle a proceduralist's; a coordinator leads through, and leaves are theirs too."""
    assert "ROLE-01" in at(pathway, "assessed").move("enter_step1", ANN, **WANTED).failed, "anybody may begin a step"
    assert "ROLE-01" in at(pathway, "self_care").move("discharge", PIA).failed, "anybody may discharge"
    assert "ROLE-01" in at(pathway, "self_care").start("nsaid", ANN).failed, "a coordinator may treat"


def _exits(pathway: Pathway) -> None:
    """Each way out says why, and what the person was told or who takes over."""
    out = at(pathway, "assessment")
    stops(out.move("not_eligible", goes_to="GP"), Level.HSX, "NELI-01")
    stops(out.move("not_eligible", reason="other_cause"), Level.SS, "NELI-02")
    fine(out.move("not_eligible", reason="other_cause", goes_to="GP", preference="-"))
    declined = at(pathway, "self_care")
    stops(declined.move("decline", ANN, reason="cost"), Level.HSX, "DECL-01")
    fine(declined.move("decline", ANN, reason="cost", risk_told=True))
    left = at(pathway, "self_care").day(14)
    reassess(left, **better())
    stops(left.move("discharge", sub_reason="self_managing", summary=True), Level.HSX, "EXIT-01")
    fine(left.move("discharge", sub_reason="self_managing", safety_net=True, summary=True))
    moved = at(pathway, "self_care")
    stops(moved.move("transfer", ANN, receiver="Spine centre"), Level.HSX, "TRAN-01")
    fine(moved.move("transfer", ANN, receiver="Spine centre", accepted_on=on(0)))
    ends = [one.episode.state for one in (out, declined, left, moved)]
    wanted = ["closed_not_eligible", "closed_declined", "closed_discharged", "closed_transferred"]
    assert ends == wanted, f"the ways out lead to {ends}"


def _unasked(pathway: Pathway, **settings: Settings) -> World:
    """Give a world about to begin a step in which nobody asked what the person wants."""
    world = at(pathway, "assessed", settings=settings)
    fine(world.record("assessment", **findings(preference=None)))
    return world


def _wishes(pathway: Pathway) -> None:
    """What the person wants is recorded with a move, or not long before it."""
    stops(_unasked(pathway).move("enter_step1"), Level.SS, "DEC-01")
    asked = at(pathway, "assessed")
    fine(asked.move("enter_step1"))
    world = _unasked(pathway, preference_fresh_days=3)
    fine(world.move("enter_step1", preference="wants_less"))
    world.day(14)
    reassess(world, preference=None)
    stops(world.move("step_up"), Level.SS, "DEC-01")
    fine(world.record("reassessment", **no_better(preference="wants_more")))
    fine(world.move("step_up"))
    down: dict[str, Json] = {"to": "self_care", "reason": "patient_preference", "stops": "-", "stays": "-"}
    world.day(20)
    stops(world.move("step_down", **down), Level.SS, "DEC-01")
    fine(world.move("step_down", **down, preference="wants_less"))
    better_now = at(pathway, "maintenance", settings={"preference_fresh_days": 3}).day(20)
    screened(better_now)
    again: dict[str, Json] = {"to": "self_care", "basis": "patient_report", "why": "it helped"}
    stops(better_now.move("relapse", **again), Level.SS, "DEC-01")
    fine(better_now.record("maintenance_review", preference="wants_more"))
    fine(better_now.move("relapse", **again, preference="wants_more"))


def s57(pathway: Pathway) -> None:
    """Who may do what, how an episode ends, and what the person wants are asked, though the text is silent on them."""
    _roles(pathway)
    _exits(pathway)
    _wishes(pathway)
    for place in ("step_up", "respond"):
        assert "preference" in pathway.forms[place].fields, f"{place} does not ask what the person wants"
