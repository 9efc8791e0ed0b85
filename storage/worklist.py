"""How the worklist is read: rank by rank, each from an index that holds it in its order, and no further than the page.

An open due item has a place: its lane, by what does not change with time, and its due instant. A rank is one or two
reaches of lanes. So nothing is sorted but the lines of one page, however many items there are.

Whether a window has begun is not in a place. A list in the order of due instants could walk over everything that is
still to come before it meets the first window that is open; a list of the windows in the order of their opening could
be as long. But seldom are both. So it is counted, up to a budget, how many windows are open: if few, those are sorted.
If many, the walk meets them soon; it has a budget too, and where that is not enough, both are asked again with more.
"""

# ruff: noqa: S608 - the SQL is made of our own names; every value is a parameter

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from storage.connection import Connection, rows
from storage.rows import EMERGENCY, ESCALATED, ORDINARY, SAFETY, SAFETY_ESCALATED, UNDATED, URGENT
from storage.tables import TABLES, Row

RANKS = ("emergency", "urgent", "late_safety", "escalated", "overdue", "due", "coming", "undated")
DUE_NOW, COMING = RANKS.index("due"), RANKS.index("coming")
BUDGET = 150
FARTHER = 4  # times as far as windows were counted, the walk goes
FURTHER = 8  # times as far, both, when neither was enough
LAST = "\x7f"  # after every id, and after UNDATED
BEFORE_UNDATED = "}"
COLUMNS = [column.name for column in TABLES["due_item"].columns if column.name not in ("team", "assignee", "place")]

Place = tuple[str, str, str]
Scope = Literal["", "team", "assignee", "episode_id"]
Walk = Literal["whole", "budgeted", "opened"]


@dataclass(frozen=True, slots=True)
class Reach:
    """A stretch of one lane: after `low` (place, episode, id), up to and with the place `high`."""

    low: Place
    high: str

    def after(self, last: Place) -> "Reach":
        """Give what is left of it after the last line of a page: when that was due, its episode, its id."""
        due_key, episode, item = last
        return Reach(max(self.low, (f"{self.low[0][0]} {due_key}", episode, item)), self.high)


@dataclass(frozen=True, slots=True)
class Page:
    """What is left of a page: where its lines are, in one rank, and how many there may be."""

    connection: Connection
    reaches: Sequence[Reach]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Everything that makes a difference in the text of a query. The numbers say how many values are given."""

    scope: Scope
    walk: Walk = "whole"
    reaches: int = 1
    coming: bool = False
    snoozed: bool = False
    role: bool = False
    owner: bool = False
    teams: int = 0
    kinds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A list that is asked for: the scope that its indexes are read in, and the values of its conditions.

    `scopes`: the teams, the owner or the episode (for everybody's list one empty word); none: there is nothing to see.
    `horizon`: the instant up to which windows begin.
    """

    now: str
    horizon: str
    scopes: tuple[str, ...]
    shape: Shape
    values: Mapping[str, str]

    def found(self, connection: Connection, rank: int, after: Place | None, most: int) -> list[Row]:
        """Give the first rows of a rank, `after` the last line of the page before."""
        reaches = reaches_of(rank, self.now)
        page = Page(connection, [one.after(after) for one in reaches] if after else reaches, most)
        if rank == COMING:
            coming = replace(self, shape=replace(self.shape, coming=True))
            return coming.in_turns(page) if self.horizon > self.now else []
        if rank == DUE_NOW:
            return replace(self, horizon=min(self.now, self.horizon)).in_turns(page)
        return self._walked(page, "whole")

    def in_turns(self, page: Page) -> list[Row]:
        """Walk both ways, further each time, until one of them has seen enough."""
        if self.shape.scope == "episode_id":
            return self._walked(page, "whole")
        budget = BUDGET
        while True:
            if sum(self._opened(page, scope, budget) for scope in self.scopes) < budget:
                return self._walked(page, "opened")
            found = self._walked(page, "budgeted", budget * FARTHER)
            if len(found) == page.most:
                return found
            budget *= FURTHER

    def _opened(self, page: Page, scope: str, budget: int) -> int:
        values = {"scope": scope, "now": self.now, "horizon": self.horizon, "budget": budget}
        (found,) = page.connection.execute(opened_count(self.shape.scope, coming=self.shape.coming), values).fetchone()
        return int(found)

    def _walked(self, page: Page, walk: Walk, budget: int = 0) -> list[Row]:
        every = [(scope, one) for scope in self.scopes for one in page.reaches]
        values: dict[str, Any] = {**self.values, "horizon": self.horizon, "most": page.most, "budget": budget}
        for number, (scope, one) in enumerate(every):
            values[f"scope{number}"], values[f"high{number}"] = scope, one.high
            values[f"low{number}"], values[f"episode{number}"], values[f"id{number}"] = one.low
        asked = statement(replace(self.shape, walk=walk, reaches=len(every)))
        found = rows(page.connection.execute(asked, values))
        found.sort(key=lambda row: (row["place"][2:], row["episode_id"], row["id"]))
        return found[: page.most]


def reaches_of(rank: int, now: str) -> list[Reach]:
    """Give where the items of a rank have their places; whether their window has begun is asked besides."""
    after_now, undated = f" {now}{LAST}", f" {BEFORE_UNDATED}"
    reaches = {
        "emergency": ((EMERGENCY, "", UNDATED),),
        "urgent": ((URGENT, "", UNDATED),),
        "late_safety": ((SAFETY, "", now), (SAFETY_ESCALATED, "", now)),
        "escalated": ((SAFETY_ESCALATED, after_now, UNDATED), (ESCALATED, "", UNDATED)),
        "overdue": ((ORDINARY, "", now),),
        "due": ((SAFETY, after_now, BEFORE_UNDATED), (ORDINARY, after_now, BEFORE_UNDATED)),
        "coming": ((SAFETY, after_now, BEFORE_UNDATED), (ORDINARY, after_now, BEFORE_UNDATED)),
        "undated": ((SAFETY, undated, UNDATED), (ORDINARY, undated, UNDATED)),
    }
    return [Reach((f"{lane}{low}", "", ""), f"{lane} {high}") for lane, low, high in reaches[RANKS[rank]]]


@cache
def statement(shape: Shape) -> str:
    """Give the query of one rank: from each reach at most a page, in no order between them.

    `:most` lines; windows that begin up to `:horizon` (coming: and after `:now`).
    """
    parts = " UNION ALL ".join(
        f"SELECT * FROM ({_part(shape, number)}) AS part{number}" for number in range(shape.reaches)
    )
    columns = ", ".join(f"found.{name}" for name in (*COLUMNS, "place"))
    return (
        f"SELECT {columns}, episode.person_ref, episode.region, episode.state, episode.team, "
        f"episode.owner AS episode_owner FROM ({parts}) AS found JOIN episode ON episode.id = found.episode_id"
    )


@cache
def opened_count(scope: Scope, *, coming: bool) -> str:
    """Give the query that counts, up to `:budget`, the windows that open up to `:horizon` (coming: and after `:now`)."""
    which = [
        *([f"{scope} = :scope"] if scope else []),
        "opens_at <= :horizon",
        *(["opens_at > :now"] if coming else []),
        "place IS NOT NULL",
    ]
    inner = f"SELECT 1 FROM due_item WHERE {' AND '.join(which)} LIMIT :budget"
    return f"SELECT count(*) FROM ({inner}) AS opened"


def _part(shape: Shape, number: int) -> str:
    # Concatenating nothing hides a column from the planner: each walk has one index that fits, and no other is chosen.
    place = "place || ''" if shape.walk == "opened" or shape.scope == "episode_id" else "place"
    opens_at = "opens_at" if shape.walk == "opened" else "opens_at || ''"
    order = f"ORDER BY {place}, episode_id, id"
    reach = [
        *([f"{shape.scope} = :scope{number}"] if shape.scope else []),
        f"({place}, episode_id, id) > (:low{number}, :episode{number}, :id{number})",
        f"{place} <= :high{number}",
        "place IS NOT NULL",
    ]
    which = [f"{opens_at} <= :horizon", *([f"{opens_at} > :now"] if shape.coming else []), *_filters(shape)]
    if shape.walk == "budgeted":
        inner = f"SELECT * FROM due_item WHERE {' AND '.join(reach)} {order} LIMIT :budget"
        return f"SELECT * FROM ({inner}) AS walked WHERE {' AND '.join(which)} {order} LIMIT :most"
    return f"SELECT * FROM due_item WHERE {' AND '.join((*reach, *which))} {order} LIMIT :most"


def _filters(shape: Shape) -> Iterator[str]:
    if not shape.snoozed:
        yield "(snoozed_until IS NULL OR snoozed_until <= :now)"
    if shape.role:
        yield "owner_role = :role"
    if shape.owner:
        yield "assignee = :owner"
    for name, column, many in (("team", "team", shape.teams), ("kind", "kind", shape.kinds)):
        if many:
            yield f"{column} IN ({', '.join(f':{name}{number}' for number in range(many))})"
