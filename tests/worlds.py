"""A small world for tests: the shipped pathway, a cast of invented people, and a clock that goes where it is told.

Pure: it uses `decide`, `fire` and `fold` only, so a test of a clinical rule needs no database. Every decision is
kept, and `World.replayed` decides all of them again.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path

from engine.compile import compile_pathway
from engine.compiled import Compiled
from engine.decide import decide
from engine.decision import Decision
from engine.fold import fold, fold_person
from engine.model import Actor, Command, Episode, Json, Kind, Outcome, Override, Person, Role
from engine.pathway import Pathway
from engine.service import parameters_hash
from engine.time import at_local
from workflows.load import load_pack

PACK = Path(__file__).parent.parent / "workflows" / "mid_upper_back"
ZONE = "Europe/Berlin"
START = date(2026, 3, 2)

ANN = Actor(id="ann", role=Role.COORDINATOR)
RAVI = Actor(id="ravi", role=Role.ASSESSOR)
PIA = Actor(id="pia", role=Role.PROCEDURALIST)
LENA = Actor(id="lena", role=Role.LEAD)
AZIZ = Actor(id="aziz", role=Role.AUDITOR)
OLGA = Actor(id="olga", role=Role.OUTSIDER)
WORKER = Actor(id="worker", role=Role.SERVICE)


@cache
def shipped() -> Pathway:
    """Give the shipped pathway, loaded once."""
    return load_pack(PACK).pathway


@cache
def compiled_shipped() -> Compiled:
    """Give the shipped pathway compiled with its default parameters."""
    return compiled(shipped())


def compiled(pathway: Pathway, **settings: Json) -> Compiled:
    """Compile a pathway with a site's settings."""
    return compile_pathway(pathway, hash_="0" * 64, parameters_hash=parameters_hash(settings), settings=settings)


@dataclass(slots=True)
class World:
    """One episode and its person, and everything that was decided about it."""

    compiled: Compiled = field(default_factory=compiled_shipped)
    now: datetime = field(default_factory=lambda: at_local(START, time(9), ZONE))
    episode: Episode = field(
        default_factory=lambda: Episode(id="e1", person=Person(id="p1"), zone=ZONE, pathway="0" * 64)
    )
    decisions: list[tuple[Episode, Decision]] = field(default_factory=list)
    count: int = 0

    def day(self, number: int, clock: time = time(9)) -> "World":
        """Go to a day after the start (0 is the first), firing what falls due on the way; never back."""
        self.to(at_local(START + timedelta(days=number), clock, ZONE))
        return self

    def to(self, instant: datetime) -> None:
        """Go to an instant, firing every timer on the way at its own instant."""
        while True:
            due = [timer for timer in self.episode.timers if timer.state == "armed" and timer.at <= instant]
            if not due:
                break
            timer = min(due, key=lambda one: (one.at, one.id))
            self.now = max(self.now, timer.at)
            self.do(WORKER, Kind.FIRE, of=timer.id)
        self.now = max(self.now, instant)

    def do(
        self,
        by: Actor,
        kind: Kind,
        values: dict[str, Json] | None = None,
        *,
        of: str | None = None,
        override: dict[str, str] | None = None,
        occurred: datetime | None = None,
    ) -> Decision:
        """Give a command, keep what it changes, and give the decision back."""
        self.count += 1
        command = Command(
            id=f"c{self.count}",
            kind=kind,
            actor=by,
            episode=self.episode.id,
            values=values or {},
            of=of,
            occurred_at=occurred,
            overrides=tuple(
                Override(rule=rule, reason=reason.partition(":")[0], text=reason.partition(":")[2])
                for rule, reason in (override or {}).items()
            ),
        )
        decision = decide(self.compiled, self.episode, command, self.now)
        self.decisions.append((self.episode, decision))
        if decision.outcome is not Outcome.INVALID:
            reads = decision.reads if decision.outcome is Outcome.ACCEPTED else ()
            person = fold_person(self.episode.person, self.episode.id, decision.events)
            after = fold(self.episode, decision.events, self.episode.version + 1, reads)
            self.episode = replace(after, person=person)
        return decision

    def record(self, form: str, by: Actor = RAVI, /, **values: Json) -> Decision:
        """Record a form."""
        return self.do(by, Kind.RECORD, {"form": form, **values})

    def move(self, transition: str, by: Actor = RAVI, /, **values: Json) -> Decision:
        """Ask for a move."""
        return self.do(by, Kind.MOVE, {"transition": transition, **values})

    def start(self, kind: str, by: Actor = RAVI, /, **values: Json) -> Decision:
        """Start a treatment."""
        return self.do(by, Kind.START, {"form": kind, **values})

    def plan(self, kind: str, by: Actor = PIA, /, **values: Json) -> Decision:
        """Plan a treatment."""
        return self.do(by, Kind.PLAN, {"form": kind, **values})

    def replayed(self) -> bool:
        """Decide everything again from what each decision saw, and say whether all are the same."""
        return all(
            decide(self.compiled, before, decision.command, decision.now) == decision
            for before, decision in self.decisions
        )


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Give an instant in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
