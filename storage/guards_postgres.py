"""Whether a PostgreSQL database is as its schema was made: what is gone or changed, and what was added.

Whatever stands in `public` beside our own tables could do something of its own with what is written, so it is named;
extensions of the operator's belong in a schema of their own.
"""

# ruff: noqa: S608 - the SQL is made of our own words; nothing here comes from outside

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import UniqueConstraint

from storage import schema_postgres
from storage.connection import Connection
from storage.tables import TABLES

_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION public\.(\w+)\(\).*?AS \$\$(.*?)\$\$", re.DOTALL)
_TRIGGER = re.compile(
    r"CREATE TRIGGER (\w+) (\w+) ([A-Z ]+) ON (\w+) FOR EACH (\w+) EXECUTE FUNCTION public\.(\w+)\(\)", re.DOTALL
)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+)")
_CHECK = re.compile(r"CONSTRAINT (\w+) (CHECK \(.*\)),?$", re.MULTILINE)
# What the server adds to an index or a condition when it shows it.
_SHOWN = re.compile(r'USING btree|public\.|::text|[()"\s]')
# When a trigger runs, as pg_trigger.tgtype has it.
_BITS = {"ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}

OURS = "relnamespace = 'public'::regnamespace"
MIGRATIONS = "alembic_version"  # Alembic's own table
FUNCTIONS = (
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef AND pronargs = 0 "
    "AND proconfig = ARRAY['search_path=pg_catalog, pg_temp']"
)
TRIGGERS = (
    "SELECT t.tgname, c.relname, t.tgtype::int, p.proname "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
    f"WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND c.{OURS} AND p.pronamespace = 'public'::regnamespace "
    "AND t.tgqual IS NULL AND t.tgnargs = 0 AND t.tgattr::text = '' AND t.tgconstraint = 0"
)
INDEXES = (
    "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
    f"WHERE c.{OURS} AND i.indisvalid AND i.indisready AND i.indislive"
)
CHECKS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND contype = 'c' AND convalidated"
)
COLUMNS = (
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    f"WHERE c.{OURS} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
)
PERSISTENCE = f"SELECT relname, relpersistence FROM pg_class WHERE {OURS} AND relkind = 'r'"

# Triggers of foreign keys are the server's own; nothing else may pass for one.
ALL_TRIGGERS = (
    "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    f"JOIN pg_proc p ON p.oid = t.tgfoid WHERE c.{OURS} AND NOT (t.tgisinternal "
    "AND p.pronamespace = 'pg_catalog'::regnamespace AND left(p.proname, 8) = 'RI_FKey_')"
)
ALL_FUNCTIONS = "SELECT proname, pronargs FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
ALL_RELATIONS = f"SELECT relname, relkind FROM pg_class WHERE {OURS}"
ALL_CHECKS = (
    "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'x', 't')"
)
# Each gives the name of something that there must be none of.
NONE_OF = (
    (
        "SELECT 'rule ' || r.rulename || ' on ' || c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class "
        f"WHERE c.{OURS} AND c.relkind = 'r'"
    ),
    (
        "SELECT 'row security policy ' || p.polname || ' on ' || c.relname FROM pg_policy p "
        f"JOIN pg_class c ON c.oid = p.polrelid WHERE c.{OURS}"
    ),
    f"SELECT 'row security on ' || relname FROM pg_class WHERE {OURS} AND (relrowsecurity OR relforcerowsecurity)",
    (
        "SELECT 'table ' || h.inhrelid::regclass || ' that is read as part of ' || c.relname FROM pg_inherits h "
        f"JOIN pg_class c ON c.oid = h.inhparent WHERE c.{OURS} AND c.relkind IN ('r', 'p')"
    ),
)
_KINDS = {"v": "view", "m": "view", "i": "index", "I": "index", "S": "sequence", "c": "type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What our own statements make: functions by name, triggers, indexes and conditions as the server shows them."""

    functions: Mapping[str, str]
    triggers: frozenset[tuple[str, str, int, str]]
    indexes: Mapping[str, str]
    checks: Mapping[str, str]
    columns: frozenset[tuple[str, str]]


@cache
def made() -> Made:
    """Give what there must be, read from the statements that make it."""
    functions: dict[str, str] = {}
    triggers: set[tuple[str, str, int, str]] = set()
    indexes: dict[str, str] = {}
    checks: dict[str, str] = {}
    for statement in schema_postgres.statements():
        functions |= {name: _words(body) for name, body in _FUNCTION.findall(statement)}
        for name, moment, events, table, each, function in _TRIGGER.findall(statement):
            bits = sum(_BITS.get(word, 0) for word in (each, moment, *events.split(" OR ")))
            triggers.add((name, table, bits, function))
        indexes |= {name: _plain(statement) for name in _INDEX.findall(statement)}
        checks |= {name: _plain(condition) for name, condition in _CHECK.findall(statement)}
    return Made(
        functions=functions,
        triggers=frozenset(triggers),
        indexes={**indexes, **dict(_keys())},
        checks=checks,
        columns=frozenset((name, column.name) for name, table in TABLES.items() for column in table.columns),
    )


def _keys() -> Iterator[tuple[str, str]]:
    """Give the indexes of primary and unique keys, under the names the server gives them."""
    for table in TABLES.values():
        yield _key(f"{table.name}_pkey", table.name, [column.name for column in table.primary_key])
        for one in table.constraints:
            if isinstance(one, UniqueConstraint):
                names = [column.name for column in one.columns]
                yield _key(f"{table.name}_{'_'.join(names)}_key", table.name, names)


def _key(name: str, table: str, columns: list[str]) -> tuple[str, str]:
    return name, _plain(f"CREATE UNIQUE INDEX {name} ON {table} ({', '.join(columns)})")


def missing(connection: Connection) -> Iterator[str]:
    """Name what is gone, changed or switched off."""
    ours = made()
    functions = {(name, _words(body)) for name, body in connection.execute(FUNCTIONS)}
    yield from (f"FUNCTION {name}" for name, body in ours.functions.items() if (name, body) not in functions)
    triggers = set(connection.execute(TRIGGERS))
    yield from (f"TRIGGER {one[0]} ON {one[1]}" for one in sorted(ours.triggers - triggers))
    for query, wanted in ((INDEXES, ours.indexes), (CHECKS, ours.checks)):
        shown = {name: _plain(text) for name, text in connection.execute(query)}
        yield from (name for name, text in wanted.items() if shown.get(name) != text)
    columns = set(connection.execute(COLUMNS))
    yield from (f"COLUMN {name} OF {table}" for table, name in sorted(ours.columns - columns))
    lasting = dict(connection.execute(PERSISTENCE).fetchall())
    for table in TABLES:
        if lasting.get(table) != ("u" if table in schema_postgres.UNLOGGED else "p"):
            yield f"TABLE {table}"


def added(connection: Connection) -> Iterator[str]:
    """Name what is not ours: triggers, functions, rules, tables, views, indexes, columns, policies."""
    ours = made()
    hung = {(name, table) for name, table, *_ in ours.triggers}
    found = sorted(set(connection.execute(ALL_TRIGGERS)) - hung)
    yield from (f"trigger {name} on {table}" for name, table in found)
    for name, arguments in sorted(connection.execute(ALL_FUNCTIONS)):
        if name not in ours.functions or arguments:
            yield f"function {name} of {arguments} arguments"
    for name, kind in sorted(connection.execute(ALL_RELATIONS)):
        known = name in ours.indexes or name == f"{MIGRATIONS}_pkc" if kind == "i" else name in (*TABLES, MIGRATIONS)
        if not known or kind not in ("i", "r"):
            yield f"{_KINDS.get(kind, 'table')} {name}"
    yield from (f"condition {name}" for (name,) in sorted(connection.execute(ALL_CHECKS)) if name not in ours.checks)
    for table, name in sorted(set(connection.execute(COLUMNS)) - ours.columns):
        if table in TABLES:
            yield f"column {name} of {table}"
    for query in NONE_OF:
        yield from (name for (name,) in sorted(connection.execute(query)))


def _words(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    return _SHOWN.sub("", text)
