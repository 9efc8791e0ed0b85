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
    episode: Annotated[str | None, typer.Argument(metavar="EPISODE", help="The episode's reference.")] = None,
    message: Annotated[str | None, typer.Option(metavar="ID", help="Only this message, with every try.")] = None,
    days: Annotated[int, typer.Option(min=0, max=366, help="How far to look ahead.")] = 30,
) -> None:
    """Say what will be sent when, to whom and why, and why each message so far was or was not sent."""
    from stepcare.desk.dues_explain import Explained, explain_due

    explain_due(options_of(context), Explained(episode=episode, message=message, days=days))


@app.command()
def stats(context: typer.Context) -> None:
    """Show how late the due work is, how much waits, who works, what was done, and what the next 24 hours bring."""
    from stepcare.desk.dues_stats import show_stats

    show_stats(options_of(context))


@app.command()
def parked(context: typer.Context) -> None:
    """List what nobody acts on before somebody looks: what was put aside, and messages that reached nobody."""
    from stepcare.desk.dues_retry import list_parked

    list_parked(options_of(context))


@app.command("retry")
def retry_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="As `due parked` shows it.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key, the same answer.")] = None,
) -> None:
    """Take up again what was put aside, or send a message that reached nobody once more."""
    from stepcare.desk.dues_retry import retry

    retry(options_of(context), name, key)


@app.command()
def run(context: typer.Context) -> None:
    """Fire what is due and deliver what is queued, now, and say what became of it."""
    from stepcare.desk.working import work_once
    from stepcare.worker.setup import Asked

    work_once(options_of(context), Asked())


@app.command()
def calendar(
    context: typer.Context,
    country: Annotated[str, typer.Option(metavar="CODE", help="Two letters, such as DE.")],
    years: Annotated[str, typer.Option(metavar="YEAR[-YEAR]", help="Which years, such as 2026-2028.")],
    subdivision: Annotated[str | None, typer.Option(metavar="CODE", help="A part of it, such as BE.")] = None,
    add: Annotated[list[str] | None, typer.Option(metavar="DAY", help="Also closed then (repeatable).")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="DAY", help="A holiday that is worked (repeatable).")
    ] = None,
    replan: Annotated[bool, typer.Option("--replan", help="Move what is already planned, too.")] = False,
) -> None:
    """Set the days the site is closed to a place's public holidays, and show what that changes."""
    from stepcare.desk.closed_days import Asked, set_calendar

    asked = Asked(
        country=country,
        subdivision=subdivision,
        years=years,
        add=tuple(add or ()),
        remove=tuple(remove or ()),
        replan=replan,
    )
    set_calendar(options_of(context), asked)


@app.command()
def bounce(
    context: typer.Context,
    channel: Annotated[str, typer.Option(metavar="NAME", help="The channel whose mailbox it came to.")] = "email",
) -> None:
    """Act on one mail from stdin that came back: a bounce, a complaint, or an answer that says stop."""
    from stepcare.desk.outside import take_back

    take_back(options_of(context), channel)


guard = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What holds messages after a restore.")
app.add_typer(guard, name="guard")


@guard.command()
def lift(context: typer.Context) -> None:
    """Let messages go again; those that ended as unknown stay so, for a person to decide."""
    from stepcare.desk.working import lift_guard

    lift_guard(options_of(context))
