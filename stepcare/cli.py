"""The command line: `stepcare …`. Data on stdout, the rest on stderr.

Exit codes: 0 done (verified) · 1 internal · 2 usage or input · 3 not found, no log · 4 not carried out: refused by a rule
or permission, or waiting for sign-off · 5 conflict · 6 verification failed, expectation not met, not proved ·
7 unverifiable.

Nothing heavy is imported here: commands load what they need when they run.
"""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from engine.errors import StepcareError
from stepcare.commands import (
    audit,
    channels,
    demo,
    due,
    episode,
    feed,
    install,
    pathway,
    play,
    sealer,
    serve,
    token,
    worker,
)
from stepcare.options import Options, Output, options_of, to_the_front

EPILOG = (
    "Global options may stand anywhere. Settings: STEPCARE_DATABASE, STEPCARE_ACTOR, STEPCARE_ZONE, NO_COLOR; "
    "`stepcare config show` lists them all."
)


class Door(TyperGroup):
    """The outermost group: takes global options from anywhere, and turns errors into exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the global options first, then parse as usual."""
        return super().parse_args(ctx, to_the_front(args))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error is told on stderr, without a traceback unless STEPCARE_DEBUG is set."""
        try:
            return super().invoke(ctx)
        except StepcareError as error:
            _tell(ctx, error)
            raise typer.Exit(error.exit) from None
        except Exception as error:
            if type(error).__module__.startswith("typer") or isinstance(error, BrokenPipeError):
                raise
            if os.environ.get("STEPCARE_DEBUG"):
                raise
            _tell(ctx, error)
            raise typer.Exit(1) from None


def _tell(ctx: Any, error: Exception) -> None:
    from stepcare.problems import tell_problem  # noqa: PLC0415 - only failures pay for loading it

    tell_problem(error, options_of(ctx).output)


app = typer.Typer(
    cls=Door,
    no_args_is_help=True,
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help would load a Markdown reader, a third of a second for every `--help`
    help="Stepped care of mid and upper back pain: episodes decided by rules that explain themselves.",
)
app.command("play")(play.play)
app.command("demo")(demo.demo)
app.command("migrate")(install.migrate)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.add_typer(pathway.app, name="pathway")
app.add_typer(episode.app, name="episode")
app.add_typer(due.app, name="due")
app.add_typer(channels.app, name="channels")
app.add_typer(audit.app, name="audit")
app.add_typer(sealer.app, name="sealer")
app.add_typer(install.config, name="config")
app.add_typer(install.user, name="user")
app.add_typer(token.app, name="token")
app.add_typer(feed.app, name="feed")


@app.callback()
def begin(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="The database's directory (else STEPCARE_DATABASE).")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", metavar="ACTOR", help="Who asks: an id, or id:role for one of several roles.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", help="How data is written.")] = Output.TABLE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and show, keep nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing back.")] = False,
) -> None:
    """Keep the global options for the command."""
    context.obj = Options(data=data, actor=actor, output=output, dry_run=dry_run, yes=yes)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A byte that is no text (in a file's name, say) is shown escaped instead of ending the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="stepcare")
