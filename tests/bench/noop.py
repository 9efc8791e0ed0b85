"""An endpoint that does nothing, of the same kind as ours and served the same way: what HTTP itself costs.

It reads a body of the same shape, checks it with pydantic, and answers with as much JSON, in a thread of the pool.
"""

import json
import os
import sys
from multiprocessing import current_process
from pathlib import Path
from typing import Annotated, Any

import orjson
import uvicorn
from fastapi import Body, FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from uvicorn.supervisors import Multiprocess

from stepcare.app import settle
from stepcare.web.server import BACKLOG, IDLE_SECONDS, Address, listen
from stepcare.web.wire import BoundedProtocol

FACTORY = "tests.bench.noop:app"
ANSWER = "BENCH_ANSWER"


class Asked(BaseModel):
    """A command."""

    kind: str
    values: dict[str, Any]


def app() -> FastAPI:
    """Make the application of one process; its answer lies in a file."""
    answer = json.loads(Path(os.environ[ANSWER]).read_text(encoding="utf-8"))
    made = FastAPI(openapi_url=None, on_startup=[lambda: settle(_number())])

    @made.post("/api/v1/episodes/{episode}/commands")
    def command(episode: str, asked: Annotated[Asked, Body()]) -> Response:
        return Response(
            orjson.dumps({**answer, "episode": episode, "command": asked.kind}), media_type="application/json"
        )

    return made


def _number() -> int:
    """Count this process from 0, for it keeps to a core as ours do."""
    told = current_process().name.rpartition("-")[2]  # SpawnProcess-2
    return int(told) - 1 if told.isdigit() else 0


def main(workers: int) -> None:
    """Serve on a free port."""
    listening = listen(Address(host="127.0.0.1", port=0, uds=None))
    sys.stderr.write(f"noop: serving on http://127.0.0.1:{listening.getsockname()[1]}, stop with Ctrl-C.\n")
    sys.stderr.flush()
    config = uvicorn.Config(
        FACTORY,
        factory=True,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
    )
    if workers > 1:
        Multiprocess(config, sockets=[listening]).run()
    else:
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(int(sys.argv[1]))
