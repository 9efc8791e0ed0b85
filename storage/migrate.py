"""Making a database, or bringing an old one up to this program's schema."""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from engine.audit import canonical, instant
from engine.errors import Unavailable
from storage.connection import Backend, Connection
from storage.database import SITE_REF, VERSIONS, backend_of, require_current, version_of
from storage.refs import new_ref
from storage.seal import Random
from storage.sqlite import DRIVER, Sqlite, hold
from storage.vault import Details, Vault
from storage.vault_key import KeyEncryptionKey, key_from_file

# The second log is named after the first: a new database's, or that of one which had no second log yet.
READS_HEAD = (
    "INSERT INTO access_head (id, n, rooted, frontier, first, base, origin) "
    "SELECT 1, 0, 0, :none, 0, :none, origin || '/access' FROM audit_head WHERE NOT EXISTS (SELECT 1 FROM access_head)"
)
FOUNDING_LOCK = 0x53437674  # PostgreSQL's advisory lock that migrations take turns by


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a new database is told once. `origin` names its log for ever, `zone` is the site's."""

    now: datetime
    origin: str = ""
    zone: str = "Europe/Berlin"


def migrate(
    where: str | Path,
    founding: Founding,
    *,
    random: Random,
    key: KeyEncryptionKey | None = None,
    vault: Path | None = None,
) -> str:
    """Make a database, or bring an old one up to this program's schema; gives the schema's version.

    Doing it again changes nothing, also after a crash at any point: the schema, the head and `meta` are one
    commit, and the vault is made after it, under the origin fixed there.
    """
    backend = backend_of(where, vault)
    backend.vault.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _alone(backend) as connection:
            _refuse_newer(connection, backend)
            _upgrade(connection, backend, founding, random)
            _join_vault(connection, backend, founding, random=random, key=key)
    except DBAPIError as error:
        raise backend.said(error.orig if isinstance(error.orig, Exception) else error) from error
    except backend.errors as error:
        raise backend.said(error) from error
    except OSError as error:
        raise Unavailable(
            f"{backend.place} could not be made ({error.strerror}): see to its disk and rights, then try again."
        ) from error
    return VERSIONS[-1]


@contextmanager
def _alone(backend: Backend) -> Generator[Connection, None, None]:
    """Give a connection while nobody else migrates; on SQLite nobody writes either."""
    if not isinstance(backend, Sqlite):
        connection = backend.connect()
        try:
            connection.execute("SELECT pg_advisory_lock(:lock)", {"lock": FOUNDING_LOCK})
            yield connection
        finally:
            connection.close()
        return
    file = backend.files.database
    if not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    held = hold(backend.files, alone=True)
    try:
        connection = backend.connect()
        try:
            yield connection
        finally:
            connection.close()
    finally:
        os.close(held)


def _refuse_newer(connection: Connection, backend: Backend) -> None:
    found = version_of(connection, backend)
    if found is not None and found not in VERSIONS:
        require_current(connection, backend)


def _upgrade(connection: Connection, backend: Backend, founding: Founding, random: Random) -> None:
    config = Config()
    # Options are read with %-interpolation, and a directory may hold a percent sign.
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with _transaction(connection, backend) as transaction:
        config.attributes["connection"] = transaction
        upgrade(config, "head")
        if transaction.exec_driver_sql("SELECT count(*) FROM audit_head").scalar_one() == 0:
            _found(transaction, founding, random)
        transaction.execute(text(READS_HEAD), {"none": b""})


@contextmanager
def _transaction(connection: Connection, backend: Backend) -> Generator[Any, None, None]:
    """Give the one transaction of a migration, as Alembic wants it."""
    if not isinstance(backend, Sqlite):
        with _as_owner(connection) as transaction:
            yield transaction
        return
    connection.execute("PRAGMA journal_mode = WAL")
    engine = create_engine("sqlite://", creator=lambda: connection, module=DRIVER, poolclass=StaticPool)
    with engine.begin() as transaction:
        transaction.exec_driver_sql("BEGIN IMMEDIATE")
        yield transaction


@contextmanager
def _as_owner(connection: Connection) -> Generator[Any, None, None]:
    """Act as the role that owns the database, from here on."""
    from storage.roles import ensure_roles, owner_of  # noqa: PLC0415 - PostgreSQL only

    inner: Any = connection.inner  # type: ignore[attr-defined]  # PostgreSQL's own
    name = inner.info.dbname
    ensure_roles(inner, name)
    inner.execute(f'SET ROLE "{owner_of(name)}"')
    inner.autocommit = False  # SQLAlchemy begins and commits
    engine = create_engine("postgresql+psycopg://", creator=lambda: inner, poolclass=StaticPool)
    with engine.begin() as transaction:
        yield transaction
    inner.rollback()
    inner.autocommit = True


def _found(transaction: Any, founding: Founding, random: Random) -> None:
    """Fix the origin, the time and the zone. The first decisions are made before anybody has set a parameter."""
    empty = canonical({})
    rows: tuple[tuple[str, dict[str, object]], ...] = (
        (
            "INSERT INTO audit_head (id, n, rooted, frontier, origin) VALUES (1, 0, 0, :frontier, :origin)",
            {"frontier": b"", "origin": founding.origin or f"stepcare/{new_ref('log', random)}"},
        ),
        (
            "INSERT INTO meta (id, created_at, vault, zone) VALUES (1, :now, '', :zone)",
            {"now": instant(founding.now), "zone": founding.zone},
        ),
        (
            "INSERT INTO parameter_set (sha256, bytes) VALUES (:sha, :bytes)",
            {"sha": hashlib.sha256(empty).hexdigest(), "bytes": empty},
        ),
    )
    for sql, values in rows:
        transaction.execute(text(sql), values)


def _join_vault(
    connection: Connection, backend: Backend, founding: Founding, *, random: Random, key: KeyEncryptionKey | None
) -> None:
    joined, origin = connection.execute("SELECT vault, origin FROM meta, audit_head").fetchone()
    if joined:
        return
    fresh = key or key_from_file(backend.key, random, create=not backend.vault.exists())
    vault = Vault.open(backend.vault, fresh, origin=origin, random=random, create=True)
    try:
        vault.add_person(SITE_REF, Details(name="the site itself"), founding.now)
        connection.execute("UPDATE meta SET vault = :vault", {"vault": vault.id})
    finally:
        vault.close()
