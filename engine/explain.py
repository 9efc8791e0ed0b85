"""A condition ready to be asked and to say why: its value, and one clause for each thing it asks.

A clause is a comparison, a known test, a yes/no name, or any/all: what a person would tick off one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import cast

from engine.condition_tree import (
    Aggregate,
    And,
    Comparison,
    Fact,
    KnownTest,
    Node,
    Not,
    Or,
    children,
    decimal,
    unparse,
    walk,
)
from engine.decision import Clause, Input
from engine.evaluate import NO_ITEM, Run, closure
from engine.facts import Lookup, Value
from engine.model import Json

UNITS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
    "microsecond": timedelta.resolution,
}
SAFE = 2**53  # a JSON number beyond this is not the same number everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """What gets a clause of its own: a comparison, a known test, a yes/no name, or any/all."""

    text: str
    run: Run
    names: tuple[str, ...]
    parts: tuple[tuple[str, Run], ...]  # the numbers it counted on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A condition ready to be asked. Asking twice with the same facts gives the same answer.

    `frame` is the condition with each atom's answer in the place of the atom.
    """

    node: Node
    run: Run
    frame: Run
    atoms: tuple[Atom, ...]

    def evaluate(self, lookup: Lookup) -> Value | None:
        """Give the condition's value, None when unknown."""
        return self.run(lookup.value, NO_ITEM, NO_ITEM)

    def explain(self, lookup: Lookup) -> tuple[Clause, ...]:
        """Give each clause in reading order with its own answer and the facts it used."""
        look, facts, found = lookup.value, lookup.input, []
        for atom in self.atoms:
            inputs = [facts(name) for name in atom.names]
            for text, run in atom.parts:
                inputs.append(Input(fact=text, value=json_of(run(look, NO_ITEM, NO_ITEM))))
            answer = cast("bool | None", atom.run(look, NO_ITEM, NO_ITEM))
            found.append(Clause(text=atom.text, value=answer, inputs=tuple(inputs)))
        return tuple(found)

    def answer(self, lookup: Lookup) -> tuple[Value | None, tuple[Clause, ...]]:
        """Give value and clauses of a yes/no condition at once: `evaluate` and `explain`, asking everything once."""
        clauses = self.explain(lookup)
        answers = {clause.text: clause.value for clause in clauses}
        return self.frame(answers.get, NO_ITEM, NO_ITEM), clauses


def compile_condition(node: Node) -> Compiled:
    """Make a checked condition ready to be asked."""
    return Compiled(
        node=node,
        run=closure(node),
        frame=closure(_frame(node)),
        atoms=tuple(
            Atom(
                text=text,
                run=closure(one),
                names=tuple(dict.fromkeys(part.name for part in walk(one) if isinstance(part, Fact))),
                parts=tuple((unparse(part), closure(part)) for part in _counted(one) if part is not one),
            )
            for text, one in {unparse(one): one for one in _atoms(node)}.items()
        ),
    )


def json_of(value: Value | None) -> Json:
    """Show a value: exact numbers as a whole number or a decimal text, days as ISO, codes sorted, lists counted."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -SAFE < value < SAFE else str(value)
    if isinstance(value, Fraction):
        return json_of(int(value)) if value.denominator == 1 else decimal(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _length(value)
    return list[Json](sorted(value)) if isinstance(value, frozenset) else len(value)


def _length(value: timedelta) -> str:
    """Write a duration in the largest unit of which it is a whole number."""
    unit, size = next((unit, size) for unit, size in UNITS.items() if not value % size)
    return f"{value // size} {unit}{'' if value // size == 1 else 's'}"


def _atoms(node: Node) -> Iterator[Node]:
    match node:
        case Comparison() | KnownTest() | Fact() | Aggregate():
            yield node
        case Not() | And() | Or():
            for part in children(node):
                yield from _atoms(part)
        case _:
            return


def _frame(node: Node) -> Node:
    match node:
        case Comparison() | KnownTest() | Fact() | Aggregate():
            return Fact(name=unparse(node))
        case Not(operand=operand):
            return Not(operand=_frame(operand))
        case And(parts=parts):
            return And(parts=tuple(map(_frame, parts)))
        case Or(parts=parts):
            return Or(parts=tuple(map(_frame, parts)))
        case _:
            return node


def _counted(node: Node) -> Iterator[Aggregate]:
    """Find the outermost aggregates; what is inside one depends on its entries and has no single value."""
    if isinstance(node, Aggregate):
        yield node
        return
    for part in children(node):
        yield from _counted(part)
