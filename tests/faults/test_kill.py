"""Processes killed at any moment, also while they start and stop: nothing acknowledged is lost."""

from random import Random

import pytest

from tests.faults.checks import survives
from tests.faults.conftest import Scene
from tests.faults.running import Nursery, one_life

LIVES = 3  # of one database: it is killed again when it has just recovered
LANES = 4


@pytest.mark.parametrize("count", [1, 2], ids=["one process", "two processes"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 11))])
def test_a_killed_process_loses_nothing(processes: Nursery, scene: Scene, seed: int, count: int) -> None:
    """Whatever was acknowledged before kill -9 is there, once; what was not can be sent again with its key."""
    place, random, acked = scene.site(), Random(seed), 0  # noqa: S311 - no secret
    for life in range(LIVES):
        jobs = [
            scene.job(place, *(f"l{life}p{number}x{lane}" for lane in range(LANES // count)), record=f"{life}-{number}")
            for number in range(count)
        ]
        said = one_life(processes, jobs, random)
        acked += len(said.acked)
        survives(place, scene.course, said)
    assert acked > 0
