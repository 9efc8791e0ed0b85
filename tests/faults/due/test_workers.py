"""Several workers on one database: killed, frozen, restarted under their name; each thing is done once all the same."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from tests.faults.due.receiver import keys_at
from tests.faults.due.ward import ESCALATE, OVER, REMIND, SENT, STAGES, Ward, beats_on, phase_of, thaw, until
from tests.storage.homes import KINDS

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 13))]


def long_on_postgresql(kind: str) -> object:
    """Leave a kind to the long run."""
    return pytest.param(kind, marks=pytest.mark.long) if kind != "sqlite" else kind


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_workers_killed_at_any_moment_share_the_work(
    ward_of: Callable[..., Ward], kind: str, count: int, seed: int
) -> None:
    """Some die somewhere, the others go on; in the end every timer has fired once and every message has gone once."""
    ward, random = ward_of(kind), Random(seed)  # noqa: S311 - no secret
    for stage in STAGES:
        ward.dial.go(stage)
        working = [ward.start(name=f"w{number}", slow=0.05) for number in range(count)]
        until(working[0], bool)
        for one in working[: random.randint(1, count - 1)]:
            until(one, lambda phase: phase in ("ready", "stopping", "closing", "closed"))
            random_wait(random)
            ward.killed(one)
        for one in working:
            ward.lost(one)
        ward.drained()

    ward.check()


def random_wait(random: Random) -> None:
    """Wait for a moment nobody chose."""
    from time import sleep  # noqa: PLC0415 - here alone

    sleep(random.uniform(0, 0.4))


@pytest.mark.long  # it takes long, and shares its machine badly
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["send.intended", "call.open", "call.taken", "send.answered"])
def test_a_worker_frozen_for_two_leases_is_fenced_off(ward_of: Callable[..., Ward], kind: str, point: str) -> None:
    """While it is frozen another one takes over; what it still means to say when it wakes comes too late."""
    ward = ward_of(kind)
    ward.dial.go(REMIND)
    ward.drained()
    ward.dial.go(SENT)
    frozen = ward.start(point=point, act="freeze", name="frozen", drains=False, on_unknown="resend")
    until(frozen, lambda phase: phase == "frozen")
    ward.dial.pass_(2 * OVER)

    ward.drained(on_unknown="resend")
    before = keys_at(ward.received)
    thaw(frozen)
    frozen.stop()
    until(frozen, lambda phase: phase == "closed")

    assert phase_of(frozen) == "closed"
    if point == "send.intended":
        assert keys_at(ward.received) == before  # it did not call any more
    ward.dial.pass_(timedelta(minutes=31))  # what was put off goes again, under the same key
    ward.drained(on_unknown="resend")
    ward.check()


def frozen_and_overtaken(ward: Ward, **more: object) -> list[str]:
    """Freeze a worker before its call at a receiver that knows no keys, let another go on; gives what came twice."""
    ward.dial.go(REMIND)
    ward.drained()
    ward.dial.go(SENT)
    # One call at a time: another that had passed its last look at the lease may be frozen in the middle of its call.
    frozen = ward.start(point="send.intended", act="freeze", drains=False, honours=False, at_once=1, **more)
    until(frozen, lambda phase: phase == "frozen")
    ward.dial.pass_(2 * OVER)
    ward.drained(honours=False)
    thaw(frozen)
    beats_on(ward, frozen)  # it had its chance to go on where it was
    frozen.stop()
    until(frozen, lambda phase: phase == "closed")
    return [key for key, number in keys_at(ward.received).items() if number > 1]


@pytest.mark.parametrize("kind", [long_on_postgresql(kind) for kind in KINDS])
def test_a_frozen_worker_repeats_nothing(ward_of: Callable[..., Ward], kind: str) -> None:
    """Frozen between intent and call: the second worker sends, and the first one, awake again, does not."""
    ward = ward_of(kind)

    assert frozen_and_overtaken(ward) == []

    ward.check(honours=False)


@pytest.mark.parametrize("kind", [long_on_postgresql(kind) for kind in KINDS])
def test_the_control_without_a_fence_repeats(ward_of: Callable[..., Ward], kind: str) -> None:
    """With the fence taken away the frozen worker calls after all, and its receiver has messages twice: it would show."""
    ward = ward_of(kind)

    assert frozen_and_overtaken(ward, unfenced=True)

    with pytest.raises(AssertionError, match="had its effect 2 times"):
        ward.check(honours=False)


@pytest.mark.parametrize("kind", [long_on_postgresql(kind) for kind in KINDS])
def test_a_restart_under_the_same_name_is_another_worker(ward_of: Callable[..., Ward], kind: str) -> None:
    """It holds nothing of what its namesake held, waits for those leases to be over, and then goes on."""
    ward = ward_of(kind)
    ward.dial.go(ESCALATE)
    for point in ("claim.timers", "send.intended"):
        first = ward.start(name="same", point=point)
        until(first, lambda phase: phase == "reached")
        first.kill()
        ward.crashes += 1
        again = ward.start(name="same", drains=False)  # at once: the leases of the first still stand
        until(again, lambda phase: phase == "ready")
        ward.dial.pass_(OVER)
        ward.drained(name="same")
        again.stop()
        until(again, lambda phase: phase == "closed")
        ward.dial.pass_(timedelta(days=7))
    ward.drained(name="same")

    ward.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_receiver_that_knows_no_keys_gets_at_most_one_repeat_a_crash(
    ward_of: Callable[..., Ward], kind: str, seed: int
) -> None:
    """What was under way when a worker died may come once more where it is sent again, and is unknown where it is not."""
    ward, random = ward_of(kind), Random(seed)  # noqa: S311 - no secret
    rule = random.choice(["resend", "hand_over"])
    for stage in STAGES:
        ward.dial.go(stage)
        point = random.choice(["call.open", "call.taken", "send.answered", "send.known"])
        ward.lost(ward.start(point=point, at=random.randint(1, 4), honours=False, on_unknown=rule))
        ward.drained(honours=False, on_unknown=rule)

    assert ward.crashes
    ward.check(honours=False)
    if rule == "hand_over":
        assert max(keys_at(ward.received).values()) == 1
