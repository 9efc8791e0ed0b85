"""Named steps at which a worker can be killed, frozen or made to fail: wrappers that its test's own program wires in.

claim.before         timers are about to be claimed
claim.uncommitted    rows are chosen, inside the claim's transaction
claim.timers         timers are leased
fire.uncommitted     entries of fired timers are written, and not committed
escalate.uncommitted the same, where a rung above the person is armed or told
fire.committed       they are committed
claim.messages       messages are leased
send.intended        the intent is durable, nothing has left
call.open            the receiver is being spoken to
call.taken           the receiver has it, and has not answered
send.answered        the answer is known to this process only
send.known           the answer is a row, no entry says it
deliver.uncommitted  the entry is written, and not committed
deliver.committed    it is committed
lease.renewing       leases are about to be prolonged
lease.renewed        they were
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import storage.store
from engine.decision import Put
from engine.model import Kind, Message, Timer
from storage.claims import ClaimedMessage, ClaimedTimer
from storage.commit import Commit
from storage.pump import Pump
from storage.store import Store
from tests.faults.load import Record

NAMES = (
    "claim.before",
    "claim.uncommitted",
    "claim.timers",
    "fire.uncommitted",
    "escalate.uncommitted",
    "fire.committed",
    "claim.messages",
    "send.intended",
    "call.open",
    "call.taken",
    "send.answered",
    "send.known",
    "deliver.uncommitted",
    "deliver.committed",
    "lease.renewing",
    "lease.renewed",
)
WORKED = {Kind.FIRE: "fire", Kind.DELIVER: "deliver"}


@dataclass(slots=True)
class Points:
    """What happens at a step: at the `at`-th time it is reached with `about` in what it is about.

    act: kill | freeze | raise. A `lasting` one happens each time from then on.
    """

    record: Record
    name: str = ""
    at: int = 1
    act: str = "kill"
    about: str = ""
    lasting: bool = False
    writing: Any = None  # who holds it keeps this process from writing: one that is frozen in a transaction stops all
    _hits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self, name: str, about: str = "") -> None:
        """Be told that a step was reached; may not return."""
        if name != self.name or self.about not in about:
            return
        with self._lock:
            self._hits += 1
            if self._hits != self.at and not (self.lasting and self._hits > self.at):
                return
        self.record.say("reached", name)
        if self.act == "raise":
            raise RuntimeError(name)
        if self.act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        with self.writing or nullcontext():
            self.record.say("frozen")
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.05)  # it stops at the latest here

    # --- wiring -----------------------------------------------------------------------------------------------------

    def pump(self) -> Callable[..., Pump]:
        """Give what makes pumps that pass these steps."""
        points = self

        class Failing(Pump):
            def claim_timers(self, now: datetime, limit: int = 100) -> list[ClaimedTimer]:
                points.reached("claim.before")
                found = super().claim_timers(now, limit)
                for one in found:
                    points.reached("claim.timers", f"{one.episode}:{one.id}")
                return found

            def claim_messages(
                self, now: datetime, limit: int = 20, channels: Sequence[str] | None = None
            ) -> list[ClaimedMessage]:
                found = super().claim_messages(now, limit, channels)
                for one in found:
                    points.reached("claim.messages", one.id)
                return found

            def _lease(self, now: datetime) -> dict[str, Any]:
                points.reached("claim.uncommitted")
                return super()._lease(now)

            def intend(self, claimed: ClaimedMessage, *args: Any, **named: Any) -> bool:
                done = super().intend(claimed, *args, **named)
                if done:
                    points.reached("send.intended", claimed.id)
                return done

            def attempted(self, claimed: ClaimedMessage, *args: Any, **named: Any) -> bool:
                points.reached("send.answered", claimed.id)
                done = super().attempted(claimed, *args, **named)
                points.reached("send.known", claimed.id)
                return done

            def renew(self, now: datetime) -> None:
                points.reached("lease.renewing")
                super().renew(now)
                points.reached("lease.renewed")

        return Failing

    def wire_store(self) -> None:
        """Have every commit of this process pass these steps."""
        points, real = self, Store._transaction

        class Failing(Commit):
            def append(self, ready: Sequence[Any]) -> list[int]:
                indexes = super().append(ready)
                for one in ready:
                    points.decided(one.prepared.change.decision, "uncommitted")
                return indexes

        def transaction(store: Store, group: Mapping[int, Any], *, retried: bool) -> Any:
            done = real(store, group, retried=retried)
            for position, one in group.items():
                if done[position].error is None:
                    points.decided(one.change.decision, "committed")
            return done

        vars(storage.store)["Commit"] = Failing
        type.__setattr__(Store, "_transaction", transaction)

    def decided(self, decision: Any, how: str) -> None:
        """Be told of a decision that is written, or kept."""
        what = WORKED.get(decision.command.kind)
        if what is None:
            return
        about = f"{decision.command.episode}:{decision.command.of or decision.command.values.get('message')}"
        self.reached(f"{what}.{how}", about)
        items = [event.item for event in decision.events if isinstance(event, Put)]
        told = any(isinstance(one, Message) and one.recipient != "patient" for one in items)
        armed = any(isinstance(one, Timer) and one.state == "armed" for one in items)
        if what == "fire" and told and armed:
            self.reached(f"escalate.{how}", about)
