"""Signed requests, as the Standard Webhooks scheme has them: out to receivers, and in from those who report back.

Signed is `ID.TIMESTAMP.BODY` by HMAC-SHA256; the header is `v1,BASE64`, several of them apart by spaces while a secret
is being replaced. The timestamp (POSIX seconds) keeps an old request from being sent again.
"""

import base64
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
WINDOW = timedelta(minutes=5)
SHORTEST_SECRET = 24  # bytes
PREFIX = "whsec_"
MOST_SIGNATURES = 8


def secret_from(text: str) -> bytes | None:
    """Read a secret, `whsec_` and base64; None where it is none, or too short."""
    try:
        found = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except ValueError:
        return None
    return found if len(found) >= SHORTEST_SECRET and text.strip().startswith(PREFIX) else None


def signed(secrets: Iterable[bytes], id_: str, body: bytes, now: datetime) -> dict[str, str]:
    """Give the three headers of a request that is sent now."""
    timestamp = str(int(now.timestamp()))
    signatures = " ".join(f"v1,{_mac(secret, id_, timestamp, body)}" for secret in secrets)
    return {ID: id_, TIMESTAMP: timestamp, SIGNATURE: signatures}


def is_signed(secrets: Sequence[bytes], headers: dict[str, str], body: bytes, now: datetime) -> bool:
    """Say whether a request that came now bears a signature by one of the secrets, and is not old.

    All signatures are compared, each in constant time.
    """
    id_, timestamp, said = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (id_ and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    given = [one.removeprefix("v1,").encode() for one in said.split(" ")[:MOST_SIGNATURES] if one.startswith("v1,")]
    right = [_mac(secret, id_, timestamp, body).encode() for secret in secrets]
    fits = [hmac.compare_digest(one, wanted) for one in given for wanted in right]
    return any(fits) and abs(now.timestamp() - int(timestamp)) <= WINDOW.total_seconds()


def _mac(secret: bytes, id_: str, timestamp: str, body: bytes) -> str:
    content = f"{id_}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(secret, content, "sha256")).decode()
