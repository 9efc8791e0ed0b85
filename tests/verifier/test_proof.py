from collections.abc import Iterator

import pytest

from stepcare.verifier.outcome import NotVerified, Tampered, Unverifiable
from stepcare.verifier.policy import Policy
from stepcare.verifier.proof import Proof, check
from tests.verifier.logs import OTHER, PEN, WITNESSES, checkpoint, entries, inclusion, leaf

DASH = "\N{EM DASH}".encode()
SIZES = (1, 2, 3, 7, 8, 21)


def proof_of(index: int, size: int, *, extra: bytes | None = None) -> tuple[bytes, Proof]:
    """Give an entry and its honest proof."""
    log = entries(size)
    hashes = tuple(inclusion(index, list(map(leaf, log))))
    return log[index], Proof(index=index, hashes=hashes, checkpoint=checkpoint(log), extra=extra)


def test_every_entry_is_proved_and_the_proof_is_written_as_it_is_read() -> None:
    """All entries of some logs, with and without the extra line."""
    for size in SIZES:
        for index in range(size):
            for extra in (None, b"", b"whatever"):
                entry, proof = proof_of(index, size, extra=extra)
                again = Proof.parse(proof.bytes())

                assert again == proof
                assert check(again, entry, [PEN.key]).size == size


def test_the_specifications_layout_is_the_one_written() -> None:
    """Header, extra, index, a hash a line, an empty line, the checkpoint as it came."""
    _, proof = proof_of(2, 3, extra=b"x")

    head, note = proof.bytes().split(b"\n\n", 1)

    assert head.split(b"\n")[:3] == [b"c2sp.org/tlog-proof@v1", b"extra eA==", b"index 2"]
    assert note == proof.checkpoint


# --- our own wrong proofs -------------------------------------------------------------------------------------------


def wrong_bytes(data: bytes) -> Iterator[bytes]:
    """Give a proof with every single bit flipped, and with something before, behind, missing or twice."""
    for at in range(len(data)):
        for bit in range(8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    lines = data.split(b"\n")
    for at in range(len(lines)):
        yield b"\n".join(lines[:at] + lines[at + 1 :])
        if not lines[at].startswith(DASH):  # a signature that stands there twice is one, and holds
            yield b"\n".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])
    yield from (data[:at] for at in range(len(data)))
    yield from (b"\n" + data, b"x" + data, data + b"x", data + b"\n", data.replace(b"\n", b"\r\n"), data + data)


def test_no_damaged_proof_holds() -> None:
    """Every bit of a proof flipped, lines taken out or doubled, cut anywhere, garbage before and behind: none holds."""
    entry, proof = proof_of(5, 21)
    data = proof.bytes()
    count = 0

    for wrong in wrong_bytes(data):
        try:
            check(Proof.parse(wrong), entry, [PEN.key])
        except NotVerified:
            count += 1
        else:
            pytest.fail(f"accepted {wrong!r}")

    assert count > 8 * len(data)


def test_no_proof_holds_for_another_entry_place_or_size() -> None:
    """Index one more or less, hashes taken out, doubled or swapped, another entry: none holds."""
    for size in SIZES:
        for index in range(size):
            entry, proof = proof_of(index, size)
            for wrong in wrong_proofs(proof):
                with pytest.raises(NotVerified):
                    check(wrong, entry, [PEN.key])
            with pytest.raises(Tampered):
                check(proof, entry + b" ", [PEN.key])


def wrong_proofs(proof: Proof) -> Iterator[Proof]:
    """Give the proof with one thing changed."""
    hashes, note = proof.hashes, proof.checkpoint
    for index in (proof.index + 1, proof.index - 1, proof.index ^ 1, proof.index + 2**20, 2**63 - 1):
        yield Proof(index=index, hashes=hashes, checkpoint=note)
    yield Proof(index=proof.index, hashes=(*hashes, bytes(32)), checkpoint=note)
    yield Proof(index=proof.index, hashes=(bytes(32), *hashes), checkpoint=note)
    for at in range(len(hashes)):
        yield Proof(index=proof.index, hashes=hashes[:at] + hashes[at + 1 :], checkpoint=note)
        yield Proof(index=proof.index, hashes=(*hashes[: at + 1], *hashes[at:]), checkpoint=note)
    if len(set(hashes)) > 1:
        yield Proof(index=proof.index, hashes=hashes[::-1], checkpoint=note)
    for size in (len(note), 1):
        yield Proof(index=proof.index, hashes=hashes, checkpoint=checkpoint(entries(size + 30)))


def test_a_proof_needs_the_logs_own_key() -> None:
    """Without it, or signed by somebody else, it can be neither confirmed nor denied."""
    entry, proof = proof_of(0, 2)

    for keys in ((), (OTHER.key,), (WITNESSES[0].key,)):
        with pytest.raises(Unverifiable, match="None of the keys"):
            check(proof, entry, keys)


def test_a_policys_witnesses_are_asked_for() -> None:
    """A checkpoint that too few witnesses signed is not enough, though its log signed it."""
    log = entries(2)
    policy = Policy.parse(f"witness w {WITNESSES[0].key}\nquorum w\n".encode())
    hashes = tuple(inclusion(0, list(map(leaf, log))))
    witnessed = Proof(index=0, hashes=hashes, checkpoint=checkpoint(log, PEN, WITNESSES[0]))
    alone = Proof(index=0, hashes=hashes, checkpoint=checkpoint(log))

    assert check(witnessed, log[0], [PEN.key], policy).size == 2
    with pytest.raises(Unverifiable, match="Too few"):
        check(alone, log[0], [PEN.key], policy)


def test_another_version_of_proofs_is_not_tampering() -> None:
    """What a later version writes cannot be judged by this one."""
    _, proof = proof_of(0, 1)

    with pytest.raises(Unverifiable, match="newer"):
        Proof.parse(proof.bytes().replace(b"@v1", b"@v2"))
