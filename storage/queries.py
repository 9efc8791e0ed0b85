"""What lists show: episodes, and the work that is owed, the most pressing first.

Lists read the clear columns only, so a page of fifty needs no keys; names come from the vault afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, select, tuple_

from engine.audit import instant, instant_from
from engine.errors import InvalidInput
from engine.model import DueItem, Role
from storage.connection import rows
from storage.database import Database
from storage.rows import due_item_from_row
from storage.tables import TABLES, Row
from storage.worklist import RANKS, Asked, Place, Scope, Shape

EPISODE, DUE = TABLES["episode"], TABLES["due_item"]
MOST = 500
MOST_TEAMS = 8  # whose lists are read side by side; for more, everybody's is read


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFilter:
    """Which episodes: every condition that is not None must hold.

    `teams`: the care teams whose episodes may be seen. `due_before`: something falls due before then. `after` is
    the cursor of the last line of the page before.
    """

    state: str | None = None
    owner: str | None = None
    teams: frozenset[str] | None = None
    due_before: datetime | None = None
    open_only: bool = False
    person: str | None = None
    persons: frozenset[str] | None = None
    episode: str | None = None
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLine:
    """One episode in a list. Scores are decimals as text; `urgency` is its most urgent open red flag's, or empty."""

    id: str
    person: str
    pathway: str
    team: str
    owner: str | None
    region: str
    state: str
    version: int
    response: str | None
    chronicity: str | None
    baseline: str | None
    last: str | None
    change: str | None
    flags_open: int
    urgency: str
    next_due_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None

    @property
    def cursor(self) -> str:
        """Give the place of this line, for the page after it."""
        return f"{instant(self.opened_at)} {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFilter:
    """Which work: every condition that is not None must hold.

    `owner`: who owes it, by name or as the owner of the episode. `until`: also what opens before then (None: now).
    What is snoozed is left out until its day, unless `with_snoozed`. `priorities` is not read any more: each item has
    the priority that its own episode's pathway gives it.
    """

    priorities: Mapping[str, str] = field(default_factory=dict)
    owner_role: Role | None = None
    owner: str | None = None
    teams: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    episode: str | None = None
    until: datetime | None = None
    with_snoozed: bool = False
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """One piece of work in a list, with what one needs to know of its episode."""

    rank: str
    item: DueItem
    episode: str
    person: str
    region: str
    state: str
    team: str
    episode_owner: str | None
    cursor: str


def episodes(database: Database, wanted: EpisodeFilter) -> list[EpisodeLine]:
    """List episodes, the longest open first; the order does not change while they live."""
    table = EPISODE.c
    found = select(EPISODE).order_by(table.opened_at, table.id).limit(_limit(wanted.limit))
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(table.state == wanted.state)
    if wanted.owner is not None:
        conditions.append(table.owner == wanted.owner)
    if wanted.teams is not None:
        conditions.append(table.team.in_(sorted(wanted.teams)))
    if wanted.person is not None:
        conditions.append(table.person_ref == wanted.person)
    if wanted.episode is not None:
        conditions.append(table.id == wanted.episode)
    if wanted.persons is not None:
        conditions.append(table.person_ref.in_(sorted(wanted.persons)))
    if wanted.due_before is not None:
        conditions.append(table.next_due_at < instant(wanted.due_before))
    if wanted.open_only:
        conditions.append(table.closed_at.is_(None))
    if wanted.after:
        place = (literal(one) for one in _parts(wanted.after, 2))
        conditions.append(tuple_(table.opened_at, table.id) > tuple_(*place))
    return [_episode_line(row) for row in _rows(database, found.where(*conditions))]


def due_list(database: Database, now: datetime, wanted: DueFilter) -> list[DueLine]:
    """List the work owed at `now`: emergency, urgent, late safety contact, escalated, overdue, due; undated last.

    An open emergency or urgent red flag lifts all work of its episode.
    """
    limit, (first, after) = _limit(wanted.limit), _rank_and_place(wanted.after)
    asked = _asked(now, wanted)
    lines: list[DueLine] = []
    with database.reading() as connection:
        for rank in range(first, len(RANKS)):
            if asked.scopes and len(lines) < limit:
                found = asked.found(connection, rank, after if rank == first else None, limit - len(lines))
                lines += [_due_line(rank, row) for row in found]
    return lines


def due_count(database: Database, now: datetime, wanted: DueFilter, most: int) -> int:
    """Count the work a list would hold, up to `most`: enough to say "more than"."""
    item, moment = DUE.c, instant(now)
    conditions = [item.place.is_not(None), item.opens_at <= instant(wanted.until or now)]
    if not wanted.with_snoozed:
        conditions.append((item.snoozed_until.is_(None)) | (item.snoozed_until <= moment))
    if wanted.teams is not None:
        conditions.append(item.team.in_(sorted(wanted.teams)))
    if wanted.owner is not None:
        conditions.append(item.assignee == wanted.owner)
    if wanted.owner_role is not None:
        conditions.append(item.owner_role == wanted.owner_role.value)
    if wanted.kinds is not None:
        conditions.append(item.kind.in_(sorted(wanted.kinds)))
    some = select(literal(1).label("one")).where(*conditions).limit(most).subquery()
    (row,) = _rows(database, select(func.count().label("n")).select_from(some))
    return int(row["n"])


def _asked(now: datetime, wanted: DueFilter) -> Asked:
    """Choose the narrowest scope; every other condition is asked of each item."""
    teams, kinds = sorted(wanted.teams or ()), sorted(wanted.kinds or ())
    scope: Scope = ""
    scopes: tuple[str, ...] = ("",)
    if wanted.episode is not None:
        scope, scopes = "episode_id", (wanted.episode,)
    elif wanted.owner is not None:
        scope, scopes = "assignee", (wanted.owner,)
    elif len(teams) in range(1, MOST_TEAMS + 1):
        scope, scopes = "team", tuple(teams)
    values = {"now": instant(now)}
    values |= {f"team{number}": one for number, one in enumerate(teams)}
    values |= {f"kind{number}": one for number, one in enumerate(kinds)}
    if wanted.owner_role is not None:
        values["role"] = wanted.owner_role.value
    if wanted.owner is not None:
        values["owner"] = wanted.owner
    return Asked(
        now=values["now"],
        horizon=instant(wanted.until or now),
        scopes=() if frozenset() in (wanted.teams, wanted.kinds) else scopes,
        shape=Shape(
            scope=scope,
            snoozed=wanted.with_snoozed,
            role=wanted.owner_role is not None,
            owner=wanted.owner is not None and scope != "assignee",
            teams=len(teams) if scope != "team" else 0,
            kinds=len(kinds),
        ),
        values=values,
    )


def episodes_by_state(database: Database) -> dict[str, int]:
    """Count the episodes in each state."""
    found = select(EPISODE.c.state, func.count().label("n")).group_by(EPISODE.c.state).order_by(EPISODE.c.state)
    return {row["state"]: row["n"] for row in _rows(database, found)}


def work_counts(database: Database, now: datetime) -> tuple[int, int]:
    """Count the open work whose window has begun, and how much of it is overdue."""
    item, moment = DUE.c, instant(now)
    found = select(
        func.count().label("owed"), func.coalesce(func.sum(case((item.due_at <= moment, 1), else_=0)), 0).label("late")
    ).where(item.status == "open", item.opens_at <= moment)
    (row,) = _rows(database, found)
    return row["owed"], row["late"]


def _limit(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"A page of {limit} lines is not given: ask for 1 to {MOST}.")
    return limit


def _parts(cursor: str, many: int) -> list[str]:
    """Take a cursor apart. No part but the last can hold a space."""
    given = cursor.split(" ", many - 1)
    if len(given) != many:
        raise InvalidInput(f"{cursor[:80]!r} is not a cursor of this list: use the one its last page gave.")
    return given


def _rank_and_place(cursor: str) -> tuple[int, Place | None]:
    if not cursor:
        return 0, None
    rank, due_key, episode, item = _parts(cursor, 4)
    if rank not in map(str, range(len(RANKS))):
        raise InvalidInput(f"{cursor[:80]!r} is not a cursor of this list: use the one its last page gave.")
    return int(rank), (due_key, episode, item)


def _rows(database: Database, statement: Select[Any]) -> list[Row]:
    made = statement.compile(dialect=database.backend.dialect, compile_kwargs={"render_postcompile": True})
    with database.reading() as connection:
        return rows(connection.execute(str(made), made.params))


def _episode_line(row: Row) -> EpisodeLine:
    return EpisodeLine(
        id=row["id"],
        person=row["person_ref"],
        pathway=row["pathway_sha"],
        team=row["team"],
        owner=row["owner"],
        region=row["region"],
        state=row["state"],
        version=row["version"],
        response=row["response"],
        chronicity=row["chronicity"],
        baseline=row["baseline"],
        last=row["last"],
        change=row["change"],
        flags_open=row["flags_open"],
        urgency=row["urgency"],
        next_due_at=instant_from(row["next_due_at"]) if row["next_due_at"] else None,
        opened_at=instant_from(row["opened_at"]),
        closed_at=instant_from(row["closed_at"]) if row["closed_at"] else None,
    )


def _due_line(rank: int, row: Row) -> DueLine:
    return DueLine(
        rank=RANKS[rank],
        item=due_item_from_row(row),
        episode=row["episode_id"],
        person=row["person_ref"],
        region=row["region"],
        state=row["state"],
        team=row["team"],
        episode_owner=row["episode_owner"],
        cursor=f"{rank} {row['place'][2:]} {row['episode_id']} {row['id']}",
    )
