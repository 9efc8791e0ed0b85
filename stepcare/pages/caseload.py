"""The caseload: every open episode with where it began, where it is, and what is next; the registry view."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from engine.audit import instant
from engine.errors import InvalidInput
from engine.model import Actor
from engine.pathway import Pathway
from engine.time import local_day
from stepcare.pages.visit import Visit, visit_of
from stepcare.shown import episode_line_json
from stepcare.sight import teams_of
from stepcare.web.page import cursor_to, moment_and_place
from storage.queries import EpisodeFilter, EpisodeLine, episodes
from storage.refs import check_ref

HERE = "/caseload"
PAGE = 50
WEEK = 7
MOST_PEOPLE, LONGEST = 100, 100


def show_caseload(request: Request) -> Response:
    """Show the episodes of the reader's care teams, the longest open first."""
    visit = visit_of(request)
    reader = visit.reads("lists")
    said = request.query_params
    state, closed = said.get("state", "")[:40], bool(said.get("closed"))
    opened = moment_and_place(said.get("cursor") or None)
    wanted = EpisodeFilter(
        state=state or None,
        teams=teams_of(reader, None),
        open_only=not closed and not state,
        after=f"{instant(opened[0])} {opened[1]}" if opened else "",
        limit=PAGE,
    )
    lines = episodes(visit.app.database, wanted)
    query = {"state": state, "closed": "1" if closed else ""}
    visit.looked(
        "read.names",
        persons=[line.person for line in lines],
        episodes=[line.id for line in lines],
        query={name: value for name, value in query.items() if value},
    )
    names, now = visit.app.store.names([line.person for line in lines]), visit.now()
    pathways = [visit.app.engine.compiled(sha).pathway for sha in visit.app.store.site().pathways.values()]
    zone = visit.app.store.site().zone
    asked = {name: value for name, value in query.items() if value}
    more = f"{HERE}?{urlencode({**asked, 'cursor': cursor_to(lines[-1].cursor)})}" if len(lines) == PAGE else ""
    return visit.page(
        "caseload.html",
        "Caseload",
        "Caseload",
        rows=[_row(line, names, pathways, now, zone) for line in lines],
        states=[(name, one.title) for pathway in pathways for name, one in pathway.states.items()],
        state=state,
        closed=closed,
        more=more,
        first=f"{HERE}?{urlencode(asked)}" if asked else HERE,
        paged=opened is not None,
    )


def find(request: Request) -> Response:
    """Show the episodes of whoever is looked for, by name or reference; what is typed never stands in an address."""
    visit = visit_of(request)
    reader = visit.reads("names")
    typed = visit.field("q")[:LONGEST]
    lines = list(_found(visit, reader, typed)) if typed else []
    visit.looked(
        "read.names",
        persons=[line.person for line in lines],
        episodes=[line.id for line in lines],
        query={"found": len(lines)},
    )
    names, now = visit.app.store.names([line.person for line in lines]), visit.now()
    pathways = [visit.app.engine.compiled(sha).pathway for sha in visit.app.store.site().pathways.values()]
    rows = [_row(line, names, pathways, now, visit.app.store.site().zone) for line in lines]
    return visit.page("found.html", "Find a person", "Caseload", rows=rows, typed=typed, most=PAGE)


def _found(visit: Visit, reader: Actor, typed: str) -> Iterator[EpisodeLine]:
    people = frozenset(visit.app.store.find_people(typed, MOST_PEOPLE))
    teams = teams_of(reader, None)
    if people:
        yield from episodes(visit.app.database, EpisodeFilter(teams=teams, persons=people, limit=PAGE))
    with suppress(InvalidInput):
        reference = check_ref(typed)
        yield from (
            line
            for line in episodes(visit.app.database, EpisodeFilter(teams=teams, episode=reference, limit=1))
            if line.person not in people
        )


def _row(line: EpisodeLine, names: dict[str, str], pathways: list[Pathway], now: datetime, zone: str) -> dict[str, Any]:
    state = next((one.states[line.state] for one in pathways if line.state in one.states), None)
    days = (local_day(line.closed_at or now, zone) - local_day(line.opened_at, zone)).days
    return {
        **episode_line_json(line, names),
        "title": state.title if state else line.state,
        "weeks": days // WEEK,
        "next_due": local_day(line.next_due_at, zone) if line.next_due_at else None,
        "late": line.next_due_at is not None and line.next_due_at <= now,
    }
