"""Importing a file of registrations, and saying of every line that is not imported why, and what to do."""

import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from engine.access import may_command
from engine.errors import InvalidInput, NotFound, Refused
from engine.model import Json, Kind
from stepcare.desk.looking import looked
from stepcare.desk.opened import actor_of, opened, os_user
from stepcare.importing import Became, Importer, Told, lines_of
from stepcare.options import Options, Output
from stepcare.render import emit_thing, note, progress

NO_PATHWAY = "run `stepcare pathway publish mid_upper_back --as …` as a pathway owner"
AGAIN = "Correct these lines and give the same file again: what is imported stays as it is."


def import_episodes(options: Options, file: Path) -> None:
    """Import every line that can be, tell the others by number, exit 4 when a rule refused one, else 2."""
    counts: Counter[Became] = Counter()
    with opened(options) as desk, _opened(file) as stream:
        actor = actor_of(desk)
        if not may_command(actor, Kind.REGISTER):
            raise Refused(f"As {actor.role} {actor.id} may not register episodes: ask a colleague who may.")
        if not desk.app.store.site().pathways:
            raise NotFound(what="pathway", name="published", remedy=NO_PATHWAY)
        if options.dry_run:
            looked(desk, what="preview", query={"command": Kind.REGISTER})
        importer = Importer(desk.app, actor, f"cli:{os_user()}")
        with progress("Importing") as step:
            for told in importer.imported(lines_of(stream), keep=not options.dry_run):
                counts[told.became] += 1
                _tell(options, told)
                step()
    if options.output is Output.NDJSON:
        note(next(_summary(counts)))
    else:
        row: dict[str, Json] = {"lines": counts.total(), **{one.value: counts[one] for one in Became}}
        emit_thing(options.output, row, lambda: _summary(counts))
    if options.dry_run:
        note("Dry run: nothing was kept.")
    if counts[Became.REFUSED] or counts[Became.INVALID]:
        note(AGAIN)
        raise typer.Exit(4 if counts[Became.REFUSED] else 2)


def _summary(counts: Counter[Became]) -> Iterator[str]:
    done, here = counts[Became.IMPORTED], counts[Became.REPEATED]
    failed = f"{counts[Became.REFUSED]} refused, {counts[Became.INVALID]} that cannot be read"
    yield f"{counts.total()} lines: {done} imported, {here} here already, {failed}."


def _tell(options: Options, told: Told) -> None:
    if told.problem:
        note(f"line {told.number}: {told.problem}")
    if options.output is Output.NDJSON:
        row: dict[str, Json] = {
            "line": told.number,
            "became": told.became.value,
            "episode": told.episode or None,
            "patient": told.patient or None,
            "problem": told.problem or None,
        }
        emit_thing(options.output, row, lambda: ())


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO, None, None]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read ({error.strerror}): name a file of lines, or - for stdin.") from None
    with stream:
        yield stream
