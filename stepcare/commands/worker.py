"""`stepcare worker`: fire what is due, deliver what is queued."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def worker(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    name: Annotated[str, typer.Option("--id", help="Its name (else host and process).")] = "",
    channels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="How messages are sent (else STEPCARE_CHANNELS; else they are written down)."
        ),
    ] = None,
    replay_guard: Annotated[
        str,
        typer.Option(
            metavar="SINCE",
            help="After a restore: what was due from the backup's time until now is not sent; a person decides.",
        ),
    ] = "",
) -> None:
    """Work until SIGTERM or Ctrl-C, beside any number of others; a stop finishes what was begun and exits 0."""
    from stepcare.desk.working import work_on, work_once
    from stepcare.worker.setup import Asked

    asked = Asked(id=name, channels=channels, since=replay_guard)
    (work_once if once else work_on)(options_of(context), asked)
