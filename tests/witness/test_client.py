"""Asking one witness: each answer of the protocol has one meaning here, and nothing else is believed."""

import time
from dataclasses import replace

import pytest

from engine.errors import StepcareError
from stepcare.verifier.note import Note, Signature, verified_by
from stepcare.witness.client import (
    Declined,
    Manner,
    OtherSize,
    Unacceptable,
    Unanswered,
    cosign,
    request_body,
    seen_by,
)
from stepcare.witness.policy import Witness
from tests.witness.answers import TABLE, Sent, send
from tests.witness.conftest import Open
from tests.witness.logs import NOW, ORIGIN, Ledger, Pen, a_witness
from tests.witness.strict import (
    Mood,
    dated,
    drips,
    hangs,
    hangs_up,
    saying,
    signing_as,
    signing_something_else,
    stalls_in_the_headers,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MANNER = Manner(now=NOW, seconds=10)
SHORT = Manner(now=NOW, seconds=0.4)


def test_a_witness_cosigns_each_growth(a_serving_witness: Open) -> None:
    """From nothing to the first checkpoint, then from each size to the next: its signature is over our very text."""
    there, log, before = a_serving_witness(), Ledger(), 0
    for growth in (1, 1, 5, 249, 1, 300):
        note = log.grow(growth).note()
        proof = log.prove(before, len(log.leaves)) if before else []

        made = cosign(note, before, proof, there.witness, MANNER)

        seen = verified_by(Note(text=note.text, signatures=(made.signature,)), [there.witness.key])
        assert (seen[0].time, made.time) == (NOW, NOW)
        before = len(log.leaves)


def test_a_request_is_written_as_the_protocol_says() -> None:
    """Old size, one line of base64 a hash, an empty line, the checkpoint."""
    note = Note(text="o\n4\nAAAA\n", signatures=(Signature(name="o", id=b"abcd", data=b"x"),))

    assert request_body(note, 2, [bytes(32)]).decode() == f"old 2\n{'A' * 43}=\n\no\n4\nAAAA\n\n— o YWJjZHg=\n"
    with pytest.raises(ValueError, match="64 hashes"):
        request_body(note, 2, [bytes(32)] * 64)


@pytest.mark.parametrize(("what", "error"), TABLE.values(), ids=TABLE.keys())
def test_a_strict_witness_answers_by_the_table(a_serving_witness: Open, what: Sent, error: type[StepcareError]) -> None:
    """A replay is a conflict, another history is evidence, a shorter log is no request."""
    log, there = Ledger().grow(9), a_serving_witness()
    cosign(log.note(5), 0, [], there.witness, MANNER)

    with pytest.raises(error):
        send(log, what, there.witness, MANNER)

    assert there.size(ORIGIN) == 5


def test_a_conflict_says_the_size(a_serving_witness: Open) -> None:
    """The witness says where it is, and from there it can be asked again."""
    log, there = Ledger().grow(9), a_serving_witness()
    cosign(log.note(5), 0, [], there.witness, MANNER)

    with pytest.raises(OtherSize) as caught:
        cosign(log.note(), 0, [], there.witness, MANNER)

    assert caught.value.size == 5
    assert cosign(log.note(), 5, log.prove(5, 9), there.witness, MANNER).time == NOW


def test_another_key_and_another_log_are_declined(a_serving_witness: Open) -> None:
    """403: not signed by a key it trusts for this log. 404: it does not know the log at all."""
    log, forger = Ledger().grow(3), Ledger(pen=Pen.of(ORIGIN, seed=2)).grow(3)
    stranger, there = Ledger(pen=Pen.of("other.example/log")).grow(3), a_serving_witness()

    said = []
    for sent in (forger.note(), stranger.note(), replace(log.note(), text=log.note().text.replace("3", "4", 1))):
        with pytest.raises(Declined) as caught:
            cosign(sent, 0, [], there.witness, MANNER)
        said.append(caught.value.status)

    assert said == [403, 404, 403]


UNANSWERED: dict[str, tuple[Mood, str]] = {
    "it hangs": (hangs, "no answer within"),
    "it drips": (drips, "no answer within"),
    "it never ends its headers": (stalls_in_the_headers, "no answer within"),
    "it hangs up": (hangs_up, "RemoteDisconnected"),
    "an error of its own": (saying(500), "500"),
    "too busy": (saying(503), "503"),
    "moved elsewhere": (saying(302), "302"),
    "nothing said": (saying(204), "204"),
    "a conflict in words": (saying(409, b"5\n"), "without its size"),
    "a conflict without a line's end": (saying(409, b"5", "text/x.tlog.size"), "without its size"),
    "a conflict with a sign": (saying(409, b"+5\n", "text/x.tlog.size"), "without its size"),
    "a conflict with leading noughts": (saying(409, b"05\n", "text/x.tlog.size"), "without its size"),
    "a conflict beyond any size": (saying(409, b"9" * 30 + b"\n", "text/x.tlog.size"), "without its size"),
    "a flood": (saying(200, b"x" * 100_000), "more than"),
}


@pytest.mark.parametrize(("mood", "why"), UNANSWERED.values(), ids=UNANSWERED.keys())
def test_what_is_no_answer_is_unanswered_in_bounded_time(a_serving_witness: Open, mood: Mood, why: str) -> None:
    """Whatever the other side does, the sealer has its thread back when the time is over."""
    there, began = a_serving_witness(mood=mood), time.monotonic()

    with pytest.raises(Unanswered, match=why):
        cosign(Ledger().grow(3).note(), 0, [], there.witness, SHORT if "within" in why else MANNER)

    assert time.monotonic() - began < 9


def test_nobody_there_is_unanswered(a_serving_witness: Open) -> None:
    """A port where nobody listens, and a witness without an address."""
    nobody = Witness(name="w1", key=a_witness("w1").key, url="http://127.0.0.1:1/w")

    with pytest.raises(Unanswered, match="refused"):
        cosign(Ledger().grow(3).note(), 0, [], nobody, SHORT)
    with pytest.raises(Unanswered, match="no address"):
        cosign(Ledger().grow(3).note(), 0, [], replace(nobody, url=None), SHORT)


UNACCEPTABLE: dict[str, tuple[Mood, str]] = {
    "garbage": (saying(200, b"\xff\x00 hello"), "does not verify"),
    "nothing": (saying(200, b""), "does not verify"),
    "a page": (saying(200, b"<html>Welcome</html>\n"), "does not verify"),
    "a line cut": (saying(200, "— w1.example/w AAAA".encode()), "does not verify"),
    "over another text": (signing_something_else, "does not verify"),
    "by another key": (signing_as(a_witness("w2")), "none of its lines"),
    "by another key of that name": (signing_as(a_witness("w1", seed=2)), "none of its lines"),
    "by the log itself": (signing_as(Pen.of(ORIGIN)), "none of its lines"),
    "from the future": (dated(301), "in the future"),
    "an old one again": (dated(-301), "played again"),
    "without a time": (dated(-NOW), "old"),
}


@pytest.mark.parametrize(("mood", "why"), UNACCEPTABLE.values(), ids=UNACCEPTABLE.keys())
def test_a_cosignature_is_held_to_the_key_the_text_and_the_time(a_serving_witness: Open, mood: Mood, why: str) -> None:
    """A network that answers in the witness's place gains nothing."""
    there = a_serving_witness(mood=mood)

    with pytest.raises(Unacceptable, match=why):
        cosign(Ledger().grow(3).note(), 0, [], there.witness, MANNER)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_wrong(a_serving_witness: Open, seconds: int) -> None:
    """Clocks differ; what the witness says is kept as it says it."""
    there = a_serving_witness(mood=dated(seconds))

    assert cosign(Ledger().grow(3).note(), 0, [], there.witness, MANNER).time == NOW + seconds


def test_lines_of_strangers_are_passed_over(a_serving_witness: Open) -> None:
    """A witness may sign with several keys; the one we know is taken, the others are not."""
    note, ours = Ledger().grow(3).note(), a_witness("w1")
    both = a_witness("w9").sign(note.text, NOW).line() + ours.sign(note.text, NOW).line()
    there = a_serving_witness(mood=saying(200, both.encode()))

    assert cosign(note, 0, [], there.witness, MANNER).signature.id == ours.key.id


def test_a_witness_that_shows_what_it_saw_is_read(a_serving_witness: Open) -> None:
    """Its reading side, where it has one, gives the other half of the evidence; where it has none, nothing is lost."""
    log, there = Ledger().grow(9), a_serving_witness()
    cosign(log.note(5), 0, [], there.witness, MANNER)

    assert seen_by(there.witness, ORIGIN, MANNER) is None
    there.shows = True
    assert seen_by(there.witness, ORIGIN, MANNER) == there.latest[ORIGIN]
