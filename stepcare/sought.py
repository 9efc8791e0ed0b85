"""A search of the log, as it is typed: read strictly, held against what there is, and shown. CLI and API ask here."""

import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from engine.access import may_read
from engine.errors import InvalidInput, StepcareError, near
from engine.model import Actor, Json, Kind, Level, Outcome, Role
from engine.pathway import Pathway
from engine.time import start_of
from stepcare.app import App
from stepcare.sight import ALL_TEAMS
from stepcare.typed import moment_from, require_text
from storage.ledger import commitments_in
from storage.refs import check_ref
from storage.search import Filter, Order, Page, Reach, Span, count_of, known_of, loosened, page_of
from storage.search_fields import FIELDS, NONE, UNREADABLE
from storage.search_index import Index, Progress, searching
from storage.sight import episodes_of_teams
from storage.staff import Staff
from storage.tables import Row
from storage.walk import opener_of

COUNTED = 10_000  # found entries are counted so far; beyond it stands "at least"
LONGEST = 200
DAY = re.compile(r"\d{4}-\d\d-\d\d")
NUMBER = re.compile(r"\d{1,15}")
ANSWERS = ("ok", "no", "signed", "override")
REFERENCE = re.compile(r"[a-zA-Z]+-\S+")
CLOSED: Mapping[str, tuple[str, ...]] = {
    "role": tuple(Role),
    "outcome": tuple(Outcome),
    "level": tuple(Level),
    "command": tuple(Kind),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What was asked, as it was typed; None and empty: not asked.

    Several values of one field mean any of them. `recorded` and `occurred` are `FROM..TO`, of days in the site's zone
    or instants, both in it; one side may be left out, and one day alone means that day. `entries` is the same of numbers.
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
    recorded: str | None = None
    occurred: str | None = None
    entries: str | None = None
    text: str | None = None
    sort: str = "-recorded"

    def said(self) -> dict[str, Json]:
        """Give what was asked, as JSON: for the log of reads and for a manifest."""
        every = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: list(one) if isinstance(one, tuple) else one for name, one in every.items() if one not in (None, ())
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search on the index as it is now. `notes` say what could not be searched."""

    index: Index
    wanted: Filter
    order: Order
    sought: Sought
    notes: tuple[str, ...]

    def page(self, limit: int, after: str = "") -> Page:
        """Give a page; InvalidInput for a foreign cursor."""
        return page_of(self.index, self.wanted, self.order, limit=limit, after=after)

    def count(self) -> tuple[int, bool]:
        """Count what is found; True: there are at least so many."""
        found = count_of(self.index, self.wanted, COUNTED + 1)
        return min(found, COUNTED), found > COUNTED

    def loosened(self) -> list[tuple[str, int]]:
        """Say what leaving one condition out would find."""
        return loosened(self.index, self.wanted, COUNTED)


@contextmanager
def asked(
    app: App, reader: Actor | None, sought: Sought, progress: Progress | None = None
) -> Generator[Asked, None, None]:
    """Give a search, the index caught up; InvalidInput for what cannot be meant. `reader` None: nobody said who."""
    wanted = _wanted(app, sought)
    order = Order.of(sought.sort)
    notes: tuple[str, ...] = ()
    if reader is not None and reader.role not in ALL_TEAMS:
        wanted["within"] = tuple(episodes_of_teams(app.database, reader.teams))
    if sought.text and len(sought.episode) == 1:
        within = wanted.get("within")
        if within is None or _reference(sought.episode[0]) in within:
            wanted["texts"], notes = _texts(app, reader, sought)
    with searching(app.database, progress) as index:
        _require_known(app, index, sought)
        yield Asked(index=index, wanted=Filter(**wanted), order=order, sought=sought, notes=notes)


# --- reading what was typed ---------------------------------------------------------------------------------------


def _wanted(app: App, sought: Sought) -> dict[str, Any]:
    for name, value in sought.said().items():
        for one in value if isinstance(value, list) else [value]:
            require_text(name, one if isinstance(one, str) else None, LONGEST)
    for name, known in CLOSED.items():
        for one in getattr(sought, name):
            if one not in known:
                raise InvalidInput(f"There is no {name} {one[:40]!r}. {near(one, known)}")
    for one in sought.answer:
        if one.partition(":")[0] not in ANSWERS or (":" in one and not one.startswith("override:")):
            raise InvalidInput(
                f"{one[:40]!r} is no answer of a rule: use ok, no, signed, override, or override: with a reason."
            )
    zone = app.store.site().zone
    plain = ("actor", "role", "command", "trigger", "outcome", "state", "rule", "answer", "level", "override", "signed")
    return {
        **{name: getattr(sought, name) for name in plain},
        "patient": tuple(map(_reference, sought.patient)),
        "episode": tuple(map(_reference, sought.episode)),
        "recorded": _span("recorded", sought.recorded, zone),
        "occurred": _span("occurred", sought.occurred, zone),
        "entries": _reach(sought.entries),
        "text": sought.text or "",
    }


def _reference(typed: str) -> str:
    """Give a reference as it was made, where it looks like one of ours."""
    return check_ref(typed) if REFERENCE.fullmatch(typed) else typed


def _span(name: str, typed: str | None, zone: str) -> Span | None:
    if typed is None:
        return None
    left, between, right = (part.strip() for part in typed.partition(".."))
    try:
        low = _moments(name, left, zone)[0] if left else None
        high = _moments(name, right if between else left, zone)[1] if right or not between else None
    except OverflowError:
        raise InvalidInput(f"The times of {name} are out of reach: use years from 1 to 9998.") from None
    if low is None and high is None:
        raise InvalidInput(f"{name} needs a day or an instant, such as 2026-03-01..2026-03-31.")
    if low is not None and high is not None and low >= high:
        raise InvalidInput(f"The times of {name} end before they begin: write the earlier one first.")
    return Span(low=low, high=high)


def _moments(name: str, typed: str, zone: str) -> tuple[datetime, datetime]:
    """Give where a day or an instant begins, and the first moment after it."""
    if not DAY.fullmatch(typed):
        try:
            moment = moment_from(typed)
        except InvalidInput:
            moment = None
        if moment is None:
            raise InvalidInput(
                f"{typed[:40]!r} is no time for {name}: write a day (2026-03-02) or an instant with its offset."
            )
        return moment, moment + timedelta(microseconds=1)
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        raise InvalidInput(f"{typed!r} is no day for {name}: look at the calendar.") from None
    return start_of(day, zone), start_of(day + timedelta(days=1), zone)


def _reach(typed: str | None) -> Reach | None:
    if typed is None:
        return None
    left, between, right = (part.strip() for part in typed.partition(".."))
    right = right if between else left
    if not (left or right) or any(part and not NUMBER.fullmatch(part) for part in (left, right)):
        raise InvalidInput(f"{typed[:40]!r} are no entries: write one number, or two such as 100..200.")
    if left and right and int(left) > int(right):
        raise InvalidInput(f"Entries {typed[:40]!r} end before they begin: write the lower number first.")
    return Reach(low=int(left) if left else None, high=int(right) if right else None)


# --- what there is ------------------------------------------------------------------------------------------------


def _require_known(app: App, index: Index, sought: Sought) -> None:
    """Refuse a name that nothing has: a mistyped one would find nothing, and look like an answer."""
    fallbacks: Mapping[str, Callable[[], set[str]]] = {
        "actor": lambda: set(Staff(app.database).all()),
        "rule": lambda: {one.id for pathway in _pathways(app) for one in pathway.rules},
        "trigger": lambda: {*Kind, *(one for pathway in _pathways(app) for one in pathway.transitions)},
        "state": lambda: {one for pathway in _pathways(app) for one in pathway.states},
    }
    for name, others in fallbacks.items():
        said = set(getattr(sought, name))
        if said and (missing := said - set(known_of(index, name))):
            known = others() | set(known_of(index, name))
            for one in sorted(missing - known):
                raise InvalidInput(
                    f"No entry has the {name} {one[:40]!r}, and there is none of that name. {near(one, known)}"
                )


def _pathways(app: App) -> list[Pathway]:
    return [app.engine.compiled(sha256).pathway for sha256 in app.store.site().pathways.values()]


def _texts(app: App, reader: Actor | None, sought: Sought) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Give, for each word that is sought, the episode's entries whose opened texts hold it."""
    if reader is not None and not may_read(reader, "episode"):
        return {}, (f"Texts of the episode were not searched: as {reader.role} you may not read it.",)
    terms = Filter(text=sought.text or "").terms
    found: dict[str, list[int]] = {term: [] for term in terms}
    shut = 0
    opener = opener_of(app.database)
    for stored in app.store.entries_of(_reference(sought.episode[0])):
        try:
            sections = opener(stored, commitments_in(stored.entry))
        except StepcareError:
            shut += 1
            continue
        words = json.dumps(sections.get("text"), ensure_ascii=False).casefold()
        for term in terms:
            if json.dumps(term, ensure_ascii=False)[1:-1] in words:
                found[term].append(stored.idx)
    notes = (f"Texts of {shut} entries were not searched: they cannot be opened.",) if shut else ()
    return {term: tuple(entries) for term, entries in found.items()}, notes


# --- showing ------------------------------------------------------------------------------------------------------


def found_json(row: Row) -> dict[str, Json]:
    """Give a found entry: every field, null where nothing is said, and its rules by what came of them."""
    lines = row["lines"]
    said: dict[str, Json] = {name: None if row[name] in ("", NONE) else row[name] for name in FIELDS}
    return {
        **said,
        "rules": lines,
        "failed": [one["id"] for one in lines if one["answer"] == "no"],
        "overridden": [one["id"] for one in lines if one["answer"].startswith("override:")],
        "signed": [one["id"] for one in lines if one["answer"] == "signed"],
        "readable": row["type"] != UNREADABLE,
    }


def about(rows: list[dict[str, Json]]) -> tuple[list[str], list[str]]:
    """Give whose entries are shown, persons and episodes, for the log of reads."""
    persons = {str(row["patient"]) for row in rows if row["patient"]}
    return sorted(persons), sorted({str(row["episode"]) for row in rows if row["episode"]})


def page_json(found: Asked, page: Page, rows: list[dict[str, Json]]) -> dict[str, Json]:
    """Give a page with how much there is (`at_least`: or more), and the cursor of the next page, null at the end."""
    count, more = found.count()
    row: dict[str, Json] = {
        "items": list[Json](rows),
        "count": count,
        "at_least": more,
        "entries": page.size,
        "after": page.after or None,
        "notes": list[Json](found.notes),
    }
    return row if count else {**row, "loosen": dict[str, Json](found.loosened())}


def loosen_line(asked: Asked) -> str:
    """Say, where nothing was found, which condition to leave out."""
    ways = [f"{count}{'+' if count == COUNTED else ''} without {name}" for name, count in asked.loosened()]
    if asked.index.size == 0:
        return "The log is empty: nothing has been decided here yet."
    if ways:
        return f"No entry is like that. There would be {', '.join(ways)}."
    return "No entry is like that, nor with any one condition left out: begin with fewer."
