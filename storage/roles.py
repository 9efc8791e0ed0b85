"""Who may do what in a PostgreSQL database named D.

`D_owner` owns everything and cannot log in: migrations act as it, nobody else. `D_app` serves: it reads everything and
appends; what was appended it can neither change nor remove, nor can it alter a table or switch a trigger off.
`D_auditor` reads. The public may do nothing, not even connect.

Passwords are not ours: set them with `ALTER ROLE`, or let the server trust a socket or a certificate.
"""

import re
from collections.abc import Iterator

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Composed, Identifier

from engine.errors import Conflict, InvalidInput

# What the app may do to each table besides reading it. A column stands for a row lock (SELECT … FOR UPDATE asks for
# UPDATE on some column): the triggers refuse any use of it.
APP = {
    "access_entry": "INSERT",
    "access_head": "UPDATE (rooted, pruned_by, frontier, first, base)",
    "access_sealed": "INSERT",
    "access_seen": "",
    "audit_entry": "INSERT",
    "audit_head": "UPDATE (rooted, frontier)",
    "audit_sealed": "INSERT",
    "bucket": "INSERT, UPDATE, DELETE",
    "delivery_attempt": "INSERT",
    "delivery_receipt": "INSERT",
    "delivery_run": "INSERT",
    "digest": "INSERT, UPDATE",
    "due_item": "INSERT, UPDATE",
    "episode": "UPDATE (id)",
    "episode_next": "INSERT",
    "erasure": "INSERT, UPDATE (destroyed)",
    "feed": "INSERT, UPDATE",
    "idempotency": "INSERT, DELETE",
    "message": "INSERT, UPDATE",
    "meta": "",
    "pack": "INSERT",
    "parameter_set": "INSERT",
    "person_state": "INSERT, UPDATE",
    "pump_stat": "INSERT, UPDATE",
    "session": "INSERT, UPDATE, DELETE",
    "site_next": "INSERT",
    "site_state": "UPDATE (id)",
    "timer": "INSERT, UPDATE",
    "token": "INSERT, UPDATE",
    "worker": "INSERT, UPDATE, DELETE",
}
_NAME = re.compile(r"(?!pg_)[A-Za-z0-9_][A-Za-z0-9_.-]{0,54}")  # names of roles end at 63 characters
_MIGHTY = "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"


def owner_of(name: str) -> str:
    """Name the role that owns a database; InvalidInput for a database whose roles could not be named."""
    return f"{_checked(name)}_owner"


def app_of(name: str) -> str:
    """Name the role that the programs connect as."""
    return f"{_checked(name)}_app"


def auditor_of(name: str) -> str:
    """Name the role that only reads."""
    return f"{_checked(name)}_auditor"


def ensure_roles(connection: Connection, name: str) -> None:
    """Make the roles of a database where they are missing, and hand the database over to its owner.

    `connection` is an administrator's, to that database, in no transaction. Doing it again changes nothing. Conflict
    for a role of these names that may do more than it should.
    """
    try:
        with connection.transaction():
            for role, can_login in ((owner_of(name), False), (app_of(name), True), (auditor_of(name), True)):
                _ensure(connection, role, can_login=can_login)
            for statement in _handed_over(name):
                connection.execute(statement)
            for role in (app_of(name), auditor_of(name)):
                _refuse_membership(connection, role, name)
    except InsufficientPrivilege as error:
        raise InvalidInput(
            f"This role may not make the roles of the database {name}: migrate as a superuser, or as the database's "
            "owner with CREATEROLE and CREATEDB."
        ) from error


def grant(connection: Connection, name: str) -> None:
    """Let app and auditor do what they may do and nothing else, in the tables that are there.

    `connection` acts as the owner. Run after every migration, so that new tables and a database restored under
    another name have their grants.
    """
    there = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user"
    )
    for (table,) in there.fetchall():
        for statement in _granted(table, name):
            connection.execute(statement)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"No roles can be named after the database {name[:70]!r}: give it at most 55 letters, digits, _ . or -, not "
            "beginning with pg_."
        )
    return name


def _ensure(connection: Connection, role: str, *, can_login: bool) -> None:
    found = connection.execute(
        f"SELECT {_MIGHTY}, rolcanlogin FROM pg_roles WHERE rolname = %s",  # noqa: S608 - our own words
        (role,),
    ).fetchone()
    login = "LOGIN" if can_login else "NOLOGIN"
    if found is None:
        connection.execute(SQL("CREATE ROLE {} {}").format(Identifier(role), SQL(login)))
    elif found != (False, can_login):
        raise Conflict(
            f'The role {role} of this server may do more or less than it should: run ALTER ROLE "{role}" {login} '
            "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS, then migrate again."
        )


def _refuse_membership(connection: Connection, role: str, name: str) -> None:
    """Refuse a role that can act as a mightier one, or by a right of the whole server."""
    found = connection.execute(
        f"SELECT rolname FROM pg_roles WHERE ({_MIGHTY} OR rolname = %(owner)s "  # noqa: S608 - our own words
        "OR left(rolname, 3) = 'pg_') AND pg_has_role(%(role)s, oid, 'MEMBER') ORDER BY rolname",
        {"owner": owner_of(name), "role": role},
    ).fetchone()
    if found is not None:
        raise Conflict(
            f'The role {role} may act as {found[0]}, and so do more than it should: run REVOKE "{found[0]}" FROM '
            f'"{role}", then migrate again.'
        )


def _handed_over(name: str) -> Iterator[Composed]:
    database, owner, app, auditor = (Identifier(one) for one in (name, owner_of(name), app_of(name), auditor_of(name)))
    # Whoever migrates acts as the owner; those who serve never can.
    yield SQL("GRANT {} TO CURRENT_USER").format(owner)
    yield SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner)
    yield SQL("ALTER SCHEMA public OWNER TO {}").format(owner)
    yield SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}, {}").format(database, app, auditor)
    yield SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC, {}, {}").format(app, auditor)
    yield SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(database, app, auditor)
    yield SQL("GRANT USAGE ON SCHEMA public TO {}, {}").format(app, auditor)


def _granted(table: str, name: str) -> Iterator[Composed]:
    there, app, auditor = (Identifier(one) for one in (table, app_of(name), auditor_of(name)))
    yield SQL("REVOKE ALL ON TABLE {} FROM PUBLIC, {}, {}").format(there, app, auditor)
    yield SQL("GRANT SELECT ON TABLE {} TO {}, {}").format(there, app, auditor)
    if APP.get(table):
        yield SQL("GRANT {} ON TABLE {} TO {}").format(SQL(APP[table]), there, app)
