"""`stepcare audit hold|erase|disclose|census|retain|…`: what is kept, for how long, and who may end it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of

hold = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Legal holds: while one lasts nobody is erased.")

Person = Annotated[str, typer.Argument(metavar="PERSON", help="The person's reference, p-…")]


class Answer(StrEnum):
    """What the second person says."""

    YES = "yes"
    NO = "no"


class Section(StrEnum):
    """A sealed part of an entry."""

    FACTS = "facts"
    TEXT = "text"
    READS = "reads"
    SUBJECT = "subject"


@hold.command("add")
def hold_add(
    context: typer.Context,
    person: Person,
    reason: Annotated[str, typer.Option(help="litigation, complaint, investigation, law or audit.")],
    matter: Annotated[str, typer.Option(help="A code for the matter, such as a file number; no sentence, no name.")],
) -> None:
    """Put a person on legal hold (privacy officer)."""
    from stepcare.desk.erasing import add_hold

    add_hold(options_of(context), person, reason, matter)


@hold.command("release")
def hold_release(
    context: typer.Context,
    person: Person,
    which: Annotated[str | None, typer.Option("--hold", help="Which, where there are several.")] = None,
) -> None:
    """Release a legal hold (privacy officer)."""
    from stepcare.desk.erasing import release_hold

    release_hold(options_of(context), person, which)


@hold.command("list")
def hold_list(context: typer.Context, person: Annotated[str | None, typer.Argument(metavar="[PERSON]")] = None) -> None:
    """List the legal holds in force."""
    from stepcare.desk.erasing import list_holds

    list_holds(options_of(context), person)


def erase(
    context: typer.Context,
    person: Annotated[str | None, typer.Argument(metavar="[PERSON]", help="Ask to erase this person.")] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            help="no_longer_necessary, consent_withdrawn, objection, unlawful or legal_obligation (GDPR, Article 17)."
        ),
    ] = None,
    approve: Annotated[
        str | None, typer.Option(metavar="REQUEST", help="Answer a request, as a second person.")
    ] = None,
    answer: Annotated[Answer, typer.Option(help="With --approve.")] = Answer.YES,
    finish: Annotated[bool, typer.Option("--finish", help="Go on with what a crash left undone.")] = False,
) -> None:
    """Erase a person: one asks, another approves, then their key is destroyed. It cannot be undone."""
    from stepcare.desk import erasing

    options = options_of(context)
    if finish:
        erasing.finish(options)
    elif approve is not None:
        erasing.approve(options, approve, answer.value)
    else:
        erasing.ask(options, person, basis)


def disclose(
    context: typer.Context,
    entry: Annotated[int | None, typer.Argument(metavar="[ENTRY]", min=0, help="The entry's number.")] = None,
    section: Annotated[Section, typer.Option(help="Which sealed part.")] = Section.FACTS,
    to: Annotated[Path | None, typer.Option(help="Write it to this file; none: to stdout.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Check a disclosure somebody gave you; exit 6 if it fails.")
    ] = None,
) -> None:
    """Show one sealed section of an entry so that others can check it; the other sections stay closed."""
    from stepcare.desk import disclosing

    if check is not None:
        disclosing.check_file(options_of(context), check)
    else:
        disclosing.disclose(options_of(context), entry, section.value, to)


def census(context: typer.Context) -> None:
    """Take a census: every episode's last entry under one root, kept as an entry (a worker does so daily)."""
    from stepcare.desk.erasing import take

    take(options_of(context))


def retain(context: typer.Context) -> None:
    """Take away what has been kept long enough, with an entry that counts it; --dry-run only shows it."""
    from stepcare.desk.erasing import run_retention

    run_retention(options_of(context))


def announce_key(
    context: typer.Context,
    vkey: Annotated[str | None, typer.Argument(metavar="[VKEY]", help="The new verifier key, NAME+ID+KEY.")] = None,
    size: Annotated[int, typer.Option(min=0, help="The size of the log from which it signs.")] = 0,
    approve: Annotated[
        str | None, typer.Option(metavar="REQUEST", help="Answer a request, as a second person.")
    ] = None,
    answer: Annotated[Answer, typer.Option(help="With --approve.")] = Answer.YES,
) -> None:
    """Announce a key of the log by an entry (administrator, approved by a lead or the privacy officer)."""
    from stepcare.desk import keys

    if approve is not None:
        keys.approve_key(options_of(context), approve, answer.value)
    else:
        keys.announce(options_of(context), vkey, size)


def rotate_vault_key(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option(help="Write the new key here; none: in the place of the old one, vault.key.")
    ] = None,
) -> None:
    """Wrap every data key anew under a fresh key-encryption key, with an entry (administrator)."""
    from stepcare.desk.keys import rotate

    rotate(options_of(context), to)
