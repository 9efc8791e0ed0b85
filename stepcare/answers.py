"""A decision as JSON: the one shape that `play`, `episode do`, `audit show` and every check read.

Names and meanings are documented in docs/reference and frozen by a test. Truth values are true, false or the word
`unknown`; instants are UTC with microseconds and Z, days ISO dates; what does not apply is null or an empty list.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from engine.audit import instant
from engine.decision import Clause, Decision, Input, Put, Recorded, RuleResult
from engine.model import Command, Deviation, DueItem, Episode, Flag, Json, Message, Request, Site, Timer
from engine.service import Answer
from engine.why import Option

Row = dict[str, Json]
UNKNOWN = "unknown"


def answer_json(answer: Answer, *, by: str | None = None, episode: str | None = None) -> Row:
    """Give an answer of the door as JSON; `by` and `episode` may put a play file's own names in place of the ids."""
    decision, command = answer.decision, answer.decision.command
    return {
        "at": instant(decision.now),
        "by": by or command.actor.id,
        "role": command.actor.role.value,
        "command": command.kind.value,
        "asked": asked(command),
        "id": command.id,
        "episode": episode or command.episode,
        **decision_json(decision, answer.before),
        "entry": answer.entry,
        "repeated": answer.repeated,
    }


def asked(command: Command) -> str | None:
    """Give what a command names: its transition, form, parameter, record or due item; None where it names nothing."""
    named = (command.values.get(key) for key in ("transition", "form", "name", "record", "due_item", "answer"))
    return next((str(one) for one in named if one is not None), None)


def decision_json(decision: Decision, before: Episode | Site) -> Row:
    """Give what was decided and what follows from it; `before` tells new due items from changed ones."""
    known = {item.id for item in before.due_items} if isinstance(before, Episode) else set()
    found: Row = {
        "occurred_at": _maybe(decision.command.occurred_at),
        "outcome": decision.outcome.value,
        "state_before": decision.state_before or None,
        "state": decision.state or None,
        "transition": decision.transition,
        "rules": [rule_json(rule) for rule in decision.rules],
        "failed": list(decision.failed),
        "prompts": list(decision.prompts),
        "recommended": decision.recommended,
        "taken": decision.taken,
        "records": [_record_json(event) for event in decision.events if isinstance(event, Recorded)],
        "due_items": _due_items(decision, known),
        "timers": _timers(decision),
        "messages": _messages(decision),
        "flags": _flags(decision),
        "deviations": [_deviation_json(one) for one in put(decision, Deviation)],
        "request": next((request_json(one) for one in put(decision, Request)), None),
        "derived": dict(decision.derived),
        "relied_on_by": list(decision.relied_on_by),
    }
    if decision.problem:
        found["problem"] = decision.problem
    return found


def rule_json(rule: RuleResult, citations: Mapping[str, str] | None = None) -> Row:
    """Give a rule's answer with every clause; `citations` adds the sources in words."""
    found: Row = {
        "id": rule.id,
        "level": rule.level.value,
        "value": truth(rule.value),
        "satisfied": rule.satisfied,
        "clauses": [_clause_json(one) for one in rule.clauses],
        "message": rule.message,
        "remedy": rule.remedy,
        "sources": list(rule.sources),
    }
    if citations is not None:
        found["citations"] = [citations[one] for one in rule.sources if one in citations]
    if rule.override is not None:
        found["override"] = {"reason": rule.override.reason, "text": rule.override.text}
    if rule.signed_off:
        found["signed_off"] = True
    return found


def option_json(option: Option, citations: Mapping[str, str]) -> Row:
    """Give a transition from here: open, waiting for a second person, or closed by which rules."""
    return {
        "transition": option.transition,
        "name": option.name,
        "title": option.title,
        "target": option.target,
        "open": option.open,
        "needs_sign_off": option.second,
        "closed_by": [rule_json(rule, citations) for rule in option.closed_by],
        "shown": [rule_json(rule, citations) for rule in option.shown],
        "questions": list(option.questions),
    }


def truth(value: bool | None) -> Json:  # noqa: FBT001 - a value of the condition language
    """Give a three-valued answer; what is not known says so, so that nobody reads it as no."""
    return UNKNOWN if value is None else value


def _clause_json(clause: Clause) -> Row:
    return {"text": clause.text, "value": truth(clause.value), "inputs": [_input_json(one) for one in clause.inputs]}


def _input_json(found: Input) -> Row:
    return {
        "fact": found.fact,
        "value": found.value,
        "record": found.record,
        "occurred_at": _maybe(found.occurred_at),
        "recorded_at": _maybe(found.recorded_at),
    }


# --- what follows -------------------------------------------------------------------------------------------------

T = TypeVar("T", DueItem, Timer, Message, Flag, Deviation, Request)


def put(decision: Decision, kind: type[T]) -> Iterator[T]:
    """Give the items of one kind that a decision puts down, the last word on each."""
    last = {e.item.id: e.item for e in decision.events if isinstance(e, Put) and isinstance(e.item, kind)}
    return iter(last.values())


def _due_items(decision: Decision, known: Iterable[str]) -> Row:
    found: dict[str, list[Json]] = {"created": [], "changed": [], "cancelled": [], "done": []}
    for item in put(decision, DueItem):
        where = item.status if item.status in ("cancelled", "done") else "changed"
        found["created" if item.id not in known else where].append(due_item_json(item))
    return dict(found)


def due_item_json(item: DueItem) -> Row:
    """Give a piece of owed work."""
    return {
        "id": item.id,
        "kind": item.kind,
        "title": item.title,
        "status": item.status,
        "opens_at": instant(item.opens_at),
        "due_at": _maybe(item.due_at),
        "due_on": item.due_on.isoformat() if item.due_on else None,
        "owner_role": item.owner_role.value,
        "owner": item.owner,
        "rung": item.rung,
        "snoozed_until": _maybe(item.snoozed_until),
    }


def _timers(decision: Decision) -> Row:
    found: dict[str, list[Json]] = {"armed": [], "cancelled": [], "fired": [], "stale": [], "expired": []}
    for timer in put(decision, Timer):
        found[timer.state].append(timer_json(timer))
    return dict(found)


def timer_json(timer: Timer) -> Row:
    """Give an awaited instant."""
    return {
        "id": timer.id,
        "kind": timer.kind,
        "due_item": timer.due_item,
        "at": instant(timer.at),
        "local": timer.local,
        "zone": timer.zone,
    }


def _messages(decision: Decision) -> Row:
    found: dict[str, list[Json]] = {"queued": [], "cancelled": []}
    for message in put(decision, Message):
        found.setdefault(message.status, []).append(message_json(message))
    return dict(found)


def message_json(message: Message) -> Row:
    """Give one outbox row."""
    return {
        "id": message.id,
        "template": message.template,
        "language": message.language,
        "recipient": message.recipient,
        "channel": message.channel,
        "category": message.category,
        "due_item": message.due_item,
        "not_before": instant(message.not_before),
        "expires_at": _maybe(message.expires_at),
        "status": message.status,
        "reason": message.reason or None,
        "follows": message.follows,
    }


def _flags(decision: Decision) -> Row:
    flags = list(put(decision, Flag))
    return {
        "raised": [flag_json(flag) for flag in flags if flag.cleared_at is None],
        "cleared": [flag_json(flag) for flag in flags if flag.cleared_at is not None],
    }


def flag_json(flag: Flag) -> Row:
    """Give a red flag."""
    return {
        "id": flag.item,
        "urgency": flag.urgency,
        "opened_at": instant(flag.opened_at),
        "cleared_at": _maybe(flag.cleared_at),
    }


def _record_json(event: Recorded) -> Row:
    return {"id": event.record.id, "form": event.record.form, "supersedes": event.supersedes}


def _deviation_json(deviation: Deviation) -> Row:
    return {"id": deviation.rule, "record": deviation.record, "reason": deviation.reason}


def request_json(request: Request) -> Row:
    """Give a wish that waits for a second person."""
    return {
        "id": request.id,
        "command": request.command.kind.value,
        "by": request.command.actor.id,
        "rules": list(request.rules),
        "roles": [role.value for role in request.roles],
        "status": request.status,
        "why": request.why,
        "opened_at": instant(request.opened_at),
        "expires_at": instant(request.expires_at),
    }


def _maybe(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None
