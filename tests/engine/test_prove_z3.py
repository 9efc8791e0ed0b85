"""The proof of decision tables against z3, which knows nothing of cells, on random tables.

A question is built as a small tuple and turned twice: into a condition's text for the engine, and into two z3
formulas (when it is true, when it is false) for the referee.
"""

from collections.abc import Mapping
from typing import Any

import z3  # type: ignore[import-untyped]  # it ships no types
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.conditions import check, parse
from engine.facts import Type
from engine.pathway import Pathway, Row, Table
from engine.prove_tables import Question, prove_table

WORDS = ("better", "same", "worse")
TYPES: Mapping[str, Type] = {
    "scores.pain": Type(kind="number", low=0, high=10, whole=True),
    "scores.peg": Type(kind="number", low=0, high=10),
    "stay.day": Type(kind="number", low=0, whole=True, known=True),
    "word": Type(kind="code", options=WORDS),
    "state": Type(kind="code", options=WORDS, known=True),
    "agrees": Type(kind="bool"),
    "signed": Type(kind="bool", known=True),
}
Asked = tuple[Any, ...]
_bare: Any = Pathway.model_construct
NO_PATHWAY: Pathway = _bare()  # only tables of moves ask it anything

# --- questions ---------------------------------------------------------------------------------------------------

NUMBERS = ("scores.pain", "scores.peg", "stay.day")
CODES = ("word", "state")
COMPARED = st.tuples(st.sampled_from(("<", "<=", "==", "!=", ">", ">=")), st.sampled_from(NUMBERS), st.integers(1, 9))
SINGLE: st.SearchStrategy[Asked] = st.one_of(
    COMPARED,
    COMPARED,
    st.tuples(st.just("is"), st.sampled_from(CODES), st.sampled_from(WORDS)),
    st.tuples(st.just("yes"), st.sampled_from(("agrees", "signed"))),
    st.tuples(st.just("known"), st.sampled_from(("scores.pain", "scores.peg", "word", "agrees"))),
)
DOUBLE: st.SearchStrategy[Asked] = st.tuples(
    st.just("than"), st.sampled_from(("<", "==", ">=")), st.permutations(NUMBERS).map(lambda found: tuple(found[:2]))
)


def asked(leaves: st.SearchStrategy[Asked]) -> st.SearchStrategy[Asked]:
    """Draw questions joined by and, or, not."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(("and", "or")), inner, inner), st.tuples(st.just("not"), inner)
        ),
        max_leaves=4,
    )


@st.composite
def tables(draw: st.DrawFn, leaves: st.SearchStrategy[Asked]) -> tuple[Asked, ...]:
    """Draw a table that is total and without overlap, and then often spoil one row, or draw rows at random."""
    if draw(st.integers(0, 3)) == 0:
        return tuple(draw(st.lists(asked(leaves), min_size=1, max_size=4)))
    rows: list[Asked] = [("always",)]
    for _ in range(draw(st.integers(1, 2))):
        one = rows.pop(draw(st.integers(0, len(rows) - 1)))
        question = draw(asked(leaves))
        rows += [("and", one, question), ("and", one, ("not", question)), ("and", one, ("open", question))]
    if draw(st.booleans()):
        place = draw(st.integers(0, len(rows) - 1))
        rows[place] = (draw(st.sampled_from(("and", "or"))), rows[place], draw(leaves))
    return tuple(rows)


def written(question: Asked) -> str:
    """Write a question as a condition."""
    match question:
        case ("always",):
            return "true"
        case (("and" | "or") as word, one, other):
            return f"({written(one)} {word} {written(other)})"
        case ("not", one):
            return f"(not {written(one)})"
        case ("open", one):
            return f"({written(one)} is unknown)"
        case ("known", name):
            return f"({name} is known)"
        case ("yes", name):
            return str(name)
        case ("is", name, word):
            return f'({name} == "{word}")'
        case ("than", op, (one, other)):
            return f"({one} {op} {other})"
        case _:
            op, name, number = question
            return f"({name} {op} {number})"


# --- the referee -------------------------------------------------------------------------------------------------


class Referee:
    """z3's view of the same facts: for each whether it is known, and its value."""

    def __init__(self) -> None:
        """Make the facts with their domains."""
        self.solver = z3.Solver()
        self.known: dict[str, Any] = {}
        self.value: dict[str, Any] = {}
        for name, type_ in TYPES.items():
            self.known[name] = z3.BoolVal(val=True) if type_.known else z3.Bool(f"{name}?")
            if type_.kind == "bool":
                self.value[name] = z3.Bool(name)
                continue
            self.value[name] = z3.Int(name) if type_.whole or type_.kind == "code" else z3.Real(name)
            low, high = (0, len(WORDS) - 1) if type_.kind == "code" else (type_.low, type_.high)
            self.solver.add(self.value[name] >= low)
            if high is not None:
                self.solver.add(self.value[name] <= high)

    def of(self, question: Asked) -> tuple[Any, Any]:
        """Give when a question is true and when it is false; unknown is neither."""
        match question:
            case ("always",):
                return z3.BoolVal(val=True), z3.BoolVal(val=False)
            case ("and", one, other):
                (t1, f1), (t2, f2) = self.of(one), self.of(other)
                return z3.And(t1, t2), z3.Or(f1, f2)
            case ("or", one, other):
                (t1, f1), (t2, f2) = self.of(one), self.of(other)
                return z3.Or(t1, t2), z3.And(f1, f2)
            case ("not", one):
                true, false = self.of(one)
                return false, true
            case ("open", one):
                true, false = self.of(one)
                return z3.Not(z3.Or(true, false)), z3.Or(true, false)
            case ("known", name):
                return self.known[name], z3.Not(self.known[name])
            case _:
                known, holds = self.compared(question)
                return z3.And(known, holds), z3.And(known, z3.Not(holds))

    def compared(self, question: Asked) -> tuple[Any, Any]:
        """Give when a comparison is known, and what it says then."""
        match question:
            case ("yes", name):
                return self.known[name], self.value[name]
            case ("is", name, word):
                return self.known[name], self.value[name] == WORDS.index(word)
            case ("than", op, (one, other)):
                return z3.And(self.known[one], self.known[other]), related(op, self.value[one], self.value[other])
            case _:
                op, name, number = question
                return self.known[name], related(op, self.value[name], number)

    def possible(self, *formulas: Any) -> bool:
        """Say whether a patient can be as the formulas say."""
        self.solver.push()
        self.solver.add(*formulas)
        answer = self.solver.check()
        self.solver.pop()
        assert answer != z3.unknown
        return bool(answer == z3.sat)


def related(op: str, one: Any, other: Any) -> Any:
    """Compare two z3 numbers."""
    return {
        "<": lambda: one < other,
        "<=": lambda: one <= other,
        "==": lambda: one == other,
        "!=": lambda: one != other,
        ">": lambda: one > other,
        ">=": lambda: one >= other,
    }[op]()


def proved(rows: tuple[Asked, ...], never: tuple[Asked, ...]) -> list[str]:
    """Give the engine's findings by code; a row or `never` appears with its number."""
    table = Table(
        kind="answers", title="t", values=("x",), rows=tuple(Row(when=written(one), then="x") for one in rows)
    )
    parsed, excluded = (tuple(parse(written(one)) for one in questions) for questions in (rows, never))
    for node in (*parsed, *excluded):
        check(node, TYPES)
    question = Question(name="t", table=table, rows=parsed, never=excluded, definitions={}, types=TYPES)
    return sorted(
        f"dead-row {found.path[-2]}" if found.code == "dead-row" else found.code
        for found in prove_table(NO_PATHWAY, question)
    )


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(rows=tables(SINGLE), never=st.none() | asked(SINGLE))
def test_z3_finds_the_same_gaps_and_overlaps(rows: tuple[Asked, ...], never: Asked | None) -> None:
    """Of single facts the proof is exact: it finds a gap, an overlap, a dead row if and only if there is one."""
    referee = Referee()
    excluded = () if never is None else (never,)
    can_be = z3.Not(z3.Or(*(referee.of(one)[0] for one in excluded), z3.BoolVal(val=False)))
    true = [referee.of(row)[0] for row in rows]
    assume(referee.possible(can_be))  # a `never` that excludes everybody is heeded only by tables that share its facts

    found = proved(rows, excluded)

    gap = referee.possible(can_be, z3.Not(z3.Or(*true)))
    overlap = any(referee.possible(can_be, one, two) for n, one in enumerate(true) for two in true[n + 1 :])
    assert ("gap" in found) is gap
    assert ("overlap" in found) is overlap
    if not overlap and not excluded:
        dead = {f"dead-row {n}" for n, one in enumerate(true) if not referee.possible(one)}
        assert {one for one in found if one.startswith("dead-row")} == dead


@QUICK
@given(rows=tables(SINGLE | DOUBLE))
def test_what_z3_finds_over_several_facts_is_found_too(rows: tuple[Asked, ...]) -> None:
    """Where facts meet, the proof may show somebody who cannot be, but never misses somebody who can."""
    referee = Referee()
    true = [referee.of(row)[0] for row in rows]

    found = proved(rows, ())

    if referee.possible(z3.Not(z3.Or(*true))):
        assert "gap" in found
    if any(referee.possible(one, two) for n, one in enumerate(true) for two in true[n + 1 :]):
        assert "overlap" in found
