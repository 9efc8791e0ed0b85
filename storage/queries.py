"""What lists show: episodes, and the work that is owed, the most pressing first.

Lists read the clear columns only, so a page of fifty needs no keys; names come from the vault afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, tuple_

from engine.audit import instant, instant_from
from engine.errors import InvalidInput
from engine.model import DueItem, Role
from storage.connection import rows
from storage.database import Database
from storage.rows import due_item_from_row
from storage.tables import TABLES, Row

EPISODE, DUE = TABLES["episode"], TABLES["due_item"]
RANKS = ("emergency", "urgent", "late_safety", "escalated", "overdue", "due", "coming", "undated")
EMERGENCY, URGENT, LATE_SAFETY, ESCALATED, OVERDUE, DUE_NOW, COMING, UNDATED = range(len(RANKS))
UNDATED_KEY = "~"  # after every date, as text
MOST = 500


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

    `priorities` maps kinds of due items to the priority their policy has (normal where it is not named). `owner`:
    who owes it, by name or as the owner of the episode. `until`: also what opens before then (None: now).
    What is snoozed is left out until its day, unless `with_snoozed`.
    """

    priorities: Mapping[str, str]
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
    if wanted.due_before is not None:
        conditions.append(table.next_due_at < instant(wanted.due_before))
    if wanted.open_only:
        conditions.append(table.closed_at.is_(None))
    if wanted.after:
        conditions.append(_beyond((table.opened_at, table.id), wanted.after, 2))
    return [_episode_line(row) for row in _rows(database, found.where(*conditions))]


def due_list(database: Database, now: datetime, wanted: DueFilter) -> list[DueLine]:
    """List the work owed at `now`: emergency, urgent, late safety contact, escalated, overdue, due; undated last.

    An open emergency or urgent red flag lifts all work of its episode.
    """
    item, episode = DUE.c, EPISODE.c
    ranked = (
        select(
            *DUE.columns,
            *(episode[name] for name in ("person_ref", "region", "state", "team")),
            episode.owner.label("episode_owner"),
            _rank(now, wanted.priorities).label("rank"),
            func.coalesce(item.due_at, UNDATED_KEY).label("due_key"),
        )
        .join(EPISODE, episode.id == item.episode_id)
        .where(*_owed(now, wanted))
        .subquery()
    )
    keys = (ranked.c.rank, ranked.c.due_key, ranked.c.episode_id, ranked.c.id)
    found = select(ranked).order_by(*keys).limit(_limit(wanted.limit))
    if wanted.after:
        found = found.where(_beyond(keys, wanted.after, 4))
    return [_due_line(row) for row in _rows(database, found)]


def _owed(now: datetime, wanted: DueFilter) -> list[ColumnElement[bool]]:
    item, episode = DUE.c, EPISODE.c
    conditions: list[ColumnElement[bool]] = [item.status == literal("open", literal_execute=True)]
    horizon = instant(wanted.until or now)
    conditions.append(item.opens_at <= horizon)
    if not wanted.with_snoozed:
        conditions.append(or_(item.snoozed_until.is_(None), item.snoozed_until <= instant(now)))
    if wanted.owner_role is not None:
        conditions.append(item.owner_role == wanted.owner_role.value)
    if wanted.owner is not None:
        conditions.append(func.coalesce(item.owner, episode.owner) == wanted.owner)
    if wanted.teams is not None:
        conditions.append(episode.team.in_(sorted(wanted.teams)))
    if wanted.kinds is not None:
        conditions.append(item.kind.in_(sorted(wanted.kinds)))
    if wanted.episode is not None:
        conditions.append(item.episode_id == wanted.episode)
    return conditions


def _rank(now: datetime, priorities: Mapping[str, str]) -> ColumnElement[int]:
    item, flag = DUE.c, EPISODE.c.urgency

    def of(priority: str) -> ColumnElement[bool]:
        return item.kind.in_(sorted(kind for kind, one in priorities.items() if one == priority))

    late = item.due_at <= instant(now)
    return case(
        (or_(of("emergency"), flag == "emergency"), EMERGENCY),
        (or_(of("urgent"), flag == "urgent"), URGENT),
        (and_(of("safety"), late), LATE_SAFETY),
        (item.rung > 0, ESCALATED),
        (late, OVERDUE),
        (item.due_at.is_(None), UNDATED),
        (item.opens_at <= instant(now), DUE_NOW),
        else_=COMING,
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


def _beyond(keys: Sequence[ColumnElement[Any]], cursor: str, parts: int) -> ColumnElement[bool]:
    """Give the condition of coming after a cursor. No key but the last can hold a space."""
    given: list[Any] = cursor.split(" ", parts - 1)
    if len(given) != parts:
        raise InvalidInput(f"{cursor[:80]!r} is not a cursor of this list: use the one its last page gave.")
    if parts > 2:
        given[0] = int(given[0]) if given[0].isdigit() else -1
    return tuple_(*keys) > tuple_(*(literal(one) for one in given))


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


def _due_line(row: Row) -> DueLine:
    return DueLine(
        rank=RANKS[row["rank"]],
        item=due_item_from_row(row),
        episode=row["episode_id"],
        person=row["person_ref"],
        region=row["region"],
        state=row["state"],
        team=row["team"],
        episode_owner=row["episode_owner"],
        cursor=f"{row['rank']} {row['due_key']} {row['episode_id']} {row['id']}",
    )
