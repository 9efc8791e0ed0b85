"""A command weighed: its wish read, its rules asked, the outcome they give. Nothing is changed yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from engine import access
from engine.compiled import Compiled
from engine.decision import RuleResult
from engine.errors import InvalidInput
from engine.model import Command, Episode, Kind, Level, Outcome
from engine.rules import ask_rules, bad_overrides
from engine.view import Pending, View
from engine.wishes import RAISE, Wish, read_wish

KEPT = (Kind.RECORD, Kind.CONTACT, Kind.CORRECT)  # what has happened is never refused
OURS = ("ext_team",)
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A wish with its rules' answers; `problem` says why it is INVALID, empty otherwise.

    `reads` are the records the rules used, and nothing that was looked at for show. `denied`: the asker has not the
    permission, so nothing of the episode is shown either.
    """

    command: Command
    wish: Wish
    view: View
    outcome: Outcome
    rules: tuple[RuleResult, ...] = ()
    problem: str = ""
    reads: tuple[tuple[str, int], ...] = ()
    denied: bool = False


def weigh_without_answers(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Weighed:
    """Ask the rules of a move whose form is still empty, for `why`: what is not answered is unknown."""
    wish = replace(read_wish(compiled, episode, command, now), problems=())
    view = View(compiled, episode, wish.pending, wish.now, wish.day)
    bare = Weighed(command=command, wish=wish, view=view, outcome=Outcome.INVALID)
    denied = _denied(compiled, episode, command, wish)
    if denied:
        return replace(bare, outcome=Outcome.REFUSED, rules=(denied,))
    return replace(bare, rules=(*ask_rules(view, wish.bindings, {}, NOBODY), *_second(view, wish, NOBODY)))


def weigh(
    compiled: Compiled, episode: Episode, command: Command, now: datetime, signed: frozenset[str] = NOBODY
) -> Weighed:
    """Read the command and ask its rules; `signed` are the rules a second person said yes to."""
    try:
        wish = read_wish(compiled, episode, command, now)
    except InvalidInput as error:
        wish = Wish(now=now, at=now, day=now.date(), pending=Pending(actor=command.actor))
        view = View(compiled, episode, wish.pending, now, wish.day)
        return Weighed(command=command, wish=wish, view=view, outcome=Outcome.INVALID, problem=str(error))
    pending = replace(wish.pending, signed=True) if signed else wish.pending
    view = View(compiled, episode, pending, wish.now, wish.day)
    made = partial(Weighed, command=command, wish=wish, view=view)
    denied = _denied(compiled, episode, command, wish)
    if denied:
        return made(outcome=Outcome.REFUSED, rules=(denied,), denied=True)
    if wish.problems:
        problem = " ".join(one.message for one in wish.problems)
        return made(outcome=Outcome.INVALID, rules=_form_rules(wish), problem=problem)
    overrides = {one.rule: one for one in command.overrides}
    wrong = bad_overrides(view, wish.bindings, overrides)
    if wrong:
        return made(outcome=Outcome.INVALID, problem=" ".join(wrong))
    rules = (*ask_rules(view, wish.bindings, overrides, signed), *_second(view, wish, signed))
    outcome, problem = _outcome(command, wish, rules)
    return made(outcome=outcome, rules=rules, problem=problem, reads=tuple(sorted(view.reads.items())))


def _denied(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> RuleResult | None:
    """Refuse by role or care team; a concern is the exception, it may come from outside the team."""
    transition = compiled.pathway.transitions.get(wish.transition or wish.as_of or "")
    concern = transition is not None and transition.name == RAISE
    why = access.why_not(command.actor, command.kind, None if concern else episode)
    if not why and transition is not None and command.actor.role not in transition.roles:
        allowed = ", ".join(transition.roles)
        why = f"As {command.actor.role} you may not take {transition.name}: ask one of {allowed}."
    form = compiled.pathway.forms.get(wish.pending.form or "")
    if not why and form is not None and form.roles and command.actor.role not in form.roles:
        allowed = ", ".join(form.roles)
        why = f"As {command.actor.role} you may not fill in {form.title.lower()}: ask one of {allowed}."
    return denial(why) if why else None


def denial(why: str) -> RuleResult:
    """Say no by permission, in the shape of a rule, so that it is explained and logged like one."""
    says, _, remedy = why.partition(": ")
    return _hard("ROLE-01", Level.HSX, f"{says}.", f"{remedy[:1].upper()}{remedy[1:]}")


def _hard(rule: str, level: Level, message: str, remedy: str, *, satisfied: bool = False) -> RuleResult:
    return RuleResult(
        id=rule,
        level=level,
        value=satisfied,
        satisfied=satisfied,
        clauses=(),
        message=message,
        remedy=remedy,
        sources=OURS,
        signed_off=satisfied,
    )


def _form_rules(wish: Wish) -> tuple[RuleResult, ...]:
    """Show the form errors that name a rule as that rule's answer, once each."""
    named = {one.rule: one for one in reversed(wish.problems) if one.rule}
    return tuple(_hard(rule, Level.FORM, one.message, one.message) for rule, one in named.items())


def _second(view: View, wish: Wish, signed: frozenset[str]) -> tuple[RuleResult, ...]:
    """Ask for a second person where the transition needs one."""
    if wish.transition is None or wish.illegal:
        return ()
    second = view.compiled.pathway.transitions[wish.transition].second
    condition = view.compiled.seconds.get(wish.transition)
    if second is None or (condition is not None and condition.evaluate(view) is False):
        return ()
    if second.rule in signed:
        return (_hard(second.rule, Level.HS2, "", "", satisfied=True),)
    remedy = f"Ask another person ({' or '.join(second.roles)}) to sign off."
    return (_hard(second.rule, Level.HS2, "This needs a second person's yes.", remedy),)


def _outcome(command: Command, wish: Wish, rules: Sequence[RuleResult]) -> tuple[Outcome, str]:
    """Weigh the unsatisfied rules: the hardest decides."""
    failing = [rule for rule in rules if not rule.satisfied]
    wrong = [f"{rule.message} {rule.remedy}".strip() for rule in failing if rule.level is Level.FORM]
    if wrong:
        return Outcome.INVALID, " ".join(wrong)
    if wish.illegal:
        return Outcome.REFUSED, "The pathway has no such move from here."
    levels = {rule.level for rule in failing}
    if (command.kind in KEPT and not wish.strict) or not levels & {Level.SS, Level.HS2, Level.HSX}:
        return Outcome.ACCEPTED, ""
    return (Outcome.REFUSED if levels & {Level.SS, Level.HSX} else Outcome.NEEDS_SIGN_OFF), ""


def approvers_of(weighed: Weighed) -> tuple[tuple[str, ...], frozenset[str]]:
    """Give the rules that need a second person's yes, and the roles that may give it to all of them."""
    compiled, wish = weighed.view.compiled, weighed.wish
    needing = tuple(rule.id for rule in weighed.rules if rule.level is Level.HS2 and not rule.satisfied)
    bound = {one.rule.id: one.rule.approvers for key in wish.bindings for one in compiled.rules.get(key, ())}
    if wish.transition is not None:
        second = compiled.pathway.transitions[wish.transition].second
        if second is not None:
            bound[second.rule] = second.roles
    roles = [frozenset(map(str, bound[rule])) for rule in needing if rule in bound]
    return needing, frozenset.intersection(*roles) if roles else frozenset()
