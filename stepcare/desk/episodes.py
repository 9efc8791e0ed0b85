"""Reading episodes: the list, and one episode's picture."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.text import Text

from engine.compiled import Compiled
from engine.model import Actor, Episode, Json
from stepcare.desk.doing import find_episode
from stepcare.desk.looking import looked, seen_by
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing
from stepcare.shown import episode_json, episode_line_json
from stepcare.sight import teams_of
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
        looked(
            desk,
            what="read.names" if listed.names else "read.list",
            persons=[line.person for line in lines],
            episodes=[line.id for line in lines],
            query={name: getattr(listed, name) for name in ("state", "team", "owner", "person", "closed", "limit")},
        )
        names = desk.app.store.names([line.person for line in lines]) if listed.names else {}
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
    seen_by(desk, episode.id, episode.team)
    looked(desk, what="read.episode", persons=[episode.person.id], episodes=[episode.id])
    return episode, desk.app.engine.compiled(episode.pathway), reader


def show_episode(options: Options, typed: str) -> None:
    """Show where an episode stands."""
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, typed)
        row = episode_json(episode, compiled, desk.app.clock())
        emit_thing(
            options.output,
            row,
            lambda: (
                *picture_lines(row, episode, compiled),
                *_misled_lines(desk, row),
                f"What next: stepcare episode why {episode.id} --as …",
            ),
        )


def _misled_lines(desk: Desk, row: Row) -> Iterator[Text | str]:
    """Tell the decisions that relied on something corrected after them, by their entries."""
    wrong: Any = row["relied_wrongly"]
    entry = [one.idx for one in desk.app.store.entries_of(str(row["episode"]))] if wrong else []
    lines = [
        f"entry {entry[version - 1]} relied on {one['form']} {one['record']}, corrected by entry {entry[one['corrected_in'] - 1]}"
        for one in wrong
        for version in one["relied_on_by"]
    ]
    yield from _section("Relied on what was corrected later", lines)


def picture_lines(row: Row, episode: Episode, compiled: Compiled) -> Iterator[Text | str]:
    """Tell where an episode stands, from its JSON and itself."""
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


def _section(title: str, lines: list[str]) -> Iterator[Text | str]:
    if lines:
        yield Text(title, style="bold")
        yield from (f"  {line}" for line in lines)
