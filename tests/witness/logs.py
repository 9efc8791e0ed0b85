"""A log in memory for tests of witnesses: entries, checkpoints signed by a key, and proofs made the slow, plain way."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, Signature, signed_text
from stepcare.verifier.tree import leaf_hash, root_of

ORIGIN = "clinic.example/log"
NOW = 1_790_000_000  # POSIX seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Somebody who signs."""

    key: Key
    private: Ed25519PrivateKey

    @classmethod
    def of(cls, name: str, kind: int = ED25519, seed: int = 1) -> "Pen":
        """Make one that is always the same for a name and a seed."""
        private = Ed25519PrivateKey.from_private_bytes(leaf_hash(f"{name} {kind} {seed}".encode()))
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(key=Key.of(name, kind, public), private=private)

    def sign(self, text: str, time: int | None = None) -> Signature:
        """Sign a text; a witness says the time with it."""
        made = self.private.sign(signed_text(self.key.kind, text, time))
        stamp = b"" if time is None else time.to_bytes(8)
        return Signature(name=self.key.name, id=self.key.id, data=stamp + made)


def a_witness(name: str, seed: int = 1) -> Pen:
    """Give the pen of a witness."""
    return Pen.of(f"{name}.example/w", COSIGNATURE, seed)


@dataclass(slots=True)
class Ledger:
    """Entries, and what is published of them."""

    pen: Pen = field(default_factory=lambda: Pen.of(ORIGIN))
    leaves: list[bytes] = field(default_factory=list)

    def grow(self, count: int, word: str = "entry") -> "Ledger":
        """Append so many entries."""
        start = len(self.leaves)
        self.leaves += [leaf_hash(f"{word} {start + i}".encode()) for i in range(count)]
        return self

    def forked(self, at: int) -> "Ledger":
        """Give another history that parts from this one at an index."""
        return Ledger(pen=self.pen, leaves=self.leaves[:at]).grow(len(self.leaves) - at, "other")

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """Give the checkpoint at a size; None: now."""
        end = len(self.leaves) if size is None else size
        return Checkpoint(origin=self.pen.key.name, size=end, root=root_of(self.leaves[:end]))

    def note(self, size: int | None = None) -> Note:
        """Give it signed."""
        text = self.checkpoint(size).text()
        return Note(text=text, signatures=(self.pen.sign(text),))

    def prove(self, old: int, new: int) -> list[bytes]:
        """Prove that the log of `new` continues that of `old` (RFC 6962, 2.1.2, as it is written there)."""
        return _subproof(old, self.leaves[:new], whole=True)


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    count = len(leaves)
    if old == count:
        return [] if whole else [root_of(leaves)]
    split = 1 << ((count - 1).bit_length() - 1)
    if old <= split:
        return [*_subproof(old, leaves[:split], whole=whole), root_of(leaves[split:])]
    return [*_subproof(old - split, leaves[split:], whole=False), root_of(leaves[:split])]


def without_signatures(note: Note) -> Note:
    """Give a note that nobody signed."""
    return replace(note, signatures=())
