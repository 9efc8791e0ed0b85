"""`stepcare episode …`: what an episode is, may do next, and did."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Open, read and move episodes of care.")

Episode = Annotated[str, typer.Argument(metavar="EPISODE", help="The episode's reference.")]
Answers = Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]…", help="Answers of the form.")]
Answered = Annotated[
    Path | None, typer.Option("--json", metavar="FILE|-", help="Answers as one JSON object, from a file or stdin.")
]
Happened = Annotated[str | None, typer.Option(metavar="INSTANT", help="When it happened, with its offset; else now.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: the same key and wish are done once.")]


@app.command("open")
def open_(
    context: typer.Context,
    answers: Answers = None,
    json: Answered = None,
    patient: Annotated[str | None, typer.Option(metavar="REF", help="A person who is already known here.")] = None,
    name: Annotated[str | None, typer.Option(help="A new person's name; it goes to the vault only.")] = None,
    born: Annotated[str | None, typer.Option(metavar="DATE", help="Their date of birth.")] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="CHANNEL=ADDRESS", help="How to reach them (repeatable).")
    ] = None,
    language: Annotated[str, typer.Option(help="The language of messages to them.")] = "en",
    team: Annotated[str | None, typer.Option(help="The care team that takes the episode on.")] = None,
    occurred_at: Happened = None,
    key: Key = None,
) -> None:
    """Open a new episode: `episode open --as ann --name "…" region=upper_back onset=2026-01-12`."""
    from stepcare.desk.opening import Newcomer, open_episode

    newcomer = Newcomer(patient=patient, name=name, born=born, contacts=tuple(contact or ()), language=language)
    steer = {"team": team, "language": language, "occurred_at": occurred_at, "key": key}
    open_episode(options_of(context), newcomer, tuple(answers or ()), json, steer)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="One JSON object a line; see docs/import.md.")],
) -> None:
    """Register an episode for each line of a file; a file may be given again, each line is done once."""
    from stepcare.desk.importing import import_episodes

    import_episodes(options_of(context), file)


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    team: Annotated[str | None, typer.Option(help="Only of this care team.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this owner.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="REF", help="Only of this person.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Closed and voided ones too.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Add the persons' names from the vault.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
) -> None:
    """List episodes."""
    from stepcare.desk.episodes import Listed, list_episodes

    listed = Listed(state=state, team=team, owner=owner, person=patient, closed=closed, names=names, limit=limit)
    list_episodes(options_of(context), listed)


@app.command()
def show(context: typer.Context, episode: Episode) -> None:
    """Show where an episode stands: state, measures, treatments, flags, owed work, open requests."""
    from stepcare.desk.episodes import show_episode

    show_episode(options_of(context), episode)


@app.command()
def do(
    context: typer.Context,
    episode: Episode,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="record, move, plan, start, stop, contact, …")],
    answers: Answers = None,
    json: Answered = None,
    override: Annotated[
        list[str] | None, typer.Option(metavar="RULE=REASON[:TEXT]", help="Pass a soft stop (repeatable).")
    ] = None,
    of: Annotated[str | None, typer.Option(metavar="ID", help="The request or plan it is about.")] = None,
    occurred_at: Happened = None,
    key: Key = None,
    version: Annotated[
        int | None, typer.Option(min=0, help="The episode's version you looked at; a newer one is a conflict.")
    ] = None,
) -> None:
    """Give a command: `episode do e-… move --as ravi transition=step_up`; exit 4 when it is not carried out."""
    from stepcare.desk.doing import Asked, do_command

    asked = Asked(
        episode=episode,
        command=command,
        pairs=tuple(answers or ()),
        json=json,
        overrides=tuple(override or ()),
        of=of,
        occurred_at=occurred_at,
        key=key,
        version=version,
    )
    do_command(options_of(context), asked)


@app.command()
def why(
    context: typer.Context,
    episode: Episode,
    move: Annotated[str | None, typer.Option(metavar="NAME", help="Only this transition (name or number).")] = None,
) -> None:
    """Say what may happen next, and why not the rest: every transition from here, with each rule that closes it."""
    from stepcare.desk.doing import say_why

    say_why(options_of(context), episode, move)


@app.command()
def timeline(
    context: typer.Context,
    episode: Episode,
    by: Annotated[str, typer.Option(metavar="TIME", help="In the order of: recorded, or occurred.")] = "recorded",
) -> None:
    """Tell what happened, with both times: when it occurred and when it was recorded; with what was corrected."""
    from stepcare.desk.asof import show_timeline

    show_timeline(options_of(context), episode, by)


@app.command("as-of")
def as_of(
    context: typer.Context,
    episode: Episode,
    date: Annotated[str, typer.Argument(metavar="DATE", help="A day (its end, here), an instant, or now.")],
    by: Annotated[
        str, typer.Option(metavar="TIME", help="By when things were: recorded, or occurred (as known today).")
    ] = "recorded",
) -> None:
    """Show an episode as it stood: `as-of e-… 2026-03-02`; with `--by occurred` what had occurred, not re-decided."""
    from stepcare.desk.asof import show_as_of

    show_as_of(options_of(context), episode, date, by)


@app.command()
def diff(
    context: typer.Context,
    episode: Episode,
    first: Annotated[str, typer.Argument(metavar="FROM", help="A day, an instant, or now.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="A later one.")],
) -> None:
    """Say what changed between two moments, as each was recorded by then: `diff e-… 2026-03-02 now`."""
    from stepcare.desk.asof import show_between

    show_between(options_of(context), episode, first, last)


@app.command("break-glass")
def break_glass(
    context: typer.Context,
    episode: Episode,
    reason: Annotated[str, typer.Option(help="emergency, cover, patient_request, safeguarding or other.")],
    text: Annotated[str, typer.Option(help="Why, in your own words; sealed under the person's key.")],
    minutes: Annotated[
        int | None, typer.Option(help="For how long, at most what the site allows; else an hour.")
    ] = None,
) -> None:
    """Open an episode of another care team for reading, for a stated time; the privacy officer looks at it later."""
    from stepcare.desk.accesses import open_glass
    from stepcare.glass import Need

    open_glass(options_of(context), episode, Need(reason=reason, text=text, minutes=minutes))
