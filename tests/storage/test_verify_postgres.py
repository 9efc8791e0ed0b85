"""What `verify` finds on PostgreSQL: whoever switches the guards off and changes a byte is found out there too."""

# ruff: noqa: S608 - attacks are text

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from storage.tables import TABLES
from storage.verify import Verdict
from tests.storage.homes import Cluster, Home
from tests.storage.test_verify import COLUMNS, ROWS, named, other, verified


@pytest.fixture
def victim(lived_of: Callable[[str], Home], tmp_path: Path) -> Iterator[tuple[Cluster, Database]]:
    """Give a PostgreSQL database where a little of everything has happened, to do harm to."""
    home = lived_of("postgresql").copy(tmp_path / "victim")
    assert isinstance(home, Cluster)
    with closing(home.open()) as database:
        yield home, database
    home.drop()


def test_every_changed_column_is_found(victim: tuple[Cluster, Database]) -> None:
    """Each column of each table, changed in one row and put back: the entry concerned is named each time."""
    home, database = victim
    assert verified(database).verdict is Verdict.VERIFIED
    for table, column in COLUMNS:
        where, idx = ROWS[table]
        where = where.replace("x'7b7d'", "'\\x7b7d'::bytea") if table == "parameter_set" else where
        keys = [key.name for key in TABLES[table].primary_key]
        with home.unguarded() as connection:
            row = connection.execute(
                f'SELECT ctid, "{column}" FROM {table} WHERE {where.partition(" OR ")[0]}'
            ).fetchone()
            if row is None:
                row = connection.execute(f'SELECT ctid, "{column}" FROM {table}').fetchone()
            changed = f'UPDATE {table} SET "{column}" = :value WHERE ctid = :row RETURNING ctid'
            constraint = "audit_entry_leaf"
            if table == "audit_entry":
                connection.execute(f"ALTER TABLE audit_entry DROP CONSTRAINT {constraint}")
            (there,) = connection.execute(changed, {"value": other(row[1]), "row": row[0]}).fetchone()
        report = verified(database)
        assert report.verdict is Verdict.TAMPERED, (table, column)
        assert idx in named(report) or column in keys, (table, column, report.faults)
        with home.unguarded() as connection:
            connection.execute(changed, {"value": row[1], "row": there})
            if table == "audit_entry":
                check = "CHECK (leaf = sha256('\\x00'::bytea || entry))"
                connection.execute(f"ALTER TABLE audit_entry ADD CONSTRAINT {constraint} {check}")
        assert verified(database).verdict is Verdict.VERIFIED, (table, column)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_change",
            "TRIGGER audit_entry_no_change ON audit_entry",
        ),
        ("ALTER TABLE episode ENABLE REPLICA TRIGGER episode_steps", "TRIGGER episode_steps ON episode"),
        ("DROP TRIGGER audit_head_stays ON audit_head", "TRIGGER audit_head_stays ON audit_head"),
        (
            (
                "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
                "SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN NEW; END $$"
            ),
            "FUNCTION append_only",
        ),
        ("ALTER FUNCTION audit_entry_applied() SECURITY INVOKER", "FUNCTION audit_entry_applied"),
        ("ALTER FUNCTION audit_entry_applied() SET search_path = public", "FUNCTION audit_entry_applied"),
        ("ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_leaf", "audit_entry_leaf"),
        ("DROP INDEX audit_entry_site", "audit_entry_site"),
    ],
)
def test_a_guard_taken_away_is_found(victim: tuple[Cluster, Database], harm: str, said: str) -> None:
    """A database that no longer refuses what it must is not as it was made, and what is missing is named."""
    home, database = victim
    with psycopg.connect(home.server.administrator_of(home.address), autocommit=True) as connection:
        connection.execute(harm)

    assert [fault.reason for fault in verified(database).faults] == [
        f"The schema is not as it was made: {said} is missing or changed."
    ]
