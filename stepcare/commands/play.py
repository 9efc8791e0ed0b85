"""`stepcare play SCENARIO.yaml`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stepcare.options import Output, options_of

if TYPE_CHECKING:
    from engine.model import Json
    from stepcare.play import Told

NOT_MET = 6


def play(
    context: typer.Context,
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO.yaml", help="The play file.")],
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the database there, to look at it afterwards.")
    ] = None,
) -> None:
    """Play timed commands against a fresh database and a virtual clock; exit 6 when an expectation is not met."""
    from stepcare.app import wall_clock
    from stepcare.log import configure_log
    from stepcare.play import play as tell
    from stepcare.render import emit_text, json_text, note
    from workflows.scenario import read_scenario

    options = options_of(context)
    configure_log("warning", "console", wall_clock)
    story = read_scenario(scenario)
    rows: list[Json] = []
    unmet = 0
    for told in tell(story, str(keep) if keep else None):
        unmet += len(told.unmet)
        for sentence in told.unmet:
            note(f"{scenario}:{told.row['line']}: {sentence}")
        if options.output is Output.JSON:
            rows.append(told.row)
        elif options.output is Output.NDJSON:
            emit_text(json.dumps(told.row, ensure_ascii=False))
        elif options.output is Output.CSV:
            rows.append(told.row)
        else:
            _tell(told, story.zone)
    if options.output is Output.JSON:
        emit_text(json_text(rows))
    elif options.output is Output.CSV:
        _as_csv(rows)
    if unmet:
        raise typer.Exit(NOT_MET)
    expected = sum(line.expect is not None for line in story.do)
    note(f"{len(story.do)} lines played, {expected} with an expectation, all met.")


def _tell(told: "Told", zone: str) -> None:
    from stepcare.render import emit_lines

    emit_lines(_lines(told, zone))


def _lines(told: "Told", zone: str) -> "Iterator[object]":
    from datetime import datetime

    from rich.text import Text

    from engine.time import zone as zone_of
    from stepcare.tell import decision_lines, headline

    local = datetime.fromisoformat(str(told.row["at"])).astimezone(zone_of(zone))
    yield Text(f"{local:%Y-%m-%d %H:%M}  {told.row['episode'] or 'site'}", style="dim")
    if told.row["command"] == "wait":
        yield Text(f"  time passes, {told.row['fired']} timers fire, state {told.row['state'] or 'none'}")
    elif told.line is None:
        yield headline(told.row)
    else:
        yield from decision_lines(told.row, {})


def _as_csv(rows: "list[Json]") -> None:
    from stepcare.render import csv_text, emit_text

    keys = ("at", "by", "command", "episode", "outcome", "state_before", "state", "failed", "taken", "entry")
    emit_text(csv_text(rows, keys))  # type: ignore[arg-type]  # rows are objects
