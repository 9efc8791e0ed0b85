"""What `verify` finds of what nobody asked for: rows, triggers and tables that were added, indexes that hide rows."""

# ruff: noqa: S608 - attacks are text

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from engine.model import Kind, Outcome
from engine.service import Change
from storage.database import VERSIONS, Database
from storage.guards import MOST_SAID, added, missing, unsound
from storage.postgres import Session
from storage.sqlite import Files, Sqlite, connect
from storage.store import Store
from storage.verify import Report, Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import Acts, files_of
from tests.storage.homes import Cluster, Directory, Home
from tests.storage.test_migrations import migrate_file

EMPTY_SET, A_PACK = b'{"x":1}', b'{"id":"back","version":"9"}'


@pytest.fixture
def living(lived: Home, tmp_path: Path) -> Iterator[Home]:
    """Give a database of each kind where a little of everything has happened, to do harm to."""
    home = lived.copy(tmp_path / "living")
    yield home
    home.drop()


def verified(home: Home) -> Report:
    """Verify with the vault's own keys."""
    with closing(home.open()) as database:
        return verify_log(database, opener_of(database))


def harmed(home: Home, *statements: str) -> Report:
    """Verify after somebody mighty did this, the triggers away for a moment."""
    with home.unguarded() as connection:
        if isinstance(home, Cluster):
            connection.execute("SET session_replication_role = replica")  # foreign keys too
        for statement in statements:
            connection.execute(statement)
        if isinstance(home, Cluster):
            connection.execute("RESET session_replication_role")
    return verified(home)


# --- rows -------------------------------------------------------------------------------------------------------------

ROWS = {
    "a second head of the log": ("INSERT INTO audit_head SELECT 2, n, rooted, frontier, 'evil' FROM audit_head", "2"),
    "a head before the head": ("INSERT INTO audit_head SELECT 0, n, rooted, frontier, origin FROM audit_head", "0, 1"),
    "a second row of what the database is": ("INSERT INTO meta SELECT 2, created_at, vault, zone FROM meta", "1, 2"),
    "a delivery attempt": (
        (
            "INSERT INTO delivery_attempt SELECT 99, episode_id, 'nothing', '2026-03-02T08:00:00.000000Z', 'accepted', "
            "NULL, '', 1, 'w1', 'console', '' FROM message LIMIT 1"
        ),
        "Row 99",
    ),
    "a run that took tries away": ("INSERT INTO delivery_run SELECT 7, '2026-03-02T08:00:00.000000Z', 3", "(7,)"),
    "a sealed part of no entry": (
        "INSERT INTO audit_sealed SELECT 777, blob, key_id, person_ref FROM audit_sealed WHERE idx = 9",
        "without its entry",
    ),
    "an entry far behind the last": (
        "INSERT INTO audit_entry SELECT 4611686018427387904, 'far', ep, 9999, leaf, entry FROM audit_entry WHERE idx = 9",
        "12 was due here",
    ),
    "an entry at the last number there is": (
        "INSERT INTO audit_entry SELECT 9223372036854775807, 'far', ep, 9999, leaf, entry FROM audit_entry WHERE idx = 9",
        "13 entries are here",
    ),
    "another zone": ("UPDATE meta SET zone = 'Pacific/Auckland'", "not what the log says in body"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_nothing_wrote_is_found(living: Home, name: str) -> None:
    """Somebody adds a row to a table that no entry speaks of, or changes what is there once."""
    attack, said = ROWS[name]

    report = harmed(living, attack)

    assert report.verdict is Verdict.TAMPERED
    assert any(said in fault.reason for fault in report.faults), report.faults


def hexadecimal(home: Home, data: bytes) -> str:
    """Give bytes as this kind of database writes them."""
    return f"x'{data.hex()}'" if isinstance(home, Directory) else f"'\\x{data.hex()}'::bytea"


def test_a_parameter_set_that_was_never_in_force_is_found(living: Home) -> None:
    """Its bytes are what its name says, but every set is in force from one entry to the next, and no entry has it."""
    sha = sha256(EMPTY_SET).hexdigest()

    report = harmed(living, f"INSERT INTO parameter_set VALUES ('{sha}', {hexadecimal(living, EMPTY_SET)})")

    assert [(fault.what, sha in fault.reason) for fault in report.faults] == [("parameter_set", True)]


def test_a_pack_that_no_entry_accepted_is_named(living: Home) -> None:
    """A refused publication leaves its pack behind, so it is no finding; but nobody need believe where it is from."""
    with closing(living.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes), prefix="q")
        change = acts.site_change(Kind.PUBLISH, packs=((sha256(A_PACK).hexdigest(), A_PACK, "back", "9"),))
        acts.keep(_refused(change))

    report = verified(living)

    assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())
    assert any("where 1 packs come from" in one for one in report.not_checked)


def _refused(change: Change) -> Change:
    return replace(change, decision=replace(change.decision, outcome=Outcome.REFUSED))


@pytest.mark.parametrize("table", ["pack", "parameter_set"])
def test_a_row_that_is_not_what_its_name_says_is_found(living: Home, table: str) -> None:
    """Whether anything was decided under it or not."""
    data = hexadecimal(living, b"[1]")
    values = f"'{'0' * 64}', {data}" if table == "parameter_set" else f"'{'0' * 64}', 'back', '9', {data}"

    report = harmed(living, f"INSERT INTO {table} VALUES ({values})")

    assert any("other bytes than its name" in fault.reason for fault in report.faults)


@pytest.mark.parametrize(
    "words", ["who has a token", "names and contacts in the vault", "register of staff", "when this database was made"]
)
def test_what_no_entry_vouches_for_is_named(living: Home, words: str) -> None:
    """The report does not keep silent on rows that it cannot judge."""
    assert any(words in one for one in verified(living).not_checked)


def test_the_servers_own_files_are_named_as_not_looked_at(living: Home) -> None:
    """SQLite checks its file here; a server's files and rights are for its administrator."""
    said = any("amcheck" in one for one in verified(living).not_checked)

    assert said == isinstance(living, Cluster)


# --- what was added to the schema ---------------------------------------------------------------------------------------

ON_A_FILE = {
    "CREATE TRIGGER zz BEFORE INSERT ON timer BEGIN SELECT RAISE(IGNORE); END": "trigger zz",
    "CREATE TRIGGER zz AFTER INSERT ON message BEGIN UPDATE message SET status = 'x' WHERE id = NEW.id; END": "trigger zz",
    "CREATE TABLE notes (x)": "table notes",
    "CREATE VIEW names AS SELECT 1": "view names",
    "CREATE INDEX once ON timer (kind)": "index once",
}


@pytest.mark.parametrize("attack", ON_A_FILE)
def test_what_was_added_to_a_file_is_found(victim: Database, attack: str) -> None:
    """A trigger that swallows alarms, a table, a view, an index: nothing in the file but what we made."""
    with closing(connect(files_of(victim).database)) as connection:
        connection.execute(attack)

    report = verify_log(victim, opener_of(victim))

    assert [fault.reason for fault in report.faults] == [
        f"Something was added to the schema: {ON_A_FILE[attack]} is not ours."
    ]


def test_a_trigger_under_a_name_of_sqlites_own_is_found(victim: Database) -> None:
    """What a statement makes counts, not what the schema's table calls it."""
    with closing(connect(files_of(victim).database)) as connection:
        connection.execute("CREATE TRIGGER zz BEFORE INSERT ON timer BEGIN SELECT RAISE(IGNORE); END")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = 'sqlite_stat1', type = 'table' WHERE name = 'zz'")

    assert verify_log(victim, opener_of(victim)).verdict is Verdict.TAMPERED


def test_statistics_are_nobodys_business(victim: Database) -> None:
    """ANALYZE leaves tables of SQLite's own."""
    with closing(connect(files_of(victim).database)) as connection:
        connection.execute("ANALYZE")

    assert verify_log(victim, opener_of(victim)).verdict is Verdict.VERIFIED


ON_A_SERVER = {
    "trigger zz on timer": (
        "CREATE FUNCTION public.zz() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER zz BEFORE INSERT ON timer FOR EACH ROW EXECUTE FUNCTION public.zz()"
    ),
    "function zz of 0 arguments": "CREATE FUNCTION public.zz() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "function append_only of 1 arguments": "CREATE FUNCTION public.append_only(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "rule zz on timer": "CREATE RULE zz AS ON INSERT TO timer DO INSTEAD NOTHING",
    "table notes": "CREATE TABLE public.notes (x int)",
    "view names": "CREATE VIEW public.names AS SELECT 1",
    "sequence zz": "CREATE SEQUENCE public.zz",
    "index once": "CREATE INDEX once ON timer (id)",
    "column more of timer": "ALTER TABLE timer ADD COLUMN more text",
    "condition never": "ALTER TABLE timer ADD CONSTRAINT never CHECK (false) NOT VALID",
    "row security policy zz on episode": "CREATE POLICY zz ON episode USING (false)",
    "row security on episode": "ALTER TABLE episode ENABLE ROW LEVEL SECURITY",
    "table aside.more that is read as part of audit_entry": (
        "CREATE SCHEMA aside; CREATE TABLE aside.more () INHERITS (public.audit_entry)"
    ),
}


@pytest.fixture(scope="module")
def standing(lived_of: Callable[[str], Home], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give one PostgreSQL database for many attacks; each is undone."""
    home = lived_of("postgresql").copy(tmp_path_factory.mktemp("standing") / "vault")
    assert isinstance(home, Cluster)
    yield home
    home.drop()


def undone(home: Cluster, attack: str) -> list[str]:
    """Give what is found after an attack, in its own transaction, which is then undone."""
    with psycopg.connect(home.server.administrator_of(home.address)) as inner:
        inner.execute("SET search_path = public")
        inner.execute(attack)
        session = Session(inner)
        with closing(home.open()) as database:
            found = [*missing(session, database.backend), *added(session, database.backend)]
        inner.rollback()
    return found


@pytest.mark.parametrize("said", ON_A_SERVER)
def test_what_was_added_to_a_server_is_found(standing: Cluster, said: str) -> None:
    """A trigger, a function, a rule, a table, a policy: nothing in our tables' schema but what we made."""
    assert undone(standing, "SELECT 1") == []

    assert said in undone(standing, ON_A_SERVER[said])


HUNG_AGAIN = (
    "DROP TRIGGER audit_entry_no_change ON audit_entry; CREATE TRIGGER audit_entry_no_change {} ON audit_entry {}; "
    "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_no_change"
)
ASIDE = (
    "CREATE SCHEMA aside; "
    "CREATE FUNCTION aside.append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
)
OURS, EACH = "public.append_only()", "FOR EACH ROW EXECUTE FUNCTION"
OVER_NOTHING = (
    "DROP INDEX due_item_all_place; CREATE INDEX due_item_all_place ON due_item (place, episode_id, id) "
    "WHERE place IS NOT NULL AND id = 'nothing'"
)
ALWAYS_HOLDS = (
    "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_leaf; "
    "ALTER TABLE audit_entry ADD CONSTRAINT audit_entry_leaf CHECK (true)"
)
NO_CHANGE = "TRIGGER audit_entry_no_change ON audit_entry"
CHANGED = {
    "a condition on a trigger": (
        HUNG_AGAIN.format("BEFORE UPDATE OR DELETE", f"FOR EACH ROW WHEN (false) EXECUTE FUNCTION {OURS}"),
        NO_CHANGE,
    ),
    "a trigger for half of it": (HUNG_AGAIN.format("BEFORE UPDATE", f"{EACH} {OURS}"), NO_CHANGE),
    "a trigger with somebody else's function": (
        ASIDE + HUNG_AGAIN.format("BEFORE UPDATE OR DELETE", f"{EACH} aside.append_only()"),
        NO_CHANGE,
    ),
    "an index over nothing": (OVER_NOTHING, "due_item_all_place"),
    "a condition that always holds": (ALWAYS_HOLDS, "audit_entry_leaf"),
    "a column taken away": ("ALTER TABLE message DROP COLUMN channel", "COLUMN channel OF message"),
    "a table that a crash empties": ("ALTER TABLE worker SET UNLOGGED", "TABLE worker"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_was_changed_on_a_server_is_found(standing: Cluster, name: str) -> None:
    """A guard of the same name that guards less is as good as none."""
    attack, said = CHANGED[name]

    assert said in undone(standing, attack)


# --- indexes ------------------------------------------------------------------------------------------------------------


def emptied(database: Database) -> None:
    """Make the worklist's indexes anew over nothing, and put their text back, as somebody with the file could."""
    with closing(connect(files_of(database).database)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'due_item' AND sql IS NOT NULL"
        made = connection.execute(query).fetchall()
        for name, statement in made:
            connection.execute(f"DROP INDEX {name}")
            connection.execute(statement.partition(" WHERE ")[0] + " WHERE id = 'nothing'")
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        for name, statement in made:
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (statement, name))
        connection.execute(f"PRAGMA schema_version = {version + 1}")
        connection.execute("PRAGMA writable_schema = RESET")


def test_an_index_that_hides_work_is_found(victim: Database) -> None:
    """The worklist is read by its indexes: emptied ones hide what is due, though every row and every word is right."""
    emptied(victim)

    report = verify_log(victim, opener_of(victim))

    assert report.verdict is Verdict.TAMPERED
    assert {fault.what for fault in report.faults} == {"file"}
    assert any("missing from index due_item_all_place" in fault.reason for fault in report.faults)


def test_what_sqlite_says_of_its_file_tells_nothing_of_anybody(victim: Database) -> None:
    """Names of tables and indexes, numbers of rows and pages; and not without end."""
    emptied(victim)

    faults = verify_log(victim, opener_of(victim)).faults

    words = re.compile(r"The database's file is not sound: (row \d+ missing from|wrong # of entries in) index \w+\.")
    assert all(words.fullmatch(fault.reason) for fault in faults)
    assert len(faults) <= MOST_SAID


def test_an_old_database_that_was_migrated_has_nothing_added(tmp_path: Path) -> None:
    """Step by step from the first version, it ends as a new one begins."""
    path = tmp_path / "old.db"
    for version in VERSIONS:
        migrate_file(path, version)

    with closing(connect(path)) as connection:
        backend = Sqlite(Files(directory=tmp_path))
        assert [*missing(connection, backend), *added(connection, backend), *unsound(connection, backend)] == []
