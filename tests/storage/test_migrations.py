"""Old databases come up to this program's schema with everything they hold."""

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import storage.migrate
from storage.connection import Connection
from storage.database import VERSIONS
from storage.schema import statements
from storage.sqlite import DRIVER, DriverError, connect
from tests.servers import migrate_schema, the_server
from tests.storage.homes import Home
from tests.storage.postgres_worlds import APP, OWNER, refusal, sitting
from tests.storage.replayed import everything, replay
from tests.storage.test_refusals import ENTRY, dump, laid, next_entry

SEAL = "INSERT INTO audit_sealed (idx, blob, key_id, person_ref) VALUES ({}, '', 'k', 'p1')"
BLOB = SEAL.replace("''", "x''")


def migrate_file(path: Path, revision: str) -> None:
    """Bring the schema of a SQLite file to a revision; nothing is founded."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.migrate.__file__).with_name("migrations")))
    path.touch()
    with closing(connect(path)) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection, module=DRIVER, poolclass=StaticPool)
        with engine.begin() as transaction:
            transaction.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = transaction
            upgrade(config, revision)


@contextmanager
def living(lived_of: Callable[[str], Home]) -> Generator[Connection, None, None]:
    """Give the database where a little of everything has happened."""
    with closing(connect(Path(lived_of("sqlite").address) / "stepcare.db")) as connection:
        yield connection


def test_the_first_version_still_makes_what_it_made(tmp_path: Path) -> None:
    """A migration is frozen: 0001 knows no tokens, and seals an entry before the next is appended."""
    migrate_file(tmp_path / "old.db", "0001")

    with closing(connect(tmp_path / "old.db")) as connection:
        made = {" ".join(sql.split()) for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql}

    now = {" ".join(one.split()) for one in statements()}
    assert sorted(one.split(" BEGIN")[0].split(" (")[0] for one in now - made) == [
        *(
            f"CREATE INDEX due_item_{scope}_{by} ON due_item"
            for scope in ("all", "assignee", "team")
            for by in ("opens", "place")
        ),
        "CREATE INDEX idempotency_entry ON idempotency",
        "CREATE TABLE due_item",
        "CREATE TABLE token",
        "CREATE TRIGGER audit_sealed_with_its_entry BEFORE INSERT ON audit_sealed",
    ]


def test_a_file_of_the_first_version_keeps_its_data(lived_of: Callable[[str], Home], tmp_path: Path) -> None:
    """Everything appended under 0001 is there after migrating, to the byte; several entries may share a commit now."""
    path = tmp_path / "old.db"
    migrate_file(path, "0001")
    with living(lived_of) as source, closing(connect(path)) as old:
        old.execute("BEGIN IMMEDIATE")
        replay(source, old)
        old.execute("COMMIT")
        before = everything(old)
        assert before == everything(source)
        entries = [next_entry(old)]
        old.execute("BEGIN IMMEDIATE")
        for number in range(2):
            entries.append(next_entry(old, id=f"forged {number}"))
            old.execute(laid())
            old.execute(ENTRY.format(""), entries[-1])
        with pytest.raises(DriverError, match="just appended"):
            old.execute(BLOB.format(entries[1]["idx"]))
        old.execute("ROLLBACK")

    migrate_file(path, "head")

    with closing(connect(path)) as new:
        assert everything(new) == before
        assert new.execute("SELECT version_num FROM alembic_version").fetchall() == [(VERSIONS[-1],)]
        assert new.execute("SELECT count(*) FROM token").fetchone() == (0,)
        new.execute("BEGIN IMMEDIATE")
        for entry in entries[1:]:
            new.execute(laid())
            new.execute(ENTRY.format(""), entry)
        for entry in entries[1:]:
            new.execute(BLOB.format(entry["idx"]))
        new.execute("COMMIT")


def test_a_server_of_the_first_version_keeps_its_data(lived_of: Callable[[str], Home]) -> None:
    """The same on PostgreSQL; the new table has its grants, whoever made the old ones."""
    server = the_server()
    url = server.empty_database()
    migrate_schema(url, "0001")
    with living(lived_of) as source, sitting(server, url, OWNER) as old:
        assert old.execute("SELECT to_regclass('token')").fetchone() == (None,)
        old.execute("BEGIN")
        replay(source, old)
        old.execute("COMMIT")
        before = everything(old)
        assert before == everything(source)
    app_url = server.app_of(url)
    with sitting(server, app_url, APP) as app:
        one = next_entry(app)
        assert not refusal(app, laid(), ENTRY.format(""), **one)
        two = next_entry(app, id="forged too")
        late = SEAL.format(one["idx"])
        assert refusal(app, laid(), ENTRY.format(""), late, **two) == "P0001"
        kept = everything(app)

    migrate_schema(url)

    with sitting(server, app_url, APP) as app:
        assert everything(app) == kept
        assert app.execute("SELECT version_num FROM alembic_version").fetchall() == [(VERSIONS[-1],)]
        assert dump(app)["token"] == []
        assert not refusal(app, "INSERT INTO token SELECT 't', 'h', 'a', 'r', 's', '2026', '2027', NULL")
        assert not refusal(app, laid(), ENTRY.format(""), late, SEAL.format(two["idx"]), **two)
    server.drop_database(url)


def test_forwards_only() -> None:
    """No migration can be taken back: a log is never taken apart."""
    for script in sorted((Path(storage.migrate.__file__).with_name("migrations") / "versions").glob("0*.py")):
        assert "Stepcare migrates forwards only" in script.read_text(encoding="utf-8")
        assert script.with_suffix(".sql").exists()
        assert script.with_suffix(".postgresql.sql").exists()
