"""What a claim gives into a worker's hand: a timer, a message, the steps of its tries, and who else is alive."""

from dataclasses import dataclass
from datetime import datetime

from engine.audit import instant_from
from storage.tables import Row

# An outcome that ends the try: an entry has to say it. After the others the message is tried again.
ENDS = ("accepted", "delivered", "permanent", "unknown")
AGAIN = ("temporary", "deferred")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTimer:
    """A timer that is ours for a while. `attempt` counts this claim too."""

    episode: str
    id: str
    kind: str
    at: datetime
    attempt: int
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that is ours for a while. `attempt` counts this claim too.

    `resumed`: an earlier lease meant to send it and left no entry of what became of it: it may have been sent, so it
    is asked about, never just sent again. `known` is the outcome that lease still kept (None: nobody knows).
    """

    episode: str
    id: str
    channel: str
    recipient: str
    not_before: datetime
    attempt: int
    fence: int
    resumed: bool
    known: str | None = None


Claimed = ClaimedTimer | ClaimedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One step of a try, as it was kept: the intent (`sending`), or an outcome. `reference` is the receiver's own."""

    fence: int
    at: datetime
    status: str
    channel: str
    receiver: str
    reference: str | None
    detail: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAlive:
    """A worker, by its last heartbeat."""

    id: str
    started_at: datetime
    beat_at: datetime
    version: str
    place: str


def timer_of(row: Row) -> ClaimedTimer:
    """Give a timer's row as it was just claimed; InvalidInput for one that cannot be read."""
    return ClaimedTimer(
        episode=row["episode_id"],
        id=row["id"],
        kind=row["kind"],
        at=instant_from(row["due"]),
        attempt=row["attempt"] + 1,
        fence=row["fence"] + 1,
    )


def message_of(row: Row) -> ClaimedMessage:
    """Give a message's row as it was just claimed; InvalidInput for one that cannot be read."""
    return ClaimedMessage(
        episode=row["episode_id"],
        id=row["id"],
        channel=row["channel"],
        recipient=row["recipient"],
        not_before=instant_from(row["not_before"]),
        attempt=row["attempt"] + 1,
        fence=row["fence"] + 1,
        resumed=row["stage"] is not None,
        known=row["stage"] if row["stage"] in ENDS else None,
    )
