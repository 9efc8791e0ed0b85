"""Whether a database still refuses what it must: a trigger that was dropped or switched off says nothing by itself."""

import re
from collections.abc import Iterator

from storage.connection import Backend, Connection
from storage.schema import statements
from storage.sqlite import Sqlite

_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION public\.(\w+)\(\).*?AS \$\$(.*?)\$\$", re.DOTALL)
_TRIGGER = re.compile(r"CREATE TRIGGER (\w+) .*? ON (\w+) FOR EACH (\w+) EXECUTE FUNCTION public\.(\w+)\(\)", re.DOTALL)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+)")
FUNCTIONS = (
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef "
    "AND proconfig = ARRAY['search_path=pg_catalog, pg_temp']"
)
TRIGGERS = (
    "SELECT t.tgname, c.relname, CASE WHEN t.tgtype & 1 = 1 THEN 'ROW' ELSE 'STATEMENT' END, p.proname "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND c.relnamespace = 'public'::regnamespace"
)
INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
CHECKS = (
    "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype = 'c' AND convalidated"
)


def missing(connection: Connection, backend: Backend) -> Iterator[str]:
    """Name every table, index, function and trigger that is gone, changed or switched off."""
    return _missing_in_sqlite(connection) if isinstance(backend, Sqlite) else _missing_in_postgres(connection)


def _missing_in_sqlite(connection: Connection) -> Iterator[str]:
    here = {_words(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    for statement in statements():
        if _words(statement) not in here:
            yield " ".join(statement.split()[:3])


def _missing_in_postgres(connection: Connection) -> Iterator[str]:
    from storage import schema_postgres  # noqa: PLC0415 - PostgreSQL only

    functions = {(name, _words(body)) for name, body in connection.execute(FUNCTIONS)}
    triggers = set(connection.execute(TRIGGERS))
    named = {name for query in (INDEXES, CHECKS) for (name,) in connection.execute(query)}
    for statement in schema_postgres.statements():
        for name, body in _FUNCTION.findall(statement):
            if (name, _words(body)) not in functions:
                yield f"FUNCTION {name}"
        for found in _TRIGGER.findall(statement):
            if found not in triggers:
                yield f"TRIGGER {found[0]} ON {found[1]}"
        for name in (*_INDEX.findall(statement), *re.findall(r"CONSTRAINT (\w+) CHECK", statement)):
            if name not in named:
                yield f"{name}"


def _words(statement: str) -> str:
    return " ".join(statement.split())
