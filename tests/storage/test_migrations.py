"""Old databases come up to this program's schema with everything they hold."""

import re
import secrets
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import storage.migrate
from engine.decision import Put
from engine.model import Flag, Kind
from storage.connection import Connection
from storage.database import VERSIONS
from storage.schema import statements
from storage.sqlite import DRIVER, DriverError, connect
from storage.store import Store
from tests.servers import migrate_schema, the_server
from tests.storage.acts import NOW, Acts
from tests.storage.homes import Home
from tests.storage.postgres_worlds import APP, OWNER, refusal, sitting
from tests.storage.replayed import everything, replay
from tests.storage.test_refusals import ENTRY, dump, laid, next_entry

SEAL = "INSERT INTO audit_sealed (idx, blob, key_id, person_ref) VALUES ({}, '', 'k', 'p1')"
# What came with reads, erasures and delivery: each has tests of its own.
SINCE_THEN = re.compile(
    r" access_|eras|delivery|attempts|receipts| timer| message|worker|pump_stat|bucket|feed|digest|session"
)
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
    new = sorted(one.split(" BEGIN")[0].split(" (")[0] for one in now - made)
    assert [one for one in new if not SINCE_THEN.search(one)] == [
        *(
            f"CREATE INDEX due_item_{scope}_{by} ON due_item"
            for scope in ("all", "assignee", "team")
            for by in ("opens", "place")
        ),
        "CREATE INDEX idempotency_entry ON idempotency",
        "CREATE TABLE due_item",
        "CREATE TABLE token",
        "CREATE TRIGGER audit_sealed_with_its_entry BEFORE INSERT ON audit_sealed",
        "CREATE TRIGGER episode_steps BEFORE UPDATE ON episode",
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


TRIED = (
    "INSERT INTO delivery_attempt (id, episode_id, message_id, at, status, provider_ref, detail) "
    "SELECT 7, episode_id, id, '2026-03-02T09:00:00.000000Z', 'accepted', 'm-1', '' FROM message WHERE episode_id = 'e1'"
)
ALIVE = "INSERT INTO worker (id, heartbeat_at, version) VALUES ('w1', '2026-03-02T09:00:00.000000Z', '1.0')"
# What the version before delivery held, as it must read afterwards.
READS_AS = (
    ("SELECT DISTINCT category, reason, follows, reference, lease_owner, fence, attempt, parked, try_at, stage FROM message",
     [("visit", "", None, None, None, 0, 0, None, None, None)]),
    ("SELECT id, status, provider_ref, fence, worker, channel, receiver FROM delivery_attempt",
     [(7, "accepted", "m-1", 0, "", "console", "")]),
    ("SELECT id, started_at, beat_at, version, place FROM worker",
     [("w1", "2026-03-02T09:00:00.000000Z", "2026-03-02T09:00:00.000000Z", "1.0", "")]),
    ("SELECT count(*) FROM timer WHERE parked IS NOT NULL", [(0,)]),
)  # fmt: skip


def before_delivery(source: Connection, old: Connection) -> dict[str, list[Any]]:
    """Fill a database of the version before delivery; gives all it held."""
    old.execute("BEGIN")
    replay(source, old)
    old.execute(TRIED)
    old.execute(ALIVE)
    old.execute("COMMIT")
    return everything(old)


def test_a_file_from_before_delivery_keeps_its_data(lived_of: Callable[[str], Home], tmp_path: Path) -> None:
    """Timers, messages, tries and workers are there after migrating, with nothing said that was not known."""
    path = tmp_path / "old.db"
    migrate_file(path, "0004")
    with living(lived_of) as source, closing(connect(path)) as old:
        before = before_delivery(source, old)

    migrate_file(path, "head")

    with closing(connect(path)) as new:
        assert everything(new) == before
        assert [(query, new.execute(query).fetchall()) for query, _ in READS_AS] == [*READS_AS]
        assert new.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_server_from_before_delivery_keeps_its_data(lived_of: Callable[[str], Home]) -> None:
    """The same on PostgreSQL."""
    server = the_server()
    url = server.empty_database()
    migrate_schema(url, "0004")
    with living(lived_of) as source, sitting(server, url, OWNER) as old:
        before = before_delivery(source, old)

    migrate_schema(url)

    with sitting(server, server.app_of(url), APP) as new:
        assert everything(new) == before
        assert [(query, new.execute(query).fetchall()) for query, _ in READS_AS] == [*READS_AS]
    server.drop_database(url)


def test_forwards_only() -> None:
    """No migration can be taken back: a log is never taken apart."""
    for script in sorted((Path(storage.migrate.__file__).with_name("migrations") / "versions").glob("0*.py")):
        assert "Stepcare migrates forwards only" in script.read_text(encoding="utf-8")
        assert script.with_suffix(".sql").exists()
        assert script.with_suffix(".postgresql.sql").exists()


# Kind, rung, status, owner, due or undated; and which team, assignee and place it must get.
OWED = (
    ("reassessment", 0, "open", None, "2026-05-01", ("main", "ravi", "1 2026-05-01")),
    ("emergency_review", 1, "open", "lena", "2026-05-01", ("main", "lena", "0 2026-05-01")),
    ("reassessment", 0, "done", "lena", "2026-05-01", (None, None, None)),
    ("reassessment", 0, "open", None, "2026-05-01", ("main", None, "5 2026-05-01")),
    ("unheard_of", 2, "open", "lena", None, ("main", "lena", "4 ~")),
    ("safety_call", 0, "open", None, "2026-05-01", ("main", None, "2 2026-05-01")),
    ("safety_call", 1, "open", "lena", None, ("main", "lena", "3 ~")),
    ("urgent_review", 1, "open", None, "2026-05-01", ("main", None, "1 2026-05-01")),
)
FLAGGED = 3  # the first so many belong to an episode of ravi's with an urgent red flag, the others to nobody's
OWE = (
    "INSERT INTO due_item (episode_id, id, kind, occurrence, title, anchor, opens_after, due_after, opens_at, due_at, "
    "owner_role, status, owner, rung, fired) VALUES (:episode, :id, :kind, '', '', '', '', '', '', :due_at, 'lead', "
    ":status, :owner, :rung, 0)"
)
LISTED = "SELECT team, assignee, place FROM due_item WHERE id LIKE 'item %' ORDER BY id"


@pytest.fixture(scope="module")
def flagged(founded_of: Callable[[str], Home], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Give a database of two episodes: one of ravi's with an urgent red flag, and one that is nobody's."""
    home = founded_of("sqlite").copy(tmp_path_factory.mktemp("flagged") / "data")
    with closing(home.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes))
        acts.publish()
        acts.register("e1", "p1")
        acts.register("e2", "p2")
        flag = Flag(id="f1", item="fever", urgency="urgent", opened_at=NOW, record="r1")
        acts.keep(acts.change(acts.store.episode("e1"), Kind.RECORD, Put(item=flag)))
        acts.keep(acts.assigning("e1", "ravi"))
    return home


def owe(source: Home, old: Connection) -> None:
    """Fill a database of the first version, and owe work of every lane in it."""
    with closing(connect(Path(source.address) / "stepcare.db")) as connection:
        old.execute("BEGIN")
        replay(connection, old)
        for number, (kind, rung, status, owner, due_at, _) in enumerate(OWED):
            row = {"kind": kind, "rung": rung, "status": status, "owner": owner, "due_at": due_at}
            episode = "e1" if number < FLAGGED else "e2"
            old.execute(OWE, {**row, "episode": episode, "id": f"item {number}"})
        old.execute("COMMIT")


def test_work_of_the_first_version_gets_its_place_in_a_file(flagged: Home, tmp_path: Path) -> None:
    """What is open comes into its team's, its owner's and everybody's list, in the lane its pathway gives it."""
    path = tmp_path / "old.db"
    migrate_file(path, "0001")
    with closing(connect(path)) as old:
        owe(flagged, old)

    migrate_file(path, "head")

    with closing(connect(path)) as new:
        assert new.execute(LISTED).fetchall() == [listed for *_, listed in OWED]


def test_work_of_the_first_version_gets_its_place_on_a_server(flagged: Home) -> None:
    """The same on PostgreSQL."""
    server = the_server()
    url = server.empty_database()
    migrate_schema(url, "0001")
    with sitting(server, url, OWNER) as old:
        owe(flagged, old)

    migrate_schema(url)

    with sitting(server, server.app_of(url), APP) as new:
        assert new.execute(LISTED).fetchall() == [listed for *_, listed in OWED]
    server.drop_database(url)
