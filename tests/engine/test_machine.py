"""`transitions` is what refuses an illegal move, whatever a decision table says."""

import pytest

from engine.machine import Enforcer, expand, sources_of, targets_of
from engine.model import Kind, Outcome
from engine.pathway import Pathway, Row, Table
from tests.worlds import RAVI, compiled, shipped
from tests.worlds_pathway import episode_in


def table_that_lies(pathway: Pathway) -> Pathway:
    """Give the pathway with a step-up table that names injections' way out for everybody."""
    lie = Table(kind="means", title="Which step-up is meant", rows=(Row(when="state == state", then="T11"),))
    return pathway.model_copy(update={"tables": {**pathway.tables, "step_up": lie}})


def test_a_table_that_names_an_illegal_transition_is_stopped_by_the_machine() -> None:
    """From self-care nobody reaches multidisciplinary rehabilitation by T11, even if a wrong table says so."""
    world = episode_in("self_care")
    world.compiled = compiled(table_that_lies(shipped()))

    decision = world.do(RAVI, Kind.MOVE, {"transition": "step_up"})

    assert decision.outcome is Outcome.REFUSED
    assert decision.failed == ("PATH-01",)
    assert decision.state == world.episode.state == "self_care"


def test_without_the_machine_the_lie_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal above is the machine's: an enforcer that nods lets the illegal move through."""
    world = episode_in("self_care")
    world.compiled = compiled(table_that_lies(shipped()))
    monkeypatch.setattr(Enforcer, "fire", lambda _self, _state, _transition, target: target)

    decision = world.do(RAVI, Kind.MOVE, {"transition": "step_up"})

    assert decision.transition == "T11"
    assert "PATH-01" not in decision.failed


def test_every_edge_of_the_pack_is_permitted_and_no_other() -> None:
    """All states against all transitions and targets: the machine permits exactly what the pack lists."""
    pathway = shipped()
    enforcer = Enforcer(pathway)
    listed = {
        (source, key, target)
        for key, one in pathway.transitions.items()
        for source in sources_of(pathway, one)
        for target in targets_of(pathway, one)
    }
    states = [*pathway.states, "unregistered"]

    permitted = {
        (source, key, target)
        for source in states
        for key in pathway.transitions
        for target in states
        if enforcer.fire(source, key, target) == target
    }

    assert permitted == listed
    assert enforcer.size == len(listed)


def test_an_unknown_transition_is_no_move() -> None:
    """A name that is no transition moves nothing and raises nothing."""
    assert Enforcer(shipped()).fire("self_care", "T99", "professional") is None


def test_groups_stand_for_their_states() -> None:
    """`open` means every state that is neither closed nor void; `any` every state but void."""
    pathway = shipped()

    assert "voided" not in expand(pathway, ("any",))
    assert "closed_deceased" in expand(pathway, ("any",))
    assert set(expand(pathway, ("open",))) & set(expand(pathway, ("closed",))) == set()
    assert len(expand(pathway, ("any",))) == len(pathway.states) - 1
