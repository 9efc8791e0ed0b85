"""Witnesses and the sealer: they are asked for each checkpoint, and whatever they do, it is published."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stepcare.publish.seal import Prove, unwitnessed
from stepcare.publish.witnessed import witnessing
from stepcare.verifier.note import COSIGNATURE, Key, Note, Signature, signed_text, verified_by
from tests.publish.logs import Memory, made, sealer

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS = Key.of("witness.example", COSIGNATURE, SECRET.public_key().public_bytes_raw())


def cosigned(note: Note, _: Prove) -> Note:
    """Cosign, as a witness would."""
    seconds = int(NOW.timestamp())
    data = seconds.to_bytes(8, "big") + SECRET.sign(signed_text(COSIGNATURE, note.text, seconds))
    line = Signature(name=WITNESS.name, id=WITNESS.id, data=data)
    return Note(text=note.text, signatures=(*note.signatures, line))


@pytest.mark.parametrize(
    "policy",
    [
        f"witness w {WITNESS} http://127.0.0.1:1\nquorum w\n".encode(),
        b"quorum nobody-knows\n",
        b"\xff\xfe",
        b"",
    ],
    ids=["unreachable", "mistyped", "no text", "empty"],
)
def test_no_witness_and_no_policy_stops_a_seal(tmp_path: Path, policy: bytes) -> None:
    """A witness that is away, or a policy that cannot be read, costs the cosignature and nothing else."""
    one = sealer(Memory(made(3)), tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/policy").write_bytes(policy)
    one.witnessing = witnessing(tmp_path / "own", lambda: NOW)

    sealed = one.seal()

    assert sealed.note is not None
    assert Note.parse((tmp_path / "published/checkpoint").read_bytes()) == sealed.note
    assert len(sealed.note.signatures) == 1


def test_a_cosignature_stays_while_its_witness_is_away(tmp_path: Path) -> None:
    """The heartbeat finds the witness gone: the checkpoint it has cosigned does not lose that."""
    one = sealer(Memory(made(3)), tmp_path)
    one.witnessing = cosigned
    one.seal()
    one.witnessing = unwitnessed
    one.renew()
    note = Note.parse((tmp_path / "published/checkpoint").read_bytes())

    assert [seen.time for seen in verified_by(note, [WITNESS])] == [int(NOW.timestamp())]


def test_a_witness_gets_the_proof_it_asks_for(tmp_path: Path) -> None:
    """What is new is on the disk before a witness is asked, so that its proof can be made from the published tiles."""
    memory = Memory(made(300))
    one = sealer(memory, tmp_path)
    proofs: list[int] = []

    def ask(note: Note, prove: Prove) -> Note:
        proofs.append(len(prove(200, int(note.text.split("\n")[1]))))
        return note

    one.witnessing = ask
    one.seal()
    memory.add(made(600)[300:])
    one.seal()

    assert len(proofs) == 2
    assert all(proofs)
