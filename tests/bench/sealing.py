"""Sealing: how long 256 real entries take, how large they are, and how large a proof is in a log of ten millions."""

import os
from pathlib import Path
from time import perf_counter

from stepcare.app import open_app
from stepcare.publish.folder import Folder
from stepcare.publish.guard import Guard
from stepcare.publish.prove import inclusion
from stepcare.publish.seal import Sealer
from stepcare.publish.signer import FileSigner
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Note, Signature, key_id
from stepcare.verifier.proof import Proof
from storage.published import Source
from tests.bench.figures import Figure, Section, middle, spread
from tests.bench.sites import on_sqlite
from tests.bench.work import CLOCK, People, ask, courses, steps

ROUNDS = 7
BATCH = 256
MANY = 10_000_000
TITLE = "The published log"
NOTES = (
    "Sealing reads the new entries back, hashes them again, compares the tree, writes and syncs tiles, signs, records "
    "and publishes. Entries are those of whole courses on SQLite. The proof is that of an entry in the middle of a log "
    "of ten millions, under a checkpoint with the log's and two witnesses' signatures."
)


def seal_and_prove(folder: Path) -> Section:
    """Measure both."""
    place = on_sqlite(folder / "site")
    times, sizes = [], []
    with open_app(place.database, CLOCK) as app:
        people, walk = People(app, "s"), steps()
        people.bring(ROUNDS * BATCH // len(walk) + 2)
        asked = courses(people, "s", walk)
        sealer = Sealer(
            source=Source(place.database),
            folder=Folder(folder / "published"),
            guard=Guard(folder / "own" / "signed"),
            signers=(FileSigner(PrivateKey.make(app.database.origin, os.urandom)),),
        )
        sealer.seal()
        for _ in range(ROUNDS):
            for _ in range(BATCH):
                command, now = next(asked)
                ask(app, command, now)
            begin = perf_counter()
            sealed = sealer.seal()
            times.append(perf_counter() - begin)
            if sealed.new != BATCH:
                raise SystemExit(f"{sealed.new} entries were sealed, {BATCH} were due.")
        sizes = [len(one.entry) for one in app.store.entries()]
    return Section(title=TITLE, notes=NOTES, figures=(_sealing(times), _entries(sizes), _proof(sizes)))


def _sealing(times: list[float]) -> Figure:
    found = [one * 1e3 for one in times]
    return Figure(
        what=f"seal of {BATCH} entries",
        measured=f"{middle(found):.1f} ms",
        beside=f"{spread(found, '.1f')}; every file synced",
    )


def _entries(sizes: list[int]) -> Figure:
    return Figure(
        what="an entry in the published log",
        measured=f"{sum(sizes) / len(sizes):,.0f} bytes",
        beside=f"mean of {len(sizes):,}, largest {max(sizes):,}; with its hash in a tile {32 * 256 / 255:.0f} more",
    )


def _proof(sizes: list[int]) -> Figure:
    # What the tiles hold changes no proof's length, so any hashes do.
    hashes = inclusion(lambda _level, _index, width: bytes(32 * width), MANY // 2, MANY)
    names = ("log.example.org/stepcare/1", "witness.example.org/one", "witness.example.org/two")
    kinds = (ED25519, COSIGNATURE, COSIGNATURE)
    lines = tuple(
        Signature(name=name, id=key_id(name, kind, bytes(32)), data=bytes(64 if kind == ED25519 else 72))
        for name, kind in zip(names, kinds, strict=True)
    )
    text = Checkpoint(origin=names[0], size=MANY, root=bytes(32)).text()
    proof = Proof(index=MANY // 2, hashes=tuple(hashes), checkpoint=Note(text=text, signatures=lines).bytes())
    return Figure(
        what=f"a proof in a log of {MANY:,} entries",
        measured=f"{len(proof.bytes()):,} bytes",
        beside=f"{len(hashes)} hashes; the entry itself {sum(sizes) / len(sizes):,.0f} bytes",
    )
