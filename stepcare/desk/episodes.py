"""Reading episodes: the list, one episode's picture, and what happened to it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.text import Text

from engine.compiled import Compiled
from engine.model import Actor, Episode, Json
from stepcare.desk.doing import find_episode
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing
from stepcare.shown import episode_json, episode_line_json, timeline_json
from stepcare.sight import require_seen, teams_of
from storage.queries import MOST, EpisodeFilter, EpisodeLine, episodes

Row = dict[str, Json]
NO_EPISODES = "No episodes yet: open one with `stepcare episode open --as … --name … region=… onset=…`."
NONE_SUCH = "No episode is like that: ask with fewer conditions, or with --closed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What was asked of `episode list`."""

    state: str | None = None
    team: str | None = None
    owner: str | None = None
    person: str | None = None
    closed: bool = False
    names: bool = False
    limit: int = 1000

    @property
    def narrow(self) -> bool:
        """Say whether anything was asked at all."""
        return bool(self.state or self.team or self.owner or self.person or not self.closed)


COLUMNS = (
    Column(key="id", title="EPISODE", whole=True),
    Column(key="state", title="STATE"),
    Column(key="region", title="REGION"),
    Column(key="team", title="TEAM"),
    Column(key="owner", title="OWNER"),
    Column(key="response", title="RESPONSE"),
    Column(key="urgency", title="FLAG"),
    Column(key="next_due_at", title="NEXT DUE", say=lambda value: str(value or "")[:10]),
    Column(key="opened_at", title="OPENED", say=lambda value: str(value)[:10]),
    Column(key="version", title="VERSION", right=True),
)


def list_episodes(options: Options, listed: Listed) -> None:
    """List episodes, the longest open first."""
    with opened(options) as desk:
        reader = reader_of(desk, "names" if listed.names else "lists")
        wanted = EpisodeFilter(
            state=listed.state,
            owner=listed.owner,
            teams=teams_of(reader, listed.team),
            open_only=not listed.closed and listed.state is None,
            person=listed.person,
        )
        lines = list(_paged(desk, wanted, listed.limit))
        names = desk.app.vault.names([line.person for line in lines]) if listed.names else {}
        found = [episode_line_json(line, names if listed.names else None) for line in lines]
        columns = (COLUMNS[0], Column(key="name", title="NAME"), *COLUMNS[1:]) if listed.names else COLUMNS
        nothing = NO_EPISODES
        if not found and listed.narrow and next(_paged(desk, EpisodeFilter(), 1), None) is not None:
            nothing = NONE_SUCH
        emit_rows(options.output, found, columns, nothing)


def _paged(desk: Desk, wanted: EpisodeFilter, limit: int) -> Iterator[EpisodeLine]:
    left, after = limit, ""
    while left > 0:
        size = min(left, MOST)
        page = episodes(desk.app.database, replace(wanted, after=after, limit=size))
        yield from page
        if len(page) < size:
            return
        left, after = left - size, page[-1].cursor


# --- one episode --------------------------------------------------------------------------------------------------


def read_one(desk: Desk, typed: str) -> tuple[Episode, Compiled, Actor | None]:
    """Give an episode to somebody who may read it, with its pathway and the reader."""
    reader = reader_of(desk, "episode")
    episode = find_episode(desk, typed)
    require_seen(reader, episode.id, episode.team)
    return episode, desk.app.engine.compiled(episode.pathway), reader


def show_episode(options: Options, typed: str) -> None:
    """Show where an episode stands."""
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, typed)
        row = episode_json(episode, compiled, desk.app.clock())
        emit_thing(options.output, row, lambda: _picture_lines(row, episode, compiled))


def _picture_lines(row: Row, episode: Episode, compiled: Compiled) -> Iterator[Text | str]:
    derived: Any = row["derived"]
    yield Text.assemble((episode.id, "bold"), f"  {row['title']} ({episode.state}), version {episode.version}")
    yield f"  since {str(row['since'])[:10]}, day {derived['stay.day']}"
    owner = f"owner {episode.owner}" if episode.owner else "no owner"
    yield f"  person {episode.person.id}, team {episode.team}, {owner}, {episode.zone}"
    yield f"  pathway {compiled.pathway.id} {compiled.pathway.version} ({episode.pathway[:12]})"
    known = (f"{name} {'not known' if value is None else value}" for name, value in derived.items())
    yield f"  {', '.join(known)}"
    yield from _section("Red flags", [f"{one.item}: {one.urgency}" for one in episode.flags if not one.cleared_at])
    yield from _section("Treatments", [f"{one.kind}: {one.status}" for one in episode.treatments])
    due: Any = row["due_items"]
    yield from _section("Owed", [f"{one['due_on'] or 'no date'}  {one['title']} ({one['owner_role']})" for one in due])
    waiting: Any = row["requests"]
    asked = [f"{one['id']}: {', '.join(one['rules'])}, one of {', '.join(one['roles'])}" for one in waiting]
    yield from _section("Waiting for sign-off", asked)
    owed = [f"{one.rule}: {one.reason or 'reason owed'}" for one in episode.deviations]
    yield from _section("Deviations", owed)
    records = [
        f"{record.occurred_at:%Y-%m-%d}  {record.form} ({record.id})"
        for record in episode.records
        if record.superseded_by is None
    ]
    yield from _section("Recorded", records)
    yield f"What next: stepcare episode why {episode.id} --as …"


def _section(title: str, lines: list[str]) -> Iterator[Text | str]:
    if lines:
        yield Text(title, style="bold")
        yield from (f"  {line}" for line in lines)


# --- what happened ------------------------------------------------------------------------------------------------

TIMELINE = (
    Column(key="entry", title="ENTRY", right=True),
    Column(key="recorded_at", title="RECORDED", say=lambda value: str(value)[:16].replace("T", " ")),
    Column(key="occurred_at", title="HAPPENED", say=lambda value: str(value)[:16].replace("T", " ")),
    Column(key="by", title="BY"),
    Column(key="what", title="WHAT"),
    Column(key="outcome", title="OUTCOME"),
    Column(key="state", title="STATE"),
    Column(key="rules", title="RULES"),
)


def show_timeline(options: Options, typed: str) -> None:
    """Tell an episode's entries in the order they were recorded, each with when it happened."""
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, typed)
        store = desk.app.store
        found = [timeline_json(store.kept(entry.idx), compiled) for entry in store.entries_of(episode.id)]
        emit_rows(options.output, found, TIMELINE, "Nothing has happened yet.")
