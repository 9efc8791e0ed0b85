"""`stepcare token …`: the secrets by which programs ask."""

from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Secrets by which programs ask the service.")


@app.command()
def add(
    context: typer.Context,
    actor: Annotated[str, typer.Option("--for", metavar="ACTOR", help="The colleague it acts as.")],
    role: Annotated[str | None, typer.Option(help="In which of their roles; needed where they hold several.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="read, write or metrics (repeatable); read where none is said.")
    ] = None,
    days: Annotated[int, typer.Option(help="How long it lasts, at most 366.")] = 30,
) -> None:
    """Make a token and print its secret, once: `token add --for ann --scope read --scope write`."""
    from stepcare.desk.tokens import Wanted
    from stepcare.desk.tokens import add as run

    run(options_of(context), Wanted(actor=actor, role=role, scopes=tuple(scope or ("read",)), days=days))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the tokens, never their secrets."""
    from stepcare.desk.tokens import list_tokens

    list_tokens(options_of(context))


@app.command()
def revoke(
    context: typer.Context, token: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `token list` shows.")]
) -> None:
    """Take a token back, for ever; a running service forgets it within five seconds."""
    from stepcare.desk.tokens import revoke as run

    run(options_of(context), token)
