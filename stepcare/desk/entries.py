"""What one entry says: its decision as it was seen, made again and held to its seal."""

import typer

from engine.audit import check_envelope
from engine.errors import Unverifiable
from engine.model import Actor, Json
from stepcare.desk.looking import looked, seen_by
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.explained import DIFFERS, LOST, Explained, explained, explained_json
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing
from stepcare.shown import entry_line_json, kept_line_json
from stepcare.sight import sees
from stepcare.tell_entry import explained_lines
from stepcare.whom import persons_in
from storage.beside import length
from storage.ledger import StoredEntry
from storage.sight import team_of, teams_of_episodes
from storage.verify import Verdict

NO_LOG = "The log is empty: nothing has been decided here yet. `stepcare episode open` begins."
ENTRIES = (
    Column(key="entry", title="ENTRY", right=True),
    Column(key="at", title="RECORDED", say=lambda value: str(value)[:16].replace("T", " ")),
    Column(key="by", title="BY"),
    Column(key="role", title="ROLE"),
    Column(key="type", title="WHAT"),
    Column(key="trigger", title="TRIGGER"),
    Column(key="episode", title="EPISODE", whole=True),
    Column(key="outcome", title="OUTCOME"),
    Column(key="failed", title="FAILED"),
)


def show(options: Options, index: int | None, last: int) -> None:
    """Show one entry as its decision was seen, or list the latest; exits 6 or 7 where it cannot be held to its seal."""
    with opened(options) as desk:
        reader = reader_of(desk, "log")
        if index is None:
            _list_latest(desk, reader, last)
            return
        found = explained(desk.app, index)
        _require_seen(desk, found)
        row = explained_json(desk.app, found)
        emit_thing(options.output, row, lambda: explained_lines(row, desk.app.database.zone))
    if _exit(found):
        raise typer.Exit(_exit(found))


def _require_seen(desk: Desk, found: Explained) -> None:
    """Note who looks at the entry; refuse one about an episode of another care team."""
    episode = found.stored.ep
    if episode is not None:
        seen_by(desk, episode, team_of(desk.app.database, episode))
    persons = persons_in(desk.app.store, found.stored)
    looked(
        desk, what="read.log", persons=persons, episodes=[episode] if episode else [], query={"entry": found.stored.idx}
    )


def _exit(found: Explained) -> int:
    """Give the exit code: what is missing can be neither confirmed nor denied, what differs was changed."""
    if found.verdict == LOST:
        return found.lost.exit if found.lost is not None else Verdict.UNVERIFIABLE.exit
    return Verdict.TAMPERED.exit if found.verdict == DIFFERS else 0


def _list_latest(desk: Desk, reader: Actor | None, last: int) -> None:
    entries = list(desk.app.store.entries(max(0, length(desk.app.database) - last)))
    if reader is not None:
        teams = teams_of_episodes(desk.app.database, (one.ep for one in entries if one.ep))
        entries = [one for one in entries if one.ep is None or sees(reader, teams.get(one.ep, ""))]
    found = [_line(desk, entry) for entry in entries]
    looked(desk, what="read.log", episodes=[one.ep for one in entries if one.ep], query={"last": last})
    emit_rows(desk.options.output, found, ENTRIES, NO_LOG)


def _line(desk: Desk, entry: StoredEntry) -> dict[str, Json]:
    """Give an entry as a line; of one that cannot be opened any more, what it says in the clear."""
    try:
        return kept_line_json(desk.app.store.kept(entry.idx))
    except Unverifiable:
        return {**entry_line_json(check_envelope(entry.entry)), "failed": None}
