"""The log for people: what was decided, by whom, under which rules; and each entry as it was seen."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.audit import check_envelope
from engine.errors import NotFound
from stepcare.glass import require_open
from stepcare.pages.visit import Visit, visit_of
from stepcare.replay import Replay
from stepcare.shown import citations_of, entry_json, entry_line_json
from stepcare.sight import sees
from stepcare.web.problem import Problem
from stepcare.whom import persons_in
from storage.sight import teams_of_episodes, whose

HERE = "/log-book"
PAGE = 50


def show_log(request: Request) -> Response:
    """Show the latest entries, the newest first; of other care teams' episodes only who sees them all is told."""
    visit = visit_of(request)
    reader = visit.reads("log")
    size = visit.app.store.size()
    said = request.query_params.get("before", "")
    before = min(int(said), size) if said.isdecimal() and len(said) < 12 else size
    first = max(before - PAGE, 0)
    entries = list(visit.app.store.entries(first, before))
    teams = teams_of_episodes(visit.app.database, (one.ep for one in entries if one.ep))
    seen = [one for one in entries if one.ep is None or sees(reader, teams.get(one.ep, ""))]
    visit.looked("read.log", episodes=[one.ep for one in seen if one.ep], query={"first": first})
    return visit.page(
        "logbook.html",
        "Audit log",
        "Audit log",
        rows=[entry_line_json(check_envelope(one.entry)) for one in reversed(seen)],
        size=size,
        hidden=len(entries) - len(seen),
        older=f"{HERE}?before={first}" if first else "",
        newest=before == size,
    )


def show_entry(request: Request) -> Response:
    """Show one entry: what was asked and decided, every rule with its clauses, and the bytes its hash is of."""
    visit = visit_of(request)
    visit.reads("log")
    said = str(request.path_params["number"])
    if not said.isdecimal() or len(said) > 12:
        raise Problem("not-found")
    number = int(said)
    stored = next(visit.app.store.entries(number, number + 1), None)
    if stored is None:
        raise Problem("not-found")
    if stored.ep is not None:
        _require_seen(visit, stored.ep)
    persons = persons_in(visit.app.store, stored)
    visit.looked("read.log", persons=persons, episodes=[stored.ep] if stored.ep else [], query={"entry": number})
    redone = Replay(store=visit.app.store).one(number)
    if redone.lost is not None:
        raise redone.lost
    row: dict[str, Any] = {**entry_json(redone), "leaf": stored.leaf.hex(), "bytes": stored.entry.decode()}
    return visit.page(
        "entry.html",
        f"Entry {number}",
        "Audit log",
        row=row,
        number=number,
        size=visit.app.store.size(),
        citations=_citations(visit, row),
    )


def _require_seen(visit: Visit, episode: str) -> None:
    team, _ = whose(visit.app.database, episode)
    visit.opening = require_open(visit.app, visit.actor, episode, team)


def _citations(visit: Visit, row: dict[str, Any]) -> dict[str, str]:
    try:
        return citations_of(visit.app.engine.compiled(str(row["pathway"])).pathway) if row.get("pathway") else {}
    except NotFound:
        return {}
