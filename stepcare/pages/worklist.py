"""The worklist: whom to call and why, the most pressing first. The address is the question, so it can be shared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from engine.audit import instant
from engine.errors import InvalidInput
from engine.model import Actor
from engine.pathway import Pathway
from stepcare.pages.frame import when
from stepcare.pages.visit import Visit, see_other, visit_of
from stepcare.shown import due_line_json
from stepcare.sight import teams_of
from stepcare.web.page import FOREIGN, cursor_to, moment_and_place
from stepcare.web.problem import Problem
from storage.queries import DueFilter, due_count, due_list

HERE = "/worklist"
PAGE = 50
MOST_COUNTED = 999
AHEAD = {"0": "Open now", "7": "And the next 7 days", "30": "And the next 30 days"}
FIELDS = ("view", "kind", "ahead", "owner", "snoozed", "cursor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the address asks. `view`: mine, team or all; `kind` empty: every kind; `owner` empty: everybody."""

    view: str = "team"
    kind: str = ""
    ahead: str = "0"
    owner: str = ""
    snoozed: str = ""
    cursor: str = ""

    def address(self, **changed: str) -> str:
        """Give the address of this question with something changed, without the page."""
        said = {name: getattr(self, name) for name in FIELDS if name != "cursor"} | changed
        asked = {name: value for name, value in said.items() if value and value != getattr(Question(), name)}
        return f"{HERE}?{urlencode(asked)}" if asked else HERE


def start(_: Request) -> Response:
    """Go to the part that most people need first."""
    return see_other(HERE)


def show_worklist(request: Request) -> Response:
    """Show the work that is owed."""
    visit = visit_of(request)
    reader = visit.reads("lists")
    asked = _question(request.query_params)
    now, after = moment_and_place(asked.cursor or None) or (visit.now(), "")
    pathways = [visit.app.engine.compiled(sha).pathway for sha in visit.app.store.site().pathways.values()]
    wanted = _wanted(asked, reader, now)
    try:
        lines = due_list(visit.app.database, now, DueFilter(**wanted, after=after, limit=PAGE))
    except InvalidInput:
        raise Problem("invalid-input", FOREIGN) from None
    visit.looked(
        "read.names",
        persons=[line.person for line in lines],
        episodes=[line.episode for line in lines],
        query={name: getattr(asked, name) for name in FIELDS if name != "cursor" and getattr(asked, name)},
    )
    names = visit.app.store.names([line.person for line in lines])
    zone = visit.app.store.site().zone
    rows = [_row(due_line_json(line, now, names), now, zone, pathways) for line in lines]
    more = asked.address() if len(lines) == PAGE else ""
    if more:
        cursor = cursor_to(f"{instant(now)} {lines[-1].cursor}")
        more = f"{more}{'&' if '?' in more else '?'}cursor={cursor}"
    return visit.page(
        "worklist.html",
        "Worklist",
        "Worklist",
        rows=rows,
        asked=asked,
        views=list(_views(visit, reader, asked, now)),
        kinds=sorted({(name, one.title) for pathway in pathways for name, one in pathway.due.items()}, key=_title),
        ahead=AHEAD,
        more=more,
        paged=bool(asked.cursor),
    )


def _title(pair: tuple[str, str]) -> str:
    return pair[1]


def _question(said: Mapping[str, str]) -> Question:
    found = Question(**{name: said[name][:400] for name in FIELDS if name in said})
    if found.view not in ("mine", "team", "all") or found.ahead not in AHEAD:
        raise Problem("invalid-input", "The address asks for a view that is not here: start from the worklist.")
    return found


def _wanted(asked: Question, reader: Actor, now: datetime) -> dict[str, Any]:
    return {
        "owner": reader.id if asked.view == "mine" else asked.owner or None,
        "teams": teams_of(reader, None),
        "kinds": frozenset({asked.kind}) if asked.kind else None,
        "until": now + timedelta(days=int(asked.ahead)) if asked.ahead != "0" else None,
        "with_snoozed": bool(asked.snoozed),
    }


def _views(visit: Visit, reader: Actor, asked: Question, now: datetime) -> Iterator[dict[str, Any]]:
    names = (("mine", "Mine"), ("team", "My care teams" if teams_of(reader, None) is not None else "All care teams"))
    for view, title in names:
        one = Question(view=view)
        wanted = DueFilter(**_wanted(one, reader, now))
        count = due_count(visit.app.database, now, wanted, MOST_COUNTED + 1)
        said = f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count)
        yield {"title": title, "address": one.address(), "count": said, "here": asked.view == view}


def _row(row: dict[str, Any], now: datetime, zone: str, pathways: list[Pathway]) -> dict[str, Any]:
    title = next((one.states[row["state"]].title for one in pathways if row["state"] in one.states), row["state"])
    return {**row, "when": when(row, now, zone), "state_title": title}
