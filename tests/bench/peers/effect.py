"""What a peer's reminder does: one durable row, then one line appended to a file. And how its worker is told to begin."""

import json
import os
import sqlite3
import sys
from pathlib import Path
from queue import LifoQueue
from typing import Any

import psycopg

SCHEMA = "CREATE TABLE IF NOT EXISTS effect (key TEXT NOT NULL, told TEXT NOT NULL)"
MADE = "INSERT INTO effect VALUES (?, 'reminded')"
CONNECTIONS = 10


class Effects:
    """The rows and the lines. Threads share it, and its connections."""

    def __init__(self, address: str, lines: str) -> None:
        """Write rows to `address` (a directory for SQLite: WAL, FULL; or `postgresql://…`), lines to `lines`."""
        self._made = MADE.replace("?", "%s") if address.startswith("postgresql") else MADE
        self._free: LifoQueue[Any] = LifoQueue()
        self._file = os.open(lines, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for _ in range(CONNECTIONS):
            self._free.put(opened(address))
        connection = self._free.get()
        connection.execute(SCHEMA)
        self._free.put(connection)

    def row(self, key: str) -> None:
        """Add the row, durably."""
        connection = self._free.get()
        try:
            connection.execute(self._made, (key,))
        finally:
            self._free.put(connection)

    def line(self, key: str) -> None:
        """Append the line."""
        os.write(self._file, json.dumps({"key": key}).encode() + b"\n")

    def both(self, key: str) -> None:
        """Add the row, then the line."""
        self.row(key)
        self.line(key)


def opened(address: str) -> Any:
    """Open a database as durable as it can be; every statement is a transaction of its own."""
    if address.startswith("postgresql"):
        return psycopg.connect(address, autocommit=True)
    connection = sqlite3.connect(
        Path(address) / "effects.db", isolation_level=None, timeout=30, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def in_wal(file: Path) -> str:
    """Set a file of SQLite's to WAL, which is faster than what a peer makes by itself; gives SQLAlchemy's name of it."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return f"sqlite:///{file}"


def ready() -> None:
    """Say that everything stands."""
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()


def wait() -> None:
    """Wait for the next order; its end is the end."""
    if not sys.stdin.readline():
        os._exit(0)  # nothing that still runs is waited for
