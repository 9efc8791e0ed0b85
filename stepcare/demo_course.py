"""How the drawn part of the caseload behaves: what people and clinic do day by day, by dice and by what is recommended.

Each function tells one place of the pathway and ends when the episode has left it, or somebody decided to wait there.
Where the pathway refuses, the clinic does what it would really do: gives a reason, asks a second person, or stays.
The people of whom something particular is told stand in demo_characters and its neighbours.
"""

from collections.abc import Callable, Mapping

from engine.model import Json, Kind, Outcome
from engine.service import Answer
from stepcare.demo_chart import AFTERNOON, DESK, ROUND, Chart, clinic_day
from stepcare.demo_forms import AGREES, NSAID_ASKED, Row, closing
from stepcare.demo_stage import Telling

STEPS = ("self_care", "professional", "injection", "multidisciplinary")
ENOUGH = 25  # so often a course is looked at; no life of a few months has more turns
MOST_SESSIONS = 3
Told = Telling[None]


def course(chart: Chart) -> Told:
    """Tell a whole course, from the first letter to wherever it stands when the story ends."""
    yield from chart.register()
    yield from goes_on(chart)


def goes_on(chart: Chart) -> Told:
    """Tell a course on from where it stands."""
    for _ in range(ENOUGH):
        tell = PLACES.get(chart.state)
        if tell is None:
            return
        yield from tell(chart)


# --- before a step ------------------------------------------------------------------------------------------------


def _intake(chart: Chart) -> Told:
    yield from chart.clinic(chart.rng.choices((2, 5, 12), (60, 30, 10))[0])
    team = chart.person.team
    if chart.chance(4):
        yield from chart.move("not_eligible", reason="other_cause", goes_to="Practice of Dr. Mustermoor")
    elif chart.chance(3):
        yield from chart.move("decline", team.coordinator, reason="travel_distance", risk_told=True)
    else:
        yield from chart.move("start_assessment")


def _assessment(chart: Chart) -> Told:
    if chart.chance(6):
        yield from chart.clinic(6)  # the findings are finished on a second day
    yield from chart.assess(
        chart.rng.choices((0, 1, 2), (15, 50, 35))[0], **_left_out(chart, 8, "rom", "function_goal")
    )
    weighs: Row = {}
    if chart.chance(18):
        weighs["age_at_onset"] = "present"
    if chart.chance(9):
        weighs["cancer_history"] = "present"
    if chart.chance(3):
        weighs["systemic_illness"] = "present"
    if weighs:
        yield from chart.screened(**weighs)
    if chart.chance(12):
        yield from chart.record({"form": "complexity", "complex": True, "why": ["work"]})
    if chart.state == "assessment":
        yield from _begin(chart)


def _begin(chart: Chart) -> Told:
    way = chart.rng.choices(("first", "elsewhere", "wish"), (80, 13, 7))[0]
    if way == "first":
        yield from chart.enter("enter_step1")
    elif way == "elsewhere":
        given = "Six weeks of exercise and heat, at another practice."
        yield from chart.enter("enter_step2_direct", "professional", reason="done_elsewhere", evidence=given)
    else:
        yield from chart.enter("enter_step2_direct", "professional", reason="patient_preference")
    if chart.state == "assessment":
        yield from chart.later(30)


# --- in a step ----------------------------------------------------------------------------------------------------


def _step(chart: Chart) -> Told:
    """Tell one round in a step: contact, what comes between, a visit, and what is made of it."""
    step, began = chart.state, chart.stage.day
    if step == "injection":
        yield from _session(chart)
    if chart.chance(70):
        yield from chart.later(chart.rng.randint(4, 9), DESK)
        yield from chart.ring("telephone", "reached")
    yield from _between(chart)
    if chart.state != step:
        return
    if chart.chance(7):
        yield from _silent(chart)
        return
    visit = began + chart.rng.choices((9, chart.rng.randint(14, 26), chart.rng.randint(31, 48)), (6, 78, 16))[0]
    yield from chart.on(clinic_day(max(visit, chart.stage.day)))
    if chart.state != step:
        return
    if chart.chance(4):
        yield from _on_paper(chart)
        return
    answer = yield from chart.reassess(**_left_out(chart, 7, "psfs", "pgic"))
    yield from _decide(chart, answer, early=visit - began < 14)


def _left_out(chart: Chart, percent: int, *fields: str) -> Row:
    """Leave out what people forget to ask, now and then."""
    return {field: None for field in fields if chart.chance(percent)}


def _on_paper(chart: Chart) -> Told:
    """The visit was written on paper and is entered days later; then somebody decides."""
    visited = chart.stage.clock()
    yield from chart.later(chart.rng.randint(2, 6), ROUND)
    answer = yield from chart.reassess(visited)
    yield from _decide(chart, answer, early=False)


def _decide(chart: Chart, reassessed: Answer, *, early: bool) -> Told:
    """Take what is recommended, mostly."""
    found = reassessed.decision.recommended
    if early and not chart.chance(25):
        return
    if found == "adequate":
        yield from chart.respond()
    elif found == "discordant" and chart.chance(40):
        yield from chart.respond(why="The person is content and wants to go on alone.")
    elif found in ("inadequate", "worse"):
        if found == "worse" and chart.chance(30):
            yield from _concern(chart)
        elif chart.chance(88):
            yield from _up(chart)


def _up(chart: Chart) -> Told:
    match chart.state:
        case "self_care":
            yield from chart.step_up("professional")
        case "professional" if chart.points and chart.chance(60):
            told = chart.chance(80)
            yield from chart.step_up("injection", c1_acknowledged=told, c1_patient_told=told)
        case "professional" | "injection" if chart.state == "professional" or not _may_repeat(chart):
            yield from chart.step_up("multidisciplinary")
        case "multidisciplinary" if chart.chance(50):
            row: Row = {"transition": "evaluate_nonresponse", "tried": "All four steps.", "question": "Another cause?"}
            yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, row)
        case "multidisciplinary":
            yield from _discharge(chart, "no_further_benefit", evaluation="done")


def _may_repeat(chart: Chart) -> bool:
    done = sum(one.kind == "injection_session" and one.status == "done" for one in chart.episode.treatments)
    return done < MOST_SESSIONS and chart.chance(45)


def _session(chart: Chart) -> Told:
    """Plan and do a session at the next clinic; a point palpated long ago is palpated anew."""
    yield from chart.clinic(1)
    if chart.state != "injection":
        return
    yield from chart.prepare()
    changes: Row = {"c1_acknowledged": True, "c1_patient_told": True} if chart.chance(85) else {}
    if chart.chance(12):
        sites: list[Json] = [{"point": chart.points[0], "volume_ml": 1, "gauge": 23}]
        changes["sites"] = sites
    answer = yield from chart.plan(**changes)
    if answer.decision.outcome is Outcome.ACCEPTED:
        short: Row = {"observed_min": 10} if chart.chance(20) else {}
        yield from chart.inject(**short)
        if chart.chance(85):
            yield from chart.call_after_session()


def _between(chart: Chart) -> Told:
    """Tell what may happen in a step beside the plan."""
    team = chart.person.team
    roll = chart.rng.randrange(100)
    if roll < 5:
        why = chart.rng.choice(("travel", "patient_asks", "other_illness"))
        yield from chart.move("hold", team.coordinator, reason=why, until=chart.iso(chart.rng.randint(14, 40)))
    elif roll < 8:
        yield from _concern(chart)
    elif roll < 10:
        yield from chart.move("decline", team.coordinator, reason="other_care", risk_told=True)
    elif roll < 11:
        yield from chart.move(
            "transfer", team.coordinator, receiver="Spine Centre Musterstadt", accepted_on=chart.iso()
        )
    elif roll < 23:
        yield from _treats(chart)


def _treats(chart: Chart) -> Told:
    who = chart.person.team.assessor
    what = chart.rng.choice(("nsaid", "nsaid", "muscle_relaxant", "yoga", "referral"))
    if what == "nsaid":
        yield from chart.agreed(who, Kind.START, {"form": "nsaid", **NSAID_ASKED, "review_on": chart.iso(14)})
    elif what == "muscle_relaxant":
        asked = dict.fromkeys(("aged_65", "maoi_14_days", "heart_disease", "hyperthyroidism"), False)
        row: Row = {"form": "muscle_relaxant", "drug": "methocarbamol", "planned_stop": chart.iso(10), **asked}
        yield from chart.agreed(who, Kind.START, row)
    elif what == "yoga":
        yield from chart.insist(who, Kind.START, {"form": "yoga", "style": "viniyoga"})
    else:
        sent: Row = {"form": "referral", "to": "Radiology Musterstadt", "purpose": "evaluation", "sent_on": chart.iso()}
        yield from chart.record(sent)
        yield from chart.later(chart.rng.randint(3, 9), DESK)
        came: Row = {"form": "referral_accepted", "accepted_on": chart.iso(), "booked_for": chart.iso(12)}
        yield from chart.record(came, chart.person.team.coordinator)


def _silent(chart: Chart) -> Told:
    """Tell of somebody who does not come: called three times, then found, or lost."""
    step = chart.state
    yield from chart.later(31, DESK)
    for channel in ("telephone", "email", "letter"):
        if chart.state != step:
            return
        found = chart.chance(25)
        yield from chart.ring(channel, "reached" if found else "no_answer")
        if found:
            yield from chart.clinic(3)
            answer = yield from chart.reassess()
            yield from _decide(chart, answer, early=False)
            return
        yield from chart.later(9, DESK)
    yield from chart.later(7, DESK)
    if chart.state == step:
        yield from chart.insist(chart.person.team.coordinator, Kind.MOVE, {"transition": "lost"})
    if chart.state == step:
        yield from chart.later(60)


# --- beside the steps ---------------------------------------------------------------------------------------------


def _concern(chart: Chart) -> Told:
    flag = chart.rng.choice(("systemic_illness", "non_mechanical_pain", "structural_deformity", "inflammatory_pattern"))
    told: Row = {"flags": [flag], "told": chart.person.team.assessor.id, "told_on": chart.iso()}
    yield from chart.move("raise_concern", chart.person.team.coordinator, **told)


def _evaluation(chart: Chart) -> Told:
    """Act on what was found, wait for the result, and let two people clear it."""
    team = chart.person.team
    flags = chart.owed("flag_emergency", "flag_urgent", "flag_routine")
    if flags:
        yield from chart.until(chart.stage.clock())
        acted: Row = {"form": "flag_action", "action": "imaging_ordered", "told_person": True}
        yield from chart.record(acted)
    yield from chart.later(chart.rng.choices((5, 11, 19), (50, 35, 15))[0], AFTERNOON)
    if chart.state != "further_evaluation":
        return
    yield from chart.record({"form": "document", "what": "report", "received_on": chart.iso()}, team.coordinator)
    yield from chart.later(1, ROUND)
    yield from chart.record({"form": "document_review", "means": "nothing_new"})
    if chart.chance(10):
        yield from chart.move("transfer", receiver="Hospital Musterstadt", accepted_on=chart.iso())
        return
    row: Row = {
        "transition": "clear_concern",
        "outcome": "no_serious_cause",
        "result_on": chart.iso(),
        "document": "MRI",
    }
    yield from chart.agreed(team.assessor, Kind.MOVE, row)


def _holding(chart: Chart) -> Told:
    """Wait for the end of the hold, or a little longer."""
    until = next(record for record in reversed(chart.episode.records) if record.form == "hold").values["until"]
    ends = (chart.today.fromisoformat(str(until)) - chart.stage.first).days
    yield from chart.on(max(ends, chart.stage.day) + chart.rng.choices((0, 3, 9), (60, 25, 15))[0], DESK)
    if chart.state != "on_hold":
        return
    yield from chart.screened()
    if chart.state == "on_hold":
        yield from chart.move("resume", chart.person.team.coordinator)


def _maintenance(chart: Chart) -> Told:
    """Follow up once; it holds, or it does not."""
    yield from chart.clinic(chart.rng.choices((28, 34, 47), (45, 40, 15))[0])
    worse = chart.healing.fate == "worse"
    answer = yield from chart.review(holding=not worse)
    if worse:
        yield from chart.screened()
        row: Row = {
            "transition": "relapse",
            "to": "professional",
            "basis": "patient_report",
            "why": "It helped before.",
        }
        yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, {**row, **AGREES})
        if chart.state == "professional":
            yield from chart.begin("professional")
    elif answer.decision.outcome is Outcome.ACCEPTED and chart.chance(70):
        row = {"transition": "sustain", "summary": chart.chance(80)}
        yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, row)
    else:
        yield from _discharge(chart, "self_managing", evaluation="not_needed", evaluation_why="It is better.")


def _discharge(chart: Chart, sub_reason: str, **values: Json) -> Told:
    row: Row = {"transition": "discharge", **closing(sub_reason, summary=chart.chance(80), **values)}
    yield from chart.agreed(chart.person.team.assessor, Kind.MOVE, row)


PLACES: Mapping[str, Callable[[Chart], Told]] = {
    "intake": _intake,
    "assessment": _assessment,
    **dict.fromkeys(STEPS, _step),
    "further_evaluation": _evaluation,
    "on_hold": _holding,
    "maintenance": _maintenance,
}
