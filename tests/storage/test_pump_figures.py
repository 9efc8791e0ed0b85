"""What an operator sees of the due work, and that seeing it, and claiming it, costs the same whatever is to come."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage import statements_figures, statements_pump
from storage.connection import Connection
from storage.database import Database
from storage.pump import Pump
from storage.pump_figures import backlog, counters, failed, forecast, oldest_due, parked
from storage.sqlite import Sqlite
from tests.storage.acts import NOW, Acts
from tests.storage.waiting import messages, put, timers

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKED: dict[str, object] = {
    **dict.fromkeys(("now", "until", "minute", "hour", "day"), "2026-03-03T08:00:00.000000Z"),
    "window": 500,
    "most": 100,
    "worker": "w1",
    "channel0": "console",
}
# What must be found by which index: never by walking through a table.
SERVED = {
    "timers claimed": (statements_pump.claim("timer"), "timer_due"),
    "messages claimed": (statements_pump.claim("message"), "message_due"),
    "messages of a channel claimed": (statements_pump.claim("message", 1), "message_due"),
    "what a worker holds": (statements_pump.HELD_BY["timer"], "timer_lease"),
    "messages a worker holds": (statements_pump.HELD_BY["message"], "message_lease"),
    "what was taken back": (statements_pump.RECALLED, "message_recalled"),
    "the next due": (statements_pump.NEXT_DUE, "timer_due"),
    "timers that wait": (statements_figures.BACKLOG["timer"], "timer_due"),
    "messages that wait": (statements_figures.BACKLOG["message"], "message_due"),
    "the oldest": (statements_figures.OLDEST, "timer_due"),
    "what comes": (statements_figures.FORECAST, "timer_due"),
    "timers put aside": (statements_figures.PARKED["timer"], "timer_parked"),
    "messages put aside": (statements_figures.PARKED["message"], "message_parked"),
    "what ended badly": (statements_figures.ENDED_BADLY, "message_failed"),
}


@pytest.fixture
def worked(acts: Acts) -> Acts:
    """Give an episode with timers and messages of three hours."""
    acts.register("e1", "p1")
    timers(acts, "e1", 3)
    messages(acts, "e1", 3)
    return acts


def plan(connection: Connection, statement: str, database: Database) -> str:
    """Give how the database would answer, told not to walk through tables where it can help it."""
    if isinstance(database.backend, Sqlite):
        found = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ASKED).fetchall()
        return "\n".join(str(row[3]) for row in found)
    connection.execute("SET LOCAL enable_seqscan = off")
    return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}", ASKED).fetchall())


@pytest.mark.parametrize("what", SERVED)
def test_no_question_walks_through_a_table(worked: Acts, what: str) -> None:
    """A million timers that are to come cost nothing: each question has an index, and no table is scanned."""
    statement, index = SERVED[what]
    with worked.store.database.reading() as connection:
        found = plan(connection, statement, worked.store.database)

    assert index in found
    scanned = [
        line for line in found.splitlines() if line.strip().startswith(("SCAN timer", "SCAN message", "SCAN due"))
    ]
    assert [line for line in scanned if " INDEX " not in line] == []
    assert "Seq Scan" not in found


def test_what_waits_is_counted_by_kind_and_age(worked: Acts) -> None:
    """Up to a minute, an hour, a day late, or more; what is still to come does not wait."""
    database = worked.store.database

    found = backlog(database, NOW + HOUR + timedelta(seconds=30))

    assert [(one.table, one.kind, one.age, one.count) for one in found] == [
        ("timer", "reassessment", "day", 1),
        ("timer", "reassessment", "minute", 1),
        ("message", "console", "day", 1),
        ("message", "console", "minute", 1),
    ]
    assert {one.age for one in backlog(database, NOW + 3 * DAY)} == {"older"}
    assert backlog(database, NOW - HOUR) == []


def test_how_late_the_longest_due_is(worked: Acts) -> None:
    """Nothing late is no lateness; what is parked is late for nobody."""
    database = worked.store.database
    assert oldest_due(database, NOW + HOUR) == {"timer": HOUR, "message": HOUR}
    assert oldest_due(database, NOW - HOUR) == {"timer": timedelta(0), "message": timedelta(0)}

    Pump(database, "w1").park("timer", "e1", "reassessment:0@0", "unknown_kind", NOW)

    assert oldest_due(database, NOW + 2 * HOUR)["timer"] == HOUR


def test_what_comes_is_counted_by_hour(worked: Acts) -> None:
    """The next day, hour by hour and kind by kind; what has come already is not to come."""
    found = forecast(worked.store.database, NOW)

    assert [(one.hour, one.kind, one.count) for one in found] == [
        (NOW + HOUR, "reassessment", 1),
        (NOW + 2 * HOUR, "reassessment", 1),
    ]


def test_what_nobody_acts_on_is_listed(worked: Acts) -> None:
    """Put aside, or ended badly: with the reason, so that somebody can."""
    pump = Pump(worked.store.database, "w1")
    (claimed, *_) = pump.claim_messages(NOW)
    assert pump.release(claimed, error="smtp_554")
    pump.park("message", "e1", claimed.id, "poison", NOW)
    dead = replace(worked.store.episode("e1").messages[1], status="dead", reason="tries")
    put(worked, "e1", dead)

    assert [(one.table, one.id, one.why, one.attempt, one.last_error) for one in parked(pump._database)] == [
        ("message", claimed.id, "poison", 1, "smtp_554")
    ]
    assert [(one.id, one.kind, one.why) for one in failed(pump._database)] == [(dead.id, "console", "dead")]
    assert counters(pump._database)["message_parked"] == (1, None)
    assert counters(pump._database)["last_parked"] == (1, NOW)
