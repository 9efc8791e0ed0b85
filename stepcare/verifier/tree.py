"""The tree over the log's entries, and the proofs anyone can check with it.

The tree is that of RFC 6962 (leaf 0x00, node 0x01), the proofs are those of RFC 9162. A *leaf* here is always a
leaf's hash of 32 bytes; an *entry* is the bytes it was made from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from stepcare.verifier.outcome import Tampered

HASH = 32
EMPTY = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry's bytes as a leaf."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return _sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root over these leaf hashes; that of none is the hash of nothing."""
    row = list(leaves)
    if not row:
        return EMPTY
    while len(row) > 1:
        # The last node of an uneven row has no sibling: it rises as it is.
        alone = row[-1:] if len(row) & 1 else []
        row = [_sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        row += alone
    return row[0]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash is number `index` of the tree with this size and root; else Tampered."""
    if not 0 <= index < size:
        raise Tampered(f"There is no entry {index} in a log of {size}: ask for the proof again.")
    _require_hashes(leaf, root, *proof)
    found = leaf
    for on_the_left, sibling in _climb(index, size - 1, proof):
        found = node_hash(sibling, found) if on_the_left else node_hash(found, sibling)
    if found != root:
        raise Tampered(f"Entry {index} is not in the log with this root: one of the two was changed.")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the larger tree only adds to the smaller one; else Tampered.

    An empty old tree is refused: everything is consistent with it, so the answer would say nothing.
    """
    if not 0 < old_size <= new_size:
        raise Tampered(f"Sizes {old_size} and {new_size} cannot be compared: use two checkpoints in order.")
    _require_hashes(old_root, new_root, *proof)
    if bool(proof) != (old_size < new_size):
        raise Tampered("The consistency proof has the wrong length: ask for it again.")
    before, after = _roots_from(proof, old_size, new_size, old_root) if proof else (new_root, new_root)
    if before != old_root or after != new_root:
        raise Tampered(f"The log of {new_size} is no continuation of the log of {old_size}: it was rewritten.")


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
            raise Tampered("The proof is too long: ask for it again.")
        on_the_left = bool(node & 1) or node == last
        yield on_the_left, sibling
        # The last node of an uneven row has no sibling: it rises until it is somebody's right child.
        while on_the_left and node and not node & 1:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise Tampered("The proof is too short: ask for it again.")


def _require_hashes(*values: bytes) -> None:
    if any(len(value) != HASH for value in values):
        raise Tampered(f"A proof holds hashes of {HASH} bytes only: ask for it again.")
