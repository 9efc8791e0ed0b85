"""`stepcare sealer …`: publish what was committed as a signed log that others can verify."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Publish and sign the log: `sealer` alone runs until it is stopped.",
)
Every = Annotated[float, typer.Option(min=1, max=10, help="Seal so many seconds after the first new entry.")]
Heartbeat = Annotated[float, typer.Option(min=60, help="Publish anew after so many seconds without an entry.")]


@app.callback()
def begin(context: typer.Context) -> None:
    """Run the sealer, unless one of its commands is named."""
    if context.invoked_subcommand is None:
        run(context)


@app.command()
def run(context: typer.Context, every: Every = 5, heartbeat: Heartbeat = 3600) -> None:
    """Seal until SIGTERM or Ctrl-C: some seconds after a new entry, at 256 of them, and hourly in any case."""
    from stepcare.desk.sealing import seal_on

    seal_on(options_of(context), every, heartbeat)


@app.command()
def once(
    context: typer.Context,
    make_key: Annotated[bool, typer.Option("--make-key", help="Make the log's key where there is none.")] = False,
) -> None:
    """Seal now, and have the witnesses cosign anew."""
    from stepcare.desk.sealing import seal_once

    seal_once(options_of(context), make=make_key)


@app.command()
def key(
    context: typer.Context,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take this private key (PRIVATE+KEY+…).")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="COMMENT", help="Use the ssh-agent's Ed25519 key with this comment.")
    ] = None,
) -> None:
    """Show the log's public keys; make the key where there is none."""
    from stepcare.desk.sealing import show_key

    show_key(options_of(context), import_, agent)


@app.command()
def rotate(
    context: typer.Context,
    retire: Annotated[bool, typer.Option("--retire", help="End the former key's signing.")] = False,
) -> None:
    """Make a new key; the former one signs beside it until it is retired."""
    from stepcare.desk.sealing import change_key

    change_key(options_of(context), retiring=retire)


@app.command()
def status(context: typer.Context) -> None:
    """Say what is committed, signed and published, and how it stands with the witnesses."""
    from stepcare.desk.sealing import show_status

    show_status(options_of(context))
