"""`stepcare migrate`, `config show`, `user …`: setting up."""

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


@user.command()
def contact(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="ID", help="The colleague.")],
    contacts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CHANNEL=ADDRESS]…", help="CHANNEL= takes one away, CHANNEL=- reads it from stdin."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(metavar="CHANNEL,…", help="By which they want to hear, the first one first.")
    ] = None,
) -> None:
    """Keep how a colleague is reached, in the vault only: `user contact ann email=ann@clinic.example --order email`."""
    from stepcare.desk.users import Contacts, set_contacts

    set_contacts(options_of(context), Contacts(who=who, pairs=tuple(contacts or ()), order=order))


@user.command()
def away(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="ID", help="The colleague who is away.")],
    cover: Annotated[str, typer.Option(metavar="ID", help="Who hears in their stead.")],
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day, or an instant.")],
    until: Annotated[str, typer.Option(metavar="DAY", help="The last day, or the instant they are back.")],
) -> None:
    """Say when a colleague is away; said again with the same first day, it changes that absence."""
    from stepcare.desk.users import Away, set_away

    set_away(options_of(context), Away(who=who, cover=cover, since=since, until=until))


@user.command()
def password(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="USER", help="Whose password.")],
) -> None:
    """Set a colleague's password for the pages; it is typed, or read from stdin, and never an argument."""
    from stepcare.desk.users import set_password

    set_password(options_of(context), who)
