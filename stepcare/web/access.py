"""The routes of the second log: who looked at whom, and breaking the glass, with its review. Asking is noted there too."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from engine.audit import instant
from engine.errors import InvalidInput
from stepcare.glass import Found, Need, break_glass, opening_json, review
from stepcare.noting import TYPES, Reader
from stepcare.subject import looked_json
from stepcare.web.asked import GlassBody, ReviewBody
from stepcare.web.call import Call, call_of, json_answer
from stepcare.web.page import Limit, linked
from stepcare.web.problem import Headers, Problem
from storage.access_read import AccessFilter, noted, openings
from storage.refs import check_ref

HERE = "/api/v1/audit/access"
REVIEWS = "/api/v1/access/reviews"
AGAIN: Headers = ((b"idempotency-replayed", b"true"),)
router = APIRouter()
Reference = Annotated[str | None, Field(max_length=40)]


class AccessQuery(BaseModel):
    """Which reads: every condition that is said must hold."""

    model_config = ConfigDict(extra="forbid")

    episode: Annotated[Reference, Field(description="Who looked at this episode.")] = None
    person: Annotated[Reference, Field(description="Who looked at this person, by reference.")] = None
    actor: Annotated[Reference, Field(description="What this colleague looked at.")] = None
    type: Annotated[Reference, Field(description="Only reads of this type, such as read.episode.")] = None
    opening: Annotated[int | None, Field(ge=0, description="Only what was read by this opening.")] = None
    since: Annotated[datetime | None, Field(description="Not before this instant.")] = None
    until: Annotated[datetime | None, Field(description="Before this instant.")] = None
    limit: Limit = 100
    before: Annotated[int | None, Field(ge=0, description="Only reads before this number.")] = None


@router.get(HERE, summary="Who looked at whom, the latest first", tags=["log"])
def list_access(request: Request, asked: Annotated[AccessQuery, Query()]) -> Response:
    """Give a page of the log of reads, for auditors and privacy officers; Link leads to earlier reads."""
    call = call_of(request)
    call.reads("access")
    if asked.episode is not None and asked.person is not None:
        raise Problem("invalid-input", "Ask about a person or about an episode: keep one of them.")
    if asked.type is not None and asked.type not in TYPES:
        raise Problem("invalid-input", f"There is no such type of reads: {', '.join(TYPES)}.")
    if any(moment is not None and moment.tzinfo is None for moment in (asked.since, asked.until)):
        raise Problem("invalid-input", "since and until must be instants with their offset.")
    episode, person = _reference(asked.episode), _reference(asked.person)
    call.looked(
        "log.access",
        persons=[person] if person else [],
        episodes=[episode] if episode else [],
        query=asked.model_dump(exclude_defaults=True, exclude={"episode", "person"}),
    )
    page = noted(
        call.app.database,
        AccessFilter(
            ref=episode or person,
            actor=asked.actor,
            what=asked.type,
            opening=asked.opening,
            since=asked.since,
            until=asked.until,
            before=asked.before,
            limit=asked.limit,
        ),
    )
    more = str(page[-1].idx) if len(page) == asked.limit else ""
    return linked(HERE, [looked_json(one) for one in page], asked, more, name="before")


# --- breaking the glass ---------------------------------------------------------------------------------------------


class ReviewsQuery(BaseModel):
    """Which openings."""

    model_config = ConfigDict(extra="forbid")

    every: Annotated[bool, Field(alias="all", description="Those that are reviewed too.")] = False
    limit: Limit = 100
    after: Annotated[int | None, Field(ge=0, description="Only openings after this number.")] = None


@router.post(
    "/api/v1/episodes/{episode}/break-glass",
    summary="Open an episode of another care team in need",
    tags=["episodes"],
    status_code=201,
)
def open_episode(
    request: Request, episode: Annotated[str, Path(description="The episode's reference.", max_length=40)]
) -> Response:
    """Open an episode for reading, for a stated time; every read by it is marked, and the privacy officer reviews it.

    The opening is an entry of the log of reads before this answers.
    """
    call = call_of(request)
    key = call.required_key()
    body = call.asked(GlassBody)
    need = Need(reason=body.reason, text=body.text, minutes=body.minutes)
    made = break_glass(call.app, _reader(call), episode, need, key)
    call.episode = episode
    row = {"opening": made.number, "episode": episode, "reason": body.reason, "until": instant(made.until)}
    return json_answer(row, 201, AGAIN if made.repeated else ())


@router.get(REVIEWS, summary="Openings that wait for review, the oldest first", tags=["log"])
def list_reviews(request: Request, asked: Annotated[ReviewsQuery, Query()]) -> Response:
    """Give a page of the episodes that were opened by breaking the glass, for privacy officers."""
    call = call_of(request)
    call.reads("reviews")
    after = -1 if asked.after is None else asked.after
    found = [one for one in openings(call.app.database) if one.idx > after and (asked.every or one.review is None)]
    page = found[: asked.limit]
    call.looked(
        "break_glass.queue",
        persons=[one.person for one in page],
        episodes=[one.episode for one in page],
        query=asked.model_dump(exclude_defaults=True, by_alias=True),
    )
    more = str(page[-1].idx) if len(found) > len(page) else ""
    return linked(REVIEWS, [opening_json(call.app, one) for one in page], asked, more, name="after")


@router.post(f"{REVIEWS}/{{opening}}", summary="Say whether an opening was justified", tags=["log"], status_code=201)
def review_opening(request: Request, opening: Annotated[int, Path(ge=0, lt=2**53)]) -> Response:
    """Keep what a privacy officer found of an opening: once, and never of their own."""
    call = call_of(request)
    call.reads("reviews")
    body = call.asked(ReviewBody)
    made = review(call.app, _reader(call), opening, Found(finding=body.finding, text=body.text), call.key())
    row = {"opening": opening, "finding": body.finding, "number": made.number}
    return json_answer(row, 201, AGAIN if made.repeated else ())


def _reader(call: Call) -> Reader:
    return Reader(actor=call.asker.actor, via=f"api:{call.asker.token}", request=call.request)


def _reference(typed: str | None) -> str | None:
    """Read a reference; nothing else may come into the log of reads as one."""
    try:
        return check_ref(typed) if typed is not None else None
    except InvalidInput:
        raise Problem("invalid-input", "That is no reference: a character is missing, wrong or swapped.") from None
