"""A row for an instance and a row for its history, on either database: what a library without a store is given."""

import sqlite3
from pathlib import Path
from typing import Any

import psycopg

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS instance (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS history (instance INTEGER NOT NULL, what TEXT NOT NULL)",
)


class Rows:
    """One caller's connection: as durable as the database can be, and prepared statements."""

    def __init__(self, address: str) -> None:
        """Open `address`: a directory for SQLite (WAL, FULL), or `postgresql://…`."""
        self._server = address.startswith("postgresql")
        self._connection: Any
        if self._server:
            self._connection = psycopg.connect(address, autocommit=True, prepare_threshold=1)
        else:
            self._connection = sqlite3.connect(
                Path(address) / "peer.db", isolation_level=None, check_same_thread=False, timeout=30
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")

    def begin_with(self, bodies: dict[int, str]) -> None:
        """Make the tables, and instances that are not there yet."""
        for statement in SCHEMA:
            self._connection.execute(statement)
        with_these = "INSERT INTO instance VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._connection.cursor().executemany(self._said(with_these), list(bodies.items()))

    def load(self, number: int) -> str:
        """Begin a transaction, and give an instance, locked."""
        self._connection.execute("BEGIN" if self._server else "BEGIN IMMEDIATE")
        lock = " FOR UPDATE" if self._server else ""
        found = self._connection.execute(self._said(f"SELECT body FROM instance WHERE id = ?{lock}"), (number,))  # noqa: S608 - our own words
        return str(found.fetchone()[0])

    def keep(self, number: int, body: str, what: str) -> None:
        """Keep an instance and what happened, and commit."""
        self._connection.execute(self._said("UPDATE instance SET body = ? WHERE id = ?"), (body, number))
        self._connection.execute(self._said("INSERT INTO history VALUES (?, ?)"), (number, what))
        self._connection.execute("COMMIT")

    def _said(self, sql: str) -> str:
        return sql.replace("?", "%s") if self._server else sql
