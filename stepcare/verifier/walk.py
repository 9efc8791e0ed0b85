"""The one walk through a log, block by block: entries in order, the tree over them, and its root at given sizes."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence

from stepcare.verifier.census import CENSUS, Census
from stepcare.verifier.entries import Entry, Order
from stepcare.verifier.outcome import NotVerified, Tampered, Unverifiable
from stepcare.verifier.report import Report
from stepcare.verifier.tower import Tile, Tower

Progress = Callable[[int, int], None]
Look = Callable[[int, Entry], None]


class Walk:
    """Takes a log's blocks of 256; `roots` gives its root at the sizes that were asked for, as far as it came."""

    def __init__(self, report: Report, sizes: Collection[int], look: Look | None = None) -> None:
        """Begin. `look` is shown each entry that is fine by itself and in its place."""
        self.tower, self.order = Tower(), Order()
        self.roots: dict[int, bytes] = {}
        self._report, self._sizes, self._look = report, sorted(sizes), look
        self._counted: int | None = None

    def block(self, leaves: Sequence[bytes], entries: Sequence[bytes] | None) -> Iterator[Tile]:
        """Take the next leaf hashes, and their entries' bytes (None: they are not looked at); gives the full tiles."""
        start = self.tower.size
        if entries is None:
            self.order.index += len(leaves)
        else:
            self._read(start, entries, leaves)
        for size in self._sizes:
            if start < size <= start + len(leaves):
                self.roots[size] = self.tower.root(leaves[: size - start])
        yield from self.tower.add(leaves)

    def _read(self, start: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        take, look = self.order.take, self._look
        for index, (data, leaf) in enumerate(zip(entries, leaves, strict=True), start):
            try:
                entry = take(data, leaf)
                if entry[5] == CENSUS:
                    self._census(index, data)
                if look is not None:
                    look(index, entry)
            except NotVerified as error:
                self._report.add(type(error)(f"{error}."), index, id_in(data))

    def end(self) -> None:
        """Say how far the ends of episodes are known."""
        if self._counted is None:
            self._report.skip("whether any episode's history goes on past its last entry here: no census was taken")
        elif self._counted < self.tower.size:
            self._report.skip(
                f"whether histories go on past their last entry since entry {self._counted}, the last census"
            )

    def _census(self, index: int, data: bytes) -> None:
        """Hold a census against every episode's end at its size."""
        said = Census.of(data)
        if said is None:
            return
        if said.size > index:
            raise Tampered("its census is of a size the log did not have")
        ends = self.order.ends_at(said.size)
        if ends is None:
            raise Unverifiable("its census cannot be counted again: part of what it counts was not read")
        if Census.over(said.size, ends) != said:
            raise Tampered("its census is not that of the log at its size: an episode's last entries were removed")
        self._counted = said.size
        self._report.count("censuses")


def id_in(data: bytes) -> str | None:
    """Give the id of an entry that may be damaged, None where it cannot be told."""
    try:
        found = json.loads(data)["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) and len(found) <= 80 and found.isprintable() and found.isascii() else None
