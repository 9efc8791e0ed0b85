"""What callers ask: contacts on many episodes, or whole courses; every episode and every person is a caller's own.

Identities are put into the vault beforehand, because a person comes once and is decided about for months.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import cast

from engine.model import Actor, Command, Json, Kind, Outcome, Role
from stepcare.app import App
from storage.vault import Details
from tests.bench.counts import course

CONTACTS = 20  # in one episode, before the next is registered
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATER = datetime(2027, 1, 4, 8, tzinfo=UTC)  # after whatever was imported by the machine's own clock
ANN = Actor(id="ann", role=Role.COORDINATOR, teams=frozenset({"main"}))
MINE = re.compile(r"\bc\d+\b")  # a command of the course, by which its records and timers are named


class Clock(threading.local):
    """A clock of each caller's own: courses take months, and every caller is at another day."""

    now = START

    def __call__(self) -> datetime:
        """Give the caller's time."""
        return self.now


CLOCK = Clock()


class People:
    """Persons who are in the vault, and of whom nothing is known yet."""

    def __init__(self, app: App, prefix: str) -> None:
        """Name them by a prefix of their own."""
        self._app, self._prefix = app, prefix
        self._numbers = count()
        self._waiting: list[str] = []

    def bring(self, most: int) -> None:
        """See that so many wait."""
        refs = [f"p-{self._prefix}-{next(self._numbers)}" for _ in range(most - len(self._waiting))]
        self._app.vault.add_people([(ref, Details(name="Alva Ludens")) for ref in refs], START)
        self._waiting += refs

    def next(self) -> str:
        """Give one."""
        if not self._waiting:
            self.bring(16)
        return self._waiting.pop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision of a course, and how long after its beginning it is made."""

    command: Command
    after: timedelta


def steps() -> tuple[Step, ...]:
    """Give the course everybody goes through: registration, intake, four steps of care, timers, messages."""
    found = course().decisions
    begin = found[0][1].now
    return tuple(Step(command=decision.command, after=decision.now - begin) for _, decision in found)


def contacts(people: People, prefix: str) -> Iterator[tuple[Command, datetime]]:
    """Give contacts without end: a registration, then twenty times nobody answers."""
    for number in count():
        episode = f"e-{prefix}-{number}"
        about = {"patient": people.next(), "region": "upper_back", "onset": "2026-01-12"}
        yield _command(episode, 0, Kind.REGISTER, dict[str, Json](about)), START
        for turn in range(1, CONTACTS + 1):
            said: dict[str, Json] = {"channel": "telephone", "result": "no_answer"}
            yield _command(episode, turn, Kind.CONTACT, said), START + timedelta(minutes=turn)


def _command(episode: str, number: int, kind: Kind, values: dict[str, Json]) -> Command:
    return Command(id=f"{episode}-{number}", kind=kind, actor=ANN, episode=episode, values=values)


def courses(people: People, prefix: str, found: tuple[Step, ...]) -> Iterator[tuple[Command, datetime]]:
    """Give whole courses without end, one after the other, each step at its own time."""
    for number in count():
        episode, patient = f"e-{prefix}-{number}", people.next()
        for step in found:
            one = step.command
            values = cast("dict[str, Json]", _renamed(dict(one.values), episode))
            if one.kind is Kind.REGISTER:
                values["patient"] = patient
            yield (
                replace(
                    one,
                    id=f"{episode}-{one.id}",
                    actor=replace(one.actor, teams=ANN.teams),
                    episode=episode,
                    values=values,
                    of=None if one.of is None else MINE.sub(rf"{episode}-\g<0>", one.of),
                ),
                START + step.after,
            )


def present(app: App, most: int) -> list[str]:
    """Give so many of the episodes that are there, taken at random among those least decided about."""
    with app.database.reading() as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM episode ORDER BY version, random() LIMIT {most}")]  # noqa: S608 - a number


def calls(found: list[str], prefix: str) -> Iterator[tuple[Command, datetime]]:
    """Give contacts on these episodes, one after the other."""
    for number, episode in enumerate(cycle(found)):
        said: dict[str, Json] = {"channel": "telephone", "result": "no_answer"}
        command = _command(episode, number, Kind.CONTACT, said)
        yield replace(command, id=f"{prefix}-{number}"), LATER


def _renamed(value: Json, episode: str) -> Json:
    if isinstance(value, str):
        return f"{episode}-{value}" if MINE.fullmatch(value) else value
    if isinstance(value, list):
        return [_renamed(one, episode) for one in value]
    if isinstance(value, dict):
        return {key: _renamed(one, episode) for key, one in value.items()}
    return value


def ask(app: App, command: Command, now: datetime) -> None:
    """Give one command through the door; anything but an accepted one makes the figures worthless."""
    CLOCK.now = now
    answer = app.engine.handle(command)
    if answer.entry is None or answer.repeated or answer.decision.outcome is not Outcome.ACCEPTED:
        raise RuntimeError(f"{command.kind} was not accepted: {answer.decision.problem} {answer.decision.failed}")
