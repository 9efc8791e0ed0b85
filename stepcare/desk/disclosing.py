"""Showing one sealed section of an entry so that somebody else can check it."""

import os
from pathlib import Path

import typer

from engine.errors import Conflict, InvalidInput, NotFound
from stepcare.desk.looking import looked, seen_by
from stepcare.desk.opened import opened, reader_of
from stepcare.disclosure import UNCHECKED, NotShown, check, disclosure, read
from stepcare.options import Options, Output
from stepcare.render import emit_text, emit_thing, json_text, note
from storage.ledger import commitments_in
from storage.seal import Place, open_salted
from storage.sight import team_of

MOST = 2**25


def disclose(options: Options, index: int | None, section: str, to: Path | None) -> None:
    """Open one section and hand it over with its salt; the disclosure is noted in the log of reads."""
    if index is None:
        raise InvalidInput("Say which entry: `stepcare audit disclose ENTRY --section facts`.")
    _require_json(options)
    with opened(options) as desk:
        if reader_of(desk, "log") is None:
            raise InvalidInput("Say who discloses: --as ACTOR, or STEPCARE_ACTOR.")
        database = desk.app.database
        stored = next(desk.app.store.entries(index, index + 1), None)
        if stored is None or stored.blob is None or stored.person_ref is None:
            raise NotFound(what="sealed entry", name=str(index), remedy="`stepcare audit show` lists the entries")
        if stored.ep is not None:
            seen_by(desk, stored.ep, team_of(database, stored.ep))
        key = database.vault.key(stored.person_ref)
        place = Place(origin=database.origin, entry=stored.id)
        salted = open_salted(stored.blob, commitments_in(stored.entry), key, place)
        looked(
            desk,
            what="log.disclose",
            persons=[stored.person_ref],
            episodes=[stored.ep] if stored.ep else [],
            query={"entry": index, "section": section},
        )
        text = json_text(disclosure(stored.entry, index, database.origin, section, salted[section]))
    if to is None:
        emit_text(text)
        return
    _write(text, to)
    note(f"Section {section} of entry {index} is in {to}; check it with `stepcare audit disclose --check {to}`.")


def _require_json(options: Options) -> None:
    """Refuse to show a disclosure as anything but JSON: another form would not be what the entry commits to."""
    if options.output in (Output.CSV, Output.NDJSON):
        raise InvalidInput(
            f"A disclosure is one JSON document, so that it can be checked: leave --output {options.output} away."
        )


def _write(text: str, to: Path) -> None:
    try:
        with os.fdopen(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        raise Conflict(f"{to} is there already and is not written over: name a file that is not there yet.") from None
    except OSError as error:
        raise InvalidInput(f"{to} cannot be written ({error.strerror}): name another file.") from None


def check_file(options: Options, file: Path) -> None:
    """Check a disclosure; exit 6 where the entry does not commit to it."""
    try:
        data = read(file.read_bytes()[:MOST])
        check(data)
    except OSError as error:
        raise NotFound(what="file", name=str(file), remedy=f"it cannot be read ({error.strerror})") from None
    except NotShown as error:
        note(f"Not shown: {error}")
        raise typer.Exit(6) from None
    found = {"entry": data["index"], "section": data["section"], "leaf": data["leaf"], "value": data["value"]}
    emit_thing(options.output, found, lambda: [f"✓ Entry {data['index']} commits to this section."])
    note(UNCHECKED)
