"""The small spellings that every format here shares: base64, whole numbers, key names. Each has one form only."""

import base64
import binascii
import re

LARGEST = 2**63 - 1

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


def base64_of(data: bytes) -> str:
    """Write bytes as the base64 of RFC 4648, with padding."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes | None:
    """Read base64 in its one form; None for any other: spaces, missing padding, bits that are left over."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if base64_of(data) == text else None


def from_number(text: str) -> int | None:
    """Read a whole number without sign or leading zero, below 2**63; None for anything else."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= LARGEST else None


def is_name(name: str) -> bool:
    """Say whether this may name a key: something, without white space, control characters or a plus."""
    return bool(name) and "+" not in name and not any(char.isspace() or char < " " for char in name)
