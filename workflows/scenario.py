"""Play files: a story of timed commands, read whole and checked before the first one runs.

What the commands mean is the engine's business; here it is only settled who asks what, when, and of which episode.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.custody import FIELDS as CUSTODY
from engine.errors import BadScenario, InvalidInput
from engine.model import Actor, Json, Kind, Outcome, Override, Role, Values
from engine.time import at_local, clock_from, zone
from workflows.checking import Checking
from workflows.places import Keys, Place, Places, found
from workflows.shape import near
from workflows.yaml_source import Source, read_yaml, yaml_from

WAIT = "wait"  # no command: the clock moves on and timers fire
OF_THE_SITE = (Kind.PUBLISH, Kind.SET_PARAMETER, Kind.ABSENCE)
# The worker's own, and what is done to the log and the vault.
NOT_OF_A_STORY = (Kind.FIRE, Kind.DELIVER, Kind.CLOCK, *CUSTODY)
COMMANDS = (*(kind.value for kind in Kind if kind not in NOT_OF_A_STORY), WAIT)
ONLY = "episode"  # the alias of an episode that nobody named

SECTIONS = ("title", "pathway", "start", "zone", "actors", "parameters", "do")
NOT_WAITING = {"by", "occurred_at", "with", "of", "as", "key", "overrides"}
NEVER = datetime.min.replace(tzinfo=UTC)  # stands where a time could not be read; such a file is refused
ACTOR_KEYS = ("role", "teams", "person")
LINE_KEYS = ("at", "occurred_at", "by", "command", "episode", "with", "of", "as", "key", "overrides", "expect")
OVERRIDE_KEYS = ("rule", "reason", "text")
EXPECT_KEYS = (
    *("at", "by", "command", "episode", "outcome", "state_before", "state", "rules", "failed", "prompts"),
    *("recommended", "taken", "due_items", "timers", "messages", "derived", "entry", "problem", "transition"),
    *("role", "occurred_at", "records", "flags", "deviations", "request", "relied_on_by", "repeated", "code"),
    *("asked", "id", "fired"),
)

OFFSET = re.compile(
    r"\+(?=\d)(?:(?P<days>\d{1,5})d)?(?:\s*\+?(?P<hours>\d{1,6})h)?(?:\s*\+?(?P<minutes>\d{1,6})m)?"
    r"(?:\s+(?P<clock>\d\d:\d\d))?"
)
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
    readable = source.whole and (source.data or not source.findings)
    scenario = reading.scenario() if readable else None
    findings = sorted((*source.findings, *reading.findings), key=lambda one: (one.line, one.column))
    if findings or scenario is None:
        raise BadScenario(findings)
    return scenario


# --- times --------------------------------------------------------------------------------------------------------


def instant_of(said: str) -> datetime:
    """Read an instant with its offset, in UTC; InvalidInput for one without, because it names no instant."""
    match = INSTANT.fullmatch(said)
    try:
        moment = datetime.fromisoformat(said) if match else None
        if match and not match["offset"]:
            raise InvalidInput(f"{said} has no offset: add one, such as +01:00 or Z")
        if moment is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{said[:40]!r} is no time here: {HOW_TO_SAY_WHEN}")


def moment_of(said: str, start: datetime, zone_name: str) -> datetime:
    """Read the time of a line: an instant, or an offset from the start.

    Days are counted on the zone's calendar, at the start's time of day or the one given; hours and minutes are
    exact. A time that a change of clocks skips moves forward, one that it repeats is the first. InvalidInput else.
    """
    if not said.startswith("+"):
        return instant_of(said)
    match = OFFSET.fullmatch(said)
    if match is None or (match["clock"] and (match["hours"] or match["minutes"])):
        raise InvalidInput(f"{said[:40]!r} is no time here: {HOW_TO_SAY_WHEN}")
    days, hours, minutes = (int(match[part] or 0) for part in ("days", "hours", "minutes"))
    try:
        exact = timedelta(hours=hours, minutes=minutes)
        if not days and not match["clock"]:
            return start + exact
        local = start.astimezone(zone(zone_name))
        clock = clock_from(match["clock"]) if match["clock"] else local.time().replace(fold=0)
        return at_local(local.date() + timedelta(days=days), clock, zone_name) + exact
    except OverflowError:
        raise InvalidInput(f"{said} lies beyond the calendar: count from a nearer start") from None


# --- the file -----------------------------------------------------------------------------------------------------


class _Reading(Checking):
    """One play file being checked."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, "play")
        self.start: datetime | None = None
        self.zone = "UTC"
        self.actors: dict[str, Actor] = {}
        self.aliases: tuple[str, ...] = ()
        self.registered: set[str] = set()
        self.named: dict[str, tuple[str | None, Place]] = {}
        self.latest: datetime | None = None

    def scenario(self) -> Scenario | None:
        """Read everything; None where there is no start to count from."""
        data = self.source.data
        self.unknown(data, (), SECTIONS)
        title, pathway = self.text(data, (), "title"), self.needed_text(data, (), "pathway")
        self._take_start(data)
        for name, said in self.mapping(data, (), "actors").items():
            self.actors[name] = self._actor(name, said)
        lines = self.listed(data, (), "do")
        if not data.get("do"):
            self.find(("do",), "missing", "`do` is missing: expected a list of lines such as {at: +0d, …}")
        self.aliases = _aliases(lines)
        read = [self._line(position, said) for position, said in enumerate(lines)]
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

    def _take_start(self, data: Mapping[str, Json]) -> None:
        """Settle where and when the story begins: nothing else can be placed in time without it."""
        name, said = self.needed_text(data, (), "zone"), self.needed_text(data, (), "start")
        try:
            self.zone = zone(name).key if name else "UTC"
        except InvalidInput as error:
            self.find(("zone",), "value", str(error))
        try:
            self.start = instant_of(said) if said else None
        except InvalidInput as error:
            self.find(("start",), "time", str(error))

    def _actor(self, name: str, said: Json) -> Actor:
        """Take `ann: coordinator`, or a mapping where care teams or the person behind several roles matter.

        A wrong one is taken too, so that its lines are not reported a second time as nobody's.
        """
        path: Keys = ("actors", name)
        about: Mapping[str, Json] = said if isinstance(said, dict) else {"role": said}
        self.unknown(about, path, ACTOR_KEYS)
        role, roles = about.get("role"), tuple(one.value for one in Role)
        if role not in roles:
            self.find((*path, "role"), "value", f"expected a role, found {found(role)}: {near(str(role), roles)}")
            role = Role.OUTSIDER
        teams = self.listed(about, path, "teams")
        for position, team in enumerate(teams):
            if not isinstance(team, str):
                self.find((*path, "teams", position), "value", f"expected the name of a team, found {found(team)}")
        person = self.text(about, path, "person") or name
        return Actor(id=person, role=Role(str(role)), teams=frozenset(map(str, teams)) or frozenset({"main"}))

    # --- its lines

    def _line(self, position: int, said: Json) -> Line | None:
        path: Keys = ("do", position)
        if not isinstance(said, dict):
            self.find(path, "value", f"expected a line such as {{at: +0d, …}}, found {found(said)}")
            return None
        self.unknown(said, path, LINE_KEYS)
        kind, of = self._command(said, path), self._of(said, path)
        episode = self._episode(said, path, kind, of)
        line = Line(
            said_at=str(said.get("at")),
            at=self._at(said, path) or NEVER,
            occurred_at=self._moment(said, path, "occurred_at"),
            place=self.source.places.of(path) or Place(file=self.source.file, line=1, column=1),
            by=self._by(said, path),
            command=kind,
            episode=episode,
            values=self.mapping(said, path, "with"),
            named=self.text(said, path, "as"),
            of=of,
            key=self.text(said, path, "key"),
            overrides=tuple(self._overrides(said, path)),
            expect=self._expect(said, path),
        )
        self._name(line, path)
        return line

    def _command(self, said: Mapping[str, Json], path: Keys) -> Kind | None:
        name = self.needed_text(said, path, "command")
        if name and name not in COMMANDS:
            self.find((*path, "command"), "value", f"there is no command {name[:60]!r}: {near(name, COMMANDS)}")
        if name == WAIT:
            for key in NOT_WAITING & said.keys():
                self.find_key((*path, key), "wait", f"nobody acts in a `wait`, so it has no `{key}`: remove it")
        return Kind(name) if name in COMMANDS and name != WAIT else None

    def _moment(self, said: Mapping[str, Json], path: Keys, key: str) -> datetime | None:
        text = self.text(said, path, key)
        if not text or self.start is None:
            return None
        try:
            return moment_of(text, self.start, self.zone)
        except InvalidInput as error:
            self.find((*path, key), "time", str(error))
        return None

    def _at(self, said: Mapping[str, Json], path: Keys) -> datetime | None:
        """Give the instant of a line, which must not be before that of the line above."""
        if said.get("at") is None:
            self.find(path, "missing", f"`at` is missing: {HOW_TO_SAY_WHEN}")
        at = self._moment(said, path, "at")
        if at is None or self.start is None:
            return None
        floor = self.latest or self.start
        if at < floor:
            before = "the line above" if self.latest else "the start"
            message = f"{said['at']} is {at.isoformat()}, before {before} ({floor.isoformat()}): time only goes forward"
            self.find((*path, "at"), "order", message)
        self.latest = max(at, floor)
        return at

    def _by(self, said: Mapping[str, Json], path: Keys) -> str | None:
        if said.get("command") == WAIT:
            return None
        by = self.needed_text(said, path, "by")
        if by and by not in self.actors:
            message = f"there is no actor {by[:60]!r} in this file: {near(by, tuple(self.actors))}"
            self.find((*path, "by"), "value", message)
        return by or None

    def _of(self, said: Mapping[str, Json], path: Keys) -> str | None:
        of = self.text(said, path, "of")
        if of and of not in self.named:
            message = f"no line above is named {of[:60]!r} by `as`: {near(of, tuple(self.named))}"
            self.find((*path, "of"), "value", message)
        return of

    def _episode(self, said: Mapping[str, Json], path: Keys, kind: Kind | None, of: str | None) -> str | None:
        """Say which episode a line is about: the one it names, that of the request it answers, or the only one."""
        given = self.text(said, path, "episode")
        if kind in OF_THE_SITE:
            if given:
                self.find_key((*path, "episode"), "value", f"`{kind}` is about the site: remove `episode`")
            return None
        if kind is Kind.REGISTER:
            self.registered.add(given or ONLY)
            return given or ONLY
        if not given and of in self.named:
            return self.named[of][0]
        if kind is None and not given:
            return None
        alias = given or (self.aliases[0] if len(self.aliases) == 1 else None)
        if alias is None:
            what = "several episodes: say which by `episode`" if self.aliases else "no episode: register one first"
            self.find(path, "episode", f"this file has {what}")
        elif alias not in self.registered:
            message = f"no line above registers episode {alias[:60]!r}: {near(alias, sorted(self.registered))}"
            self.find((*path, "episode"), "episode", message)
        return alias

    def _name(self, line: Line, path: Keys) -> None:
        if line.named is None:
            return
        if line.named in self.named:
            first = self.named[line.named][1]
            self.find(
                (*path, "as"), "duplicate", f"{line.named[:60]!r} is taken, first at {first}: choose another name"
            )
        else:
            place = self.source.places.of((*path, "as")) or line.place
            self.named[line.named] = (line.episode, place)

    def _overrides(self, said: Mapping[str, Json], path: Keys) -> Iterator[Override]:
        for position, one in enumerate(self.listed(said, path, "overrides")):
            at: Keys = (*path, "overrides", position)
            if not isinstance(one, dict):
                self.find(at, "value", f"expected {{rule: …, reason: …}}, found {found(one)}")
                continue
            self.unknown(one, at, OVERRIDE_KEYS)
            rule, reason = self.needed_text(one, at, "rule"), self.needed_text(one, at, "reason")
            yield Override(rule=rule, reason=reason, text=self.text(one, at, "text") or "")

    def _expect(self, said: Mapping[str, Json], path: Keys) -> Mapping[str, Json] | None:
        if "expect" not in said:
            return None
        at: Keys = (*path, "expect")
        expect = self.mapping(said, path, "expect")
        self.unknown(expect, at, EXPECT_KEYS)
        outcome, outcomes = expect.get("outcome"), tuple(one.value for one in Outcome)
        if "outcome" in expect and outcome not in outcomes:
            message = f"expected one of {', '.join(outcomes)}, found {found(outcome)}"
            self.find((*at, "outcome"), "value", message)
        return expect


def _aliases(lines: list[Json]) -> tuple[str, ...]:
    """Give the episodes the story tells of, by the lines that register them."""
    registers = [line for line in lines if isinstance(line, dict) and line.get("command") == Kind.REGISTER]
    return tuple(dict.fromkeys(str(line.get("episode") or ONLY) for line in registers))
