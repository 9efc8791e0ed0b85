"""The pump's statements, made once from the tables and run on the driver's own connection.

Rows to work on are chosen and locked by one statement, and changed by their keys in the same transaction. On
PostgreSQL a row somebody else has locked is skipped, never waited for; on SQLite one process writes at a time.
"""

import re
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, insert, literal_column, or_, select, update
from sqlalchemy import union as either
from sqlalchemy.dialects.sqlite import insert as upsert_into
from sqlalchemy.sql.dml import Update

from storage.tables import TABLES, WAITING, compiled

TIMER, MESSAGE, DUE, EPISODE = TABLES["timer"], TABLES["message"], TABLES["due_item"], TABLES["episode"]
PERSON = TABLES["person_state"]
ATTEMPT, RECEIPT, ERASURE = TABLES["delivery_attempt"], TABLES["delivery_receipt"], TABLES["erasure"]
WORKER, STAT, BUCKET = TABLES["worker"], TABLES["pump_stat"], TABLES["bucket"]
WHEN: dict[str, ColumnElement[Any]] = {
    "timer": TIMER.c.at,
    "message": func.coalesce(MESSAGE.c.try_at, MESSAGE.c.not_before),
}
SKIP_LOCKED = {"timer": " FOR UPDATE OF timer SKIP LOCKED", "message": " FOR UPDATE OF message SKIP LOCKED"}
CLAIMED: dict[str, tuple[str, ...]] = {
    "timer": ("kind",),
    "message": ("channel", "recipient", "not_before", "stage"),
}
# Constants stand in the text itself: a partial index is used only where its condition is said in the same words.
NOBODY: ColumnElement[Any] = literal_column("NULL")
ONE: ColumnElement[int] = literal_column("1")
NONE: ColumnElement[int] = literal_column("0")
_NO_OFFSET = re.compile(r" OFFSET :param_\d+")


def waiting(table: str) -> ColumnElement[bool]:
    """Give the condition for what waits for the worker: that of its indexes."""
    rows = TABLES[table]
    stands = (
        rows.c.state == literal_column("'armed'") if table == "timer" else rows.c.status == literal_column("'queued'")
    )
    return and_(stands, rows.c.parked.is_(None))


def _free(rows: Table) -> ColumnElement[bool]:
    return or_(rows.c.lease_until.is_(None), rows.c.lease_until <= bindparam("now"))


def _mine(rows: Table) -> ColumnElement[bool]:
    return and_(rows.c.episode_id == bindparam("episode"), rows.c.id == bindparam("id_"))


def _held(rows: Table) -> ColumnElement[bool]:
    return and_(_mine(rows), rows.c.fence == bindparam("seen"), rows.c.lease_owner == bindparam("worker"))


def _through(channels: int) -> ColumnElement[bool]:
    return or_(*(MESSAGE.c.channel == bindparam(f"channel{number}") for number in range(channels)))


def unpaged(found: Select[Any]) -> str:
    """Give the SQL of a statement with a LIMIT, without the OFFSET the library adds where nobody asked for one."""
    return _NO_OFFSET.sub("", compiled(found))


@cache
def claim(table: str, channels: int = 0) -> str:
    """Choose `most` rows that are due and free: the clinically most urgent first, then the longest due.

    Urgency is the lane of the due item a row belongs to. It is looked at for the `window` rows that are longest due,
    and for all that belong to the first `window` open items that are an emergency or urgent: so a claim costs the
    same whatever waits behind. `channels`: only messages of so many channels (0: of any).
    """
    rows = TABLES[table]
    asked = [waiting(table), WHEN[table] <= bindparam("now"), _free(rows)]
    if channels:
        asked.append(_through(channels))
    oldest = (
        select(rows.c.episode_id, rows.c.id)
        .where(*asked)
        .order_by(WHEN[table], rows.c.episode_id, rows.c.id)
        .limit(bindparam("window"))
        .subquery("oldest")
    )
    pressing = (
        select(DUE.c.episode_id, DUE.c.id)
        .where(DUE.c.place.is_not(None), DUE.c.place < literal_column("'2'"))
        .order_by(DUE.c.place, DUE.c.episode_id, DUE.c.id)
        .limit(bindparam("window"))
        .subquery("pressing")
    )
    theirs = (
        select(rows.c.episode_id, rows.c.id)
        .join(pressing, and_(rows.c.episode_id == pressing.c.episode_id, rows.c.due_item == pressing.c.id))
        .where(*asked)
        .subquery("theirs")
    )
    chosen = either(select(oldest), select(theirs)).subquery("chosen")
    found: Select[Any] = (
        select(
            rows.c.episode_id, rows.c.id, WHEN[table].label("due"), rows.c.attempt, rows.c.fence, rows.c.lease_owner,
            *(rows.c[name] for name in CLAIMED[table]),
        )
        .join(chosen, and_(rows.c.episode_id == chosen.c.episode_id, rows.c.id == chosen.c.id))
        .outerjoin(DUE, and_(DUE.c.episode_id == rows.c.episode_id, DUE.c.id == rows.c.due_item))
        # Asked again: on PostgreSQL a row that was changed meanwhile is held against what is said of it here.
        .where(*asked)
        .order_by(lane(), WHEN[table], rows.c.episode_id, rows.c.id)
        .limit(bindparam("most"))
    )  # fmt: skip
    return unpaged(found)


_RECALLED = or_(*(MESSAGE.c.status == literal_column(f"'{one}'") for one in ("cancelled", "suppressed")))
# Taken back while it was on its way, and nobody was left to say so.
RECALLED = unpaged(
    select(*(MESSAGE.c[name] for name in ("episode_id", "id", "attempt", "fence", "lease_owner", *CLAIMED["message"])))
    .where(_RECALLED, MESSAGE.c.stage.is_not(None), MESSAGE.c.parked.is_(None), _free(MESSAGE))
    .order_by(MESSAGE.c.episode_id, MESSAGE.c.id)
    .limit(bindparam("most"))
)


def lane() -> ColumnElement[str]:
    """Give the lane of the due item a row belongs to, as `rows.place_of` numbers them; without one it is the last."""
    return func.coalesce(func.substr(DUE.c.place, ONE, ONE), literal_column("'5'"))


def _change(table: str) -> Update:
    return update(TABLES[table])


LEASE = {
    name: compiled(
        _change(name)
        .where(_mine(TABLES[name]))
        .values(
            lease_owner=bindparam("worker"),
            lease_until=bindparam("until"),
            fence=TABLES[name].c.fence + ONE,
            attempt=TABLES[name].c.attempt + ONE,
        )
    )
    for name in WAITING
}
HELD_BY = {
    name: compiled(
        select(TABLES[name].c.episode_id, TABLES[name].c.id)
        .where(waiting(name), TABLES[name].c.lease_until.is_not(None), TABLES[name].c.lease_until > bindparam("now"))
        .where(TABLES[name].c.lease_owner == bindparam("worker"))
    )
    for name in WAITING
}
PROLONG = {
    name: compiled(_change(name).where(_mine(TABLES[name])).values(lease_until=bindparam("until"))) for name in WAITING
}
# `back` 1: this claim is not counted as a try. A timer has no instant of its own to be tried again: nobody's lease
# lasts until then.
RELEASE = {
    "timer": compiled(
        _change("timer")
        .where(_held(TIMER))
        .values(
            lease_owner=NOBODY,
            lease_until=bindparam("try_at"),
            last_error=func.coalesce(bindparam("error"), TIMER.c.last_error),
            attempt=TIMER.c.attempt - bindparam("back"),
        )
    ),
    "message": compiled(
        _change("message")
        .where(_held(MESSAGE))
        .values(
            lease_owner=NOBODY,
            lease_until=NOBODY,
            try_at=func.coalesce(bindparam("try_at"), MESSAGE.c.try_at),
            last_error=func.coalesce(bindparam("error"), MESSAGE.c.last_error),
            attempt=MESSAGE.c.attempt - bindparam("back"),
        )
    ),
}
PARK = {
    name: compiled(
        _change(name)
        .where(_mine(TABLES[name]), waiting(name))
        .values(
            parked=bindparam("why"),
            lease_owner=NOBODY,
            lease_until=NOBODY,
            fence=TABLES[name].c.fence + ONE,
        )
    )
    for name in WAITING
}
UNPARK = {
    name: compiled(
        _change(name)
        .where(_mine(TABLES[name]), TABLES[name].c.parked.is_not(None))
        .values(parked=NOBODY, attempt=NONE, last_error=NOBODY)
    )
    for name in WAITING
}

# --- a message's own way ------------------------------------------------------------------------------------------

STANDS_AT = compiled(
    select(EPISODE.c.version, PERSON.c.version)
    .join(PERSON, PERSON.c.ref == EPISODE.c.person_ref)
    .where(EPISODE.c.id == bindparam("episode"))
)
INTEND = compiled(
    _change("message")
    .where(_held(MESSAGE), waiting("message"), MESSAGE.c.lease_until > bindparam("now"))
    .values(stage=literal_column("'sending'"))
)
# The outcome is known, and an entry has to say it: the lease stays until one does.
KNOWN = compiled(
    _change("message")
    .where(_held(MESSAGE))
    .values(stage=bindparam("stage"), last_error=func.coalesce(bindparam("error"), MESSAGE.c.last_error))
)
AGAIN = compiled(
    _change("message")
    .where(_held(MESSAGE))
    .values(
        stage=NOBODY,
        lease_owner=NOBODY,
        lease_until=NOBODY,
        try_at=func.coalesce(bindparam("try_at"), MESSAGE.c.try_at),
        last_error=func.coalesce(bindparam("error"), MESSAGE.c.last_error),
        attempt=MESSAGE.c.attempt - bindparam("back"),
    )
)
_THEIRS_ERASED = (
    select(ERASURE.c.person_ref)
    .join(EPISODE, EPISODE.c.person_ref == ERASURE.c.person_ref)
    .where(EPISODE.c.id == bindparam("episode_id"))
)
# Not twice, and nothing about somebody who was erased meanwhile.
TRIED = compiled(
    insert(ATTEMPT).from_select(
        [one.name for one in ATTEMPT.columns],
        select(*(bindparam(one.name, type_=one.type) for one in ATTEMPT.columns)).where(
            ~select(ATTEMPT.c.id).where(ATTEMPT.c.id == bindparam("id")).exists(), ~_THEIRS_ERASED.exists()
        ),
    )
)
TRIES = compiled(
    select(ATTEMPT)
    .where(ATTEMPT.c.episode_id == bindparam("episode"), ATTEMPT.c.message_id == bindparam("id_"))
    .order_by(ATTEMPT.c.fence, ATTEMPT.c.at, ATTEMPT.c.status != literal_column("'sending'"), ATTEMPT.c.id)
)
RECEIVED = compiled(
    insert(RECEIPT).from_select(
        [one.name for one in RECEIPT.columns],
        select(*(bindparam(one.name, type_=one.type) for one in RECEIPT.columns)).where(
            ~select(RECEIPT.c.id)
            .where(
                RECEIPT.c.channel == bindparam("channel"),
                RECEIPT.c.reference == bindparam("reference"),
                RECEIPT.c.kind == bindparam("kind"),
            )
            .exists()
        ),
    )
)
MESSAGE_OF = compiled(
    select(ATTEMPT.c.episode_id, ATTEMPT.c.message_id)
    .where(
        ATTEMPT.c.provider_ref.is_not(None),
        ATTEMPT.c.channel == bindparam("channel"),
        ATTEMPT.c.provider_ref == bindparam("reference"),
    )
    .order_by(ATTEMPT.c.at.desc(), ATTEMPT.c.id)
)
# Counted by what was tried: a message whose outcome no entry says yet has been sent all the same.
SENT_TO = compiled(
    select(func.count()).select_from(
        select(ATTEMPT.c.episode_id, ATTEMPT.c.message_id)
        .distinct()
        .join(EPISODE, EPISODE.c.id == ATTEMPT.c.episode_id)
        .join(MESSAGE, and_(MESSAGE.c.episode_id == ATTEMPT.c.episode_id, MESSAGE.c.id == ATTEMPT.c.message_id))
        .where(EPISODE.c.person_ref == bindparam("person"), MESSAGE.c.recipient == literal_column("'patient'"))
        .where(
            or_(*(ATTEMPT.c.status == literal_column(f"'{one}'") for one in ("accepted", "delivered"))),
            ATTEMPT.c.at >= bindparam("since"),
        )
        .subquery()
    )
)

# --- when there is something to do --------------------------------------------------------------------------------


def _next(table: str) -> tuple[Select[Any], Select[Any]]:
    rows = TABLES[table]
    free = select(func.min(WHEN[table]).label("due")).where(waiting(table), rows.c.lease_until.is_(None))
    leased = select(func.min(rows.c.lease_until).label("due")).where(waiting(table), rows.c.lease_until.is_not(None))
    return free, leased


# What somebody works on is due again when their lease is over: not before, or whoever waits for it would not sleep.
NEXT_DUE = compiled(
    select(func.min(literal_column("due"))).select_from(either(*_next("timer"), *_next("message")).subquery())
)

# --- who is alive, counters, buckets ------------------------------------------------------------------------------

_ALIVE = upsert_into(WORKER).values({one.name: bindparam(one.name) for one in WORKER.columns})
BEAT = compiled(
    _ALIVE.on_conflict_do_update(
        index_elements=[WORKER.c.id],
        set_={name: _ALIVE.excluded[name] for name in ("beat_at", "version", "place")},
    )
)
WORKERS = compiled(select(WORKER).order_by(WORKER.c.started_at, WORKER.c.id))
FORGET_WORKERS = compiled(WORKER.delete().where(WORKER.c.beat_at < bindparam("before")))
FORGET_BUCKETS = compiled(BUCKET.delete().where(BUCKET.c.at < bindparam("before")))
_STAT = upsert_into(STAT).values({one.name: bindparam(one.name) for one in STAT.columns})
ADD = compiled(
    _STAT.on_conflict_do_update(index_elements=[STAT.c.name], set_={"value": STAT.c.value + _STAT.excluded["value"]})
)
GAUGE = compiled(
    _STAT.on_conflict_do_update(
        index_elements=[STAT.c.name], set_={"value": _STAT.excluded["value"], "at": _STAT.excluded["at"]}
    )
)
STATS = compiled(select(STAT).order_by(STAT.c.name))
_BUCKET = upsert_into(BUCKET).values({one.name: bindparam(one.name) for one in BUCKET.columns})
FILL = compiled(_BUCKET.on_conflict_do_nothing(index_elements=[BUCKET.c.key]))
LEFT_IN = compiled(select(BUCKET.c.tokens, BUCKET.c.at).where(BUCKET.c.key == bindparam("key")))
TAKE = compiled(
    update(BUCKET).where(BUCKET.c.key == bindparam("key_")).values(tokens=bindparam("tokens"), at=bindparam("at"))
)
