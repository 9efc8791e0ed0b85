"""Playing a file and showing every answer as it comes."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import typer
from rich.text import Text

from engine.errors import Conflict
from engine.time import zone as zone_of
from stepcare.app import wall_clock
from stepcare.log import configure_log
from stepcare.options import Options, Output
from stepcare.play import Told, play
from stepcare.render import Row, csv_text, emit_lines, emit_text, json_text, note
from stepcare.tell import decision_lines, headline
from workflows.scenario import read_scenario

NOT_MET = 6
COLUMNS = ("at", "by", "command", "episode", "outcome", "state_before", "state", "failed", "taken", "entry", "line")


def run(options: Options, scenario: Path, keep: Path | None) -> None:
    """Play a file; exits 6 when an answer is not what the file expects."""
    configure_log("warning", "console", wall_clock)
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise Conflict(f"{keep} is not empty: name a new directory, a play begins with a fresh database.")
    story = read_scenario(scenario)
    rows: list[Row] = []
    unmet = 0
    for told in play(story, str(keep) if keep else None):
        unmet += len(told.unmet)
        _show(options.output, told, story.zone, rows)
        for sentence in told.unmet:
            note(f"{scenario}:{told.row['line']}: {sentence}")
    if options.output is Output.JSON:
        emit_text(json_text(rows))
    elif options.output is Output.CSV:
        emit_text(csv_text(rows, COLUMNS))
    expected = sum(line.expect is not None for line in story.do)
    if unmet:
        note(f"{unmet} expectation{'s' if unmet != 1 else ''} not met.")
        raise typer.Exit(NOT_MET)
    note(f"{len(story.do)} lines played; {expected} with an expectation, all met.")


def _show(output: Output, told: Told, zone: str, rows: list[Row]) -> None:
    if output is Output.TABLE:
        emit_lines(_lines(told, zone))
    elif output is Output.NDJSON:
        emit_text(json.dumps(told.row, ensure_ascii=False))
    else:
        rows.append(told.row)


def _lines(told: Told, zone: str) -> Iterator[Text]:
    row = told.row
    local = datetime.fromisoformat(cast("str", row["at"])).astimezone(zone_of(zone))
    yield Text(f"{local:%Y-%m-%d %H:%M}  {row['episode'] or 'site'}", style="bold")
    if row["command"] == "wait":
        yield Text(f"  time passes: {row['fired']} timers fire; state {row['state'] or 'none'}")
    elif told.line is None:
        yield headline(row)
    else:
        yield from decision_lines(row, {})
