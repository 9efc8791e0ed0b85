"""A sealer killed anywhere: the next one finishes, and no two checkpoints of one log ever contradict each other."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stepcare.publish.prove import consistency
from stepcare.publish.seal import STEPS
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note, verified_by
from stepcare.verifier.tree import verify_consistency
from tests.publish.logs import ORIGIN, SEED, Memory, expected, files, leaf, made, mth, sealer

ROOT = Path(__file__).resolve().parents[2]
BEFORE, KILLED, AFTER = 250, 600, 610
KEY = PrivateKey.of(ORIGIN, SEED).key
# Sealing 350 entries over two full tiles puts four whole and three partial files, and writes two more aside.
FILES = [("file", nth) for nth in range(1, 8)]
ASIDE = [("aside", nth) for nth in range(1, 10)]


def checkpoints(place: Path) -> list[Checkpoint]:
    """Give every checkpoint there is, signed or published; each must be truly signed and that of the log."""
    found = []
    for path in (place / "own/signed", place / "published/checkpoint"):
        if path.exists():
            note = Note.parse(path.read_bytes())
            assert verified_by(note, [KEY])
            found.append(Checkpoint.parse(note.text))
    return found


Kill = Callable[[Path, str, int], None]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    """Give what seals a log in a process of its own and kills that process somewhere on its way."""
    command = [sys.executable, "-m", "tests.publish.killed"]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        to, back = server.stdin, server.stdout

        def kill(place: Path, where: str, nth: int) -> None:
            to.write(f"{place} {KILLED} {where} {nth}\n")
            to.flush()
            assert int(back.readline()) == -signal.SIGKILL

        yield kill
        to.close()


@pytest.mark.parametrize(("where", "nth"), [*((step, 1) for step in STEPS), *FILES, *ASIDE])
@pytest.mark.parametrize("before", [0, BEFORE])
def test_a_killed_sealer_leaves_one_history(kill: Kill, tmp_path: Path, before: int, where: str, nth: int) -> None:
    """Killed after any step or file, first seal or later: what is published is whole, and the next sealer finishes."""
    if before:
        sealer(Memory(made(before)), tmp_path).seal()
    kill(tmp_path, where, nth)
    seen = checkpoints(tmp_path)
    for one in seen:
        assert one.root == mth([leaf(entry) for entry in made(one.size)])
        if one.size in (before, KILLED) and (tmp_path / "published/checkpoint").exists():
            whole = {name: data for name, data in expected(made(one.size)).items() if ".p/" not in name}
            assert whole.items() <= files(tmp_path / "published").items()

    again = sealer(Memory(made(AFTER)), tmp_path)
    sealed = again.seal()

    assert sealed.size == AFTER
    assert expected(made(AFTER)).items() <= files(tmp_path / "published").items()
    assert not [one for level in ("0", "entries") for one in (tmp_path / "published/tile" / level).glob("00[01].p")]
    last = checkpoints(tmp_path)[-1]
    for one in seen:
        proof = consistency(again.folder.tile, one.size, last.size)
        verify_consistency(one.size, last.size, proof, one.root, last.root)


def test_what_was_signed_is_published_even_if_nothing_more_happens(kill: Kill, tmp_path: Path) -> None:
    """Killed after signing and before publishing, with no further decision: the next sealer publishes just that."""
    kill(tmp_path, "recorded", 1)
    assert not (tmp_path / "published/checkpoint").exists()

    assert sealer(Memory(made(KILLED)), tmp_path).seal().new == 0
    assert (tmp_path / "published/checkpoint").read_bytes() == (tmp_path / "own/signed").read_bytes()
