"""Our log before a witness that others wrote: litewitness, as Debian has it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StepcareError
from stepcare.verifier.outcome import Tampered
from stepcare.witness.client import Declined, Manner, cosign
from stepcare.witness.collect import Collected, Said, collect
from stepcare.witness.policy import Policy
from tests.foreign.litewitness import Lite, running
from tests.witness.answers import TABLE, Sent, send
from tests.witness.logs import ORIGIN, Ledger, Pen

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def lite(torchwood: Path, tmp_path: Path) -> Iterator[Lite]:
    """Give one that has never seen a log."""
    place = tmp_path / "lite"
    place.mkdir()
    with running(torchwood, place, {ORIGIN: str(Pen.of(ORIGIN).key)}) as one:
        yield one


def manner() -> Manner:
    """It has a clock of its own, so that ours must be the real one."""
    return Manner(now=int(time.time()), seconds=20)


def policy_of(lite: Lite) -> Policy:
    """Give the policy that asks for it."""
    log = Pen.of(ORIGIN).key
    return Policy.parse(f"log {log}\nwitness lite {lite.witness.key} {lite.witness.url}\nquorum lite\n")


def test_it_cosigns_our_log_as_it_grows(lite: Lite, tmp_path: Path) -> None:
    """Six growths over the borders of tiles; each cosignature verifies here and meets the policy."""
    log, policy = Ledger(), policy_of(lite)

    for growth in (3, 253, 1, 43, 65_700, 4_000):
        result = collect(log.grow(growth).note(), log.prove, policy, manner(), tmp_path)

        assert [(one.said, one.detail) for one in result.answers] == [(Said.COSIGNED, "")]
        assert policy.satisfied(result.note, int(time.time()))
    assert len(log.leaves) == 70_000


def test_it_answers_by_the_same_table_as_our_own_witness(lite: Lite) -> None:
    """A replay, a fork, a bad proof, a shorter log: two witnesses by different people agree on every row."""
    log = Ledger().grow(9)
    cosign(log.note(5), 0, [], lite.witness, manner())

    found = {name: _error(log, what, lite) for name, (what, _) in TABLE.items()}

    assert found == {name: error for name, (_, error) in TABLE.items()}
    assert cosign(log.note(), 5, log.prove(5, 9), lite.witness, manner()).time > 0  # it stood at 5 all the time


def _error(log: Ledger, what: Sent, lite: Lite) -> type[Exception]:
    try:
        send(log, what, lite.witness, manner())
    except (StepcareError, Tampered) as error:
        return type(error)
    return type(None)  # type: ignore[return-value]  # it cosigned


def test_it_declines_another_key_and_an_unknown_log(lite: Lite) -> None:
    """403 for a forger with a key of that name, 404 for a log it was never told of."""
    said = []
    for pen in (Pen.of(ORIGIN, seed=2), Pen.of("other.example/log")):
        with pytest.raises(Declined) as caught:
            cosign(Ledger(pen=pen).grow(3).note(), 0, [], lite.witness, manner())
        said.append(caught.value.status)

    assert said == [403, 404]


def test_two_sealers_race_and_it_sees_one_history(lite: Lite, tmp_path: Path) -> None:
    """Both hold the key: whatever is cosigned is a growing log, and nobody is told of a fork that is none."""
    log, results = Ledger().grow(40), list[Collected]()
    policy = policy_of(lite)

    def seals(start: int) -> None:
        folder = tmp_path / f"sealer-{start}"
        folder.mkdir()
        for size in range(start, 41, 2):
            results.append(collect(log.note(size), log.prove, policy, manner(), folder))

    both = [threading.Thread(target=seals, args=(start,)) for start in (1, 2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    kinds = {one.said for result in results for one in result.answers}
    assert Said.COSIGNED in kinds
    assert kinds <= {Said.COSIGNED, Said.AHEAD}


def test_a_rewritten_log_is_refused_and_evidence_kept(lite: Lite, tmp_path: Path) -> None:
    """The operator has the key and rewrites an entry: our own tools would pass it, this witness does not."""
    log, policy = Ledger().grow(9), policy_of(lite)
    collect(log.note(), log.prove, policy, manner(), tmp_path)
    rewritten = log.forked(4).grow(1)

    result = collect(rewritten.note(), rewritten.prove, policy, manner(), tmp_path)

    assert [one.said for one in result.answers] == [Said.FORKED]
    assert {path.suffix for path in result.evidence} == {".ours", ".last", ".json"}
