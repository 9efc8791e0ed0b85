"""The worklist: what is owed, by whom, the most pressing first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from engine.errors import InvalidInput, near
from engine.model import Json, Role
from engine.pathway import Pathway
from engine.time import local_day
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows
from stepcare.shown import due_line_json
from stepcare.sight import teams_of
from storage.queries import MOST, DueFilter, DueLine, due_list
from storage.worklist import RANKS

Row = dict[str, Json]
EMPTY = "Nothing is owed now. `stepcare due list --days 14` shows what opens in the next two weeks."
SOURCE = "source_review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What was asked of `due list`."""

    team: str | None
    owner: str | None
    role: str | None
    kinds: tuple[str, ...]
    days: int
    snoozed: bool
    names: bool
    limit: int


COLUMNS = (
    Column(key="rank", title="RANK"),
    Column(key="due_on", title="DUE"),
    Column(key="late_days", title="LATE", right=True, say=lambda value: f"{value} d" if value else ""),
    Column(key="title", title="WORK"),
    Column(key="episode", title="EPISODE", whole=True),
    Column(key="state", title="STATE"),
    Column(key="owner_role", title="OWED BY"),
    Column(key="owner", title="OWNER"),
    Column(key="id", title="ID"),
)


def list_due(options: Options, listed: Listed) -> None:
    """List the work that is owed, in the fixed order."""
    with opened(options) as desk:
        reader = reader_of(desk, "names" if listed.names else "lists")
        pathways = _pathways(desk)
        role = _role(listed.role)
        now = desk.app.clock()
        wanted = DueFilter(
            priorities={name: one.priority for pathway in pathways for name, one in pathway.due.items()},
            owner_role=role,
            owner=listed.owner,
            teams=teams_of(reader, listed.team),
            kinds=frozenset(listed.kinds) or None,
            until=now + timedelta(days=listed.days) if listed.days else None,
            with_snoozed=listed.snoozed,
        )
        lines = list(_paged(desk, now, wanted, listed.limit))
        asked = ("team", "owner", "role", "kinds", "days", "snoozed", "limit")
        looked(
            desk,
            what="read.names" if listed.names else "read.list",
            persons=[line.person for line in lines],
            episodes=[line.episode for line in lines],
            query={name: getattr(listed, name) for name in asked},
        )
        names = desk.app.store.names([line.person for line in lines]) if listed.names else None
        found = [due_line_json(line, now, names) for line in lines]
        if role in (None, Role.PATHWAY_OWNER) and not (listed.team or listed.owner or listed.kinds):
            today = local_day(now, desk.app.store.site().zone)
            found += [row for pathway in pathways for row in expired_sources(pathway, today)]
        found.sort(key=lambda row: RANKS.index(str(row["rank"])))  # stable: within a rank the order stays
        columns = (*COLUMNS[:4], Column(key="name", title="NAME"), *COLUMNS[4:]) if listed.names else COLUMNS
        emit_rows(options.output, found[: listed.limit], columns, EMPTY)


def _pathways(desk: Desk) -> list[Pathway]:
    site = desk.app.store.site()
    return [desk.app.engine.compiled(sha).pathway for sha in site.pathways.values()]


def _role(typed: str | None) -> Role | None:
    if typed is None:
        return None
    if typed not in tuple(Role):
        raise InvalidInput(f"There is no role {typed[:40]!r}. {near(typed, tuple(Role))}")
    return Role(typed)


def _paged(desk: Desk, now: datetime, wanted: DueFilter, limit: int) -> Iterator[DueLine]:
    left, after = limit, ""
    while left > 0:
        size = min(left, MOST)
        page = due_list(desk.app.database, now, replace(wanted, after=after, limit=size))
        yield from page
        if len(page) < size:
            return
        left, after = left - size, page[-1].cursor


def expired_sources(pathway: Pathway, today: date) -> Iterator[Row]:
    """Give the sources whose review is past due: work of the pathway owner, about no episode."""
    for name, source in sorted(pathway.sources.items(), key=lambda pair: pair[1].review_due):
        if source.review_due and source.review_due < today.isoformat():
            yield {
                "id": f"{SOURCE}:{name}",
                "kind": SOURCE,
                "title": f"Review source {name}: {source.citation}",
                "status": "open",
                "opens_at": None,
                "due_at": None,
                "due_on": source.review_due,
                "owner_role": Role.PATHWAY_OWNER.value,
                "owner": None,
                "rung": 0,
                "snoozed_until": None,
                "rank": "overdue",
                "late_days": (today - date.fromisoformat(source.review_due)).days,
                "episode": None,
                "person": None,
                "region": None,
                "state": None,
                "team": None,
            }
