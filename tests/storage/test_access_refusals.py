"""What the database refuses by itself in the log of reads, to whoever holds a connection: the bypass table.

The attacks are the same on both kinds; on SQLite each runs with foreign keys and recursive triggers on and off, on
PostgreSQL as everybody who may connect. It must fail, or be ignored; not one byte may be other than before.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from engine.merkle import leaf_hash
from storage.access import note_read, sealed_text
from storage.connection import Connection
from storage.postgres import Session
from storage.schema_access import APPENDED, HEAD
from storage.sqlite import connect
from tests.servers import the_server
from tests.storage.homes import Cluster, Home
from tests.storage.postgres_worlds import APP, OWNER, REPLICA, SUPERUSER, WHO, refusal, sitting
from tests.storage.test_access import a_read, an_opening
from tests.storage.test_refusals import attempt, dump
from tests.storage.test_refusals_postgres import posted

TABLES = (*APPENDED, HEAD)
ENTRY = (
    "INSERT{} INTO access_entry (idx, id, at, actor, type, opening, leaf, entry) "
    "VALUES (:idx, :id, :at, :actor, :type, :opening, :leaf, :entry)"
)
OVER = (
    "{0} INTO access_entry (idx, id, at, actor, type, opening, leaf, entry) "
    "SELECT idx, id, at, actor, type, opening, leaf, entry FROM access_entry"
)
ATTACKS = {
    "entry changed": "UPDATE access_entry SET actor = 'otto'",
    "entry changed to itself": "UPDATE access_entry SET actor = actor",
    "entry moved": "UPDATE OR REPLACE access_entry SET idx = 0 WHERE idx = 2",
    "entries removed": "DELETE FROM access_entry",
    "the last removed": "DELETE FROM access_entry WHERE idx = (SELECT max(idx) FROM access_entry)",
    "entries replaced": OVER.format("INSERT OR REPLACE"),
    "entries ignored": OVER.format("INSERT OR IGNORE"),
    "seen changed": "UPDATE access_seen SET ref = 'p9' WHERE ref = 'p1'",
    "seen removed": "DELETE FROM access_seen WHERE ref = 'p1'",
    "seen of an old entry": "INSERT INTO access_seen (ref, idx) VALUES ('p9', 1)",
    "seen of the next entry": "INSERT INTO access_seen (ref, idx) SELECT 'p9', n FROM access_head",
    "seen of no entry": "INSERT OR REPLACE INTO access_seen (ref, idx) VALUES ('p9', 77)",
    "seen replaced": "INSERT OR REPLACE INTO access_seen (ref, idx) SELECT ref, idx FROM access_seen",
    "sealed changed": "UPDATE access_sealed SET blob = x'00'",
    "sealed removed": "DELETE FROM access_sealed",
    "sealed of an old entry": "INSERT INTO access_sealed (idx, blob, key_id, person_ref) VALUES (1, x'00', 'k', 'p1')",
    "sealed of no entry": "INSERT INTO access_sealed (idx, blob, key_id, person_ref) VALUES (77, x'00', 'k', 'p1')",
    "sealed replaced": (
        "INSERT OR REPLACE INTO access_sealed (idx, blob, key_id, person_ref) "
        "SELECT idx, x'00', key_id, person_ref FROM access_sealed"
    ),
    "head forward": "UPDATE access_head SET n = n + 1",
    "head back": "UPDATE access_head SET n = n - 1",
    "head forward with its tree": "UPDATE access_head SET n = n + 1, rooted = rooted + 1",
    "another tree": "UPDATE access_head SET frontier = x'00'",
    "another size of the tree": "UPDATE access_head SET rooted = rooted - 1",
    "another name": "UPDATE access_head SET origin = 'elsewhere'",
    "another head": "UPDATE OR REPLACE access_head SET id = 2",
    "head removed": "DELETE FROM access_head",
    "second head": "INSERT INTO access_head (id, n, rooted, frontier, first, base, origin) VALUES (2, 0, 0, x'', 0, x'', 'o')",
    "head anew": (
        "INSERT OR REPLACE INTO access_head (id, n, rooted, frontier, first, base, origin) "
        "VALUES (1, 0, 0, x'', 0, x'', 'o')"
    ),
    "shortened without a run": "UPDATE access_head SET first = 2",
    "shortened by an entry that is no run": "UPDATE access_head SET first = 2, base = x'00', pruned_by = 1",
    "shortened by no entry": "UPDATE access_head SET first = 2, base = x'00', pruned_by = 999",
    "another base": "UPDATE access_head SET base = x'00'",
    "a run without shortening": "UPDATE access_head SET pruned_by = 1",
}
FORGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a gap": ({"idx": 40}, {}),
    "a number in use": ({"idx": 1}, {}),
    "a number before the log": ({"idx": -1}, {}),
    "no number": ({"idx": None}, {}),
    "an id in use": ({"id": "read-2"}, {}),
    "another actor than the bytes say": ({}, {"actor": {"id": "otto", "role": "lead"}}),
    "another time": ({}, {"ts": "2026-03-02T09:00:00.000000Z"}),
    "another type": ({}, {"type": "read.list"}),
    "another number": ({}, {"idx": 3}),
    "an opening the bytes do not name": ({"opening": 0}, {"opening": None}),
    "no JSON": ({"entry": b"no JSON"}, {}),
}


def forged(columns: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    """Forge the next read; `columns` are other than they must be, `words` make the bytes say something else."""
    true: dict[str, Any] = {"idx": 4, "id": "forged", "at": "2026-03-02T08:30:00.000000Z", "actor": "ann"}
    true |= {"type": "read.episode", "opening": None} | columns
    said = {
        "idx": true["idx"],
        "id": true["id"],
        "ts": true["at"],
        "actor": {"id": true["actor"], "role": "coordinator"},
        "type": true["type"],
        "opening": true["opening"],
        "persons": ["p1"],
    }
    data = json.dumps(said | words).encode()
    return {**true, "leaf": leaf_hash(columns.get("entry", data)), "entry": data} | columns


@pytest.fixture(scope="module")
def watched_of(
    lived_of: Callable[[str], Home], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Home]]:
    """Give a database of each kind where four reads are noted, one of them sealed."""
    made: dict[str, Home] = {}

    def give(kind: str) -> Home:
        if kind not in made:
            made[kind] = lived_of(kind).copy(tmp_path_factory.mktemp("watched") / "data")
            with closing(made[kind].open()) as database:
                sealed = sealed_text(database, "read-1", "p1", "They could not wait.", secrets.token_bytes)
                note_read(database, an_opening(1, sealed=sealed))
                for number in range(2, 5):
                    note_read(database, a_read(number))
        return made[kind]

    yield give
    for home in made.values():
        home.drop()


# --- SQLite -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[("ON", "ON"), ("ON", "OFF"), ("OFF", "ON"), ("OFF", "OFF")], ids="/".join)
def intruder(request: pytest.FixtureRequest, watched_of: Callable[[str], Home], tmp_path: Path) -> Iterator[Connection]:
    """Give a connection of somebody who does not use our code: foreign keys and recursive triggers on and off."""
    home = watched_of("sqlite").copy(tmp_path / "victim")
    with closing(connect(Path(home.address) / "stepcare.db")) as connection:
        connection.execute(f"PRAGMA foreign_keys = {request.param[0]}")
        connection.execute(f"PRAGMA recursive_triggers = {request.param[1]}")
        yield connection


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_file_keeps_what_was_noted(intruder: Connection, attack: str) -> None:
    """Nobody changes, removes, replaces or hides a read, what it showed, or where the log ends."""
    before = dump(intruder)

    refused = attempt(intruder, attack)

    assert refused or "IGNORE" in attack
    assert dump(intruder) == before


@pytest.mark.parametrize("conflict", ["", " OR IGNORE", " OR REPLACE", " OR FAIL"])
@pytest.mark.parametrize(("columns", "words"), FORGED.values(), ids=FORGED)
def test_a_file_takes_no_read_out_of_order(
    intruder: Connection, columns: dict[str, Any], words: dict[str, Any], conflict: str
) -> None:
    """A read has the next number, and columns that say what its bytes say."""
    before = dump(intruder)

    assert attempt(intruder, ENTRY.format(conflict), **forged(columns, words))

    assert dump(intruder) == before


def test_a_file_takes_a_true_read(intruder: Connection) -> None:
    """The forgeries fail for what they say: the same read, true, goes in, is listed and advances the head."""
    assert not attempt(intruder, ENTRY.format(""), **forged({}, {}))

    assert intruder.execute("SELECT n, rooted FROM access_head").fetchone() == (5, 4)
    assert intruder.execute("SELECT ref FROM access_seen WHERE idx = 4").fetchall() == [("p1",)]


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seats(watched_of: Callable[[str], Home]) -> Iterator[dict[str, Session]]:
    """Give a connection of everybody to one database that nothing may change in."""
    home = watched_of("postgresql")
    assert isinstance(home, Cluster)
    with ExitStack() as stack:
        yield {who: stack.enter_context(sitting(the_server(), home.address, who)) for who in WHO}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_server_keeps_what_was_noted(seats: dict[str, Session], who: str, attack: str) -> None:
    """The same as everybody who may connect; the auditor has no right to any of it, nor has who serves to change."""
    before = dump(seats[who])

    said = refusal(seats[who], posted(attack))

    assert said in {"42501", "P0001", "23505", "23502"}
    if who == APP and attack.startswith(("UPDATE access_e", "UPDATE access_s", "DELETE", "INSERT INTO access_seen")):
        assert said == "42501"
    assert dump(seats[who]) == before


@pytest.mark.parametrize("who", [APP, OWNER, SUPERUSER, REPLICA])
@pytest.mark.parametrize("ending", ["", " ON CONFLICT DO NOTHING", " ON CONFLICT (idx) DO UPDATE SET actor = 'eve'"])
@pytest.mark.parametrize(("columns", "words"), FORGED.values(), ids=FORGED)
def test_a_server_takes_no_read_out_of_order(
    seats: dict[str, Session], who: str, ending: str, columns: dict[str, Any], words: dict[str, Any]
) -> None:
    """A read has the next number, and columns that say what its bytes say."""
    before = dump(seats[who])

    said = refusal(seats[who], ENTRY.format("") + ending, "SELECT 1 / 0", **forged(columns, words))

    ignored = "DO NOTHING" in ending and said == "22012"
    assert ignored or said in {"P0001", "23505", "23502", "22P02", "42501"}
    assert dump(seats[who]) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("table", TABLES)
def test_a_server_empties_nothing(seats: dict[str, Session], who: str, table: str) -> None:
    """TRUNCATE passes row triggers by; it meets one of its own."""
    before = dump(seats[who])

    said = refusal(seats[who], f"TRUNCATE {table} CASCADE")

    assert said == ("P0001" if who in {OWNER, SUPERUSER, REPLICA} else "42501")
    assert dump(seats[who]) == before


@pytest.mark.parametrize("leaf", [b"", b"0" * 32], ids=["none", "another"])
def test_a_server_takes_no_read_that_is_not_what_its_leaf_says(seats: dict[str, Session], leaf: bytes) -> None:
    """The leaf is the hash of the bytes."""
    assert refusal(seats[APP], ENTRY.format(""), **forged({"leaf": leaf}, {})) == "23514"
