"""One request for a page as the routes see it: who asks, what was typed, and what must be noted before it is shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.access import may_read
from engine.model import Actor
from stepcare.app import App
from stepcare.glass import require_open
from stepcare.noting import Reader, Shown, note
from stepcare.pages.frame import Frame, page
from stepcare.web.auth import Caller
from stepcare.web.call import Service
from stepcare.web.problem import Problem
from storage.sessions import Session
from storage.sight import whose

# The parts of the working place, each with its address and what a role must be able to read for it to be there.
PARTS = (
    ("Worklist", "/worklist", "lists"),
    ("Caseload", "/caseload", "lists"),
    ("Audit log", "/log-book", "log"),
    ("Pathway", "/pathway", "pathway"),
    ("Due work", "/due-work", "pathway"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody who is signed in. `csrf` is the word their forms must hold."""

    session: Session
    caller: Caller
    name: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request. `signed` None: nobody is signed in. `opening` is the break-glass entry it reads by."""

    service: Service
    request: str
    nonce: str
    headers: dict[bytes, bytes]
    signed: SignedIn | None = None
    form: dict[str, list[str]] = field(default_factory=dict)
    opening: int | None = None
    noted: int | None = None

    @property
    def app(self) -> App:
        """Give the assembled product."""
        return self.service.app

    @property
    def actor(self) -> Actor:
        """Give who asks."""
        if self.signed is None:
            raise Problem("unauthorized")
        return self.signed.caller.actor

    @property
    def via(self) -> str:
        """Say how a command came in."""
        return f"page:{self.signed.session.short}" if self.signed else "page"

    def now(self) -> datetime:
        """Read the clock."""
        return self.app.clock()

    def is_secure(self, scheme: str) -> bool:
        """Say whether the browser came over TLS, here or at the proxy before us."""
        return scheme == "https" or self.headers.get(b"x-forwarded-proto", b"").startswith(b"https")

    def field(self, name: str) -> str:
        """Give what was typed into a field, trimmed; empty where it was not sent."""
        return self.form.get(name, [""])[-1].strip()

    def reads(self, what: str) -> Actor:
        """Give who reads, if the role may read this kind of thing."""
        if not may_read(self.actor, what):
            raise Problem("refused", f"As {self.actor.role.replace('_', ' ')} you may not read this.")
        return self.actor

    def reads_episode(self, episode: str) -> Actor:
        """Give who reads one episode, if it is of their care teams, and note it; NotFound where there is none."""
        actor = self.reads("episode")
        team, person = whose(self.app.database, episode)
        self.opening = require_open(self.app, actor, episode, team)
        self.looked("read.episode", persons=(person,), episodes=(episode,))
        return actor

    def looked(
        self,
        what: str,
        *,
        persons: Iterable[str] = (),
        episodes: Iterable[str] = (),
        query: Mapping[str, object] | None = None,
    ) -> None:
        """Note in the log of reads what this page shows, before it is shown; a page is one entry."""
        if self.noted is None:
            reader = Reader(actor=self.actor, via=self.via, request=self.request, opening=self.opening)
            self.noted = note(self.app, reader, what, Shown(persons=persons, episodes=episodes, query=query or {}))

    def of_frame(self) -> dict[str, Any]:
        """Give what every page's frame says of who is signed in."""
        if self.signed is None:
            return {"demonstration": self.service.demonstration}
        actor = self.signed.caller.actor
        return {
            "who": self.signed.name,
            "role": actor.role.value,
            "csrf": self.signed.csrf,
            "parts": tuple((name, address) for name, address, what in PARTS if may_read(actor, what)),
            "demonstration": self.service.demonstration,
        }

    def page(self, template: str, title: str, part: str = "", status: int = 200, **said: Any) -> Response:
        """Make a page of ours."""
        frame = Frame(
            title=title, part=part, zone=self.app.store.site().zone, now=self.now(), nonce=self.nonce, **self.of_frame()
        )
        return Response(page(template, frame, **said), status, media_type="text/html")


def visit_of(request: Request) -> Visit:
    """Give the visit behind a request, as the edge has made it."""
    visit: Visit = request.scope["stepcare.visit"]
    return visit


def see_other(address: str) -> Response:
    """Send the browser on after a form, so that reloading repeats nothing."""
    return Response(status_code=303, headers={"location": address})


Handler = Callable[[Visit, Request], Response]
