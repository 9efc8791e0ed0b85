"""Sealed sections: what an entry is about, readable only with the person's data key.

The entry holds one commitment a section (HMAC-SHA256 under a fresh salt). Salts and values are encrypted together with
AES-256-GCM, bound to the log's origin, the entry and the key, so that a blob fits no other entry. GCM by itself would
let one blob open to two texts under two keys; the commitments, made of the plain values, rule that out.

    blob = 0x02 ‖ nonce (12 bytes) ‖ AES-256-GCM(the salts in the sections' order ‖ deflated canonical {section: value})
    blob = 0x01 ‖ nonce (12 bytes) ‖ AES-256-GCM(canonical {section: {"salt": hex, "value": value}})    read, not written

The length of a blob tells how much was said, as it always did; deflated, also how much of it was said twice.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.audit import SALT, canonical, commit, commit_to, parse_canonical
from engine.errors import InvalidInput, VerificationFailed
from engine.model import Json

Random = Callable[[int], bytes]
FORM, OLD_FORM = b"\x02", b"\x01"
NONCE = 12
KEY = 32
QUICKEST, BARE = 1, -zlib.MAX_WBITS  # of zlib's levels; no header or checksum, which GCM makes needless
MOST = 2**24  # bytes of one blob's sections: a thousand times what an entry has


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """One person's data key: 32 secret bytes, and the id by which blobs name it."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key of the wrong length."""
        if len(self.secret) != KEY:
            raise InvalidInput(f"Data key {self.id} has {len(self.secret)} bytes, {KEY} are needed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a blob belongs: the log's origin and the entry's id."""

    origin: str
    entry: str


def seal(sections: Mapping[str, Json], key: DataKey, place: Place, random: Random) -> tuple[dict[str, str], bytes]:
    """Encrypt sections and commit to each: ({section: commitment in hex}, blob)."""
    commitments: dict[str, str] = {}
    salts: list[bytes] = []
    written: list[bytes] = []
    for name in sorted(sections):
        salt, value = random(SALT), canonical(sections[name], depth=1)
        commitments[name] = commit_to(salt, name, value)  # which refuses a name that JSON would have to escape
        salts.append(salt)
        written.append(b'"%b":%b' % (name.encode(), value))
    plain = b"{%b}" % b",".join(written)
    if len(plain) > MOST:
        raise InvalidInput(f"The sections of entry {place.entry} have {len(plain)} bytes and {MOST} fit: say less.")
    nonce = random(NONCE)
    inside = b"".join(salts) + zlib.compress(plain, QUICKEST, BARE)
    return commitments, FORM + nonce + AESGCM(key.secret).encrypt(nonce, inside, _bound_to(place, key))


def open_sealed(blob: bytes, commitments: Mapping[str, str], key: DataKey, place: Place) -> dict[str, Json]:
    """Decrypt a blob and check every section against its commitment; raises as `open_salted` does."""
    return {name: value for name, (_, value) in open_salted(blob, commitments, key, place).items()}


def open_salted(
    blob: bytes, commitments: Mapping[str, str], key: DataKey, place: Place
) -> dict[str, tuple[bytes, Json]]:
    """Give every section with the salt of its commitment: (salt, value), checked against it.

    VerificationFailed when the blob, the key, the entry and the commitments do not belong together, or the blob has a
    form we never wrote: a newer form comes with a newer format of the entry, which is not read as far as this. Who holds a salt can show its section to others: hand over no more of them than is asked.
    """
    if blob and blob[:1] not in (FORM, OLD_FORM):
        raise _broken(place, "has a form that no entry of this format has")
    try:
        inside = AESGCM(key.secret).decrypt(blob[1 : 1 + NONCE], blob[1 + NONCE :], _bound_to(place, key))
    except (InvalidTag, ValueError):  # ValueError: cut too short to hold a nonce
        raise _broken(place, "does not open with its key") from None
    salted = _salted(inside, len(commitments), place) if blob[:1] == FORM else _salted_of_old(inside, place)
    if salted.keys() != commitments.keys():
        raise _broken(place, "holds other sections than the entry commits to")
    for name, (salt, value) in salted.items():
        if commit(salt, name, value) != commitments[name]:
            raise _broken(place, f"holds another {name!r} than the entry commits to")
    return salted


def _salted(inside: bytes, count: int, place: Place) -> dict[str, tuple[bytes, Json]]:
    """Give each section with its salt; the salts stand before what was deflated, as many as there are sections."""
    size, stream = count * SALT, zlib.decompressobj(BARE)
    try:
        plain = stream.decompress(inside[size:], MOST)
    except zlib.error:
        plain = b""
    if not stream.eof or stream.unused_data:
        raise _broken(place, "holds other sections than the entry commits to")
    found = parse_canonical(plain)
    if not isinstance(found, dict) or len(found) != count:
        raise _broken(place, "holds other sections than the entry commits to")
    salts = (inside[start : start + SALT] for start in range(0, size, SALT))
    return {name: (salt, found[name]) for name, salt in zip(sorted(found), salts, strict=True)}


def _salted_of_old(inside: bytes, place: Place) -> dict[str, tuple[bytes, Json]]:
    found: dict[str, tuple[bytes, Json]] = {}
    sections = parse_canonical(inside)
    for name, salted in sections.items() if isinstance(sections, dict) else ():
        match salted:
            case {"salt": str(salt), "value": value}:
                found[name] = (bytes.fromhex(salt), value)
            case _:
                raise _broken(place, f"holds another {name!r} than the entry commits to")
    return found


def _bound_to(place: Place, key: DataKey) -> bytes:
    # A list in canonical form, so that no two triples run together into the same bytes.
    return b"stepcare/seal/1" + canonical([place.origin, place.entry, key.id])


def _broken(place: Place, what: str) -> VerificationFailed:
    return VerificationFailed(
        f"The sealed part of entry {place.entry} {what}: it was changed or moved. Compare it with a backup."
    )
