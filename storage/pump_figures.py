"""What the due work looks like from outside: how late, how much of what, what comes, what came to nothing.

Each answer is one query that an index serves; a million timers that are still to come cost nothing. What was done is
counted by the workers themselves (`Pump.count`): nobody counts history.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.audit import instant, instant_from
from storage import statements_figures as sql
from storage.connection import rows
from storage.database import Database
from storage.statements_pump import STATS

MOST_LISTED = 200
# Ages by which what waits is counted, oldest last: up to a minute late, an hour, a day, more.
AGES = (("minute", timedelta(minutes=1)), ("hour", timedelta(hours=1)), ("day", timedelta(days=1)), ("older", None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """So many rows of a table (timer | message) and kind (a message's: its channel) are this late (see `AGES`)."""

    table: str
    kind: str
    age: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """So many timers of a kind come in the hour that begins then."""

    hour: datetime
    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A row that nobody will act on before somebody looks: parked, or a message that failed, died or is unknown."""

    table: str
    episode: str
    id: str
    kind: str
    why: str
    attempt: int
    last_error: str


def backlog(database: Database, now: datetime) -> list[Waiting]:
    """Count what has come and is not done, by kind and age; a lease somebody holds does not make it done."""
    asked = {"now": instant(now)}
    asked |= {name: instant(now - age) for name, age in AGES if age is not None}
    with database.reading() as connection:
        return [
            Waiting(table=table, kind=row["kind"], age=row["age"], count=row["count"])
            for table, statement in sql.BACKLOG.items()
            for row in rows(connection.execute(statement, asked))
        ]


def oldest_due(database: Database, now: datetime) -> dict[str, timedelta]:
    """Give how late the longest due timer and message are (`timer`, `message`); zero where nothing is late."""
    found = database.look(sql.OLDEST, {})
    return {
        table: max(timedelta(0), now - instant_from(due)) if due is not None else timedelta(0)
        for table, due in zip(("timer", "message"), found, strict=True)
    }


def forecast(database: Database, now: datetime, ahead: timedelta = timedelta(hours=24)) -> list[Coming]:
    """Count the timers that come within `ahead`, by the hour of UTC and by kind."""
    with database.reading() as connection:
        found = rows(connection.execute(sql.FORECAST, {"now": instant(now), "until": instant(now + ahead)}))
    return [
        Coming(hour=instant_from(f"{row['hour']}:00:00.000000Z"), kind=row["kind"], count=row["count"]) for row in found
    ]


def counters(database: Database) -> dict[str, tuple[int, datetime | None]]:
    """Give every counter and gauge the workers keep: its value, and when it was read (None: a counter)."""
    with database.reading() as connection:
        return {
            row["name"]: (row["value"], instant_from(row["at"]) if row["at"] else None)
            for row in rows(connection.execute(STATS, {}))
        }


def armed_episodes(database: Database) -> list[str]:
    """Give every episode that has an armed timer, parked ones included."""
    with database.reading() as connection:
        return [row[0] for row in connection.execute(sql.ARMED, {}).fetchall()]


def parked(database: Database, most: int = MOST_LISTED) -> list[Stuck]:
    """Give what was put aside."""
    return _stuck(database, sql.PARKED, most)


def failed(database: Database, most: int = MOST_LISTED) -> list[Stuck]:
    """Give the messages that ended badly: failed, dead, or nobody knows."""
    return _stuck(database, {"message": sql.ENDED_BADLY}, most)


def _stuck(database: Database, statements: dict[str, str], most: int) -> list[Stuck]:
    with database.reading() as connection:
        return [
            Stuck(
                table=table,
                episode=row["episode_id"],
                id=row["id"],
                kind=row["kind"],
                why=row["why"],
                attempt=row["attempt"],
                last_error=row["last_error"] or "",
            )
            for table, statement in statements.items()
            for row in rows(connection.execute(statement, {"most": most}))
        ]
