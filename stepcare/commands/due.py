"""`stepcare due …`: the work people owe, and what will be sent when."""

from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work that is owed, the most pressing first.")


@app.command("list")
def list_(
    context: typer.Context,
    team: Annotated[str | None, typer.Option(help="Only of this care team.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this colleague owes.")] = None,
    role: Annotated[str | None, typer.Option(help="Only what this role owes.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind of work (repeatable).")] = None,
    days: Annotated[int, typer.Option(min=0, max=3650, help="Also what opens in the next so many days.")] = 0,
    snoozed: Annotated[bool, typer.Option("--snoozed", help="Also what is snoozed.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Add the persons' names from the vault.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
) -> None:
    """List work: emergency, urgent, late safety contact, escalated, overdue, due; undated last."""
    from stepcare.desk.dues import Listed, list_due

    listed = Listed(
        team=team,
        owner=owner,
        role=role,
        kinds=tuple(kind or ()),
        days=days,
        snoozed=snoozed,
        names=names,
        limit=limit,
    )
    list_due(options_of(context), listed)


@app.command()
def explain(
    context: typer.Context,
    episode: Annotated[str, typer.Argument(metavar="EPISODE", help="The episode's reference.")],
) -> None:
    """Say what will be sent when, to whom and why, for one episode."""
    from stepcare.desk.dues import explain_due

    explain_due(options_of(context), episode)
