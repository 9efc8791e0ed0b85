"""The page of one episode: who, where they stand, what to do next and why not the rest, and what happened."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.access import may_command, may_read
from engine.compiled import Compiled
from engine.derive import series
from engine.model import DueItem, Episode, Kind
from engine.time import local_day
from engine.view import Pending, View
from engine.why import Option
from stepcare.answers import due_item_json, option_json
from stepcare.pages.forms import form_address
from stepcare.pages.frame import when
from stepcare.pages.picture import drawn
from stepcare.pages.trend import trend_of
from stepcare.pages.visit import Visit, visit_of
from stepcare.past import past_of
from stepcare.shown import citations_of, episode_json
from stepcare.story import told_json
from storage.queries import DueFilter, due_list

TOLD = 30  # entries of the story that are shown at once


def show_episode(request: Request) -> Response:
    """Show an episode as it is now."""
    visit = visit_of(request)
    reference = str(request.path_params["episode"])[:40]
    reader = visit.reads_episode(reference)
    app, now = visit.app, visit.now()
    episode = app.store.episode(reference)
    compiled = app.engine.compiled(episode.pathway)
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    options = list(app.engine.options(episode.id, reader))
    name = app.store.names([episode.person.id]).get(episode.person.id)
    past = past_of(app, episode.id)
    told = [told_json(past, step, compiled) for step in reversed(past.steps)]
    return visit.page(
        "episode.html",
        name or episode.id,
        "Worklist",
        episode=episode_json(episode, compiled, now),
        name=name,
        owed=list(_owed(visit, episode, compiled)),
        options=list(_options(compiled, episode, options, may_move=may_command(reader, Kind.MOVE))),
        records=_records(compiled, episode) if may_command(reader, Kind.RECORD) else [],
        picture=drawn(compiled.pathway, compiled.hash, episode, frozenset(one.target for one in options if one.open)),
        trends=list(_trends(view)),
        told=told[:TOLD],
        kept=_number(request.query_params.get("kept", "")),
        may_log=may_read(reader, "log"),
        may_record=may_command(reader, Kind.RECORD),
        may_assign=may_command(reader, Kind.ASSIGN),
        may_snooze=may_command(reader, Kind.SNOOZE),
        untold=max(len(told) - TOLD, 0),
        states=compiled.pathway.states,
        transitions=compiled.pathway.transitions,
        version=episode.version,
    )


def _owed(visit: Visit, episode: Episode, compiled: Compiled) -> Iterator[dict[str, Any]]:
    """Give the open work, the most pressing first, each with the page where it is done."""
    now = visit.now()
    lines = due_list(visit.app.database, now, DueFilter(episode=episode.id, with_snoozed=True, limit=200))
    shown = {line.item.id: line for line in lines}
    waiting = [item for item in episode.due_items if item.status in ("open", "on_hold") and item.id not in shown]
    for line in lines:
        late = (now - line.item.due_at).days + 1 if line.item.due_at and line.item.due_at <= now else 0
        row = {**due_item_json(line.item), "rank": line.rank, "late_days": late}
        yield {**row, "when": when(row, now, episode.zone), "do": _do(compiled, episode, line.item)}
    for item in waiting:
        row = {**due_item_json(item), "rank": "coming", "late_days": 0}
        yield {**row, "when": when(row, now, episode.zone), "do": _do(compiled, episode, item)}


def _do(compiled: Compiled, episode: Episode, item: DueItem) -> str:
    """Give the address where a piece of work is done: the first form that fulfils it, or none."""
    for binding in compiled.pathway.due[item.kind].done_by:
        word, _, form = binding.partition(" ")
        if word == "record" and form in compiled.pathway.forms:
            return form_address(episode.id, "record", form)
        if word == "contact":
            return form_address(episode.id, "contact", "contact")
    return ""


def _options(
    compiled: Compiled, episode: Episode, options: list[Option], *, may_move: bool
) -> Iterator[dict[str, Any]]:
    """Give every transition from here: those that are open first, then the closed ones with each reason."""
    citations = citations_of(compiled.pathway)
    for one in sorted(options, key=lambda option: (not option.open, not option.second)):
        state = compiled.pathway.states.get(one.target)
        address = form_address(episode.id, "move", one.transition, to=one.target) if may_move else ""
        ends = state is not None and state.kind in ("closed", "void")
        title = state.title if state else one.target
        yield {**option_json(one, citations), "address": address, "target_title": title, "ends": ends}


def _records(compiled: Compiled, episode: Episode) -> list[tuple[str, str]]:
    """Give the forms that can be recorded by themselves, with their pages."""
    moved = {one.form for one in compiled.pathway.transitions.values() if one.form}
    planned = {one.form for one in compiled.pathway.treatments.values()}
    return sorted(
        (form.title, form_address(episode.id, "record", name))
        for name, form in compiled.pathway.forms.items()
        if name not in moved | planned and name not in ("registration", "contact")
    )


def _trends(view: View) -> Iterator[Any]:
    pathway, episode = view.compiled.pathway, view.episode
    for instrument in pathway.instruments:
        found = trend_of(pathway, instrument, series(view, instrument), episode, view.now)
        if found is not None:
            yield found


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 12 else None
