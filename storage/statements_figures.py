"""The statements that show the due work from outside; each is served by an index."""

from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, literal_column, or_, select, text

from storage.statements_pump import MESSAGE, ONE, TIMER, WHEN, unpaged, waiting
from storage.tables import TABLES, WAITING, compiled

_KIND = {"timer": TIMER.c.kind, "message": MESSAGE.c.channel}
_ENDED_BADLY = or_(*(MESSAGE.c.status == literal_column(f"'{one}'") for one in ("dead", "failed", "unknown")))


def _backlog(table: str) -> str:
    late = case(
        *((WHEN[table] > bindparam(name), literal_column(f"'{name}'")) for name in ("minute", "hour", "day")),
        else_=literal_column("'older'"),
    ).label("age")
    return compiled(
        select(_KIND[table].label("kind"), late, func.count().label("count"))
        .where(waiting(table), WHEN[table] <= bindparam("now"))
        .group_by(_KIND[table], text("age"))
        .order_by(_KIND[table], text("age"))
    )


def _of(table: str) -> tuple[ColumnElement[Any], ...]:
    rows = TABLES[table]
    return (rows.c.episode_id, rows.c.id, _KIND[table].label("kind"), rows.c.attempt, rows.c.last_error)


def _listed(found: Select[Any]) -> str:
    return unpaged(found.limit(bindparam("most")))


BACKLOG = {table: _backlog(table) for table in WAITING}
OLDEST = compiled(
    select(*(select(func.min(WHEN[table])).where(waiting(table)).scalar_subquery().label(table) for table in WAITING))
)
ARMED = compiled(
    select(TIMER.c.episode_id).distinct().where(TIMER.c.state == literal_column("'armed'")).order_by(TIMER.c.episode_id)
)
_HOUR = func.substr(TIMER.c.at, ONE, literal_column("13")).label("hour")
FORECAST = compiled(
    select(_HOUR, TIMER.c.kind, func.count().label("count"))
    .where(waiting("timer"), TIMER.c.at > bindparam("now"), TIMER.c.at <= bindparam("until"))
    .group_by(text("hour"), TIMER.c.kind)
    .order_by(text("hour"), TIMER.c.kind)
)
PARKED = {
    table: _listed(
        select(*_of(table), TABLES[table].c.parked.label("why"))
        .where(TABLES[table].c.parked.is_not(None))
        .order_by(TABLES[table].c.episode_id, TABLES[table].c.id)
    )
    for table in WAITING
}
ENDED_BADLY = _listed(
    select(*_of("message"), MESSAGE.c.status.label("why"))
    .where(_ENDED_BADLY)
    .order_by(MESSAGE.c.status, MESSAGE.c.episode_id, MESSAGE.c.id)
)
