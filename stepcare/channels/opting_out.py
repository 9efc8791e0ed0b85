"""The address in a message by which a person says: no more of this. It needs no sign-in, and shows nobody anything.

The token is the person's reference, the channel and the category, encrypted and sealed in one (AES-SIV, RFC 5297): the
same for the same three, made by nobody without the key, read by nobody without it. So nothing is kept to look it up.
"""

import base64
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES = (32, 48, 64)
LONGEST_TOKEN = 400
PURPOSE = [b"stepcare opt-out 1"]
PATH = "/u/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """What a token says: this person wants no more of a category on a channel."""

    person: str
    channel: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneClick:
    """Makes and reads the addresses; `address` is where this service is reached from outside."""

    address: str
    key: bytes = field(repr=False)

    def link(self, declined: Declined) -> str:
        """Give the address for a message."""
        return f"{self.address}{PATH}{self.token(declined)}"

    def token(self, declined: Declined) -> str:
        """Give the token alone."""
        said = f"{declined.person}\0{declined.channel}\0{declined.category}".encode()
        return base64.urlsafe_b64encode(AESSIV(self.key).encrypt(said, PURPOSE)).rstrip(b"=").decode()

    def read(self, token: str) -> Declined | None:
        """Read a token, None for one that we did not make; how long that takes says nothing about why."""
        if not token.isascii() or len(token) > LONGEST_TOKEN:
            return None
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            said = AESSIV(self.key).decrypt(data, PURPOSE).decode()
        except (ValueError, InvalidTag):
            return None
        parts = said.split("\0")
        if len(parts) != 3:
            return None
        return Declined(person=parts[0], channel=parts[1], category=parts[2])
