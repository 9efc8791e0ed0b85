"""A server that is killed again and again while its clients go on: they ask again with their keys, and miss nothing."""

import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.checks import opened, stands
from tests.faults.conftest import Scene
from tests.faults.load import Job
from tests.faults.running import Forked, Nursery, Program, Said, Service, started

LANES = ("l0", "l1", "l2", "l3")
ROUNDS = 5


def outlived(processes: Nursery, service: Service, job: Job, random: Random) -> Said:
    """Let clients work while their server is killed and started again; gives what they were answered."""
    with started(service), processes.running(job) as (clients,):
        for _ in range(ROUNDS):
            clients.until_more()
            time.sleep(random.uniform(0, 0.3))
            service.kill()
            service.start()
        return clients.ended()


def check(scene: Scene, place: Path, said: Said) -> None:
    """Every wish was answered in the end, once."""
    assert said.failed == []
    with opened(place, scene.course) as app:
        stands(app, scene.course, said)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 12))])
def test_clients_of_a_killed_server_lose_nothing(processes: Nursery, scene: Scene, seed: int) -> None:
    """What a response has acknowledged is there; what had none is asked again with its key and is there once."""
    place, socket = scene.site(), scene.room / "s"
    job = scene.job(socket, *LANES, tokens=scene.tokens, patient=True)

    said = outlived(processes, Forked(processes, place, socket), job, Random(seed))  # noqa: S311 - no secret

    check(scene, place, said)


@pytest.mark.long
def test_clients_of_a_killed_server_of_two_processes_lose_nothing(processes: Nursery, scene: Scene) -> None:
    """Also where several processes serve one file, and all of them die at once."""
    place, socket = scene.site(), scene.room / "s"
    job = scene.job(socket, *LANES, tokens=scene.tokens, patient=True)

    said = outlived(processes, Program(place, socket), job, Random(1))  # noqa: S311 - no secret

    check(scene, place, said)
