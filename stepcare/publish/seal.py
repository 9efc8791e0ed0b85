"""Sealing: what was committed is read back, hashed again, published as tiles, and signed.

In this order, each step on the disk before the next: bundles and tiles; the signature, noted by the guard; the
witnesses; the checkpoint. Whatever is killed in between is done again with the same bytes. Recovery is the normal way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import Conflict, VerificationFailed
from engine.merkle import Frontier
from stepcare.publish.folder import Folder, Stated
from stepcare.publish.guard import Guard
from stepcare.publish.prove import consistency
from stepcare.publish.signer import Signer
from stepcare.publish.tiles import Edge, Growth, edge_files, edge_from, frontier_of
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import ED25519, Note, Signature, signed_text
from stepcare.verifier.tiles import TILE
from stepcare.verifier.tree import leaf_hash, root_of
from storage.published import Committed

STEPS = ("read", "tiles", "partials", "signed", "recorded", "witnessed", "published", "pruned")
RESTORED = (
    "Never sign behind what was published: put the missing entries back from the published bundles, or retire this "
    "log's origin and begin a new one (docs/operate.md, The keys of the log)."
)


class Moment(Protocol):
    """One moment of a log (storage/published.py)."""

    origin: str
    frontier: Frontier

    @property
    def size(self) -> int:
        """Give the number of entries."""

    def entries(self, first: int, end: int) -> Iterator[Committed]:
        """Give the entries from `first` up to `end`."""

    def leaves(self, first: int, end: int) -> Iterator[bytes]:
        """Give the leaf hashes kept beside the entries."""


class Source(Protocol):
    """Where a log is read from."""

    def moment(self) -> AbstractContextManager[Moment]:
        """Give one moment of it."""


Prove = Callable[[int, int], list[bytes]]
Witnessing = Callable[[Note, Prove], Note]
"""Gives the note with the cosignatures that could be had; never raises for a witness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a seal came to. `new`: so many entries more than before; `note` None: the log is empty still."""

    size: int
    new: int
    note: Note | None


def unwitnessed(note: Note, _: Prove) -> Note:
    """Ask nobody."""
    return note


@dataclass(slots=True, kw_only=True)
class Sealer:
    """Seals one log, from `source` to `folder`; not for several threads.

    The first of `signers` signs first. `keep` gets each checkpoint once it is published. `steps` hears each step as it
    is done; only tests listen.
    """

    source: Source
    folder: Folder
    guard: Guard
    signers: Sequence[Signer]
    witnessing: Witnessing = unwitnessed
    keep: Callable[[Note], None] = lambda _: None
    steps: Callable[[str], None] = lambda _: None
    _edge: Edge = field(default_factory=Edge)
    _pruned: int = 0

    def waiting(self) -> int:
        """Give how many entries are committed and not sealed; negative where the database has fewer than were signed."""
        signed = self.guard.last()
        with self.source.moment() as moment:
            return moment.size - (signed.size if signed else 0)

    def seal(self) -> Sealed:
        """Seal what is committed and finish what was begun; nothing new and nothing unfinished changes nothing.

        Raises Conflict where the database has fewer entries than were signed, VerificationFailed where it has others.
        """
        with self.guard.held():
            signed, published = self.guard.last(), self.folder.checkpoint()
            _require_recorded(signed, published)
            with self.source.moment() as moment:
                before = signed.size if signed else 0
                new = self._signed(moment, signed)
            if new is None:
                return Sealed(size=0, new=0, note=None)
            if published is None or published.note.text != new.note.text:
                published = self._published(new)
            self.folder.prune(self._pruned, new.size)
            self._pruned = new.size
            self.steps("pruned")
            return Sealed(size=new.size, new=new.size - before, note=published.note)

    def renew(self) -> Sealed:
        """Seal, and where nothing was new publish the same checkpoint again with fresh cosignatures (the heartbeat).

        It is signed again too, so that a new key signs from then on. Cosignatures that are not given anew stay.
        """
        done = self.seal()
        if done.new or done.note is None:
            return done
        with self.guard.held():
            signed = self.guard.last()
            assert signed is not None  # noqa: S101 - it was just sealed
            again = Stated(note=self._note(signed.checkpoint), checkpoint=signed.checkpoint)
            self.guard.swap(signed, again.note)
            return Sealed(size=again.size, new=0, note=self._published(again, done.note).note)

    def _published(self, signed: Stated, before: Note | None = None) -> Stated:
        """Publish a signed checkpoint with what witnesses say to it, beside what they said `before`."""
        # Lines in the log's own name are made anew with each note; the others are witnesses'.
        kept = [one for one in before.signatures if one.name != signed.checkpoint.origin] if before else []
        note = Note(text=signed.note.text, signatures=(*signed.note.signatures, *kept))
        note = self.witnessing(note, lambda old, new: consistency(self.folder.tile, old, new))
        self.steps("witnessed")
        self.folder.publish(note)
        self.steps("published")
        self.keep(note)
        return Stated(note=note, checkpoint=signed.checkpoint)

    def _signed(self, moment: Moment, signed: Stated | None) -> Stated | None:
        """Give the signed checkpoint of this moment: the last one where nothing is new. None: the log is empty."""
        self._require_forward(moment, signed)
        if not moment.size:
            return None
        edge = self._edge_at(moment, signed)
        _require_same_bytes(moment, edge, signed)
        self.steps("read")
        if signed is not None and signed.size == moment.size:
            return signed
        return self._sign(self._written(moment, edge), moment.origin, signed)

    def _require_forward(self, moment: Moment, signed: Stated | None) -> None:
        for signer in self.signers:
            if signer.key.name != moment.origin:
                raise Conflict(f"The key is that of {signer.key.name}, the log is {moment.origin}: use its own sealer.")
        if signed is None:
            return
        if signed.checkpoint.origin != moment.origin:
            raise Conflict(
                f"This sealer has signed for {signed.checkpoint.origin}, the database is {moment.origin}: name its own "
                "folder with STEPCARE_SEALER."
            )
        if moment.size < signed.size:
            raise Conflict(
                f"The database has {moment.size} entries, {signed.size} were signed: it is an older backup, or its end "
                f"was cut off. {RESTORED}"
            )

    # --- the edge ---------------------------------------------------------------------------------------------------

    def _edge_at(self, moment: Moment, signed: Stated | None) -> Edge:
        """Give the edge of what was signed: as remembered, from the published files, or made anew."""
        if signed is None:
            return Edge()
        if self._edge.size == signed.size and self._edge.root() == signed.checkpoint.root:
            return self._edge
        edge = self._edge_published(signed.size)
        if edge is None or edge.root() != signed.checkpoint.root:
            edge = self._refilled(moment, signed)
        return edge

    def _edge_published(self, size: int) -> Edge | None:
        try:
            tiles = {level: self.folder.tile(level, index, width) for level, index, width in edge_files(size)}
            entries = self.folder.bundle(size // TILE, size % TILE) if size % TILE else []
        except (FileNotFoundError, VerificationFailed):
            return None
        if [leaf_hash(one) for one in entries] != [tiles.get(0, b"")[i * 32 : i * 32 + 32] for i in range(size % TILE)]:
            return None
        return edge_from(size, tiles, entries)

    def _refilled(self, moment: Moment, signed: Stated) -> Edge:
        """Make the published files anew from the database; one that is there with other content is refused."""
        _require_root(moment, signed)
        growth = Growth(Edge())
        for name, data in growth.add(_checked(moment, 0, signed.size)):
            self.folder.put(name, data)
        edge = growth.edge()
        for name, data in edge.partials():
            self.folder.put(name, data)
        self.folder.settle()
        return edge

    # --- writing and signing ----------------------------------------------------------------------------------------

    def _written(self, moment: Moment, edge: Edge) -> Edge:
        """Write everything between an edge and this moment, and give the new edge."""
        growth = Growth(edge)
        for name, data in growth.add(_checked(moment, edge.size, moment.size)):
            self.folder.put(name, data)
        self.steps("tiles")
        edge = growth.edge()
        if edge.root() != moment.frontier.root():
            raise VerificationFailed(
                "The entries were read differently twice: nothing was signed. Look at the machine."
            )
        for name, data in edge.partials():
            self.folder.put(name, data)
        self.folder.settle()
        self.steps("partials")
        return edge

    def _sign(self, edge: Edge, origin: str, signed: Stated | None) -> Stated:
        checkpoint = Checkpoint(origin=origin, size=edge.size, root=edge.root())
        note = self._note(checkpoint)
        self.steps("signed")
        self.guard.swap(signed, note)
        self._edge = edge
        self.steps("recorded")
        return Stated(note=note, checkpoint=checkpoint)

    def _note(self, checkpoint: Checkpoint) -> Note:
        message = signed_text(ED25519, checkpoint.text())
        lines = [Signature(name=one.key.name, id=one.key.id, data=one.sign(message)) for one in self.signers]
        return Note(text=checkpoint.text(), signatures=tuple(lines))


# --- what is refused ----------------------------------------------------------------------------------------------


def _require_recorded(signed: Stated | None, published: Stated | None) -> None:
    """Refuse a sealer that knows less than was published: its own folder was lost or restored."""
    if published is None:
        return
    if signed is None or signed.size < published.size:
        raise Conflict(
            f"A checkpoint of {published.size} entries is published, this sealer has signed "
            f"{f'only {signed.size}' if signed else 'none'}: its own folder was lost, or restored from a backup. Verify "
            "the published log against a checkpoint kept elsewhere, then copy its checkpoint to the sealer's folder as "
            "`signed`."
        )
    if signed.size == published.size and signed.note.text != published.note.text:
        raise VerificationFailed(
            f"What is published is another log of {published.size} entries than was signed. {RESTORED}"
        )


def _require_same_bytes(moment: Moment, edge: Edge, signed: Stated | None) -> None:
    """Hash every new entry again, and hold the tree that comes out against the one kept with the head."""
    leaves = (leaf_hash(one) for one in _checked(moment, edge.size, moment.size))
    if frontier_of(edge).extend(leaves) == moment.frontier:
        return
    if signed is not None:
        _require_root(moment, signed)
    raise VerificationFailed(
        "The tree of the entries is not the one kept with the log's head: nothing was signed. Run `stepcare audit "
        "verify`; it names the entry."
    )


def _require_root(moment: Moment, signed: Stated) -> None:
    """Refuse a database whose first entries are not those that were signed."""
    if root_of(moment.leaves(0, signed.size)) != signed.checkpoint.root:
        raise VerificationFailed(
            f"The first {signed.size} entries of the database are not those that were signed: it is another history. "
            f"{RESTORED}"
        )


def _checked(moment: Moment, first: int, end: int) -> Iterator[bytes]:
    """Give the entries' bytes, each held against the hash kept beside it."""
    for one in moment.entries(first, end):
        if leaf_hash(one.entry) != one.leaf:
            raise VerificationFailed(
                f"Entry {one.index} does not have the hash that was kept with it: nothing was signed. Run `stepcare "
                "audit verify`."
            )
        yield one.entry
