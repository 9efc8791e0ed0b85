"""PostgreSQL's schema: migrations and models say the same, and everybody may do exactly what they need."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from engine.errors import Conflict, InvalidInput
from storage.roles import APP, app_of, auditor_of, ensure_roles, grant, owner_of
from storage.schema import APPEND_ONLY
from storage.schema_access import APPENDED, HEAD
from storage.schema_postgres import STAYS, UNLOGGED, statements
from storage.tables import TABLES
from tests.servers import NoServer, Server, migrate_schema, name_of, newest, programs, the_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Server:
    """Give this process's server."""
    return the_server()


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    """Give a migrated database, to look at."""
    return server.fresh_database()


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """Give a database with nothing in it, for its administrator."""
    address = server.empty_database()
    yield address
    server.drop_database(address)


def asked(server: Server, url: str, sql: str) -> list[Any]:
    """Ask the database as the administrator."""
    with closing(psycopg.connect(server.administrator_of(url))) as connection:
        return connection.execute(sql.encode()).fetchall()


def dumped(server: Server, url: str) -> set[str]:
    """Give the whole schema as pg_dump writes it, grants and owners too, whatever the database is called."""
    said = subprocess.run(  # noqa: S603 - a found program
        [programs() / "pg_dump", "--schema-only", server.administrator_of(url)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace(name_of(url), "clinic")
    lines = (line for line in said.splitlines() if not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog")))
    found = {one.strip() for one in "\n".join(lines).split(";\n")}
    return {one for one in found if "alembic_version" not in one}


def test_the_migrated_schema_is_the_tables_and_triggers(server: Server, url: str, empty: str) -> None:
    """Migrations and models say the same, to the last trigger and the last grant."""
    name = name_of(empty)
    with closing(psycopg.connect(empty, autocommit=True)) as connection:
        ensure_roles(connection, name)
        connection.execute(SQL("SET ROLE {}").format(Identifier(owner_of(name))))
        for statement in statements():
            connection.execute(statement.encode())
        grant(connection, name)

    migrated, made = dumped(server, url), dumped(server, empty)

    assert migrated - made == set()
    assert made - migrated == set()
    assert len(made) > 100


def test_text_sorts_by_its_bytes_and_numbers_are_whole(server: Server, url: str) -> None:
    """Lists and their pages come in the order they have on SQLite, whatever the server's language; no number is made up."""
    columns = asked(
        server,
        url,
        "SELECT data_type, collation_name, column_default, is_identity FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
    )

    assert {row[:2] for row in columns} == {("text", "C"), ("bigint", None), ("bytea", None)}
    assert {row[2:] for row in columns} == {(None, "NO"), ("0", "NO")}
    assert len(columns) == sum(len(table.columns) for table in TABLES.values())


def test_no_trigger_is_silent_for_anybody(server: Server, url: str) -> None:
    """Every trigger fires always, also where the session is a replica's."""
    found = asked(server, url, "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal")

    assert {row[1] for row in found} == {"A"}
    assert len(found) > 20


def test_every_protected_table_refuses_changes_deletes_and_truncate(server: Server, url: str) -> None:
    """Each of them has a trigger for UPDATE (16), DELETE (8) and TRUNCATE (32)."""
    found = asked(
        server,
        url,
        "SELECT relname, bit_or(tgtype & 56) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid "
        "WHERE NOT tgisinternal GROUP BY 1",
    )

    assert dict(found) == dict.fromkeys([*APPEND_ONLY, *STAYS, *APPENDED, HEAD, "erasure"], 56)


def test_functions_act_as_the_owner_in_a_path_of_their_own(server: Server, url: str) -> None:
    """Each is the owner's, runs with its rights in a fixed path, and nobody else may run it."""
    found = asked(
        server,
        url,
        "SELECT DISTINCT prosecdef, proconfig, proowner::regrole::text, proacl::text FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace",
    )

    owner = owner_of(name_of(url))
    assert found == [(True, ["search_path=pg_catalog, pg_temp"], owner, f"{{{owner}=X/{owner}}}")]


def test_what_is_empty_between_commits_is_not_logged(server: Server, url: str) -> None:
    """Only the tables where the next row is laid out are lost in a crash."""
    found = asked(
        server,
        url,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relpersistence <> 'p' "
        "AND relnamespace = 'public'::regnamespace ORDER BY 1",
    )

    assert tuple(row[0] for row in found) == UNLOGGED


# --- roles --------------------------------------------------------------------------------------------------------------


def rights(server: Server, url: str, role: str) -> dict[str, set[str]]:
    """Give what a role may do to each table; a right to some columns only is written with them."""
    found: dict[str, set[str]] = {}
    for table, right in asked(
        server,
        url,
        "SELECT relname, privilege_type FROM pg_class c, aclexplode(relacl) a WHERE relkind = 'r' "  # noqa: S608 - a name of ours
        f"AND relnamespace = 'public'::regnamespace AND a.grantee = '{role}'::regrole",
    ):
        found.setdefault(table, set()).add(right)
    for table, right, columns in asked(
        server,
        url,
        "SELECT relname, privilege_type, string_agg(attname, ', ' ORDER BY attnum DESC) "  # noqa: S608 - a name of ours
        "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a "
        f"WHERE relnamespace = 'public'::regnamespace AND a.grantee = '{role}'::regrole GROUP BY 1, 2",
    ):
        found.setdefault(table, set()).add(f"{right} ({', '.join(sorted(columns.split(', '), reverse=True))})")
    return found


def test_everybody_may_do_exactly_what_is_written(server: Server, url: str) -> None:
    """The app reads, adds, and changes what is not the log; the auditor reads; nobody else may do anything."""
    name = name_of(url)
    app = {
        table: {"SELECT"} | ({one.strip() for one in _split(said)} if said else set()) for table, said in APP.items()
    }

    assert set(APP) == set(TABLES)
    assert rights(server, url, app_of(name)) == {**app, "alembic_version": {"SELECT"}}
    assert rights(server, url, auditor_of(name)) == {table: {"SELECT"} for table in (*TABLES, "alembic_version")}
    assert set(rights(server, url, owner_of(name))) == {*TABLES, "alembic_version"}
    public = asked(server, url, "SELECT relname FROM pg_class, aclexplode(relacl) a WHERE a.grantee = 0 "
                   "AND relnamespace = 'public'::regnamespace")  # fmt: skip
    assert public == []


def _split(said: str) -> list[str]:
    return re.split(r", (?![^(]*\))", said)  # not inside a list of columns


def test_the_ledger_is_never_the_apps_to_change() -> None:
    """Whatever is added to the list of grants: no UPDATE of a whole protected table, no DELETE but of what is forgotten."""
    for table in (*APPEND_ONLY, *APPENDED, "audit_head", "episode", "site_state", "erasure"):
        assert APP[table] in {"", "INSERT", "UPDATE (id)", "UPDATE (rooted, frontier)", "INSERT, UPDATE (destroyed)"}
    assert [table for table, said in APP.items() if "DELETE" in said] == ["bucket", "idempotency", "session", "worker"]


def test_the_public_may_not_even_connect(server: Server, url: str) -> None:
    """A stranger's role of the same server meets a closed door; temporary tables are nobody's."""
    name = name_of(url)
    with closing(psycopg.connect(server.administrator_of(url), autocommit=True)) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN")
        found = connection.execute(
            "SELECT role, has_database_privilege(role, current_database(), 'CONNECT'), "
            "has_database_privilege(role, current_database(), 'TEMP'), "
            "has_database_privilege(role, current_database(), 'CREATE'), "
            "has_schema_privilege(role, 'public', 'USAGE'), has_schema_privilege(role, 'public', 'CREATE') "
            "FROM unnest(%s::text[]) AS role",
            (["stranger", app_of(name), auditor_of(name)],),
        ).fetchall()

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url(name, "stranger"))
    assert [row[1:] for row in found] == [
        (False, False, False, False, False),
        (True, False, False, True, False),
        (True, False, False, True, False),
    ]


def test_only_the_owner_owns_and_it_cannot_log_in(server: Server, url: str) -> None:
    """Database, schema and tables belong to a role nobody can connect as, and nobody who serves can become."""
    name = name_of(url)
    found = asked(
        server,
        url,
        "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database() "
        "UNION SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public' "
        "UNION SELECT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    roles = asked(
        server,
        url,
        "SELECT rolname, rolcanlogin, pg_has_role(oid, (SELECT datdba FROM pg_database "  # noqa: S608 - a name of ours
        f"WHERE datname = current_database()), 'MEMBER') FROM pg_roles WHERE left(rolname, {len(name) + 1}) = '{name}_' "
        "ORDER BY 1",
    )

    assert found == [(owner_of(name),)]
    assert roles == [(app_of(name), True, False), (auditor_of(name), True, False), (owner_of(name), False, True)]


def test_making_the_roles_again_changes_nothing(server: Server, empty: str) -> None:
    """Migrating twice leaves owners and grants as they are, and gives back what was lost or taken too much."""
    migrate_schema(empty)
    before = dumped(server, empty)
    name = name_of(empty)
    with closing(psycopg.connect(empty, autocommit=True)) as connection:
        connection.execute(f'REVOKE INSERT ON audit_entry FROM "{app_of(name)}"'.encode())
        connection.execute(f'GRANT UPDATE, DELETE ON audit_entry TO "{app_of(name)}"'.encode())
        connection.execute(f'GRANT CREATE ON SCHEMA public TO PUBLIC, "{auditor_of(name)}"'.encode())
        connection.execute(b"GRANT SELECT ON token TO PUBLIC")
    assert dumped(server, empty) != before

    migrate_schema(empty)

    assert dumped(server, empty) == before


@pytest.mark.parametrize(
    ("might", "undone"),
    [
        ("ALTER ROLE {app} SUPERUSER", "NOSUPERUSER"),
        ("ALTER ROLE {app} CREATEROLE", "NOCREATEROLE"),
        ("ALTER ROLE {auditor} REPLICATION", "NOREPLICATION"),
        ("ALTER ROLE {owner} LOGIN", "NOLOGIN"),
        ("GRANT {owner} TO {app}", "REVOKE"),
        ("GRANT pg_write_all_data TO {auditor}", "REVOKE"),
        ("CREATE ROLE {name}_between ROLE {app} IN ROLE {owner}", "REVOKE"),
    ],
)
def test_a_role_that_may_do_too_much_is_refused(empty: str, might: str, undone: str) -> None:
    """Nobody serves as a role that can get round the grants; the message says what to run."""
    name = name_of(empty)
    with closing(psycopg.connect(empty, autocommit=True)) as connection:
        ensure_roles(connection, name)
        roles = {"app": app_of(name), "auditor": auditor_of(name), "owner": owner_of(name), "name": name}
        connection.execute(might.format(**roles).encode())

        with pytest.raises(Conflict, match=undone):
            ensure_roles(connection, name)

        connection.execute(f"DROP ROLE IF EXISTS {name}_between".encode())


@pytest.mark.parametrize("name", ["", "a" * 56, 'x"; DROP ROLE y; --', "pg_mine", "two words", "ä"])
def test_a_name_that_gives_no_roles_is_refused(name: str) -> None:
    """Too long, reserved, or with a character that could end a name."""
    with pytest.raises(InvalidInput, match="at most 55 letters"):
        owner_of(name)


def test_an_administrator_need_not_be_superuser(server: Server, empty: str) -> None:
    """The database's owner with CREATEROLE and CREATEDB can migrate, twice too; with less, the message says what."""
    name = name_of(empty)
    with closing(psycopg.connect(empty, autocommit=True)) as connection:
        for role, may in (("lesser", "LOGIN"), ("helper", "LOGIN CREATEROLE CREATEDB")):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
            connection.execute(f"CREATE ROLE {role} {may}".encode())
        connection.execute(f"ALTER DATABASE {name} OWNER TO lesser".encode())
        with pytest.raises(InvalidInput, match="CREATEROLE"):
            migrate_schema(server.url(name, "lesser"))
        connection.execute(f"ALTER DATABASE {name} OWNER TO helper".encode())

        migrate_schema(server.url(name, "helper"))
        migrate_schema(server.url(name, "helper"))

    assert set(rights(server, empty, app_of(name))) == {*TABLES, "alembic_version"}


# --- the server of the tests ----------------------------------------------------------------------------------------------


def test_a_machine_without_a_server_is_told_what_to_install(tmp_path: Path) -> None:
    """Tests of PostgreSQL fail where there is none, or only an old or half one: they are never passed over."""
    (old, half) = (tmp_path / "old", tmp_path / "half")
    for place, version in ((old, "14.9"), (half, "17.1")):
        place.mkdir()
        for program in ("initdb", "postgres", "pg_dump")[: 3 if place is old else 2]:
            (place / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n", encoding="utf-8")
            (place / program).chmod(0o700)

    with pytest.raises(NoServer, match="apt-get install postgresql"):
        newest([old, half, tmp_path / "none"])

    shutil.copy(half / "initdb", half / "pg_dump")
    assert newest([old, half]) == half


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_its_tests(ending: signal.Signals) -> None:
    """However the process that started it ends, the server ends too and its directory goes."""
    code = "import time; from tests.servers import Server; print(Server().directory, flush=True); time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as tests:  # noqa: S603 - our own code
        assert tests.stdout is not None
        directory = Path(tests.stdout.readline().strip())
        server = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
        tests.send_signal(ending)
        tests.wait()

    until = time.monotonic() + 30
    while (directory.exists() or Path(f"/proc/{server}").exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not directory.exists()
    assert not Path(f"/proc/{server}").exists()


def test_a_killed_server_comes_back_with_what_was_committed() -> None:
    """The servers of crash tests flush; killed in the middle of a write, they keep what was committed and nothing more."""
    server = Server()
    try:
        url = server.administrator_of(server.empty_database())
        with closing(psycopg.connect(url)) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            connection.commit()
            connection.execute("INSERT INTO kept VALUES (2)")
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)

        server.start()

        with closing(psycopg.connect(url)) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(1,)]
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
    finally:
        server.stop()
    assert not server.directory.exists()
