"""What goes wrong and is put right, always told: errors, late paper, wrong hands, deaths, emergencies."""

from dataclasses import replace
from datetime import time

from engine.model import Actor, Kind
from engine.service import Answer
from stepcare.demo_chart import AFTERNOON, CLINIC, DESK, ROUND, Chart
from stepcare.demo_course import course, goes_on
from stepcare.demo_forms import AGREES, Row, massage
from stepcare.demo_people import AZIZ, NOOR, OLGA
from stepcare.demo_response import NONE, SOME
from stepcare.demo_stage import Telling

Told = Telling[None]


def dies(chart: Chart) -> Told:
    """Dies while reminders wait to be sent: none of them goes."""
    yield from chart.admitted()
    yield from chart.later(27, DESK)
    yield from chart.insist(chart.person.team.coordinator, Kind.MOVE, {"transition": "died"})


def not_dead_after_all(chart: Chart) -> Told:
    """Recorded as dead in error: undone by the lead with proof, and another person."""
    team = chart.person.team
    yield from chart.admitted()
    yield from chart.later(12, DESK)
    yield from chart.move("died", team.coordinator, source="A letter from the insurer")
    yield from chart.later(5, AFTERNOON)
    yield from chart.move("undo_death", team.assessor, proof="The person is at the desk.")
    yield from chart.move("undo_death", team.lead)
    proof: Row = {"transition": "undo_death", "proof": "The person is at the desk; the letter was about a namesake."}
    yield from chart.agreed(team.lead, Kind.MOVE, proof, team.assessor)
    yield from chart.assess()
    yield from chart.enter("enter_step1")
    yield from goes_on(chart)


def entered_in_error(chart: Chart) -> Told:
    """A second episode for the same trouble: opened with a reason, voided by two persons, not by one."""
    yield from chart.register()
    yield from chart.later(6, DESK)
    asked = yield from chart.move("void", reason="duplicate", replaced_by="the other one")
    yield from chart.sign(asked, chart.person.team.assessor)
    yield from chart.sign(asked, chart.person.team.second)


def two_regions(chart: Chart) -> Told:
    """One person, two regions, two paces: a second episode beside the first."""
    yield from course(chart)


def paper_came_late(chart: Chart) -> Told:
    """A visit on paper, entered five days later: it was on time, because it counts by when it happened."""
    yield from chart.admitted(1, NONE)
    yield from chart.later(31, AFTERNOON)
    visited = chart.stage.at(chart.stage.day - 5, CLINIC)
    yield from chart.reassess(visited, **chart.no_better())
    yield from goes_on(chart)


def wrong_score(chart: Chart) -> Told:
    """Stepped up on a score that was another person's: corrected, with the decisions that relied on it."""
    yield from chart.admitted(1, SOME)
    yield from chart.later(17)
    answer = yield from chart.reassess(**chart.no_better())
    yield from chart.step_up("professional", SOME)
    yield from chart.later(2, DESK)
    row: Row = {"record": answer.decision.command.id, "nprs": 2, "pgic": "much_improved", "function_word": "improved"}
    yield from chart.do(chart.person.team.assessor, Kind.CORRECT, row)
    yield from goes_on(chart)


def came_early(chart: Chart) -> Told:
    """Comes before the window: kept as a contact in between; the reason owed is given later."""
    yield from chart.admitted(1, SOME)
    yield from chart.later(6)
    yield from chart.reassess()
    yield from chart.later(3, DESK)
    for item in chart.owed("reason_owed"):
        row: Row = {"form": "reason_given", "due_item": item, "reason": "patient_preference"}
        yield from chart.record(row)
    yield from goes_on(chart)


def began_much_earlier(chart: Chart) -> Told:
    """Remembers that it began long before: the onset is corrected, and acute becomes chronic."""
    yield from chart.admitted()
    yield from chart.later(14)
    first = next(record.id for record in chart.episode.records if record.form == "registration")
    row: Row = {"record": first, "onset": chart.iso(-400)}
    yield from chart.do(chart.person.team.coordinator, Kind.CORRECT, row)
    yield from chart.reassess()
    yield from goes_on(chart)


def typing_errors(chart: Chart) -> Told:
    """An 11 of 10, a trigger point without its band, a visit tomorrow: nothing of it is kept."""
    yield from chart.admitted()
    yield from chart.later(14)
    yield from chart.reassess(nprs=11)
    yield from chart.palpate("rhomboids", taut_band=False)
    tomorrow = chart.stage.at(chart.stage.day + 1, CLINIC)
    yield from chart.record({"form": "reassessment", "nprs": 4}, None, tomorrow)
    yield from chart.reassess()
    yield from goes_on(chart)


def said_twice(chart: Chart) -> Told:
    """The line breaks, and the same is sent again under the same key: it is done once."""
    yield from chart.admitted()
    yield from chart.later(9, DESK)
    for _ in range(2):
        row: Row = {"channel": "telephone", "result": "reached"}
        yield from chart.do(chart.person.team.coordinator, Kind.CONTACT, row, key="call-1")
    yield from goes_on(chart)


def wrong_hands(chart: Chart) -> Told:
    """An auditor, an outsider, another care team, the wrong profession: each is told whom to ask."""
    yield from chart.admitted()
    yield from chart.later(7, AFTERNOON)
    row: Row = {"channel": "telephone", "result": "reached"}
    for who in (AZIZ, OLGA, replace(NOOR, teams=frozenset({"north"}))):
        yield from _tries(chart, who, row)
    yield from chart.move("respond", chart.person.team.proceduralist, relapse_plan=True, next_contact=chart.iso(28))
    yield from goes_on(chart)


def _tries(chart: Chart, who: Actor, values: Row) -> Telling[Answer]:
    return (yield from chart.do(who, Kind.CONTACT, values))


def rings_up_on_hold(chart: Chart) -> Told:
    """A red flag by telephone while on hold: two people clear it, and it is still on hold; later it resumes."""
    team = chart.person.team
    yield from chart.admitted()
    yield from chart.later(9, DESK)
    yield from chart.move("hold", team.coordinator, reason="surgery", until=chart.iso(30))
    yield from chart.later(11, AFTERNOON)
    told: Row = {"flags": ["systemic_illness"], "told": team.assessor.id, "told_on": chart.iso()}
    yield from chart.move("raise_concern", team.coordinator, urgency="urgent", **told)
    yield from chart.record({"form": "flag_action", "action": "clinician_called", "told_person": True})
    yield from chart.later(4, ROUND)
    found: Row = {"outcome": "no_serious_cause", "result_on": chart.iso(), "document": "Laboratory report"}
    asked = yield from chart.move("clear_concern", **found)
    yield from chart.sign(asked, team.assessor)
    yield from chart.sign(asked, team.second)
    yield from chart.later(15, DESK)
    yield from chart.screened()
    yield from chart.move("resume", team.coordinator)
    yield from goes_on(chart)


def emergency(chart: Chart) -> Told:
    """Signs of the spinal cord at a visit: called at once, acted on within the hour, taken over by the hospital."""
    team = chart.person.team
    yield from chart.admitted()
    yield from chart.later(10, time(15))
    yield from chart.screened(cord_signs="present")
    yield from chart.record({"form": "flag_action", "action": "emergency_services", "told_person": True})
    yield from chart.move("hold", team.coordinator, reason="other_illness", until=chart.iso(14))
    yield from chart.later(1, AFTERNOON)
    yield from chart.move("transfer", receiver="University Hospital Musterstadt", accepted_on=chart.iso())


def concern_from_outside(chart: Chart) -> Told:
    """The north's assessor hears something about a person of the other team, and may say so."""
    yield from chart.admitted()
    yield from chart.later(13, AFTERNOON)
    outside = replace(NOOR, teams=frozenset({"north"}))
    row: Row = {"flags": ["inflammatory_pattern"], "told": chart.person.team.assessor.id, "told_on": chart.iso()}
    yield from chart.move("raise_concern", outside, **row)
    yield from goes_on(chart)


# --- how the last days are left: told from the end backwards ----------------------------------------------------------


def waits_for_a_second_person(chart: Chart) -> Told:
    """Asked for yesterday; nobody has answered yet."""
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess()
    yield from chart.on(chart.stage.last_day - 1, AFTERNOON)
    row: Row = {"transition": "enter_step4_direct", "reason": "complex_or_chronic", **AGREES}
    yield from chart.insist(chart.person.team.assessor, Kind.MOVE, row)


def hold_ends(chart: Chart) -> Told:
    """The hold ended yesterday; nobody has resumed it."""
    yield from chart.admitted()
    yield from chart.on(chart.stage.last_day - 21, DESK)
    row: Row = {"reason": "travel", "until": chart.iso(20)}
    yield from chart.move("hold", chart.person.team.coordinator, **row)


def flag_open(chart: Chart) -> Told:
    """An urgent flag of yesterday evening; nobody has acted on it."""
    yield from chart.admitted()
    yield from chart.on(chart.stage.last_day - 1, ROUND)
    yield from chart.screened(non_mechanical_pain="present")


def emergency_open(chart: Chart) -> Told:
    """An emergency of today: acted on, not cleared."""
    yield from chart.admitted()
    yield from chart.on(chart.stage.last_day, ROUND)
    yield from chart.screened(chest_pattern="present")
    yield from chart.record({"form": "flag_action", "action": "emergency_services", "told_person": True})


def long_overdue(chart: Chart) -> Told:
    """Was never seen again after the first visit; rung up once."""
    yield from chart.admitted()
    yield from chart.later(36, DESK)
    yield from chart.ring("telephone", "no_answer")


def session_tomorrow(chart: Chart) -> Told:
    """Massage ordered; the session is planned and not done yet."""
    yield from chart.register()
    yield from chart.clinic(1)
    yield from chart.assess(2)
    told: Row = {"reason": "done_elsewhere", "evidence": "Steps 1 and 2, at a clinic abroad.", "technique": "injection"}
    yield from chart.agreed(
        chart.person.team.assessor, Kind.MOVE, {"transition": "enter_step3_direct", **told, **AGREES}
    )
    yield from chart.insist(chart.person.team.assessor, Kind.START, massage(chart.points))
    yield from chart.on(chart.stage.last_day)
    yield from chart.prepare()
    yield from chart.plan()
