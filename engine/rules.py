"""Asking the rules: each that applies gives its answer with every clause, the value used and its age.

A soft stop passes with one of its coded reasons, an HS2 with another person's yes, an HSx not at all. What an
unknown answer means is the rule's own word (`on_unknown`), unless an unset parameter is the cause: then the
parameter's `when_unset` decides, and no safety parameter lets anything pass.
"""

import re
from collections.abc import Iterable, Mapping

from engine.compiled import CompiledRule
from engine.decision import RuleResult
from engine.model import Json, Level, Override
from engine.view import View

PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
HARD = (Level.HS2, Level.HSX)


def ask_rules(
    view: View, bindings: Iterable[str], overrides: Mapping[str, Override], signed: frozenset[str] = frozenset()
) -> tuple[RuleResult, ...]:
    """Ask every rule bound to any of these bindings once, in the pack's order."""
    asked: dict[str, RuleResult] = {}
    for binding in bindings:
        for rule in view.compiled.rules.get(binding, ()):
            if rule.rule.id not in asked:
                result = ask(view, rule, overrides.get(rule.rule.id), signed)
                if result is not None:
                    asked[rule.rule.id] = result
    return tuple(asked.values())


def ask(view: View, rule: CompiledRule, override: Override | None, signed: frozenset[str]) -> RuleResult | None:
    """Ask one rule; None when it does not apply."""
    if rule.when is not None and rule.when.evaluate(view) is False:
        return None
    answer, clauses = rule.requires.answer(view)
    value = answer if isinstance(answer, bool) else None
    level, satisfied = rule.level, value is True
    if value is None:
        if rule.unset == "none":
            return None
        level, satisfied = _when_unknown(rule)
    passed = signed_off = False
    if not satisfied and level is Level.SS and override is not None and reason_fits(view, rule, override):
        passed = True
    if not satisfied and level is Level.HS2 and rule.rule.id in signed:
        signed_off = True
    shown = not satisfied or level is Level.INFO
    return RuleResult(
        id=rule.rule.id,
        level=level,
        value=value,
        satisfied=satisfied or passed or signed_off,
        clauses=clauses,
        message=fill(view, rule.rule.message) if shown else "",
        remedy=fill(view, rule.rule.remedy) if shown else "",
        sources=rule.rule.sources,
        override=override if passed else None,
        signed_off=signed_off,
    )


def _when_unknown(rule: CompiledRule) -> tuple[Level, bool]:
    """Give the level and the answer of a rule that cannot be known."""
    if rule.unset == "refuse":
        return (Level.HSX if rule.level is not Level.FORM else Level.FORM), False
    if rule.unset == "ask" or rule.rule.on_unknown == "ask":
        return (rule.level if rule.level in (Level.INFO, Level.FORM) else Level.SS), False
    return rule.level, rule.rule.on_unknown == "pass"


def reasons_of(view: View, rule: CompiledRule) -> tuple[str, ...]:
    """Give the coded reasons that pass this rule's soft stop."""
    return rule.rule.reasons or tuple(view.compiled.pathway.override_reasons)


def reason_fits(view: View, rule: CompiledRule, override: Override) -> bool:
    """Say whether this reason may pass the rule; `other` owes a sentence."""
    return override.reason in reasons_of(view, rule) and (override.reason != "other" or bool(override.text.strip()))


def bad_overrides(view: View, bindings: Iterable[str], overrides: Mapping[str, Override]) -> tuple[str, ...]:
    """Say what is wrong with the reasons given, so that a typing error is not mistaken for a refusal."""
    if not overrides:
        return ()
    wrong = []
    bound = {one.rule.id: one for binding in bindings for one in view.compiled.rules.get(binding, ())}
    for key, override in overrides.items():
        rule = bound.get(key)
        if rule is not None and not reason_fits(view, rule, override):
            allowed = ", ".join(reasons_of(view, rule))
            if override.reason in reasons_of(view, rule):
                wrong.append(f"{key}: the reason `other` needs a sentence in `text`.")
            else:
                wrong.append(f"{key}: {override.reason!r} is no reason for it. Reasons: {allowed}.")
    return tuple(wrong)


def fill(view: View, message: str) -> str:
    """Put the facts a message names into it; what is unknown says so."""

    def fact(found: re.Match[str]) -> str:
        value: Json = view.input(found[1]).value
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "none"
        return "not known" if value is None else str(value)

    return PLACE.sub(fact, message)
