"""YAML read for people who must find their mistake: plain data, and the place of every key and value.

Only the plain part of YAML 1.2 is read. Aliases, anchors, tags and directives are refused: they hide what a
document says, and a few lines of them can stand for gigabytes. Numbers with a point stay text exactly as typed
(never a float), dates stay text, `yes` and `no` are words; only `true` and `false` are booleans.
Whatever is wrong comes back as findings; nothing here raises for what a file holds.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.audit import LARGEST
from engine.errors import Finding
from engine.model import Json
from workflows.places import Keys, Place, Places, found

MOST_BYTES = 2 * 1024 * 1024
DEEPEST = 40
LONGEST_LINE = 64 * 1024  # the parser takes time by the square of some tokens
MOST_FINDINGS = 1000

# Line breaks that YAML 1.1 knew and editors do not show (0x85, 0x2028, 0x2029) would shift every line number.
UNREADABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\r(?!\n)")
UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
WHOLE = re.compile(r"[-+]?[0-9]+")
OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS: dict[str, Json] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as read. `whole`: it was read to its end; `data` is empty where it was not, or holds no mapping."""

    file: str
    data: dict[str, Json]
    places: Places
    findings: tuple[Finding, ...]
    whole: bool


def read_yaml(path: Path) -> Source:
    """Read a file that must hold one mapping."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return _nothing(
            str(path), "yaml-unreadable", f"the file cannot be read ({error.strerror}): check its rights", 1, 1
        )
    return yaml_from(data, str(path))


def yaml_from(data: bytes, file: str) -> Source:
    """Read bytes that must hold one mapping; `file` is what findings call them."""
    if len(data) > MOST_BYTES:
        return _nothing(file, "yaml-size", f"the file is larger than {MOST_BYTES} bytes: split it", 1, 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        before = data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8-sig", "replace")
        message = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        return _nothing(file, "yaml-utf8", message, line, len(before) + 1)
    for number, row in enumerate(text.split("\n"), 1):
        if len(row) > LONGEST_LINE:
            message = f"this line is longer than {LONGEST_LINE} characters: break it"
            return _nothing(file, "yaml-size", message, number, LONGEST_LINE + 1)
    if bad := [_unreadable(file, text, match) for match in islice(UNREADABLE.finditer(text), MOST_FINDINGS)]:
        return Source(file=file, data={}, places=Places(), findings=tuple(bad), whole=False)
    reader = _Reader(file)
    reader.read(text)
    return reader.source()


def _nothing(file: str, code: str, message: str, line: int, column: int) -> Source:
    finding = Finding(code=code, message=message, file=file, line=line, column=column)
    return Source(file=file, data={}, places=Places(), findings=(finding,), whole=False)


def _unreadable(file: str, text: str, match: re.Match[str]) -> Finding:
    at = match.start()
    message = f"character U+{ord(match[0]):04X} does not belong in a text file: remove it"
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return Finding(code="yaml-character", message=message, file=file, line=line, column=column)


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read. `path` None: it is read only for the mistakes inside it."""

    into: dict[str, Json] | list[Json]
    path: Keys | None
    is_key: bool = False
    key: str | None = None
    awaits_value: bool = False


class _Reader:
    """Builds the data from the parser's events: no recursion, and every event has its place."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places = Places()
        self.findings: list[Finding] = []
        self.frames: list[_Frame] = []
        self.root: Json = None
        self.documents = 0
        self.whole = False
        self.last = Place(file=file, line=1, column=1)

    def source(self) -> Source:
        """Give what was read."""
        data = self.root if self.whole and isinstance(self.root, dict) else {}
        if self.whole and not isinstance(self.root, dict):
            what = "the file is empty" if self.root is None else f"the file holds {found(self.root)}"
            place = self.places.of(()) or self.last
            self._find("yaml-not-a-mapping", f"{what}: expected `key: value` lines", place)
        # A file has one start, whatever stands first in it.
        self.places.values[()] = Place(file=self.file, line=1, column=1)
        return Source(file=self.file, data=data, places=self.places, findings=tuple(self.findings), whole=self.whole)

    def read(self, text: str) -> None:
        """Take every event up to the end or the first thing no parser can get past."""
        try:
            for event in _events(text):
                self.last = self._place(event)
                if not self._take(event):
                    return
                if len(self.findings) >= MOST_FINDINGS:
                    self._find("yaml-too-many", f"the rest is not looked at after {MOST_FINDINGS} findings", self.last)
                    return
            self.whole = True
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self.last
            if mark is not None:
                place = Place(file=self.file, line=mark.line + 1, column=mark.column + 1)
            self._find("yaml-syntax", _syntax(error), place)
        except (YAMLError, ValueError, OverflowError):
            # The parser's own slip, such as an escape beyond the last character there is.
            self._find("yaml-syntax", "what follows here cannot be read: check quotes and escapes", self.last)

    def _take(self, event: Any) -> bool:
        if isinstance(event, DocumentStartEvent):
            return self._start_document(event)
        if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._close()
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            return self._open(event)
        elif isinstance(event, AliasEvent):
            self._find("yaml-alias", f"the alias *{event.anchor[:60]} is not read here: write the value out", self.last)
            self._put(None, self.last)
        elif isinstance(event, ScalarEvent):
            self._refuse_properties(event)
            self._put_scalar(event)
        return True

    def _start_document(self, event: Any) -> bool:
        self.documents += 1
        if event.version or event.tags:
            self._find("yaml-directive", "directives (%YAML, %TAG) are not read here: remove the line", self.last)
        if self.documents > 1:
            self._find("yaml-documents", "a second document begins here: one file holds one", self.last)
        return self.documents == 1

    def _open(self, event: Any) -> bool:
        if len(self.frames) >= DEEPEST:
            self._find("yaml-depth", f"this is nested deeper than {DEEPEST} levels: flatten it", self.last)
            return False
        self._refuse_properties(event)
        frame = self.frames[-1] if self.frames else None
        into: dict[str, Json] | list[Json] = {} if isinstance(event, MappingStartEvent) else []
        if frame is not None and isinstance(frame.into, dict) and not frame.awaits_value:
            self._find("yaml-key", f"a key must be text, this one is {found(into)}", self.last)
            self.frames.append(_Frame(into=into, path=None, is_key=True))
            return True
        # In a block, the first line of a mapping is its first entry's: people look for the key above it.
        path = self._next_path()
        place = self.places.keys.get(path, self.last) if path is not None else self.last
        self.frames.append(_Frame(into=into, path=self._put(into, place)))
        return True

    def _close(self) -> None:
        closed = self.frames.pop()
        if closed.is_key:
            self.frames[-1].key, self.frames[-1].awaits_value = None, True

    def _put_scalar(self, event: Any) -> None:
        frame = self.frames[-1] if self.frames else None
        if frame is not None and isinstance(frame.into, dict) and not frame.awaits_value:
            self._take_key(frame, event)
            return
        path = self._next_path()
        if not event.value and not event.style and path in self.places.keys:
            # Nothing after a key: the parser stands somewhere below it by now.
            self.last = self.places.keys[path]
        self._put(self._scalar(event), replace(self.last, text=_text_column(event)))

    def _take_key(self, frame: _Frame, event: Any) -> None:
        """Take a key as text, as typed; one that is wrong or stands twice keeps its value out of the data."""
        key: str = event.value
        frame.key, frame.awaits_value = None, True
        if not key:
            self._find("yaml-key", "a key is missing: expected `key: value`", self.last)
        elif UNSTORABLE.search(key):
            self._find("yaml-character", "this key holds a control character or half a character", self.last)
        elif key in frame.into:
            first = self.places.keys.get((*frame.path, key)) if frame.path is not None else None
            where = f", first at {first}" if first else ""
            self._find("yaml-duplicate-key", f"the key {key[:60]!r} stands twice{where}: keep one", self.last)
        else:
            frame.key = key
            if frame.path is not None:
                self.places.keys[(*frame.path, key)] = self.last

    def _next_path(self) -> Keys | None:
        """Say where the next value goes; None: nowhere."""
        if not self.frames:
            return ()
        frame = self.frames[-1]
        if isinstance(frame.into, list):
            return (*frame.path, len(frame.into)) if frame.path is not None else None
        return (*frame.path, frame.key) if frame.path is not None and frame.key is not None else None

    def _put(self, value: Json, place: Place) -> Keys | None:
        """Store a value where it belongs and give its path; None where it belongs nowhere."""
        path = self._next_path()
        if path is not None:
            self.places.values[path] = place
        if not self.frames:
            self.root = value
            return path
        frame = self.frames[-1]
        if isinstance(frame.into, list):
            frame.into.append(value)
            return path
        if frame.awaits_value and frame.key is not None:
            frame.into[frame.key] = value
        # An alias can stand where a key is due; then its value is still to come.
        frame.key, frame.awaits_value = None, not frame.awaits_value
        return path

    def _refuse_properties(self, event: Any) -> None:
        if event.anchor is not None:
            self._find(
                "yaml-anchor", f"the anchor &{event.anchor[:60]} is not read here: write the value out", self.last
            )
        if event.ctag is not None:
            self._find(
                "yaml-tag", f"the tag {str(event.ctag)[:60]} is not read here: put text in quotes instead", self.last
            )

    def _scalar(self, event: Any) -> Json:
        text: str = event.value
        if UNSTORABLE.search(text):
            self._find("yaml-character", "this text holds a control character or half a character", self.last)
            return ""
        if event.style:
            return text
        if text in WORDS:
            return WORDS[text]
        if WHOLE.fullmatch(text) or OTHER_BASE.fullmatch(text):
            return self._whole(text)
        if NOT_A_NUMBER.fullmatch(text):
            self._find("yaml-number", f"{text} is no number to calculate with: write digits", self.last)
        elif (match := DECIMAL.fullmatch(text)) and match[3]:
            self._find(
                "yaml-number", f"{text[:40]} has an exponent: write it out, or quote it if it is text", self.last
            )
        return text

    def _whole(self, text: str) -> Json:
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits.isdigit() and digits[0] == "0":
            message = (
                f"{text[:40]} begins with a zero: write {digits.lstrip('0')[:40] or '0'}, or quote it if it is text"
            )
            self._find("yaml-number", message, self.last)
            return text
        # The length first: turning a million digits into an integer takes minutes.
        value = int(text, 0) if len(digits) <= 20 else LARGEST + 1
        if abs(value) > LARGEST:
            message = f"{text[:20]}… is a whole number of 2**53 or more: put it in quotes to keep it as text"
            self._find("yaml-number", message, self.last)
            return text
        return value

    def _place(self, event: Any) -> Place:
        return Place(file=self.file, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _find(self, code: str, message: str, place: Place) -> None:
        path = self._next_path() or ()
        self.findings.append(
            Finding(code=code, message=message, path=path, file=self.file, line=place.line, column=place.column)
        )


def _events(text: str) -> Iterator[Any]:
    # The pure parser: its marks are exact, and it is the same on every machine.
    yield from YAML(typ="safe", pure=True).parse(io.StringIO(text))


def _text_column(event: Any) -> int | None:
    start, end = event.start_mark, event.end_mark
    quotes = 2 if event.style in ("'", '"') else 0
    as_typed = start.line == end.line and end.index - start.index - quotes == len(event.value)
    return start.column + 1 + quotes // 2 if as_typed and event.style in (None, "'", '"') else None


def _syntax(error: MarkedYAMLError) -> str:
    """Say what was expected, in the reader's words instead of the parser's."""
    problem = str(error.problem or error.context or "not YAML")
    begun = f" that begins on line {error.context_mark.line + 1}" if error.context_mark is not None else ""
    said = {
        "mapping values are not allowed": "a second `: ` cannot stand here: put the text in quotes, or line up the keys",
        "'\\t' that cannot start": "a tab stands here: indent with spaces",
        "that cannot start any token": f"a value cannot begin so ({problem[:40]}): put it in quotes",
        "expected <block end>": f"this line does not fit the block{begun}: line it up with the lines of that block",
        "could not find expected ':'": "expected `key: value`: a colon and a space are missing",
        "unexpected end of stream": f"the quoted text{begun} is never closed: add the closing quote",
        "expected ',' or ']'": f"the list{begun} is not closed here: expected `,` or `]`",
        "expected ',' or '}'": f"the mapping{begun} is not closed here: expected `,` or `}}`",
        "sequence entries are not allowed": "a list item cannot stand here: begin it on a line of its own",
        "unknown escape character": f"{problem}: write \\\\ for a backslash, or use single quotes",
        "expected alphabetic or numeric": "a value cannot begin with & or *: put it in quotes",
    }
    return next((words for sign, words in said.items() if sign in problem), f"this is not YAML: {problem}")
