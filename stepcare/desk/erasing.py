"""Legal holds, erasing a person, census and retention, as somebody at a terminal asks for them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.text import Text

from engine.access import may_command
from engine.audit import instant
from engine.custody import BASES, erasure_of
from engine.decision import Erased
from engine.errors import InvalidInput, NotFound, near
from engine.model import Command, Json, Kind, Outcome
from engine.service import Answer
from stepcare.answers import answer_json
from stepcare.custody import census as census_now
from stepcare.custody import due_by_retention, finish_erasures, retain
from stepcare.desk.doing import EXITS
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, actor_of, opened, os_user, reader_of
from stepcare.options import Options
from stepcare.registering import known_person
from stepcare.render import Column, emit_rows, emit_thing, note
from stepcare.retaining import only_sealed
from stepcare.settings import Settings
from stepcare.tell import decision_lines
from stepcare.typed import checked
from storage.erasures import affected_by

Row = dict[str, Json]
HOLDS = (
    Column(key="person", title="PERSON", whole=True),
    Column(key="hold", title="HOLD", whole=True),
    Column(key="reason", title="REASON"),
    Column(key="matter", title="MATTER"),
    Column(key="since", title="SINCE"),
)
WILL_GO = {
    "episodes": "episodes emptied in lists (state and number of entries stay)",
    "sealed_entries": "entries whose sealed parts are closed for ever",
    "due_items": "due items removed",
    "timers": "timers removed",
    "messages": "messages emptied, those still queued cancelled",
    "tries": "steps of tries to send a message removed, with their receipts",
    "idempotency_keys": "idempotency keys removed",
    "sealed_reads": "sealed texts in the log of reads, closed for ever",
}


# --- legal hold ---------------------------------------------------------------------------------------------------


def add_hold(options: Options, person: str, reason: str, matter: str) -> None:
    """Put a person on hold."""
    with opened(options) as desk:
        ref = known_person(desk.app, person)
        give(options, desk, Kind.HOLD, {"person": ref, "reason": reason, "matter": matter})


def release_hold(options: Options, person: str, which: str | None) -> None:
    """Release a hold; which one must be said where there are several."""
    with opened(options) as desk:
        if which is None and may_command(actor_of(desk), Kind.RELEASE):
            held = [hold.id for hold in desk.app.store.site().holds if hold.person == person]
            if len(held) != 1:
                raise InvalidInput(
                    f"{person} has {len(held)} holds: say which by --hold; `audit hold list` shows them."
                )
            which = held[0]
        give(options, desk, Kind.RELEASE, {"person": person, "hold": which or ""})


def list_holds(options: Options, person: str | None) -> None:
    """List the holds in force."""
    with opened(options) as desk:
        reader_of(desk, "log")
        found = [hold for hold in desk.app.store.site().holds if person in (None, hold.person)]
        looked(desk, what="read.log", persons=sorted({hold.person for hold in found}), query={"list": "holds"})
        rows: list[Row] = [
            {
                "person": hold.person,
                "hold": hold.id,
                "reason": hold.reason,
                "matter": hold.matter,
                "since": instant(hold.since),
            }
            for hold in found
        ]
        emit_rows(options.output, rows, HOLDS, "No legal hold is in force.")


# --- erasure ------------------------------------------------------------------------------------------------------


def ask(options: Options, person: str | None, basis: str | None) -> None:
    """Show what erasing a person would destroy, then ask for it."""
    if person is None or basis is None:
        raise InvalidInput("Say whom and why: `stepcare audit erase PERSON --basis CODE`.")
    if basis not in BASES:
        raise InvalidInput(f"There is no basis {basis[:40]!r} for an erasure. {near(basis, BASES)}")
    with opened(options) as desk:
        actor = actor_of(desk)
        ref = known_person(desk.app, person)
        if may_command(actor, Kind.ERASE):  # who may not is refused by the door, and shown nothing
            _show_what_goes(desk, ref)
            if not options.dry_run:
                _confirm(options, f"Ask to erase {ref} for ever?")
        give(options, desk, Kind.ERASE, {"person": ref, "basis": basis})


def approve(options: Options, request: str, answer: str) -> None:
    """Answer a request to erase as a second person; a yes erases at once."""
    with opened(options) as desk:
        actor = actor_of(desk)
        asked = next((one for one in desk.app.store.site().requests if one.id == request), None)
        if asked is None or asked.command.kind is not Kind.ERASE:
            raise NotFound(what="request to erase", name=request, remedy="the one who asked was told its id")
        person = str(asked.command.values["person"])
        may = may_command(actor, Kind.SIGN_OFF) and actor.role in asked.roles
        if answer == "yes" and may and erasure_of(desk.app.store.site(), person) is None:
            _show_what_goes(desk, person)
            if not options.dry_run:
                _confirm(options, f"Erase {person} for ever, now?")
        found = given(options, desk, Kind.SIGN_OFF, {"answer": answer}, request)
        erased = any(isinstance(event, Erased) for event in found.decision.events) and not options.dry_run
        lines = list(_finished(desk)) if erased else []
        _show(options, found, lines)


def finish(options: Options) -> None:
    """Go on with every erasure that is not ended; exit 5 where one must wait."""
    with opened(options) as desk:
        lines, waits = [], False
        for person, gone, entry in finish_erasures(desk.app, _via()):
            lines.append(_said(person, entry, gone=gone))
            waits = waits or not gone
        for line in lines or ["Nothing is left to be done."]:
            note(line)
    if waits:
        raise typer.Exit(5)


def _finished(desk: Desk) -> Iterator[str]:
    for person, gone, entry in finish_erasures(desk.app, _via()):
        yield _said(person, entry, gone=gone)


def _said(person: str, entry: int | None, *, gone: bool) -> str:
    if not gone:
        return f"{person}: somebody still reads old pages; run `stepcare audit erase --finish` later."
    where = f", which is entry {entry}" if entry is not None else ""
    return f"{person}: the key is destroyed and the identity forgotten{where}."


def _show_what_goes(desk: Desk, person: str) -> None:
    """Say on stderr what would be destroyed; counted, never shown."""
    looked(desk, what="read.log", persons=[person], query={"list": "what erasing would destroy"})
    note(f"Erasing {person} destroys their data key, name, date of birth and contact points in the vault, and:")
    for name, count in affected_by(desk.app.database, person).items():
        note(f"  {count} {WILL_GO[name]}")


def _confirm(options: Options, question: str) -> None:
    if options.yes or not sys.stdin.isatty():
        return
    note(f"{question} [y/N] ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        note("Nothing was done.")
        raise typer.Exit(0)


# --- census and retention -----------------------------------------------------------------------------------------


def take(options: Options) -> None:
    """Take a census."""
    with opened(options) as desk:
        if options.dry_run:
            note("Dry run: a census was not kept.")
            return
        _show(options, census_now(desk.app, _via()))


def run_retention(options: Options) -> None:
    """Show what is due, and take it away unless this is a dry run."""
    with opened(options) as desk:
        actor = actor_of(desk)
        if not may_command(actor, Kind.RETAIN):  # the door refuses, and nothing is shown
            give(options, desk, Kind.RETAIN, {"runs": []})
            return
        runs, held = only_sealed(desk.app, due_by_retention(desk.app), _published(desk.settings))
        looked(desk, what="read.log", persons=[one for run in runs for one in run.people], query={"list": "retention"})
        for run in runs:
            note(
                f"{run.rule.what}: {run.count} from before {run.before:%Y-%m-%d}, kept {run.rule.days} days: {run.rule.why}"
            )
            for person in run.people:
                note(f"  due: stepcare audit erase {person} --basis no_longer_necessary")
        if held:
            note(
                f"reads: {held} more are due and not sealed yet, so they stay: `stepcare sealer once`, then run it again."
            )
        if options.dry_run:
            note("Dry run: nothing was taken away.")
            return
        _show(options, retain(desk.app, runs, actor, _via()))


def _published(settings: Settings) -> Path | None:
    """Give the folder of the published log, None where nobody says where it is."""
    try:
        return settings.published_folder
    except InvalidInput:
        return None


# --- giving a command ---------------------------------------------------------------------------------------------


def give(options: Options, desk: Desk, kind: Kind, values: Row, of: str | None = None) -> None:
    """Give a command for the site and show its decision."""
    _show(options, given(options, desk, kind, values, of))


def given(options: Options, desk: Desk, kind: Kind, values: Row, of: str | None = None) -> Answer:
    """Give a command for the site, or look at what it would come to."""
    command = Command(id=desk.app.make_id(), kind=kind, actor=actor_of(desk), of=of, values=values, via=_via())
    engine = desk.app.engine
    if options.dry_run:
        note("Dry run: nothing was kept.")
        return engine.preview(checked(command))
    return engine.handle(checked(command))


def _show(options: Options, answer: Answer, more: list[str] | None = None) -> None:
    row = answer_json(answer)
    emit_thing(options.output, row, lambda: _lines(row, answer))
    for line in more or ():
        note(line)
    code = EXITS[answer.decision.outcome]
    if code:
        raise typer.Exit(code)


def _lines(row: Row, answer: Answer) -> Iterator[Text | str]:
    yield from (line for line in decision_lines(row, {}) if isinstance(line, Text | str))
    command = answer.decision.command
    if answer.decision.outcome is Outcome.NEEDS_SIGN_OFF and command.kind is Kind.ERASE:
        yield f"  Another person: stepcare audit erase --approve {command.id} --as …"


def _via() -> str:
    return f"cli:{os_user()}"
