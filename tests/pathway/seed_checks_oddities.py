"""What is odd in the text, and how this pathway reads it: O1 to O15, as behaviour."""

from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.needle_safety import sessions_are_spaced
from tests.pathway.seed_checks_algorithm import TO_NEEDLES, WANTED, in_professional_care, step_up
from tests.pathway.seed_checks_care import AGAINST_MANIPULATION
from tests.pathway.seed_checks_drugs import NSAID, after_a_session, steroid, suspected_in
from tests.pathway.seed_checks_needles import DRY, planned, ready, site
from tests.pathway.seeds import (
    ACUTE,
    CHRONIC,
    Settings,
    at,
    blocks,
    deviates,
    due,
    fine,
    hints,
    owed,
    rules_of,
    shown,
    silent,
    stops,
    window,
)
from tests.worlds import ANN, LENA, RAVI, World
from tests.worlds_pathway import NO_ALLERGIES, hold, no_better, on, point, reassess, screened, self_care

HSX, HS2, SS = Level.HSX, Level.HS2, Level.SS
PITFALLS: dict[str, tuple[str, str]] = {
    "S45": ("RE-02", "pain_only_reassessments"),
    "S46": ("SM-02", "self_management_gaps"),
    "S47": ("PA-02", "passive_without_active"),
    "S48": ("TPI-02-R", "injections_without_point"),
    "S49": ("TX-01", "traction_orders"),
}


def o1(pathway: Pathway) -> None:
    """Manipulation has a heading and no text: it can be offered, says so, and nothing waits for it."""
    clear: dict[str, Json] = dict.fromkeys(AGAINST_MANIPULATION, False)
    world = at(pathway, "professional")
    fine(world.start("manipulation", **clear))
    assert pathway.treatments["manipulation"].content == "none_in_seed", "it pretends to have content"
    assert shown(pathway, "manipulation_no_content", world), "that it has none is not shown"
    without = at(pathway, "professional").day(28)
    reassess(without)
    hints(step_up(without, to="injection"), "MAN-03")
    assert without.episode.state == "injection", "the next step waits for manipulation"


def o2(pathway: Pathway) -> None:
    """The nine citations are our inference: each says how sure, and nothing rests on the two that were not found."""
    nine = {name: source for name, source in pathway.sources.items() if source.inferred}
    assert sorted(source.seed_ref or 0 for source in nine.values()) == list(range(1, 10)), "they are not the nine"
    unsure = {name for name, source in nine.items() if source.confidence in ("unclear", "unknown")}
    assert unsure == {"seed_ref_7", "seed_ref_9"}, f"{unsure} are not known"
    assert not [rule.id for rule in pathway.rules if unsure & set(rule.sources)], "a rule rests on them"
    assert shown(pathway, "inferred_sources", at(pathway, "intake")), "that they are inferred is not shown"
    assert "source_status" in pathway.reports, "nobody sees what has lapsed"


def o3(pathway: Pathway) -> None:
    """The algorithm decides: needles come third, or earlier with a second person. An injection is a drug, dry needling not."""
    early = at(pathway, "self_care").day(14)
    reassess(early)
    stops(step_up(early, to="injection"), HSX, "PATH-01")
    values: dict[str, Json] = {"reason": "other", "evidence": "six months of physiotherapy", **WANTED}
    stops(at(pathway, "assessed").move("enter_step3_direct", **values), HS2, "TWO-06")
    fine(step_up(_persisting(pathway), **TO_NEEDLES))
    world = ready(pathway)
    fine(world.record("allergies", **{**NO_ALLERGIES, "amide_anaesthetic": True}))
    stops(planned(world), HSX, "INJ-03")
    dry: dict[str, Json] = {**DRY, "sites": site(world, volume_ml=None)}
    stops(planned(world, **{**dry, "sites": site(world)}), Level.FORM, "TPI-05")
    fine(planned(world, **dry))
    assert any("O3" in note for note in pathway.notes), "the contradiction is not noted"


def _persisting(pathway: Pathway) -> World:
    world = at(pathway, "professional").day(28)
    reassess(world)
    return world


def o4(pathway: Pathway) -> None:
    """Step 1 requires its three parts; self-massage and motor control exercises are recommended beside them."""
    world = at(pathway, "assessment")
    hints(world.start("self_management", **self_care(self_massage=None)), "SC-02")
    given = at(pathway, "assessed")
    fine(given.start("self_management", **self_care(self_massage=None)))
    fine(given.move("enter_step1", **WANTED))
    given.day(14)
    reassess(given)
    fine(step_up(given))
    lacking = at(pathway, "assessed")
    fine(lacking.start("self_management", **self_care(education=None)))
    fine(lacking.move("enter_step1", **WANTED))
    lacking.day(14)
    reassess(lacking)
    stops(step_up(lacking), HS2, "SC-01")


def o5(pathway: Pathway) -> None:
    """The dose without a drug is bound to the drug whose label holds it; any other needs a range of its own."""
    world = after_a_session(pathway)
    stops(steroid(world, steroid="betamethasone", steroid_mg=6), HSX, "TPI-21")
    stops(steroid(world, steroid_mg=31), HS2, "TPI-21-MG")
    fine(steroid(world, steroid_mg=30))
    label = pathway.sources["mpa_label"]
    assert (label.seed_ref, label.directness) == (8, "indirect"), "another use's range counts as this one's"


def o6(pathway: Pathway) -> None:
    """The volume is read as per trigger point, said to be our reading, and can be read otherwise by a site."""
    world = ready(pathway)
    for _ in range(2):
        fine(world.record("trigger_point", **point()))
    fine(planned(world))
    stops(planned(world, sites=site(world, volume_ml=3)), SS, "TPI-07")
    assert "per trigger point" in rules_of(pathway)["TPI-07"].message, "how it is read is not said"
    for name in ("volume_min_ml", "volume_max_ml"):
        assert pathway.parameters[name].assumption, f"{name} looks like the text's own"
    fine(planned(ready(pathway, volume_max_ml=3), sites=site(world, volume_ml=3)))


def o7(pathway: Pathway) -> None:
    """Not shown to work is not forbidden: traction is a second person's or a reason's matter, and the wording is explained."""
    world = at(pathway, "professional")
    decision = world.start("traction_continuous", why="-")
    stops(decision, HS2, "TX-01")
    fine(world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=decision.command.id))
    stops(world.start("traction_intermittent", why="-"), SS, "TX-02")
    assert shown(pathway, "traction_wording", world), "the wording is not explained"


def o8(pathway: Pathway) -> None:
    """Inflammatory back pain names a disease: its suspicion is evaluated, and suggests no NSAID."""
    suspected = at(pathway, "assessed")
    fine(suspected.record("assessment", **suspected_in(suspected)))
    stops(suspected.move("enter_step1", **WANTED), HS2, "ASMT-04")
    stops(suspected.start("nsaid", **NSAID), HSX, "PATH-01")
    world = at(pathway, "self_care")
    fine(world.record("assessment", suspected_inflammatory=True))
    stops(world.start("nsaid", **NSAID), SS, "RX-02")
    screened(world, inflammatory_pattern="present")
    assert world.episode.state == "further_evaluation", "the pattern is not looked into"
    hints(at(pathway, "self_care", onset=CHRONIC).start("nsaid", **NSAID), "C9")
    for card in ("inflammatory_wording", "nsaid_timing"):
        assert shown(pathway, card, world), f"{card} is not shown"


def o9(pathway: Pathway) -> None:
    """Evidence from the low back says so, and the share of rules that rest on it alone can be counted."""
    low_back = [name for name, one in pathway.sources.items() if "low back" in one.population.lower()]
    direct = [name for name in low_back if pathway.sources[name].directness != "indirect"]
    assert len(low_back) > 10, "hardly any evidence is from the low back"
    assert direct == [], f"{direct} are taken for this pain"
    assert {"chou_2007", "acp_2017", "takamoto_2015", "kocak_2019"} <= set(low_back), (
        "the text's own are not among them"
    )
    assert "indirect_rules" in pathway.reports, "nobody counts them"
    world = at(pathway, "professional")
    for card in ("indirect_evidence", "exercise_evidence"):
        assert shown(pathway, card, world), f"{card} is not shown"


def o10(pathway: Pathway) -> None:
    """The claim about massage and the trial of compression are two cards, each with its own length of pain."""
    acute, subacute = at(pathway, "professional", onset=ACUTE), at(pathway, "professional")
    assert not shown(pathway, "massage_subacute_chronic", acute), "the claim is shown for acute pain"
    assert shown(pathway, "massage_subacute_chronic", subacute), "the claim is not shown"
    assert shown(pathway, "massage_acute", acute), "acute cases are not told"
    assert shown(pathway, "compression_trial", subacute), "the trial is not shown"
    assert "acute" in pathway.sources["takamoto_2015"].population, "the trial does not say whom it was about"
    hints(acute.start("massage", technique="other"), "MAS-02")


def o11(pathway: Pathway) -> None:
    """The trial whose abstract contradicts itself is shown as disputed, with the larger one, and moves nothing."""
    assert pathway.sources["kocak_2019"].status == "disputed", "it is not shown as disputed"
    assert shown(pathway, "injection_against_nsaid", at(pathway, "injection")), "the card is not shown"
    cited = pathway.cards["injection_against_nsaid"].sources
    assert set(cited) == {"kocak_2019", "farrow_trial"}, "one side is missing"
    assert not any("kocak_2019" in rule.sources for rule in pathway.rules), "a rule rests on it"


def o12(pathway: Pathway) -> None:
    """The window is named for the first therapy only: later steps reuse it, marked so, and needles get an earlier look."""
    opened = {
        place: due(at(pathway, place), "reassessment") for place in ("self_care", "professional", "multidisciplinary")
    }
    days = {place: window(item) for place, item in opened.items()}
    assert days == {"self_care": (14, 28), "professional": (28, 42), "multidisciplinary": (56, 70)}, f"{days}"
    assert pathway.due["reassessment"].extrapolated, "that it is carried over is not said"
    contact = due(at(pathway, "injected"), "injection_contact")
    assert contact.due_at, "the safety contact has no end"
    assert (contact.due_at - contact.anchor).days == 3, "nobody asks in the days after the needle"


def o13(pathway: Pathway) -> None:
    """What the text says to consider is recorded as considered, and is never done or required by itself."""
    wanted = {"MAN-03": "should", "TPI-20": "may", "PATH-13": "may", "MDR-02": "may", "PATH-12": "should"}
    modality = {key: rule.modality for key, rule in rules_of(pathway).items() if key in wanted}
    assert modality == wanted, f"{modality}"
    asked = _persisting(pathway)
    silent(step_up(asked, **TO_NEEDLES), "MAN-03")
    assert not [one for one in asked.episode.treatments if one.kind == "manipulation"], "it was begun by itself"
    world = at(pathway, "self_care").day(14)
    reassess(world)
    ends: dict[str, Json] = {"sub_reason": "no_further_benefit", "safety_net": True, "summary": True}
    stops(world.move("discharge", **ends), HSX, "PATH-12")
    fine(world.move("discharge", **ends, evaluation="not_needed", evaluation_why="known cause"))


def o14(pathway: Pathway) -> None:
    """Each pitfall is watched: a rule that bites, something that is owed or seen, and a report that counts."""
    for seed, (rule, report) in PITFALLS.items():
        assert rule in rules_of(pathway), f"nothing watches {seed}"
        assert report in pathway.reports, f"nobody counts {seed}"
    early = at(pathway, "self_care").day(14)
    screened(early)
    deviates(early.record("reassessment", **no_better(psfs=None)), "RE-02")
    gap = at(pathway, "self_care")
    paused: dict[str, Json] = {"form": "self_management", "status": "stopped", "reason": "other", "paused_until": on(1)}
    fine(gap.do(RAVI, Kind.STOP, paused))
    hints(gap.day(2).do(ANN, Kind.CONTACT, {"channel": "letter", "result": "other"}), "SM-02")
    assert owed(gap, "self_management_gap"), "nobody is asked to close the gap"
    alone = in_professional_care(pathway)
    fine(alone.do(RAVI, Kind.STOP, {"form": "motor_control_exercise", "status": "stopped", "reason": "other"}))
    start: dict[str, Json] = {"form": "massage", "technique": "other"}
    hints(alone.do(RAVI, Kind.START, start, override={"PA-01": "clinical_judgement"}), "PA-02")
    assert owed(alone, "active_beside_passive"), "nobody is asked to add exercise"


LIMITS: dict[str, Settings] = {"payer_profile": "us_lcd"}


def _caps(pathway: Pathway) -> None:
    """A payer's rules apply once a site chooses them: number, gap, relief, exercise, no dry needling."""
    world = at(pathway, "injected", settings={**LIMITS, "palpation_fresh_days": 60}).day(42)
    reassess(world, nprs=6)
    blocks(planned(world), "C7-GAP", "C7-REL")
    few = at(pathway, "injected", settings={**LIMITS, "payer_sessions_per_year": 1, "payer_gap_days": 7}).day(42)
    reassess(few, nprs=3, function_word="improved", pgic="much_improved")
    fine(few.record("trigger_point", **point()))
    stops(planned(few, sites=site(few, point=few.episode.records[-1].id)), SS, "C7")
    dry = ready(pathway, **LIMITS)
    stops(planned(dry, **DRY, sites=site(dry, volume_ml=None)), SS, "C7-DRY")
    fine(planned(dry))
    for kind in ("exercise_programme", "motor_control_exercise"):
        fine(dry.do(RAVI, Kind.STOP, {"form": kind, "status": "contraindicated", "reason": "other"}))
    stops(planned(dry), SS, "C7-ACT")


def o15(pathway: Pathway) -> None:
    """The text never says stop: timers, caps and ways out are ours, with numbers that a site sets."""
    world = at(pathway, "self_care")
    assert window(due(world, "stagnation")) == (56, 84), "a step may go on for ever"
    assert window(due(world, "first_contact")) == (0, 28), "nobody asks how it goes"
    hold(world, 14)
    assert window(due(world, "hold_end"))[1] == 14, "a hold may last for ever"
    stops(at(pathway, "self_care").move("hold", ANN, reason="travel", until=on(91)), HS2, "HOLD-03")
    lost = at(pathway, "self_care").day(56)
    for channel in ("telephone", "sms", "email"):
        fine(lost.do(ANN, Kind.CONTACT, {"channel": channel, "result": "no_answer"}))
    lost.day(57)
    stops(at(pathway, "self_care").day(57).move("lost", ANN), HSX, "LOST-01")
    fine(lost.move("lost", ANN))
    late = at(pathway, "closed_declined").day(91)
    screened(late)
    stops(late.move("reopen", reason="came_back"), HSX, "REO-01")
    for place in ("closed_resolved", "closed_deceased", "closed_lost_to_follow_up", "voided"):
        assert at(pathway, place).episode.state == place, f"nobody gets to {place}"
    _caps(pathway)
    sessions_are_spaced(pathway)
