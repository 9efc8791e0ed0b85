"""How far the log is sealed and witnessed, and since when: read from the published folder alone."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stepcare.verifier.note import Note
from stepcare.verifier.outcome import Tampered
from stepcare.witness.policy import Policy
from stepcare.witness.state import LogState, ago, keep_witnessed, state_of
from tests.witness.logs import NOW, Ledger, a_witness

W1, W2, W3 = (a_witness(f"w{number}") for number in (1, 2, 3))
WITNESSES = "".join(f"witness w{n} {pen.key}\n" for n, pen in enumerate((W1, W2, W3), start=1))
POLICY = Policy.parse(f"{WITNESSES}group g 2 w1 w2 w3\nquorum g\n")
NOBODY = Policy.parse("quorum none\n")

Publish = Callable[..., None]


def seen(size: int, *at: int) -> Note:
    """Give a checkpoint cosigned by the first witnesses at these times."""
    note = Ledger().grow(size).note()
    lines = [pen.sign(note.text, time) for pen, time in zip((W1, W2, W3), at, strict=False)]
    return Note(text=note.text, signatures=(*note.signatures, *lines))


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish a checkpoint at a time, as the sealer does."""

    def put(note: Note, at: int) -> None:
        (tmp_path / "checkpoint").write_bytes(note.bytes())
        os.utime(tmp_path / "checkpoint", (at, at))
        if keep_witnessed(tmp_path, note, POLICY, at):
            os.utime(tmp_path / "witnessed", (at, at))

    return put


def state(folder: Path, policy: Policy | None = POLICY) -> LogState:
    """Give the state, which is there."""
    found = state_of(folder, policy, NOW)
    assert found is not None
    return found


def test_nothing_published_has_no_state(tmp_path: Path) -> None:
    """Before the first seal, or without a sealer, there is nothing to say."""
    assert state_of(tmp_path, POLICY, NOW) is None
    assert state_of(tmp_path / "not" / "there", POLICY, NOW) is None


def test_sealed_and_witnessed(tmp_path: Path, publish: Publish) -> None:
    """Two of three have seen the latest checkpoint: the second of them makes it so, at its time."""
    publish(seen(9, NOW - 30, NOW - 20), NOW - 40)

    found = state(tmp_path)

    assert (found.sealed.size, found.sealed_age) == (9, 40)
    assert (found.is_witnessed, found.witnessed_age, found.missing) == (True, 30, ("w3",))
    assert found.words() == "sealed and witnessed: 9 entries, 40 s ago; seen by witnesses 30 s ago"


def test_an_outage_shows_as_sealed_not_witnessed_with_its_age(tmp_path: Path, publish: Publish) -> None:
    """Decisions and seals go on; what is not witnessed, since when, and who is missing is told."""
    publish(seen(9, NOW - 7200, NOW - 7200), NOW - 7200)
    publish(seen(12, NOW - 5), NOW - 5)

    found = state(tmp_path)

    assert (found.sealed.size, found.witnessed and found.witnessed.size, found.is_witnessed) == (12, 9, False)
    assert (found.sealed_age, found.witnessed_age) == (5, 7200)
    assert found.words() == (
        "sealed, not witnessed: 12 entries, 5 s ago; last witnessed: 9 entries, 2 h 0 min ago (missing: w2, w3)"
    )


def test_never_witnessed_is_said(tmp_path: Path, publish: Publish) -> None:
    """A policy that nobody has met yet."""
    publish(seen(3), NOW - 60)

    found = state(tmp_path)

    assert (found.witnessed, found.witnessed_age) == (None, None)
    assert found.words() == "sealed, not witnessed: 3 entries, 1 min ago; never witnessed (missing: w1, w2, w3)"


def test_no_witness_asked_is_no_outage(tmp_path: Path, publish: Publish) -> None:
    """Without a witness in the policy the state says so, and neither more nor less."""
    publish(seen(3), NOW - 60)

    assert state(tmp_path, NOBODY).witnessed is None
    assert state(tmp_path, NOBODY).words() == "sealed: 3 entries, 1 min ago; no witness is asked"


def test_without_the_policy_the_sealer_is_taken_at_its_word(tmp_path: Path, publish: Publish) -> None:
    """The web process may not look into the sealer's folder: it reads what the sealer kept as witnessed, and when."""
    publish(seen(9, NOW - 500, NOW - 400), NOW - 300)
    publish(seen(12), NOW - 5)

    found = state(tmp_path, None)

    assert (found.sealed.size, found.witnessed and found.witnessed.size, found.witnessed_age) == (12, 9, 300)
    assert found.asks is None


def test_only_what_met_the_policy_is_kept_as_witnessed(tmp_path: Path) -> None:
    """One of two is not enough, a cosignature from tomorrow is none, and where nobody is asked nothing is kept."""
    assert not keep_witnessed(tmp_path, seen(9, NOW), POLICY, NOW)
    assert not keep_witnessed(tmp_path, seen(9, NOW, NOW + 86_400), POLICY, NOW)
    assert not keep_witnessed(tmp_path, seen(9, NOW, NOW), NOBODY, NOW)
    assert not (tmp_path / "witnessed").exists()
    assert keep_witnessed(tmp_path, seen(9, NOW, NOW), POLICY, NOW)


def test_a_checkpoint_that_was_changed_is_no_state(tmp_path: Path, publish: Publish) -> None:
    """A state read from a spoilt file would be a comfortable lie."""
    note = seen(9, NOW, NOW)
    publish(note, NOW)
    (tmp_path / "checkpoint").write_bytes(note.bytes().replace(b"\n9\n", b"\n8\n"))

    with pytest.raises(Tampered):
        state_of(tmp_path, POLICY, NOW)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h 0 min ago"),
        (172_799, "47 h 59 min ago"),
        (172_800, "2 days ago"),
    ],
)
def test_an_age_is_said_as_people_say_it(seconds: int, said: str) -> None:
    """Seconds, minutes, hours, days."""
    assert ago(seconds) == said
