"""A database that goes away, hangs, fills up or may not be written: the worker lives on, and loses and repeats nothing."""

import errno
import time
from collections.abc import Callable, Mapping
from random import Random

import psycopg
import pytest

from storage.sqlite import DRIVER
from tests.faults.due.ward import ESCALATE, OVER, STAGES, Ward, beats_on, until
from tests.faults.volatile import Mount
from tests.servers import Server
from tests.storage.homes import Directory

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 11))]
FULL: Mapping[str, object] = {"on": "write", "error": errno.ENOSPC, "lasting": True}
READ_ONLY: Mapping[str, object] = {"on": "write", "error": errno.EROFS, "lasting": True}
UNSYNCED: Mapping[str, object] = {"on": "sync", "error": errno.EIO, "lasting": True}


@pytest.mark.long  # it takes long, and shares its machine badly
@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_dies_in_the_middle_of_a_batch_loses_nothing(
    ward_of: Callable[..., Ward], server: Server, seed: int
) -> None:
    """PostgreSQL dies with all its processes and comes back at each stage, two workers at work: they go on by themselves."""
    ward, random = ward_of("postgresql"), Random(seed)  # noqa: S311 - no secret
    working = [ward.start(name=f"w{number}", drains=False, slow=0.05) for number in range(2)]
    for one in working:
        until(one, lambda phase: phase == "ready")
    for stage in STAGES:
        ward.dial.go(stage)
        time.sleep(random.uniform(0, 0.5))
        server.kill()
        ward.crashes += len(working)
        server.start()
        ward.dial.pass_(OVER)
        ward.drained()
    beats_on(ward, working[0])
    for one in working:
        one.stop()
        until(one, lambda phase: phase == "closed")
    ward.dial.pass_(OVER)  # what was put off because nobody answered comes due
    ward.drained()

    ward.check()


@pytest.mark.long  # it takes long, and shares its machine badly
@pytest.mark.parametrize("seed", SEEDS)
def test_lines_that_the_server_cuts_lose_nothing(ward_of: Callable[..., Ward], server: Server, seed: int) -> None:
    """Every backend is terminated again and again while two workers are at work."""
    ward, random = ward_of("postgresql"), Random(seed)  # noqa: S311 - no secret
    working = [ward.start(name=f"w{number}", drains=False, slow=0.05) for number in range(2)]
    for one in working:
        until(one, lambda phase: phase == "ready")
    for stage in STAGES:
        ward.dial.go(stage)
        for _ in range(4):
            time.sleep(random.uniform(0, 0.2))
            cut(server, ward)
            ward.crashes += len(working)
        ward.dial.pass_(OVER)
        ward.drained()
    beats_on(ward, working[0])
    for one in working:
        one.stop()
        until(one, lambda phase: phase == "closed")
    ward.dial.pass_(OVER)  # what was put off because nobody answered comes due
    ward.drained()

    ward.check()


def cut(server: Server, ward: Ward) -> None:
    """Cut every line to the ward's database."""
    with psycopg.connect(server.administrator_of(ward.home.address), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.parametrize("seconds", [1, pytest.param(12, marks=pytest.mark.long)])
def test_a_write_lock_that_somebody_holds_is_waited_for(ward_of: Callable[..., Ward], seconds: int) -> None:
    """Somebody holds the file for longer than anybody waits: nothing is counted against any row, and it goes on."""
    ward = ward_of("sqlite")
    assert isinstance(ward.home, Directory)
    working = ward.start(drains=False)
    until(working, lambda phase: phase == "ready")
    for stage in STAGES:
        held = DRIVER.connect(str(ward.home.path / "stepcare.db"), isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        ward.dial.go(stage)
        time.sleep(seconds)
        held.execute("ROLLBACK")
        held.close()
        ward.drained()
    beats_on(ward, working)
    working.stop()
    until(working, lambda phase: phase == "closed")

    ward.crashes += len(STAGES)  # an outcome that could not be kept is one nobody knows
    ward.dial.pass_(OVER)
    ward.drained()
    ward.check()


@pytest.mark.parametrize("fault", [FULL, READ_ONLY, UNSYNCED], ids=["full", "read only", "syncs fail"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(
    ward_of: Callable[..., Ward], disks: Mount, fault: Mapping[str, object], seed: int
) -> None:
    """Full, read-only or failing from some write on: the worker lives, and goes on when the disk works again."""
    ward, random = ward_of("sqlite"), Random(seed)  # noqa: S311 - no secret
    assert isinstance(ward.home, Directory)
    with disks.disk(ward.home.path) as disk:
        ward.home = Directory(disk.place)
        working = ward.start(drains=False)
        until(working, lambda phase: phase == "ready")
        for stage in STAGES[:3]:
            disk.fail({**fault, "at": random.randrange(1, 60)})
            ward.dial.go(stage)
            time.sleep(random.uniform(0.2, 1))
            disk.fail(None)
            ward.crashes += 1
            ward.dial.pass_(OVER)
            ward.drained()
        beats_on(ward, working)
        working.stop()
        until(working, lambda phase: phase == "closed")
        ward.drained()
        ward.check()
        ward.leave()
    assert ward.dial() > ESCALATE
