"""One request as the routes see it: who asks, what came, and the one way to answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from engine.compiled import Compiled
from engine.errors import InvalidInput, StepcareError
from engine.model import Actor
from stepcare.app import App
from stepcare.channels.configured import Configured
from stepcare.glass import require_open
from stepcare.noting import Reader, Shown, note
from stepcare.web.asked import Asked, body_of, key_of
from stepcare.web.auth import Caller, Doorkeeper
from stepcare.web.figures import Figures
from stepcare.web.problem import Headers, Problem, dumped, problem_of
from stepcare.web.unsaid import OURS, Unsaid, words_of
from storage.passwords import Tries
from storage.seal import Random
from storage.sight import whose

Body = TypeVar("Body", bound=Asked)
T = TypeVar("T")
MOST_PATHWAYS = 64


@dataclass(slots=True, kw_only=True)
class Service:
    """What all requests of a process share."""

    app: App
    doorkeeper: Doorkeeper
    figures: Figures
    random: Random
    tries: Tries
    published: Path | None = None
    demonstration: bool = False
    channels: Configured | None = None
    _words: dict[str, frozenset[str]] = field(default_factory=dict)
    _pathways: dict[str, bytes] = field(default_factory=dict)

    def words(self, compiled: Compiled) -> frozenset[str]:
        """Give the names a pathway knows."""
        return kept_for(self._words, compiled.hash, lambda: words_of(compiled.pathway))

    def pathway(self, sha256: str, make: Callable[[], bytes]) -> bytes:
        """Give a published pathway as it is shown; it never changes."""
        return kept_for(self._pathways, sha256, make)


def kept_for(memory: dict[str, T], name: str, make: Callable[[], T]) -> T:
    """Give what is remembered under a name, made once."""
    found = memory.get(name)
    if found is None:
        if len(memory) >= MOST_PATHWAYS:
            memory.clear()
        found = memory.setdefault(name, make())
    return found


@dataclass(slots=True, kw_only=True)
class Call:
    """One request. `caller` None: an open route. `episode` is what the request turned out to be about, for the log.

    `opening` is the break-glass entry it reads by, `noted` its own entry in the log of reads; None: there is none.
    """

    service: Service
    caller: Caller | None
    body: bytes
    headers: dict[bytes, bytes]
    path: dict[str, Any]
    query: bytes
    episode: str | None = None
    said: Any = None
    request: str = ""
    opening: int | None = None
    noted: int | None = None

    @property
    def app(self) -> App:
        """Give the assembled product."""
        return self.service.app

    @property
    def asker(self) -> Caller:
        """Give who asks; a route without one is open by mistake, and stays shut."""
        if self.caller is None:
            raise Problem("unauthorized")
        return self.caller

    def reads(self, what: str) -> Actor:
        """Give who reads, if they may read this kind of thing."""
        return self.asker.reads(what)

    def reads_episode(self, episode: str) -> Actor:
        """Give who reads one episode, if it is of their care teams; raises NotFound where there is none."""
        actor = self.reads("episode")
        person = self.sees(episode)
        self.looked("read.episode", persons=(person,), episodes=(episode,))
        return actor

    def sees(self, episode: str) -> str:
        """Give whose an episode is, if the caller may see it; Refused for one of another care team, NotFound for none."""
        team, person = whose(self.app.database, episode)
        self.opening = require_open(self.app, self.asker.actor, episode, team)
        self.episode = episode
        return person

    def looked(
        self,
        what: str,
        *,
        persons: Iterable[str] = (),
        episodes: Iterable[str] = (),
        query: Mapping[str, object] | None = None,
    ) -> None:
        """Note in the log of reads what this request shows; called before it is answered. NotNoted: it must not be.

        A request is one entry, whatever else it reads on its way.
        """
        if self.noted is None:
            caller = self.asker
            reader = Reader(actor=caller.actor, via=f"api:{caller.token}", request=self.request, opening=self.opening)
            self.noted = note(self.app, reader, what, Shown(persons=persons, episodes=episodes, query=query or {}))

    def asked(self, model: type[Body]) -> Body:
        """Read the body."""
        found, self.said = body_of(self.body, model)
        return found

    def key(self) -> str | None:
        """Give the idempotency key."""
        return key_of(self.headers.get(b"idempotency-key"))

    def required_key(self) -> str:
        """Give the idempotency key where nothing else keeps a repeated request from being done twice."""
        key = self.key()
        if key is None:
            raise Problem("key-required")
        return key

    def unsaid(self, compiled: Compiled | None) -> Unsaid:
        """Give what leaves the caller's own words out of sentences."""
        words = self.service.words(compiled) if compiled is not None else OURS
        own = {self.caller.actor.id, *self.caller.actor.teams} if self.caller else set()
        query = [value for _, value in parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)]
        heard = [self.said, list(self.path.values()), query]
        key = self.headers.get(b"idempotency-key", b"").decode("latin-1")
        return Unsaid([*heard, key], words | own)

    def problem(self, error: StepcareError) -> Problem:
        """Give an error as a problem; what is wrong with the input is said, without repeating it."""
        found = problem_of(error)
        if type(error) is InvalidInput:
            found.detail = self.unsaid(self.in_force()).sentence(str(error), found.detail)
        return found

    def in_force(self) -> Compiled | None:
        """Give the pathway new episodes run on, None where none is published."""
        site = self.app.store.site()
        sha256 = next(iter(site.pathways.values()), None)
        return self.app.engine.compiled(sha256) if sha256 else None

    def now(self) -> datetime:
        """Read the clock."""
        return self.app.clock()


def call_of(request: Request) -> Call:
    """Give the call behind a request, as the edge has made it."""
    call: Call = request.scope["stepcare"]
    call.path = request.path_params
    return call


def json_answer(value: Any, status: int = 200, headers: Headers = ()) -> Response:
    """Give JSON as it is: nothing is checked twice on its way out."""
    return bytes_answer(dumped(value), status, b"application/json", headers)


def bytes_answer(body: bytes, status: int, media: bytes, headers: Headers = ()) -> Response:
    """Give bytes of a media type."""
    response = Response(body, status)
    response.raw_headers = [
        (b"content-type", media),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    return response
