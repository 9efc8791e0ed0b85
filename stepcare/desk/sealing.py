"""What the sealer's commands do: seal once or for as long as it runs, make and change the key, say how things stand."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from engine.errors import InvalidInput, NotFound, StepcareError
from engine.model import Json
from stepcare.app import wall_clock
from stepcare.desk.opened import settings_of
from stepcare.options import Options
from stepcare.publish.folder import Folder
from stepcare.publish.guard import Guard
from stepcare.publish.keys import (
    access_origin,
    key_of,
    listed,
    make_key,
    retire,
    rotate,
    signers_of,
    tell_keys,
    use_agent,
)
from stepcare.publish.seal import Sealed, Sealer
from stepcare.publish.sealer import Cadence, run
from stepcare.publish.signer import agent_path
from stepcare.publish.witnessed import keeping, witnessing
from stepcare.render import Column, emit_rows, emit_thing, note
from stepcare.settings import Settings
from storage.published import Log, Source

LOGS = {Log.DECISIONS: ("", "signed"), Log.ACCESS: ("access", "signed-access")}


@contextmanager
def sealers_of(settings: Settings) -> Generator[dict[str, Sealer], None, None]:
    """Give a sealer of each of the two logs; raises NotFound where there is no key."""
    own, published = settings.sealer_folder, settings.published_folder
    sources = {log: Source(settings.database, log) for log in LOGS}
    try:
        origin = origin_of(sources[Log.DECISIONS])
        names = {Log.DECISIONS: origin, Log.ACCESS: access_origin(origin)}
        yield {
            log.value: Sealer(
                source=sources[log],
                folder=Folder(published / below),
                guard=Guard(own / signed),
                signers=signers_of(own, names[log]),
                witnessing=witnessing(own, wall_clock),
                keep=keeping(own, wall_clock, published / below),
            )
            for log, (below, signed) in LOGS.items()
        }
    finally:
        for source in sources.values():
            source.close()


def origin_of(source: Source) -> str:
    """Give the origin of a log."""
    with source.moment() as moment:
        return moment.origin


# --- sealing ------------------------------------------------------------------------------------------------------


def seal_on(options: Options, every: float, heartbeat: float) -> None:
    """Seal until SIGTERM or Ctrl-C; what was begun is finished."""
    settings = settings_of(options)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with sealers_of(settings) as sealers:
        note(f"Sealing {settings.database if '://' not in settings.database else 'the database'} into "
             f"{settings.published_folder}.")  # fmt: skip
        run(sealers, Cadence(every=every, heartbeat=heartbeat), monotonic, stop)


def seal_once(options: Options, *, make: bool) -> None:
    """Seal both logs now, and have the witnesses cosign; `make`: make the key where there is none."""
    settings = settings_of(options)
    if make and not (settings.sealer_folder / "key").exists() and not (settings.sealer_folder / "vkey").exists():
        make_key(settings.sealer_folder, _origin(settings), os.urandom)
    with sealers_of(settings) as sealers:
        rows = [_sealed_json(name, sealer.renew()) for name, sealer in sealers.items()]
    columns = [
        Column(key="log", title="LOG"),
        Column(key="size", title="SIZE", right=True),
        Column(key="new", title="NEW", right=True),
        Column(key="signatures", title="SIGNATURES", right=True),
    ]
    emit_rows(options.output, rows, columns, "")


def _sealed_json(name: str, sealed: Sealed) -> dict[str, Json]:
    signatures = len(sealed.note.signatures) if sealed.note else 0
    return {"log": name, "size": sealed.size, "new": sealed.new, "signatures": signatures}


# --- the key ------------------------------------------------------------------------------------------------------


def show_key(options: Options, given: Path | None, comment: str | None) -> None:
    """Make the log's key where there is none (or take a given one, or an agent's), and show the public one."""
    settings = settings_of(options)
    folder, origin = settings.sealer_folder, _origin(settings)
    if given is not None and comment is not None:
        raise InvalidInput("A key comes from a file or from the ssh-agent: give --import or --agent, not both.")
    if given is not None:
        key = make_key(folder, origin, os.urandom, _text_of(given), _signed_size(settings))
    elif comment is not None:
        key = use_agent(folder, origin, agent_path(os.environ), comment, _signed_size(settings))
    elif (folder / "key").exists() or (folder / "vkey").exists():
        key = key_of(folder)
        tell_keys(folder, key, _signed_size(settings))
    else:
        key = make_key(folder, origin, os.urandom, size=_signed_size(settings))
    row: dict[str, Json] = {
        "vkey": str(key),
        "vkey_access": (folder / "vkey-access").read_text(encoding="utf-8").strip(),
        "folder": str(folder),
        "keys": [{"from": int(first), "to": last, "vkey": vkey} for first, last, vkey in listed(folder)],
    }
    emit_thing(options.output, row, lambda: [str(row["vkey"]), str(row["vkey_access"])])


def change_key(options: Options, *, retiring: bool) -> None:
    """Make a new key beside the old one, or end the old one's signing."""
    settings = settings_of(options)
    folder, size = settings.sealer_folder, _signed_size(settings)
    if retiring:
        kept = retire(folder, size)
        if not kept:
            raise NotFound(what="former key", name=str(folder), remedy="`stepcare sealer rotate` makes a new one first")
        row: dict[str, Json] = {"retired": [str(one) for one in kept], "size": size}
        emit_thing(options.output, row, lambda: [f"✓ {one} signs no more: move it to escrow." for one in kept])
        return
    key = rotate(folder, size, os.urandom)
    row = {"vkey": str(key), "from": size}
    emit_thing(
        options.output,
        row,
        lambda: [
            str(key),
            "✓ It signs from the next checkpoint on; the former key signs beside it. Restart a sealer that runs.",
            "Hand the new key to whoever verifies, have the change entered in the log, then: sealer rotate --retire",
        ],
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as a key ({type(error).__name__}).") from None


def _origin(settings: Settings) -> str:
    source = Source(settings.database)
    try:
        return origin_of(source)
    finally:
        source.close()


def _signed_size(settings: Settings) -> int:
    signed = Guard(settings.sealer_folder / "signed").last()
    return signed.size if signed else 0


# --- how things stand ---------------------------------------------------------------------------------------------


def show_status(options: Options) -> None:
    """Say of each log what is committed, signed and published, since when, and how it stands with its witnesses."""
    settings = settings_of(options)
    rows = [_status(settings, log) for log in LOGS]
    columns = [Column(key=key, title=key.upper().replace("_", " ")) for key in rows[0] if key != "origin"]
    emit_rows(options.output, rows, columns, "")


def _status(settings: Settings, log: Log) -> dict[str, Json]:
    below, signed_name = LOGS[log]
    folder, own = Folder(settings.published_folder / below), settings.sealer_folder
    source = Source(settings.database, log)
    try:
        with source.moment() as moment:
            origin, size = moment.origin, moment.size
    finally:
        source.close()
    signed, published = Guard(own / signed_name).last(), folder.checkpoint()
    age = None
    if published is not None:
        age = int(wall_clock().timestamp() - (folder.path / "checkpoint").stat().st_mtime)
    return {
        "log": log.value,
        "origin": origin,
        "committed": size,
        "signed": signed.size if signed else 0,
        "published": published.size if published else 0,
        "age_seconds": age,
        "state": _state(size, published.size if published else 0, _standing(settings, log)),
    }


def _state(size: int, published: int, witnessed: str) -> str:
    if not size and not published:
        return "empty"
    if published > size:
        return "published beyond the database: restore or refill"
    return f"{size - published} not sealed" if published < size else f"sealed, {witnessed}"


def _standing(settings: Settings, log: Log) -> str:
    """Say how the published checkpoint stands with the policy, in a few words."""
    policy, published = settings.sealer_folder / "policy", Folder(settings.published_folder / LOGS[log][0]).checkpoint()
    if published is None or not policy.exists():
        return "no witness asked for"
    from stepcare.witness.policy import Policy  # noqa: PLC0415 - only who has a policy pays for it

    now = int(wall_clock().timestamp())
    try:
        standing = Policy.parse(policy.read_bytes()).standing(published.note, now)
    except StepcareError as error:
        return str(error)
    if standing.since is None:
        return f"not witnessed ({', '.join(standing.missing)} missing)"
    return f"witnessed {max(0, now - standing.since)} s ago" if standing.since else "no witness asked for"
