"""`stepcare channels …`: how messages leave the house."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="How messages leave the house.")


@app.callback()
def begin() -> None:
    """Keep `check` a word of its own: with one command alone it would be none."""


@app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The file of channels (else STEPCARE_CHANNELS).")
    ] = None,
) -> None:
    """Read the file of channels and its secrets as the worker would, and say what it makes; nothing is connected to."""
    from stepcare.desk.outside import check_channels

    check_channels(options_of(context), file)
