"""The key-encryption key: what wraps the vault's data keys. It lies in a file of its own, in the environment, or elsewhere."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import InvalidInput, NotFound, Unverifiable
from storage.seal import KEY, NONCE, Random

VARIABLE = "STEPCARE_VAULT_KEY"


class KeyEncryptionKey(Protocol):
    """Wraps data keys; where it lives (a file, the environment, a key service) is its own business."""

    def wrap(self, secret: bytes, bound_to: bytes) -> bytes:
        """Encrypt a data key for one place in the vault."""

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Give the data key back; Unverifiable when it was not wrapped by this key for this place."""


class LocalKey:
    """A key-encryption key held in this process: AES-256-GCM."""

    def __init__(self, secret: bytes, random: Random) -> None:
        """Take the 32 secret bytes."""
        if len(secret) != KEY:
            raise InvalidInput(
                f"A key-encryption key has {KEY} bytes, this one {len(secret)}: make one with a new vault."
            )
        self._cipher, self._random = AESGCM(secret), random

    def wrap(self, secret: bytes, bound_to: bytes) -> bytes:
        """Encrypt a data key for one place in the vault."""
        nonce = self._random(NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Give the data key back; Unverifiable when it was not wrapped by this key for this place."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], bound_to)
        except (InvalidTag, ValueError):
            raise Unverifiable(
                "This is not the key-encryption key that wrapped it: use the one the vault began with."
            ) from None


def key_from_environment(environ: Mapping[str, str], random: Random) -> LocalKey | None:
    """Read the key-encryption key (base64) from STEPCARE_VAULT_KEY; None when it is not set."""
    text = environ.get(VARIABLE)
    return None if text is None else LocalKey(_secret_from(text, f"The variable {VARIABLE}"), random)


def key_from_file(path: Path, random: Random, *, create: bool) -> LocalKey:
    """Read the key-encryption key from a file only its owner can read; `create` makes it where there is none.

    Create it with a new vault only: a fresh key for an old vault opens nothing.
    """
    if create and not path.exists():
        write_secret(path, random(KEY))
    if not path.exists():
        remedy = f"put the file back from where you keep it, or set {VARIABLE}"
        raise NotFound(what="key-encryption key", name=str(path), remedy=remedy)
    if path.stat().st_mode & 0o077:
        raise InvalidInput(f"Others than its owner may read the key-encryption key {path}: run chmod 600 {path}.")
    return LocalKey(
        _secret_from(path.read_text(encoding="utf-8", errors="replace").strip(), f"The file {path}"), random
    )


def write_secret(path: Path, secret: bytes) -> None:
    """Write a key to a file only its owner can read, on the disk before anything depends on it."""
    # On the disk before it wraps anything: a data key must never outlive the key that opens it. A half-written one
    # never has the name.
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(base64.b64encode(secret) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _secret_from(text: str, where: str) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY:
        raise InvalidInput(f"{where} does not hold {KEY} bytes in base64: put the vault's own key there.")
    return secret
