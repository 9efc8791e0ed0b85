"""Check a published log: every tile and bundle of it, up to the root that its checkpoint is signed for."""

from collections.abc import Callable, Iterator, Sequence

from stepcare.verifier.asked import Asked
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.entries import read_entry
from stepcare.verifier.kept import Kept, check_kept, check_seen, check_signed, compare, compare_seen
from stepcare.verifier.note import Note
from stepcare.verifier.outcome import Absent, NotVerified, Tampered, Unverifiable
from stepcare.verifier.published import ACCESS, CHECKPOINT, WITNESSED, Older, Published, first_other
from stepcare.verifier.report import Report
from stepcare.verifier.tiles import TILE, Broken
from stepcare.verifier.tree import leaf_hash
from stepcare.verifier.walk import Walk, id_in


class Publication:
    """A published log under examination."""

    def __init__(self, log: Published, asked: Asked, report: Report) -> None:
        """Begin; `check` does it."""
        self.log, self.asked, self.report = log, asked, report
        self.walk = Walk(report, asked.sizes)
        self.gone = 0  # entries whose bytes a retention run took away, from the log's beginning on
        self.start = 0  # of the tile that is looked at, and its entries
        self.entries: Sequence[bytes] = ()

    def check(self) -> None:
        """Check everything in the folder."""
        seen = self._seen()  # before the checkpoint: a sealer at work makes that one longer, never shorter
        note = Note.parse(self.log.checkpoint())
        checkpoint = Checkpoint.parse(note.text)
        report, asked = self.report, self.asked
        report.origin, report.entries = checkpoint.origin, checkpoint.size
        check_signed(note, checkpoint, asked.trust, report)
        kept = check_kept(asked.kept, checkpoint.origin, asked.trust, report)
        if seen is not None and not check_seen(seen, checkpoint, asked.trust, report):
            seen = None
        if not checkpoint.size:
            report.add(Absent("The log is empty: nothing has been written to it yet."))
        self.walk = Walk(report, asked.sizes | ({seen.checkpoint.size} if seen else set()))
        whole = self._tiles(checkpoint)
        compare(kept, checkpoint.size, self.walk.roots, report)
        if seen is not None:
            compare_seen(seen, self.walk.roots, report)
        if whole:
            report.root = self.walk.tower.root()
            if not asked.hashes and not checkpoint.origin.endswith(f"/{ACCESS}"):
                self.walk.end()
            if report.root != checkpoint.root:
                report.add(Tampered("The root of the entries is not the one in the checkpoint: one was changed."))
        self._rest(whole=whole)

    def _seen(self) -> Kept | None:
        data = self.log.witnessed()
        if data is None:
            return None
        try:
            note = Note.parse(data)
            return Kept(name=WITNESSED, note=note, checkpoint=Checkpoint.parse(note.text))
        except Tampered as error:
            self.report.add(Tampered(f"The file {WITNESSED}: {error}"))
            return None

    def _rest(self, *, whole: bool) -> None:
        log, report = self.log, self.report
        if self.asked.hashes:
            report.skip("the entries' own bytes: only the hashes were asked for (--hashes)")
        if self.gone:
            report.skip(f"the bytes of the first {self.gone} entries: they are no longer published")
        if whole and not self.asked.hashes and (strays := log.strays()):
            report.skip(f"{strays} files that are no part of a log of this size")
        if (log.folder / ACCESS / CHECKPOINT).is_file():
            report.skip(f"the log of reads: give its folder, {ACCESS}/, for that")

    def _tiles(self, checkpoint: Checkpoint) -> bool:
        """Go through all tiles; False where the log ends too early."""
        for index, start in enumerate(range(0, checkpoint.size, TILE)):
            width = min(TILE, checkpoint.size - start)
            hashes, entries = self._block(index, width)
            self.start, self.entries = start, entries or ()
            if entries is not None:
                leaves = list(map(leaf_hash, entries))
                self._compare(leaves, hashes)
            elif hashes is not None:
                leaves = hashes
                self._missing(start, width, checkpoint.origin)
            else:
                self.report.add(Unverifiable("from here on entries are missing: get the folder again, whole."), start)
                return False
            for level, number, nodes in self.walk.block(leaves, entries):
                self._hold(level, number, nodes)
            self.report.count("entries" if entries is not None else "hashes", width)
            if self.asked.progress is not None:
                self.asked.progress(start + width, checkpoint.size)
        for level, number, nodes in self.walk.tower.rest():
            self._hold(level, number, nodes)
        return True

    def _block(self, index: int, width: int) -> tuple[list[bytes] | None, list[bytes] | None]:
        """Give the hashes of a tile and the entries of its bundle; what is not whole is a finding, and None."""
        tile = self._found(index, lambda: self.log.tile(0, index, width))
        bundle = None if self.asked.hashes else self._found(index, lambda: self.log.bundle(index, width))
        hashes, entries = (None if isinstance(one, Broken) else one for one in (tile, bundle))
        # Lengths that lie may still add up for a while: the hashes tell from which entry on they do.
        if isinstance(tile, Broken):
            due = tile.parts if entries is None else list(map(leaf_hash, entries))
            self._broken(index, tile, first_other(tile.parts, due), entries or ())
        if isinstance(bundle, Broken):
            parts = bundle.parts
            place = _first_odd(parts) if hashes is None else first_other(list(map(leaf_hash, parts)), hashes)
            self._broken(index, bundle, place, parts)
        return hashes, entries

    def _found(self, index: int, find: Callable[[], list[bytes] | None]) -> list[bytes] | Broken | None:
        try:
            return find()
        except Broken as error:
            return error
        except NotVerified as error:
            self.report.add(error, index * TILE)
            return None

    def _broken(self, index: int, error: Broken, place: int, entries: Sequence[bytes]) -> None:
        """Name the first entry that is not as it must be."""
        self.report.add(error, index * TILE + place, id_in(entries[place]) if place < len(entries) else None)

    def _missing(self, start: int, width: int, origin: str) -> None:
        """Say that the entries of a tile are not there, unless they need not be."""
        if self.asked.hashes:
            return
        if origin.endswith(f"/{ACCESS}") and self.gone == start:
            self.gone += width
            return
        self.walk.order.blind = True
        error = Unverifiable(f"The bytes of entries {start} to {start + width - 1} are missing or cannot be read.")
        self.report.add(error, start)

    def _compare(self, leaves: Sequence[bytes], hashes: Sequence[bytes] | None) -> None:
        """Hold the entries' hashes against the tile."""
        start, end = self.start, self.start + len(leaves) - 1
        if hashes is None:
            self.report.add(Unverifiable(f"The tile of entries {start} to {end} is missing or cannot be used."), start)
        elif leaves != hashes:
            for index, (leaf, said) in enumerate(zip(leaves, hashes, strict=True), start):
                if leaf != said:
                    error = Tampered("its bytes do not have the hash that is in its tile.")
                    self.report.add(error, index, self._id(index))
        self._older(self.log.older_bundles(start // TILE, self.entries), start)

    def _older(self, versions: Iterator[Older], start: int | None) -> None:
        """Look at the narrower versions of a tile; `start`: the number of its first entry, None: it is of a higher level."""
        try:
            for name, place in versions:
                if place is None:
                    self.report.count("older tiles")
                    continue
                index = None if start is None else start + place
                error = Tampered(f"{name}, of an earlier checkpoint, is not the beginning of the later one.")
                self.report.add(error, index, self._id(index))
        except NotVerified as error:
            self.report.add(error, start)

    def _id(self, index: int | None) -> str | None:
        """Give the id of an entry of the tile that is looked at, None where it cannot be told."""
        place = -1 if index is None else index - self.start
        return id_in(self.entries[place]) if 0 <= place < len(self.entries) else None

    def _hold(self, level: int, number: int, nodes: Sequence[bytes]) -> None:
        """Hold a tile as it must be against the one that is there."""
        if not level:
            self.report.count("tiles")
            self._older(self.log.older_tiles(level, number, nodes), number * TILE)
            return
        # Higher tiles are wrong because of what lies below them: that is the entry to name.
        try:
            found = self.log.tile(level, number, len(nodes))
            if found is None:
                raise Unverifiable(f"Tile {number} of level {level} is missing: get the folder again, whole.")
            if found != nodes:
                raise Tampered(f"Tile {number} of level {level} is not made of the tiles below it.")
            self.report.count("tiles")
        except NotVerified as error:
            self.report.add(error)
        self._older(self.log.older_tiles(level, number, nodes), None)


def _first_odd(entries: Sequence[bytes]) -> int:
    """Give the place of the first that is no entry, or else that behind the last."""
    for place, data in enumerate(entries):
        try:
            read_entry(data)
        except NotVerified:
            return place
    return len(entries)
