"""What the text is silent on: red flags, contraindications, consent, doses, adverse events (S56), as behaviour."""

from collections.abc import Mapping
from dataclasses import replace

from engine.model import Actor, Flag, Json, Kind, Level, Role
from engine.pathway import Pathway
from tests.pathway import needle_safety
from tests.pathway.seed_checks_algorithm import WANTED, step_up
from tests.pathway.seed_checks_care import AGAINST_MANIPULATION
from tests.pathway.seed_checks_drugs import NSAID, RELAXANT
from tests.pathway.seeds import ACUTE, at, blocks, deviates, due, fine, hints, owed, shown, silent, stops
from tests.worlds import ANN, RAVI, World
from tests.worlds_pathway import better, hold, no_better, on, screen, screened, sign

HSX, HS2, SS = Level.HSX, Level.HS2, Level.SS
NOT_NSAID: tuple[tuple[str, Level, dict[str, Json]], ...] = (
    ("RX-10", HS2, {"hypersensitivity": True}),
    ("RX-11", HS2, {"heart_bypass": True}),
    ("RX-12", HS2, {"gi_bleed": True}),
    ("RX-13", SS, {"kidney_disease": True}),
    ("RX-14", SS, {"heart_failure": True}),
    ("RX-15", SS, {"cirrhosis": True}),
    ("RX-16", HS2, {"anticoagulant": True}),
    ("RX-17", SS, {"pregnancy": "yes", "pregnancy_weeks": 20}),
)
NOT_RELAXANT: tuple[tuple[str, Level, dict[str, Json]], ...] = (
    ("RX-20", SS, {"aged_65": True}),
    ("RX-21", HS2, {"maoi_14_days": True}),
    ("RX-21", HS2, {"heart_disease": True}),
    ("RX-21", HS2, {"hyperthyroidism": True}),
)
TELLING = (
    *(Role.COORDINATOR, Role.ASSESSOR, Role.PROCEDURALIST, Role.LEAD),
    *(Role.PATHWAY_OWNER, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR),
)
RESULT: Mapping[str, Json] = {"outcome": "no_serious_cause", "result_on": on(0), "document": "letter"}


def screened_before_each_step(pathway: Pathway) -> None:
    """A complete screen, not too old, stands before every step; reassessing asks for it again."""
    for lacking in ({"cord_signs": None}, {"age_at_onset": None}):
        world = at(pathway, "assessed")
        fine(world.record("red_flag_screen", **screen(world.compiled, **lacking)))
        stops(world.move("enter_step1", **WANTED), HSX, "RF-01")
    for present in (("cancer_history", "immunosuppression"), ("recent_infection", "age_at_onset")):
        world = at(pathway, "assessed")
        screened(world, **dict.fromkeys(present, "present"))
        stops(world.move("enter_step1", **WANTED), SS, "RF-07")
    unsure = at(pathway, "assessed")
    screened(unsure, saddle_anaesthesia="unknown")
    stops(unsure.move("enter_step1", **WANTED), SS, "RF-06")
    world = at(pathway, "self_care").day(14)
    deviates(world.record("reassessment", **no_better()), "RF-08")
    stops(step_up(world), HSX, "RF-04")
    screened(world)
    fine(step_up(world))
    helped = at(pathway, "self_care").day(14)
    fine(helped.record("reassessment", **better()))
    blocks(step_up(helped), "RF-05")
    old = at(pathway, "self_care", settings={"screen_fresh_days": 7}).day(14)
    fine(old.record("reassessment", **no_better()))
    blocks(step_up(old), "RF-01", "RF-04")


def what_raises(pathway: Pathway) -> None:
    """Each item raises, asks again, or weighs, by its urgency; emergencies within the hour, and until somebody acts."""
    for item, flag in pathway.red_flags.items():
        world = at(pathway, "self_care")
        screened(world, **{item: "present"})
        raised = world.episode.state == "further_evaluation"
        assert raised is (flag.on_present == "raise"), f"{item} is raised: {raised}"
    for urgency, hours in (("emergency", 1), ("urgent", 24), ("routine", None)):
        world = at(pathway, "self_care")
        told: dict[str, Json] = {"urgency": urgency, "told": "ravi", "told_on": on(0), "flags": ["age_at_onset"]}
        silent(world.move("raise_concern", ANN, **told, note="-"), "RF-15")
        work = due(world, f"flag_{urgency}")
        if hours:
            assert work.due_at, "it has no end"
            assert (work.due_at - world.now).total_seconds() == hours * 3600, f"{urgency} waits too long"
        fine(world.record("flag_action", action="seen_today", told_person=True))
        assert not owed(world, f"flag_{urgency}"), "somebody acted, and it is owed all the same"
    for role in TELLING:
        world = at(pathway, "self_care")
        hints(world.move("raise_concern", Actor(id="x", role=role)), "RF-15")
        assert world.episode.state == "further_evaluation", f"a {role} is not heard"
    assert shown(pathway, "thoracic_red_flags", world), "what flags are worth is not shown"


def _concern(pathway: Pathway, urgency: str, **settings: str) -> World:
    world = at(pathway, "self_care", settings=settings)
    fine(world.move("raise_concern", ANN, urgency=urgency))
    return world


def how_it_is_cleared(pathway: Pathway) -> None:
    """A concern is cleared with a documented result, urgent ones by two, and back to where the episode was."""
    routine = _concern(pathway, "routine")
    assert due(routine, "evaluation_result").owner_role == "assessor", "nobody looks into it"
    for key in RESULT:
        stops(routine.move("clear_concern", **{**RESULT, key: None}), HSX, "RF-13")
    stops(routine.move("clear_concern", to="professional", **RESULT), HSX, "RF-14")
    fine(routine.move("clear_concern", **RESULT))
    assert routine.episode.state == "self_care", "it does not go back to where it was"
    urgent = _concern(pathway, "urgent")
    stops(urgent.move("clear_concern", **RESULT), HS2, "TWO-19")
    sign(urgent, urgent.move("clear_concern", **RESULT))
    fine(_concern(pathway, "urgent", two_to_clear="emergency").move("clear_concern", **RESULT))
    emergency = _concern(pathway, "emergency", two_to_clear="emergency")
    stops(emergency.move("clear_concern", **RESULT), HS2, "TWO-19")
    stops(emergency.move("hold", ANN, reason="travel", until=on(7)), HSX, "RF-11")
    stops(emergency.move("decline", ANN, reason="cost", risk_told=True), HSX, "RF-12")
    fine(emergency.move("decline", RAVI, reason="cost", risk_told=True))


def flags_stand_in_the_way(pathway: Pathway) -> None:
    """No step while a flag is open, in this episode or another; none after a pause or a closure without a new screen."""
    other = at(pathway, "assessed")
    other.episode = replace(other.episode, person=replace(other.episode.person, emergencies=("c9:chest_pattern",)))
    stops(other.move("enter_step1", **WANTED), HSX, "RF-03")
    away = at(pathway, "self_care")
    hold(away, 40)
    away.day(30)
    stops(away.move("resume", ANN), HSX, "RF-09")
    screened(away)
    fine(away.move("resume", ANN))
    closed = at(pathway, "self_care").day(5)
    fine(closed.move("decline", ANN, reason="cost", risk_told=True))
    closed.day(12)
    stops(closed.move("reopen", reason="came_back"), HSX, "RF-10")
    screened(closed)
    fine(closed.move("reopen", reason="came_back"))
    world = at(pathway, "self_care")
    flag = Flag(id="c9:x", item="age_at_onset", urgency="routine", opened_at=world.now, record="c9")
    world.episode = replace(world.episode, flags=(flag,))
    hints(world.do(ANN, Kind.CONTACT, {"channel": "telephone", "result": "reached"}), "RF-20")


def consent_is_asked(pathway: Pathway) -> None:
    """Nobody is treated without consent to the current text; consent can be withdrawn, and then it is said."""
    world = at(pathway, "assessed")
    fine(world.record("consent", given=False))
    stops(world.move("enter_step1", **WANTED), HSX, "CON-01")
    fine(world.record("consent", given=True, text_version="0"))
    stops(world.move("enter_step1", **WANTED), HSX, "CON-02")
    fine(world.record("consent", given=True, text_version="1", taken_by="ravi"))
    fine(world.move("enter_step1", **WANTED))
    hints(world.record("consent", given=False), "CON-03")
    newer = at(pathway, "assessment", settings={"consent_text": "2"})
    fine(newer.record("consent", given=True, text_version="1"))
    blocks(newer.move("enter_step1", **WANTED), "CON-02")
    assert "RF-20" in pathway.tracks["P4"].invariants, "no track watches red flags"
    assert "CON-03" in pathway.tracks["P5"].invariants, "no track watches consent"


def drugs_and_hands_have_contraindications(pathway: Pathway) -> None:
    """What speaks against an NSAID, a muscle relaxant or manipulation is asked, and stops it."""
    world = at(pathway, "self_care", onset=ACUTE)
    for rule, level, answers in NOT_NSAID:
        stops(world.start("nsaid", **{**NSAID, **answers}), level, rule)
    late: dict[str, Json] = {**NSAID, "pregnancy": "yes", "pregnancy_weeks": 30}
    blocks(world.start("nsaid", **late), "RX-17", "RX-18")
    fine(world.start("nsaid", **{**late, "pregnancy_weeks": 19}))
    for rule, level, answers in NOT_RELAXANT:
        stops(world.start("muscle_relaxant", planned_stop=on(5), **{**RELAXANT, **answers}), level, rule)
    earlier = at(pathway, "self_care", settings={"nsaid_avoid_from_week": 10, "nsaid_never_from_week": 15})
    blocks(earlier.start("nsaid", **{**late, "pregnancy_weeks": 16}), "RX-17", "RX-18")
    clear: dict[str, Json] = dict.fromkeys(AGAINST_MANIPULATION, False)
    stops(at(pathway, "professional").start("manipulation", **{**clear, "aneurysm": True}), HS2, "MAN-01")


def s56(pathway: Pathway) -> None:
    """Safety is on by default, though the text is silent: red flags, consent, contraindications, doses, adverse events."""
    what_raises(pathway)
    flags_stand_in_the_way(pathway)
    how_it_is_cleared(pathway)
    consent_is_asked(pathway)
    drugs_and_hands_have_contraindications(pathway)
    needle_safety.what_happened_is_kept(pathway)
    needle_safety.steroids_have_their_own(pathway)
    needle_safety.allergies_are_asked(pathway)
    needle_safety.both_sides_are_two_decisions(pathway)
    screened_before_each_step(pathway)
    needle_safety.red_flags_come_first(pathway)
    needle_safety.sessions_are_spaced(pathway)
    needle_safety.plans_are_checked(pathway)
