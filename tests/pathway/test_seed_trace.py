"""What the pathway was asked to do, statement by statement: where it lives, and that it would be missed."""

from collections.abc import Iterator
from functools import lru_cache

import pytest

from engine.compiled import Compiled
from engine.conditions import ConditionError, parse
from engine.names import names
from engine.pathway import Pathway
from engine.prove import prove_pathway
from tests.pathway.seed_checks import CHECKS
from tests.pathway.seeds import almost_shipped, compiled_of
from tests.pathway.without import without
from tests.worlds import compiled, shipped

PART = 12
IDS = (*(f"S{number:02}" for number in range(1, 58)), *(f"O{number}" for number in range(1, 16)))


@pytest.fixture(scope="module", autouse=True)
def _parsed_once() -> Iterator[None]:
    """Read each condition once: hundreds of pathways that differ by one thing hold the same texts."""
    once = lru_cache(maxsize=4096)(parse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.compile.parse", once)
        patch.setattr("engine.prove.parse", once)
        yield


def _refused(pathway: Pathway) -> bool:
    """Say that such a pathway could not be published."""
    return bool(prove_pathway(pathway, names(pathway)))


def missed(seed: str, entry: str) -> bool:
    """Say whether a check notices that one thing is gone: it fails, or no such pathway could be compiled or published."""
    lacking = without(shipped(), entry)
    try:
        CHECKS[seed](lacking)
    except (AssertionError, ConditionError):
        return True
    except (KeyError, ValueError, StopIteration):
        return _refused(lacking)
    return False


def test_every_statement_and_oddity_is_traced() -> None:
    """All 57 statements and 15 oddities have an entry of the trace, a check, and a test that is this one."""
    assert tuple(shipped().seed_trace) == IDS, "the trace and the list of statements differ"
    assert set(CHECKS) == set(IDS), "the checks and the list of statements differ"
    for seed, trace in shipped().seed_trace.items():
        assert trace.test == f"tests/pathway/test_seed_trace.py::test_seed[{seed}]", f"{seed} names another test"
        assert len(set(trace.maps)) == len(trace.maps), f"{seed} names something twice"


def _claims(pathway: Pathway) -> set[tuple[str, str]]:
    """Give everything in the pack that says which statement it answers."""
    found = {(seed, f"rule {rule.id}") for rule in pathway.rules for seed in rule.seed}
    sections = (
        ("transition", pathway.transitions),
        ("due", pathway.due),
        ("definition", pathway.definitions),
        ("treatment", pathway.treatments),
        ("parameter", pathway.parameters),
        ("card", pathway.cards),
        ("track", pathway.tracks),
    )
    found |= {
        (seed, f"{kind} {name}") for kind, section in sections for name, one in section.items() for seed in one.seed
    }
    for name, form in pathway.forms.items():
        for key, field in form.fields.items():
            claimed = {*field.seed, *(seed for inner in field.fields.values() for seed in inner.seed)}
            found |= {(seed, f"field {name}.{key}") for seed in claimed}
    return found


def test_whatever_claims_to_answer_a_statement_is_in_the_trace() -> None:
    """A line of the pack that names a statement is in that statement's trace, and so is missed when it is gone."""
    traced = {(seed, entry) for seed, trace in shipped().seed_trace.items() for entry in trace.maps}
    assert sorted(_claims(shipped()) - traced) == [], "the trace leaves out what the pack claims"


def test_leaving_a_rule_out_is_compiling_without_it() -> None:
    """The short cut by which these tests switch a rule off gives what compiling that pathway gives."""
    pathway = without(shipped(), "rule TPI-02")
    assert almost_shipped(pathway), "the short cut is not taken"
    short, whole = compiled_of(pathway), compiled(pathway)

    def bound(one: Compiled) -> dict[str, list[str]]:
        return {binding: [rule.rule.id for rule in rules] for binding, rules in one.rules.items()}

    assert bound(short) == bound(whole), "other rules are bound"
    assert not almost_shipped(without(shipped(), "field consent.given")), "a field cannot be left out that way"


@pytest.mark.parametrize("seed", IDS)
def test_seed(seed: str) -> None:
    """What the statement asks for holds in the shipped pathway."""
    CHECKS[seed](shipped())


def _parts() -> list[tuple[str, int]]:
    """Cut every trace into parts of about the same work, so that workers share it evenly."""
    return [(seed, at) for seed, trace in shipped().seed_trace.items() for at in range(0, len(trace.maps), PART)]


@pytest.mark.parametrize(("seed", "at"), _parts(), ids=str)
def test_whatever_carries_a_statement_would_be_missed(seed: str, at: int) -> None:
    """Without any one thing that the trace names, the statement's check fails, or no such pathway can be had."""
    entries = shipped().seed_trace[seed].maps[at : at + PART]
    unnoticed = [entry for entry in entries if not missed(seed, entry)]
    assert unnoticed == [], f"{seed} still holds without {', '.join(unnoticed)}"
