"""Treatments that are always told: injection sessions at their borders, drugs, traction, manipulation."""

from engine.model import Json, Kind, Outcome, Override
from stepcare.demo_chart import DESK, Chart
from stepcare.demo_course import goes_on
from stepcare.demo_forms import (
    AGREES,
    NO_CONTRAINDICATION,
    NSAID_ASKED,
    Row,
    done_at,
    massage,
    session,
)
from stepcare.demo_people import OWEN
from stepcare.demo_response import NONE, SOME
from stepcare.demo_stage import Telling

Told = Telling[None]


def _to_injections(chart: Chart, **values: Json) -> Told:
    """Come to step 3 by steps 1 and 2, neither of which helps."""
    yield from chart.admitted(2, NONE)
    for step in ("professional", "injection"):
        yield from chart.later(15)
        yield from chart.reassess(**chart.no_better())
        yield from chart.step_up(step, NONE, **(values if step == "injection" else {}))


def long_standing_pain(chart: Chart) -> Told:
    """Guidelines disagree on injections here: refused, then passed with the conflict named, for this move and session."""
    yield from chart.admitted(2, NONE)
    yield from chart.later(15)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("professional", NONE)
    yield from chart.later(16)
    yield from chart.reassess(**chart.no_better())
    row: Row = {"transition": "step_up", "to": "injection", "technique": "injection", **AGREES}
    yield from chart.do(chart.person.team.assessor, Kind.MOVE, row)
    known = Override(rule="C1", reason="conflict_acknowledged")
    yield from chart.do(chart.person.team.assessor, Kind.MOVE, row, reasons=(known,))
    if chart.state == "injection":
        yield from chart.begin("injection", SOME)
        yield from chart.later(2)
        yield from chart.prepare()
        values = session(chart.person, chart.today, chart.points)
        yield from chart.do(chart.person.team.proceduralist, Kind.PLAN, values, reasons=(known,))
        yield from chart.inject()
        yield from goes_on(chart)


def blood_on_aspiration(chart: Chart) -> Told:
    """Written down as injected over blood: kept as a deviation, then corrected, as the needle had been moved."""
    yield from _to_injections(chart)
    yield from chart.later(1)
    yield from chart.prepare()
    yield from chart.plan()
    wrong = done_at(chart.today, chart.points[0], aspiration="blood_return")
    answer = yield from chart.inject(sites=[wrong], adverse_events=["bleeding"])
    who = chart.person.team.proceduralist
    happened: Row = {"form": "adverse_event", "what": "bleeding", "serious": False, "outcome": "resolved"}
    yield from chart.record(happened, who)
    right = done_at(chart.today, chart.points[0], blood_earlier=True)
    row: Row = {"record": answer.decision.command.id, "sites": [right]}
    yield from chart.do(who, Kind.CORRECT, row)
    yield from chart.call_after_session()
    yield from goes_on(chart)


def at_the_highest_dose(chart: Chart) -> Told:
    """A light person: 240 mg is refused, 220 mg passes with a reason."""
    yield from _to_injections(chart)
    yield from chart.later(1)
    yield from chart.prepare(4)
    for volume in (3, "2.75"):
        sites: list[Json] = [{"point": one, "volume_ml": volume, "gauge": 25} for one in chart.points]
        answer = yield from chart.plan(chart.points, concentration="2", weight_kg=50, sites=sites)
    if answer.decision.outcome is Outcome.ACCEPTED:
        done: list[Json] = [done_at(chart.today, one, volume_ml="2.75", gauge=25) for one in chart.points]
        yield from chart.inject(concentration="2", sites=done)
        yield from chart.call_after_session()
    yield from goes_on(chart)


def steroid(chart: Chart) -> Told:
    """A steroid after a session without one did not help: a second person, blood sugar before and after."""
    yield from _to_injections(chart)
    yield from chart.later(1)
    yield from chart.prepare()
    yield from chart.plan()
    yield from chart.inject()
    yield from chart.call_after_session()
    yield from chart.later(15)
    yield from chart.reassess(**chart.no_better())
    yield from chart.prepare()
    plan: Row = {"form": "glucose_plan", "session_on": chart.iso(), "hba1c": "6.9", "advice_given": True}
    yield from chart.record(plan)
    given: Row = {"steroid": "methylprednisolone_acetate", "steroid_mg": 20}
    yield from chart.plan(**given, area_size="small", steroid_mixed=False, diabetes=True)
    yield from chart.inject(**given)
    yield from chart.call_after_session()
    yield from chart.record({"form": "glucose_check", "result": "raised"}, chart.person.team.coordinator)
    yield from goes_on(chart)


def fourth_session(chart: Chart) -> Told:
    """Three sessions are what the payer covers in a year; the fourth, on the day its rules apply, takes reasons."""
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess(2)
    told: Row = {"reason": "done_elsewhere", "evidence": "Steps 1 and 2, at a clinic abroad.", "technique": "injection"}
    row: Row = {"transition": "enter_step3_direct", "c1_acknowledged": True, "c1_patient_told": True, **told, **AGREES}
    yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, row)
    chart.healing.begin("injection", chart.today, SOME)
    for number in range(4):
        yield from chart.clinic(1)
        if number == 3:
            yield from chart.site(OWEN, Kind.SET_PARAMETER, {"name": "payer_profile", "value": "us_lcd"})
        yield from chart.prepare()
        yield from chart.plan()
        yield from chart.inject()
        if number == 3:
            yield from chart.site(OWEN, Kind.SET_PARAMETER, {"name": "payer_profile", "value": "off"})
        yield from chart.call_after_session()
        yield from chart.later(15)
        yield from chart.reassess(nprs=max(chart.last_pain() - 1, 2), function_word="unchanged", pgic="no_change")
    yield from goes_on(chart)


def traction(chart: Chart) -> Told:
    """Continuous traction: a second person says no. Intermittent: a reason. Manipulation: all eight questions."""
    yield from chart.admitted(1, NONE)
    yield from chart.later(15)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("professional", NONE)
    who = chart.person.team.assessor
    pulls: Row = {"form": "traction_continuous", "why": "The person has had it before."}
    asked = yield from chart.insist(who, Kind.START, pulls)
    yield from chart.later(1, DESK)
    yield from chart.sign(asked, chart.person.team.lead, "no", "Not shown to work.")
    yield from chart.insist(who, Kind.START, {**pulls, "form": "traction_intermittent"})
    yield from chart.insist(who, Kind.START, {"form": "manipulation", **NO_CONTRAINDICATION})
    yield from goes_on(chart)


def drugs(chart: Chart) -> Told:
    """An NSAID asked for without its questions, then with them; a muscle relaxant with a last day."""
    yield from chart.admitted()
    yield from chart.later(3)
    who = chart.person.team.assessor
    yield from chart.do(who, Kind.START, {"form": "nsaid"})
    yield from chart.do(who, Kind.START, {"form": "nsaid", **NSAID_ASKED, "review_on": chart.iso(14)})
    asked = dict.fromkeys(("aged_65", "maoi_14_days", "heart_disease", "hyperthyroidism"), False)
    relaxant: Row = {"form": "muscle_relaxant", "drug": "cyclobenzaprine", **asked}
    yield from chart.do(who, Kind.START, relaxant)
    yield from chart.insist(who, Kind.START, {**relaxant, "planned_stop": chart.iso(14)})
    yield from chart.later(14)
    yield from chart.do(who, Kind.STOP, {"form": "muscle_relaxant", "status": "done", "reason": "completed"})
    yield from goes_on(chart)


def on_anticoagulants(chart: Chart) -> Told:
    """Takes an anticoagulant: a second person decides, who wants the last dose. A drug in a dry needle is no plan."""
    yield from _to_injections(chart)
    yield from chart.later(1)
    yield from chart.prepare()
    values = session(
        chart.person, chart.today, chart.points, anticoagulant=True, anticoagulant_last_on=chart.iso(-1), agent=None
    )
    who = chart.person.team.proceduralist
    yield from chart.do(who, Kind.PLAN, {**values, "technique": "dry_needling"})
    sites: list[Json] = [{"point": chart.points[0], "gauge": 28}]
    dry: Row = {
        **values,
        "technique": "dry_needling",
        "concentration": None,
        "concentration_unit": None,
        "sites": sites,
    }
    asked = yield from chart.insist(who, Kind.PLAN, dry)
    if asked.decision.outcome is Outcome.NEEDS_SIGN_OFF:
        yield from chart.sign(asked, chart.person.team.lead)
        done: list[Json] = [done_at(chart.today, chart.points[0], volume_ml=None, gauge=28)]
        nothing: Row = {"agent": None, "concentration": None, "concentration_unit": None, "sites": done}
        yield from chart.inject(**{**nothing, "technique": "dry_needling"})
    yield from goes_on(chart)


def massage_is_not_to_be_had(chart: Chart) -> Told:
    """Massage and supervised exercise are not to be had for weeks; waiting is not failing, and a reason is asked."""
    yield from chart.admitted(1, NONE)
    yield from chart.later(15)
    yield from chart.reassess(**chart.no_better())
    yield from chart.move("step_up", to="professional", **AGREES)
    chart.healing.begin("professional", chart.today, NONE)
    who = chart.person.team.assessor
    for kind in ("massage", "exercise_programme"):
        yield from chart.do(who, Kind.STOP, {"form": kind, "status": "unavailable", "reason": "waiting_list"})
    yield from chart.later(42)
    yield from chart.do(who, Kind.START, massage(chart.points[:1]))
    yield from chart.later(1)
    yield from chart.reassess(**chart.no_better())
    yield from goes_on(chart)
