"""What we publish, read by somebody else's program: golang.org/x/mod/sumdb, which has the Go module log behind it.

It recomputes the hash of every entry, every tile, the root, and that each kept checkpoint is a beginning of the log.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.foreign.conftest import Foreign
from tests.foreign.published import PEN, VKEY, Shelf, an_entry, entries, shelf
from tests.witness.logs import NOW, ORIGIN, Pen, a_witness

BORDERS = (255, 256, 257)
LARGE = (65_535, 65_536, 65_537, 70_000)


def test_every_size_to_600_is_accepted_with_and_without_a_kept_checkpoint(xmod: Foreign, tmp_path: Path) -> None:
    """Nought to six hundred entries, one by one; each also against the checkpoints of four earlier sizes."""
    log, asked = Shelf(), []
    for size in range(601):
        folder = log.put(tmp_path / str(size), tmp_path / str(size - 1))
        kept = sorted({one for one in (1, size // 2, size - 1, size) if 0 < one <= size})
        asked += [(folder,), (folder, *(tmp_path / str(one) / "checkpoint" for one in kept))]
        log.add([an_entry(size)])

    answers = xmod.check(VKEY, asked)

    assert answers == [f"ok {size}" for size in range(601) for _ in range(2)]


def test_every_earlier_checkpoint_may_be_kept(xmod: Foreign, tmp_path: Path) -> None:
    """Somebody has kept all six hundred: the log continues each of them."""
    log, kept = Shelf(), []
    for size in range(600):
        log.add([an_entry(size)])
        path = tmp_path / f"kept-{size + 1}"
        path.write_bytes(log.note().bytes())
        kept.append(path)

    assert xmod.one(VKEY, log.put(tmp_path / "log"), *kept) == "ok 600"


def test_sizes_around_the_tiles_borders_are_accepted(xmod: Foreign, tmp_path: Path) -> None:
    """One tile and one entry more or less; 256 tiles and one more or less, which begins a third level."""
    log, before, asked = Shelf(), 0, []
    for size in (*BORDERS, *LARGE):
        log.add(an_entry(number) for number in range(before, size))
        folder = log.put(tmp_path / str(size), tmp_path / str(before))
        asked += [(folder,), (folder, *((tmp_path / str(before) / "checkpoint",) if before else ()))]
        before = size

    answers = xmod.check(VKEY, asked)

    assert answers == [f"ok {size}" for size in (*BORDERS, *LARGE) for _ in range(2)]


def test_entries_of_any_length_are_accepted(xmod: Foreign, tmp_path: Path) -> None:
    """Nothing, one byte, and the longest a bundle can say."""
    log = shelf([b"", b"x", bytes(65_535), b"\n", "ü".encode()])

    assert xmod.one(VKEY, log.put(tmp_path / "log")) == "ok 5"


def test_cosignatures_are_passed_over(xmod: Foreign, tmp_path: Path) -> None:
    """A cosigned checkpoint is a checkpoint: lines of keys nobody asked about mean nothing."""
    folder = shelf(entries(9)).put(tmp_path / "log")
    checkpoint = folder / "checkpoint"
    text = checkpoint.read_text().partition("\n\n")[0] + "\n"
    checkpoint.write_bytes(checkpoint.read_bytes() + a_witness("w1").sign(text, NOW).line().encode())

    assert xmod.one(VKEY, folder) == "ok 9"


# --- what was tampered with ---------------------------------------------------------------------------------------

Act = Callable[[Path], None]


def written(name: str, change: Callable[[bytes], bytes]) -> Act:
    """Change one file."""

    def act(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return act


def flipped(at: int) -> Callable[[bytes], bytes]:
    """Change one bit."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def rewritten(log: Callable[[], Shelf]) -> Act:
    """Put another log in the place of the first."""

    def act(folder: Path) -> None:
        shutil.rmtree(folder)
        log().put(folder)

    return act


def without_key(log: Shelf) -> Act:
    """Put another log there under the old checkpoint: whoever has no key cannot do better."""

    def act(folder: Path) -> None:
        checkpoint = (folder / "checkpoint").read_bytes()
        rewritten(lambda: log)(folder)
        (folder / "checkpoint").write_bytes(checkpoint)

    return act


ALL = entries(600)
OTHER = [*ALL[:120], b"another decision", *ALL[121:]]
TAMPERED: dict[str, Act] = {
    "a bit of an entry": written("tile/entries/000", flipped(700)),
    "a bit of the last entry": written("tile/entries/002.p/88", flipped(-2)),
    "a length in a bundle": written("tile/entries/001", flipped(1)),
    "an entry cut": written("tile/entries/002.p/88", lambda data: data[:-1]),
    "an entry more": written("tile/entries/002.p/88", lambda data: data + b"\x00\x01x"),
    "a bit of a tile of leaves": written("tile/0/001", flipped(31)),
    "a bit of a partial tile": written("tile/0/002.p/88", flipped(0)),
    "a bit of a tile above": written("tile/1/000.p/2", flipped(40)),
    "a tile cut": written("tile/0/001", lambda data: data[:-32]),
    "a tile too long": written("tile/0/001", lambda data: data + bytes(32)),
    "a tile gone": lambda folder: (folder / "tile/0/000").unlink(),
    "a bundle gone": lambda folder: (folder / "tile/entries/001").unlink(),
    "two bundles exchanged": lambda folder: exchanged(folder, "tile/entries/000", "tile/entries/001"),
    "the root in the checkpoint": written("checkpoint", flipped(len(ORIGIN) + 10)),
    "the size in the checkpoint": written("checkpoint", lambda data: data.replace(b"\n600\n", b"\n599\n")),
    "the signature": written("checkpoint", flipped(-10)),
    "no signature": written("checkpoint", lambda data: data.partition(b"\n\n")[0] + b"\n\n"),
    "everything rewritten, without the key": without_key(shelf(OTHER)),
    "signed by another key of that name": rewritten(lambda: shelf(ALL, Pen.of(ORIGIN, seed=2))),
    "another log, properly signed": rewritten(lambda: shelf(ALL, Pen.of("other.example/log"))),
}


def exchanged(folder: Path, one: str, other: str) -> None:
    """Exchange two files."""
    first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
    (folder / one).write_bytes(second)
    (folder / other).write_bytes(first)


@pytest.mark.parametrize("act", TAMPERED.values(), ids=TAMPERED.keys())
def test_whoever_has_no_key_is_caught(xmod: Foreign, tmp_path: Path, act: Act) -> None:
    """Nothing kept is needed for that: the checkpoint in the folder is enough."""
    folder = shelf(ALL).put(tmp_path / "log")
    assert xmod.one(VKEY, folder) == "ok 600"

    act(folder)

    assert xmod.one(VKEY, folder).startswith("BAD ")


# With the log's own key everything can be signed anew. Who is caught (True) by nobody's memory, by a checkpoint kept at
# 300, by one kept at 600.
WITH_KEY: dict[str, tuple[list[bytes], tuple[bool, bool, bool]]] = {
    "an entry rewritten": (OTHER, (False, True, True)),
    "an entry removed": ([*ALL[:120], *ALL[121:]], (False, True, True)),
    "two entries exchanged": ([*ALL[:120], ALL[121], ALL[120], *ALL[122:]], (False, True, True)),
    "an entry slipped in": ([*ALL[:120], b"slipped in", *ALL[120:]], (False, True, True)),
    "an entry rewritten after 300": ([*ALL[:400], b"another", *ALL[401:]], (False, False, True)),
    "the tail cut": (ALL[:500], (False, False, True)),
    "an old view shown again": (ALL[:300], (False, False, True)),
    "nothing but growth": ([*ALL, b"one more"], (False, False, False)),
}


@pytest.mark.parametrize(("history", "caught"), WITH_KEY.values(), ids=WITH_KEY.keys())
def test_whoever_has_the_key_is_caught_by_what_was_kept(
    xmod: Foreign, tmp_path: Path, history: list[bytes], caught: tuple[bool, bool, bool]
) -> None:
    """A log alone, signed by its own key, proves nothing against its operator; a kept checkpoint does."""
    for size in (300, 600):
        (tmp_path / f"kept-{size}").write_bytes(shelf(ALL[:size]).note().bytes())
    folder = shelf(history).put(tmp_path / "log")

    answers = xmod.check(VKEY, [(folder,), (folder, tmp_path / "kept-300"), (folder, tmp_path / "kept-600")])

    assert tuple(one.startswith("BAD ") for one in answers) == caught


def test_a_kept_checkpoint_of_a_fork_is_caught(xmod: Foreign, tmp_path: Path) -> None:
    """Two histories under one key: whoever kept a checkpoint of the other holds the proof."""
    (tmp_path / "kept").write_bytes(shelf(OTHER).note().bytes())

    assert xmod.one(VKEY, shelf(ALL).put(tmp_path / "log"), tmp_path / "kept").startswith("BAD ")


def test_a_kept_checkpoint_that_nobody_signed_is_refused(xmod: Foreign, tmp_path: Path) -> None:
    """What was kept must itself be by the log's key, or it would be an accusation out of thin air."""
    folder = shelf(ALL).put(tmp_path / "log")
    forger = Pen.of(ORIGIN, seed=2)
    (tmp_path / "kept").write_bytes(shelf(ALL[:300], forger).note().bytes())

    assert xmod.one(VKEY, folder, tmp_path / "kept").startswith("BAD ")


# --- every byte ---------------------------------------------------------------------------------------------------


def bytes_missed(xmod: Foreign, folder: Path, name: str, step: int) -> tuple[int, list[str]]:
    """Have a bit of every `step`-th byte of a file flipped, one at a time; gives how many, and those missed."""
    size = (folder / name).stat().st_size
    count, missed = xmod.flips(VKEY, folder, name, min(step // 2, size - 1), step)
    return count, [f"{name}:{at}" for at in missed]


def test_a_flip_anywhere_is_caught(xmod: Foreign, tmp_path: Path) -> None:
    """A sample over all files of a log of 600 entries; the long tests take every byte."""
    folder = shelf(ALL).put(tmp_path / "log")
    assert xmod.one(VKEY, folder) == "ok 600"

    looked = [bytes_missed(xmod, folder, name, 151) for name, _ in shelf(ALL).files()]

    assert (sum(count for count, _ in looked) > 500, [one for _, missed in looked for one in missed]) == (True, [])


def test_a_flip_is_made_where_it_is_asked_for(xmod: Foreign, tmp_path: Path) -> None:
    """What is asked for in memory is what a file on the disk would say: a byte behind the signature goes unseen in both."""
    folder = shelf(ALL[:3]).put(tmp_path / "log")
    checkpoint = folder / "checkpoint"
    whole = checkpoint.read_bytes()
    stranger = a_witness("w1").sign(whole.decode().partition("\n\n")[0] + "\n", NOW).line().encode()
    both = whole + stranger
    checkpoint.write_bytes(both)
    changed = {at: both[:at] + bytes([both[at] ^ (1 << at % 8)]) + both[at + 1 :] for at in range(len(both))}
    # Of a signature that nobody asked about: a letter of it that becomes another letter.
    inside = next(at for at in range(len(both) - 40, len(both)) if chr(changed[at][at]).isalnum())

    count, missed = xmod.flips(VKEY, folder, "checkpoint", inside, 1000)
    checkpoint.write_bytes(changed[inside])

    assert (count, missed) == (1, [inside])
    assert xmod.one(VKEY, folder) == "ok 3"


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, _ in shelf(ALL).files()])
def test_a_flip_of_any_byte_is_caught(xmod: Foreign, tmp_path: Path, name: str) -> None:
    """Every byte of every file: none is without meaning."""
    folder = shelf(ALL).put(tmp_path / "log")

    count, missed = bytes_missed(xmod, folder, name, 1)

    assert (count, missed) == ((folder / name).stat().st_size, [])


def test_the_key_is_the_one_that_was_given(xmod: Foreign, tmp_path: Path) -> None:
    """The same log under the key of a witness or of somebody else is not verified."""
    folder = shelf(entries(3)).put(tmp_path / "log")

    assert xmod.one(str(Pen.of(ORIGIN, seed=2).key), folder).startswith("BAD ")
    assert xmod.one(str(PEN.key), folder) == "ok 3"
