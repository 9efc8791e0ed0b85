from collections.abc import Sequence
from hashlib import sha256

import pytest

from engine.errors import VerificationFailed
from engine.merkle import Frontier, leaf_hash, node_hash, root_of

SIZES = 40


def leaves(size: int) -> list[bytes]:
    """Make the leaf hashes of a small log."""
    return [leaf_hash(f"entry {number}".encode()) for number in range(size)]


# --- the definitions of RFC 9162, written as they stand there: the oracle --------------------------------------------


def split(size: int) -> int:
    """Give the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def tree(of: Sequence[bytes]) -> bytes:
    """Give the root by the recursive definition."""
    if not of:
        return sha256(b"").digest()
    if len(of) == 1:
        return of[0]
    middle = split(len(of))
    return node_hash(tree(of[:middle]), tree(of[middle:]))


# --- roots --------------------------------------------------------------------------------------------------------


def test_leaves_and_nodes_cannot_be_confused() -> None:
    """RFC 6962: a leaf begins with 0x00, a node with 0x01, so that no entry passes for two hashes."""
    assert leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()


def test_the_root_grown_entry_by_entry_is_the_root_of_all() -> None:
    """At every size the frontier gives what the definition gives, also after being written down and read back."""
    frontier = Frontier()
    assert frontier.root() == tree([])

    for size, leaf in enumerate(leaves(SIZES), start=1):
        frontier = Frontier.from_bytes(size, frontier.append(leaf).to_bytes())

        assert frontier.size == size
        assert frontier.root() == tree(leaves(size)) == root_of(leaves(size))


def test_a_group_of_entries_equals_one_by_one() -> None:
    """Several decisions in one commit move the frontier as if each had its own."""
    start = Frontier().extend(leaves(5))

    assert start.extend(leaves(9)) == Frontier().extend([*leaves(5), *leaves(9)])
    assert start.extend(()) == start


@pytest.mark.parametrize(("size", "length"), [(3, 32), (4, 64), (0, 32), (1, 31), (-1, 0)])
def test_a_frontier_of_the_wrong_size_is_refused(size: int, length: int) -> None:
    """A log of so many entries has one node for every bit set in that number, no more and no less."""
    with pytest.raises(VerificationFailed, match="audit verify"):
        Frontier.from_bytes(size, bytes(length))
