"""`stepcare audit search` and `stepcare audit export`: the same filters, shown page by page or written whole."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepcare.options import options_of

if TYPE_CHECKING:
    from stepcare.sought import Sought


class Format(StrEnum):
    """How entries are written."""

    NDJSON = "ndjson"
    CSV = "csv"


Actor = Annotated[list[str] | None, typer.Option(help="Who acted (repeatable, as most: any of them).")]
Role = Annotated[list[str] | None, typer.Option(help="As what they acted.")]
Patient = Annotated[list[str] | None, typer.Option(help="The person's reference (a pseudonym).")]
Episode = Annotated[list[str] | None, typer.Option(help="The episode's reference.")]
Command = Annotated[list[str] | None, typer.Option(help="What was asked: move, record, sign_off, …")]
Trigger = Annotated[list[str] | None, typer.Option(help="The transition (T5), the request answered, or the command.")]
Outcome = Annotated[list[str] | None, typer.Option(help="accepted, refused, needs_sign_off.")]
State = Annotated[list[str] | None, typer.Option(help="Where the episode was afterwards.")]
Rule = Annotated[list[str] | None, typer.Option(help="A rule that was asked.")]
Answer = Annotated[
    list[str] | None, typer.Option(help="What came of that rule: ok, no, signed, override, override:REASON.")
]
Level = Annotated[list[str] | None, typer.Option(help="That rule's level: INFO, SS, HS2, HSx.")]
Override = Annotated[bool | None, typer.Option("--override/--no-override", help="With an override, or without any.")]
Signed = Annotated[bool | None, typer.Option("--signed/--not-signed", help="With a rule signed off, or without any.")]
Recorded = Annotated[
    str | None,
    typer.Option(metavar="FROM..TO", help="When it was recorded: days of the site's zone, or instants; both in it."),
]
Occurred = Annotated[str | None, typer.Option(metavar="FROM..TO", help="When it happened.")]
Entries = Annotated[str | None, typer.Option(metavar="FROM..TO", help="Entries by number.")]
Text = Annotated[
    str | None,
    typer.Option(help="Words in codes, rules, actors, types; with one --episode in its opened texts too."),
]
Sort = Annotated[str, typer.Option(metavar="[-]FIELD", help="By any field of an entry; - from its end.")]


def _sought(said: Mapping[str, Any]) -> "Sought":
    """Give what is sought from a command's own options: those of them that are filters, as they were given."""
    from stepcare.sought import Sought

    given = {one.name: said[one.name] for one in fields(Sought) if said[one.name] is not None}
    several: dict[str, Any] = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return Sought(**(given | several))


def search(
    context: typer.Context,
    actor: Actor = None,
    role: Role = None,
    patient: Patient = None,
    episode: Episode = None,
    command: Command = None,
    trigger: Trigger = None,
    outcome: Outcome = None,
    state: State = None,
    rule: Rule = None,
    answer: Answer = None,
    level: Level = None,
    override: Override = None,
    signed: Signed = None,
    recorded: Recorded = None,
    occurred: Occurred = None,
    entries: Entries = None,
    text: Text = None,
    sort: Sort = "-recorded",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="A page of at most so many.")] = 50,
    after: Annotated[str, typer.Option(metavar="CURSOR", help="The page after the one that gave this.")] = "",
) -> None:
    """Find entries of the log. The search itself is noted in the log of reads."""
    from stepcare.desk.searching import search as run

    run(options_of(context), _sought(locals()), limit, after)


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A folder that is not there yet.")],
    actor: Actor = None,
    role: Role = None,
    patient: Patient = None,
    episode: Episode = None,
    command: Command = None,
    trigger: Trigger = None,
    outcome: Outcome = None,
    state: State = None,
    rule: Rule = None,
    answer: Answer = None,
    level: Level = None,
    override: Override = None,
    signed: Signed = None,
    recorded: Recorded = None,
    occurred: Occurred = None,
    entries: Entries = None,
    text: Text = None,
    sort: Sort = "entry",
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="ndjson: whole entries; csv: for spreadsheets (repeatable).")
    ] = None,
) -> None:
    """Write what a search finds into a folder, with a manifest. The export is noted in the log of reads."""
    from stepcare.desk.exporting import export as run

    run(
        options_of(context),
        _sought(locals()),
        out,
        tuple(dict.fromkeys(one.value for one in formats or (Format.NDJSON,))),
    )
