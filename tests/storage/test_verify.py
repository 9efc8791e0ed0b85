"""What `verify` finds: whoever changes a byte behind the database's back is named by the entry it concerns."""

# ruff: noqa: S608 - attacks are text

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from engine.audit import canonical
from engine.merkle import Frontier, leaf_hash
from storage.connection import Connection
from storage.database import Database
from storage.rows import UNVOUCHED
from storage.sqlite import connect
from storage.tables import TABLES
from storage.verify import CLOSED, Report, Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import NOW, Acts, files_of

# The row of each table that is tampered with, and the entry `verify` must name.
ROWS = {
    "audit_entry": ("idx = 5", 5),
    "audit_sealed": ("idx = 5", 5),
    "audit_head": ("id = 1", None),
    "episode": ("id = 'e1'", 9),
    "site_state": ("id = 1", 7),
    "person_state": ("ref = 'p1'", 11),
    "due_item": ("episode_id = 'e1'", 4),
    "timer": ("episode_id = 'e1'", 9),
    "message": ("episode_id = 'e1'", 4),
    "pack": ("true", 0),
    "parameter_set": ("bytes = '{}' OR bytes = x'7b7d'", 0),
    "idempotency": ("true", 11),
}
NOT_VOUCHED = {*UNVOUCHED, "request_hash", "created_at"}
COLUMNS = [(table, column.name) for table in ROWS for column in TABLES[table].columns if column.name not in NOT_VOUCHED]

MORE_WORK = (
    "INSERT INTO message (episode_id, id, template, language, recipient, channel, due_item, not_before, expires_at, "
    "status, category, reason) SELECT episode_id, id || 'x', template, language, recipient, channel, due_item, "
    "not_before, expires_at, status, category, reason FROM message LIMIT 1"
)


@contextmanager
def unguarded(database: Database) -> Generator[Connection, None, None]:
    """Give a connection to a file whose triggers are away for a moment, as somebody with the file would."""
    connection = connect(files_of(database).database)
    connection.execute("PRAGMA foreign_keys = OFF")
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    for _, statement in guards:
        connection.execute(statement)
    connection.close()


def verified(database: Database) -> Report:
    """Verify with the vault's own keys."""
    return verify_log(database, opener_of(database))


def named(report: Report) -> set[int | None]:
    """Give the entries the findings name."""
    return {fault.idx for fault in report.faults}


def other(value: Any) -> Any:
    """Give another value of the same kind."""
    match value:
        case bytes():
            return bytes([*value[:-1], value[-1] ^ 1]) if value else b"\x00"
        case int():
            return value + 1000
        case str():
            return value + "x"
        case _:
            return "2026-03-02T08:00:00.000000Z"


def test_a_log_nobody_touched_verifies(victim: Database) -> None:
    """Everything is looked at and fits; the report says what it could not see."""
    told: list[tuple[int, int]] = []

    report = verify_log(victim, opener_of(victim), lambda done, total: told.append((done, total)))

    assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())
    assert report.checked == {"entries": 12, "sealed": 12, "episodes": 3, "persons": 2, "work": 6}
    assert told[-1] == (12, 12)
    assert any("root" in one for one in report.not_checked)
    assert report.verdict.exit == 0


def test_an_empty_log_is_said_to_be_empty(database: Database) -> None:
    """Nothing was decided yet: neither verified nor wrong."""
    report = verified(database)

    assert (report.verdict, report.verdict.exit, report.entries) == (Verdict.ABSENT, 3, 0)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(one) for one in COLUMNS])
def test_every_changed_column_is_found(victim: Database, table: str, column: str) -> None:
    """Each column of each table, changed in one row: the entry concerned is named."""
    where, idx = ROWS[table]
    with unguarded(victim) as connection:
        keys = ", ".join(f'"{key.name}"' for key in TABLES[table].primary_key)
        found = connection.execute(f'SELECT "{column}", {keys} FROM {table} WHERE {where}').fetchone()
        same = " AND ".join(f'"{key.name}" IS ?' for key in TABLES[table].primary_key)
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {same}', (other(found[0]), *found[1:]))

    report = verified(victim)

    assert report.verdict is Verdict.TAMPERED
    assert idx in named(report) or (table, column) == ("audit_entry", "idx")
    assert all(fault.reason for fault in report.faults)


@pytest.mark.parametrize("table", [table for table in ROWS if table != "idempotency"])
def test_every_removed_row_is_found(victim: Database, table: str) -> None:
    """A row that is gone is missed; only a key may go, it is forgotten after its days."""
    where, idx = ROWS[table]
    with unguarded(victim) as connection:
        connection.execute(f"DELETE FROM {table} WHERE {where}")

    report = verified(victim)

    assert report.verdict is Verdict.TAMPERED
    assert idx in named(report) or table == "audit_entry"


@pytest.mark.parametrize(
    "added",
    [
        MORE_WORK,
        "INSERT INTO audit_entry SELECT 12, 'more', 'e1', 9, leaf, entry FROM audit_entry WHERE idx = 9",
        "INSERT INTO person_state SELECT 'p7', 1, sealed, commitment, key_id FROM person_state LIMIT 1",
        "INSERT INTO idempotency SELECT 'eve', key, entry, request_hash, created_at FROM idempotency",
        "INSERT INTO site_next VALUES (1, 9, 9, '{}')",
        "UPDATE episode SET id = 'e7' WHERE id = 'e2'",
    ],
    ids=["work", "entry", "person", "key", "laid out", "episode"],
)
def test_every_added_row_is_found(victim: Database, added: str) -> None:
    """A row that follows from no entry is found."""
    with unguarded(victim) as connection:
        connection.execute(added)

    assert verified(victim).verdict is Verdict.TAMPERED


@pytest.mark.parametrize("column", ["entry", "leaf", "entry, leaf", "id"])
def test_swapped_entries_are_found(victim: Database, column: str) -> None:
    """Two entries that change places, in whole or in part, are both named."""
    names = column.split(", ")
    with unguarded(victim) as connection:
        one, two = (
            connection.execute(f"SELECT {column} FROM audit_entry WHERE idx = {idx}").fetchone() for idx in (4, 5)
        )
        if column == "id":
            connection.execute("UPDATE audit_entry SET id = 'away' WHERE idx = 4")
        for idx, values in ((5, one), (4, two)):
            sets = ", ".join(f"{name} = ?" for name in names)
            connection.execute(f"UPDATE audit_entry SET {sets} WHERE idx = {idx}", values)

    report = verified(victim)

    assert report.verdict is Verdict.TAMPERED
    assert named(report) >= {4, 5}


def test_a_sealed_part_moved_to_another_entry_does_not_open(victim: Database) -> None:
    """A blob is bound to its entry: put to another one of the same person, it does not open."""
    with unguarded(victim) as connection:
        connection.execute("UPDATE audit_sealed SET blob = (SELECT blob FROM audit_sealed WHERE idx = 4) WHERE idx = 5")

    assert 5 in named(verified(victim))


def test_a_guard_taken_away_is_found(victim: Database) -> None:
    """A database that no longer refuses what it must is not as it was made."""
    connection = connect(files_of(victim).database)
    connection.execute("DROP TRIGGER audit_entry_no_update")
    connection.close()

    (fault,) = verified(victim).faults

    assert "CREATE TRIGGER audit_entry_no_update" in fault.reason


def test_the_cut_tail_is_found_by_the_head(victim: Database) -> None:
    """Removing the last entries without touching the head shows; with it, only a root kept outside shows it."""
    with unguarded(victim) as connection:
        connection.execute("DELETE FROM audit_entry WHERE idx = 11")

    assert "head" in {fault.what for fault in verified(victim).faults}


def test_a_log_written_anew_shows_in_its_root_alone(victim: Database) -> None:
    """Whoever holds the file and makes every hash anew passes here: that is why a root is kept elsewhere."""
    before = verified(victim)
    with unguarded(victim) as connection:
        (data,) = connection.execute("SELECT entry FROM audit_entry WHERE idx = 11").fetchone()
        said = json.loads(data)
        forged = canonical({**said, "rule": [[id_, level, "f", answer] for id_, level, _, answer in said["rule"]]})
        leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM audit_entry ORDER BY idx")]
        leaves[11] = leaf_hash(forged)
        connection.execute("UPDATE audit_entry SET entry = ?, leaf = ? WHERE idx = 11", (forged, leaves[11]))
        connection.execute("UPDATE audit_head SET frontier = ?", (Frontier().extend(leaves).to_bytes(),))

    after = verified(victim)

    assert after.verdict is Verdict.VERIFIED
    assert after.root != before.root


def test_a_missing_key_cannot_be_told(victim: Database) -> None:
    """Without a person's key their entries are neither true nor false; everybody else's still verify."""
    victim.vault.destroy_key("p2", NOW + timedelta(days=1))

    report = verified(victim)

    assert (report.verdict, report.verdict.exit) == (Verdict.UNVERIFIABLE, 7)
    assert named(report) == {2, 8}
    assert any("e2" in one for one in report.not_checked)
    assert report.checked["episodes"] == 2


def test_an_entry_of_a_newer_format_cannot_be_told(victim: Database) -> None:
    """A format this version does not know is unverifiable, never tampered."""
    with unguarded(victim) as connection:
        (data,) = connection.execute("SELECT entry FROM audit_entry WHERE idx = 11").fetchone()
        newer = canonical({**json.loads(data), "v": "f" * 16})
        leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM audit_entry ORDER BY idx")]
        leaves[11] = leaf_hash(newer)
        connection.execute("UPDATE audit_entry SET entry = ?, leaf = ? WHERE idx = 11", (newer, leaves[11]))
        connection.execute("UPDATE audit_head SET frontier = ?", (Frontier().extend(leaves).to_bytes(),))

    report = verified(victim)

    assert report.verdict is Verdict.UNVERIFIABLE
    assert named(report) == {11}


def test_without_keys_the_log_alone_is_verified(victim: Database) -> None:
    """An auditor without keys checks bytes, chains and tree, and is told what stayed closed."""
    report = verify_log(victim, None)

    assert report.verdict is Verdict.VERIFIED
    assert report.checked["sealed"] == 0
    assert CLOSED in report.not_checked


def test_a_damaged_file_is_a_finding(victim: Database) -> None:
    """A file that cannot be read to its end is reported, not raised."""
    path = files_of(victim).database
    connection = connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = b"\xff" * (len(data) - 4096 * 3)
    path.write_bytes(data)

    assert verified(victim).verdict is Verdict.TAMPERED


def test_the_worker_s_own_columns_are_nobody_s_business(victim: Database) -> None:
    """Leases come and go without an entry."""
    connection = connect(files_of(victim).database)
    connection.execute("UPDATE timer SET lease_owner = 'w1', fence = fence + 1, attempt = 1, last_error = 'x'")
    connection.close()

    assert verified(victim).verdict is Verdict.VERIFIED


def test_a_store_that_did_not_ask_decide_is_found(acts: Acts) -> None:
    """A copy for lists that says other than the events is found even when our own code wrote it."""
    acts.register()
    acts.visit()
    with acts.store.database.writing() as connection:
        connection.execute("UPDATE due_item SET status = 'done'")

    report = verified(acts.store.database)

    assert [(fault.idx, fault.what) for fault in report.faults] == [(2, "due_item")]
    with acts.store.database.writing() as connection:
        connection.execute("UPDATE due_item SET status = 'open'")
