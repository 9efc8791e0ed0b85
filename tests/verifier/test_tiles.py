import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepcare.verifier.outcome import Tampered
from stepcare.verifier.tiles import bundle_of, entries_in, entries_path, tile_path
from stepcare.verifier.tower import Tower
from stepcare.verifier.tree import root_of
from tests.verifier.logs import entries, leaf, tree


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 5, 1, "tile/0/005.p/1"),
        (1, 999, 256, "tile/1/999"),
        (2, 1000, 256, "tile/2/x001/000"),
        (63, 1_234_067, 255, "tile/63/x001/x234/067.p/255"),
    ],
)
def test_tiles_lie_where_the_specification_puts_them(level: int, index: int, width: int, path: str) -> None:
    """The number of a tile in groups of three digits, all but the last with an x."""
    assert tile_path(level, index, width) == path
    assert entries_path(index, width) == path.replace(f"tile/{level}", "tile/entries")


@given(st.lists(st.binary(max_size=70), max_size=20))
def test_bundles_are_read_as_they_were_written(found: list[bytes]) -> None:
    """Whatever the entries are, the empty one among them."""
    assert entries_in(bundle_of(found)) == found


@pytest.mark.parametrize("data", [b"\0", b"\0\1", b"\0\2x", b"\0\1xy", bytes(3)])
def test_a_bundle_that_ends_within_an_entry_is_refused(data: bytes) -> None:
    """Its lengths must add up."""
    with pytest.raises(Tampered):
        entries_in(data)


def test_an_entry_that_is_too_long_is_not_written() -> None:
    """A bundle counts in 16 bits."""
    assert len(bundle_of([bytes(65_535)])) == 65_537
    with pytest.raises(ValueError, match="65535"):
        bundle_of([bytes(65_536)])


def test_the_tower_gives_every_tile_and_every_root() -> None:
    """Some sizes around full tiles: the tiles as cut from the definition's rows, the root by the definition."""
    leaves = list(map(leaf, entries(1300)))
    for size in (0, 1, 2, 255, 256, 257, 511, 512, 513, 1299, 1300):
        tower = Tower()
        found: dict[tuple[int, int], list[bytes]] = {}
        for at in range(0, size, 256):
            block = leaves[at : min(size, at + 256)]
            for wanted in range(0, len(block) + 1, 51):
                assert tower.root(block[:wanted]) == tree(leaves[: at + wanted])
            found |= {(level, number): list(nodes) for level, number, nodes in tower.add(block)}
        found |= {(level, number): list(nodes) for level, number, nodes in tower.rest()}

        assert tower.root() == tree(leaves[:size])
        assert found.get((1, 0), []) == [root_of(leaves[at : at + 256]) for at in range(0, size - 255, 256)]
        assert [one for number in range(6) for one in found.get((0, number), [])] == leaves[:size]
