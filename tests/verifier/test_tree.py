import json
import os
from base64 import b64decode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from engine.merkle import Frontier
from stepcare.verifier.outcome import Tampered
from stepcare.verifier.tree import leaf_hash, node_hash, root_of, verify_consistency, verify_inclusion

SIZES = 40
VECTORS = Path(os.environ.get("STEPCARE_VECTORS") or Path(__file__).parents[3] / "shared" / "vectors") / "merkle"
CASES = 98
# Where the shared vectors and this tree disagree on purpose, and why.
EXCEPTIONS = {
    "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json": "its roots are not hashes of 32 bytes",
}


def leaves(size: int) -> list[bytes]:
    """Make the leaf hashes of a small log."""
    return [leaf_hash(f"entry {number}".encode()) for number in range(size)]


# --- the definitions of RFC 9162, written as they stand there: the oracle --------------------------------------------


def split(size: int) -> int:
    """Give the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def tree(of: Sequence[bytes]) -> bytes:
    """Give the root by the recursive definition."""
    if not of:
        return sha256(b"").digest()
    if len(of) == 1:
        return of[0]
    middle = split(len(of))
    return node_hash(tree(of[:middle]), tree(of[middle:]))


def inclusion(index: int, of: Sequence[bytes]) -> list[bytes]:
    """Give the inclusion proof by the recursive definition."""
    if len(of) == 1:
        return []
    middle = split(len(of))
    if index < middle:
        return [*inclusion(index, of[:middle]), tree(of[middle:])]
    return [*inclusion(index - middle, of[middle:]), tree(of[:middle])]


def consistency(old: int, of: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Give the consistency proof by the recursive definition."""
    if old == len(of):
        return [] if whole else [tree(of)]
    middle = split(len(of))
    if old <= middle:
        return [*consistency(old, of[:middle], whole=whole), tree(of[middle:])]
    return [*consistency(old - middle, of[middle:], whole=False), tree(of[:middle])]


# --- roots --------------------------------------------------------------------------------------------------------


def test_leaves_and_nodes_cannot_be_confused() -> None:
    """RFC 6962: a leaf begins with 0x00, a node with 0x01, so that no entry passes for two hashes."""
    assert leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()


def test_the_root_is_the_definitions_and_the_engines() -> None:
    """At every size the verifier, the definition and the engine, three codes of their own, give the same root."""
    for size in range(SIZES + 1):
        assert root_of(leaves(size)) == tree(leaves(size)) == Frontier().extend(leaves(size)).root()


# --- proofs -------------------------------------------------------------------------------------------------------


def test_every_entry_is_proved_and_at_its_own_place_only() -> None:
    """Sizes 1 to 40, every entry: the honest proof passes, and fails for another entry, place, size or root."""
    for size in range(1, SIZES + 1):
        of = leaves(size)
        root = tree(of)
        for index in range(size):
            proof = inclusion(index, of)

            verify_inclusion(index, size, of[index], proof, root)

            for wrong in wrong_inclusions(index, size, of[index], proof, root):
                with pytest.raises(Tampered):
                    verify_inclusion(*wrong)


Inclusion = tuple[int, int, bytes, list[bytes], bytes]


def wrong_inclusions(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> Iterator[Inclusion]:
    """Give the honest claim with one thing changed."""
    other = sha256(b"other").digest()
    yield index, size, other, proof, root
    yield index, size, leaf, proof, other
    yield index, size, leaf, [*proof, other], root
    yield index, size, leaf, [other, *proof], root
    yield index, size, leaf, proof, root[:31]
    yield -1, size, leaf, proof, root
    yield size, size, leaf, proof, root
    for position, part in enumerate(proof):
        yield index, size, leaf, [*proof[:position], *proof[position + 1 :]], root
        yield index, size, leaf, [*proof[:position], other, *proof[position + 1 :]], root
        yield index, size, leaf, [*proof[:position], part[:31], *proof[position + 1 :]], root
        yield index ^ 1 << position, size, leaf, proof, root


def test_a_log_that_grew_is_proved_and_a_rewritten_one_is_not() -> None:
    """Every pair of sizes up to 40: the honest proof passes, and fails with any part changed."""
    other = sha256(b"other").digest()
    for new in range(1, SIZES + 1):
        of = leaves(new)
        for old in range(1, new + 1):
            proof, roots = consistency(old, of), (tree(of[:old]), tree(of))

            verify_consistency(old, new, proof, *roots)

            wrong = [
                (old, new, proof, other, roots[1]),
                (old, new, proof, roots[0], other),
                (old, new, [*proof, other], *roots),
                (old, new, [other, *proof], *roots),
                (old, new, proof[:-1] if proof else [other], *roots),
                (new, old - 1, proof, *roots),
                (0, new, proof, *roots),
                (old, new, proof, roots[0][:31], roots[1]),
                *((old, new, [*proof[:i], other, *proof[i + 1 :]], *roots) for i in range(len(proof))),
            ]
            for claim in wrong:
                with pytest.raises(Tampered):
                    verify_consistency(*claim)


# --- vectors made by others ---------------------------------------------------------------------------------------


def vectors(kind: str) -> list[Path]:
    """Find the shared test vectors, or skip and say so."""
    found = sorted((VECTORS / kind).rglob("*.json"))
    if not found:
        pytest.skip(f"no shared Merkle vectors in {VECTORS}: set STEPCARE_VECTORS to the folder that has merkle/")
    return found


def expected_error(path: Path, case: dict[str, object]) -> bool:
    """Say whether a case must be refused, with our stated exceptions."""
    return bool(case["wantErr"]) or path.relative_to(VECTORS).as_posix() in EXCEPTIONS


def test_shared_inclusion_vectors() -> None:
    """98 cases of transparency-dev/merkle: 6 proofs that hold, and 92 that must not."""
    found = vectors("inclusion")
    for path in found:
        case = json.loads(path.read_text())
        leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
        proof = [b64decode(part) for part in case["proof"] or []]
        refused = False
        try:
            verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)
        except Tampered:
            refused = True

        assert refused is expected_error(path, case), path

    assert len(found) == CASES


def test_shared_consistency_vectors() -> None:
    """98 cases of transparency-dev/merkle, with one exception named above."""
    found = vectors("consistency")
    for path in found:
        case = json.loads(path.read_text())
        roots = b64decode(case["root1"]), b64decode(case["root2"])
        proof = [b64decode(part) for part in case["proof"] or []]
        refused = False
        try:
            verify_consistency(case["size1"], case["size2"], proof, *roots)
        except Tampered:
            refused = True

        assert refused is expected_error(path, case), path

    assert len(found) == CASES


def test_the_exceptions_are_cases_there_are() -> None:
    """An exception that no longer exists is taken off the list."""
    found = {path.relative_to(VECTORS).as_posix() for path in vectors("consistency")}

    assert set(EXCEPTIONS) <= found
