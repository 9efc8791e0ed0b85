"""Who asks: a bearer token, and what its holder is at this moment.

A token names a colleague and one role. What counts is the register of colleagues as it is now: a role that was taken
away or a care team that was left ends what the token can do. What was looked up is remembered for five seconds, so
that most requests need no database; a revoked token works at most that long.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.access import READS, may_read
from engine.errors import NotFound
from engine.model import Actor
from stepcare.app import App
from stepcare.web.problem import BEARER, Problem
from storage.staff import Staff
from storage.tokens import Scope, find_token

REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 1024
SCHEME = re.compile(rb"[Bb]earer +sc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whose token was verified."""

    token: str
    actor: Actor
    scopes: frozenset[Scope]
    expires_at: datetime

    def require_scope(self, scope: Scope) -> None:
        """Refuse what the token was not made for."""
        if scope not in self.scopes:
            detail = f"This token was not made for {scope}: use one with that scope."
            raise Problem("scope-missing", detail, headers=BEARER)

    def reads(self, what: str) -> Actor:
        """Give who reads, if the role may read this kind of thing."""
        if not may_read(self.actor, what):
            allowed = ", ".join(sorted(READS.get(what, ())))
            raise Problem("refused", f"As {self.actor.role} you may not read {what}: ask one of {allowed}.")
        return self.actor


class Doorkeeper:
    """Verifies tokens. Threads may share it; it changes nothing but its memory."""

    def __init__(self, app: App, monotonic: Callable[[], float]) -> None:
        """Look tokens and colleagues up in `app`; `monotonic` (seconds) ends what is remembered."""
        self._app, self._monotonic = app, monotonic
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def remembered(self, header: bytes | None) -> Caller | None:
        """Give a caller who was verified a moment ago, None for one who must be looked up."""
        if header is None:
            raise Problem("unauthorized", headers=BEARER)
        found = self._known.get(hashlib.sha256(header).digest())
        if found is None or self._monotonic() - found[1] > REMEMBERED_SECONDS:
            return None
        return self._in_time(found[0])

    def look_up(self, header: bytes) -> Caller:
        """Verify a token against the database and the register of colleagues."""
        looked_at = self._monotonic()
        parts = SCHEME.fullmatch(header)
        token = find_token(self._app.database, parts[1].decode()) if parts else None
        if parts is None or token is None or not token.is_secret(parts[2].decode()) or token.revoked_at is not None:
            raise Problem("unauthorized", headers=BEARER)
        try:
            colleague = Staff(self._app.database).find(token.actor)
        except NotFound:
            raise Problem("role-gone") from None
        if token.role not in colleague.roles:
            raise Problem("role-gone")
        actor = Actor(id=colleague.id, role=token.role, teams=frozenset(colleague.teams))
        caller = Caller(token=token.id, actor=actor, scopes=token.scopes, expires_at=token.expires_at)
        self._in_time(caller)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[hashlib.sha256(header).digest()] = (caller, looked_at)
        return caller

    def _in_time(self, caller: Caller) -> Caller:
        if self._app.clock() >= caller.expires_at:
            raise Problem("token-expired", headers=BEARER)
        return caller
