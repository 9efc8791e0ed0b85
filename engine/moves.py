"""From the name of a move to one transition and one target, or to the reason there is none.

A decision table says which transition a name means; the machine, not the table, has the last word on whether it
is permitted from here.
"""

from dataclasses import dataclass

from engine.errors import near
from engine.machine import NOWHERE, RETURN, targets_of
from engine.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a move's name means here.

    `transition` None: nothing the machine permits; `problem` then says why the words themselves are no move
    (empty: they are, but not from here).
    """

    transition: str | None = None
    target: str | None = None
    problem: str = ""


def resolve(view: View, name: str, to: str | None) -> Resolved:
    """Resolve a move by its name or T-number and, where there are several targets, by `to`."""
    pathway = view.compiled.pathway
    known = {one.name for one in pathway.transitions.values()}
    if name not in known and name not in pathway.transitions:
        return Resolved(problem=f"There is no move {name!r}. {near(name, tuple(sorted(known)))}")
    if to is not None and to not in pathway.states:
        return Resolved(problem=f"There is no state {to!r}. {near(to, tuple(pathway.states))}")
    key = _meant(view, name)
    if key == "ask":
        return Resolved(problem=f"{name} can lead to several states from {view.episode.state}: say `to`.")
    if key is None:
        return Resolved()
    return _aimed(view, key, to)


def _meant(view: View, name: str) -> str | None:
    """Give the transition a name stands for here: a T-number itself, a table's answer, or the only one so named."""
    pathway = view.compiled.pathway
    if name in pathway.transitions:
        return name
    table = pathway.tables.get(name)
    if table is not None and table.kind == "means":
        answer = view.answer(name)
        return None if answer == "none" else answer
    named = [key for key, one in pathway.transitions.items() if one.name == name]
    allowed = view.compiled.enforcer.allowed(view.episode.state or NOWHERE)
    here = [key for key in named if key in allowed]
    return (here or named)[0] if len(here) <= 1 else "ask"


def _aimed(view: View, key: str, to: str | None) -> Resolved:
    pathway = view.compiled.pathway
    transition = pathway.transitions[key]
    targets = targets_of(pathway, transition)
    target = to
    if to is None and RETURN in transition.target and view.episode.return_to:
        target = view.episode.return_to[-1][0]
    elif to is None and len(targets) == 1:
        target = targets[0]
    if target is None:
        return Resolved(problem=f"{transition.name} needs `to`: one of {', '.join(targets)}.")
    if view.compiled.enforcer.fire(view.episode.state or NOWHERE, key, target) != target:
        return Resolved()
    return Resolved(transition=key, target=target)
