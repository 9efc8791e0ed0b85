"""What the database refuses by itself, to whoever holds a connection: the bypass table.

Each attack runs with foreign keys and recursive triggers on and off. It must fail, or be ignored; in both cases
not one byte of any table may be other than before.
"""

# ruff: noqa: S608 - attacks are text

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.merkle import leaf_hash
from storage.connection import Connection
from storage.database import Database
from storage.sqlite import DriverError, connect
from storage.tables import TABLES
from tests.storage.acts import files_of

pytestmark = [
    pytest.mark.parametrize("foreign_keys", ["ON", "OFF"], ids=["fk", "nofk"]),
    pytest.mark.parametrize("recursive", ["ON", "OFF"], ids=["rec", "norec"]),
]

ENTRY = "INSERT{} INTO audit_entry (idx, id, ep, epn, leaf, entry) VALUES (:idx, :id, :ep, :epn, :leaf, :entry)"
EPISODE = ", ".join(f'"{column.name}"' for column in TABLES["episode"].columns)


def dump(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Give every row of every table."""
    return {table: connection.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall() for table in TABLES}


@pytest.fixture
def intruder(victim: Database, foreign_keys: str, recursive: str) -> Iterator[Connection]:
    """Give a connection of somebody who does not use our code."""
    connection = connect(files_of(victim).database)
    connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")
    connection.execute(f"PRAGMA recursive_triggers = {recursive}")
    yield connection
    connection.close()


def attempt(connection: Connection, *statements: str, **values: Any) -> bool:
    """Run statements in one transaction and commit; say whether the database refused."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement, values)
        connection.execute("COMMIT")
    except DriverError:
        connection.execute("ROLLBACK")
        return True
    return False


def next_entry(connection: Connection, **changed: Any) -> dict[str, Any]:
    """Forge the next entry of e1 from its last one; `changed` overrides what the columns and the bytes say."""
    (n,) = connection.execute("SELECT n FROM audit_head").fetchone()
    (data,) = connection.execute("SELECT entry FROM audit_entry WHERE ep = 'e1' ORDER BY epn DESC").fetchone()
    said = json.loads(data)
    version = said["ver"]["after"]
    said |= {"idx": n, "id": "forged", "epn": version, "ver": {"before": version, "after": version + 1}}
    values = {"idx": n, "id": "forged", "ep": "e1", "epn": version} | changed
    said |= {name: value for name, value in values.items() if name in ("idx", "id", "epn")}
    said["ep"] = values["ep"]
    return sealed_over(values, said)


def next_site_entry(connection: Connection, *, moves: int, since: int = 0, **changed: Any) -> dict[str, Any]:
    """Forge the next entry of the site's chain, by which the site `moves` so many versions, `since` more before."""
    (n,) = connection.execute("SELECT n FROM audit_head").fetchone()
    (version,) = connection.execute("SELECT version FROM site_state").fetchone()
    found = connection.execute("SELECT epn, entry FROM audit_entry WHERE ep IS NULL ORDER BY epn DESC").fetchone()
    values = {"idx": n, "id": "forged", "ep": None, "epn": found[0] + 1} | changed
    ver = {"before": version - since, "after": version + moves}
    return sealed_over(values, json.loads(found[1]) | values | {"ver": ver})


def sealed_over(values: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Give an entry's columns with the bytes that say this, and their true hash."""
    data = json.dumps(said).encode()
    return {**values, "leaf": leaf_hash(data), "entry": data}


def laid(state: str = "state", version: str = "version + 1", last: str = "(SELECT n FROM audit_head)") -> str:
    """Give the statement that lays out the next row of e1."""
    columns = EPISODE.replace('"state"', state).replace('"version"', version).replace('"last_idx"', last)
    return f"INSERT INTO episode_next ({EPISODE}) SELECT {columns} FROM episode WHERE id = 'e1'"


APPEND_ONLY = {
    "audit_entry": "idx, id || 'x', ep, epn, leaf, entry",
    "audit_sealed": "idx, x'00', key_id, person_ref",
    "pack": "sha256, 'other', label, bytes",
    "parameter_set": "sha256, x'00'",
}


CHANGES = [
    "UPDATE {table} SET {column} = {column}",
    "UPDATE OR REPLACE {table} SET {key} = (SELECT max({key}) FROM {table})",
    "UPDATE OR IGNORE {table} SET {column} = x'00'",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})",
    "INSERT OR REPLACE INTO {table} SELECT {values} FROM {table}",
    "REPLACE INTO {table} SELECT {values} FROM {table}",
    "INSERT OR IGNORE INTO {table} SELECT {values} FROM {table}",
    "INSERT INTO {table} SELECT {values} FROM {table} WHERE true ON CONFLICT DO UPDATE SET {column} = x'00'",
]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("attack", CHANGES)
def test_what_was_appended_stays(intruder: Connection, table: str, attack: str) -> None:
    """Nobody changes, removes or replaces an entry, its sealed part, a pack or a parameter set."""
    before = dump(intruder)
    column = list(TABLES[table].columns)[-1].name
    key = next(iter(TABLES[table].primary_key)).name

    refused = attempt(intruder, attack.format(table=table, column=column, key=key, values=APPEND_ONLY[table]))

    assert refused or "IGNORE" in attack
    assert dump(intruder) == before


def test_a_delivery_attempt_stays(intruder: Connection) -> None:
    """What was tried with a message is kept as it was tried."""
    (episode, message) = intruder.execute("SELECT episode_id, id FROM message").fetchone()
    row = "(7, :episode, :message, '2026', 'accepted', NULL, '', 1, 'w1', 'console', '')"
    add = f"INSERT{{}} INTO delivery_attempt VALUES {row}"
    assert not attempt(intruder, add.format(""), episode=episode, message=message)
    before = dump(intruder)

    for attack in (
        add.format(" OR REPLACE"),
        "UPDATE delivery_attempt SET at = '2027'",
        "DELETE FROM delivery_attempt",
    ):
        values = {"episode": episode, "message": message} if "INSERT" in attack else {}
        assert attempt(intruder, attack, **values)

    assert dump(intruder) == before


STATE_WITHOUT_ENTRY = {
    "update": "UPDATE episode SET state = 'closed_done'",
    "update one list column": "UPDATE episode SET owner = 'eve' WHERE id = 'e1'",
    "update with a version": "UPDATE episode SET state = 'closed_done', version = version + 1 WHERE id = 'e1'",
    "update with version and entry": (
        "UPDATE episode SET state = 'x', version = version + 1, last_idx = (SELECT n - 1 FROM audit_head)"
    ),
    "update with the next index": (
        "UPDATE episode SET state = 'x', version = version + 1, last_idx = (SELECT n FROM audit_head)"
    ),
    "go back a version": "UPDATE episode SET version = version - 1",
    "rename": "UPDATE OR REPLACE episode SET id = 'e2' WHERE id = 'e1'",
    "or ignore": "UPDATE OR IGNORE episode SET state = 'x'",
    "delete": "DELETE FROM episode WHERE id = 'e1'",
    "replace": f"INSERT OR REPLACE INTO episode ({EPISODE}) SELECT {EPISODE} FROM episode WHERE id = 'e1'",
    "new episode": (
        f"INSERT INTO episode ({EPISODE}) "
        + f"SELECT {EPISODE} FROM episode WHERE id = 'e1'".replace('"id"', "'e7'").replace('"version"', "1")
    ),
    "upsert": (
        f"INSERT INTO episode ({EPISODE}) SELECT {EPISODE} FROM episode WHERE id = 'e1' "
        "ON CONFLICT DO UPDATE SET state = 'x'"
    ),
    "site": "UPDATE site_state SET body = '{}'",
    "site with a version": (
        "UPDATE site_state SET body = '{}', version = version + 1, last_idx = (SELECT n - 1 FROM audit_head)"
    ),
    "site with its chain's last": (
        "UPDATE site_state SET body = '{}', version = version + 1, "
        "last_idx = (SELECT max(idx) FROM audit_entry WHERE ep IS NULL)"
    ),
    "site delete": "DELETE FROM site_state",
    "site replace": "INSERT OR REPLACE INTO site_state SELECT id, version, last_idx, '{}' FROM site_state",
    "second site": "INSERT INTO site_state SELECT 2, 1, last_idx, '{}' FROM site_state",
    "person": "UPDATE person_state SET sealed = x'00'",
    "person by two": "UPDATE person_state SET version = version + 2",
    "person delete": "DELETE FROM person_state",
    "person replace": (
        "INSERT OR REPLACE INTO person_state SELECT ref, 1, x'00', commitment, key_id FROM person_state"
    ),
    "person renamed": "UPDATE OR REPLACE person_state SET ref = 'p2', version = version + 1 WHERE ref = 'p1'",
    "new person late": "INSERT INTO person_state SELECT 'p8', 2, sealed, commitment, key_id FROM person_state LIMIT 1",
}


@pytest.mark.parametrize("attack", STATE_WITHOUT_ENTRY.values(), ids=STATE_WITHOUT_ENTRY)
def test_no_state_change_without_its_entry(intruder: Connection, attack: str) -> None:
    """An episode, the site or a person's version moves only with what explains it."""
    before = dump(intruder)

    refused = attempt(intruder, attack)

    assert refused or "IGNORE" in attack
    assert dump(intruder) == before


HEAD = [
    "UPDATE audit_head SET n = n + 1",
    "UPDATE audit_head SET n = n - 1",
    "UPDATE audit_head SET n = n + 1, rooted = rooted + 1",
    "UPDATE audit_head SET frontier = x'00'",
    "UPDATE audit_head SET rooted = rooted - 1",
    "UPDATE audit_head SET origin = 'elsewhere'",
    "UPDATE OR REPLACE audit_head SET id = 2",
    "DELETE FROM audit_head",
    "INSERT INTO audit_head VALUES (2, 0, 0, x'', 'o')",
    "INSERT OR REPLACE INTO audit_head VALUES (1, 0, 0, x'', 'o')",
    "INSERT OR REPLACE INTO audit_head (n, rooted, frontier, origin) VALUES (0, 0, x'', 'o')",
]


@pytest.mark.parametrize("attack", HEAD)
def test_the_head_follows_the_entries_only(intruder: Connection, attack: str) -> None:
    """Nobody sets how long the log is, its tree or its name by hand."""
    before = dump(intruder)

    assert attempt(intruder, attack)

    assert dump(intruder) == before


CONFLICTS = ("", " OR IGNORE", " OR REPLACE", " OR FAIL", " OR ABORT", " OR ROLLBACK")
OUT_OF_ORDER: dict[str, dict[str, Any]] = {
    "a gap": {"idx": 40},
    "an index before the log": {"idx": -1},
    "an index in use": {"idx": 3},
    "no index": {"idx": None},
    "an id in use": {"id": "c4"},
    "a number in use": {"epn": 0},
    "a number too far": {"epn": 9},
    "another episode's number": {"ep": "e2"},
    "an episode that is not there": {"ep": "e7"},
    "a number too far in the site's chain": {"ep": None, "epn": 9},
    "the site's chain without the site's version": {"ep": None, "epn": 3},
}


def refuses(connection: Connection, laying: str, entry: dict[str, Any]) -> bool:
    """Say whether every kind of INSERT of this entry is refused, with this laid out; nothing stays laid out."""
    answers = []
    for conflict in CONFLICTS:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(laying)
        try:
            connection.execute(ENTRY.format(conflict), entry)
        except DriverError:
            answers.append(True)
        else:
            answers.append(False)
        if connection.in_transaction:
            connection.execute("DELETE FROM episode_next")
            connection.execute("COMMIT")
    return all(answers)


@pytest.mark.parametrize("changed", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_no_entry_out_of_order(intruder: Connection, changed: dict[str, Any]) -> None:
    """An entry has the log's next index and its chain's next number, whatever is laid out."""
    before = dump(intruder)

    assert refuses(intruder, laid(), next_entry(intruder, **changed))
    assert dump(intruder) == before


OTHER_STATE = {
    "nothing laid out": "DELETE FROM episode_next",
    "another state": laid(state="'closed_done'"),
    "another version": laid(version="version + 2"),
    "the old version": laid(version="version"),
    "another entry": laid(last="last_idx"),
    "another episode": laid().replace('SELECT "id"', "SELECT 'e2'"),
}


@pytest.mark.parametrize("laying", OTHER_STATE.values(), ids=OTHER_STATE)
def test_no_entry_without_its_state_change(intruder: Connection, laying: str) -> None:
    """An entry stands only where its episode becomes, in the same statement, what the entry's bytes say."""
    before = dump(intruder)

    assert refuses(intruder, laying, next_entry(intruder))
    assert dump(intruder) == before


OTHER_WORDS: dict[str, dict[str, Any]] = {"id": {"id": "other"}, "number": {"epn": 0}, "index": {"idx": 0}}


@pytest.mark.parametrize("changed", OTHER_WORDS.values(), ids=OTHER_WORDS)
def test_no_entry_whose_columns_say_something_else(intruder: Connection, changed: dict[str, Any]) -> None:
    """The columns are an index to the bytes, never another story."""
    before = dump(intruder)
    forged = next_entry(intruder)
    said = json.loads(forged["entry"])
    said |= changed

    assert attempt(intruder, laid(), ENTRY.format(""), **sealed_over(forged, said))
    assert dump(intruder) == before


LAY_SITE = "INSERT INTO site_next SELECT id, version + 1, (SELECT n FROM audit_head), body FROM site_state"
NO_ROW = "SELECT 1"
SITE: dict[str, tuple[str, int, dict[str, Any]]] = {
    "a number too far": (NO_ROW, 0, {"epn": 9}),
    "a number in use": (NO_ROW, 0, {"epn": 0}),
    "a change with nothing laid out": (NO_ROW, 1, {}),
    "a row laid out for no change": (LAY_SITE, 0, {}),
    "a change by two": (LAY_SITE.replace("version + 1", "version + 2"), 2, {}),
    "another version": (LAY_SITE.replace("version + 1", "version + 2"), 1, {}),
    "another entry": (LAY_SITE.replace("(SELECT n FROM audit_head)", "last_idx"), 1, {}),
    "a change from another version": (LAY_SITE, 1, {"since": 1}),
    "another row": (LAY_SITE.replace("SELECT id", "SELECT 2"), 1, {}),
}


@pytest.mark.parametrize(("laying", "moves", "changed"), SITE.values(), ids=SITE)
def test_no_entry_of_the_site_without_its_change(
    intruder: Connection, laying: str, moves: int, changed: dict[str, Any]
) -> None:
    """The site's chain counts on, and the site becomes in the same statement what the entry's bytes say."""
    before = dump(intruder)

    assert attempt(intruder, laying, ENTRY.format(""), **next_site_entry(intruder, moves=moves, **changed))
    assert dump(intruder) == before


@pytest.mark.parametrize(("laying", "moves"), [(NO_ROW, 0), (LAY_SITE, 1)], ids=["stays", "moves"])
def test_the_sites_forged_entry_would_otherwise_pass(intruder: Connection, laying: str, moves: int) -> None:
    """The site's chain also holds what changed nothing; truly forged, both go in."""
    forged = next_site_entry(intruder, moves=moves)
    version = json.loads(forged["entry"])["ver"]["after"]

    assert not attempt(intruder, laying, ENTRY.format(""), **forged)
    assert intruder.execute("SELECT version FROM site_state").fetchone() == (version,)


@pytest.mark.parametrize("idx", [-1, 0, 5, 99], ids=["before", "first", "past", "future"])
def test_no_sealed_part_without_its_entry(intruder: Connection, idx: int) -> None:
    """A sealed part comes with its entry, in the same breath, once."""
    before = dump(intruder)

    for conflict in CONFLICTS:
        assert attempt(intruder, f"INSERT{conflict} INTO audit_sealed VALUES ({idx}, x'00', 'k', 'p1')")

    assert dump(intruder) == before


def test_the_forged_entry_would_otherwise_pass(intruder: Connection) -> None:
    """The attacks above fail for the reason they name: the same entry, laid out truly, goes in, and the row follows."""
    forged = next_entry(intruder)

    refused = attempt(intruder, laid(), ENTRY.format(""), **forged)

    assert not refused
    found = intruder.execute("SELECT version, last_idx FROM episode WHERE id = 'e1'").fetchone()
    assert found == (forged["epn"] + 1, forged["idx"])
    assert intruder.execute("SELECT n, rooted FROM audit_head").fetchone() == (forged["idx"] + 1, forged["idx"])
    assert intruder.execute("SELECT count(*) FROM episode_next").fetchone() == (0,)


def test_several_entries_of_one_commit_come_before_their_sealed_parts(intruder: Connection) -> None:
    """What the tree does not hold yet is under way: its sealed parts may follow; once it is held, none may."""
    seal = "INSERT INTO audit_sealed VALUES (:idx, x'00', 'k', 'p1')"
    root = "UPDATE audit_head SET rooted = n, frontier = x'01'"
    one = next_entry(intruder)
    assert not attempt(intruder, laid(), ENTRY.format(""), **one)
    two = next_entry(intruder, id="forged too")

    assert not attempt(intruder, laid(), ENTRY.format(""), **two)
    assert not attempt(intruder, seal, idx=two["idx"])
    assert not attempt(intruder, root)
    assert attempt(intruder, seal, idx=one["idx"])
