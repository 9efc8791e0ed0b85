"""The sealer before its witnesses: whatever they do, the log is sealed and published, and how it stands is told."""

from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stepcare.publish.seal import Sealer
from stepcare.publish.witnessed import keeping, witnessing
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Key, Note
from stepcare.witness.policy import Policy
from stepcare.witness.state import LogState, state_of
from tests.publish.logs import Memory, made, sealer
from tests.witness.conftest import Open
from tests.witness.logs import NOW
from tests.witness.strict import Mood, StrictWitness, dated, hangs_up, saying, signing_something_else

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
Told = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def told() -> Iterator[Told]:
    """Hear what the sealer tells its operator."""
    with capture_logs() as lines:
        yield lines


def watched(place: Path, source: Memory, a_serving_witness: Open, count: int) -> tuple[Sealer, list[StrictWitness]]:
    """Give a sealer whose policy asks for all but one of so many witnesses."""
    (place / "own").mkdir()
    one = sealer(source, place)
    key: Key = one.signers[0].key
    there = [a_serving_witness(f"w{number}", keys=[key]) for number in range(1, count + 1)]
    lines = [f"witness {each.witness.name} {each.witness.key} {each.witness.url}" for each in there]
    names = " ".join(each.witness.name for each in there)
    text = "\n".join([f"log {key}", *lines, f"group g {max(1, count - 1)} {names}", "quorum g", ""])
    (place / "own" / "policy").write_text(text)
    one.witnessing = witnessing(place / "own", lambda: datetime.fromtimestamp(NOW, UTC))
    return one, there


def state(place: Path) -> LogState:
    """Give how the published log stands."""
    found = state_of(place / "published", Policy.parse((place / "own" / "policy").read_bytes()), NOW)
    assert found is not None
    return found


def published(place: Path) -> Note:
    """Give the published checkpoint."""
    return Note.parse((place / "published" / "checkpoint").read_bytes())


def test_each_seal_is_cosigned_from_tiles_alone(tmp_path: Path, a_serving_witness: Open) -> None:
    """The proofs the witnesses ask for are made from what is published: at 1, 256, 257 and 600 entries."""
    source, before = Memory([]), 0
    one, there = watched(tmp_path, source, a_serving_witness, 3)
    for size in (1, 256, 257, 600):
        source.add(made(size)[before:])
        before = size

        one.seal()

        assert len(published(tmp_path).signatures) == 4
        assert state(tmp_path).is_witnessed
    assert [each.size(source.origin) for each in there] == [600] * 3


OUTAGES: dict[str, Mood] = {
    "gone": hangs_up,
    "broken": saying(500),
    "declining": saying(403),
    "lying": signing_something_else,
    "late": dated(-9_999),
    "early": dated(9_999),
    "at another size": saying(409, b"99\n", "text/x.tlog.size"),
    "seeing a fork": saying(422),
}


@pytest.mark.parametrize("mood", OUTAGES.values(), ids=OUTAGES.keys())
def test_no_witness_can_stop_the_log(tmp_path: Path, a_serving_witness: Open, mood: Mood) -> None:
    """All of them are out: the log is sealed and published all the same, and shows as not witnessed."""
    source = Memory(made(300))
    one, there = watched(tmp_path, source, a_serving_witness, 2)
    for each in there:
        each.mood = mood

    sealed = one.seal()

    assert (sealed.size, Checkpoint.parse(published(tmp_path).text).size) == (300, 300)
    assert state(tmp_path).words().startswith("sealed, not witnessed: 300 entries")
    assert state(tmp_path).missing == ("w1", "w2")


def test_two_of_three_is_witnessed_with_one_down(tmp_path: Path, a_serving_witness: Open) -> None:
    """The quorum is met, and who was missing is named."""
    source = Memory(made(9))
    one, there = watched(tmp_path, source, a_serving_witness, 3)
    there[1].mood = hangs_up

    one.seal()

    assert (state(tmp_path).is_witnessed, state(tmp_path).missing) == (True, ("w2",))


def test_a_mistyped_policy_does_not_stop_the_log(tmp_path: Path, a_serving_witness: Open, told: Told) -> None:
    """It is told in the sealer's log; the checkpoint stands unwitnessed."""
    source = Memory(made(9))
    one, _ = watched(tmp_path, source, a_serving_witness, 1)
    (tmp_path / "own" / "policy").write_text("witnes w1\n")

    assert one.seal().size == 9
    assert len(published(tmp_path).signatures) == 1
    assert ["The policy, line 1" in one["error"] for one in told] == [True]


def test_a_copied_site_is_told_on_by_the_witness(tmp_path: Path, a_serving_witness: Open, told: Told) -> None:
    """Database and sealer's folder were copied whole, both go on with one key: neither sees the other, the witness does."""
    source = Memory(made(9))
    one, there = watched(tmp_path, source, a_serving_witness, 1)
    one.seal()
    copy = tmp_path / "copy"
    other = Memory(made(9))
    (copy / "own").mkdir(parents=True)
    second = sealer(other, copy)
    (copy / "own" / "policy").write_bytes((tmp_path / "own" / "policy").read_bytes())
    second.witnessing = witnessing(copy / "own", lambda: datetime.fromtimestamp(NOW, UTC))
    source.add([b"ours"])
    other.add([b"theirs"])

    one.seal()
    second.seal()

    assert [(one["log_level"], one["outcome"]) for one in told] == [("error", "forked")]
    evidence = sorted(path.suffix for path in (copy / "own" / "evidence").iterdir())
    assert evidence == [".json", ".ours"]
    assert Note.parse(next((copy / "own" / "evidence").glob("*.ours")).read_bytes()).text == published(copy).text
    assert there[0].size(source.origin) == 10
    assert len(published(copy).signatures) == 1


def test_an_outage_has_an_age_for_whoever_may_not_read_the_policy(tmp_path: Path, a_serving_witness: Open) -> None:
    """The web process sees the published folder alone: what was last witnessed is there beside the checkpoint."""
    source = Memory(made(9))
    one, there = watched(tmp_path, source, a_serving_witness, 1)
    one.keep = keeping(tmp_path / "own", lambda: datetime.fromtimestamp(NOW, UTC), tmp_path / "published")
    one.seal()
    there[0].mood = hangs_up
    source.add([b"more"])

    one.seal()

    found = state_of(tmp_path / "published", None, NOW)
    assert found is not None
    assert (found.sealed.size, found.witnessed and found.witnessed.size) == (10, 9)
