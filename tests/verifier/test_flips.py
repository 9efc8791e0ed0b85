"""No byte of a published log can be changed without being seen."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepcare.verifier import report as reports
from stepcare.verifier.outcome import Outcome
from tests.verifier.logs import checked, checkpoint, publish, small

SEEN = (Outcome.TAMPERED, Outcome.UNVERIFIABLE)
ALONE = 300  # bytes of the sample that are flipped one at a time; in each of ROUNDS every entry has one flipped
ROUNDS = 3


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a published log of 600 entries, with what an earlier checkpoint needed, and what witnesses last saw."""
    folder = publish(tmp_path / "log", small(), older=(5,))
    (folder / "witnessed").write_bytes(checkpoint(small()[:300]))
    return folder


def test_a_sample_of_bytes(log: Path) -> None:
    """Some two thousand bytes of all files: each flip is seen, and a flip in an entry is seen as that entry's."""
    chance = random.Random(4)  # noqa: S311 - a sample
    places = [(file, at) for file in files(log) for at in range(file.stat().st_size)]
    for file, at in chance.sample(places, ALONE):
        flip_is_seen(log, file, at, chance.randrange(8))
    for _ in range(ROUNDS):
        every_entry_is_seen(log, chance.randrange(600), chance)


@pytest.mark.long
def test_every_byte(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of every file. Those within entries are flipped in all entries at once, and each must be named."""
    chance = random.Random(5)  # noqa: S311 - which bit
    for file in files(log):
        inside = within(file) if "entries" in file.parts and file.suffix == "" else frozenset()
        for at in range(file.stat().st_size):
            if at not in inside:
                flip_is_seen(log, file, at, chance.randrange(8))
    for offset in range(max(map(len, small()))):
        every_entry_is_seen(log, offset, chance)


def files(log: Path) -> list[Path]:
    """Give every file of a log."""
    return sorted(path for path in log.rglob("*") if path.is_file())


def flip_is_seen(log: Path, file: Path, at: int, bit: int) -> None:
    """Flip one bit, look, and put it back."""
    data = file.read_bytes()
    file.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    outcome = checked(log).outcome
    file.write_bytes(data)

    assert outcome in SEEN, (file.relative_to(log), at, bit)


def spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Give where each entry of a bundle lies."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        yield at + 2, end
        at = end


def within(file: Path) -> frozenset[int]:
    """Give the bytes of a bundle that belong to entries, not to their lengths."""
    return frozenset(at for start, end in spans(file.read_bytes()) for at in range(start, end))


def every_entry_is_seen(log: Path, offset: int, chance: random.Random) -> None:
    """Flip the byte at this offset (counted round and round) in every entry: each of them must be named."""
    kept: dict[Path, bytes] = {}
    for file in files(log):
        if "entries" in file.parts and (file.suffix == "" or file.parent.name == "002.p"):
            kept[file] = file.read_bytes()
            data = bytearray(kept[file])
            for start, end in spans(kept[file]):
                data[start + offset % (end - start)] ^= 1 << chance.randrange(8)
            file.write_bytes(data)
    most, reports.MOST = reports.MOST, 10_000
    found = checked(log)
    reports.MOST = most
    for file, whole in kept.items():
        file.write_bytes(whole)

    named = {one.index for one in found.findings if "do not have the hash" in one.reason}
    assert named == set(range(600))
    assert found.outcome is Outcome.TAMPERED
