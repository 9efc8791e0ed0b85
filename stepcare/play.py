"""Playing a story: timed commands against a fresh database and a clock that goes where the story goes.

Everything goes through the same door as everybody's commands, on ids that the file itself gives, so that the same
file always gives the same answers. Before each line the timers that fall due up to its instant fire, each at its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import cast

from engine.audit import instant
from engine.decision import Decision
from engine.errors import BadScenario, Finding, InvalidInput, NotFound, StepcareError
from engine.model import Actor, Command, Episode, Json, Kind, Outcome, Role, Site
from engine.picture import picture
from engine.service import Answer
from engine.time import local_day
from engine.view import Pending, View
from stepcare.answers import Row, answer_json
from stepcare.app import App, VirtualClock, pass_time, temporary_app
from stepcare.expect import mismatches
from stepcare.publishing import proved_pack, publish
from storage.vault import Details
from workflows.load import Loaded
from workflows.scenario import Line, Scenario

OWNER = Actor(id="play-owner", role=Role.PATHWAY_OWNER)
SECOND = Actor(id="play-second", role=Role.LEAD)
FIRE = "fire"
WAIT = "wait"
PARTS = {  # what follows from timers, as `answers.py` names it
    "due_items": ("created", "changed", "cancelled", "done"),
    "timers": ("armed", "cancelled", "fired", "stale", "expired"),
    "messages": ("queued", "cancelled"),
}
# Nobody's: first names by the order of episodes, one family name that is the word for play.
NAMES = ("Alva", "Bela", "Cleo", "Dara", "Enno", "Fina", "Gero", "Hede", "Ivo", "Juna", "Kaja", "Levi", "Mina", "Nils")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One command of the story as it was answered; `unmet` says where that is not what the file expects."""

    row: Row
    line: Line | None
    unmet: tuple[str, ...] = ()


def play(scenario: Scenario, directory: str | None = None) -> Iterator[Told]:
    """Play a story to its end, line by line; raises BadPack or BadScenario before the first."""
    file = Path(next(iter(scenario.places.values.values())).file) if scenario.places.values else None
    pack = proved_pack(scenario.pathway, beside=file)
    clock = VirtualClock(scenario.start)
    with temporary_app(clock, scenario.zone, directory) as app:
        yield from _Story(app=_with_plain_ids(app), clock=clock, scenario=scenario, pack=pack).tell()


def _with_plain_ids(app: App) -> App:
    """Number the timers' entries, so that two plays of a file are word for word the same."""
    numbers = count(1)
    return replace(app, make_id=lambda: f"{FIRE}-{next(numbers)}")


@dataclass(slots=True, kw_only=True)
class _Story:
    """One story being told."""

    app: App
    clock: VirtualClock
    scenario: Scenario
    pack: Loaded
    persons: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def tell(self) -> Iterator[Told]:
        """Prepare the site, then answer every line."""
        _accepted(publish(self.app, self.pack, OWNER, "publish"))
        self._set_parameters()
        for position, line in enumerate(self.scenario.do):
            fired = []
            for answer in pass_time(self.app, self.clock, line.at):
                fired.append(self._row(answer))
                yield Told(row=fired[-1], line=None)
            row = self._waited(line, fired) if line.command is None else self._answered(line, position)
            row["line"] = line.place.line
            unmet = tuple(mismatches(line.expect, row)) if line.expect is not None else ()
            if unmet:
                row["unmet"] = list[Json](unmet)
            yield Told(row=row, line=line, unmet=unmet)

    # --- before the first line

    def _set_parameters(self) -> None:
        """Set the file's parameters as a site would: by command, safety ones with a second person's yes."""
        parameters = self.pack.pathway.parameters
        for name, value in self.scenario.parameters.items():
            declared = parameters.get(name)
            actor = OWNER if declared is None or OWNER.role in declared.who else replace(OWNER, role=declared.who[0])
            values: dict[str, Json] = {"name": name, "value": value}
            command = Command(id=f"set-{name}", kind=Kind.SET_PARAMETER, actor=actor, values=values)
            answer = self.app.engine.handle(command)
            if answer.decision.outcome is Outcome.NEEDS_SIGN_OFF:
                answer = self.app.engine.handle(self._yes(answer))
            if answer.decision.outcome is not Outcome.ACCEPTED:
                raise BadScenario([self._about_parameter(name, answer.decision)])

    def _yes(self, asked: Answer) -> Command:
        request = asked.decision.command
        return Command(
            id=f"yes-{request.id}", kind=Kind.SIGN_OFF, actor=SECOND, values={"answer": "yes"}, of=request.id
        )

    def _about_parameter(self, name: str, decision: Decision) -> Finding:
        place = self.scenario.places.of(("parameters", name))
        why = decision.problem or " ".join(f"{rule.message} {rule.remedy}" for rule in decision.rules)
        said = why if why.startswith(name) else f"{name} cannot be set so: {why}"
        finding = Finding(code="play-parameter", message=said, path=("parameters", name))
        return replace(finding, file=place.file, line=place.line, column=place.column) if place else finding

    # --- a line

    def _answered(self, line: Line, position: int) -> Row:
        command = self._command(line, position)
        try:
            return self._row(self._handled(command), line)
        except StepcareError as error:
            return self._refusal(command, line, error)

    def _command(self, line: Line, position: int) -> Command:
        """Make the command of a line; a named one is called so in the log too, so `of` and `record` need no lookup."""
        name = line.named or f"do-{position + 1}"
        while name in self.ids:
            name += "'"
        self.ids.add(name)
        return Command(
            id=name,
            kind=cast("Kind", line.command),
            actor=self.scenario.actors[cast("str", line.by)],
            episode=line.episode,
            values=self._values(line),
            occurred_at=line.occurred_at,
            overrides=line.overrides,
            of=line.of,
            key=line.key,
        )

    def _values(self, line: Line) -> Mapping[str, Json]:
        if line.command is not Kind.REGISTER or line.episode is None:
            return line.values
        return {**line.values, "patient": self._person(line.values.get("patient", line.episode))}

    def _person(self, alias: Json) -> str:
        """Give the person of an alias; a new one gets an invented name, in the vault and nowhere else."""
        name = str(alias)
        if name not in self.persons:
            ref, number = f"p-{name}", len(self.persons)
            details = Details(name=f"{NAMES[number % len(NAMES)]} Ludens {number // len(NAMES) or ''}".strip())
            self.app.vault.add_person(ref, details, self.clock())
            self.persons[name] = ref
        return self.persons[name]

    def _handled(self, command: Command) -> Answer:
        if command.kind is not Kind.PUBLISH:
            return self.app.engine.handle(command)
        return publish(self.app, proved_pack(str(command.values.get("pathway"))), command.actor, command.id)

    def _row(self, answer: Answer, line: Line | None = None) -> Row:
        row = answer_json(answer, by=line.by if line else None)
        if not row["derived"] and isinstance(answer.after, Episode) and answer.after.version:
            row["derived"] = self._picture(answer.after)
        return row

    def _refusal(self, command: Command, line: Line, error: StepcareError) -> Row:
        """Show a command that did not even come to a decision, in the shape of one."""
        before = self._episode(line.episode) or Site()
        decision = Decision(
            outcome=Outcome.INVALID,
            command=command,
            now=self.clock(),
            pathway="",
            parameters="",
            state_before=before.state if isinstance(before, Episode) else "",
            state=before.state if isinstance(before, Episode) else "",
            problem=str(error),
        )
        row = self._row(Answer(decision=decision, before=before, after=before, entry=None), line)
        return {**row, "code": error.code}

    # --- waiting

    def _waited(self, line: Line, fired: list[Row]) -> Row:
        """Give what came of waiting: the timers that fired (of the episode, if the line names one), taken together."""
        known = {one.episode for one in self.scenario.do if one.command is Kind.REGISTER}
        alias = line.episode or (next(iter(known)) if len(known) == 1 else None)
        mine = [row for row in fired if alias in (None, row["episode"])]
        episode = self._episode(alias)
        state = episode.state if episode else None
        return {
            "at": instant(line.at),
            "by": None,
            "command": WAIT,
            "episode": alias,
            "outcome": Outcome.ACCEPTED.value,
            "state_before": state,
            "state": state,
            **{part: _together(mine, part) for part in PARTS},
            "fired": len(mine),
            "derived": self._picture(episode) if episode else {},
            "entry": None,
        }

    def _episode(self, alias: str | None) -> Episode | None:
        try:
            return self.app.store.episode(alias) if alias else None
        except NotFound:
            return None

    def _picture(self, episode: Episode) -> dict[str, Json]:
        now: datetime = self.clock()
        compiled = self.app.engine.compiled(episode.pathway)
        return picture(View(compiled, episode, Pending(), now, local_day(now, episode.zone)))


def _together(rows: list[Row], part: str) -> Row:
    found: dict[str, list[Json]] = {name: [] for name in PARTS[part]}
    for row in rows:
        for name, items in cast("dict[str, list[Json]]", row[part]).items():
            found.setdefault(name, []).extend(items)
    return dict(found)


def _accepted(answer: Answer) -> None:
    if answer.decision.outcome is not Outcome.ACCEPTED:
        raise InvalidInput(f"The pathway cannot be published: {answer.decision.problem or answer.decision.failed}")
