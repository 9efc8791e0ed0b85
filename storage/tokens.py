"""Secrets by which programs ask: what a token may do and until when; of the secret itself only its SHA-256.

A secret is 256 random bits, so its plain hash gives nothing away: there is no short list of them to try.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from engine.audit import instant, instant_from
from engine.errors import NotFound
from engine.model import Role
from storage.database import Database

COLUMNS = "id, secret_hash, actor, role, scopes, created_at, expires_at, revoked_at"
ADD = (
    f"INSERT INTO token ({COLUMNS}) VALUES "  # noqa: S608 - our own words
    "(:id, :secret_hash, :actor, :role, :scopes, :created_at, :expires_at, :revoked_at)"
)
ONE = f"SELECT {COLUMNS} FROM token WHERE id = :id"  # noqa: S608 - our own words
ALL = f"SELECT {COLUMNS} FROM token ORDER BY created_at, id"  # noqa: S608 - our own words
REVOKE = "UPDATE token SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"


class Scope(StrEnum):
    """What a token may be used for at all, whatever its role."""

    READ = "read"
    WRITE = "write"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token. `actor` is the pseudonym of a colleague, `role` the one they act in; `revoked_at` None: it stands."""

    id: str
    secret_hash: str = field(repr=False)
    actor: str
    role: Role
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_secret(self, secret: str) -> bool:
        """Say whether this is its secret, in the same time whatever is wrong with it."""
        return hmac.compare_digest(self.secret_hash, hash_of(secret))


def hash_of(secret: str) -> str:
    """Give what is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def add_token(database: Database, token: Token) -> None:
    """Keep a new token."""
    with database.writing() as connection:
        connection.execute(ADD, _row(token))


def find_token(database: Database, id_: str) -> Token | None:
    """Give a token, None where there is none of this id."""
    with database.reading() as connection:
        found = connection.execute(ONE, {"id": id_}).fetchone()
    return _token(found) if found else None


def all_tokens(database: Database) -> list[Token]:
    """Give every token, the oldest first, also those that are over."""
    with database.reading() as connection:
        return [_token(row) for row in connection.execute(ALL, {}).fetchall()]


def revoke_token(database: Database, id_: str, now: datetime) -> bool:
    """Take a token back for ever; False where that was done before. NotFound where there is none."""
    known = find_token(database, id_)
    if known is None:
        raise NotFound(what="token", name=id_[:40], remedy="`stepcare token list` shows those that are here")
    if known.revoked_at is not None:
        return False
    with database.writing() as connection:
        connection.execute(REVOKE, {"id": id_, "now": instant(now)})
    return True


def _row(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "secret_hash": token.secret_hash,
        "actor": token.actor,
        "role": token.role.value,
        "scopes": said(token.scopes),
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "revoked_at": instant(token.revoked_at) if token.revoked_at else None,
    }


def said(scopes: Iterable[Scope]) -> str:
    """Give scopes as they are written: words in their fixed order."""
    there = frozenset(scopes)
    return " ".join(one.value for one in Scope if one in there)


def _token(row: Any) -> Token:
    id_, secret_hash, actor, role, scopes, created_at, expires_at, revoked_at = row
    return Token(
        id=id_,
        secret_hash=secret_hash,
        actor=actor,
        role=Role(role),
        scopes=frozenset(Scope(one) for one in scopes.split()),
        created_at=instant_from(created_at),
        expires_at=instant_from(expires_at),
        revoked_at=instant_from(revoked_at) if revoked_at else None,
    )
