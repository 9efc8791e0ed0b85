"""A tiny log writer of the tests' own: entries, tiles, checkpoints and proofs, straight from the definitions."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.merkle import Frontier
from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.kept import Kept, Trust
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, Signature, signed_text
from stepcare.verifier.report import Report

ORIGIN = "stepcare.example/log"
NOON = 1_780_000_000  # a witness's time

Entries = list[bytes]


# --- keys -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pen:
    """A private key with the public one that checks it."""

    name: str = ORIGIN
    kind: int = ED25519
    seed: bytes = bytes(31) + b"\x01"
    secret: Ed25519PrivateKey = field(init=False)
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        """Derive the keys from the seed."""
        secret = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "secret", secret)
        object.__setattr__(self, "key", Key.of(self.name, self.kind, secret.public_key().public_bytes_raw()))

    def sign(self, text: str, time: int | None = None) -> Signature:
        """Sign a note's text; a witness says when."""
        stamp = b"" if time is None else time.to_bytes(8)
        data = stamp + self.secret.sign(signed_text(self.kind, text, time))
        return Signature(name=self.name, id=self.key.id, data=data)


PEN = Pen()
OTHER = Pen(seed=bytes(31) + b"\x02")
WITNESSES = tuple(Pen(name=f"witness{n}.example", kind=COSIGNATURE, seed=bytes(31) + bytes([10 + n])) for n in range(3))


# --- entries --------------------------------------------------------------------------------------------------------

HASH = "0" * 64
TEMPLATE: dict[str, Any] = {
    "actor": {"id": "ann", "kind": "user", "role": "coordinator"},
    "c": {"facts": HASH, "reads": HASH, "subject": HASH, "text": HASH},
    "eng": "1",
    "ep": "",
    "epn": 0,
    "id": "",
    "idx": 0,
    "outcome": "accepted",
    "params": HASH,
    "pathway": {"sha256": HASH},
    "pou": "treatment",
    "rule": [["ELIG-01", "HSx", "t", "ok"], ["DUP-01", "SS", "t", "ok"]],
    "state": {"from": "intake", "to": "intake"},
    "trigger": "T1",
    "ts": "2026-05-29T06:30:00.000000Z",
    "type": "episode.record",
    "v": "e785cde2d7e483f9",
    "ver": {"after": 1, "before": 0},
}


def canonical(value: object) -> bytes:
    """Give the canonical bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def entries(
    count: int, *, episodes: int = 7, templates: Sequence[dict[str, Any]] = (TEMPLATE,), **change: dict[str, Any]
) -> Entries:
    """Make so many entries of some episodes, in good chains. `change`: e12={…} sets fields of entry 12."""
    found: Entries = []
    last: dict[str, tuple[int, str]] = {}
    for index in range(count):
        entry = dict(templates[index % len(templates)])
        episode = f"e-{index % episodes:08d}"
        number, previous = last.get(episode, (0, ""))
        entry |= {"idx": index, "id": f"019e726c-e640-7000-8000-{index:012x}", "ep": episode, "epn": number}
        entry.pop("prev", None)
        if previous:
            entry["prev"] = previous
        entry |= change.get(f"e{index}", {})
        data = canonical(entry)
        last[episode] = (number + 1, leaf(data).hex())
        found.append(data)
    return found


@lru_cache
def small(count: int = 600) -> tuple[bytes, ...]:
    """Give the log that most tests look at."""
    return tuple(entries(count))


# --- the tree, by its definition ------------------------------------------------------------------------------------


def tree(leaves: Sequence[bytes]) -> bytes:
    """Give the root, as RFC 6962 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree(leaves[:middle]) + tree(leaves[middle:])).digest()


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Give the inclusion proof, as RFC 6962 defines it."""
    if len(leaves) == 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if index < middle:
        return [*inclusion(index, leaves[:middle]), tree(leaves[middle:])]
    return [*inclusion(index - middle, leaves[middle:]), tree(leaves[:middle])]


# --- publishing -----------------------------------------------------------------------------------------------------


def note(size: int, root: bytes, *pens: Pen, origin: str = ORIGIN, time: int | None = None) -> bytes:
    """Give a signed checkpoint."""
    text = f"{origin}\n{size}\n{b64encode(root).decode()}\n"
    signatures = tuple(pen.sign(text, (time or NOON) if pen.kind == COSIGNATURE else None) for pen in pens or (PEN,))
    return Note(text=text, signatures=signatures).bytes()


def checkpoint(log: Sequence[bytes], *pens: Pen, origin: str = ORIGIN) -> bytes:
    """Give the signed checkpoint of these entries."""
    return note(len(log), tree(list(map(leaf, log))), *pens, origin=origin)


def publish(folder: Path, log: Sequence[bytes], *pens: Pen, older: Iterable[int] = (), origin: str = ORIGIN) -> Path:
    """Write a log as it is published; `older`: sizes at which it was published before."""
    for size in (*older, len(log)):
        _tiles(folder, log[:size])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint").write_bytes(checkpoint(log, *pens, origin=origin))
    return folder


def _tiles(folder: Path, log: Sequence[bytes]) -> None:
    row, level = list(map(leaf, log)), 0
    bundles = [b"".join(len(one).to_bytes(2) + one for one in log[at : at + 256]) for at in range(0, len(log), 256)]
    for number, data in enumerate(bundles):
        _write(folder, f"tile/entries/{place(number)}", min(256, len(log) - 256 * number), data)
    while row:
        tiles = [row[at : at + 256] for at in range(0, len(row), 256)]
        for number, tile in enumerate(tiles):
            _write(folder, f"tile/{level}/{place(number)}", len(tile), b"".join(tile))
        row, level = [tree(tile) for tile in tiles if len(tile) == 256], level + 1


def place(number: int) -> str:
    """Give the path of a tile's number, below a million."""
    return f"{number:03d}" if number < 1000 else f"x{number // 1000:03d}/{number % 1000:03d}"


def _write(folder: Path, path: str, width: int, data: bytes) -> None:
    file = folder / (path if width == 256 else f"{path}.p/{width}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


# --- in a database --------------------------------------------------------------------------------------------------

CREATE = """
CREATE TABLE audit_head (id INTEGER PRIMARY KEY, n, rooted, frontier, origin);
CREATE TABLE audit_entry (idx INTEGER{}, id, ep, epn, leaf, entry);
"""


def written(path: Path, log: Sequence[bytes], *, keyed: bool = False) -> Path:
    """Write a database that has the log's two tables, without the guards of the real one; `keyed`: in its order."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(CREATE.format(" PRIMARY KEY" if keyed else ""))
        for data in log:
            entry = json.loads(data)
            row = (entry["idx"], entry["id"], entry.get("ep"), entry["epn"], leaf(data), data)
            db.execute("INSERT INTO audit_entry VALUES (?, ?, ?, ?, ?, ?)", row)
        tree = Frontier().extend(map(leaf, log))
        db.execute("INSERT INTO audit_head VALUES (1, ?, ?, ?, ?)", (len(log), len(log), tree.to_bytes(), ORIGIN))
        db.commit()
    return path


# --- checking -------------------------------------------------------------------------------------------------------


def checked(path: Path, *, keys: Iterable[Pen] = (PEN,), kept: Iterable[bytes] = (), hashes: bool = False) -> Report:
    """Check a log, with these keys and kept checkpoints."""
    known = tuple(Kept.parse(f"kept{number}", data) for number, data in enumerate(kept))
    return check(path, Asked(trust=Trust(keys=tuple(one.key for one in keys)), kept=known, hashes=hashes))
