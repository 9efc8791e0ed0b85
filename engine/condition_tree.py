"""The small tree every condition becomes: what it can say, how it is written back, and what it reads.

Nothing else exists in the language, so nothing else can be evaluated. `at` is the column in the source text,
counted from 1; it is not part of what a node means.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from engine.errors import InvalidInput

Problem = tuple[int, str]
AGGREGATES = ("any", "all", "count", "sum", "min", "max", "distinct", "first", "last")


class ConditionError(InvalidInput):
    """A condition cannot mean anything; every problem is kept as (column from 1, sentence)."""

    code = "bad-condition"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the sentence lists them in reading order."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("; ".join(f"column {column}: {message}" for column, message in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """true, false, an exact number or a text."""

    value: bool | int | Fraction | str
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A written list of constants, beside `in` or compared with codes."""

    items: tuple[Constant, ...]
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A declared name."""

    name: str
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemField:
    """A field of the list item that `variable` stands for."""

    variable: str
    key: str
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative:
    """The operand with its sign turned."""

    operand: "Node"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Two operands and one of + - * /."""

    operator: str
    left: "Node"
    right: "Node"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A duration of so many whole days."""

    operand: "Node"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`first` compared with each of `rest` in a chain: `0 <= x < 5` is both comparisons together."""

    first: "Node"
    rest: "tuple[tuple[str, Node], ...]"
    at: int = field(default=1, compare=False)

    @property
    def pairs(self) -> "Iterator[tuple[Node, str, Node]]":
        """Give the chain as single comparisons."""
        left = self.first
        for operator, right in self.rest:
            yield left, operator, right
            left = right


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTest:
    """`x is known` or `x is unknown`: never unknown itself."""

    operand: "Node"
    known: bool
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The contrary; of unknown: unknown."""

    operand: "Node"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """False as soon as one part is false, true when all are true, else unknown."""

    parts: "tuple[Node, ...]"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """True as soon as one part is true, false when all are false, else unknown."""

    parts: "tuple[Node, ...]"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One `for variable in source if …`."""

    variable: str
    source: "Fact | ItemField"
    filters: "tuple[Node, ...]"
    at: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One of AGGREGATES over one or two recorded lists. `element` None: the items themselves are counted."""

    function: str
    element: "Node | None"
    loops: tuple[Loop, ...]
    at: int = field(default=1, compare=False)


Node = (
    Constant
    | Listing
    | Fact
    | ItemField
    | Negative
    | Arithmetic
    | Days
    | Comparison
    | KnownTest
    | Not
    | And
    | Or
    | Aggregate
)


def children(node: Node) -> tuple[Node, ...]:
    """Give the direct parts of a node, in reading order."""
    match node:
        case Constant() | Fact() | ItemField():
            return ()
        case Listing(items=parts) | And(parts=parts) | Or(parts=parts):
            return parts
        case Negative(operand=one) | Days(operand=one) | KnownTest(operand=one) | Not(operand=one):
            return (one,)
        case Arithmetic(left=left, right=right):
            return (left, right)
        case Comparison(first=first, rest=rest):
            return (first, *(right for _, right in rest))
        case Aggregate(element=element, loops=loops):
            inner = tuple(part for loop in loops for part in (loop.source, *loop.filters))
            return inner if element is None else (element, *inner)


def walk(node: Node) -> Iterator[Node]:
    """Give the node and everything in it, in reading order."""
    yield node
    for child in children(node):
        yield from walk(child)


def names_in(node: Node) -> frozenset[str]:
    """Give the declared names a condition reads."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Fact))


def unparse(node: Node) -> str:
    """Write a condition in its one normal form; parsing that gives the same tree."""
    return _written(node)[0]


# How tightly each form binds; an operand that binds less gets parentheses.
_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _SIGN, _ATOM = range(8)


def _written(node: Node) -> tuple[str, int]:  # noqa: C901, PLR0912 - one case for each kind of node
    """Give the text of a node and how tightly it binds."""
    match node:
        case Constant():
            return _constant(node)
        case Listing(items=items):
            return f"[{', '.join(unparse(item) for item in items)}]", _ATOM
        case Fact(name=name):
            return name, _ATOM
        case ItemField(variable=variable, key=key):
            return f"{variable}.{key}", _ATOM
        case Negative(operand=operand):
            return f"-{_within(operand, _SIGN)}", _SIGN
        case Arithmetic(operator=operator, left=left, right=right):
            binds = _ADD if operator in "+-" else _MULTIPLY
            return f"{_within(left, binds)} {operator} {_within(right, binds + 1)}", binds
        case Days(operand=operand):
            return f"days({unparse(operand)})", _ATOM
        case Comparison(first=first, rest=rest):
            chain = " ".join(f"{operator} {_within(right, _ADD)}" for operator, right in rest)
            return f"{_within(first, _ADD)} {chain}", _COMPARE
        case KnownTest(operand=operand, known=known):
            return f"{_within(operand, _ADD)} is {'known' if known else 'unknown'}", _COMPARE
        case Not(operand=operand):
            return f"not {_within(operand, _NOT)}", _NOT
        case And(parts=parts):
            return " and ".join(_within(part, _NOT) for part in parts), _AND
        case Or(parts=parts):
            return " or ".join(_within(part, _AND) for part in parts), _OR
        case Aggregate():
            return f"{node.function}({_inside(node)})", _ATOM


def _within(node: Node, binds: int) -> str:
    text, own = _written(node)
    return text if own >= binds else f"({text})"


def _inside(node: Aggregate) -> str:
    first = node.loops[0]
    if not first.variable:
        return unparse(first.source)
    element = first.variable if node.element is None else unparse(node.element)
    loops = (
        f"for {loop.variable} in {unparse(loop.source)}{''.join(f' if {_within(one, _OR)}' for one in loop.filters)}"
        for loop in node.loops
    )
    return f"{element} {' '.join(loops)}"


def _constant(node: Constant) -> tuple[str, int]:
    value = node.value
    if isinstance(value, bool):
        return ("true" if value else "false"), _ATOM
    if isinstance(value, str):
        return (f"'{value}'" if '"' in value else f'"{value}"'), _ATOM
    return decimal(value), (_SIGN if value < 0 else _ATOM)


def decimal(value: int | Fraction, most: int = 40) -> str:
    """Write a number exactly, or with six decimals and `…` where it has more than `most` or never ends."""
    if isinstance(value, int) or value.denominator == 1:
        return str(int(value))
    places = _places(value.denominator, most)
    shown = round(value * 10 ** (6 if places is None else places))
    digits = str(abs(shown)).rjust((6 if places is None else places) + 1, "0")
    cut = len(digits) - (6 if places is None else places)
    return f"{'-' if value < 0 else ''}{digits[:cut]}.{digits[cut:]}{'…' if places is None else ''}"


def _places(denominator: int, most: int) -> int | None:
    """Count the decimals a fraction needs; None: more than `most`, or it never ends."""
    for places in range(1, most + 1):
        if 10**places % denominator == 0:
            return places
    return None
