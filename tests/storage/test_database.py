"""Opening and migrating: what is made, and what is refused with its remedy."""

import secrets
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import storage.database
from engine.errors import Conflict, InvalidInput, NotFound, StepcareError, Unverifiable
from storage.columns import Room
from storage.database import VERSIONS, Database
from storage.migrate import Founding, migrate
from storage.schema import statements
from storage.sqlite import Files, Sqlite, connect
from storage.store import Store
from tests.storage.acts import NOW, Acts
from tests.storage.homes import Home

OLD, CURRENT = (3, 40, 1), (3, 99)


def opening(directory: Path | str) -> Database:
    """Open a directory as the program does."""
    return Database.open(directory, random=secrets.token_bytes)


def words(statement: str) -> str:
    """Give a statement without its line breaks."""
    return " ".join(statement.split())


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # it is compared as text below
def test_the_migrated_schema_is_the_tables_and_triggers(directory: Path) -> None:
    """Migrations and models say the same, to the last trigger."""
    with closing(connect(Files.of(directory).database)) as connection:
        here = {words(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    engine = create_engine(f"sqlite:///{Files.of(directory).database}")

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Room.metadata)
    engine.dispose()

    assert differences == []
    assert here - {words(one) for one in statements()} == {
        one for one in here if one.startswith("CREATE TABLE alembic_version")
    }
    assert {words(one) for one in statements()} <= here


def test_the_versions_known_are_the_migrations_there_are() -> None:
    """Opening compares with a list, so that it need not load Alembic; the list is the scripts'."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.database.__file__).with_name("migrations")))

    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(found)) == VERSIONS


def test_migrating_again_changes_nothing(directory: Path) -> None:
    """A second run finds everything as it should be; the origin stays what it was."""
    with closing(opening(directory)) as database:
        origin, vault = database.origin, database.vault.id

    migrate(directory, Founding(now=NOW, origin="elsewhere"), random=secrets.token_bytes)

    with closing(opening(directory)) as database:
        assert (database.origin, database.vault.id) == (origin, vault)
        assert origin == "clinic.example/log"


def test_migrating_goes_on_where_it_was_cut(directory: Path) -> None:
    """The schema is there, the vault is not yet: the next run makes it, under the same origin."""
    files = Files.of(directory)
    for path in directory.glob("vault*"):
        path.unlink()
    with closing(connect(files.database)) as connection:
        connection.execute("UPDATE meta SET vault = ''")

    migrate(directory, Founding(now=NOW), random=secrets.token_bytes)

    with closing(opening(directory)) as database:
        assert database.origin == "clinic.example/log"


def test_a_new_log_gets_a_name_of_its_own(tmp_path: Path) -> None:
    """Two organisations that say nothing have different origins; a directory may hold odd characters."""
    origins = set()
    for name in ("a", "100 % sure"):
        migrate(tmp_path / name, Founding(now=NOW, zone="Europe/London"), random=secrets.token_bytes)
        with closing(opening(tmp_path / name)) as database:
            origins.add(database.origin)
            assert database.zone == "Europe/London"

    assert len(origins) == 2


def test_only_the_owner_can_read_the_files(directory: Path) -> None:
    """Episodes, vault and key are nobody else's."""
    with closing(opening(directory)) as database:
        assert database.writer is not None
        for path in directory.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _no_database(directory: Path) -> None:
    (directory / "stepcare.db").unlink()


def _not_a_database(directory: Path) -> None:
    (directory / "stepcare.db").write_bytes(b"hello, this is a letter and no database at all" * 99)


def _not_migrated(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "stepcare.db")) as connection, connection:
        connection.execute("DROP TABLE alembic_version")


def _from_the_future(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "stepcare.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")


def _no_vault(directory: Path) -> None:
    (directory / "vault.db").unlink()


def _no_key(directory: Path) -> None:
    (directory / "vault.key").unlink()


def _vault_of_another(directory: Path) -> None:
    other = directory.parent / "other"
    migrate(other, Founding(now=NOW), random=secrets.token_bytes)
    for name in ("vault.db", "vault.key"):
        shutil.copy(other / name, directory / name)


def _vault_made_anew(directory: Path) -> None:
    other = directory.parent / "other"
    migrate(other, Founding(now=NOW, origin="clinic.example/log"), random=secrets.token_bytes)
    for name in ("vault.db", "vault.key"):
        shutil.copy(other / name, directory / name)


@pytest.mark.parametrize(
    ("harm", "error", "remedy"),
    [
        (_no_database, NotFound, "stepcare migrate"),
        (_not_a_database, Unverifiable, "name the directory that holds your database"),
        (_not_migrated, Conflict, "stepcare migrate"),
        (_from_the_future, Unverifiable, "use the newer program"),
        (_no_vault, NotFound, "restore"),
        (_no_key, NotFound, "put the file back"),
        (_vault_of_another, InvalidInput, "give the vault of this one"),
        (_vault_made_anew, Unverifiable, "restore both from one backup"),
    ],
)
def test_what_cannot_be_right_is_refused(
    directory: Path, harm: object, error: type[StepcareError], remedy: str
) -> None:
    """Missing, foreign, older or newer: nothing is opened, and the message says what to do."""
    assert callable(harm)
    harm(directory)

    with pytest.raises(error, match=remedy):
        opening(directory)


def test_a_newer_database_is_not_migrated_back(directory: Path) -> None:
    """Forwards only."""
    _from_the_future(directory)

    with pytest.raises(Unverifiable, match="0999"):
        migrate(directory, Founding(now=NOW), random=secrets.token_bytes)


def test_a_place_is_a_directory() -> None:
    """A directory or its address; another kind of database is named as not there yet."""
    assert Files.of("sqlite:////var/lib/stepcare").directory == Path("/var/lib/stepcare")
    assert Files.of("sqlite:///data").directory == Path("data")
    assert Files.of("data").database == Path("data/stepcare.db")
    with pytest.raises(InvalidInput, match="postgresql"):
        Files.of("postgresql://localhost/stepcare")


def _with(database: Database, library: tuple[int, ...]) -> None:
    assert isinstance(database.backend, Sqlite)
    database.backend.library = library


def test_two_writers_need_a_library_that_is_safe_for_two(directory: Path) -> None:
    """An old SQLite writes alone, whoever came first; two current ones share."""
    with closing(opening(directory)) as one, closing(opening(directory)) as two:
        _with(one, CURRENT)
        _with(two, CURRENT)
        assert one.writer is not two.writer
    for first, second in ((OLD, OLD), (OLD, CURRENT), (CURRENT, OLD)):
        with closing(opening(directory)) as one, closing(opening(directory)) as two:
            _with(one, first)
            _with(two, second)
            assert one.writer is not None
            with pytest.raises(Conflict, match="pysqlite3"):
                assert two.writer is None
            with two.reading() as connection:
                assert connection.execute("SELECT n FROM audit_head").fetchone() == (0,)


def test_nobody_writes_while_tables_change(directory: Path) -> None:
    """Migrating waits for no one: it refuses while somebody holds the database."""
    with closing(opening(directory)) as database:
        assert database.writer is not None
        with pytest.raises(Conflict):
            migrate(directory, Founding(now=NOW), random=secrets.token_bytes)


def test_a_reader_cannot_write(database: Database) -> None:
    """Connections for reading refuse to change anything."""
    with pytest.raises(StepcareError, match="readonly"), database.reading() as connection:
        connection.execute("DELETE FROM worker")


def test_every_promise_is_switched_on(database: Database) -> None:
    """A decision is acknowledged only in the mode in which it is durable."""
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "mmap_size")
    found = {name: database.writer.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}

    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "mmap_size": 0,
    }


def test_opening_does_not_load_alembic() -> None:
    """Only `migrate` pays for it."""
    code = "import sys, storage.store; print('alembic' in sys.modules)"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code

    assert found.stdout.strip() == "False"


def test_an_entry_costs_the_same_however_many_keys_are_remembered(
    lived_of: Callable[[str], Home], tmp_path: Path
) -> None:
    """SQLite looks for the key that waits for an entry by its index, not by walking over all keys."""
    home = lived_of("sqlite").copy(tmp_path / "home")
    with closing(home.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes), prefix="k")
        few = steps_of_a_keyed_visit(acts, "one")
        with closing(connect(Path(home.address) / "stepcare.db")) as connection:
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO idempotency "
                "SELECT 'many', 'k' || i, (SELECT id FROM audit_entry LIMIT 1), '', '2026' FROM n"
            )
        many = steps_of_a_keyed_visit(acts, "two")

    assert many < few + 20  # a walk over five thousand rows would be hundreds


def steps_of_a_keyed_visit(acts: Acts, key: str) -> int:
    """Count the steps of SQLite's machine, in hundreds, that one decision with a key takes to write."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    writer: Any = acts.store.database.writer
    writer.set_progress_handler(step, 100)
    acts.keep(acts.visiting("e1", key=key))
    writer.set_progress_handler(None, 0)
    return count


def test_a_grown_journal_is_emptied_and_a_reader_is_not_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With somebody always reading SQLite never empties its journal by itself; a long reader delays nobody."""
    monkeypatch.setattr("storage.sqlite.MOST_JOURNAL", 100_000)
    journal = directory / "stepcare.db-wal"
    with closing(opening(directory)) as database, closing(connect(Files.of(directory).database)) as reader:
        beat(database)
        reader.execute("BEGIN")
        reader.execute("SELECT n FROM audit_head").fetchone()
        begun = time.monotonic()
        for _ in range(30):
            beat(database)
        grown, waited = journal.stat().st_size, time.monotonic() - begun
        reader.execute("ROLLBACK")
        for _ in range(60):
            beat(database)
        emptied = journal.stat().st_size

    assert waited < 5
    assert grown > 500_000
    assert emptied < grown / 2


def beat(database: Database) -> None:
    """Write something big that no entry speaks of."""
    told = {"id": secrets.token_hex(4), "version": secrets.token_hex(10_000)}
    with database.writing() as connection:
        connection.execute("INSERT INTO worker VALUES (:id, '2026', '2026', :version, '')", told)
