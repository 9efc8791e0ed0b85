"""The tiles of a growing log: what each new entry adds to bundles and hash tiles, at all levels (C2SP tlog-tiles).

Nothing here reads or writes a file. A *tile* is whole at 256 hashes and never changes again; a *partial* one is written
for the size of each checkpoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.merkle import Frontier
from stepcare.verifier.tiles import TILE, bundle_of, entries_path, tile_path
from stepcare.verifier.tree import HASH, leaf_hash, node_hash, root_of

File = tuple[str, bytes]
"""A path below the log's folder, and what belongs there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The right edge of a log's tiles: of each level the hashes of its unfinished tile, and the entries of the lowest.

    It is all that is needed to go on. `rows[0]` are leaf hashes; a level with nothing unfinished has an empty row.
    """

    size: int = 0
    rows: tuple[tuple[bytes, ...], ...] = ()
    entries: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """Give the root of the whole log."""
        # Each row's full subtrees, the widest level first, are the frontier of the tree.
        nodes = [node for row in reversed(self.rows) for node in _subtrees(row)]
        root = nodes.pop() if nodes else root_of(())
        while nodes:
            root = node_hash(nodes.pop(), root)
        return root

    def partials(self) -> Iterator[File]:
        """Give the partial bundle and tiles that belong to this size."""
        if self.entries:
            yield entries_path(self.size // TILE, len(self.entries)), bundle_of(self.entries)
        for level, row in enumerate(self.rows):
            if row:
                yield tile_path(level, self.size >> 8 * (level + 1), len(row)), b"".join(row)


class Growth:
    """A log that grows from an edge: `add` gives the files that each entry makes whole."""

    def __init__(self, edge: Edge) -> None:
        """Begin at an edge."""
        self._size = edge.size
        self._rows = [list(row) for row in edge.rows]
        self._entries = list(edge.entries)

    def add(self, entries: Iterable[bytes]) -> Iterator[File]:
        """Add entries in order, giving each bundle and tile that is whole with them; they are written before the next."""
        for entry in entries:
            self._entries.append(entry)
            self._size += 1
            if len(self._entries) == TILE:
                yield entries_path(self._size // TILE - 1), bundle_of(self._entries)
                self._entries.clear()
            yield from self._rise(0, leaf_hash(entry))

    def _rise(self, level: int, node: bytes) -> Iterator[File]:
        if level == len(self._rows):
            self._rows.append([])
        row = self._rows[level]
        row.append(node)
        if len(row) == TILE:
            yield tile_path(level, (self._size >> 8 * (level + 1)) - 1), b"".join(row)
            above = root_of(row)
            row.clear()
            yield from self._rise(level + 1, above)

    def edge(self) -> Edge:
        """Give the edge reached."""
        rows = tuple(tuple(row) for row in self._rows)
        return Edge(size=self._size, rows=rows, entries=tuple(self._entries))


def edge_files(size: int) -> list[tuple[int, int, int]]:
    """Give (level, index, width) of every partial tile a log of this size ends in."""
    found = []
    level = 0
    while size >> 8 * level:
        width = (size >> 8 * level) % TILE
        if width:
            found.append((level, size >> 8 * (level + 1), width))
        level += 1
    return found


def edge_from(size: int, tiles: dict[int, bytes], entries: Sequence[bytes]) -> Edge:
    """Give the edge from its partial tiles by level, and the entries of the lowest; its root says whether they fit."""
    rows = []
    level = 0
    while size >> 8 * level:
        data = tiles.get(level, b"")
        rows.append(tuple(data[i : i + HASH] for i in range(0, len(data), HASH)))
        level += 1
    return Edge(size=size, rows=tuple(rows), entries=tuple(entries))


def frontier_of(edge: Edge) -> Frontier:
    """Give the edge as the database keeps it."""
    nodes = tuple(node for row in reversed(edge.rows) for node in _subtrees(row))
    return Frontier(size=edge.size, nodes=nodes)


def _subtrees(row: Sequence[bytes]) -> Iterator[bytes]:
    """Give the roots of a row's full subtrees, largest first."""
    first, count = 0, len(row)
    while count:
        width = 1 << count.bit_length() - 1
        yield root_of(row[first : first + width])
        first, count = first + width, count - width
