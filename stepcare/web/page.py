"""Pages of a list: a cursor that means nothing to its reader, and a Link to the next page."""

import base64
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from starlette.responses import Response

from engine.audit import instant_from
from engine.errors import InvalidInput
from stepcare.web.call import json_answer
from stepcare.web.problem import Problem

MOST = 500
LONGEST_CURSOR = 400
Limit = Annotated[int, Field(ge=1, le=MOST, description="At most so many.")]
Cursor = Annotated[
    str | None, Field(max_length=LONGEST_CURSOR, description="Where the page before ended, as its Link says.")
]
FOREIGN = "The cursor is not one of this list: use the Link that its last page gave."


def cursor_to(place: str) -> str:
    """Give a place in a list as a cursor."""
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def moment_and_place(cursor: str | None) -> tuple[datetime, str] | None:
    """Read a cursor, which begins with an instant; None where none was given."""
    if cursor is None:
        return None
    try:
        said = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, _, place = said.partition(" ")
        found = instant_from(moment)
    except (InvalidInput, ValueError):  # what is no base64 and no UTF-8 is a ValueError too
        raise Problem("invalid-input", FOREIGN) from None
    if not place or not place.isprintable():
        raise Problem("invalid-input", FOREIGN)
    return found, place


def linked(path: str, items: list[Any], asked: BaseModel, place: str, name: str = "cursor") -> Response:
    """Give a page, with a Link to the next one where `place` says that there may be more."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if place:
        said = asked.model_dump(mode="json", exclude_defaults=True, by_alias=True)
        query = urlencode({**said, name: cursor_to(place) if name == "cursor" else place}, doseq=True)
        headers = ((b"link", f'<{path}?{query}>; rel="next"'.encode()),)
    return json_answer({"items": items}, headers=headers)
