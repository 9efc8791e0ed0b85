"""The tables of the second log, that of reads; what the database refuses by itself stands in `schema_access.py`."""

from sqlalchemy import CheckConstraint, Index, UniqueConstraint

from storage.columns import (
    KEYED,
    NUMBERED,
    Blob,
    KeyNumber,
    KeyWords,
    MaybeNumber,
    Number,
    Room,
    Words,
    only_where,
    refers,
)


class AccessHead(Room, table=True):
    """One row: how many reads were noted, and their tree.

    `rooted` is the size that `frontier` stands for; it lags behind `n` only inside a commit. What lies before `first`
    was taken away by a retention run: `base` is the tree of it, `pruned_by` the run's entry in the log (None: no run).
    """

    __tablename__ = "access_head"
    __table_args__ = NUMBERED
    id: KeyNumber
    n: Number
    rooted: Number
    frontier: Blob
    first: Number
    base: Blob
    pruned_by: MaybeNumber
    origin: Words


class AccessEntry(Room, table=True):
    """Who looked at what. The columns repeat what the bytes say.

    `opening` is the break-glass entry it belongs to: what was read by it, or its review. None: nothing was broken.
    """

    __tablename__ = "access_entry"
    __table_args__ = (
        UniqueConstraint("id"),
        Index("access_entry_actor", "actor", "idx"),
        Index("access_entry_at", "at"),
        Index("access_entry_glass", "actor", "at", **only_where("type = 'break_glass.opened'")),
        Index("access_entry_opening", "opening", **only_where("opening IS NOT NULL")),
        CheckConstraint(r"leaf = sha256('\x00'::bytea || entry)", "access_entry_leaf").ddl_if(dialect="postgresql"),
        NUMBERED,
    )
    idx: KeyNumber
    id: Words
    at: Words
    actor: Words
    type: Words
    opening: MaybeNumber
    leaf: Blob
    entry: Blob


class AccessSeen(Room, table=True):
    """Which person or episode each read showed; written by the trigger of its entry only."""

    __tablename__ = "access_seen"
    __table_args__ = (refers("idx", "access_entry.idx"), KEYED)
    ref: KeyWords
    idx: KeyNumber


class AccessSealed(Room, table=True):
    """What somebody wrote in their own words, sealed under the person's key."""

    __tablename__ = "access_sealed"
    __table_args__ = (refers("idx", "access_entry.idx"), Index("access_sealed_person", "person_ref", "idx"), NUMBERED)
    idx: KeyNumber
    blob: Blob
    key_id: Words
    person_ref: Words
