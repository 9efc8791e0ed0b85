"""`stepcare play SCENARIO.yaml`."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def play(
    context: typer.Context,
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO.yaml", help="The play file.")],
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the database there, to look at it afterwards.")
    ] = None,
) -> None:
    """Play timed commands against a fresh database and a virtual clock; exit 6 when an expectation is not met."""
    from stepcare.desk.play import run

    run(options_of(context), scenario, keep)
