import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from engine.audit import (
    FORMAT,
    LARGEST_ENTRY,
    SHAPE,
    Agent,
    Envelope,
    RuleLine,
    canonical,
    check_chain,
    check_envelope,
    commit,
)
from engine.decision import RuleResult
from engine.errors import InvalidInput, Unverifiable, VerificationFailed
from engine.merkle import leaf_hash
from engine.model import Level, Override

NOW = datetime(2026, 3, 2, 8, 0, 0, 5, tzinfo=UTC)
HASH = "ab" * 32

# --- the envelope -------------------------------------------------------------------------------------------------

FIRST = Envelope(
    id="0198c0de-0000-7000-8000-000000000001",
    index=0,
    recorded_at=NOW,
    type="decision",
    episode="e-7K3QX9MV2AC",
    episode_index=0,
    version_before=0,
    version_after=1,
    state="intake",
    trigger="register",
    outcome="accepted",
    pathway=HASH,
    parameters=HASH,
    engine="1",
    actor=Agent(id="ann", kind="user", role="coordinator"),
)
FULL = replace(
    FIRST,
    index=9,
    occurred_at=NOW - timedelta(days=1),
    episode_index=3,
    previous=HASH,
    state_before="self_care",
    state="professional",
    rules=(RuleLine(id="PATH-05", level="SS", value="u", answer="override:adverse_event"),),
    pathway_id="mid_upper_back",
    pathway_version="1.0",
    actor=Agent(id="job", kind="service", role="service", on_behalf_of="ann"),
    request="r-1",
    key="schlüssel",
    commitments={"facts": HASH, "text": HASH},
    corrects=4,
)
SITE = replace(FIRST, episode=None, state=None, pathway=None, trigger="set_parameter")


@pytest.mark.parametrize("entry", [FIRST, FULL, SITE], ids=["first", "full", "site"])
def test_an_entry_reads_back_as_it_was_written(entry: Envelope) -> None:
    """The envelope survives its bytes exactly, with and without what may be missing."""
    assert check_envelope(entry.to_bytes()) == entry


def test_the_bytes_of_an_entry_are_frozen() -> None:
    """Whatever changes here makes every log written so far unverifiable: then it must be a new format."""
    expected = (
        '{"actor":{"id":"ann","kind":"user","role":"coordinator"},"c":{},"eng":"1","ep":"e-7K3QX9MV2AC","epn":0,'
        '"id":"0198c0de-0000-7000-8000-000000000001","idx":0,"outcome":"accepted","params":"' + HASH + '",'
        '"pathway":{"sha256":"' + HASH + '"},"pou":"treatment","rule":[],"state":{"to":"intake"},"trigger":"register",'
        '"ts":"2026-03-02T08:00:00.000005Z","type":"decision","v":"e785cde2d7e483f9","ver":{"after":1,"before":0}}'
    )

    assert FIRST.to_bytes().decode() == expected
    assert FORMAT == "e785cde2d7e483f9"


def test_an_unknown_format_is_not_called_tampering() -> None:
    """An entry of tomorrow can be neither confirmed nor denied today, whatever else is in it."""
    for data in (canonical({"v": "0123456789abcdef"}), b'{ "v": "next", "x": 0.5 }', canonical({"v": 2})):
        with pytest.raises(Unverifiable, match="newer version"):
            check_envelope(data)


def changed(**fields: object) -> bytes:
    """Give the full entry's bytes with some fields other; None takes one away."""
    entry = {**cast("dict[str, object]", FULL.to_dict()), **fields}
    return json.dumps(
        {key: value for key, value in entry.items() if value is not None},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def owed(shape: object) -> Iterator[str]:
    """Give the fields an entry must have."""
    yield from (key for key in cast("dict[str, object]", shape) if not key.endswith("?") and key != "v")


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(changed(**{field: None}), id=f"without {field}") for field in owed(SHAPE)),
        pytest.param(changed(extra=1), id="an extra field"),
        pytest.param(changed(idx=-1), id="negative"),
        pytest.param(changed(idx=True), id="true is no number"),
        pytest.param(changed(idx=2**53), id="too large"),
        pytest.param(changed(ts="2026-03-02T08:00:00Z"), id="another spelling of time"),
        pytest.param(changed(ts=5), id="time as number"),
        pytest.param(changed(id=""), id="empty"),
        pytest.param(changed(id="x" * 401), id="long"),
        pytest.param(changed(key=5), id="key as number"),
        pytest.param(changed(outcome="Accepted"), id="capital"),
        pytest.param(changed(params=HASH.upper()), id="hash in capitals"),
        pytest.param(changed(c={"facts": "00"}), id="short hash"),
        pytest.param(changed(c={"Facts!": HASH}), id="odd section"),
        pytest.param(changed(c=[]), id="list for object"),
        pytest.param(changed(actor={"id": "ann", "kind": "user"}), id="actor without role"),
        pytest.param(changed(actor={"id": "ann", "kind": "user", "role": "lead", "name": "Ann"}), id="actor with name"),
        pytest.param(changed(rule={}), id="rules as object"),
        pytest.param(changed(rule=[["A", "SS", "t"]]), id="short row"),
        pytest.param(changed(rule=[["A", "SS", "true", "ok"]]), id="odd truth"),
        pytest.param(changed(rule=[["A", "SS", "t", 1]]), id="odd answer"),
        pytest.param(changed(rule=["A"]), id="no row"),
        pytest.param(changed(prev=None), id="no predecessor"),
        pytest.param(changed(epn=0), id="first with predecessor"),
        pytest.param(FULL.to_bytes() + b" ", id="a space more"),
        pytest.param(FULL.to_bytes()[:-1], id="cut"),
        pytest.param(FULL.to_bytes().replace(b'"idx":9', b'"idx":9,"idx":9'), id="repeated key"),
        pytest.param(FULL.to_bytes().replace("ü".encode(), b"\\u00fc"), id="another escape"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"nothing", id="no JSON"),
    ],
)
def test_what_this_version_cannot_have_written_is_refused(data: bytes) -> None:
    """Every field is of its kind and there, none is added, and the bytes are the canonical ones."""
    with pytest.raises(VerificationFailed):
        check_envelope(data)


def test_no_byte_of_an_entry_changes_unseen() -> None:
    """Every byte flipped: refused, or at least another leaf."""
    data = FULL.to_bytes()
    for position in range(len(data)):
        other = bytearray(data)
        other[position] ^= 1
        try:
            check_envelope(bytes(other))
        except (VerificationFailed, Unverifiable):
            continue
        assert leaf_hash(bytes(other)) != leaf_hash(data)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (replace(FIRST, id=""), r"entry\.id is no text"),
        (replace(FIRST, key="\ud800"), r"entry\.key is no text"),
        (replace(FIRST, parameters="unset"), r"entry\.params is no hash"),
        (replace(FIRST, commitments={"Facts!": HASH}), "not part of it"),
        (replace(FIRST, index=2**53), r"entry\.idx is no count"),
        (replace(FIRST, rules=(RuleLine(id="A", level="SS", value="x", answer="ok"),)), r"entry\.rule is no rows"),
    ],
)
def test_an_entry_that_breaks_the_format_is_not_written(entry: Envelope, problem: str) -> None:
    """A mistake is found before it is in the log for ever."""
    with pytest.raises(InvalidInput, match=problem):
        entry.to_bytes()


def test_an_entry_has_room_for_65535_bytes() -> None:
    """The published log counts an entry's bytes in 16 bits: one byte more is refused, when writing and when reading."""
    line = RuleLine(id="R", level="SS", value="t", answer="x" * 400)
    full = replace(FIRST, rules=(line,) * 150)
    rest = LARGEST_ENTRY - len(full.to_bytes())
    filler = RuleLine(id="R", level="SS", value="t", answer="x")
    short = len(replace(full, rules=(*full.rules, filler)).to_bytes()) - len(full.to_bytes())
    rows = [filler] * (rest // short)
    last = replace(filler, answer="x" * (1 + rest % short))
    exact = replace(full, rules=(*full.rules, *rows[1:], last))

    assert len(exact.to_bytes()) == LARGEST_ENTRY
    over = replace(exact, engine="11")
    with pytest.raises(InvalidInput, match="65536 bytes"):
        over.to_bytes()
    with pytest.raises(VerificationFailed, match="too long"):
        check_envelope(canonical(over.to_dict()))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"value": True, "satisfied": True}, ("t", "ok")),
        ({"value": False, "satisfied": False}, ("f", "no")),
        ({"value": None, "satisfied": False}, ("u", "no")),
        ({"value": None, "satisfied": True}, ("u", "ok")),
        (
            {"value": False, "satisfied": True, "override": Override(rule="A", reason="other", text="…")},
            ("f", "override:other"),
        ),
        ({"value": False, "satisfied": True, "signed_off": True}, ("f", "signed")),
    ],
)
def test_a_rule_takes_one_short_line(fields: dict[str, object], expected: tuple[str, str]) -> None:
    """The entry keeps a rule's id, level, truth and answer; the text of an override stays sealed."""
    result = RuleResult(
        id="A",
        level=Level.HSX,
        clauses=(),
        message="m",
        remedy="r",
        sources=(),
        **fields,  # type: ignore[arg-type]
    )

    assert RuleLine.of(result) == RuleLine(id="A", level="HSx", value=expected[0], answer=expected[1])


# --- chains and commitments ---------------------------------------------------------------------------------------


def test_an_episode_has_no_hole() -> None:
    """Each entry names its episode's previous one; one left out, changed or put in breaks the chain."""
    leaf = leaf_hash(FIRST.to_bytes()).hex()
    second = replace(FIRST, index=7, episode_index=1, previous=leaf)

    check_chain(FIRST, None)
    check_chain(second, (0, leaf))

    for entry, last in [
        (second, None),
        (FIRST, (0, leaf)),
        (second, (0, HASH)),
        (second, (1, leaf)),
        (replace(second, episode_index=2), (0, leaf)),
    ]:
        with pytest.raises(VerificationFailed, match="removed, changed or put in"):
            check_chain(entry, last)


def test_a_broken_chain_says_which_way_it_is_broken() -> None:
    """Another number than was due, or the due number behind another entry: "3 was due, 3 came" would say nothing."""
    second = replace(FIRST, index=7, episode_index=1, previous=leaf_hash(FIRST.to_bytes()).hex())

    with pytest.raises(VerificationFailed, match=r"Entry 7 .*: number 2 was due, 1 came\. "):
        check_chain(second, (1, HASH))
    with pytest.raises(
        VerificationFailed, match=r"Entry 7 .*: the entry before it is not the one it followed"
    ) as broken:
        check_chain(second, (0, HASH))
    assert "was due" not in str(broken.value)


def test_a_commitment_fits_one_value_of_one_section() -> None:
    """HMAC-SHA256 under the salt, over the section's name and the canonical value."""
    salt = bytes(range(32))
    expected = hmac.new(salt, b'stepcare/audit/1/facts\x00{"a":1}', "sha256").hexdigest()

    assert commit(salt, "facts", {"a": 1}) == expected
    others = {commit(salt, "facts", {"a": 2}), commit(salt, "text", {"a": 1}), commit(bytes(32), "facts", {"a": 1})}
    assert len({*others, expected}) == 4


@pytest.mark.parametrize(
    ("salt", "section"), [(b"short", "facts"), (bytes(32), "Facts"), (bytes(32), "a\x00b"), (bytes(32), "")]
)
def test_a_commitment_needs_a_whole_salt_and_a_plain_name(salt: bytes, section: str) -> None:
    """A short salt can be guessed, and an odd name could be read as another."""
    with pytest.raises(InvalidInput, match="salt"):
        commit(salt, section, 1)
