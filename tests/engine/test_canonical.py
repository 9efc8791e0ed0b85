import json
from datetime import UTC, datetime, timedelta, timezone

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
)
from engine.errors import InvalidInput, VerificationFailed
from engine.model import Json, Role

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
