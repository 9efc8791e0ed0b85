"""One episode as the invented clinic works on it: visits, moves, a second person's yes. Every course is made of these.

Each method is a telling (see demo_stage): it asks, waits, and gives the last answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from random import Random

from engine.decision import RuleResult
from engine.measures import number_of
from engine.model import Actor, Episode, Json, Kind, Level, Outcome, Override
from engine.service import Answer
from stepcare.demo_forms import (
    AGREES,
    NO_ALLERGIES,
    Row,
    assessment,
    exercise,
    iso,
    massage,
    registration,
    rehab,
    screen,
    self_care,
    session,
    session_done,
    trigger_point,
)
from stepcare.demo_people import ANN, BO, Invented, random_of
from stepcare.demo_response import Healing
from stepcare.demo_stage import Act, Stage, Telling

DESK, CLINIC, AFTERNOON, ROUND = time(8, 30), time(10), time(14), time(16, 30)
BOS_SHARE = 35  # of a hundred episodes of the main team, until bo leaves
CLINIC_DAYS = (1, 3)  # days of the week, counted from the story's first
WHY_OTHER = "Talked over in the team and agreed with the person."


def bo_leaves(last_day: int) -> int:
    """Give the day on which bo leaves: the hundredth, or half-way through a shorter story."""
    return min(100, last_day // 2)


def clinic_day(day: int) -> int:
    """Give the first day with a clinic, from this one on."""
    while day % 7 not in CLINIC_DAYS:
        day += 1
    return day


@dataclass(slots=True, kw_only=True)
class Chart:
    """What the clinic knows of one episode, and what it does."""

    stage: Stage
    alias: str
    person: Invented
    rng: Random
    healing: Healing
    patient: str = ""  # alias of the person, where that is not the episode's own
    points: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, alias: str, person: Invented, seed: int) -> "Chart":
        """Open a chart."""
        rng = random_of(seed, alias, "course")
        healing = Healing.of(person.activities, random_of(seed, alias, "response"))
        return cls(stage=stage, alias=alias, person=person, rng=rng, healing=healing)

    # --- looking

    @property
    def today(self) -> date:
        """Give the day it is."""
        return self.stage.today

    @property
    def episode(self) -> Episode:
        """Give the episode as last heard of."""
        return self.stage.episodes[self.alias]

    @property
    def state(self) -> str:
        """Give the state of the episode, empty before it is registered."""
        found = self.stage.episodes.get(self.alias)
        return found.state if found else ""

    def iso(self, offset: int = 0) -> str:
        """Give a day as forms write it, counted from today."""
        return iso(self.today, offset)

    def owed(self, *kinds: str) -> list[str]:
        """Give the open due items of these kinds."""
        return [item.id for item in self.episode.due_items if item.kind in kinds and item.status == "open"]

    def chance(self, percent: int) -> bool:
        """Throw the dice."""
        return self.rng.randrange(100) < percent

    def unasked(self) -> bool:
        """Say whether the person's own story is over: closed or voided."""
        return self.state.startswith("closed") or self.state == "voided"

    def last_pain(self) -> int:
        """Give the pain the person last told."""
        nprs = self.stage.pathway.instruments["nprs"]
        for record in reversed(self.episode.records):
            if record.values.get("nprs") is not None:
                return int(number_of(nprs, record.values["nprs"]))
        return self.healing.pain

    def better(self) -> Row:
        """Give what somebody says who is clearly better."""
        return {"nprs": min(self.last_pain() // 3, 2), "function_word": "improved", "pgic": "much_improved"}

    def no_better(self) -> Row:
        """Give what somebody says to whom nothing has changed."""
        return {"nprs": self.last_pain(), "function_word": "unchanged", "pgic": "no_change"}

    # --- waiting

    def on(self, day: int, clock: time = CLINIC) -> Telling[None]:
        """Wait until a day of the story."""
        yield self.stage.at(day, clock)

    def later(self, days: int, clock: time = CLINIC) -> Telling[None]:
        """Wait so many days."""
        yield self.stage.at(self.stage.day + days, clock)

    def clinic(self, days: int) -> Telling[None]:
        """Wait for the first clinic in so many days or later."""
        yield self.stage.at(clinic_day(self.stage.day + days), CLINIC)

    def until(self, instant: datetime) -> Telling[None]:
        """Wait until an instant."""
        yield instant

    # --- asking

    def do(  # noqa: PLR0913 - a command's parts, by name
        self,
        by: Actor,
        kind: Kind,
        values: Row | None = None,
        *,
        of: str | None = None,
        reasons: Sequence[Override] = (),
        occurred: datetime | None = None,
        key: str | None = None,
    ) -> Telling[Answer]:
        """Ask for one thing."""
        act = Act(
            by=by,
            kind=kind,
            alias=self.alias,
            values=values or {},
            of=of,
            overrides=tuple(reasons),
            occurred_at=occurred,
            key=key,
        )
        (answer,) = yield (act,)
        return answer

    def record(self, values: Row, by: Actor | None = None, occurred: datetime | None = None) -> Telling[Answer]:
        """Record a form; the assessor does, unless said otherwise."""
        return (yield from self.do(by or self.person.team.assessor, Kind.RECORD, values, occurred=occurred))

    def move(self, transition: str, by: Actor | None = None, /, **values: Json) -> Telling[Answer]:
        """Ask for a move, once, as it stands."""
        row = {"transition": transition, **values}
        return (yield from self.do(by or self.person.team.assessor, Kind.MOVE, row))

    def insist(self, by: Actor, kind: Kind, values: Row, *, of: str | None = None) -> Telling[Answer]:
        """Ask; where only soft stops are in the way, ask again with a coded reason for each."""
        answer = yield from self.do(by, kind, values, of=of)
        if answer.decision.outcome is not Outcome.REFUSED:
            return answer
        stopping = [rule for rule in answer.decision.rules if not rule.satisfied and rule.level is not Level.INFO]
        if not stopping or any(rule.level is Level.HSX for rule in stopping):
            return answer
        reasons = [self._reason(rule) for rule in stopping if rule.level is Level.SS]
        return (yield from self.do(by, kind, values, of=of, reasons=reasons))

    def _reason(self, rule: RuleResult) -> Override:
        declared = next((one.reasons for one in self.stage.pathway.rules if one.id == rule.id), ())
        reasons = declared or tuple(self.stage.pathway.override_reasons)
        common = [one for one in ("clinical_judgement", "patient_preference") if one in reasons]
        reason = self.rng.choice((*common, *common, *reasons))
        return Override(rule=rule.id, reason=reason, text=WHY_OTHER if reason == "other" else "")

    def agreed(self, by: Actor, kind: Kind, values: Row, second: Actor | None = None) -> Telling[Answer]:
        """Ask, giving reasons where they are wanted; a second person says yes the next morning where one is needed."""
        answer = yield from self.insist(by, kind, values)
        if answer.decision.outcome is Outcome.NEEDS_SIGN_OFF:
            yield from self.later(1, DESK)
            answer = yield from self.sign(answer, second or self.person.team.second)
        return answer

    def site(self, by: Actor, kind: Kind, values: Row, of: str | None = None) -> Telling[Answer]:
        """Ask for something that is about the whole site."""
        (answer,) = yield (Act(by=by, kind=kind, values=values, of=of),)
        return answer

    def sign(self, asked: Answer, by: Actor, answer: str = "yes", text: str = "") -> Telling[Answer]:
        """Answer a request for a second person's yes."""
        values: Row = {"answer": answer, **({"text": text} if text else {})}
        return (yield from self.do(by, Kind.SIGN_OFF, values, of=asked.decision.command.id))

    # --- coming in

    def register(self, **changes: Json) -> Telling[Answer]:
        """Register the episode of a person who is in the vault from now on, and say who answers for it."""
        alias = self.patient or self.alias
        values: Row = {**registration(self.person, self.today), **changes}
        values["patient"] = self.stage.person(alias, self.person.details())
        answer = yield from self.insist(self.person.team.coordinator, Kind.REGISTER, values)
        if answer.decision.outcome is Outcome.ACCEPTED:
            yield from self.assign()
        return answer

    def assign(self) -> Telling[Answer]:
        """Say which coordinator answers for the episode from now on; bo has some of them, until bo leaves."""
        who = self.person.team.coordinator
        theirs = who is ANN and self.stage.day < bo_leaves(self.stage.last_day) and self.chance(BOS_SHARE)
        return (yield from self.do(who, Kind.ASSIGN, {"owner": BO.id if theirs else who.id}))

    def assess(self, points: int = 1, /, **changes: Json) -> Telling[Answer]:
        """Do everything the first visit is for: consent, screen, findings, trigger points, self-management."""
        if self.state == "intake":
            yield from self.move("start_assessment")
        yield from self.record({"form": "consent", "given": True, "text_version": "1"})
        yield from self.screened()
        found: Row = {"palpation": "points_found" if points else "tenderness_only"}
        answer = yield from self.record(
            {**assessment(self.person, self.healing.scores(self.today)), **found, **changes}
        )
        for number in range(points):
            yield from self.palpate(
                self.person.muscles[number % len(self.person.muscles)], ("left", "right")[number % 2]
            )
        yield from self.do(self.person.team.assessor, Kind.START, {"form": "motor_control_exercise"})
        yield from self.do(self.person.team.assessor, Kind.START, self_care())
        return answer

    def screened(self, **changes: Json) -> Telling[Answer]:
        """Ask for red flags."""
        return (yield from self.record(screen(self.stage.pathway, **changes)))

    def palpate(self, muscle: str, side: str = "left", /, **changes: Json) -> Telling[Answer]:
        """Record a trigger point."""
        answer = yield from self.record(trigger_point(muscle, side, **changes))
        if answer.entry is not None:
            self.points.append(answer.decision.command.id)
        return answer

    def admitted(self, points: int = 1, fate: str | None = None) -> Telling[Answer]:
        """Come in by the front door: registered, assessed at the next clinic, self-care begun."""
        yield from self.register()
        yield from self.clinic(1)
        yield from self.assess(points)
        return (yield from self.enter("enter_step1", "self_care", fate))

    def enter(
        self, transition: str, to: str = "self_care", fate: str | None = None, /, **values: Json
    ) -> Telling[Answer]:
        """Begin a step out of the assessment."""
        row: Row = {"transition": transition, **AGREES, **values}
        answer = yield from self.agreed(self.person.team.assessor, Kind.MOVE, row)
        if self.state == to:
            yield from self.begin(to, fate)
        return answer

    # --- the steps

    def begin(self, step: str, fate: str | None = None) -> Telling[None]:
        """Begin what belongs to a step, and let the response model deal."""
        self.healing.begin(step, self.today, fate)
        running = {one.kind for one in self.episode.treatments if one.status == "active"}
        team = self.person.team
        if step == "professional" and "exercise_programme" not in running:
            components: list[Json] = ["strengthening", *([] if self.chance(12) else ["stretching"])]
            yield from self.insist(team.assessor, Kind.START, exercise(self.person, components=components))
        if step == "professional" and "massage" not in running:
            yield from self.insist(team.assessor, Kind.START, massage(self.points[:1]))
        if step == "multidisciplinary" and "rehab_programme" not in running:
            yield from self.insist(team.assessor, Kind.START, rehab())

    def reassess(self, occurred: datetime | None = None, /, **changes: Json) -> Telling[Answer]:
        """Screen and reassess at a visit."""
        yield from self.record(screen(self.stage.pathway), occurred=occurred)
        values: Row = {"form": "reassessment", **self.healing.reassessed(self.today), **AGREES, **changes}
        return (yield from self.record(values, occurred=occurred))

    def step_up(self, to: str, fate: str | None = None, /, **values: Json) -> Telling[Answer]:
        """Step up, with a reason or a second person where it needs one, and begin what belongs to the new step."""
        row: Row = {"transition": "step_up", "to": to, **AGREES, **values}
        if to == "injection":
            row = {"technique": "injection", "manipulation_considered": "no", **row}
        answer = yield from self.agreed(self.person.team.assessor, Kind.MOVE, row)
        if self.state == to:
            yield from self.begin(to, fate)
        return answer

    def prepare(self, points: int = 1) -> Telling[None]:
        """Get ready for a session on its day: screen, palpate anew, and what else the plan must know."""
        yield from self.screened()
        self.points.clear()
        for number in range(points):
            yield from self.palpate(self.person.muscles[number % len(self.person.muscles)])
        if not any(one.form == "allergies" for one in self.episode.records):
            yield from self.record({"form": "allergies", **NO_ALLERGIES}, self.person.team.proceduralist)

    def plan(self, points: Sequence[str] | None = None, /, **changes: Json) -> Telling[Answer]:
        """Plan a session; soft stops are passed with a reason, a second person says yes at once where one is needed."""
        who = self.person.team.proceduralist
        values = session(self.person, self.today, points or self.points[:1], **changes)
        answer = yield from self.insist(who, Kind.PLAN, values)
        if answer.decision.outcome is Outcome.NEEDS_SIGN_OFF:
            answer = yield from self.sign(answer, self.person.team.assessor)
        return answer

    def inject(self, points: Sequence[str] | None = None, /, **changes: Json) -> Telling[Answer]:
        """Record what was done at a session, as it was planned unless said otherwise."""
        values = session_done(self.today, points or self.points[:1], **changes)
        return (yield from self.record(values, self.person.team.proceduralist))

    def call_after_session(self, **found: Json) -> Telling[Answer]:
        """Ring up after a session, two days later."""
        yield from self.later(2, AFTERNOON)
        said = dict.fromkeys(("chest", "infection", "bleeding", "neurological"), False)
        values: Row = {"form": "safety_contact", "reached": True, **said, **found}
        return (yield from self.record(values, self.person.team.coordinator))

    def respond(self, **values: Json) -> Telling[Answer]:
        """Go to maintenance."""
        row: Row = {"transition": "respond", "relapse_plan": True, "next_contact": self.iso(28), **AGREES, **values}
        answer = yield from self.agreed(self.person.team.assessor, Kind.MOVE, row)
        if self.state == "maintenance":
            self.healing.begin("maintenance", self.today)
        return answer

    def review(self, **changes: Json) -> Telling[Answer]:
        """Follow up in maintenance."""
        scores = self.healing.scores(self.today)
        values: Row = {"form": "maintenance_review", **scores, "holding": True, **AGREES, **changes}
        return (yield from self.record(values, self.person.team.coordinator))

    def ring(self, channel: str, result: str) -> Telling[Answer]:
        """Try to reach the person, or reach them."""
        values: Row = {"channel": channel, "result": result}
        return (yield from self.do(self.person.team.coordinator, Kind.CONTACT, values))
