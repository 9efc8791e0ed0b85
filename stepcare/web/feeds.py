"""The route of calendars: whoever has a secret address reads it, and every reading that shows anything is noted.

A calendar program can send no token, so the address is the secret. A wrong one, an expired one and one that was taken
back get one and the same answer. The route's template stands in logs and figures, the address itself nowhere.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from stepcare.feeds.ical import etag_of
from stepcare.feeds.secret import View, feed_of, view_of
from stepcare.noting import Reader, Shown, note
from stepcare.web.call import Call, bytes_answer, call_of
from stepcare.web.problem import Headers, Problem
from storage.feeds import Feed

MEDIA = b"text/calendar; charset=utf-8"
router = APIRouter()


@router.get("/feeds/{secret}.ics", summary="A colleague's owed work as a calendar", tags=["work"])
def read_feed(request: Request, secret: Annotated[str, Path(max_length=80)]) -> Response:
    """Give the calendar of a secret address, as iCalendar; 304 where the program has it already."""
    call = call_of(request)
    feed = feed_of(call.app, secret)
    view = view_of(call.app, feed.actor, feed.covers) if feed is not None else None
    if feed is None or view is None:
        raise Problem("not-found")
    tag = etag_of(view.body)
    kept: Headers = ((b"etag", tag), (b"cache-control", b"private, no-cache"))
    if tag in _tags(call):
        return Response(None, 304, headers={name.decode(): value.decode() for name, value in kept})
    _noted(call, feed, view)
    return bytes_answer(view.body, 200, MEDIA, (*kept, (b"content-disposition", b'inline; filename="stepcare.ics"')))


def _tags(call: Call) -> list[bytes]:
    """Give the validators the program has; weak ones count, because only whether anything changed is asked."""
    return [one.strip().removeprefix(b"W/") for one in call.headers.get(b"if-none-match", b"").split(b",")]


def _noted(call: Call, feed: Feed, view: View) -> None:
    """Note the reading: by whose address, and whose work it showed."""
    reader = Reader(actor=view.actor, via=f"feed:{feed.id}", request=call.request)
    shown = Shown(
        persons=dict.fromkeys(one.person for one in view.work),
        episodes=dict.fromkeys(one.episode for one in view.work),
        query={"list": f"feed {feed.covers.value}"},
    )
    call.noted = note(call.app, reader, "read.list", shown)
