"""Whether a database is still as it was made.

A guard that was dropped or switched off says nothing by itself; neither does a trigger of somebody else's that
swallows a row, or an index that hides one.
"""

import re
from collections.abc import Iterator

from storage.connection import Backend, Connection
from storage.schema import statements
from storage.sqlite import Sqlite

_NAMED = re.compile(r"CREATE (?:UNIQUE )?(\w+) (\w+)")
_OF_A_KEY = re.compile(r"sqlite_autoindex_(\w+)_\d+")
# What others keep in the file by right: Alembic's table, and the statistics that ANALYZE makes.
OTHERS = (
    (
        "CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num) )"
    ),
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
)
SCHEMA = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
MOST_SAID = 20
# Every page, every row and every index entry; it names tables, indexes and pages, never what a row says.
SOUND = f"PRAGMA integrity_check({MOST_SAID})"
LONGEST = 100


def missing(connection: Connection, backend: Backend) -> Iterator[str]:
    """Name every table, index, function and trigger that is gone, changed or switched off."""
    if isinstance(backend, Sqlite):
        here = {_words(sql) for _, _, sql in connection.execute(SCHEMA) if sql is not None}
        yield from (" ".join(one.split()[:3]) for one in statements() if _words(one) not in here)
        return
    from storage import guards_postgres  # noqa: PLC0415 - PostgreSQL only

    yield from guards_postgres.missing(connection)


def added(connection: Connection, backend: Backend) -> Iterator[str]:
    """Name every table, view, index, function, trigger, rule and policy that is not ours."""
    if isinstance(backend, Sqlite):
        yield from _added_to_sqlite(connection)
        return
    from storage import guards_postgres  # noqa: PLC0415 - PostgreSQL only

    yield from guards_postgres.added(connection)


def unsound(connection: Connection, backend: Backend) -> Iterator[str]:
    """Give what SQLite says of its own file: damaged pages, and indexes that do not have what their tables have.

    Nothing on PostgreSQL, which looks at its files with an extension that is not there by default.
    """
    if isinstance(backend, Sqlite):
        yield from (said for (said,) in connection.execute(SOUND) if said != "ok")


def _added_to_sqlite(connection: Connection) -> Iterator[str]:
    ours = {_words(one) for one in (*statements(), *OTHERS)}
    named = {_named(one) for one in statements()}
    keyed = named | {("TABLE", "alembic_version")}
    for kind, name, sql in connection.execute(SCHEMA).fetchall():
        if sql is None:
            of_a_key = _OF_A_KEY.fullmatch(name)
            known = kind == "index" and of_a_key is not None and ("TABLE", of_a_key[1]) in keyed
        else:
            # By what the statement makes: the columns beside it could say anything. What has a name of ours and other
            # words is missing, and said so already.
            known = _words(sql) in ours or (_named(sql) in named and _named(sql)[1] == name)
        if not known:
            yield f"{kind} {name}"[:LONGEST]


def _named(statement: str) -> tuple[str, str]:
    found = _NAMED.match(_words(statement))
    return (found[1].upper(), found[2]) if found else ("", "")


def _words(statement: str) -> str:
    return " ".join(statement.split())
