"""The quick writer of canonical JSON, for what is plain JSON beyond doubt; `audit.canonical` is what decides.

orjson writes floats, tuples, enums, dataclasses and more as if they were JSON. So only the exact types of JSON come to
it. Large numbers, half characters and keys that are no text it refuses by itself. It sorts keys by code point, which
is the order of UTF-16, too, where nothing lies outside the basic plane.
"""

from types import NoneType
from typing import Any

import orjson

WIDEST = 100_000  # what has more boxes than this on one level may be one that holds itself twice

_LEAVES, _BOXES = frozenset({str, int, bool, NoneType}), frozenset({dict, list})
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER  # strict: below 2**53 in size
_BEYOND = bytes(range(0xF0, 0xF8))  # begins a character outside the basic plane in UTF-8


def plain_json(value: object, levels: int) -> bytes | None:
    """Give the canonical bytes of a value of at most so many levels; None: ask the slow way, which may refuse."""
    if type(value) not in _LEAVES and not _is_plain(value, levels):
        return None
    try:
        written = orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        return None
    within = written.isascii() or len(written.translate(None, _BEYOND)) == len(written)
    return written if within else None


def _is_plain(value: object, levels: int) -> bool:
    """Say whether a value is made of the exact types of JSON alone and not too deep, one level after the other."""
    level: list[Any] = [value]
    for _ in range(levels):
        if not level:
            return True
        if len(level) > WIDEST or not _BOXES.issuperset(map(type, level)):
            return False
        level = [
            one for box in level for one in (box.values() if type(box) is dict else box) if type(one) not in _LEAVES
        ]
    return not level
