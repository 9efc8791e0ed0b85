"""What an entry must be. The verifier's reading is held against the engine's, which shares no code with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audit import FORMAT as ENGINE_FORMAT
from engine.audit import SHAPE as ENGINE_SHAPE
from engine.audit import check_envelope
from engine.errors import StepcareError
from engine.errors import Unverifiable as EngineCannotTell
from stepcare.verifier.entries import FORMAT, ROWS, SHAPE, Order, _glance, _read_slowly, read_entry
from stepcare.verifier.outcome import NotVerified, Tampered, Unverifiable
from tests.verifier.logs import TEMPLATE, canonical, entries, leaf

HASH = "ab" * 32
FULL = TEMPLATE | {
    "actor": TEMPLATE["actor"] | {"obo": "p-1"},
    "corrects": 3,
    "ep": "e-1",
    "id": "i",
    "key": "k",
    "occ": "2026-02-28T23:59:59.999999Z",
    "pathway": {"id": "back", "sha256": HASH, "ver": "1"},
    "prev": HASH,
    "epn": 1,
    "req": "r",
}


def test_it_knows_the_engines_format() -> None:
    """Whoever changes the envelope makes a new format, and must teach it to the verifier as well."""
    rows = {name: ROWS if name == "rule" else part for name, part in ENGINE_SHAPE.items()}

    assert FORMAT == ENGINE_FORMAT
    assert rows | {"v": "format"} == dict(SHAPE)


# --- two readers, one reading ---------------------------------------------------------------------------------------


def ours(data: bytes) -> str:
    """Say what the verifier makes of some bytes."""
    try:
        read_entry(data)
    except Unverifiable:
        return "unverifiable"
    except Tampered:
        return "tampered"
    return "fine"


def theirs(data: bytes) -> str:
    """Say what the engine makes of them. That a first entry has no predecessor is the chain's business here."""
    try:
        check_envelope(data)
    except EngineCannotTell:
        return "unverifiable"
    except StepcareError as error:
        return "fine" if "breaks its chain" in str(error) else "tampered"
    return "fine"


ODD: dict[str, dict[str, Any]] = {
    "not our letters": {"trigger": "Ü-ß-漢-😀"},
    "a quote": {"trigger": '"\\\n\t\x7f\u2028'},
    "a control character": {"trigger": "\x01"},
    "a long text": {"trigger": "x" * 400},
    "too long a text": {"trigger": "x" * 401},
    "an empty text": {"trigger": ""},
    "a long word": {"type": "x" * 80},
    "too long a word": {"type": "x" * 81},
    "capitals": {"type": "Episode"},
    "a leap day": {"ts": "2028-02-29T00:00:00.000000Z"},
    "no leap day": {"ts": "2026-02-29T00:00:00.000000Z"},
    "the 31st of April": {"ts": "2026-04-31T00:00:00.000000Z"},
    "the 31st of December": {"ts": "2026-12-31T23:59:59.999999Z"},
    "hour 24": {"ts": "2026-12-31T24:00:00.000000Z"},
    "the year 0": {"ts": "0000-12-31T23:00:00.000000Z"},
    "the year 1": {"ts": "0001-01-01T00:00:00.000000Z"},
    "another zone": {"ts": "2026-12-31T23:00:00.000000+00:00"},
    "no microseconds": {"ts": "2026-12-31T23:00:00Z"},
    "2**53 - 1": {"corrects": 2**53 - 1},
    "2**53": {"corrects": 2**53},
    "less than nothing": {"corrects": -1},
    "a truth for a count": {"corrects": True},
    "a fraction": {"corrects": 1.5},
    "a float that is whole": {"corrects": 1.0},
    "null": {"corrects": None},
    "a list for a text": {"trigger": ["T1"]},
    "no hash": {"params": "0" * 63},
    "a hash in capitals": {"params": "A" * 64},
    "no rules": {"rule": []},
    "a rule of three": {"rule": [["a", "b", "t"]]},
    "a rule that answers x": {"rule": [["a", "b", "x", "ok"]]},
    "no sections": {"c": {}},
    "another section": {"c": {"census": HASH}},
    "some sections": {"c": {"facts": HASH, "text": HASH}},
    "a section in capitals": {"c": {"Facts": HASH}},
    "a state without from": {"state": {"to": "x"}},
    "a state without to": {"state": {"from": "x"}},
    "a field too many": {"more": 1},
    "a field within too many": {"ver": {"after": 1, "before": 0, "now": 1}},
    "another format": {"v": "0123456789abcdef"},
    "a format that is no text": {"v": 1},
    "a format that is nothing": {"v": None},
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
@pytest.mark.parametrize("base", [TEMPLATE | {"ep": "e", "id": "i"}, FULL], ids=["least", "full"])
def test_verifier_and_engine_agree_on_odd_entries(base: dict[str, Any], change: dict[str, Any]) -> None:
    """What the engine can write the verifier takes, and what it never writes the verifier refuses."""
    data = canonical(base | change)

    assert ours(data) == theirs(data)


@pytest.mark.parametrize("name", [*FULL])
def test_verifier_and_engine_agree_on_what_may_be_missing(name: str) -> None:
    """Each field taken out."""
    data = canonical({key: value for key, value in FULL.items() if key != name})

    assert ours(data) == theirs(data)


SPELLINGS = {
    "spaces": lambda data: data.replace(b":", b": ", 1),
    "a space behind": lambda data: data + b" ",
    "a newline before": lambda data: b"\n" + data,
    "an escape that is not needed": lambda data: data.replace(b"ann", b"\\u0061nn"),
    "a slash that is escaped": lambda data: data.replace(b'"T1"', b'"T\\/1"'),
    "an odd octet in a hash": lambda data: data.replace(HASH.encode(), b"\xff" * 64),
    "a key twice": lambda data: data.replace(b'"epn"', b'"epn":1,"epn"'),
    "another order": lambda data: (
        b'{"v":"' + FORMAT.encode() + b'",' + data[1:].replace(b'"v":"e785cde2d7e483f9",', b"")
    ),
    "a number with a point": lambda data: data.replace(b'"idx":0', b'"idx":0.0'),
    "a number with a zero before": lambda data: data.replace(b'"idx":0', b'"idx":00'),
    "minus nought": lambda data: data.replace(b'"idx":0', b'"idx":-0'),
    "no number": lambda data: data.replace(b'"idx":0', b'"idx":NaN'),
    "a number of ten thousand digits": lambda data: data.replace(b'"idx":0', b'"idx":' + b"9" * 10_000),
    "half a character": lambda data: data.replace(b'"T1"', b'"\\ud800"'),
    "not UTF-8": lambda data: data.replace(b'"T1"', b'"\xff"'),
    "a mark of the byte order": lambda data: b"\xef\xbb\xbf" + data,
    "a list": lambda data: b"[" + data + b"]",
    "depth": lambda _: b"[" * 100_000,
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_an_entry_has_one_spelling(spell: Any) -> None:
    """The same content in any other bytes is no entry: then nobody can choose between two hashes of one meaning."""
    data = canonical(FULL)

    assert ours(data) == "fine"
    assert ours(spell(data)) == "tampered"


@given(st.integers(0, len(canonical(FULL)) - 1), st.binary(max_size=3), st.integers(0, 4))
def test_the_glance_takes_nothing_that_the_slow_reader_refuses(at: int, put: bytes, taken: int) -> None:
    """Some bytes of an entry replaced: whatever the pattern still knows, the slow reader reads alike."""
    data = canonical(FULL)
    data = data[:at] + put + data[at + taken :]

    if _glance(data):
        assert read_entry(data) == _read_slowly(data)
    assert ours(data) == theirs(data)


TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


@given(st.sampled_from([*FULL, "more", "V"]), JSON)
def test_verifier_and_engine_agree_on_any_value_of_any_field(name: str, value: Any) -> None:
    """One field of an entry replaced by anything JSON can say."""
    data = json.dumps(FULL | {name: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    assert ours(data) == theirs(data)
    try:
        data = canonical(FULL | {name: value})
    except UnicodeEncodeError:
        return
    assert ours(data) == theirs(data)


# --- in order -------------------------------------------------------------------------------------------------------


def faults(log: list[bytes]) -> list[tuple[int, type[NotVerified], str]]:
    """Take a log in order, and give what was refused."""
    order, found = Order(), []
    for index, data in enumerate(log):
        try:
            order.take(data, leaf(data))
        except NotVerified as error:
            found.append((index, type(error), str(error)))
    return found


def test_a_good_log_is_taken() -> None:
    """Entries of several episodes and of the site, each chain from nought."""
    assert faults(entries(50)) == []


def test_an_entry_at_another_place_is_refused() -> None:
    """Its own number says where it belongs."""
    log = entries(20, e7={"idx": 8})

    index, _, why = faults(log)[0]

    assert (index, "says it is entry 8" in why) == (7, True)


def test_a_hole_in_a_chain_is_refused() -> None:
    """A number left out in an episode's chain is an entry taken out, even where the log's own numbers fit."""
    log = entries(20, e15={"epn": 3})

    index, kind, why = faults(log)[0]

    assert (index, kind) == (15, Tampered)
    assert "number 2 of its chain was due, 3 came" in why


def test_a_chain_that_names_another_entry_is_refused() -> None:
    """An entry carries the hash of the one before it."""
    log = entries(20, e15={"prev": HASH})

    index, kind, why = faults(log)[0]

    assert (index, kind) == (15, Tampered)
    assert "names another entry" in why


def test_an_unknown_format_is_no_tampering_and_neither_is_what_follows_from_it() -> None:
    """An entry that cannot be read leaves its chain open: the next of that chain can be neither confirmed nor denied."""
    log = entries(20, e8={"v": "0123456789abcdef"})

    assert [(index, kind) for index, kind, _ in faults(log)] == [(8, Unverifiable), (15, Unverifiable)]


def test_the_log_of_reads_has_entries_of_its_own() -> None:
    """They are canonical, numbered in order, and belong to no chain; all else about them is not the verifier's."""
    log = [canonical({"v": "stepcare/access/1", "id": f"r{n}", "idx": n, "ts": "t", "type": "x"}) for n in range(5)]

    assert faults(log) == []
    assert [index for index, *_ in faults([log[0], log[2], log[1]])] == [1, 2]
    assert [index for index, *_ in faults([log[0].replace(b"r0", b"r\xff"), log[1]])] == [0]
