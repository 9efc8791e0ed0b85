"""Who may sit at a PostgreSQL database, and what it says to them."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from storage.postgres import Session
from storage.roles import owner_of
from tests.servers import Server, name_of

APP, AUDITOR, OWNER, SUPERUSER, REPLICA = "app", "auditor", "owner", "superuser", "replica"
WHO = (APP, AUDITOR, OWNER, SUPERUSER, REPLICA)


@contextmanager
def sitting(server: Server, url: str, who: str) -> Generator[Session, None, None]:
    """Give a connection of somebody who does not use our code, by what they may do."""
    address = {APP: url, AUDITOR: server.auditor_of(url)}.get(who, server.administrator_of(url))
    inner = psycopg.connect(address, autocommit=True)
    inner.execute("SET search_path = public, pg_temp")
    inner.execute("SET lock_timeout = '20s'")
    if who == OWNER:
        inner.execute(f'SET ROLE "{owner_of(name_of(url))}"')
    if who == REPLICA:
        inner.execute("SET session_replication_role = replica")
    with closing(Session(inner)) as session:
        yield session


def refusal(connection: Session, *statements: str, **values: Any) -> str:
    """Run statements in one transaction and commit; give the state of the refusal, empty where there was none."""
    connection.execute("BEGIN")
    try:
        for statement in statements:
            connection.execute(statement, values if ":" in statement else None)
        connection.execute("COMMIT")
    except psycopg.Error as error:
        connection.execute("ROLLBACK")
        return error.sqlstate or "?"
    return ""
