"""`stepcare audit checkpoint`: hand the log's checkpoint to somebody else."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def checkpoint(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there; stdout else.")] = None,
    mail: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="As an e-mail message with the checkpoint attached; not sent.")
    ] = None,
    printed: Annotated[bool, typer.Option("--print", help="As a page to print, with a QR code (HTML).")] = False,
    access: Annotated[bool, typer.Option("--access", help="That of the log of reads.")] = False,
) -> None:
    """Hand the published checkpoint to a second custodian: as a file, a letter, or a page to print."""
    from stepcare.desk.handover import hand_over

    hand_over(options_of(context), out, mail, printed=printed, access=access)
