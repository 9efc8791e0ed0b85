import base64
import re
import stat
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from engine.errors import InvalidInput, NotFound, Unverifiable
from storage.refs import ALPHABET, check_ref, new_ref
from storage.vault_key import VARIABLE, LocalKey, key_from_environment, key_from_file


class Counted:
    """Bytes that differ at every call, and are the same in every run."""

    def __init__(self) -> None:
        """Begin at the first call."""
        self.calls = count()

    def __call__(self, size: int) -> bytes:
        """Give the next bytes."""
        return sha256(str(next(self.calls)).encode()).digest()[:size]


def a_key(letter: bytes = b"k") -> LocalKey:
    """Make a key-encryption key of one letter."""
    return LocalKey(letter * 32, Counted())


# --- the key-encryption key ---------------------------------------------------------------------------------------


def test_a_key_file_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """The first start makes it, readable by nobody else; later starts read the same key."""
    file = tmp_path / "key"
    made = key_from_file(file, Counted(), create=True)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for create in (True, False):
        assert key_from_file(file, Counted(), create=create).unwrap(made.wrap(b"s", b"here"), b"here") == b"s"


def test_a_missing_key_file_is_not_replaced(tmp_path: Path) -> None:
    """A fresh key would open nothing: ask for the old one."""
    with pytest.raises(NotFound, match=VARIABLE):
        key_from_file(tmp_path / "key", Counted(), create=False)

    assert not (tmp_path / "key").exists()


def test_a_key_file_others_may_read_is_refused(tmp_path: Path) -> None:
    """The remedy is one command."""
    file = tmp_path / "key"
    key_from_file(file, Counted(), create=True)
    file.chmod(0o640)

    with pytest.raises(InvalidInput, match="chmod 600"):
        key_from_file(file, Counted(), create=False)


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(bytes(31)), b"\xff\xfe", b"=" * 44])
def test_a_key_file_must_hold_a_key(tmp_path: Path, content: bytes) -> None:
    """Anything but 32 bytes in base64 is refused, and not repeated in the message."""
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(InvalidInput, match="32 bytes in base64"):
        key_from_file(file, Counted(), create=False)


def test_the_environment_may_hold_the_key() -> None:
    """In a container the key comes as a variable; unset means: look for the file."""
    text = base64.b64encode(b"k" * 32).decode()
    found = key_from_environment({VARIABLE: text}, Counted())

    assert found is not None
    assert found.unwrap(a_key().wrap(b"s", b"here"), b"here") == b"s"
    assert key_from_environment({}, Counted()) is None
    with pytest.raises(InvalidInput, match=VARIABLE):
        key_from_environment({VARIABLE: ""}, Counted())


def test_a_wrapped_key_opens_at_its_place_only() -> None:
    """Another place, another key or a cut text: not opened."""
    wrapped = a_key().wrap(b"secret", b"here")

    for key, text, place in [
        (a_key(), wrapped, b"there"),
        (a_key(b"x"), wrapped, b"here"),
        (a_key(), wrapped[:5], b"here"),
    ]:
        with pytest.raises(Unverifiable):
            key.unwrap(text, place)


def test_a_key_encryption_key_has_32_bytes() -> None:
    """No shorter key is accepted from any port."""
    with pytest.raises(InvalidInput, match="32"):
        LocalKey(b"short", Counted())


# --- references ---------------------------------------------------------------------------------------------------


def test_a_reference_is_short_and_says_nothing() -> None:
    """Ten random characters and a check character, none of them easily mistaken for another."""
    random = Counted()
    made = {new_ref("e", random) for _ in range(100)}

    assert all(re.fullmatch(f"e-[{ALPHABET}]{{11}}", ref) for ref in made)
    assert len(made) == 100


def test_a_reference_is_read_however_it_is_typed() -> None:
    """Small letters, O for 0, I or L for 1, spaces around it: the same reference."""
    random = Counted()
    ref = next(ref for _ in range(1000) if {"0", "1"} <= set(ref := new_ref("p", random)))

    assert check_ref(ref) == ref
    assert check_ref(f"  {ref.lower()} ") == ref
    assert check_ref(ref.replace("0", "O").replace("1", "l")) == ref


def test_one_wrong_character_is_always_found() -> None:
    """Every single mistake, at every position."""
    ref = new_ref("e", Counted())

    for position in range(2, len(ref)):
        for letter in set(ALPHABET) - {ref[position]}:
            with pytest.raises(InvalidInput):
                check_ref(ref[:position] + letter + ref[position + 1 :])


def test_two_swapped_characters_are_always_found() -> None:
    """Every pair of different characters, wherever they stand, not only neighbours."""
    random = Counted()
    for ref in (new_ref("e", random) for _ in range(20)):
        for one in range(2, len(ref)):
            for other in range(one + 1, len(ref)):
                if ref[one] != ref[other]:
                    swapped = list(ref)
                    swapped[one], swapped[other] = ref[other], ref[one]
                    with pytest.raises(InvalidInput):
                        check_ref("".join(swapped))


@pytest.mark.parametrize(
    "ref", ["", "e-", "e1", "e-123", "-00000000000", "e-0000000000U", "1-00000000000", "e-" + "0" * 500]
)
def test_what_is_no_reference_is_refused(ref: str) -> None:
    """Missing parts, other lengths and letters that are never used."""
    with pytest.raises(InvalidInput, match="not a reference"):
        check_ref(ref)
