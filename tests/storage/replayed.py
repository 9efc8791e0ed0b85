"""A database filled from another one by SQL alone: every row appended once more, as the triggers demand it."""

# ruff: noqa: S608 - the SQL is made of the names of our own tables

import json
from typing import Any

from storage.connection import Connection, rows
from storage.tables import TABLES, Row

AROUND = ("pack", "parameter_set", "meta")
# The first version's columns are fewer …
SINCE = frozenset(
    {
        *(("due_item", name) for name in ("team", "assignee", "place")),
        ("timer", "parked"),
        *(("message", name) for name in ("category", "reason", "follows", "reference", "lease_owner", "lease_until")),
        *(("message", name) for name in ("fence", "attempt", "last_error", "parked", "try_at", "stage")),
        *(("delivery_attempt", name) for name in ("fence", "worker", "channel", "receiver")),
    }
)
# … and its tables too; workers are others every time.
LATER = frozenset(
    {
        *("token", "access_entry", "access_head", "access_sealed", "access_seen", "erasure"),
        *("delivery_receipt", "delivery_run", "worker", "pump_stat", "bucket", "feed", "digest", "session"),
    }
)
AFTER = ("due_item", "timer", "message", "delivery_attempt", "idempotency")


def replay(source: Connection, target: Connection) -> None:
    """Fill a migrated database that is not founded yet, in the caller's transaction.

    Between two entries an episode's list columns already show what they end with; the last entry leaves them true.
    """
    for table in AROUND:
        _copy(source, target, table)
    (head,) = _rows(source, "audit_head")
    _insert(target, "audit_head", {**head, "n": 0, "rooted": 0, "frontier": b""})
    for person in _rows(source, "person_state"):
        _insert(target, "person_state", {**person, "version": 1})
        for version in range(2, person["version"] + 1):
            target.execute(
                "UPDATE person_state SET version = :version WHERE ref = :ref",
                {"version": version, "ref": person["ref"]},
            )
    _append(source, target)
    target.execute(
        "UPDATE audit_head SET rooted = :rooted, frontier = :frontier",
        {"rooted": head["rooted"], "frontier": head["frontier"]},
    )
    for table in AFTER:
        _copy(source, target, table)


def everything(connection: Connection) -> dict[str, list[Any]]:
    """Give every row of every table of the first version, in the same order on every database."""
    return {table: sorted(map(repr, map(tuple, connection.execute(f"SELECT {_names(table)} FROM {table}").fetchall())))
            for table in TABLES if table not in LATER}  # fmt: skip


def _append(source: Connection, target: Connection) -> None:
    episodes = {row["id"]: row for row in _rows(source, "episode")}
    sites = _rows(source, "site_state")
    sealed = {row["idx"]: row for row in _rows(source, "audit_sealed")}
    for entry in sorted(_rows(source, "audit_entry"), key=lambda row: int(row["idx"])):
        said = json.loads(entry["entry"])
        after, moved = said["ver"]["after"], {"version": said["ver"]["after"], "last_idx": entry["idx"]}
        if entry["ep"] is not None:
            final = episodes[entry["ep"]]
            state = final["state"] if final["version"] == after else said["state"]["to"]
            _insert(target, "episode_next", {**final, **moved, "state": state})
        elif after > said["ver"]["before"]:
            _insert(target, "site_next", {**sites[0], **moved})
        _insert(target, "audit_entry", entry)
        if entry["idx"] in sealed:
            _insert(target, "audit_sealed", sealed[entry["idx"]])


def _copy(source: Connection, target: Connection, table: str) -> None:
    for row in _rows(source, table):
        _insert(target, table, row)


def _rows(connection: Connection, table: str) -> list[Row]:
    return rows(connection.execute(f"SELECT {_names(table)} FROM {table}"))


def _insert(connection: Connection, table: str, row: Row) -> None:
    values = ", ".join(f":{name}" for name in row)
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", row)


def _names(table: str) -> str:
    return ", ".join(f'"{column.name}"' for column in TABLES[table].columns if (table, column.name) not in SINCE)
