"""People who say no, die, pause or change their plans at any step of firing and delivering, forty at a time.

Each person has a step of their own before which something is committed about them, drawn by a seed. What must hold is
the same for all: nothing is sent to somebody after that, but what was on its way already.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from engine.model import Command, Json, Kind, Outcome
from stepcare.app import VirtualClock
from stepcare.channels.port import Parcel
from stepcare.worker.run import Worker
from storage.claims import ClaimedMessage
from storage.verify import verify_log
from storage.walk import opener_of
from tests.faults.due.ward import STAGES, Ward
from tests.worker.clinic import ANN, Clinic

PEOPLE = 40
ACTS: dict[str, tuple[Kind, dict[str, Json]]] = {
    "opt_out": (Kind.OPT_OUT, {"channel": "all", "how": "stop_reply"}),
    "died": (Kind.MOVE, {"transition": "died", "died_on": "2026-03-20", "source": "the family telephoned"}),
    "hold": (Kind.MOVE, {"transition": "hold", "reason": "surgery", "until": "2026-05-02"}),
    "snooze": (Kind.SNOOZE, {"due_item": "reassessment:s2", "until": "2026-03-26", "reason": "travel"}),
    "assigned": (Kind.ASSIGN, {"owner": "ben"}),
}
STOPS = ("opt_out", "died", "hold")
STEPS = ("claim_timers", "fire", "claim_messages", "sent_to", "intend", "call", "attempted", "said")


@dataclass(slots=True)
class Fates:
    """What happens to whom before which step, and what was meant to be sent to whom after it had happened."""

    clinic: Clinic
    planned: dict[str, tuple[str, str]]
    begun: set[str] = field(default_factory=set)
    happened: set[str] = field(default_factory=set)  # it is committed
    too_late: list[str] = field(default_factory=list)

    def before(self, step: str, episode: str) -> None:
        """Let happen what is planned before this step of this person's."""
        act, at = self.planned[episode]
        if at != step or episode in self.begun:
            return
        self.begun.add(episode)
        kind, values = ACTS[act]
        command = Command(id=self.clinic.app.make_id(), kind=kind, actor=ANN, episode=episode, values=dict(values))
        answer = self.clinic.app.engine.handle(command)
        assert act not in STOPS or answer.decision.outcome is Outcome.ACCEPTED, answer.decision.problem
        self.happened.add(episode)

    def meant(self, claimed: ClaimedMessage) -> None:
        """Note an intent: from here on a message is on its way."""
        if claimed.recipient == "patient" and claimed.episode in self.happened:
            act, _ = self.planned[claimed.episode]
            if act in STOPS:
                self.too_late.append(f"{claimed.id} after {act}")


def raced(worker: Worker, fates: Fates) -> None:
    """Have a worker's steps preceded by what happens."""
    pump = worker.pump
    real = {name: getattr(pump, name) for name in ("claim_timers", "claim_messages", "sent_to", "intend", "attempted")}

    def claim_timers(*args: Any, **named: Any) -> Any:
        found = real["claim_timers"](*args, **named)
        for one in found:
            fates.before("claim_timers", one.episode)
        return found

    def claim_messages(*args: Any, **named: Any) -> Any:
        found = real["claim_messages"](*args, **named)
        for one in found:
            fates.before("claim_messages", one.episode)
        return found

    def sent_to(person: str, since: Any) -> Any:
        fates.before("sent_to", f"e{person[1:]}")
        return real["sent_to"](person, since)

    def intend(claimed: ClaimedMessage, *args: Any, **named: Any) -> Any:
        fates.before("intend", claimed.episode)
        done = real["intend"](claimed, *args, **named)
        if done:
            fates.meant(claimed)
        return done

    def attempted(claimed: ClaimedMessage, *args: Any, **named: Any) -> Any:
        fates.before("attempted", claimed.episode)
        done = real["attempted"](claimed, *args, **named)
        fates.before("said", claimed.episode)
        return done

    for step in (claim_timers, claim_messages, sent_to, intend, attempted):
        setattr(pump, step.__name__, step)


def firing_raced(clinic: Clinic, fates: Fates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is about to be committed as fired be overtaken: it was decided on what is no longer so."""
    real = clinic.app.store.apply

    def apply(changes: Any) -> Any:
        for one in changes:
            if one.decision.command.kind is Kind.FIRE:
                fates.before("fire", one.decision.command.episode)
        return real(changes)

    monkeypatch.setattr(clinic.app.store, "apply", apply)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(5, 50))])
def test_nothing_is_sent_after_what_forbids_it(
    ward_of: Callable[..., Ward], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Forty people a seed: two hundred interleavings quickly, two thousand in the long run."""
    ward, random = ward_of("sqlite", PEOPLE), Random(seed)  # noqa: S311 - no secret
    clinic = Clinic(ward.home, None, VirtualClock(ward.dial()))  # type: ignore[arg-type]  # it is published already
    planned = {f"e{number}": (random.choice(list(ACTS)), random.choice(STEPS)) for number in range(1, PEOPLE + 1)}
    fates = Fates(clinic=clinic, planned=planned)

    def calling(parcel: Parcel) -> None:
        fates.before("call", parcel.key.split(":")[0])

    clinic.email.before = calling
    firing_raced(clinic, fates, monkeypatch)
    worker = clinic.worker()
    raced(worker, fates)
    for stage in STAGES:
        clinic.clock.forward_to(stage)
        worker.once()

    assert fates.too_late == []
    happened = {planned[one][1] for one in fates.happened}
    assert happened == {step for _, step in planned.values()}, (
        happened,
        [planned[one] for one in planned if one not in fates.happened],
    )
    sent = [parcel.key for _, parcel in clinic.email.got if not parcel.key.startswith("digest-")]
    assert len(sent) == len(set(sent))
    for episode, (act, _) in planned.items():
        if act in STOPS and episode in fates.happened:
            assert not clinic.messages(episode, recipient="patient", status="queued"), (episode, act)
    assert verify_log(clinic.database, opener_of(clinic.database)).faults == ()
    worker.close()
    clinic.close()
