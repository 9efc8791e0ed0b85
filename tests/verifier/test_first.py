"""The first bad entry stands first, whatever else is wrong because of it, and wherever else the change can be seen."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stepcare.verifier.outcome import Outcome
from stepcare.verifier.report import Finding
from stepcare.verifier.say import lines
from tests.verifier.logs import checked, publish, small, written

OLDER = (3, 100, 300, 500)  # sizes the log was published at before; their partial tiles and bundles still lie there


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a published log of 600 entries with all that earlier checkpoints needed."""
    return publish(tmp_path / "log", small(), older=OLDER)


def start_of(index: int) -> int:
    """Give where an entry begins in its bundle, its length before it."""
    return sum(len(one) + 2 for one in small()[index - index % 256 : index])


def bend(file: Path, at: int) -> None:
    """Change a byte."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def first_of(log: Path) -> Finding:
    """Check a log that is not as it was, and give what stands first."""
    report = checked(log)
    assert report.outcome is Outcome.TAMPERED
    assert report.first is not None
    return report.first


def id_of(index: int) -> str:
    """Give an entry's id."""
    found: str = json.loads(small()[index])["id"]
    return found


@pytest.mark.parametrize(
    ("path", "index"),
    [("000", 0), ("000", 7), ("000", 99), ("000", 255), ("001", 256), ("001", 263), ("002.p/88", 599)],
)
def test_a_changed_byte_of_an_entry_is_that_entry(path: str, index: int, log: Path) -> None:
    """Though the narrower bundles of earlier checkpoints no longer agree either, from the bundle's beginning on."""
    word = small()[index].index(b'"accepted"') + 2
    bend(log / "tile/entries" / path, start_of(index) + 2 + word)

    first = first_of(log)

    assert (first.index, first.id) == (index, id_of(index))
    assert "do not have the hash that is in its tile" in first.reason


@pytest.mark.parametrize("index", [0, 7, 99])
def test_a_changed_byte_in_an_earlier_bundle_is_that_entry(index: int, log: Path) -> None:
    """What an earlier checkpoint showed of entry 7 is not what is shown now: entry 7, not the bundle's beginning."""
    bend(log / "tile/entries/000.p/100", start_of(index) + 40)

    first = first_of(log)

    assert (first.index, first.id) == (index, id_of(index))
    assert "000.p/100" in first.reason


def test_a_changed_hash_in_an_earlier_tile_is_that_entry(log: Path) -> None:
    """The same for tiles of hashes."""
    bend(log / "tile/0/000.p/100", 7 * 32 + 5)

    assert first_of(log).index == 7


def test_a_changed_hash_in_the_tile_is_that_entry(log: Path) -> None:
    """Entry and hash no longer fit; which of them was changed the root tells, not we."""
    bend(log / "tile/0/001", 7 * 32 + 5)

    assert (first_of(log).index, first_of(log).id) == (263, id_of(263))


def longer(data: bytes) -> bytes:
    """Let entry 7 claim a byte more."""
    at = start_of(7)
    return data[:at] + (int.from_bytes(data[at : at + 2]) + 1).to_bytes(2) + data[at + 2 :]


def far_longer(data: bytes) -> bytes:
    """Let entry 7 claim more than there is."""
    return data[: start_of(7)] + b"\xff\xff" + data[start_of(7) + 2 :]


def without(data: bytes) -> bytes:
    """Take entry 7 out."""
    return data[: start_of(7)] + data[start_of(8) :]


def cut(data: bytes) -> bytes:
    """End within entry 7."""
    return data[: start_of(8) - 5]


def cut_between(data: bytes) -> bytes:
    """End before entry 7."""
    return data[: start_of(7)]


FRAMES = {one.__name__: one for one in (longer, far_longer, without, cut, cut_between)}


@pytest.mark.parametrize("path", ["000", "000.p/100"])
@pytest.mark.parametrize("harm", FRAMES.values(), ids=FRAMES)
def test_where_the_lengths_are_broken_the_first_entry_that_cannot_be_read_is_named(
    harm: Callable[[bytes], bytes], path: str, log: Path
) -> None:
    """The six before it are as they were: entry 7 is the first that is not."""
    file = log / "tile/entries" / path
    file.write_bytes(harm(file.read_bytes()))

    assert first_of(log).index == 7


@pytest.mark.parametrize("harm", [longer, far_longer, cut, cut_between])
def test_without_the_tile_it_is_the_first_that_is_no_entry(harm: Callable[[bytes], bytes], log: Path) -> None:
    """Then no hash tells where the lengths begin to lie, but what they cut out does."""
    file = log / "tile/entries/000"
    file.write_bytes(harm(file.read_bytes()))
    (log / "tile/0/000").unlink()

    assert first_of(log).index == 7


def test_a_bundle_with_an_entry_too_many_names_the_place_behind_the_last(log: Path) -> None:
    """All that are due are there, and one more."""
    file = log / "tile/entries/000"
    file.write_bytes(file.read_bytes() + b"\x00\x01x")

    assert first_of(log).index == 256


@pytest.mark.parametrize("size", [7 * 32, 7 * 32 + 5])
def test_a_tile_that_was_cut_names_the_first_hash_that_is_gone(size: int, log: Path) -> None:
    """Whole hashes that are left are compared."""
    file = log / "tile/0/000"
    file.write_bytes(file.read_bytes()[:size])

    assert first_of(log).index == 7


# --- said once --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["published", "database"])
def test_an_entry_is_named_once_in_a_line(kind: str, log: Path, tmp_path: Path) -> None:
    """`entry 7 (…): Entry 7: …` says it twice."""
    if kind == "published":
        bend(log / "tile/entries/000", start_of(7) + 300)
        place = log
    else:
        bad = [*small()[:7], small()[7].replace(b'"accepted"', b'"acc pted"'), *small()[8:]]
        place = written(tmp_path / "stepcare.db", bad)

    said = [line for line in lines(checked(place)) if "entry 7" in line]

    assert said
    assert all(line.lower().count("entry 7") == 1 for line in said)
