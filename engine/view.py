"""What a command sees: every name of the condition language, answered for one episode at one moment.

Each derived fact has exactly one function, here or in `derive.py`; lists, pages, jobs and rules all ask it.
Answers are remembered for the length of one decision, and every record that was used is noted in `reads`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from engine.compiled import Compiled
from engine.conditions import json_of
from engine.decision import Input
from engine.facts import Item, Number, Value
from engine.fold import current, root_of, valid
from engine.forms import item_of, value_of
from engine.model import Actor, DueItem, Episode, Json, Record, Values
from engine.time import local_day

ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What the command brings along: its own record, where it wants to go, who asks, and a second person's yes."""

    form: str | None = None
    record: Record | None = None
    supersedes: str | None = None
    move: str | None = None
    to: str | None = None
    legal: bool = True
    of: str | None = None
    actor: Actor | None = None
    signed: bool = False


class Shelves:
    """The records of an episode and its person, put in order once for every view of them."""

    __slots__ = ("_compiled", "_episode", "_pools", "_valid", "by_id")

    def __init__(self, compiled: Compiled, episode: Episode) -> None:
        """Put each record on its form's shelf."""
        self._compiled, self._episode = compiled, episode
        self.by_id: dict[str, Record] = {record.id: record for record in episode.records}
        self._pools: dict[str, list[Record]] = {}
        self._valid: dict[str, list[Record]] = {}
        for record in episode.records:
            self._pools.setdefault(record.form, []).append(record)

    def valid(self, form: str) -> list[Record]:
        """Give the valid records of a form in order of occurrence."""
        found = self._valid.get(form)
        if found is None:
            found = self._valid[form] = valid(self.pool(form))
        return found

    def pool(self, form: str) -> list[Record]:
        """Give every record of a form; where it counts per person, also those of the other episodes."""
        here = self._pools.get(form, [])
        definition = self._compiled.pathway.forms.get(form)
        if definition is None or not definition.person:
            return here
        others = self._episode.person.records
        return here + [one for one in others if one.form == form and one.episode != self._episode.id]


class View:
    """A Lookup over one episode, the command's own record laid on top."""

    __slots__ = (
        "_inputs",
        "_memo",
        "_mine",
        "_owed",
        "compiled",
        "day",
        "episode",
        "now",
        "pending",
        "present",
        "reads",
        "root",
        "shelves",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what a view is made of
        self,
        compiled: Compiled,
        episode: Episode,
        pending: Pending,
        now: datetime,
        day: date,
        shelves: Shelves | None = None,
    ) -> None:
        """See `episode` at `now`; `day` is the local day on which the act occurred."""
        self.compiled, self.episode, self.pending, self.now, self.day = compiled, episode, pending, now, day
        self.present = root_of(episode, len(episode.stays) - 1)
        self.root = self._judged_in()
        self.shelves = shelves or Shelves(compiled, episode)
        self.reads: dict[str, int] = {}
        self._inputs: dict[str, Input] = {}
        self._memo: dict[str, Value | None] = {}
        self._mine: list[Record] | None = None
        self._owed: dict[str, list[DueItem]] | None = None

    def after(self, episode: Episode, pending: Pending) -> "View":
        """See the episode as it became; what is in order already stays so where no record was added."""
        same = episode.records is self.episode.records and episode.person is self.episode.person
        shelves = self.shelves if same else None
        return View(self.compiled, episode, pending, self.now, self.day, shelves)

    def on(self, day: date) -> "View":
        """See the same on another day."""
        return self if day == self.day else View(self.compiled, self.episode, self.pending, self.now, day, self.shelves)

    # --- Lookup -----------------------------------------------------------------------------------------------

    def value(self, name: str) -> Value | None:
        """Give the value of a declared name, None when unknown."""
        found = self._memo.get(name, ABSENT)
        if found is ABSENT:
            found = self._memo[name] = self._find(name)
        return found  # type: ignore[return-value]  # ABSENT never leaves this function

    def input(self, name: str) -> Input:
        """Give the value with the record it came from, if it came from one."""
        found = self._inputs.get(name)
        if found is None:
            found = self._inputs[name] = self._trace(name)
        return found

    def _trace(self, name: str) -> Input:
        form, dot, key = name.partition(".")
        value = json_of(self.value(name))
        if dot and form in self.compiled.pathway.forms:
            record = self.latest(form)
            if record is not None and (key in record.values or key in ("occurred_on", "days_ago")):
                return Input(
                    fact=name,
                    value=value,
                    record=record.id,
                    version=record.version,
                    occurred_at=record.occurred_at,
                    recorded_at=record.recorded_at,
                )
        return Input(fact=name, value=value)

    def _find(self, name: str) -> Value | None:
        resolver = self.compiled.resolvers.get(name)
        return self.field(name) if resolver is None else resolver(self)

    # --- records ----------------------------------------------------------------------------------------------

    def records(self, form: str) -> list[Record]:
        """Give the valid records of a form in order of occurrence, the command's own among them."""
        if self.pending.form != form or self.pending.record is None:
            return self.shelves.valid(form)
        own = self.pending.record
        if self._mine is None:
            gone = (own.id, self.pending.supersedes)
            others = [record for record in self.shelves.pool(form) if record.id not in gone]
            self._mine = valid([*others, own])
        return self._mine

    def latest(self, form: str) -> Record | None:
        """Give the command's own record of this form, else the latest valid one; it counts as read."""
        own = self.pending.record
        if own is not None and self.pending.form == form:
            return own
        found = self.records(form)
        if not found:
            return None
        self.reads[found[-1].id] = found[-1].version
        return found[-1]

    def field(self, name: str) -> Value | None:
        """Give what was answered in a form's field (`form.field`), or when; None when unknown, or nothing of the kind."""
        form, _, key = name.partition(".")
        definition = self.compiled.pathway.forms.get(form)
        record = self.latest(form) if definition is not None else None
        if definition is None or record is None:
            return None
        if key == "occurred_on":
            return self.local(record.occurred_at)
        if key == "days_ago":
            return (self.day - self.local(record.occurred_at)).days
        field = definition.fields.get(key)
        return value_of(self.compiled.pathway, field, record.values.get(key)) if field else None

    def history(self, form: str) -> tuple[Item, ...]:
        """Give every valid record of a form as a list conditions can count; all of them count as read."""
        found = []
        fields = self.compiled.pathway.forms[form].fields
        for record in self.records(form):
            if record is not self.pending.record:
                self.reads[record.id] = record.version
            on = self.local(record.occurred_at)
            here = record.episode == self.episode.id
            found.append(
                {
                    **item_of(self.compiled.pathway, fields, dict(record.values)),
                    "id": record.id,
                    "by": record.by,
                    "occurred_on": on,
                    "days_ago": (self.day - on).days,
                    "day": self.stay_day(on),
                    "this_stay": here and self.in_stay(record),
                    "this_episode": here,
                }
            )
        return tuple(found)

    def in_stay(self, record: Record) -> bool:
        """Say whether a record of this episode belongs to the present stay by when it occurred.

        A late paper visit belongs to where the person was on that day, not to when it was typed in.
        """
        if self.root < 0 or root_of(self.episode, record.stay) < self.root or self.later(record):
            return False
        return record.occurred_at >= self.episode.stays[self.root].since

    def later(self, record: Record) -> bool:
        """Say whether a record of this episode belongs to a stay after the one that is looked at."""
        if self.root == self.present or record.episode != self.episode.id:
            return False
        if root_of(self.episode, record.stay) <= self.root:
            return False
        end = self._end()
        return end is not None and record.occurred_at >= end

    def _judged_in(self) -> int:
        """Give the stay the command's own record belongs to: a late entry or a correction is judged where it occurred."""
        own = self.pending.record
        if own is not None and self.pending.supersedes is not None:
            return root_of(self.episode, max(own.stay, 0))
        if own is None or self.present < 0 or own.occurred_at >= self.episode.stays[self.present].since:
            return self.present
        reached = [place for place, stay in enumerate(self.episode.stays) if stay.since <= own.occurred_at]
        return root_of(self.episode, reached[-1]) if reached else 0

    def _end(self) -> datetime | None:
        """Give the instant the looked-at stay ended for good: holds and concerns that return to it do not end it."""
        chain = [place for place in range(len(self.episode.stays)) if root_of(self.episode, place) == self.root]
        for stay in self.episode.stays[chain[-1] + 1 :]:
            if not self.compiled.pathway.states[stay.state].paused:
                return stay.since
        return None

    def standing(self, record: str) -> Record | None:
        """Give the record that stands for this id after corrections."""
        if self.pending.record is not None and record in (self.pending.record.id, self.pending.supersedes):
            return self.pending.record
        return current(self.shelves.by_id, record)

    def values(self, record: str | None) -> Values:
        """Give the standing values of a record; empty when there is none."""
        found = self.standing(record) if record else None
        return found.values if found is not None else {}

    # --- days of the stay -------------------------------------------------------------------------------------

    def clock(self) -> date:
        """Give the day the stay's windows count from."""
        return self.clock_of(self.root) if self.root >= 0 else self.day

    def clock_of(self, position: int) -> date:
        """Give the day a stay's windows count from: the stated start of therapy, else the day of entry."""
        stay = self.episode.stays[position]
        stated = self.values(stay.record).get("therapy_start")
        return date.fromisoformat(stated) if isinstance(stated, str) else stay.clock

    def paused_days(self, since: date, until: date) -> int:
        """Count the days between two days that were spent in states whose days do not count."""
        total = 0
        for stay in self.episode.stays:
            if not self.compiled.pathway.states[stay.state].paused:
                continue
            start = max(self.local(stay.since), since)
            end = min(self.local(stay.until), until) if stay.until else until
            total += max((end - start).days, 0)
        return total

    def last_counted(self) -> date:
        """Give the last day that counts: today, or in a pause the day it began; windows stand still from there."""
        began = None
        for stay in reversed(self.episode.stays):
            if not self.compiled.pathway.states[stay.state].paused:
                break
            began = stay.since
        return self.day if began is None else min(self.day, self.local(began))

    def stay_day(self, on: date) -> int:
        """Count the days from the stay's clock to a day; days on hold or in evaluation do not count."""
        start = self.clock()
        return (on - start).days - self.paused_days(start, on)

    # --- work owed --------------------------------------------------------------------------------------------

    def owed(self, kind: str) -> list[DueItem]:
        """Give the due items of a policy, whatever became of them, in the order they arose."""
        if self._owed is None:
            self._owed = {}
            for item in self.episode.due_items:
                self._owed.setdefault(item.kind, []).append(item)
        return self._owed.get(kind, [])

    # --- the rest ---------------------------------------------------------------------------------------------

    def local(self, instant: datetime) -> date:
        """Give the day of an instant in the site's zone."""
        return local_day(instant, self.episode.zone)

    def component(self, kind: str) -> str:
        """Give the status of a treatment kind: what runs wins over what was last said of it."""
        found = [one for one in self.episode.treatments if one.kind == kind]
        for status in ("active", "planned"):
            if any(one.status == status for one in found):
                return status
        return found[-1].status if found else "none"

    def answer(self, table: str) -> str | None:
        """Give a decision table's answer; None when no row is true (a proved table always has one)."""
        for condition, then in self.compiled.tables[table].rows:
            if condition.evaluate(self) is True:
                return then
        return None

    def setting(self, name: str) -> Value | None:
        """Give a parameter's value, None when unset or not declared."""
        return self.compiled.parameters.get(name)

    def number(self, name: str) -> Number | None:
        """Give a numeric parameter, None when unset."""
        return self.compiled.numbers.get(name)

    def picture(self, names: tuple[str, ...]) -> Mapping[str, Json]:
        """Give several derived facts as JSON, for the decision's `derived` and for list columns."""
        return {name: json_of(self.value(name)) for name in names}
