"""Answering a condition: a tree becomes nested closures once, and is then asked many times.

Every closure takes (value, one, other): how to look a name up, and the entries of the at most two lists it stands
in. None is unknown everywhere. Arithmetic is exact; a number longer than `MOST_BITS` is unknown, so that no chain
of definitions can fill the memory.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Literal, cast

from engine.condition_tree import (
    Aggregate,
    And,
    Arithmetic,
    Comparison,
    Constant,
    Days,
    Fact,
    ItemField,
    KnownTest,
    Listing,
    Loop,
    Negative,
    Node,
    Not,
    Or,
)
from engine.facts import Item, Number, Value

MOST_BITS = 4096
MOST_DAYS = timedelta.max.days
Unlisted = Literal["unlisted"]
UNLISTED: Unlisted = "unlisted"  # in place of an entry: the list itself is unknown

Look = Callable[[str], Value | None]
Run = Callable[[Look, Item, Item], Value | None]
Step = tuple[bool | Unlisted | None, Item, Item]  # does the entry pass, and the entries bound so far
Rows = Callable[[Look, Item, Item], Iterator[Step]]
Scope = tuple[str, ...]
NO_ITEM: Item = {}


# --- closures ----------------------------------------------------------------------------------------------------


def closure(node: Node, scope: Scope = ()) -> Run:  # noqa: C901, PLR0912 - one case for each kind of node
    """Make a checked tree ready to be asked; `scope` holds the variables of the lists it stands in."""
    match node:
        case Constant(value=value):
            return lambda _look, _one, _other: value
        case Listing(items=items):
            codes = frozenset(item.value for item in items)
            return lambda _look, _one, _other: cast("frozenset[str]", codes)
        case Fact(name=name):
            return lambda look, _one, _other: look(name)
        case ItemField(variable=variable, key=key):
            if scope.index(variable) == 0:
                return lambda _look, one, _other: one.get(key)
            return lambda _look, _one, other: other.get(key)
        case Negative(operand=operand):
            return _applied(_negated, closure(operand, scope))
        case Days(operand=operand):
            return _applied(_days, closure(operand, scope))
        case Arithmetic(operator=sign, left=left, right=right):
            return _both(ARITHMETIC[sign], closure(left, scope), closure(right, scope))
        case Comparison():
            pairs = tuple(_compared(left, sign, right, scope) for left, sign, right in node.pairs)
            return pairs[0] if len(pairs) == 1 else _every(pairs)
        case KnownTest(operand=operand, known=known):
            return _known(closure(operand, scope), known=known)
        case Not(operand=operand):
            return _applied(operator.not_, closure(operand, scope))
        case And(parts=parts):
            return _every(tuple(closure(part, scope) for part in parts))
        case Or(parts=parts):
            return _some(tuple(closure(part, scope) for part in parts))
        case Aggregate():
            return _aggregate(node, scope)


def _applied(function: Callable[..., Value | None], operand: Run) -> Run:
    def run(look: Look, one: Item, other: Item) -> Value | None:
        value = operand(look, one, other)
        return None if value is None else function(value)

    return run


def _both(function: Callable[..., Value | None], left: Run, right: Run) -> Run:
    def run(look: Look, one: Item, other: Item) -> Value | None:
        first = left(look, one, other)
        if first is None:
            return None
        second = right(look, one, other)
        return None if second is None else function(first, second)

    return run


def _known(operand: Run, *, known: bool) -> Run:
    return lambda look, one, other: (operand(look, one, other) is not None) is known


def _compared(left: Node, sign: str, right: Node, scope: Scope) -> Run:
    function = COMPARE[sign]
    if not isinstance(right, Constant | Listing):
        return _both(function, closure(left, scope), closure(right, scope))
    # The common shape, a fact against a number or a code, saves one call each time.
    constant = closure(right, scope)(lambda _name: None, NO_ITEM, NO_ITEM)
    operand = closure(left, scope)

    def run(look: Look, one: Item, other: Item) -> bool | None:
        value = operand(look, one, other)
        return None if value is None else function(value, constant)

    return run


def _every(parts: tuple[Run, ...]) -> Run:
    def run(look: Look, one: Item, other: Item) -> bool | None:
        answer: bool | None = True
        for part in parts:
            found = part(look, one, other)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    return run


def _some(parts: tuple[Run, ...]) -> Run:
    def run(look: Look, one: Item, other: Item) -> bool | None:
        answer: bool | None = False
        for part in parts:
            found = part(look, one, other)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return run


# --- exact numbers, days -----------------------------------------------------------------------------------------


def _plus(one: object, other: object) -> Value | None:
    return _added(operator.add, one, other)


def _minus(one: object, other: object) -> Value | None:
    return _added(operator.sub, one, other)


def _added(function: Callable[..., Value], one: object, other: object) -> Value | None:
    try:
        found = function(one, other)
    except OverflowError:  # a day beyond the calendar
        return None
    return _kept(found) if isinstance(found, int | Fraction) else found


def _times(one: Number, other: Number) -> Number | None:
    return _kept(one * other)


def _divided(one: Number, other: Number) -> Number | None:
    return None if other == 0 else _kept(Fraction(one) / other)


def _kept(number: Number) -> Number | None:
    """Give the number, or unknown where it is too long to keep."""
    if isinstance(number, int):
        return number if number.bit_length() <= MOST_BITS else None
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MOST_BITS:
        return None
    return number


def _negated(value: Number | timedelta) -> Value | None:
    return _added(operator.sub, timedelta(0), value) if isinstance(value, timedelta) else -value


def _days(count: Number) -> timedelta:
    # The type check lets whole numbers through only. More days than any calendar has are the most there are:
    # longer than every real duration, and unknown as soon as they are added to a day.
    return timedelta(days=max(-MOST_DAYS, min(int(count), MOST_DAYS)))


ARITHMETIC: Mapping[str, Callable[..., Value | None]] = {"+": _plus, "-": _minus, "*": _times, "/": _divided}
COMPARE: Mapping[str, Callable[..., bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, there: value in there,
    "not in": lambda value, there: value not in there,
}


# --- lists -------------------------------------------------------------------------------------------------------


def _aggregate(node: Aggregate, scope: Scope) -> Run:
    rows: Rows | None = None
    for loop in node.loops:
        rows = _loop(loop, scope, rows)
        scope = (*scope, loop.variable)
    # Without an element the entries themselves are counted: each is something, so each counts.
    element = closure(node.element, scope) if node.element is not None else closure(Constant(value=True), scope)
    return AGGREGATE[node.function](cast("Rows", rows), element)


def _loop(loop: Loop, scope: Scope, outer: Rows | None) -> Rows:
    """Go through one list, inside another if `outer` is given; entries that do not pass are left out."""
    source = closure(loop.source, scope)
    inside = (*scope, loop.variable)
    passes = _every(tuple(closure(test, inside) for test in loop.filters))
    first = not scope

    def rows(look: Look, one: Item, other: Item) -> Iterator[Step]:
        items = source(look, one, other)
        if items is None:
            yield UNLISTED, one, other
            return
        for item in cast("tuple[Item, ...]", items):
            bound = (item, other) if first else (one, item)
            answer = cast("bool | None", passes(look, *bound))
            if answer is not False:
                yield answer, *bound

    def nested(look: Look, one: Item, other: Item) -> Iterator[Step]:
        for answer, outer_one, outer_other in cast("Rows", outer)(look, one, other):
            if answer is UNLISTED:
                yield UNLISTED, outer_one, outer_other
                continue
            for inner, *bound in rows(look, outer_one, outer_other):
                yield (inner if answer or inner is UNLISTED else None), bound[0], bound[1]

    return rows if outer is None else nested


def _any(rows: Rows, element: Run) -> Run:
    def run(look: Look, one: Item, other: Item) -> bool | None:
        answer: bool | None = False
        for passes, *bound in rows(look, one, other):
            found = None if passes is UNLISTED else element(look, *bound)
            if found is True and passes is True:
                return True
            if found is not False:
                answer = None
        return answer

    return run


def _all(rows: Rows, element: Run) -> Run:
    def run(look: Look, one: Item, other: Item) -> bool | None:
        answer: bool | None = True
        for passes, *bound in rows(look, one, other):
            found = None if passes is UNLISTED else element(look, *bound)
            if found is False and passes is True:
                return False
            if found is not True:
                answer = None
        return answer

    return run


def _elements(rows: Rows, element: Run, bound: tuple[Look, Item, Item]) -> Iterator[Value | None]:
    """Give the element of each entry; unknown also where it is not known whether the entry counts."""
    for passes, one, other in rows(*bound):
        yield element(bound[0], one, other) if passes is True else None


def _gathered(finish: Callable[[Iterator[Value | None]], Value | None]) -> Callable[[Rows, Run], Run]:
    def build(rows: Rows, element: Run) -> Run:
        return lambda look, one, other: finish(_elements(rows, element, (look, one, other)))

    return build


def _count(found: Iterator[Value | None]) -> Value | None:
    total = 0
    for one in found:
        if one is None:
            return None
        total += one is not False
    return total


def _sum(found: Iterator[Value | None]) -> Value | None:
    total: Number = 0
    for one in found:
        kept = None if one is None else _kept(total + cast("Number", one))
        if kept is None:
            return None
        total = kept
    return total


def _best(choose: Callable[..., Value]) -> Callable[[Iterator[Value | None]], Value | None]:
    def best(found: Iterator[Value | None]) -> Value | None:
        values = list(found)
        return None if not values or None in values else choose(values)

    return best


def _last(found: Iterator[Value | None]) -> Value | None:
    last = None
    for one in found:
        last = one
    return last


def _distinct(rows: Rows, element: Run) -> Run:
    def run(look: Look, one: Item, other: Item) -> int | None:
        seen = set()
        for passes, *bound in rows(look, one, other):
            if passes is not True:
                return None
            seen.add(element(look, *bound))
        return len(seen - {None})

    return run


AGGREGATE: Mapping[str, Callable[[Rows, Run], Run]] = {
    "any": _any,
    "all": _all,
    "count": _gathered(_count),
    "sum": _gathered(_sum),
    "min": _gathered(_best(min)),
    "max": _gathered(_best(max)),
    "first": _gathered(lambda found: next(found, None)),
    "last": _gathered(_last),
    "distinct": _distinct,
}
