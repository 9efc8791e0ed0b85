"""The tables: columns, keys and indexes. What the database refuses by itself stands in `schema.py`.

The entries are the truth. Every other table is a copy for lists and jobs, made in the same commit and compared by
`verify`. Instants are text in UTC with microseconds (`2026-03-02T08:00:00.000000Z`), so that they compare as text;
days are ISO dates, decimals are text. Tables are STRICT: a float or a number in a text column is an error here.

Rows keyed by text are WITHOUT ROWID: a hidden rowid would be a second key that INSERT OR REPLACE could collide with.

PostgreSQL has the same tables in its own words: whole numbers of 64 bits, and text that sorts by its bytes, so that a
list and its pages come in the same order on both.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

import storage.tables_access
import storage.tables_delivery
import storage.tables_people  # noqa: F401 - their tables join ours
from storage.columns import (
    KEYED,
    NUMBERED,
    Blob,
    FromZero,
    KeyNumber,
    KeyWords,
    MaybeWords,
    Number,
    Room,
    Words,
    only_where,
    refers,
)


def _worklist(scope: str) -> tuple[Index, Index]:
    """Give what a list of everybody's, a care team's or somebody's work is read by: in its order, and by its opening."""
    first = () if scope == "all" else (scope,)
    # In the same words as queries ask: a partial index serves nobody else.
    is_open = only_where("place IS NOT NULL")
    return (
        Index(f"due_item_{scope}_place", *first, "place", "episode_id", "id", **is_open),
        Index(f"due_item_{scope}_opens", *first, "opens_at", **is_open),
    )


# What waits for the worker, and what came to nothing, in the words that queries ask it by.
WAITING = {"timer": "state = 'armed' AND parked IS NULL", "message": "status = 'queued' AND parked IS NULL"}
FAILED = "status = 'dead' OR status = 'failed' OR status = 'unknown'"
RECALLED = "(status = 'cancelled' OR status = 'suppressed') AND stage IS NOT NULL"


def _queue(table: str, when: tuple[Any, ...], what: str) -> Iterator[Index]:
    """Give what the worker's queue is read by: when it is due, whose leases run out when, and what is parked."""
    waiting = WAITING[table]
    yield Index(f"{table}_due", *when, "episode_id", "id", what, **only_where(waiting))
    yield Index(f"{table}_lease", "lease_until", "lease_owner", **only_where(f"{waiting} AND lease_until IS NOT NULL"))
    yield Index(f"{table}_parked", "episode_id", "id", **only_where("parked IS NOT NULL"))


def _still_to_destroy() -> Index:
    return Index("erasure_to_destroy", "person_ref", **only_where("destroyed IS NULL"))


class EpisodeColumns(Room):
    """An episode as lists see it; `last_idx` is the entry that made it so.

    `urgency` is the highest of its open red flags (empty: none). baseline, last, change: scores as decimal text.
    """

    id: KeyWords
    person_ref: Words
    pathway_sha: Words
    zone: Words
    language: Words
    team: Words
    owner: MaybeWords
    region: Words
    state: Words
    version: Number
    plan_version: Number
    last_idx: Number
    response: MaybeWords
    chronicity: MaybeWords
    baseline: MaybeWords
    last: MaybeWords
    change: MaybeWords
    flags_open: Number
    urgency: Words
    next_due_at: MaybeWords
    opened_at: Words
    closed_at: MaybeWords
    updated_at: Words


class EpisodeRow(EpisodeColumns, table=True):
    """Written by the trigger of its entry only."""

    __tablename__ = "episode"
    __table_args__ = (
        refers("person_ref", "person_state.ref"),
        refers("pathway_sha", "pack.sha256"),
        Index("episode_person", "person_ref"),
        Index("episode_team", "team", "opened_at", "id"),
        Index("episode_owner", "owner", "opened_at", "id"),
        Index("episode_opened", "opened_at", "id"),
        KEYED,
    )


class EpisodeNext(EpisodeColumns, table=True):
    """The episode as its next entry will make it. Empty between commits: the entry takes the row away."""

    __tablename__ = "episode_next"
    __table_args__ = KEYED


class PersonState(Room, table=True):
    """What counts per person, sealed under the person's key; `commitment` is to the plain value."""

    __tablename__ = "person_state"
    __table_args__ = KEYED
    ref: KeyWords
    version: Number
    sealed: Blob
    commitment: Words
    key_id: Words


class SiteColumns(Room):
    """The site's pathways and parameters in the clear: they are nobody's secrets."""

    id: KeyNumber
    version: Number
    last_idx: Number
    body: Words


class SiteState(SiteColumns, table=True):
    """One row, from the site's first change on. Written by the trigger of its entry only."""

    __tablename__ = "site_state"
    __table_args__ = NUMBERED


class SiteNext(SiteColumns, table=True):
    """The site as its next entry will make it. Empty between commits."""

    __tablename__ = "site_next"
    __table_args__ = NUMBERED


class PackRow(Room, table=True):
    """A pathway pack's canonical bytes, named by their hash. Never changed."""

    __tablename__ = "pack"
    __table_args__ = KEYED
    sha256: KeyWords
    pathway_id: Words
    label: Words
    bytes: Blob


class ParameterSetRow(Room, table=True):
    """A site's parameter values as canonical bytes, named by their hash. Never changed."""

    __tablename__ = "parameter_set"
    __table_args__ = KEYED
    sha256: KeyWords
    bytes: Blob


class AuditHead(Room, table=True):
    """One row: how many entries there are, and their tree.

    `rooted` is the size that `frontier` stands for; it lags behind `n` only inside a commit.
    """

    __tablename__ = "audit_head"
    __table_args__ = NUMBERED
    id: KeyNumber
    n: Number
    rooted: Number
    frontier: Blob
    origin: Words


class AuditEntry(Room, table=True):
    """The log. `ep` is the episode, None for the site's own chain; `epn` numbers each chain from 0."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("ep", "epn"),
        CheckConstraint(r"leaf = sha256('\x00'::bytea || entry)", "audit_entry_leaf").ddl_if(dialect="postgresql"),
        NUMBERED,
    )
    idx: KeyNumber
    id: Words
    ep: MaybeWords
    epn: Number
    leaf: Blob
    entry: Blob


class AuditSealed(Room, table=True):
    """What an entry commits to, sealed under the person's key."""

    __tablename__ = "audit_sealed"
    __table_args__ = (refers("idx", "audit_entry.idx"), Index("audit_sealed_person", "person_ref", "idx"), NUMBERED)
    idx: KeyNumber
    blob: Blob
    key_id: Words
    person_ref: Words


class DueItemRow(Room, table=True):
    """Work a person owes.

    The last three are there for the worklist, and only while the item is open: the episode's care team, who owes it
    (the item's own owner, or else the episode's), and its place in the list (`rows.place_of`).
    """

    __tablename__ = "due_item"
    __table_args__ = (
        refers("episode_id", "episode.id"),
        *_worklist("all"),
        *_worklist("team"),
        *_worklist("assignee"),
        KEYED,
    )
    episode_id: KeyWords
    id: KeyWords
    kind: Words
    occurrence: Words
    title: Words
    anchor: Words
    opens_after: Words
    due_after: Words
    opens_at: Words
    due_at: MaybeWords
    due_on: MaybeWords
    owner_role: Words
    status: Words
    owner: MaybeWords
    rung: Number
    fired: Number
    snoozed_until: MaybeWords
    closed_by: MaybeWords
    team: MaybeWords
    assignee: MaybeWords
    place: MaybeWords


class TimerRow(Room, table=True):
    """An instant the worker acts on. The columns from the lease on are the worker's own; no entry speaks of them.

    `parked` says why nobody acts on it (None: somebody will).
    """

    __tablename__ = "timer"
    __table_args__ = (refers("episode_id", "episode.id"), *_queue("timer", ("at",), "kind"), KEYED)
    episode_id: KeyWords
    id: KeyWords
    kind: Words
    occurrence: Words
    due_item: MaybeWords
    at: Words
    local: Words
    zone: Words
    armed_on: Number
    expires_at: MaybeWords
    state: Words
    lease_owner: MaybeWords
    lease_until: MaybeWords
    fence: FromZero
    attempt: FromZero
    last_error: MaybeWords
    parked: MaybeWords


class MessageRow(Room, table=True):
    """The outbox. Episode and id together are the idempotency key a receiver sees.

    The columns from the lease on are the worker's own. `try_at` None: from `not_before` on. `stage` is how far its
    last lease came: `sending` (nobody knows what became of it), or an outcome that no entry says yet.
    """

    __tablename__ = "message"
    __table_args__ = (
        refers("episode_id", "episode.id"),
        *_queue("message", (text("COALESCE(try_at, not_before)"),), "channel"),
        Index("message_failed", "status", "episode_id", "id", **only_where(FAILED)),
        Index("message_recalled", "episode_id", "id", **only_where(RECALLED)),
        KEYED,
    )
    episode_id: KeyWords
    id: KeyWords
    template: Words
    language: Words
    recipient: Words
    channel: Words
    due_item: MaybeWords
    not_before: Words
    expires_at: MaybeWords
    status: Words
    category: Words
    reason: Words
    follows: MaybeWords
    reference: MaybeWords
    lease_owner: MaybeWords
    lease_until: MaybeWords
    fence: FromZero
    attempt: FromZero
    last_error: MaybeWords
    parked: MaybeWords
    try_at: MaybeWords
    stage: MaybeWords


class Idempotency(Room, table=True):
    """Which entry an actor's key stands for, and for which request body.

    It names the entry's id, not its index: the row is written before the log's head is locked. The index is what lets
    SQLite find the waiting key when its entry arrives; without it every entry would cost a walk over all keys.
    """

    __tablename__ = "idempotency"
    __table_args__ = (
        refers("entry", "audit_entry.id"),
        Index("idempotency_age", "created_at"),
        Index("idempotency_entry", "entry"),
        KEYED,
    )
    actor: KeyWords
    key: KeyWords
    entry: Words
    request_hash: Words
    created_at: Words


class ErasureRow(Room, table=True):
    """A person who was erased, by which entry (its id and time). Adding the row empties what lists say of them.

    `destroyed` is the entry that says their data key is gone; None: it is still to be destroyed.
    """

    __tablename__ = "erasure"
    __table_args__ = (_still_to_destroy(), KEYED)
    person_ref: KeyWords
    entry: Words
    at: Words
    destroyed: MaybeWords


class TokenRow(Room, table=True):
    """What a program shows to be let in: who it acts as, until when. Of the secret only its hash is kept."""

    __tablename__ = "token"
    __table_args__ = KEYED
    id: KeyWords
    secret_hash: Words
    actor: Words
    role: Words
    scopes: Words
    created_at: Words
    expires_at: Words
    revoked_at: MaybeWords


class Meta(Room, table=True):
    """One row: when this database was made, the vault that holds its keys, and the site's time zone."""

    __tablename__ = "meta"
    __table_args__ = NUMBERED
    id: KeyNumber
    created_at: Words
    vault: Words
    zone: Words


TABLES = Room.metadata.tables

# Named parameters, as both drivers of SQLite take them.
DIALECT = sqlite.dialect(paramstyle="named")


def compiled(statement: ClauseElement) -> str:
    """Give a statement's SQL. Called once per statement at import, never per decision."""
    return str(statement.compile(dialect=DIALECT))


Row = dict[str, Any]
"""A row on its way to or from the driver: column → str, int, bytes or None."""
