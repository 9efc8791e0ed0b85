"""What a sealer refuses: to sign behind what was published, what was not read back as it was written, two histories."""

from pathlib import Path

import pytest

from engine.errors import Conflict, VerificationFailed
from engine.merkle import Frontier
from stepcare.publish.durable import write_whole
from stepcare.publish.seal import Prove
from stepcare.publish.signer import FileSigner
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note
from tests.publish.logs import ORIGIN, Memory, files, leaf, made, sealer


def checkpoint(place: Path) -> bytes:
    """Read what is published."""
    return (place / "published/checkpoint").read_bytes()


@pytest.fixture
def sealed(tmp_path: Path) -> Memory:
    """Give a log of 300 entries, sealed."""
    memory = Memory(made(300))
    sealer(memory, tmp_path).seal()
    return memory


def test_an_empty_log_has_no_checkpoint(tmp_path: Path) -> None:
    """Before the first decision there is nothing to sign."""
    assert sealer(Memory([]), tmp_path).seal().note is None
    assert not (tmp_path / "published").exists()


def test_nothing_new_changes_nothing(sealed: Memory, tmp_path: Path) -> None:
    """Sealing again without a new entry leaves every byte."""
    before = checkpoint(tmp_path), files(tmp_path / "published")

    assert sealer(sealed, tmp_path).seal().new == 0
    assert (checkpoint(tmp_path), files(tmp_path / "published")) == before


def test_an_older_backup_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """A database restored from before the last checkpoint is refused, with what to do, and nothing is published."""
    before = checkpoint(tmp_path)

    with pytest.raises(Conflict, match=r"has 200 entries, 300 were signed.*older backup.*put the missing entries back"):
        sealer(Memory(sealed.entries[:200]), tmp_path).seal()
    assert checkpoint(tmp_path) == before


def test_an_older_backup_that_went_on_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """An older backup that has grown beyond the last checkpoint with other decisions is another history: refused."""
    other = Memory(sealed.entries[:200])
    other.add(made(200, "other"))

    with pytest.raises(VerificationFailed, match="first 300 entries of the database are not those that were signed"):
        sealer(other, tmp_path).seal()


def test_a_rewritten_log_of_the_same_length_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """All hashes made anew after a change to one old entry: the sealer has signed another tree, and says so."""
    with pytest.raises(VerificationFailed, match="another history"):
        sealer(Memory(made(300, "rewritten")), tmp_path).seal()


@pytest.mark.parametrize("end", [299, 1, 0])
def test_a_cut_tail_is_not_signed(sealed: Memory, tmp_path: Path, end: int) -> None:
    """The last entries gone: refused, whether one is missing or all are."""
    with pytest.raises(Conflict, match="its end was cut off"):
        sealer(Memory(sealed.entries[:end]), tmp_path).seal()


def test_a_changed_new_entry_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """An entry whose bytes changed between commit and seal is named, and no tile of it is written."""
    sealed.add(made(320)[300:])
    sealed.entries[310] = b"changed"
    before = files(tmp_path / "published")

    with pytest.raises(VerificationFailed, match="Entry 310 does not have the hash"):
        sealer(sealed, tmp_path).seal()
    assert files(tmp_path / "published") == before


def test_a_changed_new_entry_with_its_hash_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """Entry and hash column changed together no longer give the tree that was kept with the head."""
    sealed.add(made(320)[300:])
    sealed.entries[310] = b"changed"
    sealed.leaves[310] = leaf(b"changed")

    with pytest.raises(VerificationFailed, match="not the one kept with the log's head"):
        sealer(sealed, tmp_path).seal()


def test_a_changed_frontier_is_not_signed(sealed: Memory, tmp_path: Path) -> None:
    """A head whose tree is not that of its entries is refused."""
    sealed.frontier = Frontier(size=300, nodes=tuple(bytes(32) for _ in sealed.frontier.nodes))

    with pytest.raises(VerificationFailed, match="not the one kept with the log's head"):
        sealer(sealed, tmp_path).seal()


def test_a_file_that_differs_is_not_overwritten(sealed: Memory, tmp_path: Path) -> None:
    """A published file with other content than the database gives is kept, and the sealer stops."""
    sealed.add(made(600)[300:])
    tile = tmp_path / "published/tile/0/001"
    tile.write_bytes(b"other")

    with pytest.raises(VerificationFailed, match="published files never change"):
        sealer(sealed, tmp_path).seal()
    assert tile.read_bytes() == b"other"


def test_lost_tiles_are_made_again(sealed: Memory, tmp_path: Path) -> None:
    """The published folder is a copy: what is lost of it comes back from the database, byte for byte."""
    before = files(tmp_path / "published")
    for name in before:
        (tmp_path / "published" / name).unlink()
    sealed.add(made(301)[300:])
    sealer(sealed, tmp_path).seal()

    assert before.items() <= files(tmp_path / "published").items()


def test_a_sealer_that_lost_its_memory_is_refused(sealed: Memory, tmp_path: Path) -> None:
    """A published checkpoint that the sealer does not know of: its folder was lost; it may not begin again."""
    (tmp_path / "own/signed").unlink()

    with pytest.raises(Conflict, match=r"signed none.*copy its checkpoint"):
        sealer(sealed, tmp_path).seal()


def test_a_restored_sealer_is_refused(tmp_path: Path) -> None:
    """The sealer's own folder restored from a backup knows less than was published: refused."""
    memory = Memory(made(300))
    sealer(memory, tmp_path).seal()
    old = (tmp_path / "own/signed").read_bytes()
    memory.add(made(400)[300:])
    sealer(memory, tmp_path).seal()
    write_whole(tmp_path / "own/signed", old)

    with pytest.raises(Conflict, match="400 entries is published, this sealer has signed only 300"):
        sealer(memory, tmp_path).seal()


def test_another_logs_sealer_is_refused(sealed: Memory, tmp_path: Path) -> None:
    """A sealer's folder and key belong to one log: another database is refused by its name."""
    other = Memory(made(400), origin="elsewhere.example/log")

    with pytest.raises(Conflict, match=r"This sealer has signed for clinic.example/log"):
        sealer(other, tmp_path).seal()
    one = sealer(other, tmp_path / "other")
    one.signers = (FileSigner(PrivateKey.of(ORIGIN, bytes(32))),)
    with pytest.raises(Conflict, match=r"The key is that of clinic.example/log"):
        one.seal()


def test_only_one_sealer_works_at_a_time(sealed: Memory, tmp_path: Path) -> None:
    """While one sealer is at it, another is refused instead of signing beside it."""
    one = sealer(sealed, tmp_path)

    with one.guard.held(), pytest.raises(Conflict, match="Another sealer is at work"):
        sealer(sealed, tmp_path).seal()


def test_a_signature_is_noted_only_over_the_last(sealed: Memory, tmp_path: Path) -> None:
    """Compare and swap: whoever signed on another last checkpoint than the noted one is refused."""
    guard = sealer(sealed, tmp_path).guard
    last = guard.last()
    assert last is not None
    text = Checkpoint(origin=ORIGIN, size=301, root=bytes(32)).text()

    with pytest.raises(Conflict, match="was changed while a checkpoint was signed"):
        guard.swap(None, Note(text=text, signatures=last.note.signatures))


def test_the_heartbeat_publishes_the_same_text_anew(sealed: Memory, tmp_path: Path) -> None:
    """Without a new entry the hourly checkpoint says the same; witnesses are asked again, earlier cosignatures stay."""
    asked: list[str] = []
    one = sealer(sealed, tmp_path)

    def ask(note: Note, _: Prove) -> Note:
        asked.append(note.text)
        return note

    one.witnessing = ask
    before = checkpoint(tmp_path)

    assert one.renew().new == 0
    assert checkpoint(tmp_path) == before
    assert len(asked) == 1


def test_both_keys_sign_while_keys_change(sealed: Memory, tmp_path: Path) -> None:
    """With a former and a present key there are two lines under a checkpoint, the present one's first."""
    one = sealer(sealed, tmp_path)
    new = FileSigner(PrivateKey.of(ORIGIN, bytes(32)))
    one.signers = (new, *one.signers)
    one.renew()

    note = Note.parse(checkpoint(tmp_path))

    assert [line.id for line in note.signatures] == [signer.key.id for signer in one.signers]
