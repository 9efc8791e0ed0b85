"""Data on stdout, as a table for people or as JSON, NDJSON or CSV for programs; progress on stderr, on terminals only."""

import csv
import io
import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.model import Json
from stepcare.options import Output

Row = Mapping[str, Json]
Step = Callable[[], None]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is run by spreadsheets
WIDE = 160  # columns, where there is no terminal to ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: the key of the row, its title, and how a cell reads in a table (None: as it is).

    `whole`: a reference, never broken over two lines, so that it can be copied.
    """

    key: str
    title: str
    say: Callable[[Json], str] | None = None
    right: bool = False
    whole: bool = False


def console(*, errors: bool = False) -> Console:
    """Give a console on stdout or stderr; plain where there is no terminal or NO_COLOR is set."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def emit_rows(output: Output, rows: Sequence[Row], columns: Sequence[Column], empty: str) -> None:
    """Write a list; `empty` is said to people (on stderr) when there is nothing in it."""
    if output is Output.JSON:
        _write(json_text(list(rows)))
    elif output is Output.NDJSON:
        _write("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), end="")
    elif output is Output.CSV:
        _write(csv_text(rows, [column.key for column in columns]), end="")
    elif rows:
        console().print(table(rows, columns))
    else:
        note(empty)


def emit_thing(output: Output, row: Row, lines: Callable[[], Iterable[Text | str | Table]]) -> None:
    """Write one thing; `lines` say it to people."""
    if output is Output.JSON:
        _write(json_text(row))
    elif output is Output.NDJSON:
        _write(json.dumps(row, ensure_ascii=False))
    elif output is Output.CSV:
        pairs: list[Row] = [{"name": name, "value": value} for name, value in flat(dict(row))]
        _write(csv_text(pairs, ["name", "value"]), end="")
    else:
        emit_lines(lines())


def emit_lines(lines: Iterable[Text | str | Table]) -> None:
    """Write lines for people."""
    out = console()
    for line in lines:
        # Only a terminal needs its lines broken; a file or a pipe gets each thought on one line.
        whole = isinstance(line, str) or (isinstance(line, Text) and not out.is_terminal)
        out.print(Text(plain(line)) if isinstance(line, str) else line, soft_wrap=whole)


def emit_text(text: str) -> None:
    """Write text exactly as it is."""
    _write(text, end="" if text.endswith("\n") else "\n")


def note(text: str) -> None:
    """Say something to people, on stderr."""
    sys.stderr.write(f"{plain(text)}\n")


def table(rows: Iterable[Row], columns: Sequence[Column]) -> Table:
    """Give a table; every cell is plain text, whatever it holds."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        side: Literal["left", "right"] = "right" if column.right else "left"
        made.add_column(column.title, justify=side, overflow="fold", no_wrap=column.whole)
    for row in rows:
        made.add_row(*(Text(plain(_said(row.get(column.key), column))) for column in columns))
    return made


def _said(value: Json, column: Column) -> str:
    return column.say(value) if column.say is not None else cell(value)


def cell(value: Json) -> str:
    """Say a value in one cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(cell(one) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def plain(text: str) -> str:
    """Keep a terminal from reading orders in a text: only what can be printed is kept, one line each."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def json_text(value: object) -> str:
    """Give JSON for people and programs alike."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def csv_text(rows: Iterable[Row], keys: Sequence[str]) -> str:
    """Give CSV (RFC 4180); a cell that a spreadsheet would run begins with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(keys)
    writer.writerows([safe_cell(cell(row.get(key))) for key in keys] for row in rows)
    return stream.getvalue()


def safe_cell(text: str) -> str:
    """Give a cell that no spreadsheet takes for a formula; plain negative numbers stay numbers."""
    if not text.startswith(FORMULA) or text[1:].replace(".", "", 1).isdigit():
        return text
    return f"'{text}"


def flat(value: Json, under: str = "") -> Iterable[tuple[str, Json]]:
    """Give a thing as (dotted name, value) pairs."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from flat(one, f"{under}.{key}" if under else str(key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for position, one in enumerate(value):
            yield from flat(one, f"{under}[{position}]")
    else:
        yield under, value


@contextmanager
def progress(title: str, total: int | None = None) -> Generator[Step, None, None]:
    """Show how far something long has come, on stderr and only on a terminal; call what is given once a step."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress  # noqa: PLC0415 - only terminals pay for loading it

    with Progress(console=console(errors=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


def _write(text: str, end: str = "\n") -> None:
    sys.stdout.write(f"{text}{end}")
