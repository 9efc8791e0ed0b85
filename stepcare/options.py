"""What may be said before or after any command: where the data is, who asks, how to write, what not to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import typer

VALUED = ("--data", "--as", "--output")
FLAGS = ("--dry-run", "--yes", "-y")


class Output(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The global options. `data` None: as the environment says; `actor` None: nobody said."""

    data: str | None = None
    actor: str | None = None
    output: Output = Output.TABLE
    dry_run: bool = False
    yes: bool = False


def options_of(context: typer.Context) -> Options:
    """Give the global options of a command."""
    return cast("Options", context.find_root().obj or Options())


def to_the_front(words: Sequence[str]) -> list[str]:
    """Put global options before the command, wherever they were written; what follows `--` stays."""
    end = words.index("--") if "--" in words else len(words)
    ours, rest = [], []
    waiting = iter(words[:end])
    for word in waiting:
        name = word.partition("=")[0]
        if word in FLAGS or (name in VALUED and "=" in word):
            ours.append(word)
        elif word in VALUED:
            ours += [word, *_next(waiting)]
        else:
            rest.append(word)
    return [*ours, *rest, *words[end:]]


def _next(words: Iterator[str]) -> list[str]:
    word = next(words, None)
    return [] if word is None else [word]
