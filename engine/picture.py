"""The picture after a commit: what lists, pages and decisions show, and which of the tracks' rules do not hold."""

from dataclasses import replace
from fractions import Fraction

from engine.conditions import json_of
from engine.derive import overdue, score_now
from engine.model import Json, Level, RuleResult
from engine.rules import ask_rules
from engine.view import View

SHOWN = ("chronicity", "response", "function_change", "stay.day", "flags.open")


def broken_invariants(view: View) -> tuple[RuleResult, ...]:
    """Give the tracks' rules that do not hold in this picture: shown and logged with what led there, never a stop."""
    asked = ask_rules(view, ("invariant",), {})
    return tuple(replace(rule, level=Level.INFO) for rule in asked if not rule.satisfied)


def picture(view: View) -> dict[str, Json]:
    """Give the derived picture of an episode, as lists, pages and decisions show it."""
    primary = view.compiled.pathway.response.pain[0]
    first, last = score_now(view, primary, 0), score_now(view, primary, -1)
    change = last - first if isinstance(first, int | Fraction) and isinstance(last, int | Fraction) else None
    return {
        **view.picture(SHOWN),
        "overdue": overdue(view.episode, view.now),
        "baseline": json_of(first),
        "last": json_of(last),
        "change": json_of(change),
    }
