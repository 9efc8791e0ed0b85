"""Whatever bytes come: a reader either reads them or says one of the four words. Nothing else ever comes out."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepcare.verifier.bundle import check_bundle
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.entries import read_entry
from stepcare.verifier.given import keys_in
from stepcare.verifier.kept import Trust
from stepcare.verifier.note import Key, Note
from stepcare.verifier.outcome import NotVerified
from stepcare.verifier.plain import base64_of, from_base64, from_number
from stepcare.verifier.policy import Policy
from stepcare.verifier.proof import Proof
from stepcare.verifier.tiles import entries_in
from stepcare.verifier.tree import verify_consistency, verify_inclusion
from tests.verifier.logs import PEN, WITNESSES, checked, checkpoint, entries, inclusion, leaf, publish, small

LOG = entries(9)
PROOF = Proof(index=4, hashes=tuple(inclusion(4, list(map(leaf, LOG)))), checkpoint=checkpoint(LOG)).bytes()
POLICY = f"log {PEN.key}\nwitness a {WITNESSES[0].key}\ngroup g any a\nquorum g\n".encode()


def read_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Make a reader of text one of bytes."""
    return lambda data: read(data.decode("utf-8", "replace"))


READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "note": (Note.parse, checkpoint(LOG, PEN, *WITNESSES)),
    "checkpoint": (read_text(Checkpoint.parse), checkpoint(LOG).split(b"\n\n", maxsplit=1)[0] + b"\n"),
    "key": (read_text(Key.parse), str(PEN.key).encode()),
    "keys": (keys_in, f"{PEN.key}\n{WITNESSES[0].key}\n".encode()),
    "proof": (Proof.parse, PROOF),
    "policy": (Policy.parse, POLICY),
    "entry": (read_entry, LOG[-1]),
    "bundle": (entries_in, b"\0\1x\0\0\0\2yz"),
}


def mutated(base: bytes) -> st.SearchStrategy[bytes]:
    """Give anything, or something near what is right."""
    place = st.integers(0, len(base))
    return st.binary(max_size=300) | st.builds(
        lambda at, put, taken: base[:at] + put + base[at + taken :], place, st.binary(max_size=8), st.integers(0, 40)
    )


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_readers_read_or_refuse(name: str, data: st.DataObject) -> None:
    """Random bytes and damaged ones, for each reader."""
    read, base = READERS[name]
    try:
        read(data.draw(mutated(base)))
    except NotVerified as error:
        assert str(error)  # noqa: PT017 - any of the three


@given(
    st.integers(-5, 2**70),
    st.integers(-5, 2**70),
    st.lists(st.binary(max_size=33), max_size=70),
    st.binary(max_size=33),
)
def test_proofs_of_any_shape_are_judged(first: int, second: int, proof: list[bytes], root: bytes) -> None:
    """Any sizes, any hashes."""
    with suppress(NotVerified):
        verify_inclusion(first, second, bytes(32), proof, root)
    with suppress(NotVerified):
        verify_consistency(first, second, proof, bytes(32), root)


@given(st.text(max_size=60))
def test_base64_and_numbers_have_one_spelling(text: str) -> None:
    """What is read is written again alike."""
    data, number = from_base64(text), from_number(text)

    assert data is None or base64_of(data) == text
    assert number is None or str(number) == text


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_folder_makes_it_fall_over(data: st.DataObject) -> None:
    """Files of a published log damaged, emptied, taken away or made folders: an answer comes."""
    files = ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
    with TemporaryDirectory() as folder:
        log = publish(Path(folder), small()[:300])
        for name in data.draw(st.lists(st.sampled_from(files), unique=True, min_size=1)):
            whole = (log / name).read_bytes()
            (log / name).unlink()
            match data.draw(st.sampled_from(["gone", "folder", "damaged"])):
                case "folder":
                    (log / name).mkdir()
                case "damaged":
                    (log / name).write_bytes(data.draw(mutated(whole)))

        assert checked(log).outcome.exit in (0, 3, 6, 7)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bundle_makes_it_fall_over(tmp_path: Path, data: st.DataObject) -> None:
    """Files of a bundle damaged or taken away: an answer comes."""
    given_files = {
        "entry.json": LOG[4],
        "proof": PROOF,
        "vkey": f"{PEN.key}\n".encode(),
        "policy": POLICY,
        "episode.json": b'{"episode":"e","entries":[],"census":null}',
        "pathway.json": b"{}",
    }
    for name, base in given_files.items():
        (tmp_path / name).unlink(missing_ok=True)
        if data.draw(st.booleans()):
            (tmp_path / name).write_bytes(data.draw(mutated(base)))

    report, _ = check_bundle(tmp_path, Trust())

    assert report.outcome.exit in (0, 3, 6, 7)
