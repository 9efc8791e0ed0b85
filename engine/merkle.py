"""The tree over the audit log's entries, as it grows; `stepcare/verifier/tree.py` checks it and its proofs.

The tree is that of RFC 6962 (leaf 0x00, node 0x01). A *leaf* here is always a leaf's hash of 32 bytes; an *entry* is
the bytes it was made from.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from engine.errors import VerificationFailed

HASH = 32


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry's bytes as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What is needed to go on with a tree of `size` leaves: the roots of its full subtrees, largest first."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Self:
        """Read the nodes of a tree of this size; VerificationFailed when their number cannot be right."""
        if size < 0 or len(data) != HASH * size.bit_count():
            raise VerificationFailed(
                f"A frontier of {len(data)} bytes does not belong to a log of {size} entries: "
                "run `stepcare audit verify`, which builds it anew from the entries."
            )
        return cls(size=size, nodes=tuple(data[i : i + HASH] for i in range(0, len(data), HASH)))

    def to_bytes(self) -> bytes:
        """Write the nodes; the size is kept beside them."""
        return b"".join(self.nodes)

    def append(self, leaf: bytes) -> "Frontier":
        """Give the frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Give the frontier after these leaf hashes, in this order."""
        size, nodes = self.size, list(self.nodes)
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = node_hash(nodes.pop(), node)
                full >>= 1
            nodes.append(node)
            size += 1
        return Frontier(size=size, nodes=tuple(nodes))

    def root(self) -> bytes:
        """Give the root; that of no entries is the hash of nothing."""
        if not self.nodes:
            return hashlib.sha256(b"").digest()
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root over these leaf hashes."""
    return Frontier().extend(leaves).root()
