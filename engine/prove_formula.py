"""From conditions to formulas over cells: definitions written out, comparisons brought to one form.

What is ordered (numbers, days, durations) becomes a sum of facts against one number: `a + 1 > b` and `b - a < 1`
are the same question. A sum of one fact is that fact; a sum of several is a quantity of its own, known exactly
when its facts are. What cannot be summed (products, lists, two codes compared) counts as free to be anything its
type allows: then a proof may report a patient who cannot exist, who is excluded by a declared `never`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from engine.condition_tree import (
    Aggregate,
    And,
    Arithmetic,
    Comparison,
    Constant,
    Days,
    Fact,
    KnownTest,
    Listing,
    Negative,
    Node,
    Not,
    Or,
    children,
    decimal,
    unparse,
)
from engine.condition_types import check
from engine.facts import Type
from engine.prove_cells import (
    FALSE,
    TRUE,
    Answered,
    Contrary,
    Every,
    Formula,
    Needing,
    Settled,
    Test,
    Variable,
    some,
)

YES_NO = Type(kind="bool", known=True)
ORDERED = ("number", "date", "duration")
LOOKUP_DEPTH = 4  # calls between a definition's name and its closure
MOST_BITS = 1000  # a longer factor might make a known number unknown (evaluate.MOST_BITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Facts by their text, each with its factor, and a number; dates count in days, durations too."""

    factors: Mapping[str, Fraction]
    number: Fraction

    def plus(self, other: "Sum", times: Fraction) -> "Sum":
        """Add another sum, multiplied."""
        factors = dict(self.factors)
        for name, factor in other.factors.items():
            factors[name] = factors.get(name, Fraction(0)) + factor * times
        return Sum(factors=factors, number=self.number + other.number * times)

    @property
    def short(self) -> bool:
        """Say whether its numbers are short enough to be computed with."""
        numbers = (*self.factors.values(), self.number)
        return all(max(n.numerator.bit_length(), n.denominator.bit_length()) <= MOST_BITS for n in numbers)


NOTHING = Sum(factors={}, number=Fraction(0))


@dataclass(slots=True, kw_only=True)
class Space:
    """The variables and tests of one table, and how conditions become formulas over them."""

    types: Mapping[str, Type]
    definitions: Mapping[str, Node]
    variables: dict[str, Variable] = field(default_factory=dict)
    tests: list[Test] = field(default_factory=list)
    terms: dict[str, Node] = field(default_factory=dict)
    _whole: dict[str, Formula] = field(default_factory=dict)

    def settle(self) -> tuple[int, ...]:
        """Cut every domain, once all conditions are in; gives all cells of all variables."""
        for variable in self.variables.values():
            variable.cut()
        for test in self.tests:
            test.settle()
        return tuple((1 << len(variable.cells)) - 1 for variable in self.variables.values())

    # --- yes and no -------------------------------------------------------------------------------------------

    def formula(self, node: Node) -> Formula:
        """Turn a yes/no condition into a formula."""
        match node:
            case Constant(value=value):
                return Settled(TRUE if value else FALSE)
            case Not(operand=operand):
                return Contrary(self.formula(operand))
            case And(parts=parts):
                return Every(tuple(self.formula(part) for part in parts))
            case Or(parts=parts):
                return some([self.formula(part) for part in parts])
            case KnownTest(operand=operand, known=known):
                found = self.known(operand)
                return found if known else Contrary(found)
            case Comparison():
                return Every(tuple(self._compared(*pair) for pair in node.pairs))
            case Fact(name=name) if name in self.definitions:
                if name not in self._whole:
                    self._whole[name] = self.formula(self.definitions[name])
                return self._whole[name]
            case _:
                return self._asked(node, "true")

    def known(self, node: Node) -> Formula:
        """Turn the question whether something is known into a formula."""
        node = self._named(node)
        kind = self._type(node).kind
        if kind == "bool":
            return Answered(self.formula(node))
        if kind in ORDERED:
            return Every(tuple(self._asked(self.terms[name], "known") for name in self._sum(node).factors))
        return self._asked(node, "known")

    def _compared(self, left: Node, operator: str, right: Node) -> Formula:
        """Bring a comparison to `==`, `<` or `in`, or the contrary of one of them."""
        match operator:
            case "!=" | "not in":
                return Contrary(self._compared(left, {"!=": "==", "not in": "in"}[operator], right))
            case "<=":
                return Contrary(self._compared(right, "<", left))
            case ">":
                return self._compared(right, "<", left)
            case ">=":
                return Contrary(self._compared(left, "<", right))
        left, right = self._named(left), self._named(right)
        if operator == "in":
            return self._member(left, right)
        kind = "codes" if isinstance(left, Listing) else self._type(left).kind
        if kind in ORDERED:
            return self._ordered(self._sum(left).plus(self._sum(right), Fraction(-1)), operator)
        if kind == "bool":
            one, other = self.formula(left), self.formula(right)
            return some([Every((one, other)), Every((Contrary(one), Contrary(other)))])
        if isinstance(left, Constant):
            left, right = right, left
        if isinstance(right, Constant):
            return self._asked(left, "==", right.value)
        return self._free(" == ".join(sorted((unparse(left), unparse(right)))), (left, right))

    def _member(self, left: Node, right: Node) -> Formula:
        if not isinstance(right, Listing):
            # Each code of a set is in it or not; which others are makes no difference.
            return self._free(f"{unparse(left)} in {unparse(right)}", (left, right))
        if self._type(left).kind == "number":
            return some([self._compared(left, "==", item) for item in right.items])
        if isinstance(left, Constant):
            return Settled(TRUE if left.value in {item.value for item in right.items} else FALSE)
        return self._asked(left, "in", frozenset(item.value for item in right.items))

    # --- sums -------------------------------------------------------------------------------------------------

    def _sum(self, node: Node) -> Sum:
        """Write a number, day or duration as a sum of what cannot be taken apart further."""
        node = self._named(node)
        found = self._taken_apart(node)
        if found is not None and found.short:
            return found
        text = unparse(node)
        self.terms[text] = node
        return Sum(factors={text: Fraction(1)}, number=Fraction(0))

    def _taken_apart(self, node: Node) -> Sum | None:
        match node:
            case Constant(value=value) if not isinstance(value, str):
                return Sum(factors={}, number=Fraction(value))
            case Days(operand=operand):
                return self._sum(operand)
            case Arithmetic() | Negative() if self._leaves_calendar(node):
                return None
            case Negative(operand=operand):
                return NOTHING.plus(self._sum(operand), Fraction(-1))
            case Arithmetic(operator="+" | "-" as sign, left=left, right=right):
                return self._sum(left).plus(self._sum(right), Fraction(1 if sign == "+" else -1))
            case Arithmetic(operator="*", left=left, right=right):
                one, other = self._sum(left), self._sum(right)
                if one.factors and other.factors:
                    return None
                return NOTHING.plus(one, other.number) if one.factors else NOTHING.plus(other, one.number)
            case Arithmetic(left=left, right=right):
                divisor = self._sum(right)
                return (
                    None if divisor.factors or not divisor.number else NOTHING.plus(self._sum(left), 1 / divisor.number)
                )
            case _:
                return None

    def _leaves_calendar(self, node: Node) -> bool:
        """Say whether a sum of days and durations may be unknown though its parts are known."""
        kinds = tuple(self._type(part).kind for part in children(node))
        return kinds != ("date", "date") and not set(kinds) <= {"number"}

    def _ordered(self, sum_: Sum, operator: str) -> Formula:
        """Turn `sum < 0` or `sum == 0` into a test of one quantity against one number."""
        factors = {name: factor for name, factor in sorted(sum_.factors.items()) if factor}
        needs = tuple(self._asked(self.terms[name], "known") for name in sum_.factors if name not in factors)
        if not factors:
            true = sum_.number < 0 if operator == "<" else sum_.number == 0
            return Needing(needs, Settled(TRUE if true else FALSE))
        first = next(iter(factors.values()))
        bound = -sum_.number / first
        quantity = {name: factor / first for name, factor in factors.items()}
        # Dividing by a negative factor turns `q < b` round: it is then `not (q < b or q == b)`.
        turned = operator == "<" and first < 0
        test = self._quantity(quantity, "<" if turned else operator, bound)
        if turned:
            test = Contrary(some([test, self._quantity(quantity, "==", bound)]))
        return Needing(needs, test) if needs else test

    def _quantity(self, factors: Mapping[str, Fraction], operator: str, bound: Fraction) -> Formula:
        if len(factors) == 1:
            return self._asked(self.terms[next(iter(factors))], operator, bound)
        types = {name: self._type(self.terms[name]) for name in factors}
        label = " + ".join(name if factor == 1 else f"{decimal(factor)} * {name}" for name, factor in factors.items())
        variable = self._variable(label.replace("+ -1 * ", "- "), _spanning(factors, types), may_miss=False)
        needs = tuple(self._asked(self.terms[name], "known") for name in factors)
        return Needing(needs, self._test(variable, operator, bound))

    # --- variables --------------------------------------------------------------------------------------------

    def _asked(self, node: Node, operator: str, constant: object = None) -> Formula:
        """Ask one question of a fact, or of an expression that is taken as it is."""
        node = self._named(node)
        type_ = self._type(node)
        if isinstance(node, Fact):
            return self._test(self.fact(node.name), operator, constant)
        needed = self._needed(node)
        sure = check(node, {**self.types, **{name: replace(self.types[name], known=True) for name in needed}})
        test = self._test(self._variable(unparse(node), type_, may_miss=not sure.known), operator, constant)
        needs = tuple(self._asked(Fact(name=name), "known") for name in sorted(needed))
        if operator == "known":
            return Every((*needs, test))
        return Needing(needs, test) if needs else test

    def _free(self, label: str, sides: tuple[Node, ...]) -> Formula:
        """Take a comparison as free to be true or false once its sides are known."""
        needs = tuple(self.known(side) for side in sides if not isinstance(side, Constant | Listing))
        return Needing(needs, self._test(self._variable(label, YES_NO, may_miss=False), "true"))

    def fact(self, name: str) -> Variable:
        """Give the variable of a declared fact."""
        type_ = self.types[name]
        return self._variable(name, type_, may_miss=not type_.known)

    def _variable(self, label: str, type_: Type, *, may_miss: bool) -> Variable:
        if label not in self.variables:
            place = len(self.variables)
            self.variables[label] = Variable(index=place, label=label, type=type_, may_miss=may_miss)
        return self.variables[label]

    def _test(self, variable: Variable, operator: str, constant: object = None) -> Test:
        if isinstance(constant, Fraction):
            variable.constants.add(constant)
        elif isinstance(constant, str):
            variable.codes.add(constant)
        elif isinstance(constant, frozenset):
            variable.codes |= constant
        test = Test(variable, operator, constant)
        self.tests.append(test)
        return test

    # --- definitions and types --------------------------------------------------------------------------------

    def _named(self, node: Node) -> Node:
        """Follow a name to what it is defined as."""
        while isinstance(node, Fact) and node.name in self.definitions:
            node = self.definitions[node.name]
        return node

    def _type(self, node: Node) -> Type:
        return check(node, self.types)

    def _needed(self, node: Node) -> frozenset[str]:
        """Give the facts without which an expression is surely unknown."""
        match node:
            case Fact(name=name) if name in self.definitions:
                return self._needed(self.definitions[name])
            case Fact(name=name):
                return frozenset() if self.types[name].known else frozenset({name})
            case Arithmetic() | Negative() | Days():
                return frozenset().union(*(self._needed(part) for part in children(node)))
            case Aggregate(loops=loops) if isinstance(loops[0].source, Fact):
                return self._needed(loops[0].source)
            case _:
                return frozenset()


def _spanning(factors: Mapping[str, Fraction], types: Mapping[str, Type]) -> Type:
    """Give the type of a sum of several facts: its range, and whether it is always whole."""
    low: Fraction | None = Fraction(0)
    high: Fraction | None = Fraction(0)
    for name, factor in factors.items():
        ends = (types[name].low, types[name].high) if factor > 0 else (types[name].high, types[name].low)
        low = None if low is None or ends[0] is None else low + factor * ends[0]
        high = None if high is None or ends[1] is None else high + factor * ends[1]
    whole = all(f.denominator == 1 and (types[name].whole or types[name].kind == "date") for name, f in factors.items())
    in_days = any(types[name].kind != "number" for name in factors)
    return Type(kind="duration" if in_days else "number", low=low, high=high, whole=whole, known=True)


@dataclass(slots=True, kw_only=True)
class Extent:
    """How much a condition is, and how deep, with every definition in it written out."""

    definitions: Mapping[str, Node]
    _found: dict[str, tuple[int, int, frozenset[str]]] = field(default_factory=dict)

    def of(self, node: Node) -> tuple[int, int, frozenset[str]]:
        """Give the number of nodes, the depth, and the facts behind it. Definitions must not go in a circle."""
        if isinstance(node, Fact):
            if node.name not in self.definitions:
                return 1, 1, frozenset({node.name})
            if node.name not in self._found:
                size, depth, facts = self.of(self.definitions[node.name])
                self._found[node.name] = (size + 1, depth + LOOKUP_DEPTH, facts)
            return self._found[node.name]
        parts = [self.of(part) for part in children(node)]
        return (
            1 + sum(size for size, _, _ in parts),
            1 + max((depth for _, depth, _ in parts), default=0),
            frozenset().union(*(facts for _, _, facts in parts)),
        )
