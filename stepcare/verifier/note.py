"""Signed notes (C2SP signed-note), and the two kinds of signature read here: a log's own, and a witness's.

A note is a text and the signatures under it. Who signed is told by name and id of the key; signatures of keys that
were not given are ignored, as the format asks, and one that fails under a key that was given spoils the note.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stepcare.verifier.outcome import Tampered, Unverifiable
from stepcare.verifier.plain import LARGEST, base64_of, from_base64, is_name

ED25519 = 0x01
COSIGNATURE = 0x04
MOST_SIGNATURES = 64  # the format asks every reader for sixteen; a policy may name more witnesses than that
PUBLIC = 32
SIGNATURE = 64
TIME = 8

_DASH = "\N{EM DASH} "
_LARGEST_NOTE = 1_000_000
_Raw = bytes  # `bytes` is a method below

_P = 2**255 - 19
_SIGN = 2**255  # the top bit says which of two points is meant; the other bits are its y
# The eight points of order 1, 2, 4 and 8 by their y: under such a key one signature fits many texts.
_EIGHTH = (
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little") % _SIGN
)
_SMALL = frozenset({0, 1, _P - 1, _EIGHTH, _P - _EIGHTH})


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Give the four bytes that, beside its name, tell a key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key to check with: kind ED25519 (a log's) or COSIGNATURE (a witness's), `id` four bytes."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def of(cls, name: str, kind: int, public: bytes) -> Self:
        """Make the key of this name, kind and 32 bytes; Unverifiable when it can be none."""
        if not is_name(name):
            raise Unverifiable("A key's name is neither empty nor holds white space or a plus: get the key again.")
        if kind not in (ED25519, COSIGNATURE):
            raise Unverifiable(f"The key of {name} is of kind {kind}, which is not known here: use a newer verifier.")
        if len(public) != PUBLIC or not _is_honest(public):
            raise Unverifiable(f"The key of {name} is no proper Ed25519 key: get it again from whom it belongs to.")
        return cls(name=name, id=key_id(name, kind, public), kind=kind, public=public)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a key from its text `name+id+base64`; Unverifiable when it is not one that can be used here."""
        name, _, rest = vkey.strip("\n").partition("+")
        number, _, coded = rest.partition("+")
        data = from_base64(coded)
        if not data or len(number) != 8 or number.strip("0123456789abcdef"):
            raise Unverifiable("This is no public key of the form name+id+base64: get it again.")
        found = cls.of(name, data[0], data[1:])
        if found.id.hex() != number:
            raise Unverifiable(f"The key of {name} does not have the id {number} it claims: get it again.")
        return found

    def __str__(self) -> str:
        """Write the key as its text."""
        return f"{self.name}+{self.id.hex()}+{base64_of(bytes((self.kind,)) + self.public)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One line under a note: whose (name and id of the key), and what that key wrote."""

    name: str
    id: bytes
    data: bytes

    def line(self) -> str:
        """Write the line, with its end."""
        return f"{_DASH}{self.name} {base64_of(self.id + self.data)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text, which ends in a newline, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: _Raw) -> Self:
        """Read a note; Tampered when these bytes are none."""
        if len(data) > _LARGEST_NOTE:
            raise Tampered("This is no signed note: it is far too long.")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise Tampered("This is no signed note: it is not UTF-8.") from None
        if any(char < " " and char != "\n" for char in whole):
            raise Tampered("This is no signed note: it holds control characters.")
        text, gap, under = whole.rpartition("\n\n")
        if not gap or not text or not under.endswith("\n"):
            raise Tampered("This is no signed note: a text, an empty line and whole signature lines are due.")
        lines = under[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise Tampered(f"This is no signed note: it has {len(lines)} signatures, {MOST_SIGNATURES} are the most.")
        return cls(text=text + "\n", signatures=tuple(map(_signature, lines)))

    def bytes(self) -> _Raw:
        """Write the note."""
        return (self.text + "\n" + "".join(one.line() for one in self.signatures)).encode()


def _signature(line: str) -> Signature:
    name, _, coded = line.removeprefix(_DASH).partition(" ")
    data = from_base64(coded)
    if not line.startswith(_DASH) or not is_name(name) or data is None or len(data) <= 4:
        raise Tampered("This is no signed note: a line under the text is no signature.")
    return Signature(name=name, id=data[:4], data=data[4:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A key that truly signed the note; `time`: when, in POSIX seconds, by a witness's word, None for a log's key."""

    key: Key
    time: int | None


def signed_text(kind: int, text: str, time: int | None = None) -> bytes:
    """Give the bytes that are signed: the text itself, for a witness with the time (POSIX seconds) before it."""
    if kind == ED25519:
        return text.encode()
    return f"cosignature/v1\ntime {time or 0}\n{text}".encode()


def verified_by(note: Note, keys: Iterable[Key]) -> tuple[Seen, ...]:
    """Say which of these keys signed the note; nobody: (). Tampered when one that is known signed wrongly.

    Every line of a known key must hold; several lines of one key count once, with the latest time.
    """
    known = {(key.name, key.id): key for key in keys}
    found: dict[Key, Seen] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.id))
        if key is None:
            continue
        time = _check(key, note.text, signature.data)
        before = found.get(key)
        if before is None or (time or 0) > (before.time or 0):
            found[key] = Seen(key=key, time=time)
    return tuple(found.values())


def _check(key: Key, text: str, data: bytes) -> int | None:
    """Check one signature and give its time, None where it has none."""
    time = None
    if key.kind == COSIGNATURE:
        time, data = int.from_bytes(data[:TIME]), data[TIME:]
    message = signed_text(key.kind, text, time)
    if len(data) != SIGNATURE or (time or 0) > LARGEST or not _fits(key.public, data, message):
        raise Tampered(f"The signature of {key.name} does not fit the text: one of the two was changed.")
    return time


def _fits(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_honest(public: bytes) -> bool:
    """Say whether a point is written in its one way and is none of the small ones."""
    y = int.from_bytes(public, "little") % _SIGN
    return y < _P and y not in _SMALL
