"""The one door to `transitions`: what refuses an illegal move.

One Machine per compiled pathway, without models, automatic transitions or callbacks; a throw-away view per call.
`add_model` would reset a loaded episode to the initial state, strings as callbacks would be imported and run,
and a side effect in a callback is not rolled back: none of them is used (docs/decisions.md).
"""

from functools import partial

from transitions import EventData, Machine, MachineError

from engine.pathway import Pathway, Transition

GROUPS = {"open": ("open", "active"), "closed": ("closed",), "any": ("open", "active", "closed")}
RETURN = "return_to"
NOWHERE = "unregistered"


class View:
    """A place in the pathway for the length of one call; compared by identity, as `transitions` needs."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        """Stand in `state`."""
        self.state = state


def expand(pathway: Pathway, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the states that names and the groups open, closed and any stand for, in the pack's order."""
    kinds = {kind for name in names if name not in pathway.states for kind in GROUPS.get(name, ())}
    return tuple(name for name, state in pathway.states.items() if name in names or state.kind in kinds)


def targets_of(pathway: Pathway, transition: Transition) -> tuple[str, ...]:
    """Give every state a transition may lead to; a return may lead to any open state."""
    found = expand(pathway, transition.target)
    if RETURN not in transition.target:
        return found
    returns = tuple(name for name in expand(pathway, ("open",)) if name not in transition.source)
    return tuple(dict.fromkeys((*found, *returns)))


def sources_of(pathway: Pathway, transition: Transition) -> tuple[str, ...]:
    """Give every state a transition may start from; a concern or a hold does not start where it leads."""
    if not transition.source:
        return (NOWHERE,)
    found = expand(pathway, transition.source)
    if len(transition.target) == 1 and not set(transition.source) & set(pathway.states):
        return tuple(name for name in found if name not in transition.target)
    return found


def _is_edge(event: EventData, *, edge: str) -> bool:
    """Say whether the decision chose this very edge; strictly bool, as `transitions` compares with `==`."""
    return bool(event.kwargs["edge"] == edge)


class Enforcer:
    """The compiled machine of one pathway."""

    def __init__(self, pathway: Pathway) -> None:
        """Build every edge once; states of the pack are passed as plain names."""
        self.edges: dict[str, dict[str, tuple[str, ...]]] = {}
        rows = []
        for key, transition in pathway.transitions.items():
            targets = targets_of(pathway, transition)
            for source in sources_of(pathway, transition):
                self.edges.setdefault(source, {})[key] = targets
                rows += [
                    {
                        "trigger": key,
                        "source": source,
                        "dest": target,
                        "conditions": [partial(_is_edge, edge=f"{key}:{source}>{target}")],
                    }
                    for target in targets
                ]
        self.size = len(rows)
        self._machine = Machine(
            model=None,
            states=[NOWHERE, *pathway.states],
            initial=NOWHERE,
            transitions=rows,
            auto_transitions=False,
            send_event=True,
            queued=False,
        )

    def fire(self, state: str, transition: str, target: str) -> str | None:
        """Give the state after the move, None where the machine does not permit it."""
        view = View(state)
        event = self._machine.events.get(transition)
        if event is None:
            return None
        try:
            moved = event.trigger(view, edge=f"{transition}:{state}>{target}")
        except MachineError:
            return None
        return view.state if moved else None

    def allowed(self, state: str) -> dict[str, tuple[str, ...]]:
        """Give the transitions that leave a state, each with the states it may lead to."""
        return self.edges.get(state, {})
