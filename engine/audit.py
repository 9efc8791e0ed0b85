"""What the audit log hashes: the one byte form of JSON, and the envelope of an entry.

Canonical JSON is RFC 8785 without floats: sorted keys, no spaces, UTF-8, decimals as strings, integers below 2**53
in size. Keys stay within the basic plane, so that sorting them by code point and by UTF-16 is the same.
What is written once stays readable for ever: a change of the envelope's shape changes its identity `v`.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Self, cast

from engine.decision import RuleResult
from engine.errors import InvalidInput, Unverifiable, VerificationFailed
from engine.model import Json
from engine.plain_json import plain_json

LARGEST = 2**53 - 1  # beyond it other readers of JSON lose digits
DEEPEST = 64
SALT = 32
LONGEST_TEXT = 400
LARGEST_ENTRY = 65_535  # the published log counts an entry's bytes in 16 bits

_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"[a-z0-9_.-]{1,80}")
_HEX = re.compile(r"[0-9a-f]{64}")
_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode
_ISO = lru_cache(maxsize=4096)(partial(datetime.isoformat, timespec="microseconds"))


# --- canonical JSON -----------------------------------------------------------------------------------------------


def canonical(value: object, depth: int = 0) -> bytes:
    """Give the one byte form of a JSON value inside `depth` levels; InvalidInput, with the place, when it has none."""
    if (quickly := plain_json(value, DEEPEST - depth)) is not None:
        return quickly
    if (problem := problem_in(value, depth)) is not None:
        raise InvalidInput(f"Not canonical JSON: value{problem}.")
    return _ENCODE(value).encode()


def problem_in(value: object, depth: int = 0) -> str | None:
    """Say where and why a value has no canonical form (`.key[2] is …`), None when it has one."""
    if isinstance(value, str):
        whole = value.isascii() or not _SURROGATE.search(value)
        return None if whole else " is text with half a surrogate pair: send whole characters"
    if value is None:
        return None
    if isinstance(value, int):
        small = -LARGEST <= value <= LARGEST
        return None if small else " is a whole number of 2**53 or more: write it as text"
    if isinstance(value, dict | list):
        return _problem_inside(value, depth) if depth < DEEPEST else f" is nested deeper than {DEEPEST}: flatten it"
    if isinstance(value, float):
        return " is a float: write decimals as text, such as '0.5'"
    return f" is a {type(value).__name__}: use text, whole numbers, true, false, null, lists and objects"


def _problem_inside(value: dict[object, object] | list[object], depth: int) -> str | None:
    if isinstance(value, list):
        for position, item in enumerate(value):
            if (problem := problem_in(item, depth + 1)) is not None:
                return f"[{position}]{problem}"
        return None
    for key, item in value.items():
        if not isinstance(key, str):
            return f" has a key that is a {type(key).__name__}: use text"
        if not key.isascii() and (max(key) > "\uffff" or _SURROGATE.search(key)):
            return " has a key outside the basic plane of Unicode: use plainer characters"
        if (problem := problem_in(item, depth + 1)) is not None:
            # A key may be what somebody typed (an activity); only names go into messages.
            return f"{f'.{key}' if key.isidentifier() else '.?'}{problem}"
    return None


def parse_canonical(data: bytes) -> Json:
    """Read bytes that were written by `canonical`; VerificationFailed for any others.

    Encoding them again is the check: spaces, key order, repeated keys, floats and odd escapes come out differently.
    """
    value = _loads(data)
    _require_same(value, data)
    return value


def _loads(data: bytes) -> Json:
    try:
        return cast("Json", json.loads(data.decode()))
    except (ValueError, RecursionError):
        raise VerificationFailed("These bytes are not JSON in UTF-8: compare them with a copy or a backup.") from None


def _require_same(value: Json, data: bytes) -> None:
    if plain_json(value, DEEPEST) == data:
        return
    problem = problem_in(value)
    if problem is not None or _ENCODE(value).encode() != data:
        raise VerificationFailed(f"Not canonical JSON{f': value{problem}' if problem else ''}: compare with a copy.")


def instant(moment: datetime) -> str:
    """Write an instant as every record does: UTC, microseconds, Z."""
    if moment.tzinfo is None:
        raise InvalidInput(f"The time {moment.isoformat()} has no zone: add one, such as Z.")
    # In UTC equal times are the same moment; elsewhere the two hours of an autumn night are equal and are not.
    return _ISO(moment if moment.tzinfo is UTC else moment.astimezone(UTC))[:-6] + "Z"


@lru_cache(maxsize=4096)
def instant_from(text: str) -> datetime:
    """Read an instant in exactly the form `instant` writes."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    # Python reads many spellings; only one may be hashed.
    if moment is None or moment.tzinfo is None or instant(moment) != text:
        raise InvalidInput(f"{text[:40]!r} is not an instant: write it like 2026-03-02T08:00:00.000000Z.")
    return moment.astimezone(UTC)


# --- the envelope -------------------------------------------------------------------------------------------------

ROWS = "rows of id, level, t|f|u, answer"
# What an entry holds, in the words `_IS` explains; `?` may be missing, `*` stands for any word. The identity `v` is
# this table's hash: whoever changes the table makes a new format instead of making old entries wrong.
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
    "v": "text",
    "ver": {"after": "count", "before": "count"},
}
FORMAT = hashlib.sha256(canonical(SHAPE)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who acted, under a pseudonym, and as what.

    kind: user | service | scheduler | patient | import. `on_behalf_of`: another pseudonym, None for themselves.
    """

    id: str
    kind: str
    role: str
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A rule's part in a decision: value t, f or u (unknown); answer ok, no, signed or override:REASON."""

    id: str
    level: str
    value: str
    answer: str

    @classmethod
    def of(cls, result: RuleResult) -> Self:
        """Shorten a rule's result to what the entry keeps in the clear."""
        value = "u" if result.value is None else "t" if result.value else "f"
        answer = "ok" if result.satisfied else "no"
        if result.override is not None:
            answer = f"override:{result.override.reason}"
        elif result.signed_off:
            answer = "signed"
        return cls(id=result.id, level=result.level.value, value=value, answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One entry, without anything that could say who the person is or what they answered.

    `index` counts the log, `episode_index` this episode's entries, both from 0; `previous` is the leaf hash (hex)
    of the episode's previous entry. `episode` None: the entry is the site's, and the site's entries make a chain of
    their own. `occurred_at` None: as `recorded_at`. `commitments` bind the sealed sections by name. `corrects` is the
    index of the entry this one sets right. Hashes are hex.
    """

    id: str
    index: int
    recorded_at: datetime
    occurred_at: datetime | None = None
    type: str
    episode: str | None = None
    episode_index: int
    previous: str | None = None
    version_before: int
    version_after: int
    state_before: str | None = None
    state: str | None = None
    trigger: str
    outcome: str
    rules: tuple[RuleLine, ...] = ()
    pathway: str | None = None
    pathway_id: str | None = None
    pathway_version: str | None = None
    parameters: str
    engine: str
    actor: Agent
    purpose: str = "treatment"
    request: str | None = None
    key: str | None = None
    commitments: Mapping[str, str] = field(default_factory=dict)
    corrects: int | None = None

    def to_dict(self) -> dict[str, Json]:
        """Give the entry as the JSON that is hashed; what is None is left out."""
        who = self.actor
        entry: dict[str, Json] = {
            "v": FORMAT,
            "id": self.id,
            "idx": self.index,
            "ts": instant(self.recorded_at),
            "type": self.type,
            "epn": self.episode_index,
            "ver": {"before": self.version_before, "after": self.version_after},
            "trigger": self.trigger,
            "outcome": self.outcome,
            "rule": [[line.id, line.level, line.value, line.answer] for line in self.rules],
            "params": self.parameters,
            "eng": self.engine,
            "actor": _said(id=who.id, kind=who.kind, role=who.role, obo=who.on_behalf_of),
            "pou": self.purpose,
            "c": dict(self.commitments),
        }
        occurred = instant(self.occurred_at) if self.occurred_at else None
        state = _said(**{"from": self.state_before, "to": self.state}) or None
        pathway = _said(id=self.pathway_id, sha256=self.pathway, ver=self.pathway_version) or None
        links = _said(ep=self.episode, prev=self.previous, req=self.request, key=self.key, corrects=self.corrects)
        return entry | links | _said(occ=occurred, state=state, pathway=pathway)

    def to_bytes(self) -> bytes:
        """Give the bytes of the leaf; InvalidInput when they break the format or its limit."""
        entry = self.to_dict()
        if (problem := _misfit(entry)) is not None:
            raise InvalidInput(f"Entry {self.id[:80]!r} cannot be written: entry{problem}.")
        data = canonical(entry)
        if len(data) > LARGEST_ENTRY:
            raise InvalidInput(
                f"Entry {self.id[:80]!r} has {len(data)} bytes and {LARGEST_ENTRY} fit: seal what is long in a section."
            )
        return data


def check_envelope(data: bytes) -> Envelope:
    """Read an entry's bytes back: Unverifiable when their format is not known here, VerificationFailed when not ours."""
    value = _loads(data)
    if isinstance(value, dict) and value.get("v", FORMAT) != FORMAT:
        raise Unverifiable(
            f"The entry has format {str(value['v'])[:40]!r}, this version reads {FORMAT!r}: check it with a newer version."
        )
    if (problem := _misfit(value)) is not None or len(data) > LARGEST_ENTRY:
        raise VerificationFailed(f"The entry is not of its format: entry{problem or ' is too long'}.")
    _require_same(value, data)
    found = _from_dict(cast("dict[str, Any]", value))
    if (found.previous is None) != (found.episode_index == 0):
        raise VerificationFailed(f"Entry {found.index} breaks its chain: only an episode's first has no predecessor.")
    return found


def _from_dict(value: dict[str, Any]) -> Envelope:
    state, pathway, actor = value.get("state", {}), value.get("pathway", {}), value["actor"]
    return Envelope(
        id=value["id"],
        index=value["idx"],
        recorded_at=instant_from(value["ts"]),
        occurred_at=instant_from(value["occ"]) if "occ" in value else None,
        type=value["type"],
        episode=value.get("ep"),
        episode_index=value["epn"],
        previous=value.get("prev"),
        version_before=value["ver"]["before"],
        version_after=value["ver"]["after"],
        state_before=state.get("from"),
        state=state.get("to"),
        trigger=value["trigger"],
        outcome=value["outcome"],
        rules=tuple(RuleLine(id=a, level=b, value=c, answer=d) for a, b, c, d in value["rule"]),
        pathway=pathway.get("sha256"),
        pathway_id=pathway.get("id"),
        pathway_version=pathway.get("ver"),
        parameters=value["params"],
        engine=value["eng"],
        actor=Agent(id=actor["id"], kind=actor["kind"], role=actor["role"], on_behalf_of=actor.get("obo")),
        purpose=value["pou"],
        request=value.get("req"),
        key=value.get("key"),
        commitments=value["c"],
        corrects=value.get("corrects"),
    )


def check_chain(entry: Envelope, last: tuple[int, str] | None) -> None:
    """Check that an entry follows its episode's last (number, leaf hash in hex), None if it is the first."""
    number, leaf = (last[0] + 1, last[1]) if last else (0, None)
    if (entry.episode_index, entry.previous) != (number, leaf):
        what = f"number {number} was due, {entry.episode_index} came"
        if entry.episode_index == number:
            what = "the entry before it is not the one it followed"
        raise VerificationFailed(
            f"Entry {entry.index} does not follow its episode's last entry: {what}. One was removed, changed or put in."
        )


def commit(salt: bytes, section: str, value: object) -> str:
    """Give the commitment (hex) to a sealed section: it tells nothing without the salt, and fits one value only."""
    return commit_to(salt, section, canonical(value))


def commit_to(salt: bytes, section: str, written: bytes) -> str:
    """Give the commitment to a section that is in canonical form already."""
    if len(salt) != SALT or not _WORD.fullmatch(section):
        raise InvalidInput(f"A commitment needs {SALT} bytes of salt, a section named like 'facts', not {section!r}.")
    return hmac.digest(salt, b"stepcare/audit/1/" + section.encode() + b"\x00" + written, "sha256").hex()


def _said(**fields: Json) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value is not None}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and (value.isascii() or problem_in(value) is None)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(instant_from(value))
    except InvalidInput:
        return False


def _is_row(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_text, value)) and value[2] in ("t", "f", "u")


_IS: Mapping[str, Callable[[object], bool]] = {
    "count": lambda value: type(value) is int and 0 <= value <= LARGEST,
    "hash": lambda value: isinstance(value, str) and _HEX.fullmatch(value) is not None,
    "text": _is_text,
    "time": _is_time,
    "word": lambda value: isinstance(value, str) and _WORD.fullmatch(value) is not None,
    ROWS: lambda value: isinstance(value, list) and all(map(_is_row, value)),
}


def _check_of(shape: Mapping[str, Any]) -> Callable[[object], str | None]:
    """Make the check for a shape: it says where a value does not have it, None when it has."""
    owed = {key for key in shape if key != "*" and key[-1] != "?"}
    words = {key.removesuffix("?"): part for key, part in shape.items() if isinstance(part, str)}
    tests = {key: _IS[word] for key, word in words.items()}
    boxes = {key.removesuffix("?"): _check_of(part) for key, part in shape.items() if not isinstance(part, str)}
    other = tests.get("*")

    def check(value: object) -> str | None:
        if not isinstance(value, dict):
            return " is no object"
        if not owed <= value.keys():
            return f" lacks {min(owed - value.keys())!r}"
        for key, item in value.items():
            test = tests.get(key) if other is None else other if _WORD.fullmatch(key) else None
            if test is not None:
                if not test(item):
                    return f".{key} is no {words.get(key) or words['*']}"
            elif key not in boxes:
                return f" has a field {key[:40]!r} that is not part of it"
            elif (problem := boxes[key](item)) is not None:
                return f".{key}{problem}"
        return None

    return check


_misfit = _check_of(SHAPE)
