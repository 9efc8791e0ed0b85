from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.audit import canonical
from engine.errors import InvalidInput, Unverifiable, VerificationFailed
from engine.model import Json
from storage.seal import DataKey, Place, open_sealed, seal

KEY = DataKey(id="k1", secret=bytes(range(32)))
PLACE = Place(origin="clinic.example/log", entry="0198c0de-0000-7000-8000-000000000001")
SECTIONS: dict[str, Json] = {
    "facts": {"nprs": {"score": "6"}, "größer": [True, None, 3]},
    "text": "worse at night",
}


def counted() -> Callable[[int], bytes]:
    """Bytes that differ at every call, and are the same in every run."""
    calls = iter(range(10_000))
    return lambda size: sha256(str(next(calls)).encode()).digest()[:size]


def test_what_is_sealed_comes_back_whole() -> None:
    """The person's key, at the entry's own place, gives every section back exactly."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    assert open_sealed(blob, commitments, KEY, PLACE) == SECTIONS
    assert set(commitments) == {"facts", "text"}
    assert all(len(one) == 64 for one in commitments.values())


def test_an_entry_without_sections_seals_too() -> None:
    """Nothing to hide is no special case."""
    commitments, blob = seal({}, KEY, PLACE, counted())

    assert open_sealed(blob, commitments, KEY, PLACE) == {}


def test_the_blob_shows_nothing_of_its_content() -> None:
    """Neither values nor section names can be read from the stored bytes, and the key stays out of any message."""
    _, blob = seal(SECTIONS, KEY, PLACE, counted())

    assert b"night" not in blob
    assert b"facts" not in blob
    assert "secret" not in repr(KEY)


def test_equal_answers_do_not_look_equal() -> None:
    """Two people with the same answers leave different commitments: each has its own salt."""
    random = counted()

    first, _ = seal(SECTIONS, KEY, PLACE, random)
    second, _ = seal(SECTIONS, KEY, PLACE, random)

    assert first["facts"] != second["facts"]


@pytest.mark.parametrize(
    ("key", "place"),
    [
        pytest.param(replace(KEY, secret=bytes(32)), PLACE, id="another secret"),
        pytest.param(replace(KEY, id="k2"), PLACE, id="another key id"),
        pytest.param(KEY, replace(PLACE, entry="other"), id="another entry"),
        pytest.param(KEY, replace(PLACE, origin="other"), id="another log"),
        pytest.param(KEY, Place(origin=PLACE.origin + PLACE.entry[:1], entry=PLACE.entry[1:]), id="run together"),
    ],
)
def test_a_blob_opens_at_its_own_place_only(key: DataKey, place: Place) -> None:
    """Moved to another entry, another log or another person's key, a sealed part is refused."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    with pytest.raises(VerificationFailed, match="does not open"):
        open_sealed(blob, commitments, key, place)


def test_every_flipped_bit_is_seen() -> None:
    """No byte of a sealed part can change unseen; the first one says its form and is then not known."""
    commitments, blob = seal({"facts": 1}, KEY, PLACE, counted())

    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(VerificationFailed if position else Unverifiable):
            open_sealed(bytes(changed), commitments, KEY, PLACE)


@pytest.mark.parametrize("size", [0, 1, 5, 13, 28])
def test_a_cut_blob_is_seen(size: int) -> None:
    """A sealed part that lost its end, or all of it, is refused as changed."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    with pytest.raises(VerificationFailed):
        open_sealed(blob[:size], commitments, KEY, PLACE)


def test_a_form_of_tomorrow_is_not_called_tampering() -> None:
    """What a newer version sealed cannot be judged by this one: unverifiable, not failed."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    with pytest.raises(Unverifiable, match="newer"):
        open_sealed(b"\x02" + blob[1:], commitments, KEY, PLACE)


def test_the_entry_decides_what_was_sealed() -> None:
    """Whoever holds the key still cannot replace the content: the entry's commitments name it."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())
    _, other = seal({**SECTIONS, "text": "better"}, KEY, PLACE, counted())

    with pytest.raises(VerificationFailed, match="another 'text'"):
        open_sealed(other, commitments, KEY, PLACE)
    with pytest.raises(VerificationFailed, match="other sections"):
        open_sealed(blob, {"facts": commitments["facts"]}, KEY, PLACE)
    with pytest.raises(VerificationFailed, match="other sections"):
        open_sealed(blob, {**commitments, "more": "0" * 64}, KEY, PLACE)


@pytest.mark.parametrize("plain", [["facts"], {"facts": "bare"}, {"facts": {"value": 1}}])
def test_a_key_holder_cannot_invent_another_form(plain: Json) -> None:
    """Decrypting is not enough: sections without salt and value are refused."""
    nonce = bytes(12)
    bound = b"stepcare/seal/1" + canonical([PLACE.origin, PLACE.entry, KEY.id])
    blob = b"\x01" + nonce + AESGCM(KEY.secret).encrypt(nonce, canonical(plain), bound)

    with pytest.raises(VerificationFailed):
        open_sealed(blob, {"facts": "0" * 64}, KEY, PLACE)


def test_a_value_without_one_byte_form_is_not_sealed() -> None:
    """A float, or a section with an odd name, is refused before anything is encrypted."""
    with pytest.raises(InvalidInput, match="float"):
        seal({"facts": [0.5]}, KEY, PLACE, counted())  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="section"):
        seal({"Facts!": 1}, KEY, PLACE, counted())


def test_a_short_key_is_no_key() -> None:
    """Data keys have 32 bytes."""
    with pytest.raises(InvalidInput, match="32"):
        DataKey(id="k", secret=b"short")
