"""The worker's own tables: who is alive, what was tried with a message and what came back, counters, buckets, feeds.

No entry speaks of them, so none can vouch for them; what was tried and what came back is append-only all the same,
and goes with its person's erasure or with a retention run only (`schema_delivery.py`).
"""

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint

from storage.columns import (
    KEYED,
    NUMBERED,
    KeyNumber,
    KeyWords,
    MaybeWords,
    Number,
    Room,
    Words,
    only_where,
    refers,
)


class DeliveryAttempt(Room, table=True):
    """One step of one try to hand a message over: the intent (`sending`), then its outcome. Never changed.

    status: sending | accepted | delivered | temporary | permanent | unknown | deferred. `fence` is the lease's,
    `receiver` a staff member's id ('': the patient, or the channel itself); `detail` is a code. The number is made
    of what the row is about, so the same step is never there twice.
    """

    __tablename__ = "delivery_attempt"
    __table_args__ = (
        ForeignKeyConstraint(["episode_id", "message_id"], ["message.episode_id", "message.id"]),
        Index("attempts_of_message", "episode_id", "message_id"),
        Index("attempts_by_reference", "channel", "provider_ref", **only_where("provider_ref IS NOT NULL")),
        Index("attempts_by_age", "at"),
        NUMBERED,
    )
    id: KeyNumber
    episode_id: Words
    message_id: Words
    at: Words
    status: Words
    provider_ref: MaybeWords
    detail: Words
    fence: Number
    worker: Words
    channel: Words
    receiver: Words


class DeliveryReceipt(Room, table=True):
    """What a channel said afterwards of what it had taken. Never changed.

    kind: delivered | bounced | complaint | opted_out. `reference` is the receiver's own (`provider_ref` of the try).
    """

    __tablename__ = "delivery_receipt"
    __table_args__ = (UniqueConstraint("channel", "reference", "kind"), Index("receipts_by_age", "at"), NUMBERED)
    id: KeyNumber
    channel: Words
    reference: Words
    kind: Words
    at: Words
    detail: Words


class DeliveryRun(Room, table=True):
    """A retention run that took tries and receipts away, by its entry's number. Adding the row takes them away."""

    __tablename__ = "delivery_run"
    __table_args__ = (refers("entry", "audit_entry.idx"), NUMBERED)
    entry: KeyNumber
    before: Words
    count: Number


class WorkerRow(Room, table=True):
    """Who is alive, and since when; `place` says where (host and process)."""

    __tablename__ = "worker"
    __table_args__ = KEYED
    id: KeyWords
    started_at: Words
    beat_at: Words
    version: Words
    place: Words


class PumpStat(Room, table=True):
    """A counter that only grows, or a gauge with the time it was read (`at` None: a counter)."""

    __tablename__ = "pump_stat"
    __table_args__ = KEYED
    name: KeyWords
    value: Number
    at: MaybeWords


class Bucket(Room, table=True):
    """A token bucket: millionths of a token that were left at a time."""

    __tablename__ = "bucket"
    __table_args__ = KEYED
    key: KeyWords
    tokens: Number
    at: Words


class Feed(Room, table=True):
    """The secret address of somebody's calendar feed; only its hash is kept. Revoked: it answers nobody any more.

    `covers`: whose work it shows (team | own).
    """

    __tablename__ = "feed"
    __table_args__ = (Index("feed_actor", "actor"), KEYED)
    token_hash: KeyWords
    actor: Words
    covers: Words
    made_at: Words
    expires_at: Words
    revoked_at: MaybeWords


class Digest(Room, table=True):
    """A colleague's digest of one local day: it is claimed here before it is sent, so there is one a day.

    status: sending | waiting | accepted | delivered | failed | unknown | nothing (there was nothing to tell). `attempt`
    counts claims and is the fence: what an earlier claim says comes too late. `try_at` None: at once. `detail` is a code.
    """

    __tablename__ = "digest"
    __table_args__ = KEYED
    day: KeyWords
    actor: KeyWords
    made_at: Words
    status: Words
    channel: Words
    attempt: Number
    lease_until: MaybeWords
    try_at: MaybeWords
    reference: MaybeWords
    detail: Words
