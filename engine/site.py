"""What a command means for the whole organisation: which pathway is in force, and the numbers it runs with.

A safety parameter needs another person's yes, by the same requests as everything else.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from engine.absence import decide_absence
from engine.access import why_not
from engine.calendar import dates_from
from engine.closing import Closing
from engine.compile import as_field
from engine.custody import custody_asked, decide_custody
from engine.decide import signer_denied
from engine.decision import Decision, ParameterSet, Published, Put
from engine.errors import InvalidInput, near
from engine.forms import read_one
from engine.model import Command, Json, Kind, Level, Person, Role, Site
from engine.pathway import Parameter, Pathway
from engine.site_answer import accepted, invalid, refused, second_person, unsatisfied
from engine.time import clock_within, duration_from
from engine.weigh import denial

SAFETY = "PARAM-02"
PATHLESS = (Kind.ABSENCE, Kind.CLOCK)  # decided without a pathway
CLOCK_FIELDS, DIRECTIONS = {"seconds", "direction"}, ("back", "forward")


def decide_site(  # noqa: PLR0913, PLR0917 - all that a decision rests on
    site: Site,
    pathway: Pathway | None,
    command: Command,
    now: datetime,
    person: Person | None = None,
    closing: Closing | None = None,
) -> Decision:
    """Decide what is for the whole site, or the sign-off of it.

    `pathway` is the one in question, None where none is; `person` the one a hold or an erasure is about, None where
    there is none; `closing` the entries about that person so far (None: not looked for). Same arguments, same
    decision. That a pack is proved before it is published is the caller's duty.
    """
    if custody_asked(site, command) is not None:
        return decide_custody(site, command, now, person, closing)
    if command.kind is Kind.ABSENCE:
        return decide_absence(site, command, now)
    if command.kind is Kind.CLOCK:
        return _clock(command, now)
    if pathway is None:
        return invalid(command, now, "No pathway is published here: publish one first.")
    why = why_not(command.actor, command.kind, None)
    if why:
        return refused(command, now, denial(why))
    if command.kind is Kind.PUBLISH:
        return _publish(command, now)
    if command.kind is Kind.SET_PARAMETER:
        return _set(pathway, command, now)
    return _sign_off(site, pathway, command, now)


def _clock(command: Command, now: datetime) -> Decision:
    """Keep that the clock of the machine was stepped: what was due in between is explained by it."""
    why = why_not(command.actor, command.kind, None)
    if why:
        return refused(command, now, denial(why))
    seconds, direction = command.values.get("seconds"), command.values.get("direction")
    counts = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    if set(command.values) != CLOCK_FIELDS or not counts or direction not in DIRECTIONS:
        return invalid(
            command, now, "Say by how many whole seconds the clock was stepped, and whether back or forward."
        )
    return accepted(command, now)


def _publish(command: Command, now: datetime) -> Decision:
    pathway, digest = command.values.get("pathway"), command.values.get("hash")
    if not isinstance(pathway, str) or not isinstance(digest, str) or len(digest) != 64:
        return invalid(command, now, "Say which pathway is published, and its SHA-256.")
    return accepted(command, now, Published(pathway=pathway, hash=digest))


def _set(pathway: Pathway, command: Command, now: datetime) -> Decision:
    name, raw = str(command.values.get("name") or ""), command.values.get("value")
    parameter = pathway.parameters.get(name)
    if parameter is None:
        return invalid(command, now, f"There is no parameter {name!r}. {near(name, pathway.parameters)}")
    try:
        value = None if raw is None else read_parameter(pathway, parameter, raw)
    except InvalidInput as error:
        return invalid(command, now, f"{name}: {error}")
    if command.actor.role not in parameter.who:
        allowed = ", ".join(parameter.who)
        return refused(command, now, denial(f"As {command.actor.role} you may not set {name}: ask one of {allowed}."))
    if parameter.safety:
        return _ask(command, parameter, now)
    return accepted(command, now, ParameterSet(name=name, value=value))


def read_parameter(pathway: Pathway, parameter: Parameter, raw: Json) -> Json:
    """Read a parameter's new value, as strictly as a form reads an answer."""
    if parameter.type == "dates":
        return _enough(parameter, list[Json](dates_from(raw)))
    value = read_one(pathway, as_field(parameter), raw)
    if parameter.type == "duration":
        _check_duration(parameter, duration_from(str(value)))
    elif parameter.type == "time":
        clock_within(str(value), parameter.low, parameter.high)
    return _enough(parameter, value)


def _enough(parameter: Parameter, value: Json) -> Json:
    """Hold a list to its least length: a site with no working day at all would never do anything."""
    if isinstance(value, list) and len(value) < parameter.at_least:
        raise InvalidInput(f"at least {parameter.at_least} must be chosen.")
    return value


def _check_duration(parameter: Parameter, length: timedelta) -> None:
    """Hold a duration to the sense of its default: what waits cannot come before, what repeats cannot stand still."""
    low, high = (None if one is None else duration_from(str(one)) for one in (parameter.low, parameter.high))
    if low is not None and high is not None:
        if not low <= length <= high:
            raise InvalidInput(f"it must lie within {parameter.low} and {parameter.high}.")
        return
    usual = duration_from(str(parameter.default)) if parameter.default is not None else timedelta(days=1)
    none = timedelta(0)
    if (usual > none and length <= none) or (usual < none and length > none) or (usual == none and length < none):
        raise InvalidInput(
            f"it must be {'longer than nothing' if usual > none else 'on the same side as its default'}."
        )


def _ask(command: Command, parameter: Parameter, now: datetime) -> Decision:
    """Open the request for a second person; safety numbers never change by one hand."""
    roles = tuple(role for role in Role if role in {*parameter.who, Role.LEAD})
    rule = unsatisfied(
        SAFETY,
        Level.HS2,
        f"{parameter.title} is a safety number: it takes two people to change.",
        f"Ask another person ({' or '.join(roles)}) to sign off within 72 hours.",
        "ext_team",
    )
    return second_person(command, now, rule, roles)


def _sign_off(site: Site, pathway: Pathway, command: Command, now: datetime) -> Decision:
    request = next((one for one in site.requests if one.id == command.of), None)
    answer = command.values.get("answer")
    yes = answer is True or answer == "yes"
    if request is None:
        return invalid(command, now, f"There is no request {command.of!r} here: name one that waits for sign-off.")
    if not yes and answer is not False and answer != "no":
        return invalid(command, now, "Answer yes or no.")
    denied = signer_denied(command, request, None)
    if denied is None and (request.status != "open" or now > request.expires_at):
        denied = replace(denial("This request can no longer be answered: ask again."), id="SIGN-01")
    if denied is not None:
        return refused(command, now, denied)
    if not yes:
        return accepted(command, now, Put(item=replace(request, status="refused")))
    name = str(request.command.values.get("name"))
    raw = request.command.values.get("value")
    value = None if raw is None else read_parameter(pathway, pathway.parameters[name], raw)
    return accepted(command, now, Put(item=replace(request, status="approved")), ParameterSet(name=name, value=value))
