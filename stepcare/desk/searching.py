"""Searching the log on the command line: a page of what was found, how much there is, and where to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.model import Json
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options, Output
from stepcare.render import Column, emit_rows, emit_thing, note, progress
from stepcare.sought import Asked, Sought, about, asked, found_json, loosen_line, page_json
from storage.search import Page
from storage.search_fields import FIELDS

Row = dict[str, Json]


def _minute(value: Json) -> str:
    return str(value or "")[:16].replace("T", " ")


COLUMNS = (
    Column(key="entry", title="ENTRY", right=True),
    Column(key="recorded", title="RECORDED", say=_minute),
    Column(key="actor", title="ACTOR"),
    Column(key="role", title="ROLE"),
    Column(key="command", title="COMMAND"),
    Column(key="trigger", title="TRIGGER"),
    Column(key="episode", title="EPISODE", whole=True),
    Column(key="outcome", title="OUTCOME"),
    Column(key="state", title="STATE"),
    Column(key="failed", title="FAILED"),
    Column(key="overridden", title="OVERRIDDEN"),
    Column(key="signed", title="SIGNED"),
)
EVERY = tuple(Column(key=name, title=name) for name in FIELDS)


def search(options: Options, sought: Sought, limit: int, after: str) -> None:
    """Show a page of what is found; the search itself is told to the log of reads."""
    with opened(options) as desk, searched(desk, sought) as found:
        page = found.page(limit, after)
        rows = [found_json(row) for row in page.found]
        persons, episodes = about(rows)
        looked(desk, what="log.search", persons=persons, episodes=episodes, query=sought.said())
        if options.output is Output.JSON:
            emit_thing(options.output, page_json(found, page, rows), list)
            return
        columns = EVERY if options.output is Output.CSV else COLUMNS
        if rows or options.output is not Output.TABLE:
            emit_rows(options.output, rows, columns, "")
        _note(found, page)


@contextmanager
def searched(desk: Desk, sought: Sought) -> Iterator[Asked]:
    """Give a search as whoever asks may make it, showing how far catching up has come on a terminal."""
    reader = reader_of(desk, "log")
    with progress("Reading the log") as step, asked(desk.app, reader, sought, lambda *_: step()) as found:
        yield found


def _note(found: Asked, page: Page) -> None:
    count, more = found.count()
    for one in found.notes:
        note(one)
    if not count:
        note(loosen_line(found))
        return
    most = "at least " if more else ""
    note(f"{len(page.found)} of {most}{count} found in {page.size} entries.")
    if page.after:
        note(f"More: the same with --after {page.after}")
