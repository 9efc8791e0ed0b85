"""Importing registrations: one line of a file, one episode. Lines share commits, and each stands or falls alone.

A line's key names its episode for ever: references are made from keys, with the site's secret, so that reading a file
again finds what is here already and goes on where it ended. The key itself is kept nowhere.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO

from engine.errors import Conflict, InvalidInput, KeyReused, StepcareError, Unavailable, near
from engine.model import Actor, Command, Episode, Json, Kind, Outcome
from engine.service import Answer, Engine
from stepcare.app import App
from stepcare.newcomers import Newcomers, NotRegistered
from stepcare.registering import birth_date, known_person
from stepcare.typed import LONGEST_NAME, MOST_BYTES, checked, json_from, moment_from, require_text
from storage.database import SITE_REF
from storage.refs import new_ref
from storage.vault import Details
from workflows.load import pathway_from_bytes

GROUP = 256  # lines in one commit
CHANNELS = ("email", "sms", "telephone", "letter")
LINE = ("key", "person", "patient", "values", "team", "language", "pathway", "occurred_at")
PERSON = ("key", "name", "born", "contacts", "language")
STEERING = ("team", "language", "pathway")
KEY_BYTES = 16
ANOTHER = "Its key stands for a person with other details: correct one of the lines, or name a key of its own."


class Became(StrEnum):
    """What became of a line."""

    IMPORTED = "imported"
    REPEATED = "repeated"  # it was here already
    REFUSED = "refused"  # by a rule
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of the line of this number. `problem` says why it is not here and what to do, else it is empty."""

    number: int
    became: Became
    episode: str = ""
    patient: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A line that could be read. `details` None: of somebody known."""

    number: int
    command: Command
    details: Details | None

    @property
    def patient(self) -> str:
        """Give the reference of the person."""
        return str(self.command.values["patient"])

    def told(self, became: Became, problem: str = "") -> Told:
        """Say what became of it."""
        refs = {} if problem else {"episode": str(self.command.episode), "patient": self.patient}
        return Told(number=self.number, became=became, problem=problem, **refs)


def lines_of(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the lines that are not empty, with their numbers; of one that is too long only as much as shows it."""
    number = 0
    while line := stream.readline(MOST_BYTES + 1):
        number += 1
        part = line
        while len(part) > MOST_BYTES and not part.endswith(b"\n"):
            part = stream.readline(MOST_BYTES + 1)
        if line.strip():
            yield number, line


class Importer:
    """Registers what lines say, as one actor; holds one group of lines at a time, whatever the file's size."""

    def __init__(self, app: App, actor: Actor, via: str) -> None:
        """Import into `app`; `via` is how it came in."""
        self._app, self._actor, self._via = app, actor, via
        self._secret = app.vault.key(SITE_REF).secret
        self._store = Newcomers(app.store, app.clock)
        self._engine = Engine(store=self._store, clock=app.clock, read_pack=pathway_from_bytes)

    def imported(self, lines: Iterable[tuple[int, bytes]], *, keep: bool) -> Iterator[Told]:
        """Import lines and say of each, in order, what became of it; with `keep` False only what would.

        Raises Unavailable when the database fails: what was told until then is kept, and the rest is not begun.
        """
        waiting = iter(lines)
        while group := list(islice(waiting, GROUP)):
            told = dict(self._group(group, keep=keep))
            yield from (told[number] for number, _ in group)

    def _group(self, lines: Sequence[tuple[int, bytes]], *, keep: bool) -> Iterator[tuple[int, Told]]:
        wanted: list[Wanted] = []
        people: dict[str, Details] = {}
        for number, line in lines:
            try:
                one = self._wanted(number, line)
                if one.details is not None and people.setdefault(one.patient, one.details) != one.details:
                    raise Conflict(ANOTHER)
            except StepcareError as error:
                yield number, _failed(number, error)
            else:
                wanted.append(one)
        self._store.expect(people)
        commands = [one.command for one in wanted]
        answers = self._engine.handle_each(commands) if keep else [self._foreseen(one) for one in commands]
        for one, answer in zip(wanted, answers, strict=True):
            yield one.number, self._told(one, answer, keep=keep)

    def _foreseen(self, command: Command) -> Answer | Exception:
        try:
            return self._engine.preview(command)
        except StepcareError as error:
            return error

    def _told(self, one: Wanted, answer: Answer | Exception, *, keep: bool) -> Told:
        if isinstance(answer, Unavailable):
            raise answer
        if isinstance(answer, NotRegistered):
            # The refusal is an entry too; with nobody registered there is no person to seal it for but the site.
            values = {**one.command.values, "patient": SITE_REF}
            answer = self._app.engine.handle(replace(one.command, values=values, key=None))
        if isinstance(answer, Exception):
            return _failed(one.number, answer)
        decision, before = answer.decision, answer.before
        if answer.repeated or (isinstance(before, Episode) and before.version):
            return self._as_before(one, keep=keep)
        if decision.outcome is Outcome.ACCEPTED:
            return one.told(Became.IMPORTED)
        if decision.outcome is Outcome.INVALID:
            return one.told(Became.INVALID, decision.problem)
        closed = [rule for rule in decision.rules if rule.id in decision.failed]
        said = " ".join(f"{rule.id}: {rule.message} {rule.remedy}".strip() for rule in closed)
        return one.told(Became.REFUSED, said or "It needs a second person: register it by hand.")

    def _as_before(self, one: Wanted, *, keep: bool) -> Told:
        """Say of a line that is here already whether it is still about the same person."""
        new = [(one.patient, one.details)] if one.details is not None and keep else []
        for error in self._app.vault.add_people(new, self._app.clock()):  # changes nothing where it is the same
            if error is not None:
                return _failed(one.number, error)
        return one.told(Became.REPEATED)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _wanted(self, number: int, line: bytes) -> Wanted:
        said = _object("the line", _json(line), LINE)
        key, values = _text("key", said.get("key")), said.get("values")
        if not isinstance(values, dict) or "patient" in values:
            raise InvalidInput("values must hold the answers of the registration; the person is named beside them.")
        if (said.get("patient") is None) == (said.get("person") is None):
            raise InvalidInput("Say whom it is for: either patient, somebody known, or person, somebody new.")
        details, patient = None, ""
        if said.get("person") is not None:
            who = _object("person", said["person"], PERSON)
            details = _details(who, self._app.clock().date())
            patient = self._ref("p", _text("key of the person", who["key"]) if "key" in who else key)
            said.setdefault("language", details.language)
        else:
            patient = known_person(self._app, _text("patient", said["patient"]))
        steer = {name: _text(name, said[name]) for name in STEERING if said.get(name) is not None}
        happened = said.get("occurred_at")
        command = Command(
            id=self._app.make_id(),
            kind=Kind.REGISTER,
            actor=self._actor,
            episode=self._ref("e", key),
            values={**values, **steer, "patient": patient},
            occurred_at=moment_from(None if happened is None else _text("occurred_at", happened)),
            key=f"import-{self._digest('key', key)[:KEY_BYTES].hex()}",
            via=self._via,
        )
        return Wanted(number=number, command=checked(command), details=details)

    def _ref(self, prefix: str, key: str) -> str:
        """Make a reference from a key: the same for ever, and nobody who only knows the key can make it."""
        return new_ref(prefix, lambda size: self._digest(prefix, key)[:size])

    def _digest(self, what: str, key: str) -> bytes:
        return hmac.digest(self._secret, f"import {what} {key}".encode(), "sha256")


# --- what is told ---------------------------------------------------------------------------------------------------


def _failed(number: int, error: Exception) -> Told:
    if isinstance(error, KeyReused):
        said = (
            f"it was imported before with other answers (entry {error.entry}): correct the episode, or name a new key"
        )
        return Told(number=number, became=Became.INVALID, problem=f"{said}.")
    return Told(number=number, became=Became.INVALID, problem=str(error))


# --- one line -------------------------------------------------------------------------------------------------------


def _json(line: bytes) -> Json:
    try:
        return json_from(line, "the line")
    except InvalidInput:
        raise
    except ValueError:  # a number of more digits than Python reads
        raise InvalidInput("It holds a number that is too long: no form asks that.") from None


def _object(what: str, value: Json, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be a JSON object of {', '.join(known)}.")
    for name in value:
        if name not in known:
            raise InvalidInput(f"{what} has no field {name[:40]!r}. {near(name, known)}")
    return dict(value)


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"The {name} must be a text that is not empty.")
    require_text(name, value, LONGEST_NAME)
    return value.strip()


def _details(who: Mapping[str, Json], today: date) -> Details:
    contacts = who.get("contacts") or {}
    if not isinstance(contacts, dict) or any(channel not in CHANNELS for channel in contacts):
        raise InvalidInput(f"contacts must hold addresses by channel: {', '.join(CHANNELS)}.")
    born = who.get("born")
    return Details(
        name=_text("name", who.get("name")),
        born=birth_date(None if born is None else _text("born", born), today),
        contacts={channel: _text("contact", address) for channel, address in contacts.items()},
        language=_text("language", who.get("language") or "en"),
    )
