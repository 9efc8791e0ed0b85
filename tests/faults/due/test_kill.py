"""Workers killed at each named step: every timer fires once, every message goes once, nothing is left held."""

from collections.abc import Callable
from random import Random

import pytest

from tests.faults.due.points import NAMES
from tests.faults.due.ward import STAGES, Ward
from tests.storage.homes import KINDS

RENEWING = ("lease.renewing", "lease.renewed")
QUICK_ON_POSTGRESQL = ("claim.uncommitted", "fire.uncommitted", "send.intended", "call.taken", "send.known")
LIVES = 3  # at each stage, so many are killed one after the other
LONG_SEEDS = range(1, 5)


def cases() -> list[object]:
    """Give what is killed where: a few quickly, all of it in the long run."""
    found: list[object] = []
    for kind in KINDS:
        for name in NAMES:
            quick = kind == "sqlite" or name in QUICK_ON_POSTGRESQL
            marks = [] if quick else [pytest.mark.long]
            found.append(pytest.param(kind, name, 0, id=f"{kind}-{name}-0", marks=marks))
            found.extend(
                pytest.param(kind, name, seed, id=f"{kind}-{name}-{seed}", marks=[pytest.mark.long])
                for seed in LONG_SEEDS
            )
    return found


def lived_through(ward: Ward, point: str, seed: int, **more: object) -> int:
    """Go through all stages, killing workers at a step in each; gives how often one was."""
    random, died = Random(f"{point}{seed}"), 0  # noqa: S311 - no secret
    slow = 0.3 if point in RENEWING else 0.0
    for stage in STAGES:
        ward.dial.go(stage)
        for _ in range(LIVES if seed else 1):
            died += ward.lost(ward.start(point=point, at=random.randint(1, 3), slow=slow, **more))
        ward.drained(**more)
    return died


@pytest.mark.parametrize(("kind", "point", "seed"), cases())
def test_a_worker_killed_at_a_step_loses_and_repeats_nothing(
    ward_of: Callable[..., Ward], kind: str, point: str, seed: int
) -> None:
    """The next one finds what was meant and what came of it; a receiver that knows keys has each message once."""
    ward = ward_of(kind)

    died = lived_through(ward, point, seed)

    assert died
    ward.check()
