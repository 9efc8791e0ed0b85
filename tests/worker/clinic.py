"""A clinic for the worker's tests: a real database, the shipped pathway, a clock that goes where it is told.

Its channels write down what they were given and answer what they were told to; nothing leaves the machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from engine.audit import instant
from engine.model import Actor, Command, Episode, Json, Kind, Message, Outcome, Role
from engine.service import Answer
from stepcare.app import App, VirtualClock, assembled
from stepcare.channels.configured import Configured
from stepcare.channels.port import Channel, OnUnknown, Parcel, Result, accepted
from stepcare.channels.rates import Rate, Rates
from stepcare.publishing import publish
from stepcare.worker.run import Plan, Worker
from storage.database import Database
from storage.staff import Colleague, Staff
from storage.vault import Details
from tests.storage.homes import Home
from workflows.load import Loaded

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
FAST = Rate(per_second=1e6, burst=1_000_000)
SCREENED = (
    *("cord_signs", "saddle_anaesthesia", "chest_pattern", "worst_headache", "significant_trauma", "systemic_illness"),
    *("non_mechanical_pain", "structural_deformity", "abdominal_pattern", "shingles_rash", "inflammatory_pattern"),
    *("unchanged_despite_treatment", "cancer_history", "immunosuppression", "recent_infection", "age_at_onset"),
)
# How somebody comes to self-care, from where a reassessment is owed in two weeks and reminded of.
COURSE: tuple[tuple[str, Kind, dict[str, Json]], ...] = (
    ("ann", Kind.MOVE, {"transition": "start_assessment"}),
    ("ravi", Kind.RECORD, {"form": "consent", "given": True, "text_version": "1"}),
    ("ravi", Kind.RECORD, {"form": "red_flag_screen", **dict.fromkeys(SCREENED, "absent")}),
    (
        "ravi",
        Kind.RECORD,
        {
            "form": "assessment", "complete": True, "palpation": "points_found", "associated_symptoms": ["none"],
            "rom": [{"movement": "rotation", "side": "left", "finding": "limited"}], "affected_muscles": ["rhomboids"],
            "nprs": 7, "psfs": {"lifting": 3, "desk": 4}, "function_goal": "carry a rucksack",
            "preference": "agrees_with_plan",
        },
    ),
    (
        "ravi",
        Kind.RECORD,
        {
            "form": "trigger_point", "muscle": "rhomboids", "side": "left", "taut_band": True,
            "hypersensitive_spot": True, "spot_in_band": True, "pain_elicited": True, "palpation_pain": 7,
            "referred_pain": "yes",
        },
    ),
    (
        "ravi",
        Kind.START,
        {
            "form": "self_management", "heat": "given", "heat_safe": True, "education": "given",
            "activity_modification": "given", "activities": [{"what": "long sitting"}], "self_massage": "given",
        },
    ),
    ("ravi", Kind.MOVE, {"transition": "enter_step1", "preference": "agrees_with_plan"}),
)  # fmt: skip
ANN = Actor(id="ann", role=Role.COORDINATOR)
RAVI = Actor(id="ravi", role=Role.ASSESSOR)
OLGA = Actor(id="olga", role=Role.PATHWAY_OWNER)


@dataclass(slots=True)
class Recorder:
    """A channel that writes down every parcel, and answers `answer` (once each of `answers` was given)."""

    name: str = "email"
    on_unknown: OnUnknown = "hand_over"
    at_once: int = 2
    deadline: float = 5.0
    clock: Callable[[], datetime] = field(default=lambda: MORNING)
    answer: Callable[[Parcel], Result] = field(default=lambda parcel: accepted("taken", f"ref-{parcel.key}"))
    answers: list[Result] = field(default_factory=list)
    asked: Callable[[Parcel], Result | None] = field(default=lambda _: None)
    before: Callable[[Parcel], None] = field(default=lambda _: None)
    got: list[tuple[datetime, Parcel]] = field(default_factory=list)

    def send(self, parcel: Parcel) -> Result:
        """Write it down, and answer."""
        self.before(parcel)
        self.got.append((self.clock(), parcel))
        return self.answers.pop(0) if self.answers else self.answer(parcel)

    def ask(self, parcel: Parcel) -> Result | None:
        """Say what it was told to say."""
        return self.asked(parcel)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def keys(self) -> list[str]:
        """Give the key of every parcel that came."""
        return [parcel.key for _, parcel in self.got]


class Clinic:
    """One open database with the pathway in force, and as many workers as a test likes."""

    def __init__(self, home: Home, pack: Loaded, clock: VirtualClock | None = None) -> None:
        """Open it at nine on a Monday."""
        self.home = home
        self.clock = clock or VirtualClock(MORNING)
        self.database: Database = home.open()
        self.app: App = assembled(self.database, self.clock)
        self.email, self.console, self.sms = (self.recorder(name) for name in ("email", "console", "sms"))
        self._ids = count(1)
        if not self.app.store.site().pathways:
            answer = publish(self.app, pack, OLGA, self.app.make_id())
            assert answer.decision.outcome is Outcome.ACCEPTED, answer.decision.problem

    def recorder(self, name: str, **said: Any) -> Recorder:
        """Make a channel on this clinic's clock."""
        return Recorder(name=name, clock=self.clock, **said)

    def close(self) -> None:
        """Close the database."""
        self.app.writer.close()
        self.database.close()

    # --- what people do ---------------------------------------------------------------------------------------------

    def do(self, by: Actor, kind: Kind, episode: str, values: Mapping[str, Json], of: str | None = None) -> Answer:
        """Give a command that must be accepted."""
        command = Command(id=self.app.make_id(), kind=kind, actor=by, episode=episode, values=dict(values), of=of)
        answer = self.app.engine.handle(command)
        assert answer.decision.outcome is Outcome.ACCEPTED, (answer.decision.problem, answer.decision.failed)
        return answer

    def patient(self, *, channel: str = "email", **contacts: str) -> str:
        """Register somebody who agreed to messages, and start self-care; gives the episode."""
        number = next(self._ids)
        episode, person = f"e{number}", f"p{number}"
        known = contacts or {"email": f"{person}@example.org", "sms": f"+49{number:09}"}
        self.app.store.add_person(person, Details(name="Alva Ludens", contacts=known), self.clock())
        self.registered(person, episode, contact_channel=channel)
        for by, kind, values in COURSE:
            self.do(ANN if by == "ann" else RAVI, kind, episode, values)
        return episode

    def registered(self, person: str, episode: str, **said: Json) -> str:
        """Register an episode of somebody who is known; gives it."""
        usual: dict[str, Json] = {"patient": person, "region": "upper_back", "problem": "both", "onset": "2026-01-12"}
        self.do(ANN, Kind.REGISTER, episode, {**usual, "contact_consent": True, "contact_channel": "email", **said})
        return episode

    def colleague(self, id_: str, role: Role, **contacts: str) -> None:
        """Add a colleague with these addresses."""
        Staff(self.database).add(Colleague(id=id_, roles=(role,), contacts=contacts, channels=tuple(contacts)))

    def absence(self, who: str, cover: str, since: datetime, until: datetime) -> None:
        """Say that somebody is away, and who stands in."""
        values: dict[str, Json] = {"who": who, "cover": cover, "from": instant(since), "until": instant(until)}
        command = Command(id=self.app.make_id(), kind=Kind.ABSENCE, actor=ANN, values=values)
        answer = self.app.engine.handle(command)
        assert answer.decision.outcome is Outcome.ACCEPTED, answer.decision.problem

    # --- the worker -------------------------------------------------------------------------------------------------

    def worker(self, *channels: Channel, rate: Rate = FAST, app: App | None = None, **plan: Any) -> Worker:
        """Put a worker together on the clinic's own clocks."""
        ways = channels or (self.email, self.console, self.sms)
        rates = Rates(channel=rate, person=FAST)
        configured = Configured(
            channels={one.name: one for one in ways}, rates={one.name: rates for one in ways}, site_rate=FAST
        )
        made = Plan(ways=configured, id="test", **plan)
        return Worker(app or self.app, made, monotonic=self.seconds, steady=self.seconds)

    def seconds(self) -> float:
        """Give the clinic's clock as seconds, for what counts them."""
        return self.clock().timestamp()

    def go(self, until: datetime, worker: Worker) -> None:
        """Let time pass to an instant, the worker acting at each instant at which something is due."""
        while True:
            due = worker.pump.next_due()
            if due is None or due > until:
                break
            self.clock.forward_to(max(due, self.clock()))
            before = self.clock()
            worker.once()
            if worker.pump.next_due() == due and self.clock() == before:
                self.clock.forward_to(before + timedelta(seconds=30))
        self.clock.forward_to(max(until, self.clock()))

    def episode(self, name: str = "e1") -> Episode:
        """Give an episode as it is now."""
        return self.app.store.episode(name)

    def messages(self, name: str = "e1", **said: object) -> list[Message]:
        """Give an episode's messages that have these values."""
        return [
            one for one in self.episode(name).messages if all(getattr(one, key) == value for key, value in said.items())
        ]


def another(home: Home, clinic: Clinic) -> App:
    """Open the same database once more, as another process would."""
    return assembled(home.open(), clinic.clock)


__all__ = ["DAY", "MORNING", "Clinic", "Recorder", "another"]
