"""The proof of a pathway's shape: every state can be reached and left, a concern can be raised, nothing spins."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from engine.calendar import WEEK, WORKING_DAYS
from engine.errors import Finding, InvalidInput
from engine.machine import expand, sources_of, targets_of
from engine.pathway import DuePolicy, Pathway, Rung, Transition
from engine.time import duration_from

CONCERN = "raise_concern"
NONE = timedelta(0)
Edges = Mapping[str, frozenset[str]]


def prove_states(pathway: Pathway) -> Iterator[Finding]:
    """Prove that states are reachable, that none is a trap, and that a concern is heard from everywhere."""
    if pathway.initial not in pathway.states:
        return  # an unknown reference, found with the others
    # A return leads only to where the episode has been, so nothing is reached by returning alone.
    reached = _reached(_edges(pathway, lambda one: expand(pathway, one.target)), pathway.initial)
    edges = _edges(pathway, lambda one: targets_of(pathway, one))
    closed = set(expand(pathway, ("closed",)))
    for name in pathway.states:
        if name not in reached:
            message = f"no transition leads from {pathway.initial} to {name}: add one, or remove the state."
            yield Finding(code="unreachable", message=message, path=("states", name))
    if not reached & closed:
        message = "no closed state can be reached: an episode could never end."
        yield Finding(code="no-closure", message=message, path=("initial",))
    for name in expand(pathway, ("open",)):
        if not _reached(edges, name) & closed:
            message = f"{name} is a trap: no closed state can be reached from it."
            yield Finding(code="trap", message=message, path=("states", name))
    yield from _concern(pathway)


def _edges(pathway: Pathway, targets: Callable[[Transition], tuple[str, ...]]) -> Edges:
    found: dict[str, set[str]] = {name: set() for name in pathway.states}
    for transition in pathway.transitions.values():
        for source in sources_of(pathway, transition):
            found.setdefault(source, set()).update(targets(transition))
    return {name: frozenset(there) for name, there in found.items()}


def _reached(edges: Edges, start: str) -> set[str]:
    reached, waiting = {start}, [start]
    while waiting:
        new = edges.get(waiting.pop(), frozenset()) - reached
        reached |= new
        waiting += new
    return reached


def _concern(pathway: Pathway) -> Iterator[Finding]:
    transitions = [one for one in pathway.transitions.values() if one.name == CONCERN]
    leads_to = {target for one in transitions for target in targets_of(pathway, one)}
    raised_from = {source for one in transitions for source in sources_of(pathway, one)}
    for name in expand(pathway, ("open",)):
        if name not in leads_to | raised_from:
            message = f"a concern cannot be raised from {name}: let a transition named {CONCERN} start there."
            yield Finding(code="no-concern", message=message, path=("states", name))


def prove_timers(pathway: Pathway) -> Iterator[Finding]:
    """Prove that no timer arms itself again without delay, alone or in a circle of proposals."""
    prompt: dict[str, set[str]] = {}
    for name, policy in pathway.due.items():
        for place, rung in enumerate(policy.ladder):
            path = ("due", name, "ladder", place)
            for word, problem in _rung_problems(pathway, policy, rung):
                yield Finding(code="rung", message=f"this rung of {name} {problem}", path=(*path, word))
            if rung.repeat and _shortest(pathway, rung.repeat) <= NONE:
                message = (
                    f"this rung of {name} re-arms itself with no delay: {rung.repeat} must be longer than nothing."
                )
                yield Finding(code="re-arms", message=message, path=(*path, "repeat"))
            if rung.kind == "propose" and rung.proposes and _delay(pathway, policy, rung) <= NONE:
                prompt.setdefault(name, set()).add(rung.proposes)
    edges = {name: frozenset(proposed) for name, proposed in prompt.items()}
    for name, proposed in edges.items():
        if any(name in _reached(edges, other) for other in proposed):
            message = f"{name} proposes itself again with no delay: give a rung on the way a duration."
            yield Finding(code="re-arms", message=message, path=("due", name, "ladder"))


def _rung_problems(pathway: Pathway, policy: DuePolicy, rung: Rung) -> Iterator[tuple[str, str]]:
    """Give the words of a rung that do not go together, each with what is wrong."""
    if rung.to == "patient" and not rung.expires:
        yield "to", "reminds the person and never expires: say `expires`, or it may come weeks late."
    if policy.priority in ("emergency", "urgent"):
        if rung.catch_up != "late":
            yield "catch_up", f"may be dropped, and its work is {policy.priority}: write `catch_up: late`."
        if rung.expires:
            yield "expires", f"expires, and its work is {policy.priority}: leave `expires` out."
    if rung.roll == "none":
        return
    offset = pathway.parameters.get(rung.at)
    if not policy.calendar or (offset is not None and "T" in str(offset.default or "")):
        yield "roll", "counts hours, so it has no day to roll: leave `roll` out, or count days."
    working = pathway.parameters.get(WORKING_DAYS)
    if working is None or working.type != "codes" or working.at_least < 1 or not set(working.options) <= set(WEEK):
        yield "roll", f"rolls to a working day: declare {WORKING_DAYS}, at least one of {', '.join(WEEK)}."


def _delay(pathway: Pathway, policy: DuePolicy, rung: Rung) -> timedelta:
    """Give the least time from a due item's anchor to what a rung of it proposes."""
    base = {"anchor": None, "opens": policy.opens, "due": policy.due}[rung.base]
    return _shortest(pathway, rung.at) + (_shortest(pathway, base) if base else NONE)


def _shortest(pathway: Pathway, name: str) -> timedelta:
    """Give the least a duration parameter may be; nothing where a form's field says it. Endless where it is unset."""
    parameter = pathway.parameters.get(name)
    if parameter is None:
        return NONE if name.startswith("field ") else timedelta.max / 4
    given = [value for value in (parameter.low, parameter.default) if isinstance(value, str)]
    try:
        return min(map(duration_from, given), default=timedelta.max / 4)
    except InvalidInput:
        return timedelta.max / 4  # found with the parameter itself
