"""`stepcare audit …`: is the log what was written, and would everything be decided so again."""

from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Verify the log, decide it again, look at an entry."
)


@app.command()
def verify(
    context: typer.Context,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave sealed parts closed, as somebody without the vault must.")
    ] = False,
) -> None:
    """Recompute everything from the entries' bytes; exit 0 verified, 3 no log, 6 failed, 7 unverifiable."""
    from stepcare.desk.audits import verify as run

    run(options_of(context), with_keys=not without_keys)


@app.command()
def replay(context: typer.Context) -> None:
    """Decide every entry again with the pack, parameters and facts it had, and compare."""
    from stepcare.desk.audits import replay as run

    run(options_of(context))


@app.command()
def show(
    context: typer.Context,
    entry: Annotated[int | None, typer.Argument(metavar="[ENTRY]", min=0, help="Its number; none: the latest.")] = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="Without a number: so many of the latest.")] = 20,
) -> None:
    """Show an entry with its decision as it was explained, or list the latest entries."""
    from stepcare.desk.audits import show as run

    run(options_of(context), entry, last)
