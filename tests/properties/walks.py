"""Invented people who walk through the pathway at random, mostly trying what they may, filling in the forms for it.

The same seed gives the same walk. A walk speaks to a `World` only by commands, so it can be a pure one or a real
database behind the door.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from engine.decision import Decision
from engine.model import Actor, Json, Kind, Outcome, Role
from tests.properties.oracle import ENDED, MAY, NAMES, QUESTIONS, STEPS, A, C, L, P
from tests.worlds import World
from tests.worlds_pathway import (
    NO_ALLERGIES,
    better,
    exercise,
    findings,
    no_better,
    on,
    point,
    registration,
    screen,
    self_care,
    session,
    session_record,
    today,
)

Values = dict[str, Json]
KEYS = tuple(MAY)
LEAVING = ("T3", "T22", "T23", "T24", "T25", "T26", "T27")
CAST = tuple(Actor(id=f"{role}-{number}", role=role) for role in Role for number in (1, 2))
# One person with two hats: signing off compares persons.
CAST += (Actor(id="assessor-1", role=L), Actor(id="lead-1", role=A), Actor(id="proceduralist-1", role=A))
LIKED: Values = {"preference": "agrees_with_plan"}


class Walk:
    """One walk: what it tries next depends on where it is, on chance, and on what was taken least so far."""

    def __init__(self, world: World, chance: Random, taken: Counter[str]) -> None:
        """Begin before registration."""
        self.world, self.chance, self.taken = world, chance, taken

    # --- people and answers

    def anybody(self, *roles: Role) -> Actor:
        """Give somebody with one of these roles."""
        return self.chance.choice([one for one in CAST if one.role in roles])

    def likely(self, percent: int) -> bool:
        """Throw the dice."""
        return self.chance.random() * 100 < percent

    @property
    def state(self) -> str:
        """Give where the episode is."""
        return self.world.episode.state

    def later(self, low: int, high: int) -> None:
        """Let days pass; timers fire on the way, every hour where nobody has acted on an emergency, so mostly one does."""
        waiting = [item for item in self.world.episode.due_items if item.kind == "flag_emergency"]
        if any(item.status == "open" for item in waiting) and self.likely(95):
            self.record("flag_action", A, action="seen_today")
        self.world.day(today(self.world) + self.chance.randint(low, high))

    def record(self, form: str, by: Role, /, **values: Json) -> Decision:
        """Record a form by somebody with this role."""
        return self.world.record(form, self.anybody(by), **values)

    # --- one act

    def begin(self) -> None:
        """Register a person, with or without an onset."""
        changes: Values = {"onset": self.chance.choice([on(-3), on(-40), on(-200), None])}
        self.world.do(self.anybody(C), Kind.REGISTER, registration(**changes))

    def act(self) -> None:
        """Do one thing: mostly something that may be done here."""
        dice = self.chance.randint(1, 100)
        if self.state == "injection" and self.likely(20):
            self.leave_a_question_open()
        elif dice <= 66:
            self.try_to(self.next_key())
        elif dice <= 76:
            self.anything()
        elif dice <= 86:
            self.note()
        elif dice <= 90:
            self.answer_a_request()
        else:
            self.later(0, 12)

    def next_key(self) -> str:
        """Choose a transition from here, those taken least first, those that end the walk less often."""
        here = [key for key, (_, edges) in MAY.items() if any(source == self.state for source, _ in edges)]
        if not here:
            return self.chance.choice(KEYS)
        weights = [(0.12 if key in LEAVING else 1.0) / (1 + self.taken[key]) ** 2 for key in here]
        return self.chance.choices(here, weights)[0]

    def try_to(self, key: str) -> None:
        """Prepare a transition and take it, often after somebody who may not has tried; mostly ask a second person."""
        prepare = PREPARE.get(key)
        values = prepare(self) if prepare else {}
        if self.likely(40):
            self.world.move(
                NAMES[key], self.chance.choice([one for one in CAST if one.role not in MAY[key][0]]), **values
            )
        if key == "T12" and self.likely(50):
            self.signed(self.world.plan("injection_session", self.anybody(P), **values))
            return
        self.signed(self.world.move(NAMES[key], self.anybody(*MAY[key][0]), **values))

    def signed(self, decision: Decision) -> None:
        """Ask a second person, mostly another one, mostly in time."""
        if decision.outcome is not Outcome.NEEDS_SIGN_OFF or not self.likely(85):
            return
        if self.likely(10):
            self.later(1, 4)
        answer: Values = {"answer": "yes" if self.likely(95) else "no"}
        self.world.do(self.anybody(A, L), Kind.SIGN_OFF, answer, of=decision.command.id)

    def anything(self) -> None:
        """Somebody tries something, wherever it may lead: well prepared in the wrong place, or out of the blue."""
        key = self.chance.choice(KEYS)
        if self.likely(50) and key != "T25":
            self.try_to(key)
            return
        values: Values = (
            {"to": self.chance.choice([*STEPS, *ENDED, "maintenance", "nowhere"])} if self.likely(40) else {}
        )
        self.world.move(self.chance.choice([key, NAMES[key], "fly"]), self.chance.choice(CAST), **values)

    def note(self) -> None:
        """Something is recorded: a finding, a contact, a document; now and then a red flag."""
        found: Values = screen(self.world.compiled)
        flag = self.chance.choice(sorted(found))
        found |= {flag: self.chance.choice(["absent", "absent", "unknown", "present", None])}
        choices: list[tuple[str, Values]] = [
            ("red_flag_screen", {key: value for key, value in found.items() if value is not None}),
            ("reassessment", self.chance.choice([better, no_better])()),
            ("document", {"what": "result", "received_on": on(today(self.world))}),
            ("adverse_event", {"what": "bleeding", "serious": False}),
            ("complexity", {"complex": self.likely(50), "why": ["work"]}),
            ("consent", {"given": self.likely(90), "text_version": "1"}),
        ]
        form, values = self.chance.choice(choices)
        self.world.record(form, self.chance.choice(CAST) if self.likely(20) else self.anybody(A), **values)

    def answer_a_request(self) -> None:
        """Anybody answers any request, open or not, their own among them."""
        if self.world.episode.requests:
            request = self.chance.choice(self.world.episode.requests)
            by = self.chance.choice([*CAST, request.command.actor])
            self.world.do(by, Kind.SIGN_OFF, {"answer": self.chance.choice(["yes", "no"])}, of=request.id)

    def leave_a_question_open(self) -> None:
        """Plan an injection with one question not answered, and with another one, and another."""
        values = injection(self)
        for question in self.chance.sample(QUESTIONS, 3):
            rest = {key: value for key, value in values.items() if key != question}
            self.world.plan("injection_session", self.anybody(P), **rest)


# --- what each transition needs beforehand ------------------------------------------------------------------------


def screened(walk: Walk) -> None:
    """Screen for red flags: nothing found."""
    walk.record("red_flag_screen", A, **screen(walk.world.compiled))


def assessed(walk: Walk) -> Values:
    """Record what is needed before a step; now and then something is forgotten."""
    if walk.likely(20):
        walk.later(0, 5)
    if walk.likely(94):
        walk.record("consent", A, given=True, text_version="1")
    if walk.likely(94):
        screened(walk)
    if walk.likely(98):
        walk.record("assessment", A, **findings())
    walk.record("trigger_point", A, **point())
    walk.world.start("self_management", walk.anybody(A), **self_care())
    return dict(LIKED)


def above_step1(walk: Walk) -> Values:
    """The same, with a reason and evidence for beginning above step 1."""
    values = assessed(walk)
    walk.record("complexity", A, complex=True, why=["work"])
    told: Values = {"c1_acknowledged": True, "c1_patient_told": True}
    return {**values, **told, "reason": "patient_preference", "evidence": "seen elsewhere"}


def reassessed(walk: Walk, **changes: Json) -> Values:
    """Wait for the window, mostly, then screen and reassess."""
    if walk.likely(90):
        walk.later(14, 20)
    screened(walk)
    walk.record("reassessment", A, **no_better(**changes))
    return {**LIKED, "why": "as agreed"}


def stepped(to: str) -> Callable[[Walk], Values]:
    """Give what a step up from step 2 needs: its parts given, told of the conflict about injections, complex."""

    def prepared(walk: Walk) -> Values:
        walk.world.start("exercise_programme", walk.anybody(A), **exercise())
        walk.world.start("massage", walk.anybody(A), technique="other")
        walk.record("complexity", A, complex=True, why=["work"])
        told: Values = {"c1_acknowledged": True, "c1_patient_told": True, "technique": "injection"}
        return {**reassessed(walk), **told, "to": to}

    return prepared


def after_injections(walk: Walk) -> Values:
    """Step 3 did not help a complex case."""
    walk.record("complexity", A, complex=True, why=["work"])
    return reassessed(walk)


def injection(walk: Walk) -> Values:
    """Give the plan of a session at a point palpated today, red flags screened today."""
    walk.record("allergies", A, **NO_ALLERGIES)
    screened(walk)
    walk.record("trigger_point", A, **point())
    day = today(walk.world)
    told: Values = {"c1_acknowledged": True, "c1_patient_told": True, "last_plan_on": on(day)}
    return session(walk.world, walk.world.episode.records[-1].id, **told, privilege_until=on(day + 30))


def another_injection(walk: Walk) -> Values:
    """One session planned and done, two weeks, a little better: another one."""
    walk.world.start("exercise_programme", walk.anybody(A), **exercise())
    first = walk.world.plan("injection_session", walk.anybody(P), **injection(walk))
    if first.outcome is Outcome.ACCEPTED:
        spot = walk.world.episode.records[-2].id
        walk.world.do(walk.anybody(P), Kind.RECORD, {"form": "injection_record", **session_record(walk.world, spot)})
        if walk.likely(12):
            walk.world.move("died", walk.anybody(C), source="the clinic")
    reassessed(walk, nprs=6)
    return injection(walk)


def lower(walk: Walk) -> Values:
    """Down to a lower step, mostly."""
    position = STEPS.index(walk.state) if walk.state in STEPS else 0
    target = walk.chance.choice(STEPS[:position] or STEPS)
    return {**LIKED, "to": target, "reason": "patient_preference", "stops": "the rest", "stays": "exercise"}


def improved(walk: Walk) -> Values:
    """Everything is better."""
    screened(walk)
    walk.world.start("self_management", walk.anybody(A), **self_care())
    walk.record("reassessment", A, **better())
    return {**LIKED, "relapse_plan": True, "next_contact": on(today(walk.world) + 28), "why": "all agree"}


def worse_again(walk: Walk) -> Values:
    """The person says it is back."""
    screened(walk)
    return {**LIKED, "to": walk.chance.choice(STEPS), "basis": "patient_report", "why": "worked before"}


def held(walk: Walk) -> Values:
    """The improvement holds at the follow-up."""
    walk.later(26, 32)
    walk.record("maintenance_review", A, nprs=2, holding=True)
    return {"summary": True}


def worried(walk: Walk) -> Values:
    """Somebody is worried, with or without knowing why."""
    if walk.likely(30):
        return {}
    return {"urgency": walk.chance.choice(["routine", "urgent", "emergency"]), "flags": ["systemic_illness"]}


def evaluated(walk: Walk) -> Values:
    """The result of the evaluation; back, or where chance wants to go."""
    values: Values = {"outcome": "no_serious_cause", "result_on": on(today(walk.world)), "document": "letter"}
    return values if walk.likely(80) else {**values, "to": walk.chance.choice([*STEPS, "assessment"])}


def paused(walk: Walk) -> Values:
    """A hold, now and then too long."""
    return {"reason": "travel", "until": on(today(walk.world) + walk.chance.choice([0, 10, 40, 90, 91]))}


def back(walk: Walk) -> Values:
    """After the hold."""
    walk.later(1, 40)
    if walk.likely(80):
        screened(walk)
    return {}


def unreachable(walk: Walk) -> Values:
    """Nobody answers for eight weeks."""
    walk.later(56, 60)
    for channel in ("telephone", "sms", "email"):
        walk.world.do(walk.anybody(C), Kind.CONTACT, {"channel": channel, "result": "no_answer"})
    return {}


def with_screen(walk: Walk) -> Values:
    """Back after the episode was closed."""
    if walk.likely(90):
        walk.later(0, 40)
    screened(walk)
    return {"reason": "came_back"}


PREPARE: dict[str, Callable[[Walk], Values]] = {
    "T3": lambda _: {"reason": "other_cause", "goes_to": "clinic"},
    "T4": assessed,
    "T5": above_step1,
    "T6": above_step1,
    "T7": above_step1,
    "T8": reassessed,
    "T9": stepped("injection"),
    "T10": stepped("multidisciplinary"),
    "T11": after_injections,
    "T12": another_injection,
    "T13": lower,
    "T14": improved,
    "T15": worse_again,
    "T16": held,
    "T17": worried,
    "T18": lambda _: {"tried": "all there is", "question": "another cause"},
    "T19": evaluated,
    "T20": paused,
    "T21": back,
    "T22": lambda _: {"reason": "other_care", "risk_told": True},
    "T23": lambda _: {
        "sub_reason": "no_further_benefit",
        "safety_net": True,
        "summary": True,
        "evaluation": "not_needed",
        "evaluation_why": "seen elsewhere",
    },
    "T24": lambda walk: {"receiver": "clinic", "accepted_on": on(today(walk.world))},
    "T25": unreachable,
    "T26": lambda _: {"source": "family"},
    "T27": lambda _: {"reason": "test_entry"},
    "T28": with_screen,
    "T29": lambda _: {"proof": "a telephone call"},
}
