"""The log: an entry made from a change, and read back.

An entry says in the clear who decided what, when, under which rules and with which outcome. What it says about the
person is in four sealed sections: `facts` (the decision with its events, and the values the rules read), `text` (what
people wrote in their own words), `reads` (records relied on) and `subject` (whose it is). An episode is its entries'
events, folded; nothing else in the database is needed to know it.

Of the explanation, the clauses of each rule are not kept: whoever decides again gets them again, and `answer` is the
hash of the whole decision to compare with.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from engine.audit import Agent, Envelope, RuleLine, canonical, check_envelope, instant
from engine.census import Census
from engine.codec import event_from_json, from_json, to_json
from engine.decision import Decision, Erased, Event, Input, KeyAnnounced, KeyGone, Registered, RuleResult
from engine.model import Command, Json, Kind, Level, Outcome, Override, Role
from engine.service import Change
from storage.schema_erasure import ERASED, KEY_DESTROYED

ENGINE = "2"  # rises when the same pack, facts and command could be decided otherwise than before
# Entries that are named after what they do, whichever command brought it about.
NAMED: Mapping[type, str] = {
    Erased: ERASED,
    KeyGone: KEY_DESTROYED,
    KeyAnnounced: "log.key_announced",
}
SECTIONS = ("facts", "reads", "subject", "text")
TEXT = "text#"  # stands where a text was taken out; no field can have this name
ALWAYS_TEXT = frozenset({"text", "why"})
ANSWERS = frozenset({"values", "overrides"})  # where people's own words can be
BESIDE = ("inputs", "answer")  # sealed with a decision's facts, and no part of it
KEPT_ELSEWHERE = ("rules", "reads", "now", "pathway", "parameters", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where an entry goes: its index, its chain (None: the site's), its number there and the leaf before it.

    `before` and `after` are the versions of what the chain is about; `parameters` the hash of the set in force.
    """

    index: int
    chain: str | None
    number: int
    previous: bytes | None
    before: int
    after: int
    parameters: str
    corrects: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry as it lies in the database. `blob` None: it has no sealed part."""

    idx: int
    id: str
    ep: str | None
    epn: int
    leaf: bytes
    entry: bytes
    blob: bytes | None
    key_id: str | None
    person_ref: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an entry keeps of a decision: the decision without clauses, what its rules read, and its hash."""

    envelope: Envelope
    decision: Decision
    inputs: tuple[Input, ...]
    answer: str
    person: str


def is_registered(change: Change) -> bool:
    """Say whether the change belongs to an episode's own chain.

    A refused registration leaves no episode behind: its entry stands in the site's chain, and the same episode id
    can still be registered.
    """
    return change.before.version > 0 or any(isinstance(event, Registered) for event in change.decision.events)


def answer_hash(decision: Decision) -> str:
    """Give the hash of a decision with everything that explains it."""
    return hashlib.sha256(canonical(to_json(decision))).hexdigest()


# --- writing ------------------------------------------------------------------------------------------------------


def sections_of(change: Change, person: str, texts: frozenset[str]) -> dict[str, Json]:
    """Give what is to be sealed; `texts` are the names of fields that hold free text."""
    return _sections(change.decision, change.command, person, texts, {})


def sections_again(decision: Decision, person: str, texts: frozenset[str], said: Sequence[Json]) -> dict[str, Json]:
    """Give what would be sealed of a decision that was made again, to be held against an entry's commitments.

    `said` are the texts the entry keeps: where the decision holds the same ones, they are numbered as they were then,
    because what people wrote may be met in another order the second time.
    """
    again = _sections(decision, decision.command, person, texts, {})
    if sorted(map(str, cast("list[Json]", again["text"]))) != sorted(map(str, said)):
        return again
    return _sections(decision, decision.command, person, texts, {str(one): place for place, one in enumerate(said)})


def _sections(
    decision: Decision, command: Command, person: str, texts: frozenset[str], taken: dict[str, int]
) -> dict[str, Json]:
    """Seal a decision's parts; `taken` numbers the texts that were met, and grows."""
    whole = cast("dict[str, Any]", to_json(decision))
    facts: dict[str, Json] = {name: value for name, value in whole.items() if name not in KEPT_ELSEWHERE}
    facts["command"] = whole["command"] if command is decision.command else to_json(command)
    facts["inputs"] = _inputs(whole.get("rules", ()))
    facts["answer"] = hashlib.sha256(canonical(whole)).hexdigest()
    names = texts | ALWAYS_TEXT
    return {
        "facts": _without_texts(facts, names, taken, inside=False),
        "reads": [[record, version] for record, version in decision.reads],
        "subject": {"person": person},
        "text": list(taken),
    }


def _inputs(rules: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Give what the rules read, each fact once."""
    found = {one["fact"]: one for rule in rules for clause in rule["clauses"] for one in clause["inputs"]}
    return [found[fact] for fact in sorted(found)]


def _without_texts(value: Any, names: frozenset[str], taken: dict[str, int], *, inside: bool) -> Any:
    """Give the value with people's own words taken out, each once, in the order they were met."""
    if isinstance(value, list):
        return [one if isinstance(one, str) else _without_texts(one, names, taken, inside=inside) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (key := next(iter(value))).rstrip("#") == "text" and key != "text":
        # People may name an activity like our own mark: one more sign, taken off again when it is read.
        return {f"{key}#": _without_texts(value[key], names, taken, inside=inside)}
    fact, own = value.get("fact"), names if inside else ALWAYS_TEXT
    asked = isinstance(fact, str) and fact.rpartition(".")[2] in names
    found: dict[str, Json] = {}
    for key, one in value.items():
        if not isinstance(one, str):
            found[key] = _without_texts(one, names, taken, inside=inside or key in ANSWERS)
        elif key in own or (asked and key == "value"):
            found[key] = {TEXT: taken.setdefault(one, len(taken))}
        else:
            found[key] = one
    return found


def _with_texts(value: Json, texts: Sequence[Json]) -> Json:
    if isinstance(value, list):
        return [_with_texts(one, texts) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {TEXT}:
        return texts[cast("int", value[TEXT])]
    if len(value) == 1 and (key := next(iter(value))).rstrip("#") == "text" and key != "text":
        return {key[:-1]: _with_texts(value[key], texts)}
    return {key: _with_texts(one, texts) for key, one in value.items()}


def envelope_of(change: Change, link: Link, commitments: Mapping[str, str]) -> Envelope:
    """Give the entry of a change."""
    return entry_of(change.command, change.decision, link, commitments)


def entry_of(command: Command, decision: Decision, link: Link, commitments: Mapping[str, str]) -> Envelope:
    """Give the entry of a decision: what it says in the clear follows from the decision and its place alone."""
    role = command.actor.role
    kind = "scheduler" if command.kind is Kind.FIRE else "service" if role is Role.SERVICE else "user"
    return Envelope(
        id=command.id,
        index=link.index,
        recorded_at=decision.now,
        occurred_at=command.occurred_at,
        type=type_of(command, decision),
        episode=link.chain,
        episode_index=link.number,
        previous=link.previous.hex() if link.previous else None,
        version_before=link.before,
        version_after=link.after,
        state_before=decision.state_before or None if decision.state else None,
        state=decision.state or None,
        trigger=decision.transition or _said_openly(decision) or command.of or command.kind.value,
        outcome=decision.outcome.value,
        rules=tuple(RuleLine.of(rule) for rule in decision.rules),
        pathway=decision.pathway or None,
        parameters=link.parameters,
        engine=ENGINE,
        actor=Agent(id=command.actor.id, kind=kind, role=role.value),
        key=command.key,
        commitments=commitments,
        corrects=link.corrects,
    )


def type_of(command: Command, decision: Decision) -> str:
    """Give the entry's type: what kind of thing happened to what."""
    if command.kind is Kind.FIRE:
        return "timer.fired"
    for event in decision.events:
        if (named := NAMED.get(type(event))) is not None:
            return named
    return f"{'episode' if command.episode else 'site'}.{command.kind.value}"


def moves_site(type_: str) -> bool:
    """Say whether an entry of this type is a version of the site; the site's chain also holds what is not."""
    return type_.startswith("site.") or type_ in NAMED.values()


def _said_openly(decision: Decision) -> str:
    """Give what whoever has only the published log must be able to read of a decision, empty for most."""
    if decision.outcome is not Outcome.ACCEPTED:
        return ""
    if decision.command.kind is Kind.CENSUS and (census := Census.of(decision.command.values)) is not None:
        return census.text()
    announced = (event.key for event in decision.events if isinstance(event, KeyAnnounced))
    return next((f"{key.size} {key.vkey}" for key in announced), "")


# --- reading ------------------------------------------------------------------------------------------------------


def commitments_in(entry: bytes) -> dict[str, str]:
    """Give the commitments of an entry's bytes, without checking the rest of it."""
    return cast("dict[str, str]", json.loads(entry)["c"])


def events_in(sections: Mapping[str, Json]) -> tuple[Event, ...]:
    """Give the events of an entry's opened sections."""
    facts = cast("dict[str, Any]", sections["facts"])
    texts = cast("list[Json]", sections["text"])
    return tuple(event_from_json(_with_texts(one, texts)) for one in facts.get("events", ()))


def reads_in(sections: Mapping[str, Json]) -> tuple[tuple[str, int], ...]:
    """Give the (record, version) pairs an entry's decision relied on; a refused one relied on nothing."""
    facts = cast("dict[str, Any]", sections["facts"])
    if facts["outcome"] != Outcome.ACCEPTED:
        return ()
    return tuple((record, version) for record, version in cast("list[Any]", sections["reads"]))


def derived_in(sections: Mapping[str, Json]) -> dict[str, Json]:
    """Give the picture an entry's decision left, empty where it drew none."""
    return cast("dict[str, Any]", sections["facts"]).get("derived", {})  # type: ignore[no-any-return]  # JSON


def kept_of(entry: bytes, sections: Mapping[str, Json]) -> Kept:
    """Give the decision an entry keeps."""
    envelope = check_envelope(entry)
    facts, texts = cast("dict[str, Any]", sections["facts"]), cast("list[Json]", sections["text"])
    return Kept(
        envelope=envelope,
        decision=decision_in(envelope, sections),
        inputs=tuple(from_json(Input, _with_texts(one, texts)) for one in facts["inputs"]),
        answer=facts["answer"],
        person=cast("dict[str, str]", sections["subject"])["person"],
    )


def decision_in(envelope: Envelope, sections: Mapping[str, Json]) -> Decision:
    """Give the decision that an entry's opened sections keep; the rules' answers, and when, are from its clear part."""
    facts = {name: one for name, one in cast("dict[str, Any]", sections["facts"]).items() if name not in BESIDE}
    whole = {
        **cast("dict[str, Any]", _with_texts(facts, cast("list[Json]", sections["text"]))),
        "now": instant(envelope.recorded_at),
        "pathway": envelope.pathway or "",
        "parameters": envelope.parameters,
        "reads": sections["reads"],
    }
    decision = from_json(Decision, cast("Json", whole))
    overrides = {one.rule: one for one in decision.command.overrides}
    return replace(decision, rules=tuple(_rule(line, overrides) for line in envelope.rules))


def _rule(line: RuleLine, overrides: Mapping[str, Override]) -> RuleResult:
    """Give what the entry keeps of a rule's answer: not its clauses and words, which the pack gives again."""
    return RuleResult(
        id=line.id,
        level=Level(line.level),
        value={"t": True, "f": False, "u": None}[line.value],
        satisfied=line.answer != "no",
        clauses=(),
        message="",
        remedy="",
        sources=(),
        override=overrides.get(line.id) if line.answer.startswith("override:") else None,
        signed_off=line.answer == "signed",
    )
