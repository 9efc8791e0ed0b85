"""The published log over HTTP: the sealer's folder as it is, to auditors only. This process holds no key of the log.

The tiles show every care team's entries at once, so whoever reads single entries only need not see them.
"""

import re
from pathlib import Path as FilePath

from fastapi import APIRouter, Request
from starlette.responses import Response

from stepcare.web.call import Call, bytes_answer, call_of
from stepcare.web.problem import Headers, Problem

# Every name the format gives a file, and nothing else: no dot that leads upwards, no file half written.
NAME = re.compile(r"(?P<log>access/)?(?:checkpoint|tile/(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/)*[0-9]{3}"
                  r"(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?)")  # fmt: skip
FOREVER: Headers = ((b"cache-control", b"private, max-age=31536000, immutable"),)
TEXT, BYTES = b"text/plain; charset=utf-8", b"application/octet-stream"

router = APIRouter(tags=["published log"])


@router.get(
    "/log/{file:path}",
    summary="The published log: checkpoint, tile/L/N[.p/W], tile/entries/N[.p/W]; the log of reads below access/",
    response_class=Response,
)
def show_published(request: Request, file: str) -> Response:
    """Give a file of the published log (C2SP tlog-tiles). The checkpoint changes, everything else never does."""
    call = call_of(request)
    call.reads("published")
    found = NAME.fullmatch(file)
    if found is None:
        raise Problem("not-found")
    data = _read(call, file)
    is_checkpoint = file.endswith("checkpoint")
    if is_checkpoint or "/entries/" in file:  # hashes show nothing of anybody
        call.looked("log.published", query={"file": file})
    return bytes_answer(data, 200, TEXT if is_checkpoint else BYTES, () if is_checkpoint else FOREVER)


def _read(call: Call, file: str) -> bytes:
    folder: FilePath | None = call.service.published
    if folder is None:
        raise Problem("not-found")
    try:
        return (folder / file).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Problem("not-found") from None
