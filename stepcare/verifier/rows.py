"""Check the log in a database: every row of it, up to the tree that its head keeps."""

import itertools
from collections.abc import Iterator
from typing import Any

from stepcare.verifier.asked import Asked
from stepcare.verifier.database import Database
from stepcare.verifier.entries import Entry
from stepcare.verifier.kept import check_kept, compare
from stepcare.verifier.outcome import Absent, Tampered
from stepcare.verifier.report import Report
from stepcare.verifier.tiles import TILE
from stepcare.verifier.tree import EMPTY, HASH, leaf_hash, node_hash
from stepcare.verifier.walk import Walk, id_in


class Rows:
    """A database's log under examination."""

    def __init__(self, database: Database, asked: Asked, report: Report) -> None:
        """Begin; `check` does it."""
        self.database, self.asked, self.report = database, asked, report
        self.rows: list[tuple[Any, ...]] = []
        self.walk = Walk(report, asked.sizes, None if asked.hashes else self._columns)

    def check(self) -> None:
        """Check head and entries."""
        database, report, walk = self.database, self.report, self.walk
        report.lacks = "no kept checkpoint was given"  # a database has no signature for a key to fit
        report.origin = database.origin if isinstance(database.origin, str) else None
        kept = check_kept(self.asked.kept, report.origin, self.asked.trust, report)
        for block in self._blocks():
            for _ in walk.block(*block):
                pass
            if self.asked.progress is not None:
                self.asked.progress(walk.tower.size, max(walk.tower.size, self._said()))
        report.entries, report.root = walk.tower.size, walk.tower.root()
        if not report.entries and not self._said():
            report.add(Absent("The log is empty: nothing has been decided here yet."))
        report.count("hashes" if self.asked.hashes else "entries", report.entries)
        if not self.asked.hashes:
            walk.end()
        self._head()
        compare(kept, report.entries, walk.roots, report)
        report.skip("who signed: a database holds no signature, the published folder does")
        report.skip("the other tables, which follow from the log: `stepcare audit verify` knows how")
        if self.asked.hashes:
            report.skip("the entries' own bytes: only the hashes were asked for (--hashes)")

    def _said(self) -> int:
        return self.database.size if isinstance(self.database.size, int) else 0

    def _head(self) -> None:
        database, report = self.database, self.report
        if database.size != report.entries or database.rooted != report.entries:
            report.add(Tampered(f"The log's head does not speak of {report.entries} entries, which are here."))
        elif root_from(database.frontier, report.entries) != report.root:
            report.add(Tampered("The log's head has another tree than its entries: one of them was changed."))

    def _blocks(self) -> Iterator[tuple[list[bytes], list[bytes] | None]]:
        found = self.database.hashes() if self.asked.hashes else self.database.entries()
        while rows := list(itertools.islice(found, TILE)):
            self.rows, start = rows, self.walk.tower.size
            if self.asked.hashes:
                yield self._bytes(start, 1, HASH), None
                continue
            entries = self._bytes(start, 5, None)
            leaves = list(map(leaf_hash, entries))
            if leaves != [row[4] for row in rows]:
                self._compare(start, leaves, entries)
            yield leaves, entries

    def _compare(self, start: int, leaves: list[bytes], entries: list[bytes]) -> None:
        """Name each row that keeps another hash than its entry's."""
        for at, (leaf, row) in enumerate(zip(leaves, self.rows, strict=True)):
            if leaf != row[4]:
                error = Tampered("its bytes do not have the hash that is kept with them.")
                self.report.add(error, start + at, id_in(entries[at]))

    def _bytes(self, start: int, column: int, length: int | None) -> list[bytes]:
        """Give a column of the rows, which must be bytes, of this length (None: any), in rows that are in order."""
        found = [row[column] for row in self.rows]
        in_order = [row[0] for row in self.rows] == list(range(start, start + len(found)))
        if in_order and all(type(one) is bytes and length in (None, len(one)) for one in found):
            return found
        return [self._kind(start + at, row[0], row[column], length) for at, row in enumerate(self.rows)]

    def _kind(self, index: int, idx: object, value: object, length: int | None) -> bytes:
        """Give a row's bytes; what is of another kind, or at another place, is a finding."""
        if idx != index:
            self.report.add(
                Tampered(f"the row at its place has the number {idx!r:.24}: one was removed or put in."), index
            )
        if isinstance(value, bytes) and length in (None, len(value)):
            return value
        self.report.add(Tampered("its row holds no such bytes as it must."), index)
        return b"" if length is None else bytes(length)

    def _columns(self, index: int, entry: Entry) -> None:
        """Hold a row's columns against its entry."""
        _, id_, episode, number, _, _ = self.rows[index % TILE]
        if number != entry[1] or id_ != entry[2].decode() or episode != (entry[0] and entry[0].decode()):
            raise Tampered("the columns beside it are not what its bytes say")


def root_from(frontier: object, size: int) -> bytes | None:
    """Give the root of a tree by the roots of its full subtrees, largest first; None when these cannot be they."""
    if not isinstance(frontier, bytes) or len(frontier) != HASH * size.bit_count():
        return None
    nodes = [frontier[at : at + HASH] for at in range(0, len(frontier), HASH)]
    if not nodes:
        return EMPTY
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root)
    return root
