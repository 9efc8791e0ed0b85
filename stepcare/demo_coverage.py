"""What the demonstration has reached, counted from the answers of the door and from nothing else."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from engine.decision import Decision, Event, Moved, ParameterSet, Put
from engine.model import Command, Deviation, DueItem, Episode, Json, Kind, Level, Message, Outcome, Request, Timer
from engine.pathway import Pathway
from engine.service import Answer
from engine.time import local_day
from stepcare.demo_stage import Act

CONCERN = ("raise_concern", "evaluate_nonresponse")


def _moves(*names: str) -> Callable[[Answer, Pathway], bool]:
    def moved(answer: Answer, pathway: Pathway) -> bool:
        found = moves_of(answer.decision.events)
        return any(pathway.transitions[one.transition].name in names for one in found)

    return moved


def moves_of(events: Iterable[Event]) -> list[Moved]:
    """Give the moves among events."""
    return [one for one in events if isinstance(one, Moved)]


def _requests(answer: Answer) -> list[Request]:
    return [one.item for one in answer.decision.events if isinstance(one, Put) and isinstance(one.item, Request)]


def _request_is(status: str) -> Callable[[Answer, Pathway], bool]:
    return lambda answer, _: any(one.status == status for one in _requests(answer))


def _came_back(answer: Answer, pathway: Pathway) -> bool:
    """A concern was cleared, and the episode went on where it had been interrupted."""
    before = answer.before
    if not isinstance(before, Episode) or not before.return_to:
        return False
    return any(
        pathway.transitions[one.transition].name == "clear_concern" and one.target == before.return_to[-1][0]
        for one in moves_of(answer.decision.events)
    )


def _late(answer: Answer, _: Pathway) -> bool:
    """It was entered on a later day than it happened."""
    occurred, episode = answer.decision.command.occurred_at, answer.after
    if occurred is None or answer.entry is None or not isinstance(episode, Episode):
        return False
    return local_day(occurred, episode.zone) < local_day(answer.decision.now, episode.zone)


def _by_two(answer: Answer, _: Pathway) -> bool:
    """Another person agreed to a number, and it changed."""
    decision = answer.decision
    return decision.command.kind is Kind.SIGN_OFF and any(isinstance(one, ParameterSet) for one in decision.events)


def _deviates(answer: Answer, _: Pathway) -> bool:
    """What had happened was kept, and the rule it went against."""
    return any(isinstance(one, Put) and isinstance(one.item, Deviation) for one in answer.decision.events)


def _accepted(kind: Kind) -> Callable[[Answer, Pathway], bool]:
    return lambda answer, _: answer.decision.command.kind is kind and answer.decision.outcome is Outcome.ACCEPTED


def _refused_by(rule: str) -> Callable[[Answer, Pathway], bool]:
    return lambda answer, _: rule in answer.decision.failed


ACTS: Mapping[str, Callable[[Answer, Pathway], bool]] = {
    "sign_off_yes": _request_is("approved"),
    "sign_off_no": _request_is("refused"),
    "sign_off_void": _request_is("void"),
    "sign_off_expired": _request_is("expired"),
    "sign_off_own_refused": _refused_by("SIGN-02"),
    "override": lambda answer, _: any(rule.override for rule in answer.decision.rules) and _kept(answer),
    "deviation": _deviates,
    "late_entry": _late,
    "correction": _accepted(Kind.CORRECT),
    "correction_with_dependents": lambda answer, _: bool(answer.decision.relied_on_by),
    "void": _moves("void"),
    "reopen": _moves("reopen"),
    "hold": _moves("hold"),
    "resume": _moves("resume"),
    "concern": _moves(*CONCERN),
    "concern_return": _came_back,
    "bulk_assign": lambda _, __: False,  # told by the stage manager: one answer alone does not show it
    "snooze": _accepted(Kind.SNOOZE),
    "parameter_by_two": _by_two,
    "idempotent_repeat": lambda answer, _: answer.repeated,
    "refusal_by_role": _refused_by("ROLE-01"),
    "timer": _accepted(Kind.FIRE),
}


def _kept(answer: Answer) -> bool:
    return answer.decision.outcome in (Outcome.ACCEPTED, Outcome.NEEDS_SIGN_OFF)


@dataclass(slots=True, kw_only=True)
class Coverage:
    """Counts of what was reached.

    `told` are the answers in a form without references, for the digest. `worth` names, for a few kinds of answers, how
    much one of them shows (in rules) and its entry.
    """

    pathway: Pathway
    first: date
    states: Counter[str] = field(default_factory=Counter)
    transitions: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    overrides: Counter[str] = field(default_factory=Counter)
    deviations: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    timers: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    told: dict[str, list[Json]] = field(default_factory=dict)
    worth: dict[str, tuple[int, int]] = field(default_factory=dict)

    def hear(self, alias: str | None, act: Act | None, answer: Answer) -> None:
        """Count an answer; `act` None: a timer's."""
        decision = answer.decision
        self.told.setdefault(alias or "", []).append(self._line(decision))
        if answer.repeated:
            self.acts["idempotent_repeat"] += 1
            return
        if isinstance(answer.after, Episode) and answer.after.state:
            self.states[answer.after.state] += answer.after.state != decision.state_before
        self.transitions.update(one.transition for one in moves_of(decision.events))
        if act is not None:
            self.outcomes[decision.outcome.value] += 1
        self._count_rules(decision)
        self._note_worth(answer)
        for name, reached in ACTS.items():
            self.acts[name] += reached(answer, self.pathway)
        for event in decision.events:
            self._count_item(event, decision.command.id)

    def _note_worth(self, answer: Answer) -> None:
        """Keep the entry that shows most of its kind, the first of several."""
        decision = answer.decision
        passed = sum(rule.override is not None for rule in decision.rules)
        shows = {
            "refusal": len(decision.failed) if decision.outcome is Outcome.REFUSED else 0,
            "override": passed if decision.outcome is Outcome.ACCEPTED else 0,
            "correction": len(decision.relied_on_by),
            "sign_off": sum(rule.signed_off for rule in decision.rules),
        }
        for kind, much in shows.items():
            if answer.entry is not None and much > self.worth.get(kind, (0, 0))[0]:
                self.worth[kind] = (much, answer.entry)

    def _count_rules(self, decision: Decision) -> None:
        for rule in decision.rules:
            if not rule.satisfied or rule.override or rule.signed_off or rule.level is Level.INFO:
                self.levels[rule.level.value] += 1
            if rule.override and decision.outcome is Outcome.ACCEPTED:
                self.overrides[rule.id] += 1
        if decision.outcome is Outcome.REFUSED:
            self.refusals.update(decision.failed)

    def _count_item(self, event: Event, command: str) -> None:
        match event:
            case Put(item=Deviation() as deviation):
                # A reason that is given afterwards puts it down again; it is counted once.
                self.deviations[deviation.rule] += deviation.record == command
            case Put(item=Timer(state="fired" | "stale" | "expired") as timer):
                self.timers[timer.state] += 1
            case Put(item=Message() as message):
                self.messages[message.status] += 1
            case _:
                pass

    def _line(self, decision: Decision) -> Json:
        """Give what must be the same for the same seed: days are counted from the first, references left out."""
        items = [one.item for one in decision.events if isinstance(one, Put) and isinstance(one.item, DueItem)]
        due = sorted(f"{one.kind} {one.status} {one.rung} {self._day(one.due_on)}" for one in items)
        failed, owed = list[Json](decision.failed), list[Json](due)
        return [_name(decision.command), decision.outcome.value, decision.state, failed, owed]

    def _day(self, day: date | None) -> str:
        return str((day - self.first).days) if day else "-"

    def digest(self) -> str:
        """Give one number for the whole story."""
        text = json.dumps([[alias, self.told[alias]] for alias in sorted(self.told)])
        return hashlib.sha256(text.encode()).hexdigest()

    def missing(self) -> list[str]:
        """Name what was not reached."""
        return [f"{part} {name}" for part, counts in self.parts().items() for name, n in counts.items() if not n]

    def parts(self) -> dict[str, dict[str, int]]:
        """Give every count, zeros included, in the pathway's order."""
        return {
            "states": {name: self.states[name] for name in self.pathway.states},
            "transitions": {name: self.transitions[name] for name in self.pathway.transitions},
            "levels": {level.value: self.levels[level.value] for level in Level},
            "acts": {name: self.acts[name] for name in ACTS},
        }


def _name(command: Command) -> str:
    said = command.values.get("transition") or command.values.get("form") or command.values.get("name") or ""
    timer = (command.of or "").partition(":")[0] if command.kind is Kind.FIRE else ""
    return " ".join(part for part in (command.kind.value, str(said), timer) if part)
