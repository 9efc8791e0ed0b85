"""What PostgreSQL refuses by itself, by who holds the connection: the bypass table.

`app` serves, `auditor` reads, `owner` is whom migrations act as, `superuser` is the server's own, `replica` is the
superuser with the triggers of ordinary tables switched off. Each attack must fail, or be ignored; in both cases not one
byte of any table may be other than before. What an owner can do is stated at the end.
"""

# ruff: noqa: S608 - attacks are text

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from storage.postgres import Session
from storage.roles import app_of, owner_of
from storage.schema import APPEND_ONLY as PROTECTED
from storage.schema_postgres import STAYS
from storage.tables import TABLES
from tests.servers import Server, name_of, the_server
from tests.storage.homes import Home
from tests.storage.postgres_worlds import APP, AUDITOR, OWNER, REPLICA, SUPERUSER, WHO, refusal, sitting
from tests.storage.test_refusals import (
    APPEND_ONLY,
    CHANGES,
    ENTRY,
    HEAD,
    LAY_SITE,
    NO_ROW,
    OTHER_STATE,
    OTHER_WORDS,
    OUT_OF_ORDER,
    SITE,
    STATE_WITHOUT_ENTRY,
    dump,
    laid,
    next_entry,
    next_site_entry,
    sealed_over,
)

INSERT = ENTRY.format("")
WRITERS = (APP, OWNER, SUPERUSER, REPLICA)
NO_RIGHT, RAISED, UNIQUE, NOT_NULL = "42501", "P0001", "23505", "23502"
REFUSALS = {NO_RIGHT, RAISED, UNIQUE, NOT_NULL}
FOREIGN_KEY = "0A000"  # TRUNCATE of a table that others refer to


def posted(attack: str) -> str:
    """Give an attack on SQLite in PostgreSQL's words; without its OR, a used key meets the index."""
    for said, meant in (
        (" OR REPLACE", ""),
        (" OR IGNORE", ""),
        ("REPLACE INTO", "INSERT INTO"),
        ("x'00'", r"'\x00'"),
        ("x''", r"''"),
        ("ON CONFLICT DO UPDATE", "ON CONFLICT ({key}) DO UPDATE"),
    ):
        attack = attack.replace(said, meant)
    return attack


@pytest.fixture(scope="module")
def server() -> Server:
    """Give this process's server."""
    return the_server()


@pytest.fixture(scope="module")
def template(lived_of: Callable[[str], Home]) -> str:
    """Give a database where a little of everything has happened; copied, never used."""
    return lived_of("postgresql").address


@pytest.fixture(scope="module")
def shared(server: Server, template: str) -> str:
    """Give a copy for attacks: nothing may change in it, so all can use the same."""
    return server.fresh_database(template)


@pytest.fixture
def own(server: Server, template: str) -> Iterator[str]:
    """Give a copy of the test's own, for what goes through."""
    url = server.fresh_database(template)
    yield url
    server.drop_database(url)


@pytest.fixture(scope="module")
def seats(server: Server, shared: str) -> Iterator[dict[str, Session]]:
    """Give a connection of everybody to the shared copy."""
    with ExitStack() as stack:
        yield {who: stack.enter_context(sitting(server, shared, who)) for who in WHO}


@pytest.fixture
def intruder(seats: dict[str, Session], who: str) -> Session:
    """Give the connection of somebody who does not use our code."""
    return seats[who]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "attack",
    [
        *CHANGES,
        "INSERT INTO {table} SELECT {values} FROM {table} ON CONFLICT DO NOTHING",
        "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
        "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE SET {column} = {column}",
        "WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone",
    ],
)
def test_what_was_appended_stays(intruder: Session, who: str, table: str, attack: str) -> None:
    """Nobody changes, removes or replaces an entry, its sealed part, a pack or a parameter set."""
    before = dump(intruder)
    column = list(TABLES[table].columns)[-1].name
    key = next(iter(TABLES[table].primary_key)).name
    values = posted(APPEND_ONLY[table])

    said = refusal(intruder, posted(attack).format(table=table, column=column, key=key, values=values))

    assert said in REFUSALS or "DO NOTHING" in attack
    assert said == NO_RIGHT or who in WRITERS
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WHO)
def test_a_delivery_attempt_stays(server: Server, own: str, who: str) -> None:
    """What was tried with a message is kept as it was tried."""
    with sitting(server, own, APP) as app:
        assert not refusal(
            app,
            "INSERT INTO delivery_attempt SELECT 7, episode_id, id, '2026', 'accepted', NULL, '', 1, 'w1', 'console', '' "
            "FROM message LIMIT 1",
        )
    with sitting(server, own, who) as connection:
        before = dump(connection)
        for attack in (
            "INSERT INTO delivery_attempt SELECT * FROM delivery_attempt ON CONFLICT (id) DO UPDATE SET at = '2027'",
            "UPDATE delivery_attempt SET at = '2027'",
            "DELETE FROM delivery_attempt",
        ):
            assert refusal(connection, attack) == (RAISED if who in {OWNER, SUPERUSER, REPLICA} else NO_RIGHT)
        assert dump(connection) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("rest", ["", " CASCADE", " RESTART IDENTITY CASCADE"])
@pytest.mark.parametrize("table", [*PROTECTED, *STAYS])
def test_nothing_protected_is_emptied(intruder: Session, who: str, table: str, rest: str) -> None:
    """TRUNCATE passes row triggers by; it meets one of its own."""
    before = dump(intruder)

    said = refusal(intruder, f"TRUNCATE {table}{rest}")

    assert said in ({RAISED, FOREIGN_KEY} if who in {OWNER, SUPERUSER, REPLICA} else {NO_RIGHT})
    assert said != FOREIGN_KEY or not rest
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("attack", STATE_WITHOUT_ENTRY.values(), ids=STATE_WITHOUT_ENTRY)
def test_no_state_change_without_its_entry(intruder: Session, who: str, attack: str) -> None:
    """An episode, the site or a person's version moves only with what explains it."""
    before = dump(intruder)

    assert refusal(intruder, posted(attack).replace("({key})", "(id)")) in REFUSALS
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "attack",
    [
        *HEAD,
        "UPDATE audit_head SET rooted = n, frontier = '' WHERE rooted = n AND frontier <> ''",
        "UPDATE audit_head SET n = 0, rooted = 0, frontier = ''",
    ],
)
def test_the_head_follows_the_entries_only(intruder: Session, who: str, attack: str) -> None:
    """Nobody sets how long the log is, its tree or its name by hand."""
    before = dump(intruder)

    assert refusal(intruder, posted(attack)) in REFUSALS
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize("ending", ["", " ON CONFLICT DO NOTHING", " ON CONFLICT (idx) DO UPDATE SET epn = 9"])
@pytest.mark.parametrize("changed", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_no_entry_out_of_order(intruder: Session, who: str, changed: dict[str, Any], ending: str) -> None:
    """An entry has the log's next index and its chain's next number, whatever is laid out."""
    before = dump(intruder)

    # What is ignored must not be kept either: the transaction ends with an error, the laid-out row with it.
    said = refusal(intruder, laid(), INSERT + ending, "SELECT 1 / 0", **next_entry(intruder, **changed))

    assert said in REFUSALS or ("DO NOTHING" in ending and said == "22012")
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize("laying", OTHER_STATE.values(), ids=OTHER_STATE)
def test_no_entry_without_its_state_change(intruder: Session, who: str, laying: str) -> None:
    """An entry stands only where its episode becomes, in the same statement, what the entry's bytes say."""
    before = dump(intruder)
    nothing = laying.startswith("DELETE")

    said = refusal(intruder, *(() if nothing else (laying,)), INSERT, **next_entry(intruder))

    assert said == RAISED
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize("changed", OTHER_WORDS.values(), ids=OTHER_WORDS)
def test_no_entry_whose_columns_say_something_else(intruder: Session, who: str, changed: dict[str, Any]) -> None:
    """The columns are an index to the bytes, never another story."""
    before = dump(intruder)
    forged = next_entry(intruder)
    said = json.loads(forged["entry"]) | changed

    assert refusal(intruder, laid(), INSERT, **sealed_over(forged, said)) == RAISED
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize(("laying", "moves", "changed"), SITE.values(), ids=SITE)
def test_no_entry_of_the_site_without_its_change(
    intruder: Session, who: str, laying: str, moves: int, changed: dict[str, Any]
) -> None:
    """The site's chain counts on, and the site becomes in the same statement what the entry's bytes say."""
    before = dump(intruder)

    said = refusal(intruder, laying, INSERT, **next_site_entry(intruder, moves=moves, **changed))

    assert said in {RAISED, UNIQUE}
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"leaf": b"0" * 32}, "23514"),
        ({"leaf": b""}, "23514"),
        ({"entry": b"no JSON"}, "22P02"),
        ({"entry": b"\xff\xfe"}, "22021"),
        ({"entry": b"null"}, RAISED),
        ({"entry": b"[]"}, RAISED),
    ],
    ids=["another leaf", "no leaf", "no JSON", "no text", "null", "a list"],
)
def test_no_entry_that_is_not_what_its_leaf_says(
    intruder: Session, who: str, change: dict[str, bytes], state: str
) -> None:
    """The leaf is the hash of the bytes, and the bytes are JSON."""
    before = dump(intruder)
    forged = next_entry(intruder) | change
    leafless = {"leaf": change.get("leaf"), "entry": change.get("entry")}
    if leafless["leaf"] is None:
        forged["leaf"] = intruder.execute(
            r"SELECT sha256('\x00'::bytea || CAST(:entry AS bytea))", {"entry": forged["entry"]}
        ).fetchone()[0]

    assert refusal(intruder, laid(), INSERT, **forged) == state
    assert dump(intruder) == before


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize("idx", [-1, 0, 5, 99], ids=["before", "first", "past", "future"])
def test_no_sealed_part_without_its_entry(intruder: Session, who: str, idx: int) -> None:
    """A sealed part comes with its entry, in the same breath, once."""
    before = dump(intruder)

    assert refusal(intruder, rf"INSERT INTO audit_sealed VALUES ({idx}, '\x00', 'k', 'p1')") == RAISED
    assert dump(intruder) == before


@pytest.mark.parametrize("who", [OWNER, SUPERUSER, REPLICA])
@pytest.mark.parametrize(
    "beside",
    [
        "UPDATE episode_next SET state = 'closed_done'",
        "DELETE FROM episode_next",
        "UPDATE episode SET version = version + 1, state = 'x', last_idx = (SELECT n FROM audit_head) WHERE id = 'e1'",
        "UPDATE audit_head SET n = n + 1",
    ],
    ids=["laid out anew", "taken away", "applied by hand", "head by hand"],
)
@pytest.mark.parametrize("order", ["before", "after"])
def test_one_statement_does_not_do_two_things(intruder: Session, who: str, beside: str, order: str) -> None:
    """What a statement does beside its entry does not make another state of it than the bytes say."""
    before = dump(intruder)
    entry = f"WITH done AS ({INSERT} RETURNING 1) {beside}"
    other = f"WITH done AS ({beside} RETURNING 1) {INSERT.replace('VALUES (', 'SELECT ').removesuffix(')')}"
    cast = {":idx": "CAST(:idx AS bigint)", ":epn": "CAST(:epn AS bigint)", ":leaf": "CAST(:leaf AS bytea)",
            ":entry": "CAST(:entry AS bytea)"}  # fmt: skip
    for name, typed in cast.items():
        other = other.replace(name, typed)

    said = refusal(intruder, laid(), entry if order == "after" else other, "SELECT 1 / 0", **next_entry(intruder))

    assert said == RAISED
    assert dump(intruder) == before


def copied_out(connection: Session, table: str) -> list[bytes]:
    """Give a table's rows as COPY writes them."""
    with connection.inner.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as out:
        return b"".join(bytes(one) for one in out).splitlines(keepends=True)


def copy_in(connection: Session, table: str, lines: list[bytes]) -> None:
    """Add rows by COPY."""
    with connection.inner.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as into:
        for line in lines:
            into.write(line)


@pytest.mark.parametrize("who", WRITERS)
@pytest.mark.parametrize(
    ("table", "forge"),
    [
        ("audit_entry", lambda line: line),
        ("audit_entry", lambda line: b"77" + line[line.index(b"\t") :].replace(b"\tc", b"\tx", 1)),
        ("audit_sealed", lambda line: line),
        ("audit_sealed", lambda line: b"77" + line[line.index(b"\t") :]),
        ("pack", lambda line: line),
    ],
    ids=["entries there", "a gap", "sealed parts there", "sealed parts of no entry", "packs there"],
)
def test_copy_is_no_way_round(intruder: Session, who: str, table: str, forge: Callable[[bytes], bytes]) -> None:
    """COPY of rows that are there, or out of order, meets the same triggers and keys."""
    before = dump(intruder)
    lines = [forge(line) for line in copied_out(intruder, table)]

    with pytest.raises(psycopg.Error) as refused:
        copy_in(intruder, table, lines[-1:])

    assert refused.value.sqlstate in {RAISED, UNIQUE}
    assert dump(intruder) == before


DEFINITIONS = [
    *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in (*PROTECTED, *STAYS)),
    *(f"DROP TABLE {table} CASCADE" for table in (*PROTECTED, *STAYS)),
    "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_applied",
    "ALTER TABLE audit_entry ENABLE REPLICA TRIGGER audit_entry_applied",
    "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_leaf",
    "ALTER TABLE audit_entry RENAME TO audit_before",
    "ALTER TABLE audit_entry ADD COLUMN more text",
    "ALTER TABLE audit_entry SET SCHEMA pg_catalog",
    "ALTER TABLE audit_entry OWNER TO CURRENT_USER",
    "DROP TRIGGER audit_entry_applied ON audit_entry",
    "DROP FUNCTION append_only() CASCADE",
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "ALTER FUNCTION append_only() RESET ALL",
    "CREATE RULE quiet AS ON INSERT TO audit_entry DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION append_only()",
    "CREATE TABLE mine (id int)",
    "CREATE TEMP TABLE audit_head (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW mine AS SELECT 1",
    "DROP SCHEMA public CASCADE",
    "GRANT UPDATE ON audit_entry TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    'SET ROLE "{owner}"',
    'SET SESSION AUTHORIZATION "{owner}"',
    'GRANT "{owner}" TO CURRENT_USER',
    "SET session_replication_role = replica",
    "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
    'ALTER DATABASE "{name}" OWNER TO CURRENT_USER',
    "ALTER SYSTEM SET session_replication_role = replica",
    "COPY audit_entry TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "UPDATE pg_trigger SET tgenabled = 'D'",
    "SELECT audit_entry_applied()",
    "UPDATE meta SET vault = ''",
    "DELETE FROM episode_next",
    "DELETE FROM due_item",
    "DELETE FROM token",
    "UPDATE alembic_version SET version_num = '9'",
    "INSERT INTO alembic_version VALUES ('9')",
]


@pytest.mark.parametrize("who", [APP, AUDITOR])
@pytest.mark.parametrize("attack", DEFINITIONS)
def test_those_who_serve_and_read_define_nothing(
    seats: dict[str, Session], shared: str, intruder: Session, attack: str
) -> None:
    """No trigger is switched off, no table altered, no role taken by whoever serves or reads."""
    name = name_of(shared)
    before, defined = dump(intruder), definitions(seats[SUPERUSER])

    said = refusal(intruder, attack.format(owner=owner_of(name), name=name) if "{" in attack else attack)

    # A grant that grants nothing is a warning; a role that is not there to be taken, and one's own row, are errors too.
    assert said in {NO_RIGHT, "0LP01", "25001", "0A000"} or (attack.startswith("GRANT UPDATE") and said == "")
    assert dump(intruder) == before
    assert definitions(seats[SUPERUSER]) == defined


DEFINED = (
    "SELECT relname, relowner, relacl::text, relnatts FROM pg_class WHERE relnamespace = {public} ORDER BY relname",
    "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid, tgname",
    "SELECT proname, prosrc, proacl::text FROM pg_proc WHERE pronamespace = {public} ORDER BY proname",
    "SELECT rolname, rolsuper, rolconfig FROM pg_roles WHERE left(rolname, 3) <> 'pg_' ORDER BY rolname",
)


def definitions(connection: Session) -> list[Any]:
    """Give what says who owns what, who may do what, and which triggers are on."""
    public = "'public'::regnamespace"
    return [connection.execute(text.format(public=public)).fetchall() for text in DEFINED]


@pytest.mark.parametrize("who", [AUDITOR])
@pytest.mark.parametrize("table", TABLES)
def test_an_auditor_writes_nothing(intruder: Session, table: str) -> None:
    """Whoever reads everything adds, changes and removes nothing."""
    column = next(iter(TABLES[table].columns)).name

    for attack in (
        f"INSERT INTO {table} SELECT * FROM {table}",
        f'UPDATE {table} SET "{column}" = "{column}"',
        f"DELETE FROM {table}",
        f"SELECT 1 FROM {table} FOR UPDATE",
        f"SELECT 1 FROM {table} FOR KEY SHARE",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    ):
        assert refusal(intruder, attack) == NO_RIGHT
    assert intruder.execute(f"SELECT count(*) FROM {table}").fetchone()[0] >= 0


# --- names that mean something else -------------------------------------------------------------------------------------

FAKES = (
    "CREATE SCHEMA fake",
    "CREATE TABLE fake.audit_head AS SELECT 1::bigint AS id, 77::bigint AS n, 0::bigint AS rooted, ''::bytea AS frontier",
    "CREATE TABLE fake.audit_entry (LIKE public.audit_entry)",
    "CREATE TABLE fake.episode (LIKE public.episode)",
    "CREATE TABLE fake.episode_next (LIKE public.episode_next)",
    "CREATE FUNCTION fake.jsonb_build_array(VARIADIC \"any\") RETURNS jsonb LANGUAGE internal AS 'jsonb_build_array_noargs'",
    "CREATE FUNCTION fake.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT ''''::bytea'",
    "CREATE FUNCTION fake.never(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE OPERATOR fake.= (FUNCTION = fake.never, LEFTARG = bigint, RIGHTARG = bigint)",
    "CREATE OPERATOR fake.<> (FUNCTION = fake.never, LEFTARG = bigint, RIGHTARG = bigint)",
    "GRANT ALL ON SCHEMA fake TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA fake TO PUBLIC",
)


def test_a_name_in_front_of_ours_is_never_met(server: Server, own: str) -> None:
    """Tables, functions and operators of the same name, found first by the intruder's path, change no answer."""
    public = INSERT.replace("audit_entry", "public.audit_entry")
    lay = laid().replace("episode_next", "public.episode_next").replace("FROM episode", "FROM public.episode")
    with sitting(server, own, SUPERUSER) as connection:
        for statement in FAKES:
            connection.execute(statement)
    with sitting(server, own, APP) as app:
        gap, state = next_entry(app, idx=77), next_entry(app)
        before = dump(app)
        app.execute("SET search_path = fake, public, pg_catalog")

        assert refusal(app, lay, public, **gap) == RAISED
        assert refusal(app, public, **state) == RAISED
        assert refusal(app, lay, public, **state | {"leaf": b""}) == "23514"
        assert refusal(app, "UPDATE public.person_state SET version = version + 2") == RAISED

        app.execute("SET search_path = public")
        assert dump(app) == before
        app.execute("SET search_path = fake, public, pg_catalog")
        true_lay = lay.replace("(SELECT n FROM audit_head)", "(SELECT n FROM public.audit_head)")
        assert not refusal(app, true_lay, public, **state)
        assert app.execute("SELECT count(*) FROM fake.audit_entry").fetchone() == (0,)
        assert app.execute("SELECT count(*) FROM public.audit_entry").fetchone() == (state["idx"] + 1,)


def test_our_functions_hang_on_no_other_table(server: Server, own: str) -> None:
    """A trigger of an intruder's own table cannot run our functions, which act with the owner's rights."""
    name = name_of(own)
    with sitting(server, own, SUPERUSER) as connection:
        connection.execute(f'CREATE SCHEMA mine AUTHORIZATION "{app_of(name)}"')
        functions = [row[0] for row in connection.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace").fetchall()]  # fmt: skip
        app_table = "CREATE TABLE mine.audit_entry (LIKE public.audit_entry)"
        with sitting(server, own, APP) as app:
            app.execute(app_table)
            for function in functions:
                hang = f"CREATE TRIGGER t BEFORE INSERT ON mine.audit_entry FOR EACH ROW EXECUTE FUNCTION {function}"
                assert refusal(app, hang) == NO_RIGHT

            # It is the missing right that stops it, and nothing else.
            connection.execute(f'GRANT EXECUTE ON FUNCTION {functions[0]} TO "{app_of(name)}"')
            assert not refusal(
                app, f"CREATE TRIGGER t BEFORE INSERT ON mine.audit_entry FOR EACH ROW EXECUTE FUNCTION {functions[0]}"
            )
    assert len(functions) > 10


# --- what goes through ----------------------------------------------------------------------------------------------------

SEAL = r"INSERT INTO audit_sealed VALUES (:idx, '\x00', 'k', 'p1')"
ROOT = r"UPDATE audit_head SET rooted = n, frontier = '\x01'"


@pytest.mark.parametrize("who", WRITERS)
def test_the_forged_entry_would_otherwise_pass(server: Server, own: str, who: str) -> None:
    """The attacks above fail for the reason they name: the same entry, laid out truly, goes in, and the row follows."""
    with sitting(server, own, who) as connection:
        forged = next_entry(connection)

        assert not refusal(connection, laid(), INSERT, **forged)

        found = connection.execute("SELECT version, last_idx FROM episode WHERE id = 'e1'").fetchone()
        assert found == (forged["epn"] + 1, forged["idx"])
        assert connection.execute("SELECT n, rooted FROM audit_head").fetchone() == (forged["idx"] + 1, forged["idx"])
        assert connection.execute("SELECT count(*) FROM episode_next").fetchone() == (0,)


@pytest.mark.parametrize(("laying", "moves"), [(NO_ROW, 0), (LAY_SITE, 1)], ids=["stays", "moves"])
def test_the_sites_forged_entry_would_otherwise_pass(server: Server, own: str, laying: str, moves: int) -> None:
    """The site's chain also holds what changed nothing; truly forged, both go in."""
    with sitting(server, own, APP) as app:
        forged = next_site_entry(app, moves=moves)
        version = json.loads(forged["entry"])["ver"]["after"]

        assert not refusal(app, laying, INSERT, **forged)
        assert app.execute("SELECT version FROM site_state").fetchone() == (version,)


def test_several_entries_of_one_commit_come_before_their_sealed_parts(server: Server, own: str) -> None:
    """What the tree does not hold yet is under way: its sealed parts may follow; once it is held, none may."""
    with sitting(server, own, APP) as app:
        one = next_entry(app)
        assert not refusal(app, laid(), INSERT, **one)
        two = next_entry(app, id="forged too")

        assert not refusal(app, laid(), INSERT, SEAL, ROOT, **two)
        assert refusal(app, SEAL, idx=one["idx"]) == RAISED


def test_the_app_locks_what_it_decides_on(server: Server, own: str) -> None:
    """Episodes, the site, persons and the head can be locked by whoever serves, although it may not change them."""
    with sitting(server, own, APP) as app:
        for table in ("episode", "person_state", "site_state", "audit_head", "timer"):
            assert not refusal(app, f"SELECT 1 FROM {table} FOR UPDATE")
        assert refusal(app, "SELECT 1 FROM audit_entry FOR UPDATE") == NO_RIGHT


def test_an_owner_can_switch_a_trigger_off(server: Server, own: str) -> None:
    """Stated, not prevented: whoever owns the tables can. Nobody logs in as the owner, and `verify` sees it."""
    with sitting(server, own, OWNER) as owner:
        assert not refusal(
            owner,
            "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_change",
            r"UPDATE audit_entry SET entry = '\x7b7d', leaf = sha256('\x007b7d'::bytea) WHERE idx = 3",
        )
        assert owner.execute("SELECT entry FROM audit_entry WHERE idx = 3").fetchone() == (b"{}",)
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(server.url(name_of(own), owner_of(name_of(own))))
