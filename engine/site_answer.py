"""How a decision for the whole site is answered: the shapes that every such decision shares."""

from dataclasses import replace
from datetime import datetime

from engine.codec import digest_of
from engine.decision import Decision, Event, Put, RuleResult
from engine.model import Command, Level, Outcome, Request, Role
from engine.time import duration_from

WITHIN = "PT72H"


def shell(command: Command, now: datetime) -> Decision:
    """Give a decision that says nothing yet."""
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


def refused(command: Command, now: datetime, *rules: RuleResult) -> Decision:
    """Refuse by these rules."""
    ids = tuple(rule.id for rule in rules)
    return replace(shell(command, now), outcome=Outcome.REFUSED, rules=rules, failed=ids, prompts=ids)


def invalid(command: Command, now: datetime, problem: str) -> Decision:
    """Say what is wrong with the command itself; no entry is made."""
    return replace(shell(command, now), problem=problem)


def accepted(command: Command, now: datetime, *events: Event) -> Decision:
    """Accept, with what changes."""
    return replace(shell(command, now), outcome=Outcome.ACCEPTED, events=events)


def second_person(command: Command, now: datetime, rule: RuleResult, roles: tuple[Role, ...]) -> Decision:
    """Ask for another person's yes, by one in these roles, within 72 hours."""
    request = Request(
        id=command.id,
        command=command,
        hash=digest_of(dict(command.values)),
        rules=(rule.id,),
        roles=roles,
        opened_at=now,
        expires_at=now + duration_from(WITHIN),
    )
    return replace(
        shell(command, now),
        outcome=Outcome.NEEDS_SIGN_OFF,
        rules=(rule,),
        failed=(rule.id,),
        prompts=(rule.id,),
        events=(Put(item=request),),
    )


def unsatisfied(rule: str, level: Level, message: str, remedy: str, source: str) -> RuleResult:
    """Give a rule that says no."""
    return RuleResult(
        id=rule,
        level=level,
        value=False,
        satisfied=False,
        clauses=(),
        message=message,
        remedy=remedy,
        sources=(source,),
    )
