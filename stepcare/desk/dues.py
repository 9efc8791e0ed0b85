"""The worklist, and what one episode's ladders will do if nobody acts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from rich.text import Text

from engine.audit import instant
from engine.compiled import Compiled
from engine.errors import InvalidInput, near
from engine.fire import forecast
from engine.model import DueItem, Episode, Json, Role
from engine.pathway import DuePolicy, Pathway, Rung
from engine.time import local_day, zone
from engine.view import Pending, View
from stepcare.answers import due_item_json, message_json
from stepcare.desk.episodes import read_one
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing
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


# --- one episode --------------------------------------------------------------------------------------------------


def explain_due(options: Options, typed: str) -> None:
    """Say for every open due item why it is there, and what its ladder will do when."""
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, typed)
        now = desk.app.clock()
        items = [
            _item_json(item, episode, compiled, now) for item in episode.due_items if item.status in ("open", "on_hold")
        ]
        row: Row = {
            "episode": episode.id,
            "state": episode.state,
            "at": instant(now),
            "due_items": list[Json](items),
            "messages": [message_json(one) for one in episode.messages if one.status == "queued"],
        }
        emit_thing(options.output, row, lambda: _lines(row, episode))


def _item_json(item: DueItem, episode: Episode, compiled: Compiled, now: datetime) -> Row:
    policy = compiled.pathway.due[item.kind]
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    coming = [_rung_json(at, rung, item, episode, compiled.pathway) for at, rung in forecast(view, policy, item)]
    stands_still = item.status == "on_hold"
    return {
        **due_item_json(item),
        "timer": policy.timer,
        "because": _because(policy, item, episode.zone),
        "done_by": list(policy.done_by),
        "stands_still": stands_still,
        "coming": [] if stands_still else list[Json](coming),
    }


def _because(policy: DuePolicy, item: DueItem, zone_name: str) -> str:
    anchor = local_day(item.anchor, zone_name).isoformat()
    window = f"opens {item.opens_after} after {anchor}"
    until = f", due {item.due_after} after it" if item.due_after else f", due on {item.due_on}" if item.due_on else ""
    return f"each {policy.each}: {window}{until}"


def _rung_json(at: datetime, rung: Rung, item: DueItem, episode: Episode, pathway: Pathway) -> Row:
    language = episode.language if rung.to == "patient" else pathway.languages[0]
    text = pathway.templates.get(language, {}).get(rung.template) if rung.template else None
    who = item.owner or episode.owner if rung.to == "owner" else None
    return {
        "at": instant(at),
        "local": at.astimezone(zone(episode.zone)).strftime("%Y-%m-%d %H:%M"),
        "kind": rung.kind,
        "to": who or rung.to,
        "template": rung.template,
        "text": text,
        "proposes": rung.proposes,
        "repeats": rung.repeat is not None,
    }


def _lines(row: Row, episode: Episode) -> Iterator[Text | str]:
    items: Any = row["due_items"]
    if not items:
        yield f"Nothing is owed for {episode.id}: its state is {episode.state}."
    for item in items:
        head = f"{item['title']} ({item['id']})"
        yield Text.assemble((head, "bold"), f"  due {item['due_on'] or 'without a date'}, {item['owner_role']}")
        yield f"  because {item['because']}"
        if item["done_by"]:
            yield f"  done by {', '.join(item['done_by'])}"
        if item["stands_still"]:
            yield "  stands still: the episode is on hold or in evaluation"
        for rung in item["coming"]:
            what = rung["template"] or rung["proposes"] or ""
            again = ", and again until it is done" if rung["repeats"] else ""
            yield f"  {rung['local']}  {rung['kind']} {rung['to']}: {what}{again}"
        if not item["coming"] and not item["stands_still"]:
            yield "  nothing more will be sent"
    queued: Any = row["messages"]
    for message in queued:
        yield f"Queued: {message['template']} to {message['recipient']} by {message['channel']}"
