"""What the worker did with an episode's messages and timers, beside what entries say: tries, receipts, what is parked.

No entry vouches for these rows; they say how something was tried, never that it was decided.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, literal_column, or_, select

from engine.audit import instant_from
from storage.connection import rows
from storage.database import Database
from storage.tables import TABLES, Row

TRY, RECEIPT = TABLES["delivery_attempt"], TABLES["delivery_receipt"]
OPEN, ENDED_BADLY = ("open", "on_hold"), ("dead", "failed", "unknown")
STEPS = ("sending", "deferred")  # what comes before an outcome at the same instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One step of a try: the intent (`sending`) or its outcome. `detail` is a code.

    `receiver` is the staff member's id, '' for the patient or the channel itself; `reference` the receiver's own.
    """

    message: str
    at: datetime
    status: str
    channel: str
    receiver: str
    worker: str
    fence: int
    detail: str
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a channel said afterwards: delivered | bounced | complaint | opted_out."""

    message: str
    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Where a message or timer stands with the worker.

    `attempt` counts how often it was taken up; `try_at` None: at its own time. `parked` says why nobody acts on it
    (None: somebody will), `stage` how far its last lease came (None: it did not begin), `last_error` the last code.
    """

    id: str
    attempt: int
    parked: str | None
    last_error: str | None
    try_at: datetime | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A message that reached nobody, or of which nobody knows; `status` failed | unknown | dead, `reason` its code.

    The work of looking at it is still owed.
    """

    episode: str
    id: str
    channel: str
    status: str
    reason: str
    attempt: int


def undelivered(database: Database, most: int) -> list[Undelivered]:
    """Give the messages that somebody still has to look at, `most` at most.

    What was sent again, handed on, made good by a contact, or is about an episode that is over, is not among them: its
    due item is closed.
    """
    message, owed = TABLES["message"].c, TABLES["due_item"].c
    is_owed = exists().where(
        owed.episode_id == message.episode_id, owed.occurrence == message.id, owed.status.in_(OPEN)
    )
    columns = (message.episode_id, message.id, message.channel, message.status, message.reason, message.attempt)
    wanted = (
        select(*columns)
        # In these words: a partial index serves nobody else.
        .where(or_(*(message.status == literal_column(f"'{one}'") for one in ENDED_BADLY)), is_owed)
        .order_by(message.status, message.episode_id, message.id)
        .limit(most)
    )
    return [
        Undelivered(
            episode=row["episode_id"],
            id=row["id"],
            channel=row["channel"],
            status=row["status"],
            reason=row["reason"],
            attempt=row["attempt"],
        )
        for row in _rows(database, wanted)
    ]


def attempts_of(database: Database, episode: str) -> list[Attempt]:
    """Give every step of every try with an episode's messages, in the order they were made."""
    wanted = select(TRY).where(TRY.c.episode_id == episode)
    found = [
        Attempt(
            message=row["message_id"],
            at=instant_from(row["at"]),
            status=row["status"],
            channel=row["channel"],
            receiver=row["receiver"],
            worker=row["worker"],
            fence=row["fence"],
            detail=row["detail"],
            reference=row["provider_ref"],
        )
        for row in _rows(database, wanted)
    ]
    return sorted(found, key=lambda one: (one.at, one.fence, one.status not in STEPS, one.receiver))


def receipts_of(database: Database, episode: str) -> list[Receipt]:
    """Give what channels said afterwards of an episode's messages, in the order it came."""
    joined = and_(TRY.c.channel == RECEIPT.c.channel, TRY.c.provider_ref == RECEIPT.c.reference)
    wanted = (
        select(TRY.c.message_id, RECEIPT.c.at, RECEIPT.c.kind, RECEIPT.c.detail)
        .select_from(TRY.join(RECEIPT, joined))
        .where(TRY.c.episode_id == episode)
        .distinct()
    )
    found = [
        Receipt(message=row["message_id"], at=instant_from(row["at"]), kind=row["kind"], detail=row["detail"])
        for row in _rows(database, wanted)
    ]
    return sorted(found, key=lambda one: (one.at, one.message, one.kind))


def held_messages(database: Database, episode: str) -> dict[str, Held]:
    """Give where an episode's messages stand with the worker, by id."""
    table = TABLES["message"]
    columns = ("id", "attempt", "parked", "last_error", "try_at", "stage")
    wanted = select(*(table.c[name] for name in columns)).where(table.c.episode_id == episode)
    return {
        row["id"]: Held(
            id=row["id"],
            attempt=row["attempt"],
            parked=row["parked"],
            last_error=row["last_error"],
            try_at=instant_from(row["try_at"]) if row["try_at"] else None,
            stage=row["stage"],
        )
        for row in _rows(database, wanted)
    }


def held_timers(database: Database, episode: str) -> dict[str, Held]:
    """Give where an episode's timers stand with the worker, by id."""
    table = TABLES["timer"]
    columns = ("id", "attempt", "parked", "last_error")
    wanted = select(*(table.c[name] for name in columns)).where(table.c.episode_id == episode)
    return {
        row["id"]: Held(id=row["id"], attempt=row["attempt"], parked=row["parked"], last_error=row["last_error"])
        for row in _rows(database, wanted)
    }


def _rows(database: Database, statement: Select[Any]) -> list[Row]:
    made = statement.compile(dialect=database.backend.dialect, compile_kwargs={"render_postcompile": True})
    with database.reading() as connection:
        return rows(connection.execute(str(made), made.params))
