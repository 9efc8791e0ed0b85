"""Ways through the pathway that are always told: in by every door, up and down every step, out by every exit."""

from engine.model import Kind, Outcome
from stepcare.demo_chart import AFTERNOON, DESK, ROUND, Chart
from stepcare.demo_course import goes_on
from stepcare.demo_forms import AGREES, Row, closing
from stepcare.demo_response import NONE, SOME, STRONG
from stepcare.demo_stage import Telling

Told = Telling[None]
CHRONIC: Row = {"c1_acknowledged": True, "c1_patient_told": True}


def self_care_is_enough(chart: Chart) -> Told:
    """Step 1 helps; maintenance; it holds; closed as resolved."""
    yield from chart.admitted(fate=STRONG)
    yield from chart.clinic(16)
    yield from chart.reassess(**chart.better())
    yield from chart.respond()
    yield from chart.later(29)
    yield from chart.review(nprs=1)
    yield from chart.move("sustain", chart.person.team.coordinator, summary=True)


def all_four_steps(chart: Chart) -> Told:
    """Nothing helps. Discharge is refused until other causes were looked for."""
    yield from chart.admitted(points=2, fate=NONE)
    for step in ("professional", "injection"):
        yield from chart.later(15)
        yield from chart.reassess(**chart.no_better())
        yield from chart.step_up(step, NONE)
    yield from chart.prepare()
    yield from chart.plan()
    yield from chart.inject()
    yield from chart.call_after_session()
    yield from chart.later(14)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("multidisciplinary", NONE)
    yield from chart.later(20)
    yield from chart.reassess(**chart.no_better())
    yield from chart.move("discharge", **closing("no_further_benefit"))
    yield from chart.move("evaluate_nonresponse", tried="All four steps.", question="Is there another cause?")
    yield from chart.later(9, ROUND)
    found: Row = {"outcome": "unclear", "result_on": chart.iso(), "document": "Letter of the rheumatologist"}
    yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, {"transition": "clear_concern", **found})
    row: Row = {"transition": "discharge", **closing("no_further_benefit", evaluation="done")}
    yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, row)


def past_injections_and_down_again(chart: Chart) -> Told:
    """From step 2 straight to step 4, better there, and back down to step 2."""
    yield from chart.admitted(fate=SOME)
    yield from chart.record({"form": "complexity", "complex": True, "why": ["work", "psychological"]})
    yield from chart.later(16)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("professional", NONE)
    yield from chart.later(18)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("multidisciplinary", STRONG)
    yield from chart.later(21)
    yield from chart.reassess(**chart.better())
    down: Row = {"reason": "responder", "stops": "The programme.", "stays": "Exercise and self-care.", **AGREES}
    yield from chart.move("step_down", to="self_care", **down)
    chart.healing.begin("self_care", chart.today, STRONG)
    yield from goes_on(chart)


def done_elsewhere(chart: Chart) -> Told:
    """Begins at step 2 because step 1 was done elsewhere; without evidence a second person says no."""
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess()
    reason: Row = {"transition": "enter_step2_direct", "reason": "done_elsewhere", **AGREES}
    asked = yield from chart.insist(chart.person.team.assessor, Kind.MOVE, reason)
    yield from chart.later(1, DESK)
    yield from chart.sign(asked, chart.person.team.second, "no", "Ask the other practice for its letter first.")
    yield from chart.later(2)
    yield from chart.enter("enter_step2_direct", "professional", reason="done_elsewhere", evidence="Letter came.")
    yield from goes_on(chart)


def straight_to_injections(chart: Chart) -> Told:
    """Begins at step 3, with evidence and a second person's yes."""
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess()
    told: Row = {"technique": "injection", "manipulation_considered": "yes", **CHRONIC}
    row: Row = {"reason": "done_elsewhere", "evidence": "Both steps, at a clinic abroad.", **told}
    yield from chart.agreed(
        chart.person.team.assessor, Kind.MOVE, {"transition": "enter_step3_direct", **AGREES, **row}
    )
    if chart.state == "injection":
        yield from chart.begin("injection", SOME)
        yield from goes_on(chart)


def straight_to_rehabilitation(chart: Chart) -> Told:
    """Wants to begin at step 4: answered no, too late, after things had changed, by the asker, and at last yes."""
    team = chart.person.team
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess()
    row: Row = {"transition": "enter_step4_direct", "reason": "complex_or_chronic", **AGREES}
    asked = yield from chart.insist(team.assessor, Kind.MOVE, row)
    yield from chart.sign(asked, team.lead, "no", "Say what the programme is to reach.")
    asked = yield from chart.insist(team.assessor, Kind.MOVE, row)
    yield from chart.later(4, AFTERNOON)
    yield from chart.sign(asked, team.second)
    asked = yield from chart.insist(team.assessor, Kind.MOVE, row)
    yield from chart.screened()
    yield from chart.sign(asked, team.second)
    asked = yield from chart.insist(team.assessor, Kind.MOVE, row)
    yield from chart.sign(asked, team.assessor)
    yield from chart.later(1, DESK)
    yield from chart.sign(asked, team.second)
    if chart.state == "multidisciplinary":
        yield from chart.begin("multidisciplinary", STRONG)
        yield from goes_on(chart)


def relapses(chart: Chart) -> Told:
    """Better, then worse again: back to the step that had helped."""
    yield from chart.admitted(fate=STRONG)
    yield from chart.later(17)
    yield from chart.reassess(**chart.better())
    yield from chart.respond()
    yield from chart.later(23)
    yield from chart.review(nprs=8, holding=False)
    yield from chart.screened()
    row: Row = {"basis": "scores_worse", "why": "Self-care had helped.", **AGREES}
    yield from chart.move("relapse", to="self_care", **row)
    chart.healing.begin("self_care", chart.today, SOME)
    yield from goes_on(chart)


def cannot_be_found(chart: Chart) -> Told:
    """Does not come: called, closed as lost by an assessor over an unread letter, and back five weeks later."""
    team = chart.person.team
    yield from chart.admitted(fate=NONE)
    yield from chart.later(30, DESK)
    for channel in ("telephone", "email", "letter"):
        yield from chart.ring(channel, "no_answer")
        yield from chart.later(10, DESK)
    yield from chart.record({"form": "document", "what": "letter", "received_on": chart.iso()}, team.coordinator)
    yield from chart.move("lost", team.coordinator)
    yield from chart.move("lost", team.assessor)
    yield from chart.later(35)
    yield from chart.move("reopen", reason="came_back")
    yield from chart.screened()
    yield from chart.move("reopen", reason="came_back")
    yield from chart.assign()
    yield from chart.assess()
    yield from chart.enter("enter_step1")
    yield from goes_on(chart)


def declines(chart: Chart) -> Told:
    """Declines; only after being told what that may mean."""
    yield from chart.admitted()
    yield from chart.later(8, DESK)
    yield from chart.move("decline", chart.person.team.coordinator, reason="no_longer_wanted")
    yield from chart.move("decline", chart.person.team.coordinator, reason="no_longer_wanted", risk_told=True)


def moves_away(chart: Chart) -> Told:
    """Is transferred once somebody has accepted, not before."""
    yield from chart.admitted()
    yield from chart.later(9, DESK)
    yield from chart.move("transfer", chart.person.team.coordinator, receiver="Practice by the sea")
    yield from chart.later(4, DESK)
    row: Row = {"receiver": "Practice by the sea", "accepted_on": chart.iso()}
    yield from chart.move("transfer", chart.person.team.coordinator, **row)


def wrong_door(chart: Chart) -> Told:
    """A knee is refused at the door; the back that hurts as well turns out to have another cause."""
    yield from chart.register(region="knee")
    yield from chart.later(1, DESK)
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.move("start_assessment")
    yield from chart.insist(
        chart.person.team.assessor, Kind.MOVE, {"transition": "not_eligible", "reason": "other_cause"}
    )


def refuses_injections(chart: Chart) -> Told:
    """Refuses injections and stays: settled without them, non-response is looked into."""
    yield from chart.admitted(fate=NONE)
    yield from chart.later(15)
    yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("professional", NONE)
    refused: Row = {"form": "injection_session", "status": "declined", "reason": "patient_preference"}
    yield from chart.do(chart.person.team.assessor, Kind.STOP, refused)
    yield from chart.later(18)
    yield from chart.reassess(**chart.no_better())
    row: Row = {"tried": "Self-care, massage, exercise.", "question": "Is there another cause?"}
    yield from chart.move("evaluate_nonresponse", **row)
    yield from goes_on(chart)


def pain_better_function_worse(chart: Chart) -> Told:
    """Less pain and less use: going to maintenance needs a second person, who says no."""
    yield from chart.admitted(fate=SOME)
    yield from chart.later(16)
    yield from chart.reassess(**{**chart.better(), "function_word": "worse"})
    row: Row = {"relapse_plan": True, "next_contact": chart.iso(28), "why": "The pain is gone.", **AGREES}
    asked = yield from chart.insist(chart.person.team.assessor, Kind.MOVE, {"transition": "respond", **row})
    if asked.decision.outcome is Outcome.NEEDS_SIGN_OFF:
        yield from chart.later(1, DESK)
        yield from chart.sign(asked, chart.person.team.second, "no", "See whether the person can do more, too.")
    yield from goes_on(chart)


def holds_long(chart: Chart) -> Told:
    """Goes abroad for longer than a hold may last; a second person lets it pass."""
    yield from chart.admitted()
    yield from chart.later(10, DESK)
    row: Row = {"transition": "hold", "reason": "travel", "until": chart.iso(118)}
    yield from chart.agreed(chart.person.team.coordinator, Kind.MOVE, row)
    yield from goes_on(chart)


def snoozed(chart: Chart) -> Told:
    """Asks for another week; the coordinator puts the reassessment off."""
    yield from chart.admitted()
    yield from chart.later(22, DESK)
    row: Row = {"due_item": chart.owed("reassessment")[0], "until": chart.iso(7), "reason": "travel"}
    yield from chart.do(chart.person.team.coordinator, Kind.SNOOZE, row)
    yield from chart.later(8)
    yield from chart.reassess()
    yield from goes_on(chart)
