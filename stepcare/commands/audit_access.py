"""`stepcare audit access|reviews|review|subject`: who looked, what was opened in need, everything on one person."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

Moment = Annotated[str | None, typer.Option(metavar="INSTANT", help="With its offset.")]


def access(
    context: typer.Context,
    episode: Annotated[str | None, typer.Option(metavar="REF", help="Who looked at this episode.")] = None,
    person: Annotated[str | None, typer.Option(metavar="REF", help="Who looked at this person.")] = None,
    actor: Annotated[str | None, typer.Option(metavar="ID", help="What this colleague looked at.")] = None,
    what: Annotated[str | None, typer.Option("--type", help="Only reads of this type: read.episode, …")] = None,
    opening: Annotated[int | None, typer.Option(min=0, help="Only what was read by this opening.")] = None,
    since: Moment = None,
    until: Moment = None,
    before: Annotated[int | None, typer.Option(min=0, help="Only reads before this number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
) -> None:
    """Say who looked at whom, the latest first: `audit access --person p-… --as priya`."""
    from stepcare.desk.accesses import Sought, show_access

    sought = Sought(
        episode=episode,
        person=person,
        actor=actor,
        what=what,
        opening=opening,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    show_access(options_of(context), sought)


def reviews(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that are reviewed too.")] = False,
) -> None:
    """List the episodes that were opened by breaking the glass and wait for review."""
    from stepcare.desk.accesses import show_reviews

    show_reviews(options_of(context), everything=everything)


def review(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="OPENING", min=0, help="Its number, as `audit reviews` says.")],
    finding: Annotated[str, typer.Option(help="justified, or not_justified.")],
    text: Annotated[str, typer.Option(help="Why, in your own words; sealed under the person's key.")] = "",
    note: Annotated[str, typer.Option(hidden=True, help="The former name of --text.")] = "",
) -> None:
    """Say of an opening whether it was justified; nobody reviews their own."""
    from stepcare.desk.accesses import review_opening

    review_opening(options_of(context), number, finding, text or note)


def subject(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The person's reference.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A folder that is not there yet.")],
) -> None:
    """Write everything on one person, and who looked, as a page and as JSON, with a manifest."""
    from stepcare.desk.accesses import export_subject

    export_subject(options_of(context), person, out)
