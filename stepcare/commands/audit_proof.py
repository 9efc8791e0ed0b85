"""`stepcare audit proof`: a proof to hand out."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def proof(
    context: typer.Context,
    entry: Annotated[int | None, typer.Argument(metavar="[ENTRY]", min=0, help="The entry's number.")] = None,
    episode: Annotated[
        str | None, typer.Option(metavar="REF", help="All entries of this episode, and that none is missing.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A new folder; else proof-ENTRY here.")] = None,
) -> None:
    """Write a folder that proves an entry, or a whole episode, to somebody who has nothing else of ours."""
    from stepcare.desk.proofs import prove

    prove(options_of(context), entry, episode, out)
