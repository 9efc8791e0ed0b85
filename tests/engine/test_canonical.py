import json
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Self
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audit import (
    DEEPEST,
    LARGEST,
    canonical,
    instant,
    instant_from,
    parse_canonical,
    problem_in,
)
from engine.errors import InvalidInput, VerificationFailed
from engine.model import Json, Role
from engine.plain_json import plain_json

NOW = datetime(2026, 3, 2, 8, 0, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"é": 1, "z": 2, "a": 3, "Z": 4}, '{"Z":4,"a":3,"z":2,"é":1}'),
        ('\x00\x08\t\n\x0c\r\x1f\x7f"\\/é€😀\u2028', '"\\u0000\\b\\t\\n\\f\\r\\u001f\x7f\\"\\\\/é€😀\u2028"'),
        ([LARGEST, -LARGEST, 0, []], "[9007199254740991,-9007199254740991,0,[]]"),
        (Role.LEAD, '"lead"'),
        ({}, "{}"),
    ],
)
def test_every_value_has_one_byte_form(value: object, expected: str) -> None:
    """RFC 8785: sorted keys, no spaces, the short escapes, everything else as it is."""
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.5, "value is a float"),
        ({"a": [1, {"b": 1.0}]}, r"value\.a\[1\]\.b is a float"),
        (float("nan"), "float"),
        (2**53, r"2\*\*53"),
        (-(2**53), r"2\*\*53"),
        (10**5000, r"2\*\*53"),
        ("half \ud83d", "half a surrogate"),
        ({"\ud83d": 1}, "basic plane"),
        ({"😀": 1}, "basic plane"),
        ({1: 1}, "key that is a int"),
        ({"two words": [0.5]}, r"value\.\?\[0\] is a float"),
        ((1, 2), "a tuple"),
        ({1, 2}, "a set"),
        (b"x", "a bytes"),
        (NOW, "a datetime"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_byte_form_is_refused_with_its_place(value: object, problem: str) -> None:
    """Decimals are text, whole numbers stay below 2**53, characters are whole, and keys sort alike everywhere."""
    with pytest.raises(InvalidInput, match=problem):
        canonical(value)


def test_deep_nesting_is_refused_before_it_hurts() -> None:
    """64 levels are enough for anything; the 65th is an error, and so is a value that contains itself."""
    value: Json = 1
    for _ in range(DEEPEST):
        value = [value]
    canonical(value)
    loop: list[Json] = []
    loop.append({"a": loop})

    for deep in ([value], {"a": value}, loop):
        with pytest.raises(InvalidInput, match="nested deeper"):
            canonical(deep)


KEYS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=5)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_was_written_reads_back_the_same(value: Json) -> None:
    """Any value of the profile survives; its keys stand in the order of UTF-16, as RFC 8785 asks."""
    data = canonical(value)

    assert parse_canonical(data) == value
    if isinstance(value, dict):
        assert list(json.loads(data)) == sorted(value, key=lambda key: key.encode("utf-16-be"))


# --- the quick writer is never another writer -----------------------------------------------------------------------


class Word(str):
    """Text with a class of its own."""

    __slots__ = ()


class Odd(StrEnum):
    """A word whose value is another word than the one it is."""

    def __new__(cls, word: str, other: str) -> Self:
        """Be `word`, and say `other`."""
        made = str.__new__(cls, word)
        made._value_ = other
        return made

    ONE = "one", "two"


class Plain(Enum):
    """No text and no number, but it has a value that is one."""

    ONE = "one"


class Number(IntEnum):
    """A whole number with a name."""

    SEVEN = 7
    MANY = 2**53


@dataclass(frozen=True, slots=True)
class Noun:
    """What orjson would write as an object."""

    a: int = 1


def as_ever(value: object) -> bytes | None:
    """Give the bytes of the encoder that wrote the log from its first day, None for what it refused."""
    if problem_in(value) is not None:
        return None
    encoder = json.JSONEncoder(
        ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return encoder.encode(value).encode()


def as_now(value: object) -> bytes | None:
    """Give the bytes of today's, None for what it refuses."""
    try:
        return canonical(value)
    except InvalidInput:
        return None


ODD_LEAVES = st.sampled_from(
    [
        *(0.5, 1.0, -0.0, 1e300, float("nan"), float("inf")),
        *(2**53, -(2**53), 2**64, 10**30, LARGEST, -LARGEST),
        *("half \ud83d", "😀", "\u2028", "\x7f", "\uffff", "\ue000"),
        *(Word("own"), Role.LEAD, Odd.ONE, Plain.ONE, Number.SEVEN, Number.MANY),
        *((1, 2), (), {1, 2}, frozenset(), b"x", bytearray(b"x"), Decimal("0.5"), object()),
        *(NOW, NOW.date(), date(2026, 3, 2), NOW.time(), timedelta(1), uuid.UUID(int=1), Noun(), Noun),
        *(orjson.Fragment(b"1"), OrderedDict(b=1, a=2), OrderedDict(b=0.5), type("Listed", (list,), {})([1])),
    ]
)
ANY_KEY = st.text(max_size=3) | st.sampled_from(
    ["😀", "\ud83d", "\uffff", "\ue000", Word("k"), Role.LEAD, 1, None, True]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | ODD_LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_KEY, inner, max_size=4) | st.tuples(inner),
    max_leaves=12,
)


@given(ANYTHING)
def test_the_quick_writer_writes_and_refuses_what_the_first_one_did(value: object) -> None:
    """Whatever comes: byte for byte what the encoder of the first day gives, or refused as it was."""
    assert as_now(value) == as_ever(value)


@given(VALUES)
def test_what_is_plain_json_is_written_by_the_quick_writer(value: Json) -> None:
    """The whole profile goes the quick way (outside the basic plane it may not), and comes out the same."""
    expected = as_ever(value)
    quickly = plain_json(value, DEEPEST)

    assert expected is not None
    assert quickly == (None if any(byte >= 0xF0 for byte in expected) else expected)


@pytest.mark.parametrize(
    "value",
    [
        *(1.0, float("nan"), 2**53, (1,), NOW, NOW.date(), uuid.UUID(int=1), Noun(), Plain.ONE, Odd.ONE, Number.SEVEN),
        *(orjson.Fragment(b"1"), Word("own"), OrderedDict(), "half \ud83d", {"😀": 1}, {1: 1}, {Word("k"): 1}),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"a": [{"b": one}]}])
def test_what_orjson_would_take_for_json_never_comes_to_it(value: object, wrap: Callable[[object], object]) -> None:
    """Floats, tuples, times, enums, dataclasses and more: orjson would write many of them, so the slow way decides."""
    assert plain_json(wrap(value), DEEPEST) is None


def test_a_value_that_holds_itself_twice_is_refused_at_once() -> None:
    """Every level would be twice as wide as the one above: the quick writer gives up before the memory does."""
    loop: list[Json] = []
    loop += [loop, loop]

    with pytest.raises(InvalidInput, match="nested deeper"):
        canonical(loop)


@pytest.mark.parametrize("around", [0, 1, 2, DEEPEST - 1])
def test_what_will_stand_around_a_value_counts_as_depth(around: int) -> None:
    """A section may be as deep as leaves room for what it is put into, quick way and slow way alike."""
    for inmost in ("x", Word("x")):
        value: Json = inmost
        for _ in range(DEEPEST - around):
            value = [value]

        assert canonical(value, around) == as_ever(value)
        with pytest.raises(InvalidInput, match="nested deeper"):
            canonical([value], around)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'"\\u00e9"',
        b'"\\/"',
        b'"\\ud83d"',
        b'"\\uD83D\\uDE00"',
        b"1.0",
        b"-0",
        b"1e2",
        b"01",
        b"NaN",
        b"9007199254740992",
        b"1" * 5000,
        b"1\n",
        b"\xef\xbb\xbf1",
        b"\xff",
        b"",
        b"{",
        b"[" * 100_000,
        b"[" * 80 + b"]" * 80,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_any_other_spelling_is_not_what_was_written(data: bytes) -> None:
    """Spaces, key order, repeated keys, odd escapes, floats, broken text: each is refused as changed."""
    with pytest.raises(VerificationFailed):
        parse_canonical(data)


def test_instants_have_one_spelling() -> None:
    """UTC, microseconds, Z; the same moment from another zone is written alike."""
    berlin = timezone(timedelta(hours=1))

    assert instant(NOW) == "2026-03-02T08:00:00.000005Z"
    assert instant(NOW.astimezone(berlin)) == instant(NOW)
    assert instant_from(instant(NOW)) == NOW
    with pytest.raises(InvalidInput, match="zone"):
        instant(datetime(2026, 3, 2))  # noqa: DTZ001  a time without a zone is what is refused


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02",
        "2026-03-02T08:00:00.000000",
        "2026-03-02T08:00:00Z",
        "2026-03-02T08:00:00.000000+00:00",
        "2026-03-02T09:00:00.000000+01:00",
        "2026-03-02 08:00:00.000000Z",
        "20260302T080000.000000Z",
        "2026-02-30T08:00:00.000000Z",
        "yesterday",
        "",
    ],
)
def test_other_spellings_of_an_instant_are_refused(text: str) -> None:
    """What reads as the same moment but is other bytes would hash differently."""
    with pytest.raises(InvalidInput, match="not an instant"):
        instant_from(text)


def test_the_hour_that_comes_twice_is_two_instants() -> None:
    """When the clocks go back, half past two is written once for summer time and once for winter time."""
    berlin = ZoneInfo("Europe/Berlin")
    summer, winter = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))

    for _ in range(2):  # what is remembered of the first must not answer for the second
        assert instant(summer) == "2026-10-25T00:30:00.000000Z"
        assert instant(winter) == "2026-10-25T01:30:00.000000Z"
