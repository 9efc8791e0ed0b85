"""The picture after a commit: what lists, pages and decisions show, and which of the tracks' rules do not hold."""

from dataclasses import replace

from engine.conditions import json_of
from engine.decision import RuleResult
from engine.derive import first_and_last, overdue
from engine.model import Json, Level
from engine.rules import ask
from engine.view import View

SHOWN = ("chronicity", "response", "function_change", "stay.day", "flags.open")


def broken_invariants(view: View) -> tuple[RuleResult, ...]:
    """Give the tracks' rules that do not hold in this picture: shown and logged with what led there, never a stop."""
    # Most hold, so each is asked for its answer first, and for its reasons only where that is not yes.
    doubtful = [rule for rule in view.compiled.rules.get("invariant", ()) if rule.requires.evaluate(view) is not True]
    asked = [ask(view, rule, None, frozenset()) for rule in doubtful]
    return tuple([replace(rule, level=Level.INFO) for rule in asked if rule is not None and not rule.satisfied])


def picture(view: View) -> dict[str, Json]:
    """Give the derived picture of an episode, as lists, pages and decisions show it."""
    primary = view.compiled.pathway.response.pain[0]
    first, last = first_and_last(view, primary)
    change = last - first if first is not None and last is not None else None
    return {
        **view.picture(SHOWN),
        "overdue": overdue(view.episode, view.now),
        "baseline": json_of(first),
        "last": json_of(last),
        "change": json_of(change),
    }
