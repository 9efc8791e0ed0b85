"""The routes of what is not one episode: the worklist, the pathways, the site's numbers, the log."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from engine.audit import check_envelope, instant
from engine.errors import InvalidInput
from engine.model import Command, Kind, Role
from stepcare.explained import explained, explained_json
from stepcare.shown import due_line_json, entry_line_json, pathway_json
from stepcare.sight import sees, teams_of
from stepcare.typed import checked
from stepcare.web.answer import answered
from stepcare.web.asked import SiteBody
from stepcare.web.call import bytes_answer, call_of, json_answer
from stepcare.web.page import FOREIGN, Cursor, Limit, linked, moment_and_place
from stepcare.web.problem import Problem, dumped
from stepcare.whom import persons_in
from storage.queries import DueFilter, due_list
from storage.sight import teams_of_episodes

API = "/api/v1"
router = APIRouter(prefix=API)


# --- the worklist -------------------------------------------------------------------------------------------------


class DueQuery(BaseModel):
    """Which work: every condition that is said must hold."""

    model_config = ConfigDict(extra="forbid")

    team: Annotated[str | None, Field(max_length=40)] = None
    owner: Annotated[str | None, Field(max_length=40, description="What this colleague owes.")] = None
    role: Annotated[Role | None, Field(description="What this role owes.")] = None
    kind: Annotated[list[str], Field(max_length=20, description="Only this kind of work (repeatable).")] = []
    until: Annotated[datetime | None, Field(description="Also what opens before then; else what is open now.")] = None
    snoozed: Annotated[bool, Field(description="Also what is snoozed.")] = False
    limit: Limit = 50
    cursor: Cursor = None


@router.get("/due", summary="The work that is owed, the most pressing first", tags=["work"])
def list_due(request: Request, asked: Annotated[DueQuery, Query()]) -> Response:
    """Give a page of the worklist: emergency, urgent, late safety contact, escalated, overdue, due; undated last.

    All pages that Link leads through show the list as it was when the first one was asked for.
    """
    call = call_of(request)
    reader = call.reads("lists")
    if asked.until is not None and asked.until.tzinfo is None:
        raise Problem("invalid-input", "until must be an instant with its offset.")
    now, after = moment_and_place(asked.cursor) or (call.now(), "")
    if now > call.now():
        raise Problem("invalid-input", FOREIGN)
    site = call.app.store.site()
    pathways = [call.app.engine.compiled(sha256).pathway for sha256 in site.pathways.values()]
    wanted = DueFilter(
        priorities={name: one.priority for pathway in pathways for name, one in pathway.due.items()},
        owner_role=asked.role,
        owner=asked.owner,
        teams=teams_of(reader, asked.team),
        kinds=frozenset(asked.kind) or None,
        until=asked.until,
        with_snoozed=asked.snoozed,
        after=after,
        limit=asked.limit,
    )
    try:
        page = due_list(call.app.database, now, wanted)
    except InvalidInput:
        raise Problem("invalid-input", FOREIGN) from None
    call.looked(
        "read.list",
        persons=[line.person for line in page],
        episodes=[line.episode for line in page],
        query=asked.model_dump(exclude_defaults=True, exclude={"cursor"}),
    )
    place = f"{instant(now)} {page[-1].cursor}" if len(page) == asked.limit else ""
    return linked(f"{API}/due", [due_line_json(line, now) for line in page], asked, place)


# --- pathways and the site ----------------------------------------------------------------------------------------


@router.get("/pathways", summary="The pathways new episodes run on", tags=["pathways"])
def list_pathways(request: Request) -> Response:
    """Give every published pathway."""
    call = call_of(request)
    call.reads("pathway")
    found = []
    for sha256 in call.app.store.site().pathways.values():
        one = call.app.engine.compiled(sha256).pathway
        found.append({"id": one.id, "title": one.title, "version": one.version, "status": one.status, "sha256": sha256})
    return json_answer({"items": found})


@router.get("/pathways/{pathway}", summary="A pathway whole", tags=["pathways"])
def show_pathway(request: Request, pathway: Annotated[str, Path(max_length=80)]) -> Response:
    """Give a pathway by its id: roles, states, transitions, forms with fields, rules, parameters, sources."""
    call = call_of(request)
    call.reads("pathway")
    sha256 = call.app.store.site().pathways.get(pathway)
    if sha256 is None:
        raise Problem("not-found")
    model = call.app.engine.compiled(sha256).pathway
    return bytes_answer(
        call.service.pathway(sha256, lambda: dumped(pathway_json(model, sha256))), 200, b"application/json"
    )


@router.post("/site/commands", summary="Set one of the site's numbers, or sign that off", tags=["site"])
def command_site(request: Request) -> Response:
    """Decide a command for the whole site and keep the decision; a safety number waits for a second person."""
    call = call_of(request)
    key = call.required_key()
    body = call.asked(SiteBody)
    command = Command(
        id=call.app.make_id(),
        kind=Kind(body.kind),
        actor=call.asker.actor,
        values=body.values,
        of=body.of,
        key=key,
        via=f"api:{call.asker.token}",
    )
    answer = call.app.engine.handle(checked(command))
    return answered(call, answer)


# --- the log ------------------------------------------------------------------------------------------------------


class LogQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[int, Field(ge=0, description="From this entry on.")] = 0
    end: Annotated[int | None, Field(ge=0, description="Up to, not including, this one.")] = None
    limit: Limit = 100


@router.get("/log", summary="The log, entry by entry", tags=["log"])
def list_log(request: Request, asked: Annotated[LogQuery, Query()]) -> Response:
    """Give what entries say in the clear, in order; of other care teams' episodes only who sees them all is told."""
    call = call_of(request)
    reader = call.reads("log")
    stop = asked.first + asked.limit if asked.end is None else min(asked.end, asked.first + asked.limit)
    entries = list(call.app.store.entries(asked.first, stop))
    teams = teams_of_episodes(call.app.database, (one.ep for one in entries if one.ep))
    seen = [one for one in entries if one.ep is None or sees(reader, teams.get(one.ep, ""))]
    about = [one.ep for one in seen if one.ep]
    call.looked("read.log", episodes=about, query=asked.model_dump(exclude_defaults=True))
    more = len(entries) == asked.limit and stop != asked.end
    place = str(asked.first + asked.limit) if more else ""
    return linked(
        f"{API}/log", [entry_line_json(check_envelope(one.entry)) for one in seen], asked, place, name="first"
    )


@router.get("/log/{number}", summary="One entry", tags=["log"])
def show_entry(request: Request, number: Annotated[int, Path(ge=0)]) -> Response:
    """Give an entry as its decision was seen, with the bytes its hash is of.

    It is decided again for that, so that every rule explains itself; `check` says whether that is what was decided then.
    Where its sealed part cannot be opened any more, `check` says why, and the rest is what it says in the clear.
    """
    call = call_of(request)
    call.reads("log")
    stored = next(call.app.store.entries(number, number + 1), None)
    if stored is None:
        raise Problem("not-found")
    if stored.ep is not None:
        call.sees(stored.ep)
    persons = persons_in(call.app.store, stored)
    call.looked("read.log", persons=persons, episodes=[stored.ep] if stored.ep else [], query={"entry": number})
    row = explained_json(call.app, explained(call.app, number))
    return json_answer({**row, "leaf": stored.leaf.hex(), "bytes": stored.entry.decode()})
