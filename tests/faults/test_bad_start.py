"""Making a database on a disk that fails at the k-th write or sync, and crashes there: made again, it is whole."""

import errno
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.errors import Unavailable
from stepcare.app import migrate_app
from tests.faults.checks import opened, survives, unverified
from tests.faults.conftest import Scene, furnish
from tests.faults.course import Course
from tests.faults.running import Said
from tests.faults.volatile import Disk, Mount
from tests.worlds import ZONE

SEEDS = 4
STRIDE = 23


def migrated(place: Path, course: Course) -> None:
    """Make the database, or go on making it."""
    migrate_app(place, ZONE, lambda: course.now)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Give a directory with nothing in it."""
    place = tmp_path / "empty"
    place.mkdir()
    return place


@pytest.fixture
def done(disks: Mount, empty: Path, course: Course) -> dict[str, int]:
    """Count the writes and syncs of making a database on a disk that works."""
    with disks.disk(empty) as disk:
        migrated(disk.place, course)
        return disk.order("count")


def heard_of(disk: Disk, fault: Mapping[str, object], course: Course) -> str:
    """Make a database on a disk that fails from here on; gives what was said to whoever asked, if anything."""
    disk.fail({"error": errno.EIO, "lasting": True, **fault})
    try:
        migrated(disk.place, course)
    except Unavailable as error:
        return str(error)
    return ""


@pytest.mark.parametrize("stride", [STRIDE, pytest.param(1, marks=pytest.mark.long)], ids=["some", "every"])
@pytest.mark.parametrize("on", ["write", "sync"])
def test_a_database_that_could_not_be_made_is_made_the_next_time(
    disks: Mount, empty: Path, scene: Scene, done: dict[str, int], *, on: str, stride: int
) -> None:
    """Whoever cannot make a database hears why; whatever a crash leaves of it, the next attempt makes it whole."""
    heard = []
    for at in range(1, done[on] + 1, stride if on == "write" else 1):
        for seed in (None, *range(SEEDS if stride == 1 else 1)):
            left = scene.room / f"{at}-{seed}"
            with disks.disk(empty) as disk:
                heard.append(heard_of(disk, {"on": on, "at": at}, scene.course))
                disk.cut(left, seed)
            migrated(left, scene.course)
            with opened(left, scene.course) as app:
                assert app.database.vault.id, "It has its vault."

    said = [one for one in heard if one]
    assert len(said) > len(heard) // 2
    assert all("try again" in one for one in said)


def test_what_was_made_at_the_second_attempt_can_be_used(disks: Mount, empty: Path, scene: Scene) -> None:
    """A disk that was full is given space, without a crash: the same place is made ready, and episodes live there."""
    left = scene.room / "left"
    with disks.disk(empty) as disk:
        for at in (1, 40, 80, 120):
            assert heard_of(disk, {"on": "write", "at": at, "error": errno.ENOSPC}, scene.course)
        disk.fail(None)
        migrated(disk.place, scene.course)
        with opened(disk.place, scene.course) as app:
            furnish(app)
            assert unverified(app) == []
            disk.cut(left, None)

    survives(left, scene.course, Said(sent=scene.course.keys("l", 1)))
