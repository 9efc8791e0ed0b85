"""Play files: a story of timed commands, read whole and checked before the first one runs.

What the commands mean is the engine's business; here it is only settled who asks what, when, and of which episode.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.errors import BadScenario, Finding, InvalidInput
from engine.model import Actor, Json, Kind, Outcome, Override, Role, Values
from engine.time import at_local, clock_from, zone
from workflows.places import Keys, Place, Places, found
from workflows.shape import near
from workflows.yaml_source import Source, read_yaml, yaml_from

WAIT = "wait"  # no command: the clock moves on and timers fire
COMMANDS = (*(kind.value for kind in Kind if kind is not Kind.FIRE), WAIT)
OF_THE_SITE = (Kind.PUBLISH, Kind.SET_PARAMETER)
ONLY = "episode"  # the alias of an episode that nobody named

SECTIONS = ("title", "pathway", "start", "zone", "actors", "parameters", "do")
ACTOR_KEYS = ("role", "teams", "person")
LINE_KEYS = ("at", "occurred_at", "by", "command", "episode", "with", "of", "as", "key", "overrides", "expect")
OVERRIDE_KEYS = ("rule", "reason", "text")
EXPECT_KEYS = (
    *("at", "by", "command", "episode", "outcome", "state_before", "state", "rules", "failed", "prompts"),
    *("recommended", "taken", "due_items", "timers", "messages", "derived", "entry", "problem", "transition"),
)

OFFSET = re.compile(r"\+(?=\d)(?:(?P<days>\d{1,5})d)?\s*(?:(?P<hours>\d{1,6})h)?\s*(?:(?P<minutes>\d{1,6})m)?")
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?P<offset>Z|[+-]\d\d:\d\d)?")
HOW_TO_SAY_WHEN = "write +20d, +14d 10:00, +2h or an instant such as 2026-03-02T09:00:00+01:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story.

    `said_at` is the time as written, `at` the instant it means (UTC); `occurred_at` None: then. `command` None:
    nobody acts, timers fire up to `at`. `episode` is the file's alias, None for the site's commands. `named` is
    what later lines may call this request by (`as`), `of` such a name of an earlier line. `expect` None: anything.
    """

    said_at: str
    at: datetime
    place: Place
    occurred_at: datetime | None = None
    by: str | None = None
    command: Kind | None = None
    episode: str | None = None
    values: Values = field(default_factory=dict)
    named: str | None = None
    of: str | None = None
    key: str | None = None
    overrides: tuple[Override, ...] = ()
    expect: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A story: where it plays, who is in it, and its lines in the order of time. `pathway` is a name or a folder."""

    title: str
    pathway: str
    start: datetime
    zone: str
    actors: Mapping[str, Actor]
    parameters: Mapping[str, Json]
    do: tuple[Line, ...]
    places: Places


def read_scenario(path: Path) -> Scenario:
    """Read a play file; raises BadScenario with every finding."""
    return _scenario(read_yaml(path))


def scenario_from(data: bytes, file: str) -> Scenario:
    """Read a play file's bytes; `file` is what findings call them."""
    return _scenario(yaml_from(data, file))


def _scenario(source: Source) -> Scenario:
    reading = _Reading(source)
    scenario = reading.scenario() if source.data else None
    findings = sorted((*source.findings, *reading.findings), key=lambda one: (one.line, one.column))
    if findings or scenario is None:
        raise BadScenario(findings)
    return scenario


class _Reading:
    """One file being checked: what is wrong is noted, and reading goes on with what can still be read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Finding] = []
        self.start: datetime | None = None
        self.zone = "UTC"
        self.actors: dict[str, Actor] = {}
        self.aliases: tuple[str, ...] = ()
        self.registered: set[str] = set()
        self.named: dict[str, tuple[str | None, Place]] = {}
        self.latest: datetime | None = None

    # --- the head of the file

    def scenario(self) -> Scenario | None:
        """Read everything; None where there is no start to count from."""
        data = self.source.data
        self.unknown(data, (), SECTIONS)
        title, pathway = self.text(data, (), "title"), self.needed_text(data, (), "pathway")
        self._zone(data)
        self._start(data)
        for name, said in self.mapping(data, (), "actors").items():
            self._actor(name, said)
        lines = self.listed(data, (), "do")
        if not lines:
            self.find(("do",), "play-missing", "`do` is missing or empty: expected a list of lines")
        self.aliases = self._aliases(lines)
        read = [self._line(position, line) for position, line in enumerate(lines)]
        if self.start is None:
            return None
        return Scenario(
            title=title or "",
            pathway=pathway,
            start=self.start,
            zone=self.zone,
            actors=self.actors,
            parameters=self.mapping(data, (), "parameters"),
            do=tuple(line for line in read if line),
            places=self.source.places,
        )

    def _zone(self, data: Mapping[str, Json]) -> None:
        name = self.needed_text(data, (), "zone")
        try:
            self.zone = zone(name).key if name else "UTC"
        except InvalidInput as error:
            self.find(("zone",), "play-value", str(error))

    def _start(self, data: Mapping[str, Json]) -> None:
        said = self.needed_text(data, (), "start")
        if said:
            self.start = self._instant(said, ("start",))

    def _actor(self, name: str, said: Json) -> None:
        """Take `ann: coordinator`, or a mapping where care teams or the person behind several roles matter."""
        path: Keys = ("actors", name)
        about: Mapping[str, Json] = said if isinstance(said, dict) else {"role": said}
        self.unknown(about, path, ACTOR_KEYS)
        role = about.get("role")
        roles = tuple(Role)
        if role not in roles:
            at: Keys = (*path, "role") if "role" in about and isinstance(said, dict) else path
            self.find(at, "play-value", f"expected a role, found {found(role)}: {near(str(role), roles)}")
            role = Role.OUTSIDER
        teams = [team for team in self.listed(about, path, "teams") if isinstance(team, str)]
        person = self.text(about, path, "person") or name
        # Kept even when wrong, so that its lines are not reported a second time as nobody's.
        self.actors[name] = Actor(id=person, role=Role(str(role)), teams=frozenset(teams or {"main"}))

    def _aliases(self, lines: list[Json]) -> tuple[str, ...]:
        """Give the episodes the story tells of, by the lines that register them."""
        registers = [line for line in lines if isinstance(line, dict) and line.get("command") == Kind.REGISTER]
        return tuple(dict.fromkeys(str(line.get("episode") or ONLY) for line in registers))

    # --- its lines

    def _line(self, position: int, said: Json) -> Line | None:
        path: Keys = ("do", position)
        if not isinstance(said, dict):
            self.find(path, "play-value", f"expected a line such as {{at: +0d, …}}, found {found(said)}")
            return None
        self.unknown(said, path, LINE_KEYS)
        place = self.source.places.of(path) or Place(file=self.source.file, line=1, column=1)
        kind = self._command(said, path)
        at, at_said = self._at(said, path)
        occurred = self.text(said, path, "occurred_at")
        of = self._of(said, path)
        episode = self._episode(said, path, kind, of)
        line = Line(
            said_at=at_said,
            at=at or datetime.min.replace(tzinfo=UTC),
            occurred_at=self._when(occurred, (*path, "occurred_at")) if occurred else None,
            place=place,
            by=self._by(said, path, kind),
            command=kind,
            episode=episode,
            values=self.mapping(said, path, "with"),
            named=self._named(said, path, episode),
            of=of,
            key=self.text(said, path, "key"),
            overrides=tuple(self._overrides(said, path)),
            expect=self._expect(said, path),
        )
        return line if at else None

    def _command(self, said: Mapping[str, Json], path: Keys) -> Kind | None:
        name = self.needed_text(said, path, "command")
        if name and name not in COMMANDS:
            self.find((*path, "command"), "play-value", f"there is no command {name[:60]!r}: {near(name, COMMANDS)}")
        if name == WAIT:
            for key in ("by", "occurred_at", "with", "of", "as", "key", "overrides"):
                if key in said:
                    self.find((*path, key), "play-wait", f"`wait` does nothing, so it has no `{key}`: remove it", key=True)
        return Kind(name) if name in COMMANDS and name != WAIT else None

    def _at(self, said: Mapping[str, Json], path: Keys) -> tuple[datetime | None, str]:
        """Give the instant of a line, which must not be before that of the line above."""
        text = self.needed_text(said, path, "at")
        at = self._when(text, (*path, "at")) if text else None
        if at is None or self.start is None:
            return None, text
        floor = max(self.latest or self.start, self.start)
        if at < floor:
            before = "the line above" if self.latest else "the start"
            message = f"{text} is {at.isoformat()}, before {before} ({floor.isoformat()}): time only goes forward"
            self.find((*path, "at"), "play-order", message)
        self.latest = max(at, floor)
        return at, text

    def _when(self, said: str, path: Keys) -> datetime | None:
        if not said.startswith("+"):
            return self._instant(said, path)
        offset, _, clock = said.partition(" ") if re.search(r" \d\d:\d\d$", said) else (said, "", "")
        offset, clock = (said[:-6], said[-5:]) if clock or re.search(r" \d\d:\d\d$", said) else (said, "")
        match = OFFSET.fullmatch(offset.strip())
        if match is None or (clock and (match["hours"] or match["minutes"])):
            self.find(path, "play-time", f"{said[:40]!r} is no time here: {HOW_TO_SAY_WHEN}")
            return None
        return self._offset(match, clock, path) if self.start else None

    def _offset(self, match: re.Match[str], clock: str, path: Keys) -> datetime | None:
        """Count days on the local calendar, then hours and minutes exactly."""
        days, hours, minutes = (int(match[part] or 0) for part in ("days", "hours", "minutes"))
        exact = timedelta(hours=hours, minutes=minutes)
        assert self.start is not None  # noqa: S101 # its only caller asked
        try:
            if not days and not clock:
                return self.start + exact
            local = self.start.astimezone(zone(self.zone))
            time = clock_from(clock) if clock else local.time()
            return at_local(local.date() + timedelta(days=days), time, self.zone) + exact
        except InvalidInput as error:
            self.find(path, "play-time", str(error))
        except OverflowError:
            self.find(path, "play-time", "this lies beyond the calendar: give fewer days")
        return None
