"""The routes of episodes: registered, listed, read, explained, commanded."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from engine.access import cares_for, may_command
from engine.audit import instant
from engine.errors import InvalidInput, NotFound, StaleEpisode
from engine.model import Command, Json, Kind
from stepcare.answers import option_json
from stepcare.asof import OCCURRED, RECORDED, occurred_json, recorded_json
from stepcare.between import between_json
from stepcare.moment import moment_asked
from stepcare.past import past_of
from stepcare.registering import birth_date, known_person, registered
from stepcare.shown import citations_of, episode_json, episode_line_json
from stepcare.sight import teams_of
from stepcare.story import told_json
from stepcare.typed import checked
from stepcare.web.answer import answered
from stepcare.web.asked import CommandBody, PersonBody, RegisterBody, moment, overrides_of, version_of
from stepcare.web.call import Call, call_of, json_answer
from stepcare.web.page import Cursor, Limit, linked, moment_and_place
from stepcare.web.problem import Problem, etag
from storage.database import SITE_REF
from storage.queries import EpisodeFilter, episodes
from storage.refs import new_ref
from storage.vault import Details

HERE = "/api/v1/episodes"
AT_ONCE = "Others changed the episode at the same time, again and again: send it again, with the same key."
router = APIRouter(prefix=HERE, tags=["episodes"])
Ref = Annotated[str, Path(description="The episode's reference.", max_length=40)]


class ListQuery(BaseModel):
    """Which episodes: every condition that is said must hold."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[str | None, Field(max_length=40)] = None
    owner: Annotated[str | None, Field(max_length=40)] = None
    team: Annotated[str | None, Field(max_length=40)] = None
    patient: Annotated[str | None, Field(max_length=40, description="Only of this person, by reference.")] = None
    due_before: Annotated[datetime | None, Field(description="Something falls due before then.")] = None
    closed: Annotated[bool, Field(description="Closed and voided ones too.")] = False
    limit: Limit = 50
    cursor: Cursor = None


class TimelineQuery(BaseModel):
    """Which part of an episode's story."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 100
    after: Annotated[int | None, Field(ge=0, description="Only entries after this one.")] = None


class AsOfQuery(BaseModel):
    """At which earlier moment; nothing: now."""

    model_config = ConfigDict(extra="forbid")

    as_of: Annotated[str | None, Field(max_length=40, description="A day (its end here), an instant, or now.")] = None
    by: Annotated[Literal["recorded", "occurred"], Field(description="By when things were recorded, or occurred.")] = (
        RECORDED
    )


class DiffQuery(BaseModel):
    """Between which two moments."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[str, Field(alias="from", max_length=40, description="A day (its end here), an instant, or now.")]
    last: Annotated[str, Field(alias="to", max_length=40, description="A later one.")]


# --- reading ------------------------------------------------------------------------------------------------------


@router.get("", summary="List episodes, the longest open first")
def list_episodes(request: Request, asked: Annotated[ListQuery, Query()]) -> Response:
    """Give a page of the episodes of the reader's care teams; Link leads to the next one."""
    call = call_of(request)
    reader = call.reads("lists")
    if asked.due_before is not None and asked.due_before.tzinfo is None:
        raise Problem("invalid-input", "due_before must be an instant with its offset.")
    opened = moment_and_place(asked.cursor)
    wanted = EpisodeFilter(
        state=asked.state,
        owner=asked.owner,
        teams=teams_of(reader, asked.team),
        due_before=asked.due_before,
        open_only=not asked.closed and asked.state is None,
        person=asked.patient,
        after=f"{instant(opened[0])} {opened[1]}" if opened else "",
        limit=asked.limit,
    )
    page = episodes(call.app.database, wanted)
    call.looked(
        "read.list",
        persons=[line.person for line in page],
        episodes=[line.id for line in page],
        query=asked.model_dump(exclude_defaults=True, exclude={"cursor"}),
    )
    place = page[-1].cursor if len(page) == asked.limit else ""
    return linked(HERE, [episode_line_json(line) for line in page], asked, place)


@router.get("/{episode}", summary="Where an episode stands, or stood")
def show_episode(request: Request, episode: Ref, asked: Annotated[AsOfQuery, Query()]) -> Response:
    """Give everything an episode is now; ETag is its version, to be sent as If-Match with a command.

    With as_of: as it was recorded by then, or, by occurred, what had occurred by then as known today, not re-decided.
    """
    call = call_of(request)
    call.reads_episode(episode)
    if asked.as_of is not None:
        now = call.now()
        moment, past = moment_asked(asked.as_of, call.app.database.zone, now), past_of(call.app, episode)
        return json_answer(occurred_json(past, moment, now) if asked.by == OCCURRED else recorded_json(past, moment))
    found = call.app.store.episode(episode)
    compiled = call.app.engine.compiled(found.pathway)
    return json_answer(episode_json(found, compiled, call.now()), headers=((b"etag", etag(found.version)),))


@router.get("/{episode}/options", summary="What may happen next, and why not the rest")
def show_options(request: Request, episode: Ref) -> Response:
    """Give every transition from here for the reader: open, or closed by which rules, with remedies and sources."""
    call = call_of(request)
    reader = call.reads_episode(episode)
    found = call.app.store.episode(episode)
    citations = citations_of(call.app.engine.compiled(found.pathway).pathway)
    row: dict[str, Json] = {
        "episode": found.id,
        "state": found.state,
        "at": instant(call.now()),
        "by": reader.id,
        "role": reader.role.value,
        "options": [option_json(one, citations) for one in call.app.engine.options(found.id, reader)],
    }
    return json_answer(row, headers=((b"etag", etag(found.version)),))


@router.get("/{episode}/timeline", summary="What happened, with both times")
def show_timeline(request: Request, episode: Ref, asked: Annotated[TimelineQuery, Query()]) -> Response:
    """Give an episode's entries in the order they were recorded, each with when it happened."""
    call = call_of(request)
    call.reads_episode(episode)
    past = past_of(call.app, episode)
    compiled = call.app.engine.compiled(past.episode.pathway)
    steps = [step for step in past.steps if asked.after is None or step.index > asked.after]
    page = [told_json(past, step, compiled) for step in steps[: asked.limit]]
    more = str(steps[asked.limit - 1].index) if len(steps) > asked.limit else ""
    return linked(f"{HERE}/{episode}/timeline", page, asked, more, name="after")


@router.get("/{episode}/diff", summary="What changed between two moments")
def show_diff(request: Request, episode: Ref, asked: Annotated[DiffQuery, Query()]) -> Response:
    """Give what changed of an episode between two moments, each as it was recorded by then."""
    call = call_of(request)
    call.reads_episode(episode)
    zone, now = call.app.database.zone, call.now()
    first, last = moment_asked(asked.first, zone, now), moment_asked(asked.last, zone, now)
    if first.at > last.at:
        raise Problem("invalid-input", "from is after to: say the earlier moment first.")
    return json_answer(between_json(past_of(call.app, episode), first, last))


# --- commanding ---------------------------------------------------------------------------------------------------


@router.post("/{episode}/commands", summary="Give an episode a command")
def command_episode(request: Request, episode: Ref) -> Response:
    """Decide a command and keep the decision, whatever it is; a refusal is an entry too."""
    call = call_of(request)
    version = version_of(call.headers.get(b"if-match"))
    key = call.key() if version is not None else call.required_key()
    command = _command(call, episode, version, key)
    engine = call.app.engine
    try:
        answer = engine.handle(command)
    except StaleEpisode as error:
        if version is None:
            raise Problem("conflict", AT_ONCE, headers=((b"retry-after", b"1"),)) from None
        # Nobody learns by trying how far an episode of another care team has come.
        if not cares_for(command.actor, call.app.store.episode(error.episode)):
            raise Problem("refused") from None
        raise
    call.episode = episode
    return answered(call, answer)


@router.post("/{episode}/preview", summary="What a command would come to")
def preview_command(request: Request, episode: Ref) -> Response:
    """Decide a command and keep nothing; the answer says what it would be."""
    call = call_of(request)
    answer = call.app.engine.preview(_command(call, episode, None, None))
    call.episode = episode
    return answered(call, answer)


def _command(call: Call, episode: str, version: int | None, key: str | None) -> Command:
    body = call.asked(CommandBody)
    caller = call.asker
    return checked(
        Command(
            id=call.app.make_id(),
            kind=Kind(body.kind),
            actor=caller.actor,
            episode=episode,
            values=body.values,
            occurred_at=moment(body.occurred_at),
            overrides=overrides_of(body.overrides),
            of=body.of,
            key=key,
            version=version,
            via=f"api:{caller.token}",
        )
    )


@router.post("", summary="Register an episode", status_code=201)
def register_episode(request: Request) -> Response:
    """Open an episode for somebody known, or for somebody new, whose name goes to the vault only."""
    call = call_of(request)
    key = call.required_key()
    body = call.asked(RegisterBody)
    site = call.app.store.site()
    if not site.pathways:
        raise Problem("not-found", "No pathway is published here: publish one first.")
    if body.pathway is not None and body.pathway not in site.pathways:
        raise Problem("not-found", f"No such pathway is published here: {', '.join(site.pathways)}.")
    if "patient" in body.values:
        raise Problem("invalid-input", "The person is named by patient or person, not among the values.")
    details = _details(call, body)
    patient = _patient(call, body.patient) if body.patient is not None else new_ref("p", call.service.random)
    if not may_command(call.asker.actor, Kind.REGISTER):
        patient, details = SITE_REF, None  # the refusal is kept, and nothing of whom it was about
    steer = {"team": body.team, "language": body.language, "pathway": body.pathway}
    values: dict[str, Json] = {**body.values, **{key: one for key, one in steer.items() if one}, "patient": patient}
    command = Command(
        id=call.app.make_id(),
        kind=Kind.REGISTER,
        actor=call.asker.actor,
        episode=new_ref("e", call.service.random),
        values=values,
        occurred_at=moment(body.occurred_at),
        overrides=overrides_of(body.overrides),
        key=key,
        via=f"api:{call.asker.token}",
    )
    answer = registered(call.app, checked(command), details, keep=True)
    call.episode = answer.decision.command.episode
    return answered(call, answer, created=f"{HERE}/{call.episode}")


def _patient(call: Call, ref: str) -> str:
    if not may_command(call.asker.actor, Kind.REGISTER):
        return ref  # who may not register learns nothing about who is here
    try:
        return known_person(call.app, ref)
    except (InvalidInput, NotFound):
        raise Problem("not-found", "There is no such person here: look the reference up, or name a new one.") from None


def _details(call: Call, body: RegisterBody) -> Details | None:
    if (body.patient is None) == (body.person is None):
        raise Problem("invalid-input", "Say whom it is for: either patient, somebody known, or person, somebody new.")
    return None if body.person is None else _person(body.person, call.now().date())


def _person(body: PersonBody, today: date) -> Details:
    try:
        born = birth_date(body.born, today)
    except InvalidInput:
        wanted = {"field": "person.born", "expected": "a day, YYYY-MM-DD, since 1900 and not in the future"}
        raise Problem("invalid-input", "The body is not what is asked: see errors.", errors=[wanted]) from None
    if not body.name.strip():
        raise Problem("invalid-input", "The name of the person is empty.")
    contacts = {channel: address.strip() for channel, address in body.contacts if address is not None}
    return Details(name=body.name.strip(), born=born, contacts=contacts, language=body.language)
