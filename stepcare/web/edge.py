"""The outermost layer: nothing reaches a route unmeasured, unlogged, unlimited or unknown.

Plain ASGI, because every request pays for it. In order: an id for the request, limits, who asks, the body whole;
then the routes; then, whatever happened, one log line and the figures. A path that is not listed as open needs a
token before anything else is said about it, even whether it exists.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from anyio.to_thread import run_sync
from structlog.contextvars import bind_contextvars, clear_contextvars

from engine.errors import StepcareError
from stepcare.web.auth import Caller
from stepcare.web.call import Call, Service
from stepcare.web.problem import MEDIA, Problem, problem_of
from storage.tokens import Scope

log = structlog.get_logger("stepcare.web")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = frozenset({"/healthz", "/readyz"})
METRICS = "/metrics"
FEEDS = "/feeds/"  # a calendar program can send no token: the address is the secret, and its route looks at it
OUTSIDE = ("/hooks/receipts/", "/u/")  # signed, or the address is the secret: their routes look at it, too
FORMS = "/u/"  # a mail program posts a form there (RFC 8058); nothing of it is read
READING = ("GET", "HEAD", "OPTIONS")
MOST_BODY = 256 * 1024
MOST_HEADERS = 64
MOST_HEADER_BYTES = 16 * 1024
MOST_PATH = 1024
BODY_SECONDS = 10.0
MOST_AT_ONCE = 400  # requests in flight in one process; what waits longer is better asked again
UNKNOWN = "unknown"  # the route of what has none
# A UUID or plain hex: whoever sends one can say nothing with it.
REQUEST_ID = re.compile(rb"[0-9a-f]{16,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JSON = re.compile(rb"application/json *(; *charset *= *\"?utf-8\"?)? *", re.IGNORECASE)
SINGLE = (b"authorization", b"if-match", b"idempotency-key", b"content-type", b"content-length")
SECURITY = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Edge:
    """An ASGI application around another one, `inner`. `service` gives what the process shares, once it is there."""

    def __init__(self, inner: App, service: Callable[[], Service], monotonic: Callable[[], float]) -> None:
        """Wrap the routes; `monotonic` (seconds) measures."""
        self._inner, self._service, self._monotonic = inner, service, monotonic
        self._at_once = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        await _Exchange(self._service(), scope, receive, send).answer(self)

    async def within(self, exchange: "_Exchange") -> None:
        """Let a request through to the routes, unless too many are there."""
        if self._at_once >= MOST_AT_ONCE:
            raise Problem("busy", headers=((b"retry-after", b"1"),))
        self._at_once += 1
        try:
            await exchange.admit()
            await self._inner(exchange.scope, exchange.receive, exchange.send)
        finally:
            self._at_once -= 1

    def now(self) -> float:
        """Give the monotonic clock's seconds."""
        return self._monotonic()


class _Exchange:
    """One request and its response."""

    __slots__ = ("_send", "call", "headers", "receive", "request", "scope", "service", "status")

    def __init__(self, service: Service, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.service, self.scope, self.receive, self._send = service, scope, receive, send
        self.headers: dict[bytes, bytes] = {}
        self.call: Call | None = None
        self.status = 0
        self.request = ""

    async def answer(self, edge: Edge) -> None:
        """Answer, and tell what was answered."""
        began = edge.now()
        self.headers = dict(self.scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request = given.decode() if REQUEST_ID.fullmatch(given) else self.service.app.make_id()
        self.scope["stepcare.request"] = self.request
        clear_contextvars()
        bind_contextvars(request=self.request)
        error = ""
        try:
            await edge.within(self)
        except Problem as problem:
            await self._refuse(problem)
        except StepcareError as ours:  # the door itself asks the database who it is
            await self._refuse(problem_of(ours))
        except Exception as unforeseen:  # noqa: BLE001 - the last resort: it is logged by its kind, and answered
            error = type(unforeseen).__name__
            await self._refuse(Problem("internal"))
        finally:
            self._tell(edge.now() - began, error)

    async def admit(self) -> None:
        """Check the size of what comes, who asks and for what, and take the body."""
        scope, method = self.scope, self.scope["method"]
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if len(scope["headers"]) > MOST_HEADERS or size > MOST_HEADER_BYTES:
            raise Problem("headers-too-large")
        if len(self.headers) < len(scope["headers"]):
            self._require_single()
        if len(scope["path"]) > MOST_PATH:
            raise Problem("not-found")
        caller = None
        if not _is_open(method, scope["path"]):
            caller = await self._caller()
            caller.require_scope(_scope_for(method, scope["path"]))
        body = await self._body() if method == "POST" else b""  # no other method has one here
        self.call = Call(
            service=self.service,
            caller=caller,
            body=body,
            headers=self.headers,
            path={},
            query=scope["query_string"],
            request=self.request,
        )
        scope["stepcare"] = self.call

    def _require_single(self) -> None:
        """Refuse a header of ours that came twice: one of the two would silently win."""
        names = [name for name, _ in self.scope["headers"]]
        for name in SINGLE:
            if names.count(name) > 1:
                raise Problem("invalid-input", f"The header {name.decode()} stands twice: send it once.")

    async def _caller(self) -> Caller:
        header = self.headers.get(b"authorization")
        caller = self.service.doorkeeper.remembered(header)
        if caller is None and header is not None:
            caller = await run_sync(self.service.doorkeeper.look_up, header)
        if caller is None:
            raise Problem("unauthorized")
        return caller

    async def _body(self) -> bytes:
        """Take the body whole; it is measured while it comes, because its stated length may be a lie."""
        stated = self.headers.get(b"content-length", b"0")
        if not stated.isdigit():
            raise Problem("invalid-input", "Content-Length must be a number.")
        if int(stated[:12]) > MOST_BODY:
            raise Problem("too-large")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._received()
        except TimeoutError:
            raise Problem("request-timeout", headers=((b"connection", b"close"),)) from None
        is_form = self.scope["path"].startswith(FORMS)
        if not is_form and not JSON.fullmatch(self.headers.get(b"content-type", b"")):
            raise Problem("unsupported-media-type", headers=((b"accept", b"application/json"),))
        return body

    async def _received(self) -> bytes:
        message = await self.receive()
        body: bytes = message.get("body", b"")
        while message["type"] == "http.request" and message.get("more_body"):
            message = await self.receive()
            body += message.get("body", b"")
            if len(body) > MOST_BODY:
                break
        if len(body) > MOST_BODY:
            raise Problem("too-large", headers=((b"connection", b"close"),))
        if message["type"] != "http.request":
            raise Problem("invalid-input", "The body ended early.")
        return body

    async def send(self, message: Message) -> None:
        """Send on, with what every response carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = [*message.get("headers", ())]
            kept = any(name == b"cache-control" for name, _ in given)  # only what never changes says so itself
            message["headers"] = [
                *given,
                (b"x-request-id", self.request.encode()),
                *(SECURITY[1:] if kept else SECURITY),
            ]
        await self._send(message)

    async def _refuse(self, problem: Problem) -> None:
        if self.status:
            return  # an answer is on its way already
        body = problem.body(self.request)
        headers = [(b"content-type", MEDIA), (b"content-length", b"%d" % len(body)), *problem.headers]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _tell(self, seconds: float, error: str) -> None:
        """Write the one log line of a request: the route's template, never the path, and ids at most."""
        method = self.scope["method"] if self.scope["method"] in METHODS else UNKNOWN
        route = getattr(self.scope.get("route"), "path", UNKNOWN)
        self.service.figures.answered(route, method, self.status, seconds)
        said: dict[str, Any] = {"method": method, "route": route, "status": self.status, "ms": round(seconds * 1000)}
        call = self.call
        if call is not None and call.caller is not None:
            said["actor"] = call.caller.actor.id
        if call is not None and call.episode is not None:
            said["episode"] = call.episode
        if error:
            log.error("failed", error=error, **said)
        else:
            log.info("answered", **said)


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _is_open(method: str, path: str) -> bool:
    return path in OPEN or path.startswith(OUTSIDE) or (path.startswith(FEEDS) and method in READING)


def _scope_for(method: str, path: str) -> Scope:
    if path == METRICS:
        return Scope.METRICS
    return Scope.READ if method in READING else Scope.WRITE
