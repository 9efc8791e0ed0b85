"""Witnesses on loopback, and the policy that names them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from stepcare.verifier.note import Key
from stepcare.witness.policy import Policy
from tests.witness.logs import ORIGIN, Pen, a_witness
from tests.witness.strict import Mood, StrictWitness, serving

Open = Callable[..., StrictWitness]


@pytest.fixture
def a_serving_witness() -> Iterator[Open]:
    """Give a maker of witnesses that listen until the test is over: by name, in a mood, knowing these keys."""
    with ExitStack() as stack:

        def made(name: str = "w1", mood: Mood | None = None, keys: list[Key] | None = None) -> StrictWitness:
            known = {ORIGIN: [Pen.of(ORIGIN).key] if keys is None else keys}
            return stack.enter_context(serving(StrictWitness(pen=a_witness(name), logs=known, mood=mood)))

        yield made


def policy_of(quorum: str, *witnesses: StrictWitness) -> Policy:
    """Give the policy over these witnesses; `quorum` is a threshold, or the name of one."""
    lines = [f"witness {one.witness.name} {one.witness.key} {one.witness.url}" for one in witnesses]
    names = " ".join(one.witness.name for one in witnesses)
    if quorum.isdigit():
        lines += [f"group enough {quorum} {names}", "quorum enough"]
    else:
        lines.append(f"quorum {quorum}")
    return Policy.parse("\n".join([*lines, ""]))
