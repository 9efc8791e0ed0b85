"""What an entry must be: canonical JSON of a known shape, at its place in the log, and linked into its chain.

The shape is that of envelope v1 (docs/audit-format.md). One table gives both readers: a pattern that knows most
entries by their bytes at a glance, and the slow one, which decides about all others and says what is wrong. What the
pattern knows, the slow one knows as well (there is a test); so it can only save time.
"""

import json
import re
from binascii import unhexlify
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from stepcare.verifier.outcome import NotVerified, Tampered, Unverifiable

FORMAT = "e785cde2d7e483f9"
READS = "stepcare/access/1"  # the log of reads: entries without chains
ROWS = "rows"
# `?` may be missing, `*` stands for any word.
SHAPE: Mapping[str, Any] = {
    "actor": {"id": "text", "kind": "word", "obo?": "text", "role": "word"},
    "c": {"*": "hash"},
    "corrects?": "count",
    "eng": "text",
    "ep?": "text",
    "epn": "count",
    "id": "text",
    "idx": "count",
    "key?": "text",
    "occ?": "time",
    "outcome": "word",
    "params": "hash",
    "pathway?": {"id?": "text", "sha256": "hash", "ver?": "text"},
    "pou": "word",
    "prev?": "hash",
    "req?": "text",
    "rule": ROWS,
    "state?": {"from?": "word", "to": "word"},
    "trigger": "text",
    "ts": "time",
    "type": "word",
    "v": "format",
    "ver": {"after": "count", "before": "count"},
}
SECTIONS = ("facts", "reads", "subject", "text")  # the pattern knows these words for `*`
LARGEST = 2**53 - 1
LONGEST_TEXT = 400


# What of an entry its place in the log is checked with: episode (None: the site's), its number in its chain, id, index
# in the log, the leaf hash of its chain's last entry (None: it is the first), type. Text is left as it lies there.
Entry = tuple[bytes | None, int, bytes, int, bytes | None, bytes]
NO_CHAIN = -1  # the number of an entry that belongs to none
# How far a chain has come: the number of its last entry, and that entry's leaf hash.
End = tuple[int, bytes | None]
NO_ENTRY: End = (-1, None)
MOST_BACK = 100_000  # entries


# --- at a glance ----------------------------------------------------------------------------------------------------

_TEXT = f'"[ !#-\\[\\]-~]{{1,{LONGEST_TEXT}}}+"'
_DAY = r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"  # no 29 Feb
_PATTERNS = {
    "count": "(?:0|[1-9][0-9]{0,14}+)",
    "format": f'"{FORMAT}"',
    # The octet 0xff makes three ranges of two, and three are looked up in a table, which is much quicker. It matches
    # nothing more: only ASCII is glanced at.
    "hash": r'"[0-9a-f\xff]{64}"',
    "text": _TEXT,
    "time": rf'"(?:[1-9][0-9]{{3}})-{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"',
    "word": r'"[a-z0-9_.\-]{1,80}+"',
}
_ROW = rf'\[{_TEXT},{_TEXT},"[tfu]",{_TEXT}\]'
_PATTERNS[ROWS] = rf"\[(?:{_ROW}(?:,{_ROW})*+)?+\]"
_KEPT = ("ep", "epn", "id", "idx", "prev", "type")


def _pattern(shape: Mapping[str, Any], kept: Sequence[str] = ()) -> str:
    """Give the pattern of an object: up to the last member it must have a comma follows each, behind it one precedes."""
    if "*" in shape:
        value = _PATTERNS[shape["*"]]
        return r"\{" + "".join(f'(?:"{key}":{value}(?:,(?=")|(?=}})))?+' for key in SECTIONS) + r"\}"
    names = list(shape)
    last = max(number for number, name in enumerate(names) if name[-1] != "?")
    members = []
    for number, name in enumerate(names):
        key, part = name.removesuffix("?"), shape[name]
        value = _PATTERNS[part] if isinstance(part, str) else _pattern(part)
        caught = value if key not in kept else f"({value})" if value[0] != '"' else f'"({value[1:-1]})"'
        before, after = "," * (number > last), "," * (number < last)
        member = f'{before}"{key}":{caught}{after}'
        members.append(f"(?:{member})?+" if name[-1] == "?" else member)
    return r"\{" + "".join(members) + r"\}"


_matched = re.compile(_pattern(SHAPE, _KEPT).encode()).fullmatch


def _glance(data: bytes) -> re.Match[bytes] | None:
    return _matched(data) if data.isascii() else None


def read_entry(data: bytes) -> Entry:
    """Read an entry; Unverifiable for a format that is not known here, Tampered for bytes that are no entry."""
    seen = _glance(data)
    if seen is None:
        return _read_slowly(data)
    episode, number, id_, index, previous, type_ = seen.groups()
    return episode, int(number), id_, int(index), previous and unhexlify(previous), type_


# --- slowly ---------------------------------------------------------------------------------------------------------

_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode
_WORD = re.compile(r"[a-z0-9_.-]{1,80}")
_HEX = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)


def parse_canonical(data: bytes) -> Any:
    """Read canonical JSON; Tampered for any other bytes: spaces, another order, repeated keys, floats, odd escapes."""
    try:
        value = json.loads(data.decode(), parse_float=_no_number, parse_constant=_no_number)
        same = _ENCODE(value).encode() == data
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise Tampered("its bytes are not canonical JSON")
    return value


def _no_number(_: str) -> NoReturn:
    raise ValueError


def _read_slowly(data: bytes) -> Entry:
    format_ = _format_of(data)
    if format_ not in (FORMAT, READS):
        # Before anything else: another format may have other spellings.
        raise Unverifiable("it has a format that is not known here: check it with a newer verifier")
    value = parse_canonical(data)
    if format_ == READS:
        return _read_of_a_read(value)
    if (problem := _misfit(value, SHAPE)) is not None:
        raise Tampered(f"it is not of its format: it{problem}")
    episode, previous = value.get("ep"), value.get("prev")
    return (
        None if episode is None else episode.encode(),
        value["epn"],
        value["id"].encode(),
        value["idx"],
        None if previous is None else unhexlify(previous),
        value["type"].encode(),
    )


def _format_of(data: bytes) -> object:
    """Give the format an entry says it has; where it says none, or nothing can be read of it, the one that is due."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        return FORMAT
    return value.get("v", FORMAT) if isinstance(value, dict) else FORMAT


def _read_of_a_read(value: dict[str, Any]) -> Entry:
    """Give what places an entry of the log of reads; what more it says is between it and those who ask it."""
    if not _is("text", value.get("id")) or not _is("count", value.get("idx")) or not _is("word", value.get("type")):
        raise Tampered("it is not of its format: it lacks an id, a number or a type")
    return None, NO_CHAIN, value["id"].encode(), value["idx"], None, value["type"].encode()


def _misfit(value: object, shape: Mapping[str, Any]) -> str | None:
    """Say where a value does not have the shape, None when it has."""
    if not isinstance(value, dict):
        return " is no object"
    parts = {name.removesuffix("?"): part for name, part in shape.items()}
    missing = [name for name in shape if name[-1] not in "?*" and name not in value]
    if missing:
        return f" lacks {missing[0]}"
    for key, item in value.items():
        part = parts.get(key) or (parts.get("*") if _WORD.fullmatch(key) else None)
        if part is None:
            return " has a field that is not part of it"
        if isinstance(part, str):
            if not _is(part, item):
                return f" has a {key} that is no {part}"
        elif (problem := _misfit(item, part)) is not None:
            return f"s {key}{problem}"
    return None


def _is(part: str, value: object) -> bool:
    if part == "count":
        return type(value) is int and 0 <= value <= LARGEST
    if part == ROWS:
        return isinstance(value, list) and all(map(_is_row, value))
    if not isinstance(value, str):
        return False
    if part == "time":
        return _is_time(value)
    if part == "text":
        return 0 < len(value) <= LONGEST_TEXT
    return value == FORMAT if part == "format" else bool((_HEX if part == "hash" else _WORD).fullmatch(value))


def _is_row(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(one, str) and 0 < len(one) <= LONGEST_TEXT for one in value)
        and value[2] in ("t", "f", "u")
    )


def _is_time(value: str) -> bool:
    try:
        return _TIME.fullmatch(value) is not None and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


# --- in order -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Order:
    """Takes entries in the log's order, and holds each against its place and against the last one of its chain.

    `chains`: the end of each episode's chain; None stands for the site's own. `before` tells what the end of an entry's
    chain was when it came, for the latest entries.
    """

    index: int = 0
    chains: dict[bytes | None, End] = field(default_factory=dict)
    before: deque[tuple[int, bytes | None, End]] = field(default_factory=lambda: deque(maxlen=MOST_BACK))
    blind: bool = False  # an entry could not be read, so a chain may seem broken where it is not

    def take(self, data: bytes, leaf: bytes) -> Entry:
        """Take the next entry, its leaf hash with it; Tampered or Unverifiable when it is not what is due here."""
        due, self.index = self.index, self.index + 1
        try:
            entry = read_entry(data)
        except (Unverifiable, Tampered):
            self.blind = True
            raise
        episode, number, _, index, previous, _ = entry
        end = self.chains.get(episode, NO_ENTRY)
        last, before = end
        self.before.append((due, episode, end))
        self.chains[episode] = (number, leaf)
        if index != due:
            raise Tampered(f"it says it is entry {index}: entries were moved, removed or put in")
        if number == NO_CHAIN:
            return entry
        if number != last + 1 or previous != before:
            raise self._broken(number, last + 1)
        return entry

    def ends_at(self, size: int) -> dict[bytes, End] | None:
        """Give each episode's end when the log had this size; None when that is too long ago, or part was not read."""
        ends = dict(self.chains)
        for index, episode, end in reversed(self.before):
            if index < size:
                break
            ends[episode] = end
        else:
            if len(self.before) == MOST_BACK:
                return None
        if self.blind:
            return None
        return {episode: end for episode, end in ends.items() if episode is not None and end != NO_ENTRY}

    def _broken(self, number: int, due: int) -> NotVerified:
        if self.blind:
            return Unverifiable("it does not follow its chain's last entry that could be read")
        if number != due:
            return Tampered(
                f"number {due} of its chain was due, {number} came: an entry was removed, changed or put in"
            )
        return Tampered("it names another entry as the last of its chain: one was removed, changed or put in")
