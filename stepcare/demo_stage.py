"""The stage of the demonstration: a virtual clock, the tellings on it, and the one door they all go through.

A telling says what somebody does next, or until when nothing happens; it hears what came of it. All that is asked at
one instant goes through the door together (`Engine.handle_each`), which decides each by itself and keeps those of
different episodes in one commit. Before any of it the timers due by then have fired, each at its own instant.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from engine.errors import StepcareError
from engine.model import Actor, Command, Episode, Json, Kind, Override
from engine.pathway import Pathway
from engine.service import Answer
from engine.time import at_local, local_day
from stepcare.app import MOST_TIMERS, App, VirtualClock
from storage.refs import new_ref
from storage.vault import Details

T = TypeVar("T")
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody asks for; the stage makes it a command. `alias` is the story's own name of the episode."""

    by: Actor
    kind: Kind
    alias: str | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    of: str | None = None
    overrides: tuple[Override, ...] = ()
    occurred_at: datetime | None = None
    key: str | None = None


Asked = tuple[Act, ...]
Heard = tuple[Answer, ...]
Telling = Generator[Asked | datetime, Heard, T]
Audience = Callable[[str | None, Act | None, Answer], None]


@dataclass(slots=True)
class _Scene:
    telling: Telling[None]
    heard: Heard | None = None
    asked: Asked = ()


@dataclass(slots=True, kw_only=True)
class Stage:
    """Where the story happens, from the first day's midnight to `ends`.

    `audience` hears every answer, the timers' too, with the alias of the episode. `episodes` are as last heard of.
    """

    app: App
    clock: VirtualClock
    random: Callable[[int], bytes]
    pathway: Pathway
    zone: str
    first: date
    ends: datetime
    audience: Audience
    episodes: dict[str, Episode] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    _aliases: dict[str, str] = field(default_factory=dict)
    _waiting: list[tuple[datetime, int, _Scene]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    # --- time

    @property
    def today(self) -> date:
        """Give the day it is."""
        return local_day(self.clock(), self.zone)

    @property
    def day(self) -> int:
        """Give the number of the day it is; the first is 0."""
        return (self.today - self.first).days

    @property
    def last_day(self) -> int:
        """Give the number of the last day of the story."""
        return (local_day(self.ends, self.zone) - self.first).days

    def at(self, day: int, clock: time) -> datetime:
        """Give the instant of a wall time on a day of the story."""
        return at_local(self.first + timedelta(days=day), clock, self.zone)

    # --- who is here

    def person(self, alias: str, details: Details) -> str:
        """Give the reference of a person; a new one's identity goes to the vault."""
        if alias not in self.persons:
            self.persons[alias] = new_ref("p", self.random)
            self.app.store.add_person(self.persons[alias], details, self.clock())
        return self.persons[alias]

    def ref(self, alias: str) -> str:
        """Give the reference of an episode, a fresh one for a new alias."""
        if alias not in self.refs:
            self.refs[alias] = new_ref("e", self.random)
            self._aliases[self.refs[alias]] = alias
        return self.refs[alias]

    # --- the story

    def begin(self, telling: Telling[None], at: datetime) -> None:
        """Let a telling begin at an instant."""
        self._push(at, _Scene(telling))

    def play(self, tick: Callable[[], None]) -> None:
        """Play everything that happens until the end; `tick` is called once a day."""
        day = 0
        while self._waiting and self._waiting[0][0] <= self.ends:
            now = self._waiting[0][0]
            self._pass_time(now)
            for _ in range(day, self.day):
                tick()
            day = max(day, self.day)
            self._happens(now)
        self._pass_time(self.ends)

    def _push(self, at: datetime, scene: _Scene) -> None:
        heappush(self._waiting, (at, next(self._numbers), scene))

    def _happens(self, now: datetime) -> None:
        """Let everybody whose moment it is ask once, and hear."""
        asking: list[_Scene] = []
        while self._waiting and self._waiting[0][0] <= now:
            scene = heappop(self._waiting)[2]
            until = self._goes_on(scene, now)
            if until is not None:
                self._push(until, scene)
            elif scene.asked:
                asking.append(scene)
        acts = [act for scene in asking for act in scene.asked]
        answers = iter(self._answers(acts))
        for scene in asking:
            scene.heard = tuple(next(answers) for _ in scene.asked)
            self._push(now + A_MINUTE, scene)

    def _goes_on(self, scene: _Scene, now: datetime) -> datetime | None:
        """Let a telling go on; gives until when it waits, None when it asks something or is over (asks nothing)."""
        scene.asked = ()
        while True:
            try:
                said = next(scene.telling) if scene.heard is None else scene.telling.send(scene.heard)
            except StopIteration:
                return None
            scene.heard = ()
            if not isinstance(said, datetime):
                scene.asked = said
                return None if said else now + A_MINUTE
            if said > now:
                return said

    def _answers(self, acts: list[Act]) -> list[Answer]:
        found = []
        for act, answer in zip(acts, self.app.engine.handle_each([self._command(act) for act in acts]), strict=True):
            if isinstance(answer, Exception):
                raise answer
            self._heard(act, answer)
            found.append(answer)
        return found

    def _command(self, act: Act) -> Command:
        return Command(
            id=self.app.make_id(),
            kind=act.kind,
            actor=act.by,
            episode=self.ref(act.alias) if act.alias else None,
            values=act.values,
            of=act.of,
            overrides=act.overrides,
            occurred_at=act.occurred_at,
            key=act.key,
        )

    def _heard(self, act: Act | None, answer: Answer) -> None:
        alias = self._aliases.get(answer.decision.command.episode or "")
        if alias is not None and isinstance(answer.after, Episode):
            self.episodes[alias] = answer.after
        self.audience(alias, act, answer)

    def _pass_time(self, until: datetime) -> None:
        """Let time pass: the timers fire, each at its own instant, and the clock ends at `until`."""
        store = self.app.store
        for _ in range(MOST_TIMERS):
            due = store.due_timers(until, 1)
            if not due:
                self.clock.forward_to(until)
                return
            episode, timer = due[0]
            at = next(one.at for one in store.episode(episode).timers if one.id == timer)
            self.clock.forward_to(max(at, self.clock()))
            for answer in self.app.engine.fire_due(self.app.make_id):
                self._heard(None, answer)
        raise StepcareError(f"Timers keep falling due before {until.astimezone(UTC)}: a ladder never ends.")
