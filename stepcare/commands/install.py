"""`stepcare migrate`, `config show`, `user add`: setting up."""

from typing import Annotated

import typer

from stepcare.options import options_of

config = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Settings, and where each comes from.")
user = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who may act here.")


def migrate(
    context: typer.Context,
    zone: Annotated[str | None, typer.Option(help="The site's time zone, for a new database.")] = None,
) -> None:
    """Make the database and its vault, or bring an old one up to date; doing it again changes nothing."""
    from stepcare.desk.install import run_migrate

    run_migrate(options_of(context), zone)


@config.command()
def show(
    context: typer.Context,
    source: Annotated[bool, typer.Option("--source", help="Say where each setting comes from.")] = False,
) -> None:
    """Show the settings; secrets are never shown."""
    from stepcare.desk.install import show_config

    show_config(options_of(context), with_source=source)


@user.command()
def add(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="ID", help="A pseudonym: it stands in every entry, for ever.")],
    role: Annotated[list[str], typer.Option("--role", help="A role they hold (repeatable).")],
    team: Annotated[list[str] | None, typer.Option("--team", help="A care team they belong to (repeatable).")] = None,
    name: Annotated[str, typer.Option(help="Their name; it goes to the vault only.")] = "",
) -> None:
    """Add a colleague, or change their roles and teams: `user add ann --role coordinator --team main`."""
    from stepcare.desk.install import add_user

    add_user(options_of(context), who, role, team or ["main"], name)


@user.command("list")
def list_(context: typer.Context) -> None:
    """List who may act here."""
    from stepcare.desk.install import list_users

    list_users(options_of(context))
