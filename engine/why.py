"""What may happen next, and why not the rest: every transition from here with each rule that closes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.compiled import Compiled
from engine.decision import RuleResult
from engine.machine import NOWHERE
from engine.model import Actor, Command, Episode, Kind, Level, Outcome
from engine.weigh import weigh, weigh_without_answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One transition from here. `open`: it would go through as it stands, once `questions` are answered.

    `closed_by`: the rules that stop it, hardest first; `shown`: the others that would be shown.
    `questions`: the answers it still wants with the move itself. `second`: it waits for another person's yes.
    """

    transition: str
    name: str
    title: str
    target: str
    open: bool
    second: bool
    closed_by: tuple[RuleResult, ...]
    shown: tuple[RuleResult, ...]
    questions: tuple[str, ...]


HARDEST = (Level.HSX, Level.HS2, Level.SS, Level.INFO, Level.FORM)


def options(compiled: Compiled, episode: Episode, actor: Actor, now: datetime) -> tuple[Option, ...]:
    """Give every transition the pathway has from here, each target on its own, for this actor at `now`."""
    return tuple(_options(compiled, episode, actor, now))


def _options(compiled: Compiled, episode: Episode, actor: Actor, now: datetime) -> Iterator[Option]:
    for key, targets in compiled.enforcer.allowed(episode.state or NOWHERE).items():
        transition = compiled.pathway.transitions[key]
        back = episode.return_to[-1][0] if episode.return_to else None
        for target in (back,) if transition.target == ("return_to",) and back else targets:
            command = Command(
                id="why",
                kind=Kind.MOVE,
                actor=actor,
                episode=episode.id,
                values={"transition": key, "to": target},
            )
            yield _option(compiled, episode, command, now, key)


def _option(compiled: Compiled, episode: Episode, command: Command, now: datetime, key: str) -> Option:
    transition = compiled.pathway.transitions[key]
    weighed = weigh(compiled, episode, command, now)
    questions = tuple(one.field for one in weighed.wish.problems)
    if weighed.outcome is Outcome.INVALID and weighed.wish.problems:
        weighed = weigh_without_answers(compiled, episode, command, now)
    stopping = [r for r in weighed.rules if not r.satisfied and r.level not in (Level.INFO, Level.FORM)]
    wanted = {fact: None for rule in stopping for fact in _asked_with_the_move(rule, weighed.wish.pending.form)}
    questions = (*questions, *(fact for fact in wanted if fact not in questions))
    closing = [rule for rule in stopping if not _asked_with_the_move(rule, weighed.wish.pending.form)]
    closing.sort(key=lambda rule: HARDEST.index(rule.level))
    form_rules = [r.id for r in weighed.rules if r.level is Level.FORM and not r.satisfied]
    second = bool(closing) and all(rule.level is Level.HS2 for rule in closing)
    return Option(
        transition=key,
        name=transition.name,
        title=transition.title,
        target=str(command.values["to"]),
        open=not closing,
        second=second,
        closed_by=tuple(closing),
        shown=tuple(rule for rule in weighed.rules if rule.level is Level.INFO),
        questions=(*questions, *form_rules),
    )


def _asked_with_the_move(rule: RuleResult, form: str | None) -> tuple[str, ...]:
    """Give the answers a rule waits for, if it waits for nothing but answers of the move's own form.

    Such a rule closes nothing: whoever makes the move fills them in.
    """
    facts = [given for clause in rule.clauses if clause.value is not True for given in clause.inputs]
    own = [given for given in facts if form is not None and given.fact.startswith(f"{form}.")]
    if not facts or len(own) < len(facts) or any(given.value is not None for given in own):
        return ()
    return tuple(dict.fromkeys(given.fact.partition(".")[2] for given in own))
