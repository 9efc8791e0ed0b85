"""The routes of due work: how it goes, why something was or was not sent, and taking up again what came to nothing."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stepcare.due_retry import again, put_back, put_json, stuck_json, stuck_rows
from stepcare.due_stats import due_stats, stats_json
from stepcare.due_story import MOST_DAYS, due_story, message_story
from stepcare.sight import sees
from stepcare.typed import checked
from stepcare.web.answer import answered
from stepcare.web.asked import RetryBody
from stepcare.web.call import call_of, json_answer
from storage.sight import teams_of_episodes, whose

API = "/api/v1"
router = APIRouter(prefix=API, tags=["work"])
Ref = Annotated[str, Path(max_length=40)]


class ExplainQuery(BaseModel):
    """How far to look ahead, or which single message."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=0, le=MOST_DAYS, description="How far to look ahead.")] = 30
    message: Annotated[str | None, Field(max_length=300, description="Only this message, with every try.")] = None


@router.get("/due/stats", summary="How the due work goes")
def show_stats(request: Request) -> Response:
    """Give how late it is, how much waits, who works, what was done, and what the next 24 hours bring."""
    call = call_of(request)
    call.reads("pathway")
    return json_answer(stats_json(due_stats(call.app.database, call.now())))


@router.get("/due/parked", summary="What nobody acts on before somebody looks")
def list_parked(request: Request) -> Response:
    """Give what was put aside and the messages that reached nobody, of the episodes the reader may see."""
    call = call_of(request)
    reader = call.reads("lists")
    found = stuck_rows(call.app)
    teams = teams_of_episodes(call.app.database, (one.episode for one in found))
    seen = [one for one in found if sees(reader, teams.get(one.episode, ""))]
    episodes = list(dict.fromkeys(one.episode for one in seen))
    persons = [whose(call.app.database, one)[1] for one in episodes]
    call.looked("read.list", persons=persons, episodes=episodes, query={"kind": "parked"})
    return json_answer({"items": [stuck_json(one) for one in seen]})


@router.get("/episodes/{episode}/due/explain", summary="What will be sent when and why, and what was not and why")
def explain_due(request: Request, episode: Ref, asked: Annotated[ExplainQuery, Query()]) -> Response:
    """Give what is owed, what will be sent if nobody acts, and what became of every message and timer."""
    call = call_of(request)
    call.reads_episode(episode)
    found = call.app.store.episode(episode)
    compiled = call.app.engine.compiled(found.pathway)
    if asked.message is not None:
        return json_answer(message_story(call.app, found, compiled, call.now(), asked.message))
    return json_answer(due_story(call.app, found, compiled, call.now(), asked.days))


@router.post("/episodes/{episode}/due/retry", summary="Take up again what came to nothing")
def retry_due(request: Request, episode: Ref) -> Response:
    """Put back what was put aside; else have the message sent once more, which is a decision like any other."""
    call = call_of(request)
    key = call.required_key()
    body = call.asked(RetryBody)
    actor = call.asker.actor
    call.sees(episode)
    found = call.app.store.episode(episode)
    put = put_back(call.app, actor, found, body.id)
    if put is not None:
        return json_answer(put_json(put, found, call.app))
    command = again(call.app, actor, found, body.id, f"api:{call.asker.token}")
    return answered(call, call.app.engine.handle(checked(replace(command, key=key))))
