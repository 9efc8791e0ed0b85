"""Whom we believe about the log: the policy file (C2SP tlog-policy), and whether a checkpoint meets it.

Four kinds of line: `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME…`, `quorum NAME|none`.
Names mean something inside the file only. What the file does not say strictly, it does not say: a mistyped line would
quietly ask for fewer witnesses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from engine.errors import InvalidInput, near
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, verified_by
from stepcare.verifier.outcome import NotVerified

NONE = "none"
WORDS = ("log", "witness", "group", "quorum")
MOST = 100  # of each kind; the format asks for at least 32
LARGEST = 256 * 1024  # bytes
TOLERANCE = 300  # seconds that the clock of a witness may go before ours


class BadPolicy(InvalidInput):
    """A policy file cannot be used. `line` counts from 1; 0 where a line is missing."""

    code = "bad-policy"

    def __init__(self, line: int, why: str) -> None:
        """Keep the line; the sentence names it."""
        self.line = line
        super().__init__(f"The policy, line {line}: {why}" if line else f"The policy: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log that is believed. Its key's name is its origin; `url` None: nobody said where it is."""

    key: Key
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A witness under the name it has in the file. `url` is where it takes checkpoints; None: it is not asked."""

    name: str
    key: Key
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many of these members, witnesses or groups, must have seen a checkpoint."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a checkpoint stands with a policy.

    `signed`: by a log of the policy, or the policy names none. `cosigned` gives each witness that counts the time it
    says, in POSIX seconds. `missing`: the witnesses that do not count, not there or dated out of bounds. `since`: the
    quorum had seen it then; None: it has not. A policy that asks for no witness has its quorum, since no time: 0.
    """

    signed: bool
    cosigned: Mapping[str, int]
    missing: tuple[str, ...]
    since: int | None

    @property
    def met(self) -> bool:
        """Say whether the checkpoint may be believed."""
        return self.signed and self.since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy as it was read. `quorum` is the name of a witness or a group, or `none`."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read a policy file; raises BadPolicy with the line that is wrong."""
        draft = Draft()
        for number, words in _lines(data):
            draft.take(number, words)
        if draft.quorum is None:
            raise BadPolicy(0, "no line says which quorum is asked for: add `quorum NAME`, or `quorum none`.")
        return cls(
            logs=tuple(draft.logs),
            witnesses=tuple(draft.witnesses.values()),
            groups=tuple(draft.groups.values()),
            quorum=draft.quorum,
        )

    @property
    def asks(self) -> bool:
        """Say whether any witness is needed."""
        return self.quorum != NONE

    def satisfied(self, note: Note, at: int | None = None) -> bool:
        """Say whether a checkpoint may be believed `at` a time; raises Tampered like `standing`."""
        return self.standing(note, at).met

    def standing(self, note: Note, at: int | None = None, max_age: int | None = None) -> Standing:
        """Say how a checkpoint stands with this policy.

        `at` is now, in POSIX seconds: cosignatures from later than that do not count; None: any time counts.
        `max_age` in seconds: older ones do not count either. Raises Tampered where a key of the policy is named and
        its signature is wrong, or the text is no checkpoint.
        """
        origin = Checkpoint.parse(note.text).origin
        keys = [one.key for one in self.logs if one.key.name == origin]
        signed = not self.logs or bool(verified_by(note, keys))
        times: dict[str, int] = {}
        for witness in self.witnesses:
            for seen in verified_by(note, [witness.key]):
                if _counts(seen.time, at, max_age):
                    times[witness.name] = max(seen.time or 0, times.get(witness.name, 0))
        missing = tuple(one.name for one in self.witnesses if one.name not in times)
        return Standing(signed=signed, cosigned=times, missing=missing, since=self._since(times))

    def _since(self, times: Mapping[str, int]) -> int | None:
        """Give the latest time at which enough had seen it: of a group, that of the member that made it enough."""
        if not self.asks:
            return 0
        found: dict[str, int] = dict(times)
        for group in self.groups:  # in the order of the file: members stand before their group
            ranked = sorted((found[one] for one in group.members if one in found), reverse=True)
            if len(ranked) >= group.threshold:
                found[group.name] = ranked[group.threshold - 1]
        return found.get(self.quorum)


def _counts(time: int | None, at: int | None, max_age: int | None) -> bool:
    if not time:
        return False  # a witness must say when; nought is how it would leave that out
    if at is None:
        return True
    return time <= at + TOLERANCE and (max_age is None or time >= at - max_age)


# --- reading it ---------------------------------------------------------------------------------------------------


def _lines(data: bytes | str) -> Iterator[tuple[int, list[str]]]:
    octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(octets) > LARGEST:
        raise BadPolicy(0, f"{len(octets)} bytes are more than a policy can have ({LARGEST}): this is another file.")
    lines = octets.split(b"\n")
    if lines.pop():
        raise BadPolicy(len(lines) + 1, "the last line has no end: the file was cut, or needs a newline there.")
    for number, line in enumerate(lines, start=1):
        odd = next((one for one in line if (one < 0x20 and one != 0x09) or one == 0x7F), None)
        if odd is not None:
            raise BadPolicy(number, f"the character 0x{odd:02x} cannot stand in a policy: remove it.")
        # Names are octets: what is no UTF-8 is kept as it is. Only space and tab part words.
        words = [one for one in line.decode("utf-8", "surrogateescape").replace("\t", " ").split(" ") if one]
        if words and not words[0].startswith("#"):
            yield number, words


@dataclass(slots=True)
class Draft:
    """What has been read so far. `quorum` None: not yet said."""

    logs: list[Log] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    _placed: dict[str, str] = field(default_factory=dict)

    def take(self, number: int, words: list[str]) -> None:
        """Read one line; raises BadPolicy."""
        kind, rest = words[0], words[1:]
        if kind == "log":
            self._log(number, rest)
        elif kind == "witness":
            self._witness(number, rest)
        elif kind == "group":
            self._group(number, rest)
        elif kind == "quorum":
            self._quorum(number, rest)
        else:
            raise BadPolicy(number, f"{_said(kind)} begins no line. {near(kind, WORDS)}".rstrip())

    def _log(self, number: int, rest: list[str]) -> None:
        if len(rest) not in {1, 2}:
            raise BadPolicy(number, "a log has a key and perhaps an address: `log VKEY [URL]`.")
        key = _key(number, rest[0], ED25519, "a log")
        if any(one.key.public == key.public for one in self.logs):
            raise BadPolicy(number, "a line above has the same log key: remove one of the two.")
        self.logs.append(Log(key=key, url=_url(number, rest[1:])))
        _bounded(number, len(self.logs), "logs")

    def _witness(self, number: int, rest: list[str]) -> None:
        if len(rest) not in {2, 3}:
            raise BadPolicy(number, "a witness has a name, a key and perhaps an address: `witness NAME VKEY [URL]`.")
        name = self._new(number, rest[0])
        key = _key(number, rest[1], COSIGNATURE, "a witness")
        twin = next((one.name for one in self.witnesses.values() if one.key.public == key.public), None)
        if twin is not None:
            raise BadPolicy(number, f"witness {_said(twin)} has the same key, and would count twice: remove one.")
        self.witnesses[name] = Witness(name=name, key=key, url=_url(number, rest[2:]))
        _bounded(number, len(self.witnesses), "witnesses")

    def _group(self, number: int, rest: list[str]) -> None:
        if len(rest) < 3:
            raise BadPolicy(number, "a group has a name, how many, and members: `group NAME all|any|K NAME…`.")
        name, members = self._new(number, rest[0]), rest[2:]
        for member in members:
            self._known(number, member)
            if member in self._placed:
                raise BadPolicy(number, f"{_said(member)} is already in group {_said(self._placed[member])}.")
            self._placed[member] = name
        threshold = _threshold(number, rest[1], len(members))
        self.groups[name] = Group(name=name, threshold=threshold, members=tuple(members))
        _bounded(number, len(self.groups), "groups")

    def _quorum(self, number: int, rest: list[str]) -> None:
        if len(rest) != 1:
            raise BadPolicy(number, "the quorum is one name: `quorum NAME`, or `quorum none`.")
        if self.quorum is not None:
            raise BadPolicy(number, "a line above has said the quorum already: keep one of the two.")
        if rest[0] != NONE:
            self._known(number, rest[0])
        self.quorum = rest[0]

    def _new(self, number: int, name: str) -> str:
        if name == NONE:
            raise BadPolicy(number, "`none` means nobody, and names no witness or group: choose another name.")
        if name in self.witnesses or name in self.groups:
            raise BadPolicy(number, f"{_said(name)} is named above already: choose another name.")
        return name

    def _known(self, number: int, name: str) -> None:
        names = [*self.witnesses, *self.groups]
        if name not in names:
            raise BadPolicy(number, f"no line above names {_said(name)}. {near(name, names)}".rstrip())


def _key(number: int, text: str, kind: int, whose: str) -> Key:
    try:
        key = Key.parse(text)
    except (NotVerified, ValueError) as error:
        raise BadPolicy(number, f"{_said(text)} is no key: {error}") from None
    if key.kind != kind:
        raise BadPolicy(number, f"the key of {whose} is of kind 0x{kind:02x}, this one of kind 0x{key.kind:02x}.")
    return key


def _url(number: int, rest: list[str]) -> str | None:
    if not rest:
        return None
    try:
        parts = urlsplit(rest[0])
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine or parts.username is not None or parts.query or parts.fragment:
        raise BadPolicy(number, f"{_said(rest[0])} is no address: it begins with https:// or http://, without a ?.")
    return rest[0].rstrip("/")


def _threshold(number: int, text: str, members: int) -> int:
    if text in {"any", "all"}:
        return 1 if text == "any" else members
    # Not int(): it would take "+2", "02", "2_0" and digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and text[0] != "0"):
        raise BadPolicy(number, f"{_said(text)} is no number of members: say all, any, or 1 to {members}.")
    if int(text) > members:
        raise BadPolicy(number, f"{text} of {members} members can never be reached: say 1 to {members}.")
    return int(text)


def _bounded(number: int, count: int, what: str) -> None:
    if count > MOST:
        raise BadPolicy(number, f"more than {MOST} {what} are not read: split the policy.")


def _said(word: str) -> str:
    shown = word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return repr(shown if len(shown) <= 60 else f"{shown[:60]}…")
