"""The outermost layer of the pages: limits, who is signed in, where a form came from, and what every answer carries.

A page that is not open to everybody sends whoever is not signed in to sign in, and back afterwards. A form is taken
only from a page of ours: the browser says where it came from, and the form holds a word only that session knows.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, quote

import structlog
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars, clear_contextvars

from engine.errors import NotFound, StepcareError
from engine.model import Actor
from stepcare.pages.frame import Frame, page, static_file
from stepcare.pages.visit import SignedIn, Visit
from stepcare.web.auth import Caller
from stepcare.web.call import Service
from stepcare.web.edge import BODY_SECONDS, MOST_HEADER_BYTES, MOST_HEADERS, MOST_PATH, REQUEST_ID
from stepcare.web.problem import Problem, problem_of
from storage.sessions import LONGEST, Session, session_of
from storage.staff import Staff
from storage.tokens import Scope

log = structlog.get_logger("stepcare.pages")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Inner = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

COOKIE = "stepcare_session"
SECRET = re.compile(rb"(?:^|; *)stepcare_session=([0-9a-f]{64})(?:;|$)")
OPEN = ("/sign-in",)
MOST_FORM = 256 * 1024
MOST_FIELDS = 500
READING = ("GET", "HEAD")
FOR_EVER = b"private, max-age=31536000, immutable"


class Pages:
    """An ASGI application around the pages' routes, `inner`. `service` gives what the process shares."""

    def __init__(self, inner: Inner, service: Callable[[], Service], monotonic: Callable[[], float]) -> None:
        """Wrap the routes; `monotonic` (seconds) measures."""
        self._inner, self._service, self._monotonic = inner, service, monotonic

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request for a page."""
        service, began = self._service(), self._monotonic()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request = given.decode() if REQUEST_ID.fullmatch(given) else service.app.make_id()
        visit = Visit(service=service, request=request, nonce=service.random(16).hex(), headers=headers)
        scope["stepcare.visit"] = visit
        clear_contextvars()
        bind_contextvars(request=request)
        out = _Out(send, visit)
        error = ""
        try:
            await self._within(scope, receive, out, visit)
        except Exception as raised:  # noqa: BLE001 - the last resort: a page says it, the log its kind
            error = "" if isinstance(raised, Problem | StepcareError) else type(raised).__name__
            await out.respond(_trouble(visit, raised))
        finally:
            _tell(scope, visit, out.status, self._monotonic() - began, error)

    async def _within(self, scope: MutableMapping[str, Any], receive: Receive, out: "_Out", visit: Visit) -> None:
        path, method = scope["path"], scope["method"]
        _require_small(scope)
        if path.startswith("/static/"):
            await out.respond(_static(path.removeprefix("/static/"), method))
            return
        if method not in (*READING, "POST"):
            raise Problem("method-not-allowed", headers=((b"allow", b"GET, HEAD, POST"),))
        visit.signed = await run_sync(_signed_in, visit)
        if method == "POST":
            visit.form = await _form(scope, receive, visit.headers)
            _require_ours(visit)
        if visit.signed is None and path not in OPEN:
            back = quote(
                scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            )
            there = f"/sign-in?back={back}" if method in READING else "/sign-in"
            await out.respond(Response(status_code=303, headers={"location": there}))
            return
        await self._inner(scope, receive, out.send)


class _Out:
    """What goes out, with what every page carries."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self._send, self._visit = send, visit
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = [*message.get("headers", ())]
            names = {name.lower() for name, _ in given}
            always = [(b"x-request-id", self._visit.request.encode()), *_security(self._visit.nonce)]
            message["headers"] = [*given, *((name, value) for name, value in always if name not in names)]
        await self._send(message)

    async def respond(self, response: Response) -> None:
        if self.status:
            return  # an answer is on its way already
        await self.send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self.send({"type": "http.response.body", "body": response.body})


def _security(nonce: str) -> tuple[tuple[bytes, bytes], ...]:
    policy = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return (
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )


def _require_small(scope: MutableMapping[str, Any]) -> None:
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if len(scope["headers"]) > MOST_HEADERS or size > MOST_HEADER_BYTES:
        raise Problem("headers-too-large")
    if len(scope["path"]) > MOST_PATH:
        raise Problem("not-found")


def _static(name: str, method: str) -> Response:
    found = static_file(name)
    if found is None or method not in READING:
        raise Problem("not-found")
    body, kind = found
    response = Response(body if method == "GET" else b"", media_type=kind)
    response.raw_headers.append((b"cache-control", FOR_EVER))
    return response


# --- who, and from where ------------------------------------------------------------------------------------------


def _signed_in(visit: Visit) -> SignedIn | None:
    secret = _cookie(visit.headers.get(b"cookie", b""))
    app = visit.app
    session = session_of(app.database, secret, app.clock()) if secret else None
    if session is None:
        return None
    try:
        colleague = Staff(app.database).find(session.actor)
    except NotFound:
        return None
    if session.role not in colleague.roles:
        return None  # the role was taken away meanwhile
    actor = Actor(id=colleague.id, role=session.role, teams=frozenset(colleague.teams))
    caller = Caller(
        token=f"session-{session.short}",
        actor=actor,
        scopes=frozenset({Scope.READ, Scope.WRITE}),
        expires_at=session.made_at + LONGEST,
    )
    return SignedIn(session=session, caller=caller, name=colleague.name or colleague.id, csrf=csrf_of(secret, session))


def csrf_of(secret: str, session: Session) -> str:
    """Give the word that a session's own forms hold: nobody can make it who does not have the secret."""
    return hmac.new(secret.encode(), session.secret_hash.encode(), hashlib.sha256).hexdigest()[:32]


def _cookie(header: bytes) -> str:
    found = SECRET.search(header)
    return found[1].decode() if found else ""


async def _form(scope: MutableMapping[str, Any], receive: Receive, headers: dict[bytes, bytes]) -> dict[str, list[str]]:
    if not headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        raise Problem("unsupported-media-type")
    body = b""
    request = Request(scope, receive)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_FORM:
                    raise Problem("too-large", headers=((b"connection", b"close"),))
    except TimeoutError:
        raise Problem("request-timeout", headers=((b"connection", b"close"),)) from None
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, strict_parsing=bool(body))
    except ValueError:
        raise Problem("invalid-input", "The form could not be read: go back, reload the page and try again.") from None


def _require_ours(visit: Visit) -> None:
    """Take a form from our own pages only: by what the browser says, and by the session's own word."""
    site = visit.headers.get(b"sec-fetch-site")
    if site is not None and site not in (b"same-origin", b"none"):
        raise Problem("refused", "The form came from another site: open the page here and send it again.")
    origin, host = visit.headers.get(b"origin"), visit.headers.get(b"host", b"")
    if origin is not None and origin.partition(b"://")[2] != host:
        raise Problem("refused", "The form came from another site: open the page here and send it again.")
    if visit.signed is not None and not hmac.compare_digest(visit.field("csrf").encode(), visit.signed.csrf.encode()):
        raise Problem("refused", "The page was open for too long: reload it and send the form again.")


# --- what went wrong ----------------------------------------------------------------------------------------------


def _trouble(visit: Visit, raised: Exception) -> Response:
    problem = raised if isinstance(raised, Problem) else None
    if problem is None:
        problem = problem_of(raised) if isinstance(raised, StepcareError) else Problem("internal")
    frame = Frame(
        title=problem.title,
        part="",
        zone=visit.app.database.zone,
        now=visit.app.clock(),
        nonce=visit.nonce,
        **visit.of_frame(),
    )
    body = page("trouble.html", frame, problem=problem, request=visit.request)
    response = Response(body, problem.status, media_type="text/html")
    response.raw_headers.extend(problem.headers)
    return response


def _tell(scope: MutableMapping[str, Any], visit: Visit, status: int, seconds: float, error: str) -> None:
    """Write the one log line of a page: its route's template, never the path, and ids at most."""
    route = getattr(scope.get("route"), "path", "static" if scope["path"].startswith("/static/") else "unknown")
    method = scope["method"] if scope["method"] in (*READING, "POST") else "unknown"
    visit.service.figures.answered(route, method, status, seconds)
    said: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000)}
    if visit.signed is not None:
        said["actor"] = visit.signed.caller.actor.id
    if error:
        log.error("failed", error=error, **said)
    else:
        log.info("answered", **said)
