"""Trigger point injections: what S21 to S32 ask for, as behaviour."""

from fractions import Fraction

from engine.decision import Decision
from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seeds import Settings, at, blocks, deviates, due, fine, hints, rules_of, said, shown, stops, value
from tests.worlds import PIA, RAVI, World
from tests.worlds_pathway import point, points_of, screened, session, session_record

DRY: dict[str, Json] = {"technique": "dry_needling", "agent": None, "concentration": None, "concentration_unit": None}


def ready(pathway: Pathway, **settings: Settings) -> World:
    """Give a world in the step of injections, screened today."""
    world = at(pathway, "injection", settings=settings)
    screened(world)
    return world


def planned(world: World, **changes: Json) -> Decision:
    """Plan a session at the one trigger point, changed as said."""
    return world.plan("injection_session", **session(world, **changes))


def site(world: World, **changes: Json) -> list[Json]:
    """Give the list of one site at the one trigger point."""
    return [{"point": points_of(world)[0], "volume_ml": 1, "gauge": 27, **changes}]


def done(world: World, **changes: Json) -> Decision:
    """Record the session that was planned, changed as said."""
    return world.record("injection_record", PIA, **session_record(world, **changes))


def done_site(world: World, **changes: Json) -> list[Json]:
    """Give the list of one site as it was treated."""
    sites = session_record(world)["sites"]
    assert isinstance(sites, list), "a session without sites"
    assert isinstance(sites[0], dict), "a site without answers"
    return [{**sites[0], **changes}]


def s21(pathway: Pathway) -> None:
    """That injections work promptly is shown together with what speaks against it, and moves nothing."""
    world = at(pathway, "injection")
    assert shown(pathway, "injection_efficacy", world), "the card is not shown"
    cited = pathway.cards["injection_efficacy"].sources
    assert {"alvarez_2002", "aafp_2023", "pain_medicine_review"} <= set(cited), "only one side is shown"
    assert pathway.sources["alvarez_2002"].superseded_by == "aafp_2023", "the old review does not name the new one"
    assert not any("S21" in rule.seed for rule in pathway.rules), "a rule rests on it"


def s22(pathway: Pathway) -> None:
    """A session names a local anaesthetic that the site uses and has a maximum dose for; lidocaine to begin with."""
    fine(planned(ready(pathway)))
    blocks(planned(ready(pathway), agent="ropivacaine"), "TPI-10")
    stops(planned(ready(pathway, agents_allowed=("ropivacaine",)), agent="ropivacaine"), Level.HSX, "TPI-11")
    chosen: dict[str, Settings] = {"ropivacaine_mg_per_kg": 3, "ropivacaine_max_mg": 200}
    world = ready(pathway, agents_allowed=("lidocaine", "ropivacaine"), **chosen)
    fine(planned(world, agent="ropivacaine"))
    assert pathway.sources["lidocaine_label"].kind == "label", "the maximum of lidocaine has no label behind it"


def s23(pathway: Pathway) -> None:
    """A trial against an NSAID into the vein is appraised and shown; nothing is suggested because of it."""
    world = at(pathway, "injection")
    assert shown(pathway, "injection_against_nsaid", world), "the card is not shown"
    for name in ("kocak_2019", "farrow_trial"):
        assert pathway.sources[name].directness == "indirect", f"{name} is taken for this pain"
        assert name in pathway.cards["injection_against_nsaid"].sources, f"{name} is not shown"
    assert not any({"kocak_2019", "farrow_trial"} & set(rule.sources) for rule in pathway.rules), "a rule rests on it"


def s24(pathway: Pathway) -> None:
    """A session is an injection with its drug, or dry needling without one; on the plan and on the record."""
    world = ready(pathway, observe_min=10)
    dry: dict[str, Json] = {**DRY, "sites": site(world, volume_ml=None)}
    fine(planned(world, **dry))
    stops(planned(world, **{**dry, "sites": site(world)}), Level.FORM, "TPI-05")
    stops(planned(world, **{**dry, "agent": "lidocaine"}), Level.FORM, "TPI-05")
    blocks(planned(world, agent=None, concentration=None, concentration_unit=None), "TPI-01")
    blocks(planned(world, sites=site(world, volume_ml=None)), "TPI-01")
    stops(done(world, **DRY), Level.FORM, "TPI-05-R")
    fine(done(world, **DRY, sites=done_site(world, volume_ml=None)))


def s25(pathway: Pathway) -> None:
    """Every site has a valid trigger point, felt lately and again on the day; a clinic may ask a second person instead."""
    world = ready(pathway)
    blocks(planned(world, sites=site(world, point=None)), "TPI-02")
    stops(planned(world, sites=[]), Level.HSX, "TPI-02")
    fine(world.record("trigger_point", **point(spot_in_band=None)))
    stops(planned(world, sites=site(world, point=points_of(world)[-1])), Level.HSX, "TPI-02")
    lower = ready(pathway, point_level="HS2")
    fine(lower.record("trigger_point", **point(spot_in_band=False)))
    stops(planned(lower, sites=site(lower, point=points_of(lower)[-1])), Level.HS2, "TPI-02")
    strict = ready(pathway, palpation_fresh_days=7)
    stops(planned(strict, sites=site(strict, point=points_of(strict)[0])), Level.HSX, "TPI-02")
    fine(world.record("trigger_point", **point(referred_pain="no")))
    stops(planned(world, sites=site(world, point=points_of(world)[-1])), Level.SS, "TP-03")
    fine(planned(world, sites=site(world)))
    deviates(done(world, observed_min=None, sites=done_site(world, palpated_on="2026-03-02")), "TPI-02-R", "INJ-08")
    unnamed = at(pathway, "assessed")
    fine(unnamed.record("trigger_point", **point(spot_in_band=None)))
    fine(unnamed.do(RAVI, *_corrected(unnamed)))
    blocks(unnamed.move("enter_step3_direct", preference="agrees_with_plan", reason="other", evidence="-"), "TP-02")


def _corrected(world: World) -> tuple[Kind, dict[str, Json]]:
    return Kind.CORRECT, {"record": points_of(world)[0], "spot_in_band": False}


def s26(pathway: Pathway) -> None:
    """Antiseptic skin preparation and sterile technique are confirmed; what was not is kept and reviewed."""
    for missing in ("skin_prep", "sterile_technique"):
        for answer in (False, None):
            world = ready(pathway, observe_min=10)
            fine(planned(world))
            deviates(done(world, **{missing: answer}), "TPI-03")
            assert "TPI-03" in due(world, "deviation_review").title, "nobody is asked to review it"
    world = ready(pathway, observe_min=10)
    fine(planned(world))
    deviates(done(world))


def s27(pathway: Pathway) -> None:
    """The needle is 25 to 28 G; another one needs a reason, and a site may choose its own range."""
    world = ready(pathway)
    for gauge in (24, 29, None):
        stops(planned(world, sites=site(world, gauge=gauge)), Level.SS, "TPI-04")
    for gauge in (25, 28):
        fine(planned(ready(pathway), sites=site(world, gauge=gauge)))
    wider = ready(pathway, gauge_min=22, gauge_max=30)
    for gauge in (22, 30):
        fine(planned(wider, sites=site(wider, gauge=gauge)))
    assert rules_of(pathway)["TPI-04"].conflict == "C5", "that sources disagree on it is not said"


def s28(pathway: Pathway) -> None:
    """The needle goes into the trigger point, which is confirmed at every site."""
    for answer in (False, None):
        world = ready(pathway, observe_min=10)
        fine(planned(world))
        deviates(done(world, sites=done_site(world, needle_in_point=answer)), "TPI-12")


def s29(pathway: Pathway) -> None:
    """Nothing is injected unless the last aspiration was clear; a needle that was moved may be clear afterwards."""
    for seen in ("blood_return", "not_done"):
        world = ready(pathway, observe_min=10)
        fine(planned(world))
        deviates(done(world, sites=done_site(world, aspiration=seen)), "TPI-06")
    assert rules_of(pathway)["TPI-06"].adverse_event, "an adverse event is not asked for"
    for clear in ({"blood_earlier": True}, {"aspiration": "blood_return", "volume_ml": 0}):
        world = ready(pathway, observe_min=10)
        fine(planned(world))
        deviates(done(world, sites=done_site(world, **clear)))


def s30(pathway: Pathway) -> None:
    """Small amounts: half to one millilitre at each point; more needs a reason, much more a second person."""
    world = ready(pathway)
    for volume in ("0.4", "1.1", 5):
        stops(planned(world, sites=site(world, volume_ml=volume)), Level.SS, "TPI-07")
    for volume in ("0.5", 1):
        fine(planned(ready(pathway), sites=site(world, volume_ml=volume)))
    blocks(planned(world, sites=site(world, volume_ml="5.1")), "TPI-07-CAP")
    wider = ready(pathway, volume_min_ml="0.2", volume_max_ml=6, volume_cap_ml=4)
    fine(planned(wider, sites=site(wider, volume_ml="0.2")))
    stops(planned(wider, sites=site(wider, volume_ml=5)), Level.HS2, "TPI-07-CAP")
    fine(done(wider, sites=done_site(wider, volume_ml=1)))


def s31(pathway: Pathway) -> None:
    """A concentration has its unit, is turned into milligrams over all sites, and is said back before it is given."""
    world = ready(pathway)
    for _ in range(5):
        fine(world.record("trigger_point", **point()))
    stops(planned(world, concentration_unit=None), Level.FORM, "DATA-05")
    blocks(planned(world, concentration=None, concentration_unit=None), "TPI-01")
    hints(planned(world), "INJ-02")
    assert value(world, "planned_mg") == 30, "six times 1 mL of 0.5 percent are 30 mg"
    assert "30 mg" in said(world.decisions[-1][1], "INJ-02").message, "the amount is not said back"
    fine(planned(world, concentration=5, concentration_unit="mg_per_ml"))
    assert value(world, "planned_mg") == 30, "0.5 percent are 5 mg per mL"
    fine(planned(world, sites=site(world, volume_ml="0.5")))
    assert value(world, "planned_mg") == Fraction(5, 2), "the volume is not counted"


def s32(pathway: Pathway) -> None:
    """Several points can be treated in one session, each once; a clinic may bound their number."""
    world = ready(pathway, max_sites_per_session=2)
    for _ in range(2):
        fine(world.record("trigger_point", **point()))
    first, second, third = points_of(world)
    fine(world.plan("injection_session", **session(world, first, second)))
    stops(world.plan("injection_session", **session(world, first, first)), Level.SS, "TPI-08")
    stops(world.plan("injection_session", **session(world, first, second, third)), Level.SS, "TPI-09")
    free = ready(pathway)
    for _ in range(2):
        fine(free.record("trigger_point", **point()))
    fine(free.plan("injection_session", **session(free)))
    fine(free.record("injection_record", PIA, **session_record(free)))
