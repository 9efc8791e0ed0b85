"""The application: every route, what its errors look like, and its description as OpenAPI."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.errors import StepcareError
from stepcare.app import App
from stepcare.channels.configured import Configured
from stepcare.pages.edge import Pages
from stepcare.pages.routes import router
from stepcare.web import access, audit, due, episodes, feeds, health, inbound, lists, published
from stepcare.web.asked import (
    BODIES,
    CommandBody,
    GlassBody,
    RegisterBody,
    RetryBody,
    ReviewBody,
    SiteBody,
    expected,
    place_of,
)
from stepcare.web.auth import Doorkeeper
from stepcare.web.call import Service, bytes_answer, call_of
from stepcare.web.edge import FEEDS, OPEN, OUTSIDE, Edge
from stepcare.web.figures import Figures
from stepcare.web.problem import CODES, MEDIA, Problem
from storage.passwords import Tries
from storage.seal import Random

Opens = Callable[[], AbstractContextManager[App]]
OPENAPI = "/api/v1/openapi.json"
# What programs ask for; everything else is a page for people.
PROGRAMS = ("/api/", "/log/", "/healthz", "/readyz", "/metrics", "/hooks/", "/u/", "/feeds/", "/fhir/")
ASKED = frozenset(
    name
    for model in (
        *(episodes.ListQuery, episodes.AsOfQuery, episodes.TimelineQuery, lists.DueQuery, lists.LogQuery),
        *(audit.EntriesQuery, audit.ExportQuery, access.AccessQuery, access.ReviewsQuery, episodes.DiffQuery),
        due.ExplainQuery,
    )
    for name in model.model_json_schema()["properties"]  # as they are asked, aliases and all
) | {"query", "path", "episode", "pathway", "number", "secret", "channel", "token"}
OF_HTTP = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


class Web:
    """The service as an ASGI application: the routes, and the edge around them.

    `opens` opens the database when the server starts, and closes it (draining the writer) when it stops; `started`
    is called once everything stands.
    """

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        opens: Opens,
        *,
        random: Random,
        monotonic: Callable[[], float],
        started: Callable[[], None] = lambda: None,
        published: Path | None = None,
        channels: Configured | None = None,
        beside: Callable[[App], AbstractContextManager[object]] | None = None,
        demonstration: bool = False,
    ) -> None:
        """Put the application together; nothing is opened yet. `published` None: there is no published log.

        `channels` None: nobody reports anything from outside. `beside` is what works in this process for as long as it
        serves, None for nothing.
        """
        self._beside, self._demonstration = beside, demonstration
        self._opens, self._random, self._monotonic, self._started = opens, random, monotonic, started
        self._published, self._channels = published, channels
        self._service: Service | None = None
        self.routes = self._made()
        self._edge = Edge(self.routes, self.service, monotonic)
        self._pages = Pages(router(), self.service, monotonic)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or start and stop."""
        if scope["type"] == "http" and not scope["path"].startswith(PROGRAMS):
            await self._pages(scope, receive, send)
            return
        await self._edge(scope, receive, send)

    def living(self) -> AbstractAsyncContextManager[None]:
        """Open what the service needs, and close it at the end; the server asks for it by itself."""
        return self._lifespan(self.routes)

    def service(self) -> Service:
        """Give what all requests share; there is none before the start."""
        assert self._service is not None  # noqa: S101 - the server starts first
        return self._service

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            opened = self._opens()
            app = await run_sync(opened.__enter__)
            stack.push_async_callback(run_sync, opened.__exit__, None, None, None)
            self._service = Service(
                app=app,
                doorkeeper=Doorkeeper(app, self._monotonic),
                figures=Figures(app, self._published),
                random=self._random,
                tries=Tries(self._monotonic),
                demonstration=self._demonstration,
                published=self._published,
                channels=self._channels,
            )
            await run_sync(_warm, app)
            self._started()
            if self._beside is not None:
                working = self._beside(app)
                working.__enter__()  # here, not on another thread: its threads keep to the core of this one
                stack.push_async_callback(run_sync, working.__exit__, None, None, None)
            yield

    def _made(self) -> FastAPI:
        made = FastAPI(
            title="Stepcare",
            summary="Stepped care of mid and upper back pain: episodes decided by rules that explain themselves.",
            version="1",
            openapi_url=OPENAPI,
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
            redirect_slashes=False,
        )
        for one in (
            episodes.router,
            lists.router,
            due.router,
            access.router,
            audit.router,
            published.router,
            feeds.router,
            inbound.router,
            health.router,
        ):
            made.router.routes.extend(one.routes)  # each as it is: a router within the router is looked through twice
        made.add_exception_handler(Problem, _problem)
        made.add_exception_handler(StepcareError, _ours)
        made.add_exception_handler(RequestValidationError, _not_as_asked)
        made.add_exception_handler(HTTPException, _of_http)
        made.add_exception_handler(Exception, _unforeseen)
        made.openapi = lambda: _described(made)  # type: ignore[method-assign]  # the documented way to add to it
        return made


def _warm(app: App) -> None:
    """Compile what is in force before the first caller waits for it."""
    for sha256 in app.store.site().pathways.values():
        app.engine.compiled(sha256)


# --- errors -------------------------------------------------------------------------------------------------------


def _answer(request: Request, problem: Problem) -> Response:
    body = problem.body(request.scope.get("stepcare.request", ""))
    return bytes_answer(body, problem.status, MEDIA, problem.headers)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - it is registered for these
    return _answer(request, error)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, StepcareError)  # noqa: S101 - it is registered for these
    return _answer(request, call_of(request).problem(error))


async def _not_as_asked(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    found: list[dict[str, str]] = []
    for one in error.errors():
        place = place_of(one["loc"], ASKED)
        wanted = {"field": place, "expected": expected(one)}
        if place.startswith("path"):
            return _answer(request, Problem("not-found"))
        if wanted not in found:
            found.append(wanted)
    return _answer(request, Problem("invalid-input", "The query is not what is asked: see errors.", errors=found))


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    allow = (error.headers or {}).get("Allow")
    headers = ((b"allow", allow.encode()),) if allow else ()
    return _answer(request, Problem(OF_HTTP.get(error.status_code, "internal"), headers=headers))


async def _unforeseen(request: Request, _: Exception) -> Response:
    return _answer(request, Problem("internal"))


# --- OpenAPI ------------------------------------------------------------------------------------------------------

TAKES = {
    ("/api/v1/episodes", "post"): RegisterBody,
    ("/api/v1/episodes/{episode}/commands", "post"): CommandBody,
    ("/api/v1/episodes/{episode}/preview", "post"): CommandBody,
    ("/api/v1/site/commands", "post"): SiteBody,
    ("/api/v1/episodes/{episode}/break-glass", "post"): GlassBody,
    ("/api/v1/access/reviews/{opening}", "post"): ReviewBody,
    ("/api/v1/episodes/{episode}/due/retry", "post"): RetryBody,
}
DECIDED = (RegisterBody, CommandBody, SiteBody)  # these may wait for a second person
GUARDED = (401, 403, 408, 413, 415, 431, 500, 503)


def _described(made: FastAPI) -> dict[str, Any]:
    if made.openapi_schema is not None:
        return made.openapi_schema
    from fastapi.openapi.utils import get_openapi  # noqa: PLC0415 - only who asks for the description pays for it

    found = get_openapi(
        title=made.title, version=made.version, summary=made.summary, routes=made.routes, openapi_version="3.1.0"
    )
    _, models = models_json_schema([(one, "validation") for one in BODIES], ref_template="#/components/schemas/{model}")
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(models.get("$defs", {}))
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    made.openapi_schema = found
    return found


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add to an operation what the framework does not know: its body, its headers, its problems."""
    operation["responses"].pop("422", None)
    is_open = path in OPEN or path.startswith((FEEDS, *OUTSIDE))
    statuses = {500, 503} if is_open else {*GUARDED, 400}
    if "{" in path:
        statuses.add(404)
    model = TAKES.get((path, method))
    if model is not None:
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        statuses |= {409, 422}
        if model in DECIDED:
            operation["responses"]["202"] = {"description": "It waits for a second person's yes: see request."}
        else:
            statuses.add(410)
        asks = ["Idempotency-Key"]
        if path.endswith("/commands") and "{" in path:
            statuses |= {410, 412, 428}
            asks.append("If-Match")
        operation.setdefault("parameters", []).extend(HEADERS[one] for one in asks if not path.endswith("/preview"))
    if not is_open:
        operation["security"] = [{"token": []}]
    for status in sorted(statuses):
        codes = ", ".join(code for code, (one, _, _) in CODES.items() if one == status)
        content = {MEDIA.decode(): {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"].setdefault(str(status), {"description": codes, "content": content})


HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "description": "New for each wish, the same for each sending of it. Optional where If-Match states a version.",
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": 'The ETag of what the command was decided on, or "*" without quotes for whatever is current.',
    },
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. A refused command adds the members of the decision.",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": list(CODES)},
        "instance": {"type": "string", "description": "The id of the request."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "expected": {"type": "string"}},
            },
        },
    },
}
