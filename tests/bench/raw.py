"""What the databases give at most: the plainest durable thing each can do, asked by nobody but us."""

import re
import subprocess
from pathlib import Path
from time import perf_counter

import psycopg

from storage.connection import Connection
from storage.sqlite import connect
from tests.servers import ADMINISTRATOR, Server, name_of, programs

BODY = b"x" * 500
ROWS = 10_000
RATE = re.compile(r"tps = ([\d.]+)")
FILLED = BODY.decode()
FIVE_TRIPS = f"""\\set id random(1, {ROWS})
BEGIN;
SELECT version FROM state WHERE id = :id FOR UPDATE;
UPDATE state SET version = version + 1, body = '{FILLED}' WHERE id = :id;
INSERT INTO log (state, body) VALUES (:id, '{FILLED}');
COMMIT;
"""  # noqa: S608 - our own words


class Commits:
    """SQLite: two tables, the same journal and the same promise to the disk as ours."""

    def __init__(self, folder: Path) -> None:
        """Make the file."""
        file = folder / "raw.db"
        file.touch()
        self._connection: Connection = connect(file)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("CREATE TABLE state (id INTEGER PRIMARY KEY, body BLOB)")
        self._connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, body BLOB)")
        self._connection.execute("INSERT INTO state (body) VALUES (?)", (BODY,))

    def rate(self, seconds: float) -> float:
        """Give commits a second: change one row, add one row, commit, by one caller."""
        done, begin = 0, perf_counter()
        while (took := perf_counter() - begin) < seconds:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("UPDATE state SET body = ? WHERE id = 1", (BODY,))
            self._connection.execute("INSERT INTO log (body) VALUES (?)", (BODY,))
            self._connection.execute("COMMIT")
            done += 1
        return done / took

    @property
    def library(self) -> str:
        """Name SQLite's version."""
        return str(self._connection.execute("SELECT sqlite_version()").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Trips:
    """PostgreSQL: begin, select for update, update, insert, commit, each a trip of its own, by pgbench."""

    def __init__(self, server: Server, folder: Path) -> None:
        """Make a database of its own on the server."""
        self._server, self._url = server, server.empty_database()
        self._script = folder / "five_trips.sql"
        self._script.write_text(FIVE_TRIPS, encoding="utf-8")
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("CREATE TABLE state (id integer PRIMARY KEY, version integer NOT NULL, body text)")
            connection.execute("CREATE TABLE log (id bigserial PRIMARY KEY, state integer NOT NULL, body text)")
            connection.execute("INSERT INTO state SELECT n, 0, '' FROM generate_series(1, 10000) n")
            connection.execute("VACUUM ANALYZE")
            self.version = str(connection.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]  # it has one

    def rate(self, seconds: int, clients: int) -> float:
        """Give transactions a second of so many clients."""
        words: list[str | Path] = [
            programs() / "pgbench", "-n", "-M", "prepared", "-f", self._script, "-T", str(seconds),
            "-c", str(clients), "-j", str(min(clients, 2)), "-h", self._server.directory, "-U", ADMINISTRATOR,
            name_of(self._url),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - a found program
        found = RATE.search(done.stdout)
        if found is None:
            raise SystemExit(f"pgbench said no rate: {done.stdout}{done.stderr}")
        return float(found[1])
