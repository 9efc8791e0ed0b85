"""Our proofs of inclusion before a verifier that others wrote: spicy-torchwood, offline, with the log's key alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stepcare.publish.prove import inclusion
from stepcare.verifier.proof import HEADER, Proof
from stepcare.verifier.tiles import tile_path
from tests.foreign.published import VKEY, entries, shelf
from tests.witness.logs import ORIGIN, Pen

SIZES = {1: (0,), 2: (0, 1), 3: (2,), 256: (0, 255), 257: (0, 255, 256), 600: (0, 1, 255, 256, 300, 511, 599)}
Verify = Callable[[bytes, Proof], bool]


@pytest.fixture
def verify(torchwood: Path, tmp_path: Path) -> Verify:
    """Ask it whether an entry is in the log of the proof's checkpoint."""

    def asked(entry: bytes, proof: Proof, key: str = VKEY) -> bool:
        file = tmp_path / "entry"
        file.write_bytes(entry)
        # This release is of before the format had its first line; all that follows is the same.
        file.with_suffix(".spicy").write_bytes(proof.bytes().removeprefix(f"{HEADER}\n".encode()))
        done = subprocess.run([torchwood / "spicy-torchwood", "-verify", key, file], capture_output=True, check=False)  # noqa: S603 - what was fetched
        return done.returncode == 0

    return asked


def proof_of(size: int, index: int) -> Proof:
    """Prove an entry of a log of this size, from its tiles."""
    files = dict(shelf(entries(size)).files())

    def tile(level: int, at: int, width: int) -> bytes:
        return files[tile_path(level, at, width)]

    return Proof(index=index, hashes=tuple(inclusion(tile, index, size)), checkpoint=files["checkpoint"])


@pytest.mark.parametrize(("size", "index"), [(size, index) for size, some in SIZES.items() for index in some])
def test_an_entry_is_proved_to_somebody_else_s_verifier(verify: Verify, size: int, index: int) -> None:
    """First, last, and on both sides of the tiles' borders; another entry in its place is refused."""
    proof, entry = proof_of(size, index), entries(size)[index]

    assert verify(entry, proof)
    assert not verify(entry + b" ", proof)


def test_a_changed_proof_is_refused(verify: Verify) -> None:
    """A hash, the index, the root, the signature: nothing of it is for show."""
    proof, entry = proof_of(600, 300), entries(600)[300]
    other = shelf(entries(600), Pen.of(ORIGIN, seed=2)).note().bytes()
    changed = [
        Proof(index=301, hashes=proof.hashes, checkpoint=proof.checkpoint),
        Proof(index=300, hashes=proof.hashes[1:], checkpoint=proof.checkpoint),
        Proof(index=300, hashes=(bytes(32), *proof.hashes[1:]), checkpoint=proof.checkpoint),
        Proof(index=300, hashes=proof.hashes, checkpoint=shelf(entries(599)).note().bytes()),
        Proof(index=300, hashes=proof.hashes, checkpoint=other),
    ]

    assert verify(entry, proof)
    assert [verify(entry, one) for one in changed] == [False] * len(changed)
