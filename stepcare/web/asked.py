"""What may be asked of the API, and how a body is read: strictly, and telling what is expected, never what came."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import InvalidInput
from engine.model import Override
from stepcare.glass import Finding, Reason
from stepcare.typed import DEEPEST, LONGEST_NAME, LONGEST_TEXT, json_from, moment_from
from stepcare.web.problem import Problem

LONGEST_ADDRESS = 200
MOST_OVERRIDES = 50
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Values = Annotated[
    dict[str, Any],
    Field(default_factory=dict, description="The answers, by field; decimals as text or numbers, days as YYYY-MM-DD."),
]
Moment = Annotated[
    str | None, Field(max_length=40, description="When it happened, an instant with its offset; else it happens now.")
]


EpisodeCommand = Literal[
    "record", "move", "plan", "start", "stop", "contact", "assign", "snooze", "correct", "sign_off", "resend", "opt_out"
]


class Asked(BaseModel):
    """A body: what is not listed is not taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OverrideBody(Asked):
    """A soft stop passed, with one of the reasons the rule names; `text` is owed where that is `other`."""

    rule: Name
    reason: Name
    text: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""


Overrides = Annotated[list[OverrideBody], Field(max_length=MOST_OVERRIDES)]


class CommandBody(Asked):
    """A command for one episode."""

    kind: EpisodeCommand
    values: Values
    overrides: Overrides = []
    of: Annotated[Name | None, Field(description="The request or the plan it is about.")] = None
    occurred_at: Moment = None


class SiteBody(Asked):
    """A command for the whole site."""

    kind: Literal["set_parameter", "sign_off"]
    values: Values
    of: Annotated[Name | None, Field(description="The request that is signed off.")] = None


class ContactsBody(Asked):
    """How to reach somebody."""

    email: Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)] | None = None
    sms: Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)] | None = None
    telephone: Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)] | None = None
    letter: Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)] | None = None


class PersonBody(Asked):
    """Somebody new; all of it goes to the vault and nowhere else."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    born: Annotated[str | None, Field(max_length=10, description="Date of birth, YYYY-MM-DD.")] = None
    contacts: ContactsBody = ContactsBody()
    language: Annotated[str, Field(max_length=20)] = "en"


class RegisterBody(Asked):
    """A new episode, of somebody known (`patient`) or of somebody new (`person`)."""

    patient: Annotated[Name | None, Field(description="The reference of somebody known.")] = None
    person: PersonBody | None = None
    values: Values
    overrides: Overrides = []
    team: Name | None = None
    language: Annotated[str | None, Field(max_length=20)] = None
    pathway: Annotated[Name | None, Field(description="Which published pathway; else the only one.")] = None
    occurred_at: Moment = None


class GlassBody(Asked):
    """Why an episode of another care team is opened, and for how long."""

    reason: Reason
    text: Annotated[str, Field(max_length=LONGEST_TEXT, description="Why, in your own words; it is sealed.")]
    minutes: Annotated[int | None, Field(description="For how long, at most what the site allows; else an hour.")] = (
        None
    )


class ReviewBody(Asked):
    """What a privacy officer found of an opening."""

    finding: Finding
    text: Annotated[str, Field(max_length=LONGEST_TEXT, description="Why, in your own words; it is sealed.")]


class RetryBody(Asked):
    """What is to be taken up again."""

    id: Annotated[str, Field(min_length=1, max_length=300, description="As the list of what was put aside shows it.")]


BODIES: tuple[type[Asked], ...] = (CommandBody, SiteBody, RegisterBody, GlassBody, ReviewBody, RetryBody)
Body = TypeVar("Body", bound=Asked)


def body_of(data: bytes, model: type[Body]) -> tuple[Body, Any]:
    """Read a body; gives it as the model says, and as it came."""
    came = _json(data)
    try:
        return model.model_validate(came), came
    except ValidationError as error:
        raise _not_as_asked(error.errors(include_input=False, include_url=False), model) from None


def _json(data: bytes) -> Any:
    try:
        return json_from(data, "The body")
    except InvalidInput as error:
        raise Problem("invalid-input", _reason(error.__context__)) from None
    except ValueError:  # a number of more digits than Python reads
        raise Problem("invalid-input", "The body holds a number that is too long: no form asks that.") from None


def _reason(cause: BaseException | None) -> str:
    """Say where JSON stops being JSON; the decoder's own words name no content."""
    if isinstance(cause, json.JSONDecodeError):
        return f"The body is not JSON from line {cause.lineno}, column {cause.colno} on."
    if isinstance(cause, UnicodeDecodeError):
        return "The body is not UTF-8."
    if isinstance(cause, RecursionError):
        return f"The body is nested deeper than {DEEPEST} levels: no form asks that."
    return "The body names something twice, or holds a number that is none: write each name once, and plain numbers."


def _not_as_asked(errors: Sequence[Any], model: type[BaseModel]) -> Problem:
    """Say of each place of our schema what is expected there."""
    known = names_of(model)
    found = [
        {"field": place_of(one["loc"], known), "expected": expected(one, model.model_fields)} for one in errors[:50]
    ]
    unique = [one for position, one in enumerate(found) if one not in found[:position]]
    return Problem("invalid-input", "The body is not what is asked: see errors.", errors=unique)


def names_of(model: type[BaseModel]) -> frozenset[str]:
    """Give every name a model asks, at any depth."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", {}))


def place_of(loc: Sequence[Any], known: frozenset[str]) -> str:
    """Give a place as far as it is ours: a name that we do not ask is not repeated."""
    place = ""
    for step in loc:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step in known:
            place += f".{step}" if place else step
        else:
            break
    return place or "(the whole)"


SAYINGS = {
    "missing": "it is missing",
    "string_type": "text",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "string_too_short": "text that is not empty",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
}


def expected(error: Any, outermost: Iterable[str] = ()) -> str:
    """Say what is expected where something else came; `outermost` are the names asked at the top."""
    kind, facts = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        asked = f": {', '.join(outermost)}" if len(error["loc"]) == 1 and outermost else ""
        return f"only names that the description lists{asked}"
    if kind in ("literal_error", "enum"):
        return f"one of {facts.get('expected', '')}".replace("'", "")
    if kind in ("string_too_long", "too_long"):
        return f"at most {facts.get('max_length')} of them"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{'at least' if 'ge' in facts else 'at most'} {facts.get('ge', facts.get('le'))}"
    return SAYINGS.get(kind, "what the schema says")


def overrides_of(bodies: Iterable[OverrideBody]) -> tuple[Override, ...]:
    """Give overrides as the engine takes them."""
    return tuple(Override(rule=one.rule, reason=one.reason, text=one.text) for one in bodies)


def moment(typed: str | None) -> datetime | None:
    """Read an instant."""
    try:
        return moment_from(typed)
    except InvalidInput:
        wanted = {"field": "occurred_at", "expected": "an instant with its offset, such as 2026-03-02T09:00:00+01:00"}
        raise Problem("invalid-input", "The body is not what is asked: see errors.", errors=[wanted]) from None


# --- headers ------------------------------------------------------------------------------------------------------

KEY = re.compile(rb"[\x20-\x7e]{1,128}")
TAG = re.compile(rb'(W/)?"[\x21\x23-\x7e]{0,64}"')
OURS = re.compile(rb'"(0|[1-9]\d{0,14})"')
NEVER = -1  # no episode was ever at this version


def key_of(header: bytes | None) -> str | None:
    """Read an Idempotency-Key."""
    if header is None:
        return None
    if not KEY.fullmatch(header):
        raise Problem("invalid-input", "The Idempotency-Key must be 1 to 128 printable ASCII characters.")
    return header.decode("ascii")


def version_of(header: bytes | None) -> int | None:
    """Read If-Match: a version, None for whatever is current; a tag that is not ours matches nothing."""
    if header is None:
        raise Problem("precondition-required")
    if header == b"*":
        return None
    found = OURS.fullmatch(header)
    if found:
        return int(found[1])
    if TAG.fullmatch(header):
        return NEVER
    raise Problem("invalid-input", "If-Match must hold one entity tag in quotes, or *.")
