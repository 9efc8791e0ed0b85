"""Proofs that stand for themselves (C2SP tlog-proof): this entry is in the log that this checkpoint speaks of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import ED25519, Key, Note, verified_by
from stepcare.verifier.outcome import Tampered, Unverifiable
from stepcare.verifier.plain import base64_of, from_base64, from_number
from stepcare.verifier.tree import HASH, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
LONGEST = 63

_Raw = bytes  # `bytes` is a method below


class Quorum(Protocol):
    """What decides whether enough witnesses signed a note; `at`: POSIX seconds by which they must have, None: any."""

    def satisfied(self, note: Note, at: int | None = None) -> bool:
        """Say whether enough of them did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Entry `index` with the hashes from its sibling up to the root's child, and the signed checkpoint, as it came.

    `extra`: bytes of anybody's, which prove nothing; None: none.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    @classmethod
    def parse(cls, data: _Raw) -> Self:
        """Read a proof; Tampered when these bytes are none, Unverifiable when it is of a version not known here."""
        head, gap, checkpoint = data.partition(b"\n\n")
        try:
            lines = head.decode().split("\n")
        except UnicodeDecodeError:
            lines = []
        if lines and lines[0] != HEADER and lines[0].startswith("c2sp.org/tlog-proof@"):
            raise Unverifiable("The proof is of a version that is not known here: use a newer verifier.")
        if not gap or not checkpoint or lines[:1] != [HEADER]:
            raise Tampered("This is no proof: a header, an index, hashes, an empty line and a checkpoint are due.")
        extra = _extra(lines.pop(1)) if len(lines) > 1 and lines[1].startswith("extra ") else None
        index = from_number(lines[1][len("index ") :]) if len(lines) > 1 and lines[1].startswith("index ") else None
        hashes = [from_base64(line) for line in lines[2:]]
        if index is None or len(hashes) > LONGEST:
            raise Tampered("This is no proof: its index or the number of its hashes cannot be right.")
        return cls(index=index, hashes=tuple(map(_hash, hashes)), checkpoint=checkpoint, extra=extra)

    def bytes(self) -> _Raw:
        """Write the proof."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64_of(self.extra)}")
        lines += [f"index {self.index}", *map(base64_of, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


def _extra(line: str) -> bytes:
    data = from_base64(line.removeprefix("extra "))
    if data is None:
        raise Tampered("This is no proof: its extra line is no base64.")
    return data


def _hash(data: bytes | None) -> bytes:
    if data is None or len(data) != HASH:
        raise Tampered(f"This is no proof: a line of it is no hash of {HASH} bytes.")
    return data


def check(proof: Proof, entry: bytes, keys: Iterable[Key], policy: Quorum | None = None) -> Checkpoint:
    """Check that the entry is in the log of the proof's checkpoint, and that a log's key of these signed that.

    Gives the checkpoint. Unverifiable when none of the keys signed it, or too few witnesses did; else Tampered.
    `policy` None: witnesses are not asked for.
    """
    note = Note.parse(proof.checkpoint)
    checkpoint = Checkpoint.parse(note.text)
    signed = verified_by(note, keys)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root)
    if not any(one.key.kind == ED25519 and one.key.name == checkpoint.origin for one in signed):
        raise Unverifiable(f"None of the keys given is the log's that signed this checkpoint of {checkpoint.origin}.")
    if policy is not None and not policy.satisfied(note):
        raise Unverifiable("Too few of the policy's witnesses signed this checkpoint: get one that they did sign.")
    return checkpoint
