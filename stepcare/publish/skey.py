"""The log's private key as text (C2SP signed-note), made, kept in a file of its owner's alone, and read back."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.errors import Conflict, InvalidInput, NotFound
from stepcare.publish.durable import write_new
from stepcare.verifier.note import ED25519, Key
from stepcare.verifier.outcome import NotVerified
from stepcare.verifier.plain import base64_of, from_base64

SEED = 32
BEGINNING = "PRIVATE+KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A private key: the public one it belongs to, and the seed, which is never shown."""

    key: Key
    seed: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, seed: bytes) -> Self:
        """Make the Ed25519 key of this name and seed (32 bytes)."""
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        try:
            return cls(key=Key.of(name, ED25519, public), seed=seed)
        except NotVerified as error:
            raise InvalidInput(str(error)) from None

    @classmethod
    def make(cls, name: str, random: Callable[[int], bytes]) -> Self:
        """Make a new key; its name is the log's origin."""
        return cls.of(name, random(SEED))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key from its text `PRIVATE+KEY+name+id+base64`; InvalidInput, which never repeats it, for any other."""
        rest = text.strip("\r\n ").removeprefix(f"{BEGINNING}+")
        name, _, rest = rest.partition("+")
        number, _, coded = rest.partition("+")
        data = from_base64(coded)
        if not text.startswith(f"{BEGINNING}+") or data is None or len(data) != SEED + 1 or data[0] != ED25519:
            raise InvalidInput("This is no private key of the form PRIVATE+KEY+name+id+base64 for Ed25519.")
        found = cls.of(name, data[1:])
        if found.key.id.hex() != number:
            raise InvalidInput(f"The private key of {name} does not have the id it claims: it was changed or mistyped.")
        return found

    def text(self) -> str:
        """Write the key as its text; whoever reads it can sign as the log."""
        coded = base64_of(bytes((ED25519,)) + self.seed)
        return f"{BEGINNING}+{self.key.name}+{self.key.id.hex()}+{coded}\n"

    def named(self, name: str) -> "PrivateKey":
        """Give the same secret under another key name: the second log is signed by the same hand."""
        return PrivateKey.of(name, self.seed)


def keep(path: Path, key: PrivateKey) -> None:
    """Keep a key in a new file only its owner may read; Conflict where there is one already."""
    try:
        write_new(path, key.text().encode(), 0o600)
    except FileExistsError:
        raise Conflict(
            f"{path} is there already: a log's key is never overwritten. `stepcare sealer rotate` replaces it."
        ) from None


def read(path: Path) -> PrivateKey:
    """Read a kept key; InvalidInput where others than its owner may read or change the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(what="log key", name=str(path), remedy="run `stepcare sealer key` to make one") from None
    with os.fdopen(descriptor, "rb") as file:
        # Asked of the open file, not of the name: nobody can swap the two in between.
        if os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InvalidInput(f"Others than its owner may read {path}: run chmod 600 {path}, and consider a new key.")
        return PrivateKey.parse(file.read(4096).decode("ascii", "replace"))
