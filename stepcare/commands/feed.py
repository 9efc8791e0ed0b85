"""`stepcare feed …`: owed work as a calendar that other programs read, and visits as invitations."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Owed work as a calendar, visits as invitations.")
For = Annotated[str, typer.Option("--for", metavar="ACTOR", help="Whose calendar it is.")]
Covered = Annotated[
    str, typer.Option("--covers", metavar="TEAM|OWN", help="All that their care teams owe, or only what they owe.")
]


@app.command()
def new(
    context: typer.Context,
    actor: For,
    covers: Covered = "team",
    days: Annotated[int, typer.Option(help="How long it lasts, at most 366.")] = 180,
) -> None:
    """Make a colleague's secret address and print it, once; the former one leads nowhere from then on."""
    from stepcare.desk.feeding import covers_from
    from stepcare.desk.feeding import new as run

    run(options_of(context), actor, covers_from(covers), days)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the addresses, never their secrets."""
    from stepcare.desk.feeding import list_feeds

    list_feeds(options_of(context))


@app.command()
def revoke(
    context: typer.Context, feed: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `feed list` shows.")]
) -> None:
    """Take an address back, at once and for ever."""
    from stepcare.desk.feeding import revoke as run

    run(options_of(context), feed)


@app.command()
def show(context: typer.Context, actor: For, covers: Covered = "team") -> None:
    """Write a colleague's calendar as it is now (iCalendar), to look at or to import."""
    from stepcare.desk.feeding import covers_from
    from stepcare.desk.feeding import show as run

    run(options_of(context), actor, covers_from(covers))


@app.command()
def invitation(
    context: typer.Context,
    episode: Annotated[str, typer.Argument(metavar="EPISODE", help="The episode's reference.")],
    due_item: Annotated[str, typer.Argument(metavar="DUE_ITEM", help="What the visit is for, as `due list` shows.")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="2026-03-20T10:00 on the episode's clock, or +3d 10:00.")
    ] = None,
    minutes: Annotated[int, typer.Option(help="How long the visit lasts.")] = 30,
    cancel: Annotated[bool, typer.Option("--cancel", help="Call the visit off instead.")] = False,
    organizer: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The clinic's mail address; without one nobody can reply.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to write it; stdout if not said.")
    ] = None,
) -> None:
    """Write an invitation to an agreed visit, to attach or to hand over; there is no name in it."""
    from stepcare.desk.feeding import Invited, invite

    asked = Invited(
        episode=episode, due_item=due_item, at=at, minutes=minutes, cancel=cancel, organizer=organizer, to=to
    )
    invite(options_of(context), asked)
