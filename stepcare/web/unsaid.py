"""Taking out of our own sentences what the caller has said: errors explain, but never repeat.

Names the pathway knows (forms, fields, codes, rules) are ours and stay; everything else a request held, in its body,
path, query or key, becomes an ellipsis wherever a sentence would repeat it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.model import Kind, Role
from engine.pathway import Pathway

GONE = "…"
MOST_WORDS = 2000  # a request that says more has its sentences left out altogether
CUTS = (40, 60, 80, 200)  # messages shorten what they quote
WINDOW = 12  # so many letters in a row of something said are a repetition, however they are quoted
HARMLESS = re.compile(r"\W*|-?\d{1,4}(\.\d{1,6})?")
OURS = frozenset(
    {
        *(kind.value for kind in Kind),
        *(role.value for role in Role),
        *("kind", "values", "overrides", "rule", "reason", "text", "of", "occurred_at", "form", "transition", "to"),
        *("record", "due_item", "until", "owner", "team", "answer", "name", "value", "patient", "person", "language"),
        *("born", "contacts", "email", "sms", "telephone", "letter", "pathway", "zone", "yes", "no", "true", "false"),
        *("minutes", "finding"),
    }
)


def words_of(pathway: Pathway) -> frozenset[str]:
    """Give every name a pathway knows."""
    return OURS | frozenset(_texts(pathway.model_dump(mode="json")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


@dataclass(slots=True)
class Unsaid:
    """What one request has said, and how to leave it out. `known` are names of ours."""

    said: Any
    known: frozenset[str] = OURS
    _words: list[str] = field(init=False)
    _numbers: list[str] = field(init=False)
    _cuts: list[str] = field(init=False)
    _windows: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Collect it once."""
        texts = dict.fromkeys(_texts(self.said))
        self._words = sorted(
            (one for one in texts if one not in self.known and not HARMLESS.fullmatch(one)), key=len, reverse=True
        )
        self._numbers = [str(one) for one in _numbers(self.said)]
        words = self._words[:MOST_WORDS]
        quoted = ((word, repr(word)[1:-1], *(word[:most] for most in CUTS)) for word in words)
        self._cuts = list(dict.fromkeys(cut for cuts in quoted for cut in cuts))
        self._windows = frozenset(
            word[place : place + WINDOW] for word in words for place in range(0, len(word) - WINDOW + 1, WINDOW // 2)
        )

    def sentence(self, text: str, instead: str = "") -> str:
        """Give a sentence without what was said; `instead` where too much was said to take it out with care."""
        if len(self._words) > MOST_WORDS:
            return instead
        for cut in self._cuts:
            if cut in text:
                text = re.sub(rf"(?<!\w){re.escape(cut)}(?!\w)", GONE, text)
        for number in self._numbers:
            text = re.sub(rf"(?<=\bis ){re.escape(number)}(?![\w.])", GONE, text)
        return instead if self._repeats(text) else text

    def _repeats(self, text: str) -> bool:
        return any(text[place : place + WINDOW] in self._windows for place in range(len(text) - WINDOW + 1))

    def decision(self, row: dict[str, Any]) -> dict[str, Any]:
        """Give a decision with every member cleaned that can repeat an answer; the others hold names of ours."""
        cleaned = {**row, "asked": self._value(row.get("asked")), "rules": [self._rule(one) for one in row["rules"]]}
        if "problem" in row:
            cleaned["problem"] = self.sentence(row["problem"])
        return cleaned

    def _rule(self, rule: dict[str, Any]) -> dict[str, Any]:
        clauses = [
            {**one, "inputs": [{**given, "value": self._value(given["value"])} for given in one["inputs"]]}
            for one in rule["clauses"]
        ]
        cleaned = {name: self.sentence(rule[name]) for name in ("message", "remedy")}
        override = {"override": self._value(rule["override"])} if "override" in rule else {}
        return {**rule, **cleaned, "clauses": clauses, **override}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.sentence(value, GONE)
        if isinstance(value, dict):
            return {self.sentence(key, GONE): self._value(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(one) for one in value]
        return value


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and value and HARMLESS.fullmatch(value) and value[-1].isdigit()
    ):
        yield value
