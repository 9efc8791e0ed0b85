"""`stepcare serve`: the service over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on; keep it local behind a proxy with TLS.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 finds one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="So many processes, each with the database open.")] = 1,
    uds: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Listen on a unix socket instead of host and port.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Do no due work in these processes: `stepcare worker` does it.")
    ] = False,
) -> None:
    """Serve the API until SIGTERM or Ctrl-C; a stop finishes what was begun and exits 0."""
    from stepcare.web.server import Address
    from stepcare.web.server import serve as run

    run(Address(host=host, port=port, uds=uds), options_of(context).data, workers, worker=not no_worker)
