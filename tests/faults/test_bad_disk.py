"""The disk fails or is full at the k-th write or sync of an episode's life, for every k.

What is promised: a caller whose command could not be kept hears it, with what to do; nothing else that was
acknowledged is touched; reading goes on; and once the disk works again the same request with the same key goes
through, in the same process.

Whether a COMMIT whose sync failed is on the disk, nobody can know: its caller hears that it was not kept. After a crash
at that very moment it may be there after all; its key then finds it, and in no case is there a second entry.
"""

import errno
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

import storage.sqlite
from engine.errors import NotFound, StepcareError, Unavailable
from stepcare.app import App
from tests.faults.checks import opened, survives
from tests.faults.conftest import Scene
from tests.faults.course import Acked, Course
from tests.faults.load import Direct
from tests.faults.running import Nursery, Said, said_by
from tests.faults.volatile import Disk, Mount

T = TypeVar("T")
Values = Mapping[str, object]
FULL: Values = {"on": "write", "error": errno.ENOSPC, "lasting": True}
SHORT: Values = {**FULL, "short": True}
UNWRITTEN: Values = {"on": "write", "error": errno.EIO}
UNSYNCED: Values = {"on": "sync", "error": errno.EIO}
UNSYNCED_LONG: Values = {**UNSYNCED, "lasting": True}
PARTS = 8
STRIDE = 41  # of the writes of a life, the quick tests fail every so many


class Life:
    """One episode's life on a disk that fails: what was said, and what was heard."""

    def __init__(self, disk: Disk, course: Course) -> None:
        """Live on this disk."""
        self.disk, self.course, self.said = disk, course, Said()
        self.heard: list[StepcareError] = []

    def through(self, fault: Values | None, into: Path) -> dict[str, int]:
        """Live to the end, the disk repaired when it was heard of twice, and cut the power; gives what was done."""
        self.disk.fail(fault)
        with ExitStack() as stack:
            app = self._insist(lambda: stack.enter_context(opened(self.disk.place, self.course)))
            for key in self.course.keys("l", 1):
                self.said.sent.append(key)
                self.said.acked.append(self._insist(partial(self._sent, app, key)))
            done = self.disk.order("count")
            self.disk.cut(into, None)
        return done

    def _sent(self, app: App, key: str) -> Acked:
        """Give a command; whoever hears that it was not kept is told the truth."""
        kept = len(self.said.acked)
        try:
            acked = Direct(app, self.course).send(key)
            kept += 1
        finally:
            with suppress(NotFound):
                assert app.store.episode("e-l-0").version == kept
        return acked

    def _insist(self, work: Callable[[], T]) -> T:
        for last in (False, True):
            try:
                return work()
            except StepcareError as error:
                self.heard.append(error)
            if last:
                self.disk.fail(None)
        return work()

    def until_heard(self, fault: Values, into: Path, seed: int | None) -> None:
        """Live until something is heard, or to the end, and cut the power there."""
        self.disk.fail(fault)
        with opened(self.disk.place, self.course) as app, suppress(Unavailable):
            try:
                for key in self.course.keys("l", 1):
                    self.said.sent.append(key)
                    self.said.acked.append(Direct(app, self.course).send(key))
            finally:
                self.disk.cut(into, seed)


@pytest.fixture(autouse=True)
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one life be long enough for several checkpoints, those that SQLite makes and those that we make."""
    monkeypatch.setattr(storage.sqlite, "CONNECTING", (*storage.sqlite.CONNECTING, "PRAGMA wal_autocheckpoint = 90"))
    monkeypatch.setattr(storage.sqlite, "MOST_JOURNAL", 330_000)


@pytest.fixture
def done(disks: Mount, scene: Scene) -> dict[str, int]:
    """Count the writes and syncs of a life on a disk that works."""
    with disks.disk(scene.template) as disk:
        return Life(disk, scene.course).through(None, scene.room / "whole")


def lived(disks: Mount, scene: Scene, fault: Values) -> list[StepcareError]:
    """Live on a disk with a fault, and check what is left after a power cut at the end; gives what was heard."""
    where = f"{fault['on']} {fault['at']}"
    with disks.disk(scene.template) as disk:
        life = Life(disk, scene.course)
        life.through(fault, scene.room / where)
    for error in life.heard:
        assert isinstance(error, Unavailable), f"{where}: {error!r}"
        assert "try again" in str(error), where
    survives(scene.room / where, scene.course, life.said)
    return life.heard


@pytest.mark.parametrize(
    "some",
    [slice(0, None, STRIDE), *(pytest.param(slice(at, None, PARTS), marks=pytest.mark.long) for at in range(PARTS))],
    ids=str,
)
@pytest.mark.parametrize("fault", [FULL, SHORT, UNWRITTEN], ids=["full", "short", "fails"])
def test_a_write_that_fails_is_heard_and_forgotten(
    disks: Mount, scene: Scene, done: dict[str, int], fault: Values, some: slice
) -> None:
    """Wherever the disk is full or fails: the caller hears it, may ask again, and nothing acknowledged is lost."""
    heard = [lived(disks, scene, {**fault, "at": at}) for at in range(1, done["write"] + 1)[some]]

    assert sum(map(bool, heard)) > len(heard) // 2


@pytest.mark.parametrize("some", [slice(0, None, 3), pytest.param(slice(None), marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("fault", [UNSYNCED, UNSYNCED_LONG], ids=["once", "for a while"])
def test_a_sync_that_fails_is_heard_and_asked_again(
    disks: Mount, scene: Scene, done: dict[str, int], fault: Values, some: slice
) -> None:
    """What could not be synced is not acknowledged; asked again, it is kept, although the disk has lost its blocks."""
    heard = [lived(disks, scene, {**fault, "at": at}) for at in range(1, done["sync"] + 1)[some]]

    assert sum(map(bool, heard)) > len(heard) // 2


@pytest.mark.parametrize("some", [slice(0, None, 3), pytest.param(slice(None), marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("random", [False, True], ids=["what was promised", "some of the rest"])
def test_a_crash_at_a_failed_sync_leaves_one_entry_or_none(
    disks: Mount, scene: Scene, done: dict[str, int], some: slice, *, random: bool
) -> None:
    """The decision whose sync failed may be there or not; its key gives one entry, and all that was answered stands."""
    for at in range(1, done["sync"] + 1)[some]:
        left = scene.room / str(at)
        with disks.disk(scene.template) as disk:
            life = Life(disk, scene.course)
            life.until_heard({**UNSYNCED, "at": at}, left, at if random else None)
        survives(left, scene.course, life.said)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 9))])
@pytest.mark.parametrize("fault", [FULL, UNSYNCED_LONG], ids=["full", "syncs fail"])
def test_many_callers_hear_of_it_and_go_on(
    processes: Nursery, disks: Mount, scene: Scene, fault: Values, seed: int
) -> None:
    """Those who share a commit that fails all hear it; each asks again, and is answered when the disk works again."""
    random, left = Random(seed), scene.room / "left"  # noqa: S311 - no secret
    with disks.disk(scene.template) as disk:
        jobs = [scene.job(disk.place, f"{one}a", f"{one}b", f"{one}c", record=one, patient=True) for one in "xy"]
        with processes.running(*jobs) as working:
            for _ in range(4):
                disk.fail({**fault, "at": random.randrange(1, 40)})
                for one in working:
                    one.until_waits()
                disk.fail(None)
                for one in working:
                    one.until_more()
            heard = said_by(jobs).failed  # before the cut: a disk that cannot even be read is another matter
            disk.cut(left, None)

    assert heard == []
    survives(left, scene.course, said_by(jobs))
