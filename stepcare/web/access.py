"""The route of the second log: who looked at whom. Asking is noted there too."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from engine.errors import InvalidInput
from stepcare.noting import TYPES
from stepcare.subject import looked_json
from stepcare.web.call import call_of
from stepcare.web.page import Limit, linked
from stepcare.web.problem import Problem
from storage.access_read import AccessFilter, noted
from storage.refs import check_ref

HERE = "/api/v1/audit/access"
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


def _reference(typed: str | None) -> str | None:
    """Read a reference; nothing else may come into the log of reads as one."""
    try:
        return check_ref(typed) if typed is not None else None
    except InvalidInput:
        raise Problem("invalid-input", "That is no reference: a character is missing, wrong or swapped.") from None
