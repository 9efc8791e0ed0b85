"""Handing a checkpoint to a second custodian: what is kept elsewhere is what a rewritten log is caught by."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from platform import node

from engine.errors import InvalidInput, NotFound, Unavailable, VerificationFailed
from engine.model import Json
from stepcare.app import wall_clock
from stepcare.desk.opened import os_user, settings_of
from stepcare.options import Options, Output
from stepcare.publish.keys import listed
from stepcare.render import emit_text, emit_thing, note
from stepcare.settings import Settings
from stepcare.verifier.note import Key, Note, verified_by
from stepcare.verifier.outcome import NotVerified
from stepcare.witness.handed import Handed, letter, page

NOT_YET = "run `stepcare sealer`, which publishes the log"
PRIVATE = 0o600


def hand_over(options: Options, out: Path | None, mail: str | None, *, printed: bool, access: bool) -> None:
    """Hand over the published checkpoint: as it is, as a letter to `mail`, or as a page to print; into `out` or stdout.

    The database is not opened: a checkpoint can be handed over also when it is what has failed.
    """
    if mail is not None and printed:
        raise InvalidInput("A checkpoint goes by mail or on paper: give --mail or --print, and run it twice for both.")
    settings = settings_of(options)
    handed = handed_of(settings, access=access)
    if mail is not None:
        data = letter(handed, f"{os_user()}@{node() or 'localhost'}", mail)
    elif printed:
        data = page(handed).encode()
    else:
        data = handed.note.bytes()
    if out is not None and options.dry_run:
        note(f"Nothing was written: the checkpoint of {handed.checkpoint.size} entries would be in {out}.")
    elif out is not None:
        _write(out, data)
        row = handed_json(handed, str(out))
        emit_thing(options.output, row, lambda: [f"✓ Checkpoint of {row['size']} entries written to {out}."])
        note("Hand it to somebody outside: on this machine it proves nothing.")
    elif options.output is not Output.TABLE:
        emit_thing(options.output, handed_json(handed, None), list)
    elif mail is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)  # a letter's lines end as RFC 5322 says
        sys.stdout.buffer.flush()
    else:
        emit_text(data.decode())


def handed_of(settings: Settings, *, access: bool) -> Handed:
    """Read what is to be handed over; NotFound where nothing is published, VerificationFailed where it is not the log's."""
    path = settings.published_folder / ("access/checkpoint" if access else "checkpoint")
    try:
        with path.open("rb") as file:
            data, written = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        raise NotFound(what="published checkpoint", name=str(path), remedy=NOT_YET) from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read ({error.strerror}): ask who runs the sealer.") from None
    keys = _keys(settings.sealer_folder, access=access)
    try:
        found = Note.parse(data)
        signers = [one.key for one in verified_by(found, keys)]
        handed = Handed(
            note=found,
            published_at=datetime.fromtimestamp(written, UTC),
            handed_at=wall_clock(),
            key=next((one for one in keys if one in signers), None),
        )
        origin = handed.checkpoint.origin
    except NotVerified as error:
        raise VerificationFailed(f"{path} is not to be handed to anybody: {error}") from None
    if keys and not signers:
        raise VerificationFailed(f"{path} is not signed by a key of {origin}: find out who put it there.")
    return handed


def handed_json(handed: Handed, file: str | None) -> dict[str, Json]:
    """Give it as JSON; `file` None: it went nowhere but here."""
    checkpoint = handed.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "published_at": handed.published_at.isoformat(timespec="seconds"),
        "handed_at": handed.handed_at.isoformat(timespec="seconds"),
        "signatures": [one.name for one in handed.note.signatures],
        "vkey": str(handed.key) if handed.key else None,
        "checkpoint": handed.text,
        "file": file,
    }


def _keys(sealer: Path, *, access: bool) -> list[Key]:
    """Give the log's public keys, the present one first; none where this person may not look into that folder."""
    try:
        present = Key.parse((sealer / ("vkey-access" if access else "vkey")).read_text(encoding="utf-8").strip())
        former = [Key.parse(vkey) for _, _, vkey in listed(sealer)]
    except (OSError, NotVerified, ValueError):
        return []
    # The second log has the same keys under its own name.
    return [present, *(Key.of(present.name, one.kind, one.public) for one in former if one.public != present.public)]


def _write(out: Path, data: bytes) -> None:
    """Write a new file; what is there already may be an older checkpoint, and is never written over."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        raise InvalidInput(f"{out} is there already, and may be an older checkpoint: name another file.") from None
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written ({error.strerror}): name another place.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
