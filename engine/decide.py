"""What a command means for an episode: one pure function, and the same answer for ever.

    access → the wish → its rules → the outcome → its events → the due work that follows

A closed move is not an exception; it is a decision with every rule's answer.
"""

from dataclasses import replace
from datetime import datetime

from engine.access import why_not
from engine.codec import asked, digest_of
from engine.compiled import Compiled
from engine.decision import Decision, Event, Put, RuleResult
from engine.deliver import deliver
from engine.effects import events_of
from engine.fire import fire
from engine.fold import fold
from engine.model import Command, Episode, Json, Kind, Level, Outcome, Request, Role
from engine.picture import broken_invariants, picture
from engine.plan import plan
from engine.time import duration_from, local_day
from engine.view import Pending, View
from engine.weigh import Weighed, approvers_of, denial, weigh

SIGN_OFF_WITHIN = "sign_off_within"  # the pack's parameter; three days where a pack has none
THREE_DAYS = "PT72H"
RECOMMENDATION = "recommendation"


def decide(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Decide what `command` means for `episode` at `now` (aware, UTC).

    Same arguments, same decision, for ever: `replay` depends on it.
    """
    if command.kind is Kind.FIRE:
        return fire(compiled, episode, command, now)
    if command.kind is Kind.DELIVER:
        return deliver(compiled, episode, command, now)
    if command.kind is Kind.SIGN_OFF:
        return _sign_off(compiled, episode, command, now)
    return _finish(weigh(compiled, episode, command, now), command)


def _finish(weighed: Weighed, command: Command, first: tuple[Event, ...] = ()) -> Decision:
    """Turn what was weighed into a decision; `first` are events that come before its own."""
    view, wish = weighed.view, weighed.wish
    if weighed.outcome is not Outcome.ACCEPTED:
        asked = (Put(item=_request(weighed)),) if weighed.outcome is Outcome.NEEDS_SIGN_OFF else ()
        return _decision(weighed, command, asked, view if view.episode.version else None)
    episode = view.episode
    events = (*first, *events_of(view.compiled, episode, weighed.command, wish, weighed.rules))
    acted = fold(episode, events, episode.version + 1)
    act = view.after(acted, wish.pending)
    then = act.on(local_day(wish.now, acted.zone))
    owed = plan(then, act, wish.bindings, command.id)
    shown = then.after(fold(acted, owed, acted.version) if owed else acted, Pending())
    return _decision(weighed, command, (*events, *owed), shown, broken_invariants(shown))


def _decision(
    weighed: Weighed,
    command: Command,
    events: tuple[Event, ...],
    shown: View | None,
    alerts: tuple[RuleResult, ...] = (),
) -> Decision:
    """Give what was asked with every answer, the events, and the picture `shown` with what does not hold in it."""
    view, wish = weighed.view, weighed.wish
    compiled, episode = view.compiled, view.episode
    accepted = weighed.outcome is Outcome.ACCEPTED
    return Decision(
        outcome=weighed.outcome,
        command=command,
        now=wish.now,
        pathway=compiled.hash,
        parameters=compiled.parameters_hash,
        state_before=episode.state,
        state=shown.episode.state if shown else episode.state,
        rules=(*weighed.rules, *alerts),
        failed=tuple(rule.id for rule in weighed.rules if not rule.satisfied and rule.level is not Level.INFO),
        prompts=(*(rule.id for rule in weighed.rules if rule.message), *(rule.id for rule in alerts)),
        events=events,
        reads=weighed.reads,
        recommended=None if weighed.denied else _recommended(weighed),
        taken=compiled.pathway.transitions[wish.transition].name if accepted and wish.transition else None,
        transition=wish.transition,
        problem=weighed.problem,
        relied_on_by=episode.relied.get(wish.pending.supersedes or "", ()) if accepted else (),
        derived=picture(shown) if shown and not weighed.denied else {},
    )


def _recommended(weighed: Weighed) -> str | None:
    """Give what the pack recommends where a person is about to choose: at a reassessment and at a move in a step."""
    record, view = weighed.wish.pending.record, weighed.view
    state = view.compiled.pathway.states.get(view.episode.state)
    moving = weighed.wish.transition is not None and state is not None and state.step is not None
    asked = moving or (record is not None and record.form == "reassessment")
    if not asked or not view.episode.version or RECOMMENDATION not in view.compiled.tables:
        return None
    return view.answer(RECOMMENDATION)


# --- a second person's yes ----------------------------------------------------------------------------------------


def _request(weighed: Weighed) -> Request:
    """Open the request that waits for another person."""
    rules, roles = approvers_of(weighed)
    within = weighed.view.compiled.written(SIGN_OFF_WITHIN, THREE_DAYS)
    return Request(
        id=weighed.command.id,
        command=weighed.command,
        hash=request_hash(weighed, rules),
        rules=rules,
        roles=tuple(role for role in Role if role in roles),
        opened_at=weighed.wish.now,
        expires_at=weighed.wish.now + duration_from(within),
    )


def request_hash(weighed: Weighed, rules: tuple[str, ...]) -> str:
    """Bind a request to exactly what was asked and read: never to the time, or what is derived from it."""
    command, view = weighed.command, weighed.view
    reads: list[Json] = [[record, version] for record, version in weighed.reads]
    return digest_of(
        {
            **asked(command),
            "rules": list(rules),
            "reads": reads,
            "state": view.episode.state,
            "target": weighed.wish.target,
            "stays": len(view.episode.stays),
            "flags": list[Json](sorted(flag.id for flag in view.episode.flags if flag.cleared_at is None)),
            "emergencies": list[Json](sorted(view.episode.person.emergencies)),
            "pathway": view.compiled.hash,
            "parameters": view.compiled.parameters_hash,
        }
    )


def _sign_off(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Decide another person's answer: a yes decides the request anew, now, and executes it."""
    view = View(compiled, episode, Pending(actor=command.actor), now, local_day(now, episode.zone))
    request = next((one for one in episode.requests if one.id == command.of), None)
    shell = Decision(
        outcome=Outcome.INVALID,
        command=command,
        now=now,
        pathway=compiled.hash,
        parameters=compiled.parameters_hash,
        state_before=episode.state,
        state=episode.state,
    )
    if request is None:
        return replace(shell, problem=f"There is no request {command.of!r} here: name one that waits for sign-off.")
    answer = command.values.get("answer")
    if answer not in ("yes", "no", True, False):
        return replace(shell, problem="Answer yes or no.")
    denied = signer_denied(command, request, episode)
    if denied is not None:
        return replace(shell, outcome=Outcome.REFUSED, rules=(denied,), failed=(denied.id,), prompts=(denied.id,))
    shell = replace(shell, derived=picture(view))
    if request.status != "open":
        return _void(shell, request, f"This request is {request.status}: a yes counts once.", change=False)
    if now > request.expires_at:
        return _void(shell, replace(request, status="expired"), "The request has expired: ask again.")
    if answer in ("no", False):
        text = str(command.values.get("text") or "")
        return replace(
            shell, outcome=Outcome.ACCEPTED, events=(Put(item=replace(request, status="refused", why=text)),)
        )
    weighed = weigh(compiled, episode, request.command, now, frozenset(request.rules))
    if request_hash(weighed, request.rules) != request.hash:
        return _void(shell, replace(request, status="void"), "What the request was decided on has changed: ask again.")
    if weighed.outcome is not Outcome.ACCEPTED:
        late = ", ".join(rule.id for rule in weighed.rules if not rule.satisfied)
        void = _void(shell, replace(request, status="void"), f"It would no longer pass ({late}): ask again.")
        return replace(void, rules=(*void.rules, *weighed.rules))
    return _finish(weighed, command, (Put(item=replace(request, status="approved")),))


def _void(shell: Decision, request: Request, why: str, *, change: bool = True) -> Decision:
    """Refuse an answer that comes too late; the request says why it can no longer be answered."""
    refused = replace(denial(why), id="SIGN-01")
    return replace(
        shell,
        outcome=Outcome.REFUSED,
        rules=(refused,),
        failed=(refused.id,),
        prompts=(refused.id,),
        events=(Put(item=replace(request, why=why)),) if change else (),
    )


def signer_denied(command: Command, request: Request, episode: Episode | None) -> RuleResult | None:
    """Refuse a signer who is the requester, has not the role, or does not belong to the care team."""
    why = why_not(command.actor, command.kind, episode)
    if why:
        return denial(why)
    if command.actor.id == request.command.actor.id:
        return replace(denial("Nobody signs off their own request: ask another person."), id="SIGN-02")
    if command.actor.role not in request.roles:
        allowed = ", ".join(request.roles)
        return denial(f"As {command.actor.role} you may not sign off {', '.join(request.rules)}: ask one of {allowed}.")
    return None
