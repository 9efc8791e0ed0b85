"""The power is cut at any moment, on a disk that keeps only what was synced: nothing acknowledged is lost.

Killing processes cannot show this: the kernel keeps what a dead process has written. The controls prove that the disk
can lose something, and that the checks see it.
"""

import time
from random import Random

import pytest

from engine.errors import StepcareError
from tests.faults.checks import lost, opened, survives, wrong_in
from tests.faults.conftest import Scene
from tests.faults.running import Nursery, Said, said_by
from tests.faults.volatile import Disk, Mount

LANES = ("l0", "l1", "l2", "l3")
SOME = 40  # acknowledged answers


def until_the_cut(
    processes: Nursery, disk: Disk, scene: Scene, random: Random | None, *, careless: bool = False
) -> Said:
    """Work on a disk, cut its power at a random moment, and give what had been acknowledged by then.

    Half of the cuts meet two processes at work; half leave nothing but what was promised, half leave some of the rest
    too, in no order. Without a random one process works, and there is nothing left but what was promised.
    """
    apart = random is not None and random.random() < 0.5
    parts = (LANES[:2], LANES[2:]) if apart else (LANES,)
    jobs = [scene.job(disk.place, *lanes, record=lanes[0], careless=careless) for lanes in parts]
    with processes.running(*jobs) as working:
        working[-1].until(lambda said: len(said.acked) >= (1 if random else SOME))
        time.sleep(random.uniform(0, 0.4) if random else 0)
        disk.cut(scene.room / "left", random.choice([None, random.randrange(2**32)]) if random else None)
    return said_by(jobs)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(5, 65))])
def test_a_power_cut_loses_nothing(processes: Nursery, disks: Mount, scene: Scene, seed: int) -> None:
    """Whatever was acknowledged before the cut is on the disk, with the person's key; the log verifies."""
    with disks.disk(scene.template) as disk:
        said = until_the_cut(processes, disk, scene, Random(seed))  # noqa: S311 - no secret

    assert said.acked != []
    survives(scene.room / "left", scene.course, said)


def losses(scene: Scene, said: Said) -> list[object]:
    """Give everything that is lost or wrong after a cut."""
    try:
        with opened(scene.room / "left", scene.course) as app:
            return [*lost(app, said.acked), *wrong_in(app)]
    except StepcareError as error:
        return [error]


def test_the_control_loses_what_was_acknowledged(processes: Nursery, disks: Mount, scene: Scene) -> None:
    """With synchronous = NORMAL acknowledged decisions are lost: if they were not, this harness would prove nothing."""
    with disks.disk(scene.template) as disk:
        said = until_the_cut(processes, disk, scene, None, careless=True)

    with opened(scene.room / "left", scene.course) as app:
        assert lost(app, said.acked) != []


@pytest.mark.parametrize("about", ["stepcare.db-wal", "vault.db-wal"])
def test_a_disk_that_lies_is_found_out(processes: Nursery, disks: Mount, scene: Scene, about: str) -> None:
    """Where a sync does nothing, decisions or the keys to them are lost, and the checks say so."""
    with disks.disk(scene.template) as disk:
        disk.order("lie", about=about)
        said = until_the_cut(processes, disk, scene, None)

    assert losses(scene, said) != []
