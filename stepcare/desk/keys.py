"""The keys of log and vault: announcing a new one of the log, and wrapping the vault's data keys anew."""

import os
from pathlib import Path

from engine.access import why_not
from engine.errors import InvalidInput, NotFound, Refused, Unverifiable
from engine.model import Kind
from stepcare.desk.erasing import give
from stepcare.desk.opened import actor_of, opened, settings_of
from stepcare.options import Options
from stepcare.render import note
from storage.database import Database, backend_of
from storage.seal import KEY
from storage.vault_key import LocalKey, key_from_environment, key_from_file, write_secret

NEXT = ".next"  # the new key, until the vault is under it


def announce(options: Options, vkey: str | None, size: int) -> None:
    """Ask to announce a key of the log."""
    if vkey is None:
        raise InvalidInput("Give the verifier key, NAME+ID+KEY, as the sealer prints it.")
    with opened(options) as desk:
        give(options, desk, Kind.LOG_KEY, {"vkey": vkey, "size": size})


def approve_key(options: Options, request: str, answer: str) -> None:
    """Answer a request to announce a key, as a second person."""
    with opened(options) as desk:
        asked = next((one for one in desk.app.store.site().requests if one.id == request), None)
        if asked is None or asked.command.kind is not Kind.LOG_KEY:
            raise NotFound(what="request to announce a key", name=request, remedy="the one who asked was told its id")
        give(options, desk, Kind.SIGN_OFF, {"answer": answer}, request)


def rotate(options: Options, to: Path | None) -> None:
    """Put the vault under a fresh key-encryption key. What a crash left half done is finished, never repeated."""
    settings = settings_of(options)
    backend = backend_of(settings.database, settings.vault_directory)
    if to is None and key_from_environment(os.environ, os.urandom) is not None:
        raise InvalidInput(
            "The key comes from STEPCARE_VAULT_KEY: say by --to FILE where the new one shall be written."
        )
    place = to or backend.key
    waiting = place.with_name(place.name + NEXT)
    if waiting.exists() and _opens(settings.database, settings.vault_directory, waiting):
        waiting.replace(place)  # the vault was under it already when we died
        note(f"The rotation that was under way is finished: the key is in {place}.")
        return
    with opened(options) as desk:
        actor = actor_of(desk)
        why = why_not(actor, Kind.VAULT_KEY, None)
        if why:
            raise Refused(why)
        if options.dry_run:
            note(f"Dry run: every data key would be wrapped anew, under a new key in {place}.")
            return
        secret = os.urandom(KEY)
        write_secret(waiting, secret)
        # The vault's commit is the moment: before it the old key opens it, afterwards the new one, which is on disk.
        keys = desk.app.vault.rewrap(LocalKey(secret, os.urandom))
        waiting.replace(place)
        note(
            f"{keys} data keys are wrapped anew under the key in {place}: keep a copy apart, and start every process again."
        )
        give(options, desk, Kind.VAULT_KEY, {"keys": keys})


def _opens(where: str | Path, vault: Path | None, key: Path) -> bool:
    try:
        Database.open(where, random=os.urandom, key=key_from_file(key, os.urandom, create=False), vault=vault).close()
    except Unverifiable:
        return False
    return True
