"""`stepcare audit …`: is the log what was written, and would everything be decided so again."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.commands import audit_access, audit_checkpoint, audit_custody, audit_proof, audit_search
from stepcare.options import options_of

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Verify the log, decide it again, look at an entry."
)

app.command("search")(audit_search.search)
app.command("export")(audit_search.export)
app.command("access")(audit_access.access)
app.command("reviews")(audit_access.reviews)
app.command("review")(audit_access.review)
app.command("subject")(audit_access.subject)
app.command("checkpoint")(audit_checkpoint.checkpoint)
app.command("proof")(audit_proof.proof)
app.add_typer(audit_custody.hold, name="hold")
app.command("erase")(audit_custody.erase)
app.command("disclose")(audit_custody.disclose)
app.command("census")(audit_custody.census)
app.command("retain")(audit_custody.retain)
app.command("announce-key")(audit_custody.announce_key)
app.command("rotate-vault-key")(audit_custody.rotate_vault_key)


@app.command()
def verify(
    context: typer.Context,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave sealed parts closed, as somebody without the vault must.")
    ] = False,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A checkpoint kept elsewhere: the log must go on from it; repeatable."),
    ] = None,
    published: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The published log; else the usual one, if it is there.")
    ] = None,
    vkey: Annotated[
        list[str] | None, typer.Option(metavar="FILE|TEXT", help="A key of the log you were given; repeatable.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Which witnesses must have seen what is published.")
    ] = None,
) -> None:
    """Recompute everything from the entries' bytes; exit 0 verified, 3 absent, 6 tampered, 7 unverifiable."""
    from stepcare.desk.verifying import Outside
    from stepcare.desk.verifying import verify as run

    outside = Outside(checkpoints=tuple(checkpoint or ()), published=published, keys=tuple(vkey or ()), policy=policy)
    run(options_of(context), outside, with_keys=not without_keys)


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
    """Show an entry as its decision was seen, recomputed; exit 6 where it differs, 7 where it cannot be recomputed."""
    from stepcare.desk.entries import show as run

    run(options_of(context), entry, last)
