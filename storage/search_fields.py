"""What the search index holds of an entry: its fields and its rule lines, and the tables they lie in.

Entries that had the same rules answered the same way share one set of rule lines: there are few of those, however long
the log.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from engine.audit import FORMAT
from storage.connection import Connection
from storage.database import SITE_REF

UNREADABLE = "?"  # the type of an entry whose bytes are not of this program's format
NONE = -1  # the number that stands for none


@dataclass(frozen=True, slots=True)
class Field:
    """One thing an entry says: whether it is text or a number, and whether pages in its order come from an index."""

    kind: Literal["TEXT", "INTEGER"] = "TEXT"
    indexed: bool = True


# Every field of a found entry, by the name that options, sorting and output use. Text that is not said is empty, a
# number that is not said is NONE: so every field sorts, and a page can begin after any value.
FIELDS: Mapping[str, Field] = {
    "entry": Field("INTEGER", indexed=False),  # the key of the table
    "recorded": Field(),
    "occurred": Field(),
    "type": Field(),
    "command": Field(),
    "trigger": Field(),
    "outcome": Field(),
    "actor": Field(),
    "role": Field(),
    "kind": Field(indexed=False),
    "on_behalf_of": Field(indexed=False),
    "purpose": Field(indexed=False),
    "patient": Field(),
    "episode": Field(),
    "number": Field("INTEGER", indexed=False),
    "state_before": Field(),
    "state": Field(),
    "pathway": Field(indexed=False),
    "parameters": Field(indexed=False),
    "engine": Field(indexed=False),
    "request": Field(indexed=False),
    "id": Field(indexed=False),
    "corrects": Field("INTEGER"),
    "rules": Field("INTEGER", indexed=False),
    "failed": Field("INTEGER"),
    "overridden": Field("INTEGER"),
    "signed": Field("INTEGER"),
}
# What was asked is the second word of an entry's type, but where a type says what happened.
ASKED_AS = {
    "timer.fired": "fire",
    "subject.erased": "erase",
    "subject.key_destroyed": "destroyed",
    "log.key_announced": "log_key",
}
WORDS = ("actor", "role", "type", "command", "trigger", "outcome", "state_before", "state")  # what text search covers
OF_RULES = {"rule": "id", "answer": "answer", "level": "level"}
_OWN = ",\n  ".join(
    f'"{name}" {one.kind} NOT NULL' if name != "entry" else '"entry" INTEGER PRIMARY KEY'
    for name, one in FIELDS.items()
)
TABLES = (
    f"CREATE TABLE entry (\n  {_OWN},\n  ruleset INTEGER NOT NULL)",
    "CREATE TABLE ruleset (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE)",
    """CREATE TABLE rule (ruleset INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, level TEXT NOT NULL,
  value TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (ruleset, place)) WITHOUT ROWID""",
    "CREATE INDEX rule_id ON rule (id, ruleset)",
    """CREATE TABLE known (field TEXT NOT NULL, value TEXT NOT NULL, folded TEXT NOT NULL, PRIMARY KEY (field, value))
  WITHOUT ROWID""",
    "CREATE TABLE meta (shape TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, leaf BLOB NOT NULL)",
)
INDEXES = {
    **{f"entry_{name}": f'"{name}", "entry"' for name, one in FIELDS.items() if one.indexed},
    "entry_ruleset": '"ruleset", "entry"',
}
SHAPE = hashlib.sha256(repr((TABLES, INDEXES, FORMAT)).encode()).hexdigest()[:16]
ADD = f"INSERT INTO entry VALUES ({', '.join('?' * (len(FIELDS) + 1))})"  # noqa: S608 - only question marks


def row_of(idx: int, data: bytes, person: str | None, sets: "Sets") -> tuple[Any, ...]:
    """Give an entry's row: its fields in their order, and the set of its rule lines."""
    patient = person if person and person != SITE_REF else ""
    try:
        said = orjson.loads(data)
        if said["v"] != FORMAT:
            return unreadable(idx, patient)
        who, kind, at, state = said["actor"], said["type"], said["ts"], said.get("state") or {}
        rules = sets.of(said["rule"])
        return (
            idx,
            at,
            said.get("occ", at),
            kind,
            ASKED_AS.get(kind) or kind.partition(".")[2],
            said["trigger"],
            said["outcome"],
            who["id"],
            who["role"],
            who["kind"],
            who.get("obo", ""),
            said["pou"],
            patient,
            said.get("ep", ""),
            said["epn"],
            state.get("from", ""),
            state.get("to", ""),
            said["pathway"]["sha256"] if "pathway" in said else "",
            said["params"],
            said["eng"],
            said.get("req", ""),
            said["id"],
            said.get("corrects", NONE),
            rules.lines,
            rules.failed,
            rules.overridden,
            rules.signed,
            rules.id,
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return unreadable(idx, patient)  # `audit verify` says what is wrong with it


def unreadable(idx: int, patient: str) -> tuple[Any, ...]:
    """Give the row of an entry that says nothing."""
    blank: dict[str, Any] = {name: "" if one.kind == "TEXT" else NONE for name, one in FIELDS.items()}
    return (*{**blank, "entry": idx, "type": UNREADABLE, "patient": patient}.values(), NONE)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rule lines some entries share: their number, and how many are what."""

    id: int
    lines: int
    failed: int
    overridden: int
    signed: int


class Sets:
    """Every set of rule lines, each once."""

    def __init__(self, connection: Connection) -> None:
        """Keep them in an index that is being written."""
        self._connection = connection
        self._known: dict[bytes, RuleSet] = {}

    def of(self, rules: list[list[str]]) -> RuleSet:
        """Give the set of these lines, added where it is new."""
        body = orjson.dumps(rules)
        found = self._known.get(body)
        if found is None:
            found = self._known[body] = self._kept(body, rules)
        return found

    def _kept(self, body: bytes, rules: list[list[str]]) -> RuleSet:
        answers = [answer for _, _, _, answer in rules]
        row = self._connection.execute("SELECT id FROM ruleset WHERE body = ?", (body,)).fetchone()
        if row is None:
            row = self._connection.execute("INSERT INTO ruleset (body) VALUES (?) RETURNING id", (body,)).fetchone()
            lines = [(row[0], place, *line) for place, line in enumerate(rules)]
            self._connection.executemany("INSERT INTO rule VALUES (?, ?, ?, ?, ?, ?)", lines)
        overridden = sum(one.startswith("override:") for one in answers)
        return RuleSet(row[0], len(rules), answers.count("no"), overridden, answers.count("signed"))
