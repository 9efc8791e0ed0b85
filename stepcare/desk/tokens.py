"""Tokens: made for a colleague, listed without their secrets, taken back."""

import base64
import os
from dataclasses import dataclass
from datetime import timedelta

from engine.audit import instant
from engine.errors import InvalidInput, Refused, near
from engine.model import Json, Role
from stepcare.desk.opened import Desk, opened
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing, note
from storage.staff import Colleague
from storage.tokens import Scope, Token, add_token, all_tokens, hash_of, revoke_token, said

MOST_DAYS = 366
SECRET_BYTES = 32
ONCE = "The secret is shown this once and kept nowhere: give it to the program now."
COLUMNS = (
    Column(key="id", title="ID", whole=True),
    Column(key="actor", title="FOR"),
    Column(key="role", title="ROLE"),
    Column(key="scopes", title="SCOPES"),
    Column(key="status", title="STATUS"),
    Column(key="expires_at", title="EXPIRES", say=lambda value: str(value)[:10]),
    Column(key="created_at", title="MADE", say=lambda value: str(value)[:10]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked of `token add`. `role` None: the only one they hold."""

    actor: str
    role: str | None
    scopes: tuple[str, ...]
    days: int


def add(options: Options, wanted: Wanted) -> None:
    """Make a token and show its secret, once."""
    scopes = frozenset(_scope(one) for one in wanted.scopes)
    if not 1 <= wanted.days <= MOST_DAYS:
        raise InvalidInput(f"A token lasts 1 to {MOST_DAYS} days, not {wanted.days}: make a new one before it expires.")
    with opened(options) as desk:
        now = desk.app.clock()
        secret = base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).rstrip(b"=").decode()
        token = Token(
            id=os.urandom(6).hex(),
            secret_hash=hash_of(secret),
            actor=wanted.actor,
            role=_role(desk.staff.find(wanted.actor), wanted.role),
            scopes=scopes,
            created_at=now,
            expires_at=now + timedelta(days=wanted.days),
        )
        if options.dry_run:
            note(f"Dry run: no token was made for {token.actor} as {token.role}.")
            return
        add_token(desk.app.database, token)
        row = {**_row(desk, token), "token": f"sc_{token.id}_{secret}"}
    whom = f"{token.actor} as {token.role}, for {said(scopes)}, until {token.expires_at:%Y-%m-%d}"
    emit_thing(options.output, row, lambda: [f"✓ Token {token.id} for {whom}:", str(row["token"])])
    note(ONCE)


def _role(colleague: Colleague, role: str | None) -> Role:
    if role is None:
        if len(colleague.roles) > 1:
            raise InvalidInput(f"{colleague.id} holds several roles: say --role, one of {', '.join(colleague.roles)}.")
        return colleague.roles[0]
    if role not in colleague.roles:
        raise Refused(f"{colleague.id} does not act as {role[:40]}: {colleague.id} is {', '.join(colleague.roles)}.")
    return Role(role)


def _scope(typed: str) -> Scope:
    if typed not in tuple(Scope):
        raise InvalidInput(f"There is no scope {typed[:40]!r}. {near(typed, tuple(Scope))}")
    return Scope(typed)


def list_tokens(options: Options) -> None:
    """List tokens, without their secrets."""
    with opened(options) as desk:
        rows = [_row(desk, token) for token in all_tokens(desk.app.database)]
    emit_rows(options.output, rows, COLUMNS, "There are no tokens: make one with `stepcare token add --for ann`.")


def revoke(options: Options, id_: str) -> None:
    """Take a token back."""
    with opened(options) as desk:
        if options.dry_run:
            note(f"Dry run: token {id_[:40]} would be revoked.")
            return
        changed = revoke_token(desk.app.database, id_, desk.app.clock())
    row: dict[str, Json] = {"id": id_, "changed": changed}
    emit_thing(options.output, row, lambda: [f"✓ Token {id_} is revoked." if changed else f"{id_} was revoked before."])


def _row(desk: Desk, token: Token) -> dict[str, Json]:
    now = desk.app.clock()
    status = "revoked" if token.revoked_at else "expired" if token.expires_at <= now else "valid"
    return {
        "id": token.id,
        "actor": token.actor,
        "role": token.role.value,
        "scopes": list[Json](said(token.scopes).split()),
        "status": status,
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "revoked_at": instant(token.revoked_at) if token.revoked_at else None,
    }
