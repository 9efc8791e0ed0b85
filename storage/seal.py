"""Sealed sections: what an entry is about, readable only with the person's data key.

The entry holds one commitment a section (HMAC-SHA256 under a fresh salt). Salts and values are encrypted together with
AES-256-GCM, bound to the log's origin, the entry and the key, so that a blob fits no other entry. GCM by itself would
let one blob open to two texts under two keys; the commitments, made of the plain values, rule that out.

    blob = 0x01 ‖ nonce (12 bytes) ‖ AES-256-GCM(canonical {section: {"salt": hex, "value": value}})
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.audit import SALT, canonical, commit, parse_canonical
from engine.errors import InvalidInput, Unverifiable, VerificationFailed
from engine.model import Json

Random = Callable[[int], bytes]
FORM = b"\x01"
NONCE = 12
KEY = 32


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
    salted: dict[str, Json] = {}
    for name, value in sections.items():
        salt = random(SALT)
        commitments[name] = commit(salt, name, value)
        salted[name] = {"salt": salt.hex(), "value": value}
    nonce = random(NONCE)
    return commitments, FORM + nonce + AESGCM(key.secret).encrypt(nonce, canonical(salted), _bound_to(place, key))


def open_sealed(blob: bytes, commitments: Mapping[str, str], key: DataKey, place: Place) -> dict[str, Json]:
    """Decrypt a blob and check every section against its commitment.

    Unverifiable for a blob of a newer form; VerificationFailed when the blob, the key, the entry and the commitments
    do not belong together.
    """
    if blob and blob[:1] != FORM:
        raise Unverifiable(
            f"The sealed part of entry {place.entry} has a form this version does not read: use a newer version."
        )
    try:
        plain = AESGCM(key.secret).decrypt(blob[1 : 1 + NONCE], blob[1 + NONCE :], _bound_to(place, key))
    except (InvalidTag, ValueError):  # ValueError: cut too short to hold a nonce
        raise _broken(place, "does not open with its key") from None
    found = parse_canonical(plain)
    if not isinstance(found, dict) or found.keys() != commitments.keys():
        raise _broken(place, "holds other sections than the entry commits to")
    return {name: _value_of(name, salted, commitments[name], place) for name, salted in found.items()}


def _value_of(name: str, salted: Json, commitment: str, place: Place) -> Json:
    match salted:
        case {"salt": str(salt), "value": value} if commit(bytes.fromhex(salt), name, value) == commitment:
            return value
    raise _broken(place, f"holds another {name!r} than the entry commits to")


def _bound_to(place: Place, key: DataKey) -> bytes:
    # A list in canonical form, so that no two triples run together into the same bytes.
    return b"stepcare/seal/1" + canonical([place.origin, place.entry, key.id])


def _broken(place: Place, what: str) -> VerificationFailed:
    return VerificationFailed(
        f"The sealed part of entry {place.entry} {what}: it was changed or moved. Compare it with a backup."
    )
