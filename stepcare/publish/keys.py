"""The sealer's own folder: its key, the public keys it hands out, a change of keys, and who signs.

`key` is the log's key; where there is none, `vkey` names one that an ssh-agent holds. `vkey` and `vkey-access` are the
public keys of the two logs (one secret, two names). `vkeys` lists every key the log has had: from which size on it
signs, up to which (`-`: still), and the key. `key.ID.old` is a former key that signs beside the new one, until it is
retired to `key.ID.retired` and from there to escrow.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import Conflict, InvalidInput, NotFound
from stepcare.publish import skey
from stepcare.publish.durable import ensure_folder, sync_folder, write_whole
from stepcare.publish.guard import PRIVATE
from stepcare.publish.signer import AgentSigner, FileSigner, Signer, agent_keys, signer_of
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.note import Key

ACCESS = "/access"
STILL = "-"


def access_origin(origin: str) -> str:
    """Name the second log, that of reads."""
    return f"{origin}{ACCESS}"


def make_key(folder: Path, origin: str, random: Callable[[int], bytes], given: str | None = None, size: int = 0) -> Key:
    """Make the log's key, or take the one `given` as text; Conflict where the folder has one.

    `size` is that of the last signed checkpoint: not 0 where an earlier key was lost.
    """
    private = PrivateKey.make(origin, random) if given is None else PrivateKey.parse(given)
    if private.key.name != origin:
        raise InvalidInput(f"The key given is that of {private.key.name}, this log is {origin}: give its own.")
    ensure_folder(folder, PRIVATE)
    _require_none(folder)
    skey.keep(folder / "key", private)
    tell_keys(folder, private.key, size)
    return private.key


def use_agent(folder: Path, origin: str, path: str, comment: str, size: int = 0) -> Key:
    """Use an ssh-agent's Ed25519 key as the log's: the one with this comment; Conflict where the folder has one."""
    found = agent_keys(path, origin)
    if comment not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NotFound(
            what="Ed25519 key in the ssh-agent", name=comment, remedy=f"add it with ssh-add; there is {there}"
        )
    ensure_folder(folder, PRIVATE)
    _require_none(folder)
    tell_keys(folder, found[comment], size)
    return found[comment]


def key_of(folder: Path) -> Key:
    """Give the log's public key; NotFound where there is none yet."""
    if (folder / "key").exists():
        return skey.read(folder / "key").key
    if not (folder / "vkey").exists():
        raise NotFound(what="log key", name=str(folder / "key"), remedy="run `stepcare sealer key` to make one")
    return Key.parse((folder / "vkey").read_text(encoding="utf-8"))


def signers_of(folder: Path, name: str, environ: Mapping[str, str] | None = None) -> tuple[Signer, ...]:
    """Give who signs the log of this name: the present key first, then former ones that are not retired."""
    former = sorted(folder.glob("key.*.old"))
    return (signer_of(folder, name, environ), *(FileSigner.read(path, name) for path in former))


def is_agents(signer: Signer) -> bool:
    """Say whether an ssh-agent holds the key."""
    return isinstance(signer, AgentSigner)


def rotate(folder: Path, size: int, random: Callable[[int], bytes]) -> Key:
    """Make a new key that signs from the next checkpoint on; the old one signs beside it until it is retired.

    `size` is that of the last signed checkpoint. Killed in between, it is simply run again.
    """
    waiting = folder / "key.next"
    if list(folder.glob("key.*.old")) and not waiting.exists():
        raise Conflict(
            "A former key still signs beside the present one: `stepcare sealer rotate --retire` ends that first."
        )
    old = skey.read(folder / "key")
    if not waiting.exists():
        skey.keep(waiting, PrivateKey.make(old.key.name, random))
    new = skey.read(waiting)
    kept = folder / f"key.{old.key.id.hex()}.old"
    if not kept.exists():
        skey.keep(kept, old)
    waiting.replace(folder / "key")
    sync_folder(folder)
    tell_keys(folder, new.key, size)
    return new.key


def retire(folder: Path, size: int) -> list[Path]:
    """End the signing of former keys at this size; gives the files that now go to escrow."""
    found = []
    for path in sorted(folder.glob("key.*.old")):
        former = skey.read(path).key
        kept = path.with_suffix(".retired")
        lines = [
            f"{first} {size} {vkey}" if vkey == str(former) else f"{first} {last} {vkey}"
            for first, last, vkey in listed(folder)
        ]
        _write_list(folder, lines)
        path.replace(kept)
        sync_folder(folder)
        found.append(kept)
    return found


def listed(folder: Path) -> list[tuple[str, str, str]]:
    """Give what `vkeys` says: (first size, last size or `-`, key)."""
    path = folder / "vkeys"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [(first, last, vkey) for first, last, vkey in (line.split(" ") for line in lines)]


def tell_keys(folder: Path, key: Key, size: int) -> None:
    """Write down the public keys: the two files to hand out, and the list."""
    lines = [f"{first} {last} {vkey}" for first, last, vkey in listed(folder)]
    if not any(line.endswith(f" {key}") for line in lines):
        _write_list(folder, [*lines, f"{size} {STILL} {key}"])
    second = Key.of(access_origin(key.name), key.kind, key.public)
    write_whole(folder / "vkey", f"{key}\n".encode(), 0o644)
    write_whole(folder / "vkey-access", f"{second}\n".encode(), 0o644)


def _write_list(folder: Path, lines: list[str]) -> None:
    write_whole(folder / "vkeys", "".join(f"{line}\n" for line in lines).encode(), 0o644)


def _require_none(folder: Path) -> None:
    for name in ("key", "vkey"):
        if (folder / name).exists():
            raise Conflict(
                f"{folder / name} is there already: `stepcare sealer rotate` makes a new key beside the old."
            )
