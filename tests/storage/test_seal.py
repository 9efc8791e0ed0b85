import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.audit import DEEPEST, SALT, canonical, commit
from engine.errors import InvalidInput, VerificationFailed
from engine.model import Json
from storage.seal import BARE, FORM, MOST, NONCE, DataKey, Place, open_sealed, seal

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
    """No byte of a sealed part can change unseen, the first one, which says its form, no more than others."""
    commitments, blob = seal({"facts": 1}, KEY, PLACE, counted())

    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(VerificationFailed):
            open_sealed(bytes(changed), commitments, KEY, PLACE)


@pytest.mark.parametrize("size", [0, 1, 5, 13, 28])
def test_a_cut_blob_is_seen(size: int) -> None:
    """A sealed part that lost its end, or all of it, is refused as changed."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    with pytest.raises(VerificationFailed):
        open_sealed(blob[:size], commitments, KEY, PLACE)


def test_a_form_that_was_never_written_is_tampering() -> None:
    """A newer form comes with a newer format of the entry: in an entry we can read, another form is a changed byte."""
    commitments, blob = seal(SECTIONS, KEY, PLACE, counted())

    with pytest.raises(VerificationFailed, match="form"):
        open_sealed(b"\x03" + blob[1:], commitments, KEY, PLACE)


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


# --- forms --------------------------------------------------------------------------------------------------------

# Written by the first version: this person's key, this place, these sections.
OF_OLD = bytes.fromhex(
    "01d4735e3a265e16eee03f59714524f757db383d29cc1561c57bdd1c64ba7dc05e12b5ab29c104c799aa7b7ca224e78722af"
    "02556fb08203a8d753fbceffbdc91522baac082470ae24ba1a75199345cb3bea7852c7b18f4bccc0302a4a7727f85d19f6ac"
    "80684dd96ffb0aa9543bed93a93702ef576e4996a4dd66d40954b8c0779c55843fc7bb5e51aab427f4725829bef7316289db"
    "af6f068a14c3dc32aa8611cc62a3052618ee21e5b046cba71681af801aa9dead9ae2fdb54810f4f6fdb96b082fd6bf30b335"
    "ed3e09a3edb0ba4b555abfa457f3ff943e0dddc26656462a8fcfbdf7f80c4a163a3dcfe66e2cb15eedd5697787f3fe036202"
    "47ebbf6bc89fc4880c4988b7003324bd131913992c411d735b3f004c"
)
COMMITTED_OF_OLD = {
    "facts": "8a74d520bc63662da58c34a55df3936617cc742641ee17a40b97c4fadff7be67",
    "text": "843511df49c644c269d279d01065b0e8af3df63b1a903a043f8c93194c532c14",
}


def test_what_the_first_version_sealed_still_opens() -> None:
    """Bytes kept from the first version give the same sections, and a changed commitment is still seen."""
    assert open_sealed(OF_OLD, COMMITTED_OF_OLD, KEY, PLACE) == SECTIONS
    with pytest.raises(VerificationFailed, match="another 'text'"):
        open_sealed(OF_OLD, {**COMMITTED_OF_OLD, "text": "0" * 64}, KEY, PLACE)


def test_a_new_form_commits_to_the_same() -> None:
    """How the sections are packed is not what is committed to: the same salts give the first version's commitments."""
    for sections in (SECTIONS, dict(reversed(SECTIONS.items()))):
        commitments, blob = seal(sections, KEY, PLACE, counted())

        assert commitments == COMMITTED_OF_OLD
        assert blob[:1] == FORM
        assert open_sealed(blob, commitments, KEY, PLACE) == SECTIONS


def test_what_is_said_again_takes_little_room() -> None:
    """An entry says many things twice, in the command and in its events: sealed, the second time costs next to nothing."""
    once: dict[str, Json] = {"facts": [f"answer {number}" for number in range(50)]}
    twice: dict[str, Json] = {"facts": [once["facts"], once["facts"]]}

    first, second = (seal(one, KEY, PLACE, counted())[1] for one in (once, twice))

    assert len(second) < len(first) * 1.2


def forged(inside: bytes) -> bytes:
    """Encrypt as a holder of the key could."""
    bound = b"stepcare/seal/1" + canonical([PLACE.origin, PLACE.entry, KEY.id])
    return FORM + bytes(NONCE) + AESGCM(KEY.secret).encrypt(bytes(NONCE), inside, bound)


def deflated(plain: bytes) -> bytes:
    """Deflate as `seal` does."""
    return zlib.compress(plain, 1, BARE)


COMMITTED = {"facts": commit(bytes(SALT), "facts", 1)}


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(SALT - 1), id="half a salt"),
        pytest.param(bytes(SALT), id="salts alone"),
        pytest.param(bytes(SALT) + b"{}", id="not deflated"),
        pytest.param(bytes(SALT) + deflated(b'{"facts":1}')[:-1], id="cut"),
        pytest.param(bytes(SALT) + deflated(b'{"facts":1}') + b"x", id="more behind it"),
        pytest.param(bytes(SALT) + deflated(b'{"facts": 1}'), id="not canonical"),
        pytest.param(bytes(SALT) + deflated(b'["facts"]'), id="no object"),
        pytest.param(bytes(SALT) + deflated(b"{}"), id="a section less"),
        pytest.param(bytes(SALT) + deflated(b'{"facts":1,"text":2}'), id="a section more"),
        pytest.param(bytes(SALT) + deflated(b'{"other":1}'), id="another section"),
        pytest.param(bytes(SALT) + deflated(b'{"facts":2}'), id="another value"),
        pytest.param(b"\x01" + bytes(SALT - 1) + deflated(b'{"facts":1}'), id="another salt"),
    ],
)
def test_a_key_holder_cannot_invent_another_packing(inside: bytes) -> None:
    """Salts and sections that do not belong together are refused, whatever is wrong with them."""
    assert open_sealed(forged(bytes(SALT) + deflated(b'{"facts":1}')), COMMITTED, KEY, PLACE) == {"facts": 1}
    with pytest.raises(VerificationFailed):
        open_sealed(forged(inside), COMMITTED, KEY, PLACE)


def test_what_would_fill_the_memory_is_not_unpacked() -> None:
    """A few bytes can stand for any number of others: what unpacks to more than can be sealed is refused, fit or not."""
    value = "x" * MOST
    inside = bytes(SALT) + deflated(canonical({"facts": value}))

    assert len(inside) < MOST / 200
    with pytest.raises(VerificationFailed):
        open_sealed(forged(inside), {"facts": commit(bytes(SALT), "facts", value)}, KEY, PLACE)


def test_what_can_be_sealed_can_be_opened() -> None:
    """The largest and the deepest that fit come back whole; one byte or one level more is refused when sealing."""
    deep: Json = 1
    for _ in range(DEEPEST - 1):
        deep = [deep]
    large = "x" * (MOST - len('{"facts":""}'))
    for value in (deep, large):
        commitments, blob = seal({"facts": value}, KEY, PLACE, counted())
        assert open_sealed(blob, commitments, KEY, PLACE) == {"facts": value}

    with pytest.raises(InvalidInput, match="nested deeper"):
        seal({"facts": [deep]}, KEY, PLACE, counted())
    with pytest.raises(InvalidInput, match="say less"):
        seal({"facts": large + "x"}, KEY, PLACE, counted())
