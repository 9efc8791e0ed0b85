"""What a command means for the whole organisation: which pathway is in force, and the numbers it runs with.

A safety parameter needs another person's yes, by the same requests as everything else.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from engine.access import why_not
from engine.codec import digest_of
from engine.compile import as_field
from engine.decide import signer_denied
from engine.decision import Decision, Event, ParameterSet, Published, Put, RuleResult
from engine.errors import InvalidInput, near
from engine.forms import read_one
from engine.model import Command, Json, Kind, Level, Outcome, Request, Role, Site
from engine.pathway import Parameter, Pathway
from engine.time import clock_from, duration_from
from engine.weigh import denial

WITHIN = "PT72H"
SAFETY = "PARAM-02"


def decide_site(site: Site, pathway: Pathway, command: Command, now: datetime) -> Decision:
    """Decide `publish`, `set_parameter` or the sign-off of one; `pathway` is the one in question.

    Same arguments, same decision. That a pack is proved before it is published is the caller's duty.
    """
    why = why_not(command.actor, command.kind, None)
    if why:
        return _refused(command, now, denial(why))
    if command.kind is Kind.PUBLISH:
        return _publish(command, now)
    if command.kind is Kind.SET_PARAMETER:
        return _set(pathway, command, now)
    return _sign_off(site, pathway, command, now)


def _shell(command: Command, now: datetime) -> Decision:
    pathway = str(command.values.get("hash") or "")
    return Decision(
        outcome=Outcome.INVALID,
        command=command,
        now=now,
        pathway=pathway,
        parameters="",
        state_before="",
        state="",
    )


def _refused(command: Command, now: datetime, rule: RuleResult) -> Decision:
    return replace(_shell(command, now), outcome=Outcome.REFUSED, rules=(rule,), failed=(rule.id,), prompts=(rule.id,))


def _invalid(command: Command, now: datetime, problem: str) -> Decision:
    return replace(_shell(command, now), problem=problem)


def _accepted(command: Command, now: datetime, *events: Event) -> Decision:
    return replace(_shell(command, now), outcome=Outcome.ACCEPTED, events=events)


def _publish(command: Command, now: datetime) -> Decision:
    pathway, digest = command.values.get("pathway"), command.values.get("hash")
    if not isinstance(pathway, str) or not isinstance(digest, str) or len(digest) != 64:
        return _invalid(command, now, "Say which pathway is published, and its SHA-256.")
    return _accepted(command, now, Published(pathway=pathway, hash=digest))


def _set(pathway: Pathway, command: Command, now: datetime) -> Decision:
    name, raw = str(command.values.get("name") or ""), command.values.get("value")
    parameter = pathway.parameters.get(name)
    if parameter is None:
        return _invalid(command, now, f"There is no parameter {name!r}. {near(name, pathway.parameters)}")
    try:
        value = None if raw is None else read_parameter(pathway, parameter, raw)
    except InvalidInput as error:
        return _invalid(command, now, f"{name}: {error}")
    if command.actor.role not in parameter.who:
        allowed = ", ".join(parameter.who)
        return _refused(command, now, denial(f"As {command.actor.role} you may not set {name}: ask one of {allowed}."))
    if parameter.safety:
        return _ask(command, parameter, now)
    return _accepted(command, now, ParameterSet(name=name, value=value))


def read_parameter(pathway: Pathway, parameter: Parameter, raw: Json) -> Json:
    """Read a parameter's new value, as strictly as a form reads an answer."""
    value = read_one(pathway, as_field(parameter), raw)
    if parameter.type == "duration":
        _check_duration(parameter, duration_from(str(value)))
    elif parameter.type == "time":
        clock_from(str(value))
    return value


def _check_duration(parameter: Parameter, length: timedelta) -> None:
    """Hold a duration to the sense of its default: what waits cannot come before, what repeats cannot stand still."""
    usual = duration_from(str(parameter.default)) if parameter.default is not None else timedelta(days=1)
    none = timedelta(0)
    if (usual > none and length <= none) or (usual < none and length > none) or (usual == none and length < none):
        raise InvalidInput(
            f"it must be {'longer than nothing' if usual > none else 'on the same side as its default'}."
        )


def _ask(command: Command, parameter: Parameter, now: datetime) -> Decision:
    """Open the request for a second person; safety numbers never change by one hand."""
    roles = tuple(role for role in Role if role in {*parameter.who, Role.LEAD})
    rule = RuleResult(
        id=SAFETY,
        level=Level.HS2,
        value=False,
        satisfied=False,
        clauses=(),
        message=f"{parameter.title} is a safety number: it takes two people to change.",
        remedy=f"Ask another person ({' or '.join(roles)}) to sign off within 72 hours.",
        sources=("ext_team",),
    )
    request = Request(
        id=command.id,
        command=command,
        hash=digest_of(dict(command.values)),
        rules=(SAFETY,),
        roles=roles,
        opened_at=now,
        expires_at=now + duration_from(WITHIN),
    )
    return replace(
        _shell(command, now),
        outcome=Outcome.NEEDS_SIGN_OFF,
        rules=(rule,),
        failed=(SAFETY,),
        prompts=(SAFETY,),
        events=(Put(item=request),),
    )


def _sign_off(site: Site, pathway: Pathway, command: Command, now: datetime) -> Decision:
    request = next((one for one in site.requests if one.id == command.of), None)
    answer = command.values.get("answer")
    yes = answer is True or answer == "yes"
    if request is None:
        return _invalid(command, now, f"There is no request {command.of!r} here: name one that waits for sign-off.")
    if not yes and answer is not False and answer != "no":
        return _invalid(command, now, "Answer yes or no.")
    denied = signer_denied(command, request, None)
    if denied is None and (request.status != "open" or now > request.expires_at):
        denied = replace(denial("This request can no longer be answered: ask again."), id="SIGN-01")
    if denied is not None:
        return _refused(command, now, denied)
    if not yes:
        return _accepted(command, now, Put(item=replace(request, status="refused")))
    name = str(request.command.values.get("name"))
    raw = request.command.values.get("value")
    value = None if raw is None else read_parameter(pathway, pathway.parameters[name], raw)
    return _accepted(command, now, Put(item=replace(request, status="approved")), ParameterSet(name=name, value=value))
