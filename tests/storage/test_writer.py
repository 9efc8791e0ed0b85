"""Group commit: who shares a commit, in which order, and what becomes of each when one fails or the process stops."""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StaleEpisode, StepcareError, Unavailable
from engine.service import Applied
from storage.store import Store
from storage.writer import Writer
from tests.storage.acts import Acts
from tests.storage.homes import Home

WAIT = 20.0


class Desk:
    """A writer whose commits end when the test says so; what is handed over are plain words."""

    def __init__(self, most: int = 64) -> None:
        """Begin with nothing written."""
        self.groups: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.writer = Writer(self.keep, most)  # type: ignore[arg-type]  # the queue does not look at what it carries
        self.pool = ThreadPoolExecutor(20)

    def keep(self, items: Sequence[str]) -> list[Applied]:
        """Commit a group: it takes until the test lets it end."""
        self.groups.append(list(items))
        self.begun.release()
        assert self.may_end.acquire(timeout=WAIT)
        if "poison" in items:
            raise Unavailable("the disk is full")
        return [Applied(index=sum(map(len, self.groups[:-1])) + at) for at in range(len(items))]

    def hand(self, *items: str) -> "Future[list[Applied]]":
        """Hand items over from a thread of their own, and wait until they queue."""
        before = self.writer.stats()
        found = self.pool.submit(self.writer.submit, items)  # type: ignore[arg-type]  # words
        self.until(lambda: self.writer.stats() != before)
        return found

    @staticmethod
    def until(true: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + WAIT
        while not true():
            assert time.monotonic() < end
            time.sleep(0.001)


def test_who_comes_while_one_commits_shares_the_next() -> None:
    """Alone, a decision is committed at once; those who come meanwhile are one group, in their order."""
    desk = Desk()
    first = desk.hand("a")
    assert desk.begun.acquire(timeout=WAIT)
    others = [desk.hand(name) for name in "bcd"]
    desk.may_end.release(2)

    assert [one.result(WAIT)[0].index for one in (first, *others)] == [0, 1, 2, 3]
    assert desk.groups == [["a"], ["b", "c", "d"]]
    assert (desk.writer.stats().groups, desk.writer.stats().largest, desk.writer.stats().queued) == (2, 3, 0)


def test_nobody_is_answered_before_the_commit() -> None:
    """An answer means that it is on the disk: until then everybody waits."""
    desk = Desk()
    found = [desk.hand("a")]
    assert desk.begun.acquire(timeout=WAIT)
    found.append(desk.hand("b"))

    assert not any(one.done() for one in found)
    desk.may_end.release(2)
    assert all(one.result(WAIT) for one in found)


def test_a_group_has_its_limit_and_bulk_stays_together() -> None:
    """The first is not made to wait for hundreds; what one caller hands over is not split."""
    desk = Desk(most=4)
    found = [desk.hand("a")]
    assert desk.begun.acquire(timeout=WAIT)
    found += [desk.hand("b", "c"), desk.hand("d", "e", "f"), desk.hand(*"ghijkl"), desk.hand("m")]
    desk.may_end.release(9)

    assert [len(one.result(WAIT)) for one in found] == [1, 2, 3, 6, 1]
    assert desk.groups == [["a"], ["b", "c"], ["d", "e", "f"], list("ghijkl"), ["m"]]


def test_a_group_that_cannot_be_written_is_told_to_all_in_it() -> None:
    """Nobody is left waiting; those behind are served by the next one."""
    desk = Desk()
    found = [desk.hand("a")]
    assert desk.begun.acquire(timeout=WAIT)
    found += [desk.hand("poison"), desk.hand("b")]
    desk.may_end.release()
    assert desk.begun.acquire(timeout=WAIT)
    behind = desk.hand("c")
    desk.may_end.release(2)

    assert found[0].result(WAIT)[0].index == 0
    for one in found[1:]:
        with pytest.raises(Unavailable, match="full"):
            one.result(WAIT)
    assert behind.result(WAIT)[0].error is None


def test_closing_writes_what_was_handed_over_and_takes_nothing_more() -> None:
    """Whoever was in the queue is served; whoever comes later is told to try again."""
    desk = Desk()
    found = [desk.hand("a")]
    assert desk.begun.acquire(timeout=WAIT)
    found.append(desk.hand("b"))
    closed = desk.pool.submit(desk.writer.close)
    desk.until(lambda: desk.writer._closed)

    with pytest.raises(Unavailable, match="stopping"):
        desk.writer.submit(["c"])  # type: ignore[list-item]  # words
    assert not closed.done()
    desk.may_end.release(2)
    assert [one.result(WAIT)[0].error for one in found] == [None, None]
    assert closed.result(WAIT) is None
    assert desk.writer.close() is None  # type: ignore[func-returns-value]  # closing twice changes nothing


# --- with a database ------------------------------------------------------------------------------------------------


def together(acts: Acts, *work: Callable[[], Any]) -> list[Any]:
    """Do things at the same time, all in one group: they queue behind a commit that is held up."""
    held, go = threading.Event(), threading.Event()
    store = acts.store
    keep = store.writer._keep

    def slow(items: Sequence[Any]) -> list[Applied]:
        if not held.is_set():
            held.set()
            assert go.wait(WAIT)
        return keep(items)

    store.writer._keep = slow
    with ThreadPoolExecutor(len(work) + 1) as pool:
        first = pool.submit(acts.keep, acts.assigning("e0"))
        assert held.wait(WAIT)
        found = [pool.submit(one) for one in work]
        Desk.until(lambda: store.writer.stats().queued >= len(work))
        go.set()
        first.result(WAIT)
        return [one.result(WAIT) for one in found]


def applying(acts: Acts, change: Any) -> Callable[[], Applied]:
    """Give the act of keeping one change."""
    return lambda: acts.store.apply((change,))[0]


def test_one_stale_decision_leaves_its_neighbours(acts: Acts) -> None:
    """A conflict is the conflict of one: the rest of its group is kept, in the same commit."""
    for name in ("e0", "e1", "e2", "e3"):
        acts.register(name, f"p-{name}")
    late = acts.assigning("e2")
    acts.visit("e2")
    groups = acts.store.writer.stats().groups

    one, stale, two = together(
        acts, applying(acts, acts.visiting("e1")), applying(acts, late), applying(acts, acts.visiting("e3"))
    )

    assert (one.error, two.error) == (None, None)
    assert isinstance(stale.error, StaleEpisode)
    assert acts.store.writer.stats().groups == groups + 2
    assert acts.store.episode("e2").version == 2


def test_one_that_the_database_refuses_leaves_its_neighbours(acts: Acts) -> None:
    """What only the database knows (a command that is in the log already) undoes the group; then each stands alone."""
    for name in ("e0", "e1", "e2"):
        acts.register(name, f"p-{name}")
    used = acts.visiting("e1")
    acts.keep(used)
    again = acts.assigning("e1")
    twice = acts.renamed(again, used.command.id)

    refused, kept = together(acts, applying(acts, twice), applying(acts, acts.visiting("e2")))

    assert isinstance(refused.error, StepcareError)
    assert kept.error is None
    assert acts.store.episode("e2").version == 2


def test_two_of_one_episode_follow_each_other(acts: Acts) -> None:
    """Two who decided on the same version queue in one group: one stands, the other hears of it."""
    acts.register("e0", "p0")
    acts.register("e1", "p1")

    first, second = together(acts, applying(acts, acts.visiting("e1")), applying(acts, acts.assigning("e1")))

    (late,) = [one for one in (first, second) if one.error is not None]
    assert isinstance(late.error, StaleEpisode)
    assert acts.store.episode("e1").version == 2


def test_sixteen_callers_share_commits_and_are_served_alike(acts: Acts) -> None:
    """Under load there are far fewer commits than decisions, and nobody starves."""
    for number in range(16):
        acts.register(f"e{number}", f"p{number}")
    groups, each, lock = acts.store.writer.stats().groups, [0] * 16, threading.Lock()
    stop = threading.Event()

    def call(number: int) -> None:
        while not stop.is_set():
            with lock:
                change = acts.assigning(f"e{number}", owner=f"o{each[number] % 3}")
            assert acts.store.apply((change,))[0].error is None
            each[number] += 1
            if sum(each) > 400:
                stop.set()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(16)))

    assert acts.store.writer.stats().groups - groups < sum(each)
    assert min(each) >= 0.7 * max(each) - 2


LOAD = """
import secrets, sys
from pathlib import Path
from storage.database import Database
from storage.store import Store
from tests.storage.acts import Acts
from tests.storage.homes import Home
name = sys.argv[2]
database = Database.open(sys.argv[1], random=secrets.token_bytes, vault=Path(sys.argv[3]))
acts = Acts(store=Store(database, secrets.token_bytes), prefix=name)
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    acts.keep(acts.assigning(name, owner=f"o{number % 3}"))
    print(acts.store.episode(name).version, flush=True)
"""


def test_two_processes_write_in_turns(acts: Acts, home: Home) -> None:
    """Two processes on one database: no lock error, and neither waits for the other to be through."""
    for name in ("e1", "e2"):
        acts.register(name, f"p-{name}")
    words = [sys.executable, "-c", LOAD, home.address]
    root = Path(__file__).parent.parent.parent
    both = [
        subprocess.Popen(  # noqa: S603 - our own program
            [*words, name, str(home.vault)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        for name in ("e1", "e2")
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    ends = [one.communicate(timeout=60)[0].split() for one in both]

    assert [one.returncode for one in both] == [0, 0]
    assert [end[-1] for end in ends] == ["61", "61"]
    order = [entry.ep for entry in Store(acts.store.database, secrets.token_bytes).entries() if entry.epn > 0]
    changes = sum(a != b for a, b in pairwise(order))
    assert changes > 10, "one of them wrote everything before the other"


def test_a_process_that_stops_has_written_everything(home: Home, acts: Acts) -> None:
    """What was handed over before the stop is in the log afterwards."""
    for number in range(8):
        acts.register(f"e{number}", f"p{number}")
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(acts.store.apply, (acts.assigning(f"e{number}"),)) for number in range(8)]
        acts.store.writer.close()
        told = [one.exception(WAIT) for one in found]
    kept = sum(one is None for one in told)

    assert all(one is None or isinstance(one, Unavailable) for one in told)
    with closing(home.open()) as again:
        versions = [Store(again, secrets.token_bytes).episode(f"e{number}").version for number in range(8)]
    assert versions.count(2) == kept
