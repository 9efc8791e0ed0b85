"""Proof bundles: a folder that proves one entry, or one episode whole, to somebody who has nothing else of ours."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.audit import check_envelope
from engine.census import Census, census_leaf
from engine.errors import Conflict, NotFound, VerificationFailed
from engine.model import Json
from stepcare.publish.folder import Folder, Stated
from stepcare.publish.howto import EPISODE_README, README
from stepcare.publish.prove import inclusion
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import NotVerified
from stepcare.verifier.plain import base64_of
from stepcare.verifier.proof import Proof, check
from stepcare.verifier.tiles import TILE
from stepcare.verifier.tree import leaf_hash, root_of, verify_inclusion

Files = dict[str, bytes]
End = tuple[str, int, str]
"""An episode's end: the episode, the number of its last entry, that entry's leaf hash in hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What goes into every bundle: the published log, its keys as far as they are known here, the witness policy.

    `keys` empty: the receiver must have the key from elsewhere. `policy` None: no witness is asked for.
    """

    folder: Folder
    stated: Stated
    keys: tuple[Key, ...] = ()
    policy: bytes | None = None


def given(folder: Folder, keys: tuple[Key, ...], policy: bytes | None) -> Given:
    """Read the published checkpoint; NotFound before the first."""
    stated = folder.checkpoint()
    if stated is None:
        raise NotFound(what="published log", name=str(folder.path), remedy="run `stepcare sealer`, which publishes it")
    return Given(folder=folder, stated=stated, keys=keys, policy=policy)


def entry_bundle(log: Given, index: int, pathway: bytes | None) -> Files:
    """Give the files that prove entry `index`; NotFound where it is not sealed yet, VerificationFailed where none is true.

    `pathway` is the version the entry was decided on, None where it was decided on none.
    """
    stated = log.stated
    if not 0 <= index < stated.size:
        raise NotFound(
            what="sealed entry",
            name=str(index),
            remedy=f"{stated.size} are sealed; a new entry is sealed within seconds while `stepcare sealer` runs, or now "
            "by `stepcare sealer once`",
        )
    try:
        hashes = inclusion(log.folder.tile, index, stated.size)
        entry = log.folder.bundle(index // TILE, min(TILE, stated.size - index // TILE * TILE))[index % TILE]
    except FileNotFoundError as error:
        raise NotFound(
            what="published tile", name=str(error.filename), remedy="`stepcare sealer` makes it anew"
        ) from None
    proof = Proof(index=index, hashes=tuple(hashes), checkpoint=stated.note.bytes())
    _require_true(log, proof, entry)
    files = {"entry.json": entry, "proof": proof.bytes(), "checkpoint": stated.note.bytes()}
    if log.keys:
        files["vkey"] = "".join(f"{key}\n" for key in log.keys).encode()
    if log.policy is not None:
        files["policy"] = log.policy
    if pathway is not None:
        files["pathway.json"] = pathway
    path = "\n".join(f"    {number + 1}. {base64_of(one)}" for number, one in enumerate(hashes)) or "    (none)"
    values = {"origin": stated.checkpoint.origin, "index": index, "size": stated.size, "path": path}
    files["README.txt"] = README.format(
        leaf=leaf_hash(entry).hex(), root=stated.checkpoint.root.hex(), **values
    ).encode()
    return files


def _require_true(log: Given, proof: Proof, entry: bytes) -> None:
    """Check a proof before it is handed out."""
    checkpoint = log.stated.checkpoint
    try:
        if log.keys:
            check(proof, entry, log.keys)
        verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root)
    except NotVerified as error:
        raise VerificationFailed(f"The published log does not prove entry {proof.index}: {error}") from None


# --- an episode whole ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A census that is sealed: its entry's index, and the end of every episode at the size it speaks of."""

    index: int
    census: Census
    ends: Sequence[End]


def episode_bundle(log: Given, episode: str, bundles: dict[int, Files], counted: Counted | None) -> Files:
    """Give the files that prove one episode's entries are all there; `bundles` are those of its sealed entries.

    `counted` is the last sealed census, None where there is none yet: then the end stays open.
    """
    files = {f"{index}/{name}": data for index, one in bundles.items() for name, data in one.items()}
    chain = _chain(episode, [one["entry.json"] for one in bundles.values()])
    row: dict[str, Json] = {
        "origin": log.stated.checkpoint.origin,
        "size": log.stated.size,
        "episode": episode,
        "entries": list[Json](chain),
        "census": None,
    }
    if counted is not None:
        row["census"] = _closed(episode, counted)
        files |= {f"census/{name}": data for name, data in entry_bundle(log, counted.index, None).items()}
    files["episode.json"] = json.dumps(row, indent=2).encode() + b"\n"
    files["README.txt"] = EPISODE_README.format(
        episode=episode, count=len(chain), origin=log.stated.checkpoint.origin, size=log.stated.size
    ).encode()
    return files


def _chain(episode: str, entries: Sequence[bytes]) -> list[dict[str, Json]]:
    """Follow the episode's chain from its first entry; VerificationFailed where it has a hole."""
    found: list[dict[str, Json]] = []
    previous: str | None = None
    for number, data in enumerate(entries):
        entry, leaf = check_envelope(data), leaf_hash(data).hex()
        if (entry.episode, entry.episode_index, entry.previous) != (episode, number, previous):
            raise VerificationFailed(
                f"Entry {entry.index} is not number {number} of episode {episode}: verify the log."
            )
        found.append({"index": entry.index, "number": number, "leaf": leaf, "previous": previous})
        previous = leaf
    return found


def _closed(episode: str, counted: Counted) -> dict[str, Json] | None:
    """Give the episode's place in the census with the proof of it; None where it began later."""
    names = [name for name, _, _ in counted.ends]
    leaves = [census_leaf(*end) for end in counted.ends]
    if episode not in names:
        return None
    place = names.index(episode)
    proof = proof_over(leaves, place)
    try:
        verify_inclusion(place, len(leaves), leaves[place], proof, bytes.fromhex(counted.census.root))
    except NotVerified as error:
        raise VerificationFailed(f"The census in entry {counted.index} does not come out: {error}") from None
    _, number, leaf = counted.ends[place]
    return {
        "entry": counted.index,
        "size": counted.census.size,
        "count": counted.census.count,
        "root": counted.census.root,
        "place": place,
        "last_number": number,
        "last_leaf": leaf,
        "proof": [one.hex() for one in proof],
    }


def proof_over(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Give the inclusion proof in the tree over these leaf hashes."""
    path, row = [], list(leaves)
    first, end = 0, len(row)
    while end - first > 1:
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        in_front = index < middle
        path.append(root_of(row[middle:end] if in_front else row[first:middle]))
        first, end = (first, middle) if in_front else (middle, end)
    return path[::-1]


def write_bundle(out: Path, files: Files) -> None:
    """Write a bundle into a new folder; Conflict where there is one of that name."""
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        raise Conflict(f"{out} is there already: name a new folder with --out.") from None
    for name, data in files.items():
        path = out / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
