"""The published form: whatever the size and however it was reached, the tiles are those of the format."""

from pathlib import Path

import pytest

from stepcare.publish.prove import consistency, inclusion
from stepcare.publish.skey import PrivateKey
from stepcare.publish.tiles import Edge, Growth, frontier_of
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note, verified_by
from stepcare.verifier.tiles import tile_path
from stepcare.verifier.tree import verify_consistency, verify_inclusion
from tests.publish.logs import SEED, Memory, expected, files, leaf, made, mth, sealer

EDGES = (255, 256, 257, 65_535, 65_536, 65_537, 70_000)
ENTRIES = made(70_000)


def grown(size: int) -> dict[str, bytes]:
    """Give the files of a log made in one go."""
    growth = Growth(Edge())
    found = dict(growth.add(ENTRIES[:size]))
    found.update(growth.edge().partials())
    return found


def test_every_size_up_to_600_has_its_tiles() -> None:
    """Grown entry by entry or made in one go, bundles and tiles are those of an independent reference."""
    growth, whole = Growth(Edge()), dict[str, bytes]()
    for size in range(601):
        if size:
            whole.update(growth.add(ENTRIES[size - 1 : size]))
        edge = growth.edge()
        reference = expected(ENTRIES[:size])

        assert {**whole, **dict(edge.partials())} == reference, size
        assert edge.root() == mth([leaf(one) for one in ENTRIES[:size]]), size


@pytest.mark.parametrize("size", EDGES)
def test_sizes_around_full_tiles_have_their_tiles(size: int) -> None:
    """Where a tile of some level becomes full, the files are those of an independent reference."""
    found = grown(size)

    assert found == expected(ENTRIES[:size])


def test_an_edge_is_the_frontier() -> None:
    """What the sealer goes on from is what the database keeps beside its head, at every size."""
    memory, growth = Memory([]), Growth(Edge())
    for size in range(600):
        assert frontier_of(growth.edge()) == memory.frontier, size
        memory.add(ENTRIES[size : size + 1])
        list(growth.add(ENTRIES[size : size + 1]))


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 513, 600, 65_537, 70_000])
def test_every_proof_made_from_tiles_is_accepted(size: int) -> None:
    """Inclusion of entries all over the log, and consistency from sizes all over it, check against the roots."""
    found = grown(size)
    leaves = [leaf(one) for one in ENTRIES[:size]]
    root = mth(leaves)

    def read(level: int, index: int, width: int) -> bytes:
        return found[tile_path(level, index, width)]

    step = max(1, size // 40)
    for index in {*range(0, size, step), size - 1}:
        verify_inclusion(index, size, leaves[index], inclusion(read, index, size), root)
    for old in {*range(1, size + 1, step), size}:
        verify_consistency(old, size, consistency(read, old, size), mth(leaves[:old]), root)


def test_a_log_sealed_in_pieces_is_that_sealed_at_once(tmp_path: Path) -> None:
    """Sealing at odd sizes, over full tiles and with a new process in between, leaves the same whole files."""
    memory = Memory([])
    pieces = sealer(memory, tmp_path / "pieces")
    for size in (1, 2, 200, 255, 256, 257, 300, 511, 512, 600):
        memory.add(ENTRIES[len(memory.entries) : size])
        if size in (257, 512):
            pieces = sealer(memory, tmp_path / "pieces")
        assert pieces.seal().size == size
    sealer(memory, tmp_path / "once").seal()
    in_pieces, at_once = files(tmp_path / "pieces/published"), files(tmp_path / "once/published")

    assert {name: data for name, data in in_pieces.items() if name in at_once} == at_once == expected(ENTRIES[:600])
    assert not [name for name in in_pieces if ".p/" in name and "002.p" not in name and "/1/" not in name]


def test_a_checkpoint_states_the_log_and_is_signed(tmp_path: Path) -> None:
    """The checkpoint says origin, size and root, and the log's key has signed exactly that."""
    memory = Memory(made(300))
    sealer(memory, tmp_path).seal()

    note = Note.parse((tmp_path / "published/checkpoint").read_bytes())
    key = PrivateKey.of(memory.origin, SEED).key

    assert Checkpoint.parse(note.text) == Checkpoint(
        origin=memory.origin, size=300, root=mth([leaf(one) for one in memory.entries])
    )
    assert [seen.key for seen in verified_by(note, [key])] == [key]
