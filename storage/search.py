"""Asking the search index: which entries, in which order, page by page.

A page is found by its place: after which value of the sorted field, after which entry. A cursor also carries the size
of the log when the first page was asked for, so all pages show the list as it was then, whatever is decided meanwhile.
"""

# ruff: noqa: S608 - the SQL is made of our own names; every value is a parameter

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from engine.audit import canonical, instant
from engine.errors import InvalidInput
from engine.model import Json
from storage.connection import rows
from storage.search_fields import FIELDS, OF_RULES, WORDS
from storage.search_index import Index
from storage.tables import Row

MOST = 1000  # lines of a page
# The plus keeps the planner from looking the number up in an index of another field: nearly all entries are within.
WITHIN = '+e."entry" < :size'
FOREIGN = "This is not a cursor of this search: use the one its last page gave, with the same filters and order."


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, from `low` on and before `high`; None: no border on that side."""

    low: datetime | None = None
    high: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A stretch of the log by number, both ends in it; None: no border on that side."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries. Every condition that is said must hold; of several values of one field any one is enough.

    `rule`, `answer` and `level` are about one and the same rule of the entry; the answer `override` stands for every
    reason. `text`: each word of it must be part of one of the entry's words (codes, rules, actors, types), in any case
    of letters, or stand in what `texts` names: for such a word, the entries whose opened texts hold it. `within`: only
    entries of these episodes and the site's own; None: of all. False of `override` and `signed` means none.
    """

    actor: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    patient: tuple[str, ...] = ()
    episode: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    trigger: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    override: bool | None = None
    signed: bool | None = None
    recorded: Span | None = None
    occurred: Span | None = None
    entries: Reach | None = None
    text: str = ""
    texts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    within: tuple[str, ...] | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Give the words that are sought, each once, in small letters."""
        return tuple(dict.fromkeys(self.text.casefold().split()))


PLAIN = ("actor", "role", "patient", "episode", "command", "trigger", "outcome", "state")
SAID = tuple(one.name for one in fields(Filter) if one.name not in ("texts", "within"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which field, and whether from its end; entries that are equal in it follow their numbers, in the same sense."""

    field: str = "recorded"
    falling: bool = True

    @classmethod
    def of(cls, typed: str) -> "Order":
        """Read `FIELD` or `-FIELD`."""
        name = typed.removeprefix("-")
        if name not in FIELDS:
            raise InvalidInput(f"Entries cannot be sorted by {name[:40]!r}: use one of {', '.join(FIELDS)}.")
        return cls(field=name, falling=typed.startswith("-"))

    @property
    def typed(self) -> str:
        """Give it as it is typed."""
        return f"{'-' if self.falling else ''}{self.field}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Found entries by field name, each with its `lines` of rules; `after` leads on, empty at the end.

    `size` is how many entries the log had when the first page was asked for.
    """

    found: tuple[Row, ...]
    after: str
    size: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ended: the size of the log then, the value, the entry."""

    size: int
    value: str | int
    entry: int


Condition = tuple[str, dict[str, Any]]


def page_of(index: Index, wanted: Filter, order: Order, *, limit: int, after: str = "") -> Page:
    """Give a page; InvalidInput for a cursor that is not one of this search on this log."""
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"A page of {limit} entries is not given: ask for 1 to {MOST}.")
    place = _place(index, wanted, order, after) if after else None
    size = place.size if place else index.size
    found = _found(index, wanted, order, (size, place), limit + 1)
    more, found = len(found) > limit, found[:limit]
    cursor = _cursor(index, wanted, order, _Place(size, found[-1][order.field], found[-1]["entry"])) if more else ""
    return Page(found=tuple(_with_rules(index, found)), after=cursor, size=size)


def numbers_of(index: Index, wanted: Filter, order: Order) -> Iterator[int]:
    """Give the number of every entry that is found, in order."""
    where, values = _where([*_conditions(wanted).values(), (WITHIN, {"size": index.size})])
    statement = f'SELECT e."entry" FROM entry e{where} {_by(order)}'
    for (number,) in index.connection.execute(statement, values):
        yield number


def count_of(index: Index, wanted: Filter, most: int) -> int:
    """Count what is found, as far as `most`: that many means at least that many."""
    where, values = _where([*_conditions(wanted).values(), (WITHIN, {"size": index.size})])
    inner = f"SELECT 1 FROM entry e{where} LIMIT :most"
    (count,) = index.connection.execute(f"SELECT count(*) FROM ({inner})", {**values, "most": most}).fetchone()
    return int(count)


def loosened(index: Index, wanted: Filter, most: int) -> list[tuple[str, int]]:
    """Say for each condition how many entries there would be without it (`most`: at least); none where it is none."""
    blank = Filter()
    without = {
        name: replace(wanted, **{name: getattr(blank, name)})
        for name in SAID
        if getattr(wanted, name) != getattr(blank, name)
    }
    found = [(name, count_of(index, one, most)) for name, one in without.items()]
    return [one for one in found if one[1]]


def persons_of(index: Index, wanted: Filter) -> list[str]:
    """Give the references of the persons whose entries are found."""
    mine: Condition = ("e.\"patient\" <> ''", {})
    where, values = _where([*_conditions(wanted).values(), mine, (WITHIN, {"size": index.size})])
    return sorted(
        row[0] for row in index.connection.execute(f'SELECT DISTINCT e."patient" FROM entry e{where}', values)
    )


def known_of(index: Index, name: str) -> list[str]:
    """Give every value the log has of one of its words: a field of WORDS, or rule, answer, level."""
    return [row[0] for row in index.connection.execute("SELECT value FROM known WHERE field = ?", (name,))]


def unreadable_in(index: Index) -> int:
    """Count the entries that cannot be read: no search finds what they say."""
    (count,) = index.connection.execute("SELECT count(*) FROM entry WHERE type = '?'").fetchone()
    return int(count)


# --- conditions ---------------------------------------------------------------------------------------------------


def _conditions(wanted: Filter) -> dict[str, Condition]:
    """Give every condition as SQL about an entry `e`, by the name of what was said."""
    found: dict[str, Condition] = {}
    for name in PLAIN:
        if said := getattr(wanted, name):
            among, values = _among(name, said)
            found[name] = (f'e."{name}" {among}', values)
    found.update(_stretches(wanted))
    if wanted.override is not None:
        found["override"] = (f'e."overridden" {">" if wanted.override else "="} 0', {})
    if wanted.signed is not None:
        found["signed"] = (f'e."signed" {">" if wanted.signed else "="} 0', {})
    if wanted.rule or wanted.answer or wanted.level:
        found["about rules"] = _about_rules(wanted)
    for number, term in enumerate(wanted.terms):
        found[f"text {number}"] = _text(term, number, wanted.texts.get(term, ()))
    if wanted.within is not None:
        inside = 'e."episode" = \'\' OR e."episode" IN (SELECT value FROM json_each(:within))'
        found["within"] = (f"({inside})", {"within": json.dumps(wanted.within)})
    return found


def _stretches(wanted: Filter) -> Iterator[tuple[str, Condition]]:
    for name, span in (("recorded", wanted.recorded), ("occurred", wanted.occurred)):
        if span is not None:
            low, high = (instant(one) if one else None for one in (span.low, span.high))
            yield name, _between(name, low, "<", high)
    if wanted.entries is not None:
        yield "entries", _between("entry", wanted.entries.low, "<=", wanted.entries.high)


def _among(name: str, said: Sequence[str]) -> Condition:
    if len(said) == 1:
        return f"= :{name}", {name: said[0]}
    names = [f"{name}{number}" for number in range(len(said))]
    return f"IN ({', '.join(f':{one}' for one in names)})", dict(zip(names, said, strict=True))


def _between(name: str, low: str | int | None, upper: str, high: str | int | None) -> Condition:
    parts: list[str] = []
    values: dict[str, Any] = {}
    if low is not None:
        parts.append(f'e."{name}" >= :{name}_low')
        values[f"{name}_low"] = low
    if high is not None:
        parts.append(f'e."{name}" {upper} :{name}_high')
        values[f"{name}_high"] = high
    return " AND ".join(parts) or "1", values


def _about_rules(wanted: Filter) -> Condition:
    parts: list[str] = []
    values: dict[str, Any] = {}
    for name in ("rule", "level"):
        if said := getattr(wanted, name):
            among, more = _among(name, said)
            parts.append(f"{OF_RULES[name]} {among}")
            values |= more
    ways = []
    for number, one in enumerate(wanted.answer):
        values[f"answer{number}"] = one
        whole = f"answer = :answer{number}"
        # `;` comes after `:`, so this is every reason an override can have.
        ways.append(f"{whole} OR (answer >= 'override:' AND answer < 'override;')" if one == "override" else whole)
    if ways:
        parts.append(f"({' OR '.join(ways)})")
    return f"e.ruleset IN (SELECT ruleset FROM rule WHERE {' AND '.join(parts)})", values


def _text(term: str, number: int, texts: Sequence[int]) -> Condition:
    known = f"(SELECT value FROM known WHERE field = '%s' AND instr(folded, :term{number}))"
    ways = [f'e."{name}" IN {known % name}' for name in WORDS]
    of_rules = " OR ".join(f"{OF_RULES[name]} IN {known % name}" for name in ("rule", "answer"))
    ways.append(f"e.ruleset IN (SELECT ruleset FROM rule WHERE {of_rules})")
    values: dict[str, Any] = {f"term{number}": term}
    if texts:
        ways.append(f'e."entry" IN (SELECT value FROM json_each(:texts{number}))')
        values[f"texts{number}"] = json.dumps(texts)
    return f"({' OR '.join(ways)})", values


def _where(conditions: Sequence[Condition]) -> Condition:
    values = {name: value for _, some in conditions for name, value in some.items()}
    return (f" WHERE {' AND '.join(one for one, _ in conditions)}" if conditions else ""), values


def _by(order: Order) -> str:
    way = "DESC" if order.falling else "ASC"
    return (
        f'ORDER BY e."entry" {way}' if order.field == "entry" else f'ORDER BY e."{order.field}" {way}, e."entry" {way}'
    )


def _found(index: Index, wanted: Filter, order: Order, at: tuple[int, _Place | None], limit: int) -> list[Row]:
    size, place = at
    conditions = [*_conditions(wanted).values(), (WITHIN, {"size": size})]
    if place is not None:
        way = "<" if order.falling else ">"
        conditions.append(
            (f'(e."{order.field}", e."entry") {way} (:value, :last)', {"value": place.value, "last": place.entry})
        )
    where, values = _where(conditions)
    # Numbers first, whole rows after: what is sorted stays small.
    statement = f'SELECT e."entry" FROM entry e{where} {_by(order)} LIMIT :limit'
    numbers = [row[0] for row in index.connection.execute(statement, {**values, "limit": limit})]
    whole = "SELECT * FROM entry WHERE entry IN (SELECT value FROM json_each(?))"
    found = {row["entry"]: row for row in rows(index.connection.execute(whole, (json.dumps(numbers),)))}
    return [found[number] for number in numbers]


def _with_rules(index: Index, found: list[Row]) -> Iterator[Row]:
    sets = sorted({row["ruleset"] for row in found})
    statement = (
        "SELECT ruleset, id, level, value, answer FROM rule "
        "WHERE ruleset IN (SELECT value FROM json_each(?)) ORDER BY ruleset, place"
    )
    lines: dict[int, list[Row]] = {}
    for row in rows(index.connection.execute(statement, (json.dumps(sets),))):
        lines.setdefault(row.pop("ruleset"), []).append(row)
    for row in found:
        yield {**{name: row[name] for name in FIELDS}, "lines": lines.get(row["ruleset"], [])}


# --- cursors ------------------------------------------------------------------------------------------------------


def _cursor(index: Index, wanted: Filter, order: Order, place: _Place) -> str:
    said: list[Json] = [place.size, place.value, place.entry]
    body = canonical([*said, _seal(index, wanted, order, said)])
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def _place(index: Index, wanted: Filter, order: Order, cursor: str) -> _Place:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        size, value, entry, seal = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        said: list[Json] = [size, value, entry]
        fits = seal == _seal(index, wanted, order, said) and 0 <= entry < size <= index.size
    except (InvalidInput, ValueError, TypeError):  # no base64, no JSON, or not of our shape
        fits = False
    if not fits:
        raise InvalidInput(FOREIGN)
    return _Place(size, value, entry)


def _seal(index: Index, wanted: Filter, order: Order, place: list[Json]) -> str:
    """Bind a place to its search and its log: it keeps a slip from giving a wrong list, and hides nothing."""
    query = {name: repr(getattr(wanted, name)) for name in SAID}
    return hashlib.sha256(canonical([index.origin, query, order.typed, place])).hexdigest()[:16]
