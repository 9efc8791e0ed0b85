"""The tree as it grows tile by tile, lowest level first: what each tile must hold, and the root at any size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stepcare.verifier.tiles import TILE
from stepcare.verifier.tree import EMPTY, root_of

Tile = tuple[int, int, list[bytes]]
"""Level, number within the level, and the hashes."""


@dataclass(slots=True)
class Tower:
    """Of each level the hashes of its last tile, as long as that is not full, and how many full ones lie before it."""

    size: int = 0
    rows: list[list[bytes]] = field(default_factory=lambda: [[]])
    full: list[int] = field(default_factory=lambda: [0])

    def add(self, leaves: Sequence[bytes]) -> Iterator[Tile]:
        """Add leaf hashes, at most up to the end of the last tile; gives each tile that is full with them."""
        self.size += len(leaves)
        self.rows[0] += leaves
        level = 0
        while len(self.rows[level]) == TILE:
            tile = self.rows[level]
            yield level, self.full[level], tile
            self.full[level] += 1
            self.rows[level] = []
            level += 1
            if level == len(self.rows):
                self.rows.append([])
                self.full.append(0)
            self.rows[level].append(root_of(tile))

    def rest(self) -> Iterator[Tile]:
        """Give the tiles that are not full."""
        for level, row in enumerate(self.rows):
            if row:
                yield level, self.full[level], row

    def root(self, leaves: Sequence[bytes] = ()) -> bytes:
        """Give the root as it is, or as it would be with these leaves, at most up to the end of the last tile."""
        carry: list[bytes] = []
        for level, row in enumerate(self.rows):
            nodes = [*row, *leaves] if level == 0 else row + carry
            carry = [root_of(nodes)] if nodes else []
        return carry[0] if carry else EMPTY
