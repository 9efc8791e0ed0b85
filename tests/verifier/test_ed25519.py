"""Which signatures hold.

The rule in one sentence: a signature holds if RFC 8032's equation holds as it stands (without the cofactor), every
number and point is written in its one way, and the key is none of the small points.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from stepcare.verifier.note import ED25519, Key, Note, Signature, verified_by
from stepcare.verifier.outcome import NotVerified

VECTORS = Path(os.environ.get("STEPCARE_VECTORS") or Path(__file__).parents[3] / "shared" / "vectors") / "ed25519"
CASES = 914
# What a case may have and still hold. None of it lets anybody sign who does not have the key: R is the signer's own
# free choice, and a part of small order in A is put there by whoever makes the key.
HARMLESS = frozenset({"low_order_R", "low_order_component_R", "low_order_component_A"})


def holds(public: bytes, signature: bytes, message: str) -> bool:
    """Say whether a note with this text would count as signed."""
    try:
        key = Key.of("name", ED25519, public)
        note = Note(text=message, signatures=(Signature(name=key.name, id=key.id, data=signature),))
        return bool(verified_by(note, [key]))
    except NotVerified:
        return False


def cases() -> list[dict[str, Any]]:
    """Give the vectors, or skip and say so."""
    file = VECTORS / "ed25519vectors.json"
    if not file.exists():
        pytest.skip(f"no shared Ed25519 vectors in {VECTORS}: set STEPCARE_VECTORS to the folder that has ed25519/")
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def test_shared_vectors_hold_exactly_when_nothing_is_odd_about_them() -> None:
    """914 cases of C2SP/CCTV: 86 hold, and those are the ones without any flag but the harmless three."""
    found = cases()
    held = 0
    for case in found:
        flags = set(case["flags"] or ())

        accepted = holds(bytes.fromhex(case["key"]), bytes.fromhex(case["sig"]), case["msg"])

        assert accepted is (flags <= HARMLESS), case
        held += accepted
    assert (len(found), held) == (CASES, 86)


@pytest.mark.parametrize(
    "text",
    [
        "00" * 32,
        "01" + "00" * 31,
        "01" + "00" * 30 + "80",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ],
)
def test_a_key_that_is_a_small_point_is_none(text: str) -> None:
    """Under such a key one signature fits many texts, so nobody can have signed anything with it."""
    with pytest.raises(NotVerified, match="no proper"):
        Key.of("name", ED25519, bytes.fromhex(text))
