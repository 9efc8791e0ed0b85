"""Collecting from all witnesses at once: outages stop nothing, another history is kept as evidence."""

import json
import threading
import time
from pathlib import Path

import pytest

from stepcare.verifier.note import MOST_SIGNATURES, Note
from stepcare.witness.client import Manner
from stepcare.witness.collect import Collected, Said, collect, with_signatures
from stepcare.witness.policy import Policy
from tests.witness.conftest import Open, policy_of
from tests.witness.logs import NOW, ORIGIN, Ledger, Pen, a_witness
from tests.witness.strict import Mood, StrictWitness, dated, drips, hangs, hangs_up, saying, signing_something_else

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MANNER = Manner(now=NOW, seconds=10)


def collected(log: Ledger, policy: Policy, folder: Path | None = None, manner: Manner = MANNER) -> Collected:
    """Collect for the checkpoint of a log as it is now."""
    return collect(log.note(), log.prove, policy, manner, folder)


def said(result: Collected) -> list[Said]:
    """Give what each witness said, in the policy's order."""
    return [one.said for one in result.answers]


def test_every_witness_signs_each_checkpoint(a_serving_witness: Open, tmp_path: Path) -> None:
    """The note carries the log's own signature and one of each; what is remembered spares the question of the size."""
    three, log = [a_serving_witness(f"w{n}") for n in (1, 2, 3)], Ledger()
    policy = policy_of("3", *three)

    for growth in (1, 4, 300):
        result = collected(log.grow(growth), policy, tmp_path)

        assert said(result) == [Said.COSIGNED] * 3
        assert result.standing.met
        assert Note.parse(result.note.bytes()) == result.note
        assert policy.satisfied(result.note, NOW)
    assert [len(one.requests) for one in three] == [3, 3, 3]


def test_without_a_folder_the_size_is_asked_for(a_serving_witness: Open) -> None:
    """A sealer that remembers nothing begins at nought, is told the size, and proves from there."""
    there, log = a_serving_witness(), Ledger()
    policy = policy_of("w1", there)
    collected(log.grow(5), policy)

    assert said(collected(log.grow(7), policy)) == [Said.COSIGNED]
    assert len(there.requests) == 3


def test_the_same_checkpoint_again_is_cosigned_again(a_serving_witness: Open, tmp_path: Path) -> None:
    """The heartbeat of a quiet night: the same size, a newer time, one line a witness."""
    there, log = a_serving_witness(), Ledger().grow(5)
    policy = policy_of("w1", there)
    first = collected(log, policy, tmp_path)
    there.now += 3600

    again = collect(first.note, log.prove, policy, Manner(now=NOW + 3600), tmp_path)

    assert (again.standing.since, len(again.note.signatures)) == (NOW + 3600, 2)


DOWN: dict[str, tuple[Mood, Said]] = {
    "hangs": (hangs, Said.UNANSWERED),
    "drips": (drips, Said.UNANSWERED),
    "hangs up": (hangs_up, Said.UNANSWERED),
    "500": (saying(500), Said.UNANSWERED),
    "garbage": (saying(200, b"\xff"), Said.UNACCEPTABLE),
    "another text": (signing_something_else, Said.UNACCEPTABLE),
    "the future": (dated(9_999), Said.UNACCEPTABLE),
    "an old one": (dated(-9_999), Said.UNACCEPTABLE),
    "declines": (saying(404), Said.DECLINED),
}


@pytest.mark.parametrize(("mood", "kind"), DOWN.values(), ids=DOWN.keys())
def test_two_of_three_suffice_whatever_the_third_does(a_serving_witness: Open, mood: Mood, kind: Said) -> None:
    """An outage, or a witness gone mad, costs one signature and a bounded wait."""
    three = [a_serving_witness("w1"), a_serving_witness("w2", mood=mood), a_serving_witness("w3")]
    began = time.monotonic()

    result = collected(Ledger().grow(9), policy_of("2", *three), manner=Manner(now=NOW, seconds=2.5))

    assert said(result) == [Said.COSIGNED, kind, Said.COSIGNED]
    assert (result.standing.met, result.standing.missing) == (True, ("w2",))
    assert time.monotonic() - began < 12


def test_all_witnesses_down_leaves_the_checkpoint_as_it_was(a_serving_witness: Open) -> None:
    """Sealed, not witnessed: the note is whole, the report names each, nothing is raised."""
    eight, log = [a_serving_witness(f"w{n}", mood=hangs) for n in range(8)], Ledger().grow(9)
    began = time.monotonic()

    result = collected(log, policy_of("2", *eight), manner=Manner(now=NOW, seconds=1.0))

    assert result.note == log.note()
    assert said(result) == [Said.UNANSWERED] * 8
    assert (result.standing.met, result.standing.since) == (False, None)
    assert time.monotonic() - began < 7  # side by side, not one after the other


def test_a_witness_comes_back_and_is_brought_up_to_date(a_serving_witness: Open, tmp_path: Path) -> None:
    """What it missed is proved in one step when it is there again."""
    there, log = a_serving_witness(), Ledger().grow(5)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)
    there.mood = saying(503)
    assert said(collected(log.grow(100), policy, tmp_path)) == [Said.UNANSWERED]
    there.mood = None

    assert said(collected(log.grow(1), policy, tmp_path)) == [Said.COSIGNED]
    assert there.size(ORIGIN) == 106


# --- another history ----------------------------------------------------------------------------------------------


def test_a_fork_is_refused_and_both_checkpoints_are_kept(a_serving_witness: Open, tmp_path: Path) -> None:
    """The operator rewrote entry 4 with the log's own key: every witness refuses, and the folder holds the proof."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    there.shows = True
    honest = collected(log, policy, tmp_path)
    rewritten = log.forked(4).grow(3, "other")

    result = collected(rewritten, policy, tmp_path)

    assert said(result) == [Said.FORKED]
    assert not result.standing.met
    kept = {path.suffix: path for path in result.evidence}
    assert Note.parse(kept[".ours"].read_bytes()) == rewritten.note()
    assert Note.parse(kept[".last"].read_bytes()) == honest.note
    assert Note.parse(kept[".theirs"].read_bytes()) == there.latest[ORIGIN]
    assert json.loads(kept[".json"].read_bytes())["said"] == "forked"
    assert all(path.stat().st_mode & 0o077 == 0 for path in result.evidence)


def test_the_same_size_with_another_root_is_a_fork(a_serving_witness: Open, tmp_path: Path) -> None:
    """Nothing is longer, one entry is another: there is no proof to send, and the witness says so."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)

    result = collected(log.forked(8), policy, tmp_path)

    assert said(result) == [Said.FORKED]
    assert {path.suffix for path in result.evidence} == {".ours", ".last", ".json"}


def test_a_log_restored_from_a_backup_is_told_that_it_is_behind(a_serving_witness: Open, tmp_path: Path) -> None:
    """Even where the sealer's own folder was restored with it: the witness has seen more."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    collected(log, policy)

    result = collected(Ledger().grow(7), policy, tmp_path)

    assert said(result) == [Said.AHEAD]
    assert "has cosigned size 9, this log has 7" in result.answers[0].detail
    assert {path.suffix for path in result.evidence} == {".ours", ".json"}


def test_a_log_cut_under_its_own_sealer_is_told_with_what_was_last_cosigned(
    a_serving_witness: Open, tmp_path: Path
) -> None:
    """Only the database went back: the sealer still holds the longer checkpoint with the witness's name under it."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    honest = collected(log, policy, tmp_path)

    result = collected(Ledger().grow(7), policy, tmp_path)

    assert said(result) == [Said.AHEAD]
    (last,) = (path for path in result.evidence if path.suffix == ".last")
    assert Note.parse(last.read_bytes()) == honest.note


def test_what_a_witness_has_not_cosigned_is_no_evidence_against_it(a_serving_witness: Open, tmp_path: Path) -> None:
    """Somebody put another checkpoint in the place of the remembered one: it is not brought forward."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)
    (memory,) = (tmp_path / "witnessed").iterdir()
    memory.write_bytes(log.note(5).bytes())

    result = collected(log.forked(4), policy, tmp_path)

    assert {path.suffix for path in result.evidence} == {".ours", ".json"}


def test_the_same_evidence_is_kept_once(a_serving_witness: Open, tmp_path: Path) -> None:
    """A sealer that tries every few seconds does not fill the disk, and the first file stays as it was."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)
    fork = log.forked(4)
    first = collected(fork, policy, tmp_path).evidence

    assert first
    assert collected(fork, policy, tmp_path).evidence == ()


def test_what_is_remembered_may_be_spoilt(a_serving_witness: Open, tmp_path: Path) -> None:
    """The memory is a guess: cut, changed or forged, it costs one question."""
    there, log = a_serving_witness(), Ledger().grow(5)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)
    (memory,) = (tmp_path / "witnessed").iterdir()

    for data in (b"", b"\xff\xff", memory.read_bytes().replace(b"\n5\n", b"\n4\n"), log.note(3).bytes()):
        memory.write_bytes(data)
        assert said(collected(log.grow(1), policy, tmp_path)) == [Said.COSIGNED]


def test_two_sealers_of_one_log_never_get_a_fork_cosigned(a_serving_witness: Open, tmp_path: Path) -> None:
    """They race with one key over one witness: whatever it has cosigned is one history, growing."""
    there, log = a_serving_witness(), Ledger().grow(60)
    policy = policy_of("w1", there)
    results: list[Collected] = []

    def seals(sizes: range, folder: Path) -> None:
        folder.mkdir()
        results.extend(collect(log.note(size), log.prove, policy, MANNER, folder) for size in sizes)

    both = [threading.Thread(target=seals, args=(range(start, 61, 2), tmp_path / f"sealer{start}")) for start in (1, 2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    kinds = {kind for result in results for kind in said(result)}
    assert Said.COSIGNED in kinds
    assert kinds <= {Said.COSIGNED, Said.AHEAD}  # one of them is behind at times, none is refused as a fork
    assert there.size(ORIGIN) == 60


def test_a_second_sealer_with_another_history_is_refused(a_serving_witness: Open, tmp_path: Path) -> None:
    """The database was copied, both go on: whoever is second at the witness is told."""
    there, log = a_serving_witness(), Ledger().grow(9)
    policy = policy_of("w1", there)
    collected(log, policy, tmp_path)
    copy = Ledger(pen=log.pen, leaves=list(log.leaves)).grow(2, "copy")
    collected(log.grow(1), policy, tmp_path)

    assert said(collected(copy, policy, tmp_path)) == [Said.FORKED]


def test_a_forger_without_the_key_gets_nothing(a_serving_witness: Open) -> None:
    """Rewritten and signed with another key of the same name: declined."""
    there = a_serving_witness()
    forger = Ledger(pen=Pen.of(ORIGIN, seed=2)).grow(9)

    assert said(collected(forger, policy_of("w1", there))) == [Said.DECLINED]


def test_a_fault_of_our_own_proof_maker_stops_nothing(a_serving_witness: Open) -> None:
    """A tile that cannot be read is one witness's missing answer, not the end of the sealer."""
    there, log = a_serving_witness(), Ledger()
    policy = policy_of("w1", there)
    collected(log.grow(5), policy)

    def broken(_: int, __: int) -> list[bytes]:
        raise OSError("tile")

    assert said(collect(log.grow(5).note(), broken, policy, MANNER)) == [Said.UNANSWERED]


def test_a_witness_without_an_address_is_not_asked(a_serving_witness: Open) -> None:
    """Its cosignature, brought by other means, stays on the note and counts."""
    there: StrictWitness = a_serving_witness()
    note = Ledger().grow(3).note()
    carried = Note(text=note.text, signatures=(*note.signatures, there.pen.sign(note.text, NOW)))
    policy = Policy.parse(f"witness w1 {there.witness.key}\nquorum w1\n")

    result = collect(carried, Ledger().prove, policy, MANNER)

    assert (result.answers, result.note, result.standing.met) == ((), carried, True)


def test_no_witness_asked_needs_none() -> None:
    """A policy may ask for nobody: then there is nothing to wait for."""
    log = Ledger().grow(3)

    result = collected(log, Policy.parse("quorum none\n"))

    assert (result.note, result.standing.met) == (log.note(), True)


def test_a_crowd_of_witnesses_never_makes_a_note_that_nobody_can_read() -> None:
    """Our readers take 64 lines: the log's own stays, fresh cosignatures come before earlier ones."""
    note = Ledger().grow(3).note()
    old, new = (
        [a_witness(f"{word}{n}").sign(note.text, NOW) for n in range(count)]
        for word, count in (("old", 29), ("new", 40))
    )
    before = Note(text=note.text, signatures=(*note.signatures, *old))

    made = with_signatures(before, new)

    assert Note.parse(made.bytes()) == made
    assert made.signatures[:41] == (*note.signatures, *new)
    assert set(made.signatures[41:]) <= set(old)
    assert len(made.signatures) == MOST_SIGNATURES == 64
