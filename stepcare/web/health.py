"""Whether the process lives, whether it can work, and what it counts."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from engine.errors import StepcareError
from stepcare.web.call import bytes_answer, call_of, json_answer
from stepcare.web.figures import MEDIA
from stepcare.web.problem import Problem
from storage.database import require_current

MOST_QUEUED = 1000  # the writer keeps up with far more threads than a process has: beyond this it stands still

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether the process lives")
async def is_alive() -> Response:
    """Say yes; nothing is asked of the database, nor of a thread."""
    return json_answer({"status": "alive"})


@router.get("/readyz", summary="Whether the service can work")
def is_ready(request: Request) -> Response:
    """Say yes when the database answers, its schema is this program's, and the writer's queue moves."""
    app = call_of(request).app
    try:
        with app.database.reading() as connection:
            require_current(connection, app.database.backend)
    except StepcareError as error:
        raise Problem("not-ready", check=error.code) from None
    if app.writer.stats().queued > MOST_QUEUED:
        raise Problem("not-ready", check="writer")
    return json_answer({"status": "ready"})


@router.get("/metrics", summary="What the process counts")
def show_metrics(request: Request) -> Response:
    """Give the figures as Prometheus reads them; with several workers, those of the one that answers."""
    return bytes_answer(call_of(request).service.figures.text(), 200, MEDIA.encode())
