"""Proofs made from tiles alone: that an entry is in a log of some size, that a larger log only adds to a smaller one."""

from collections.abc import Callable
from functools import cache

from engine.errors import InvalidInput
from stepcare.verifier.tiles import TILE
from stepcare.verifier.tree import EMPTY, HASH, node_hash, root_of

HEIGHT = 8  # levels of the tree in one tile

ReadTile = Callable[[int, int, int], bytes]
"""Gives the bytes of the tile at (level, index) in the given width, 1 to 256 hashes."""


def inclusion(read_tile: ReadTile, index: int, size: int) -> list[bytes]:
    """Give the proof that leaf `index` is in the log of this size, the leaf's sibling first."""
    if not 0 <= index < size:
        raise InvalidInput(f"There is no entry {index} in a log of {size}: ask for a smaller one, or seal first.")
    tree, path = Tree(read_tile, size), []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(tree.root(middle, end))
            end = middle
        else:
            path.append(tree.root(first, middle))
            first = middle
    return path[::-1]


def consistency(read_tile: ReadTile, old: int, new: int) -> list[bytes]:
    """Give the proof that the log of size `new` begins with the log of size `old`; both the same: no hashes."""
    if not 0 < old <= new:
        raise InvalidInput(f"Sizes {old} and {new} cannot be compared: give an earlier size above 0, and a later one.")
    tree, path = Tree(read_tile, new), []
    first, end, whole = 0, new, True
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            path.append(tree.root(middle, end))
            end = middle
        else:
            path.append(tree.root(first, middle))
            first, whole = middle, False
    if not whole:  # the verifier knows the old root; of a part of it only the proof can tell
        path.append(tree.root(first, end))
    return path[::-1]


class Tree:
    """The tree of a log of one size, read from its tiles; each tile is read once."""

    def __init__(self, read_tile: ReadTile, size: int) -> None:
        """Read tiles with `read_tile`."""
        self._size = size
        self._tile = cache(lambda level, index: read_tile(level, index, self._width(level, index)))

    def root(self, first: int, end: int) -> bytes:
        """Give the root over the leaves from `first` up to, not including, `end`; `first` begins a subtree."""
        if first == end:
            return EMPTY
        count = end - first
        if count & (count - 1) == 0:
            return self._node(count.bit_length() - 1, first // count)
        middle = first + _split(count)
        return node_hash(self.root(first, middle), self.root(middle, end))

    def _node(self, height: int, index: int) -> bytes:
        """Give the root of the full subtree `index` of 2**height leaves: a fold of hashes in one tile."""
        level, rest = divmod(height, HEIGHT)
        begins = index << rest
        tile, at = divmod(begins, TILE)
        hashes = self._tile(level, tile)
        return root_of(hashes[HASH * i : HASH * (i + 1)] for i in range(at, at + (1 << rest)))

    def _width(self, level: int, index: int) -> int:
        return min(TILE, (self._size >> (HEIGHT * level)) - index * TILE)


def _split(count: int) -> int:
    """Give how many leaves stand on the left: the largest power of two below the count."""
    return 1 << (count - 1).bit_length() - 1
