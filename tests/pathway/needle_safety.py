"""What S56 means for injections: every answer that stops a plan, and what is kept of a session that went wrong."""

from dataclasses import replace

from engine.decision import Decision
from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seed_checks_drugs import SITE, steroid
from tests.pathway.seed_checks_needles import DRY, done, done_site, planned, ready, site
from tests.pathway.seeds import Settings, at, deviates, due, fine, hints, said, stops, value
from tests.worlds import PIA, RAVI, World
from tests.worlds_pathway import NO_ALLERGIES, better, on, point, points_of, reassess, screen, screened, session

HSX, HS2, SS = Level.HSX, Level.HS2, Level.SS

# Rule, level, and the answers of a plan that it stops; the session is on day 28.
STOPPED: tuple[tuple[str, Level, dict[str, Json]], ...] = (
    ("INJ-01-W", HSX, {"weight_on": on(-63)}),
    ("INJ-01", HSX, {"weight_kg": 20, "concentration": "9.1"}),
    ("INJ-01-80", SS, {"weight_kg": 20, "concentration": "7.3"}),
    ("INJ-01-GRP", HSX, {"dose_group": "child"}),
    ("INJ-01-GRP", HSX, {"dose_group": None}),
    ("INJ-01-GRP", HSX, {"dose_group": "frail_or_liver_disease"}),
    ("INJ-04", HSX, {"infection": True}),
    ("INJ-04", HSX, {"infection": None}),
    ("INJ-05", HS2, {"bleeding_disorder": True}),
    ("INJ-05", HS2, {"aspirin": True, "aspirin_last_on": on(25)}),
    ("INJ-05", SS, {"anticoagulant": None}),
    ("INJ-06", HS2, {"acute_trauma": True}),
    ("INJ-06", HS2, {"malignancy_suspected": True}),
    ("INJ-06", HS2, {"widespread_or_latent": True}),
    ("INJ-06", SS, {"acute_trauma": None}),
    ("INJ-07", SS, {"pneumothorax_precaution": False}),
    ("INJ-07", SS, {"thin_build": None}),
    ("INJ-07", SS, {"return_advice": None}),
    ("INJ-09", SS, {"last_plan_on": on(-338)}),
    ("INJ-13", HS2, {"pregnancy": "yes"}),
    ("INJ-13", SS, {"pregnancy": None}),
    ("INJ-15", HSX, {"consent_given": False}),
    ("INJ-15", HSX, {"consent_risks": None}),
    ("INJ-15", HSX, {"consent_withdrawable": None}),
    ("INJ-15", HSX, {"consent_on": None}),
    ("INJ-15", HSX, {"consent_version": "0"}),
    ("INJ-16", HSX, {"performer": None}),
    ("INJ-16", HSX, {"privilege_until": on(27)}),
)

# The nearest answers that do not stop one.
FINE: tuple[dict[str, Json], ...] = (
    {"weight_on": on(-62)},
    {"weight_kg": 20, "concentration": "7.2"},
    {"aspirin": True, "aspirin_last_on": on(24)},
    {"last_plan_on": on(-337)},
    {"pregnancy": "no"},
    {"privilege_until": on(28)},
)

# Under a site's own settings: rule, level, answers, settings.
CHOSEN: tuple[tuple[str, Level, dict[str, Json], dict[str, Settings]], ...] = (
    ("INJ-01-W", HSX, {"weight_on": on(20)}, {"weight_fresh_days": 7}),
    ("INJ-01", HSX, {"weight_kg": 20, "concentration": 1}, {"lidocaine_mg_per_kg": "0.4"}),
    ("INJ-01-80", SS, {"weight_kg": 20, "concentration": 5}, {"dose_warn_percent": 50}),
    ("INJ-01-GRP", HSX, {"dose_group": "child"}, {"reduced_dose_percent": 50}),
    ("INJ-05", HSX, {"anticoagulant": True}, {"anticoagulant_level": "HSx"}),
    ("INJ-05", HS2, {"aspirin": True, "aspirin_last_on": on(20)}, {"aspirin_days": 10}),
    ("INJ-09", SS, {"last_plan_on": on(-20)}, {"last_plan_days": 30}),
    ("INJ-15", HSX, {}, {"procedure_consent_text": "2"}),
)


def plans_are_checked(pathway: Pathway) -> None:
    """Dose, infection, bleeding, chest wall, pregnancy, consent and privilege: each can stop a plan, at its level."""
    world = ready(pathway)
    for rule, level, answers in STOPPED:
        stops(planned(world, **answers), level, rule)
    for rule, level, answers, settings in CHOSEN:
        stops(planned(ready(pathway, **settings), **answers), level, rule)
    for answers in FINE:
        fine(planned(ready(pathway), **answers))
    frail = ready(pathway, reduced_dose_percent=50)
    fine(planned(frail, dose_group="frail_or_liver_disease"))
    stops(planned(frail, dose_group="frail_or_liver_disease", weight_kg=20, concentration=5), HSX, "INJ-01-GRP")
    hints(_passed(world, anticoagulant=True), "INJ-05-LD")
    fine(planned(world, epinephrine=True, weight_kg=20, concentration="11"))
    elsewhere = ready(pathway, chest_wall_muscles=("intercostals",))
    fine(planned(elsewhere, pneumothorax_precaution=None, return_advice=None))


def _passed(world: World, **answers: Json) -> Decision:
    """Give a plan that a second person let pass."""
    asked = planned(world, **answers)
    return world.do(RAVI, Kind.SIGN_OFF, {"answer": "yes"}, of=asked.command.id)


def allergies_are_asked(pathway: Pathway) -> None:
    """Allergies are asked once and count for what is chosen: drug, steroid, antiseptic, latex; unasked is not none."""
    unasked = ready(pathway)
    fine(unasked.record("allergies", **{**NO_ALLERGIES, "latex": None}))
    stops(planned(unasked, latex_free=False), HSX, "INJ-03")
    chosen: tuple[tuple[str, dict[str, Json]], ...] = (
        ("amide_anaesthetic", {}),
        ("iodine", {"antiseptic": "iodine"}),
        ("chlorhexidine", {}),
        ("alcohol", {"antiseptic": "alcohol"}),
        ("latex", {"latex_free": False}),
    )
    for allergy, answers in chosen:
        world = ready(pathway)
        fine(world.record("allergies", **{**NO_ALLERGIES, allergy: True}))
        stops(planned(world, **answers), HSX, "INJ-03")
        fine(planned(world, **{**DRY, "sites": site(world, volume_ml=None), "antiseptic": "other"}))
    world = ready(pathway)
    fine(world.record("allergies", **{**NO_ALLERGIES, "steroid": True}))
    assert "INJ-03" in steroid(world).failed, "an allergy to the steroid does not count"


def both_sides_are_two_decisions(pathway: Pathway) -> None:
    """Needles over both sides of the chest in one session need a second person."""
    world = ready(pathway)
    fine(world.record("trigger_point", **point(side="right")))
    stops(world.plan("injection_session", **session(world)), HS2, "INJ-07-BI")
    left, right = points_of(world)
    fine(world.plan("injection_session", **session(world, left)))
    fine(world.plan("injection_session", **session(world, right)))


FELT: dict[str, Settings] = {"palpation_fresh_days": 60}


def red_flags_come_first(pathway: Pathway) -> None:
    """A plan needs a complete screen of the day without open flags; the record asks for it again."""
    stale = at(pathway, "injection", settings=FELT).day(29)
    stops(planned(stale), HSX, "RF-02")
    fine(planned(at(pathway, "injection", settings={**FELT, "screen_session_days": 1}).day(29)))
    partial = at(pathway, "injection")
    fine(partial.record("red_flag_screen", **screen(partial.compiled, age_at_onset=None)))
    stops(planned(partial), HSX, "RF-02")
    unsure = ready(pathway)
    screened(unsure, chest_pattern="unknown")
    stops(planned(unsure), SS, "RF-06")
    weighed = ready(pathway)
    screened(weighed, cancer_history="present", age_at_onset="present")
    stops(planned(weighed), SS, "RF-07")
    screened(weighed, cancer_history="present")
    fine(planned(weighed))
    stops(planned(_other_emergency(ready(pathway))), HSX, "RF-03")


def _other_emergency(world: World) -> World:
    """An emergency is open in another episode of the same person."""
    person = replace(world.episode.person, emergencies=("c9:chest_pattern",))
    world.episode = replace(world.episode, person=person)
    return world


def what_happened_is_kept(pathway: Pathway) -> None:
    """A session that went against a rule is kept, reviewed, and asks for an adverse event where one may follow."""
    late = ready(pathway, observe_min=10)
    fine(planned(late))
    deviates(done(late.day(29)), "RF-02-R")
    unplanned = ready(pathway, observe_min=10)
    deviates(done(unplanned), "INJ-19")
    unseen = ready(pathway, observe_min=10)
    fine(planned(unseen))
    deviates(done(unseen, observed_min=9), "INJ-08")
    much = ready(pathway, observe_min=10)
    fine(planned(much, weight_kg=20))
    deviates(done(much, sites=done_site(much, volume_ml=19)), "INJ-01-R")
    assert value(much, "given_today_mg") == 95, "19 mL of 0.5 percent are 95 mg"
    told = ready(pathway, observe_min=10)
    fine(planned(told))
    hints(done(told, adverse_events=["vasovagal"]), "INJ-20")
    hints(told.decisions[-1][1], "INJ-10")
    fine(told.record("adverse_event", what="vasovagal", serious=False, began_on=on(28), outcome="resolved"))
    assert due(told, "adverse_event_review").owner_role == "lead", "nobody reviews it"
    contact = due(told, "injection_contact")
    hours = [(at_ - told.now).total_seconds() / 3600 for at_ in (contact.opens_at, contact.due_at or told.now)]
    assert hours == [24, 72], f"the safety contact is due after {hours} hours"
    told.day(29)
    asked: dict[str, Json] = {"chest": True, "infection": False, "bleeding": False, "neurological": False}
    hints(told.record("safety_contact", reached=True, **asked), "INJ-21")


def sessions_are_spaced(pathway: Pathway) -> None:
    """A session is repeated only after time, a reassessment and some help; a clinic and a payer may bound the number."""
    soon = _repeat(pathway, 41)
    stops(planned(soon, sites=site(soon, point=points_of(soon)[-1])), HS2, "INJ-17")
    helped = _repeat(pathway, 42)
    fine(planned(helped, sites=site(helped, point=points_of(helped)[-1])))
    sooner = _repeat(pathway, 35, repeat_after_days=7)
    fine(planned(sooner, sites=site(sooner, point=points_of(sooner)[-1])))
    strict = _repeat(pathway, 42, nprs=4, repeat_response="substantial")
    stops(planned(strict, sites=site(strict, point=points_of(strict)[-1])), HS2, "INJ-17")
    capped = _repeat(pathway, 42, sessions_per_year=1)
    stops(planned(capped, sites=site(capped, point=points_of(capped)[-1])), HS2, "INJ-18")


def _repeat(pathway: Pathway, day: int, nprs: int = 3, **settings: Settings) -> World:
    """Give a world some days after a session that helped, reassessed, its point felt again."""
    world = at(pathway, "injected", settings=settings).day(day)
    reassess(world, **better(nprs=nprs))
    fine(world.record("trigger_point", **point()))
    return world


def steroids_have_their_own(pathway: Pathway) -> None:
    """A steroid has its interval, its yearly number, its pregnancy and sugar questions, and a syringe of its own."""
    world = _steroid_ready(pathway, SITE)
    fine(steroid(world))
    stops(steroid(_steroid_ready(pathway, {})), SS, "INJ-12")
    stops(steroid(world, pregnancy="yes"), HS2, "INJ-13-ST")
    stops(steroid(world, steroid_mixed=True), SS, "INJ-14")
    stops(steroid(world, steroid_mixed=None), SS, "INJ-14")
    stops(steroid(world, diabetes=True), SS, "INJ-11")
    fine(world.record("glucose_plan", session_on=on(42), hba1c="6.5", advice_given=True))
    fine(steroid(world, diabetes=True))
    assert due(world, "glucose_check").owner_role == "coordinator", "nobody asks for the blood sugar"
    fine(world.record("injection_record", PIA, **_given(world)))
    again = said(steroid(world), "INJ-12")
    assert again.level is HS2, "a second steroid on the same day needs nobody"


def _steroid_ready(pathway: Pathway, settings: dict[str, Settings]) -> World:
    world = at(pathway, "injected", settings={**settings, "observe_min": 10}).day(42)
    reassess(world)
    fine(world.record("trigger_point", **point()))
    return world


def _given(world: World) -> dict[str, Json]:
    sites = done_site(world, point=points_of(world)[-1])
    given: dict[str, Json] = {"steroid": "methylprednisolone_acetate", "steroid_mg": 10, "sites": sites}
    return {"technique": "injection", "skin_prep": True, "sterile_technique": True, "observed_min": 20, **given}
