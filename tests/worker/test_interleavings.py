"""Whoever says no, dies, pauses or leaves between any two steps of a delivery is not written to afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.model import Json, Kind
from storage.pump import Pump
from tests.worker.clinic import ANN, DAY, MORNING, Clinic
from tests.worker.test_delivering import now, queued

STOPS: dict[str, tuple[Kind, dict[str, Json]]] = {
    "opt_out": (Kind.OPT_OUT, {"channel": "all", "how": "stop_reply"}),
    "died": (Kind.MOVE, {"transition": "died", "died_on": "2026-03-20", "source": "the family telephoned"}),
    "hold": (Kind.MOVE, {"transition": "hold", "reason": "surgery", "until": "2026-05-02"}),
    "assigned": (Kind.ASSIGN, {"owner": "ben"}),
}
# The steps of a delivery, in order; whether what is committed just before a step still stops the message.
STEPS = {"claim_messages": True, "sent_to": True, "take": True, "intend": True, "attempted": False}
SPLIT = tuple(STEPS)


def stopping(pump: Pump, step: str, stop: Callable[[], object]) -> None:
    """Have something committed just before the worker's first such step."""
    real = getattr(pump, step)
    done: list[str] = []

    def before(*args: Any, **named: Any) -> Any:
        if not done:
            done.append(step)
            stop()
        return real(*args, **named)

    setattr(pump, step, before)


@pytest.mark.parametrize("step", SPLIT)
@pytest.mark.parametrize("what", STOPS)
def test_nothing_is_sent_after_a_committed_stop(any_clinic: Clinic, what: str, step: str) -> None:
    """Before the intent it stops the message; after it, the message has gone, once, and the log says so."""
    clinic = any_clinic
    message = queued(clinic)
    worker = clinic.worker()
    kind, values = STOPS[what]

    def stop() -> None:
        clinic.do(ANN, kind, "e1", values)

    stopping(worker.pump, step, stop)
    worker.once()
    clinic.go(clinic.clock() + DAY, clinic.worker())

    mine = [key for key in clinic.email.keys if key == message.id]
    ended = now(clinic, message)
    if what == "assigned":  # that stops nothing: it only makes the worker look again
        assert (ended.status, len(mine)) == ("accepted", 1)
    elif STEPS[step]:
        assert mine == []
        assert ended.status in ("suppressed", "cancelled")
    else:
        assert (ended.status, len(mine)) == ("accepted", 1)


@pytest.mark.parametrize("step", ["take", "intend"])
@pytest.mark.parametrize("what", ["opt_out", "died"])
def test_nothing_is_sent_after_a_stop_in_another_episode(any_clinic: Clinic, what: str, step: str) -> None:
    """A person dies, or says no, once: between the look and the intent it counts wherever it was written down."""
    clinic = any_clinic
    message = queued(clinic)
    clinic.registered("p1", "other", region="mid_back")
    worker, (kind, values) = clinic.worker(), STOPS[what]

    stopping(worker.pump, step, lambda: clinic.do(ANN, kind, "other", values))
    worker.once()

    assert message.id not in clinic.email.keys
    assert now(clinic, message).status in ("suppressed", "cancelled")


@pytest.mark.parametrize("what", ["opt_out", "died", "hold"])
def test_nothing_fires_into_the_void(clinic: Clinic, what: str) -> None:
    """What stops a person's messages before their timer has come leaves nothing to send."""
    episode = clinic.patient()
    clinic.clock.forward_to(MORNING + 20 * DAY)
    kind, values = STOPS[what]
    clinic.do(ANN, kind, episode, values)

    clinic.go(MORNING + 26 * DAY, clinic.worker())

    assert not clinic.email.got
    assert not clinic.messages(episode, recipient="patient", status="queued")
