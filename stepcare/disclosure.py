"""Selective disclosure: one sealed section of one entry, shown to somebody so that they can check it.

The entry commits to each of its sections by an HMAC under a salt of its own. Whoever is given a section with its salt
can do that sum again; the other sections stay closed. Checking needs nothing but Python's standard library: this file
may be copied and run by itself, `python disclosure.py FILE`.
"""

import hashlib
import hmac
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = "stepcare/disclosure/1"
SALT = re.compile(r"[0-9a-f]{64}")
HOW = (
    "The commitment is HMAC-SHA256, key: the salt; message: 'stepcare/audit/1/', the section's name, a zero byte, and the "
    "value as canonical JSON (RFC 8785: sorted keys, no spaces, UTF-8). It must equal the entry's c[section]. The entry's "
    "leaf hash is SHA-256 of a zero byte and the entry's bytes. Neither the log's name nor that the entry is in the log is "
    "checked by this: `audit proof` shows it."
)
UNCHECKED = "The log's name, and that the entry is in the log, are not checked by this: ask for its `audit proof`."


class NotShown(Exception):
    """The section is not what the entry commits to, or this is no disclosure."""


def disclosure(entry: bytes, index: int, origin: str, section: str, opened: tuple[bytes, Any]) -> dict[str, Any]:
    """Give a disclosure of one section: `opened` is its salt and value."""
    salt, value = opened
    return {
        "format": FORMAT,
        "origin": origin,
        "index": index,
        "entry": entry.decode(),
        "leaf": hashlib.sha256(b"\x00" + entry).hexdigest(),
        "section": section,
        "salt": salt.hex(),
        "value": value,
        "how_to_check": HOW,
    }


def read(data: bytes) -> Any:
    """Give a disclosure as it was written; raises NotShown for what is no JSON, or is nested too deeply to be one."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise NotShown("This is no disclosure: it cannot be read as JSON.") from None


def check(document: Mapping[str, Any]) -> Any:
    """Give the section's value if the entry commits to it; raises NotShown, with the reason, if not."""
    try:
        entry, section, salt = document["entry"].encode(), document["section"], document["salt"]
        value, leaf, index = document["value"], document["leaf"], document["index"]
        said = json.loads(entry)
        committed = said["c"][section]
        written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        message = b"stepcare/audit/1/" + section.encode() + b"\x00" + written
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise NotShown("This is no disclosure: a part is missing or cannot be read.") from None
    if document.get("format") != FORMAT:
        raise NotShown(f"This is not of the format {FORMAT}: check it with a newer program.")
    if not (isinstance(salt, str) and SALT.fullmatch(salt) and type(index) is int):
        raise NotShown("A salt is 64 small hexadecimal digits, and an entry's number a whole number.")
    if not (isinstance(committed, str) and committed.isascii()):
        raise NotShown(f"Entry {index} has no commitment to the section {section!r}.")
    if hashlib.sha256(b"\x00" + entry).hexdigest() != leaf or said.get("idx") != index:
        raise NotShown("The entry's bytes, its number and its leaf hash do not belong together.")
    if not hmac.compare_digest(hmac.digest(bytes.fromhex(salt), message, "sha256").hex(), committed):
        raise NotShown(f"The section {section!r} is not what entry {index} commits to.")
    return value


def main(words: list[str]) -> int:
    """Check a file, and say what came of it; 0 shown, 6 not."""
    try:
        check(read(Path(words[0]).read_bytes()))
    except NotShown as error:
        sys.stderr.write(f"Not shown: {error}\n")
        return 6
    sys.stdout.write(f"The entry commits to this section. {UNCHECKED}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
