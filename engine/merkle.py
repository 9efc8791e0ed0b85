"""The tree over the audit log's entries, and the proofs anyone can check with it.

The tree is that of RFC 6962 (leaf 0x00, node 0x01), the proofs are those of RFC 9162. A *leaf* here is always a
leaf's hash of 32 bytes; an *entry* is the bytes it was made from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
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


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash is number `index` of the tree with this size and root; else VerificationFailed."""
    if not 0 <= index < size:
        raise VerificationFailed(f"There is no entry {index} in a log of {size}: ask for the proof again.")
    _require_hashes(leaf, root, *proof)
    found = leaf
    for on_the_left, sibling in _climb(index, size - 1, proof):
        found = node_hash(sibling, found) if on_the_left else node_hash(found, sibling)
    if found != root:
        raise VerificationFailed(f"Entry {index} is not in the log with this root: one of the two was changed.")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the larger tree only adds to the smaller one; else VerificationFailed.

    An empty old tree is refused: everything is consistent with it, so the answer would say nothing.
    """
    if not 0 < old_size <= new_size:
        raise VerificationFailed(f"Sizes {old_size} and {new_size} cannot be compared: use two checkpoints in order.")
    _require_hashes(old_root, new_root, *proof)
    if bool(proof) != (old_size < new_size):
        raise VerificationFailed("The consistency proof has the wrong length: ask for it again.")
    before, after = _roots_from(proof, old_size, new_size, old_root) if proof else (new_root, new_root)
    if before != old_root or after != new_root:
        raise VerificationFailed(
            f"The log of {new_size} is no continuation of the log of {old_size}: it was rewritten."
        )


def _roots_from(proof: Sequence[bytes], old_size: int, new_size: int, old_root: bytes) -> tuple[bytes, bytes]:
    """Compute both roots from a consistency proof."""
    # A full tree is its own first node, so proofs leave it out.
    path = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for on_the_left, sibling in _climb(node, last, path[1:]):
        before = node_hash(sibling, before) if on_the_left else before
        after = node_hash(sibling, after) if on_the_left else node_hash(after, sibling)
    return before, after


def _climb(node: int, last: int, proof: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Go from a node (its place in its row, and the row's last place) to the root, saying where each sibling stands."""
    for sibling in proof:
        if not last:
            raise VerificationFailed("The proof is too long: ask for it again.")
        on_the_left = bool(node & 1) or node == last
        yield on_the_left, sibling
        # The last node of an uneven row has no sibling: it rises until it is somebody's right child.
        while on_the_left and node and not node & 1:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise VerificationFailed("The proof is too short: ask for it again.")


def _require_hashes(*values: bytes) -> None:
    if any(len(value) != HASH for value in values):
        raise VerificationFailed(f"A proof holds hashes of {HASH} bytes only: ask for it again.")
