"""Who is signed in: sessions on the server, so that one can be ended at once. Of the secret itself only its SHA-256.

A session ends when nobody has used it for a while, at the latest after a working day, and whenever somebody says so.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.audit import instant, instant_from
from engine.model import Role
from storage.database import Database
from storage.seal import Random
from storage.tokens import hash_of

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)  # how exactly it is kept when a session was last used
COLUMNS = "secret_hash, actor, role, made_at, seen_at, ended_at"
ADD = (
    f"INSERT INTO session ({COLUMNS}) VALUES "  # noqa: S608 - our own words
    "(:secret_hash, :actor, :role, :made_at, :seen_at, NULL)"
)
ONE = f"SELECT {COLUMNS} FROM session WHERE secret_hash = :secret_hash"  # noqa: S608 - our own words
SEEN = "UPDATE session SET seen_at = :now WHERE secret_hash = :secret_hash AND ended_at IS NULL"
END = "UPDATE session SET ended_at = :now WHERE secret_hash = :secret_hash AND ended_at IS NULL"
END_ALL = "UPDATE session SET ended_at = :now WHERE actor = :actor AND ended_at IS NULL"
OLD = "DELETE FROM session WHERE made_at < :before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in. `actor` is the colleague's pseudonym, `role` the one they act in; `ended_at` None: it was not ended."""

    secret_hash: str = field(repr=False)
    actor: str
    role: Role
    made_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether it can be used no longer: ended, idle for too long, or a working day old."""
        return self.ended_at is not None or now - self.seen_at > IDLE or now - self.made_at > LONGEST

    @property
    def short(self) -> str:
        """Name it where people list sessions; nobody can use it by that."""
        return self.secret_hash[:12]


def begin(database: Database, actor: str, role: Role, now: datetime, random: Random) -> str:
    """Sign somebody in; gives the secret, which is shown to their browser and kept nowhere. Old sessions go."""
    secret = random(32).hex()
    row = {"secret_hash": hash_of(secret), "actor": actor, "role": role.value, "made_at": instant(now)}
    with database.writing() as connection:
        connection.execute(OLD, {"before": instant(now - 30 * LONGEST)})
        connection.execute(ADD, {**row, "seen_at": instant(now)})
    return secret


def session_of(database: Database, secret: str, now: datetime) -> Session | None:
    """Give the session of a secret and keep that it was used; None where there is none or it is over."""
    with database.reading() as connection:
        found = connection.execute(ONE, {"secret_hash": hash_of(secret)}).fetchone()
    session = _session(found) if found else None
    if session is None or session.is_over(now):
        return None
    if now - session.seen_at > SEEN_EVERY:
        _change(database, SEEN, secret_hash=session.secret_hash, now=instant(now))
    return session


def end(database: Database, session: Session, now: datetime) -> None:
    """Sign out."""
    _change(database, END, secret_hash=session.secret_hash, now=instant(now))


def end_all(database: Database, actor: str, now: datetime) -> None:
    """Sign somebody out everywhere: their role was taken away, or their password was changed."""
    _change(database, END_ALL, actor=actor, now=instant(now))


def _change(database: Database, statement: str, **values: object) -> None:
    with database.writing() as connection:
        connection.execute(statement, values)


def _session(row: Any) -> Session:
    secret_hash, actor, role, made_at, seen_at, ended_at = row

    return Session(
        secret_hash=secret_hash,
        actor=actor,
        role=Role(role),
        made_at=instant_from(made_at),
        seen_at=instant_from(seen_at),
        ended_at=instant_from(ended_at) if ended_at else None,
    )
