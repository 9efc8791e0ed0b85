"""Checking a condition against the names there are: kinds, units, domains. Every problem comes back at once.

A bare number fits any unit; two different units never meet; multiplying and dividing give no unit. What can never
be true, because no value in the fact's domain makes it so, is a mistake and said so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.condition_tree import (
    Aggregate,
    And,
    Arithmetic,
    Comparison,
    ConditionError,
    Constant,
    Days,
    Fact,
    ItemField,
    KnownTest,
    Listing,
    Negative,
    Node,
    Not,
    Or,
    Problem,
    decimal,
)
from engine.errors import near
from engine.facts import Number, Type

Scope = Mapping[str, Mapping[str, Type]]
ORDERED = ("number", "date", "duration")
DAY_UNITS = (None, "d", "day", "days")
WORDS = {
    "bool": "a yes/no",
    "number": "a number",
    "text": "a text",
    "code": "a code",
    "codes": "a set of codes",
    "date": "a date",
    "duration": "a duration",
    "list": "a recorded list",
}
YES_NO = Type(kind="bool")
NO_TYPE: Type | None = None


def check(node: Node, names: Mapping[str, Type]) -> Type:
    """Give the type of a condition; raises ConditionError with every problem found.

    The type's `known` is true only where no patient can make the condition unknown.
    """
    checker = _Checker(names=names)
    found = checker.type_of(node, {})
    if found is None or checker.problems:
        raise ConditionError(tuple(checker.problems))
    return found


def check_yes_no(node: Node, names: Mapping[str, Type]) -> Type:
    """Give the type of a condition that must answer yes, no or unknown."""
    found = check(node, names)
    if found.kind != "bool":
        raise ConditionError(
            ((node.at, f"this is {WORDS[found.kind]}, a yes/no is needed: compare it with something."),)
        )
    return found


@dataclass(slots=True, kw_only=True)
class _Checker:
    """Walks a tree once; None stands for a part whose problem is already noted."""

    names: Mapping[str, Type]
    problems: list[Problem] = field(default_factory=list)

    def note(self, node: Node, message: str) -> Type | None:
        self.problems.append((node.at, message))
        return NO_TYPE

    def type_of(self, node: Node, scope: Scope) -> Type | None:  # noqa: C901 - one case for each kind of node
        match node:
            case Constant(value=value):
                return _constant_type(value)
            case Listing():
                return self.note(node, "a written list stands after `in` or beside == and nowhere else.")
            case Fact(name=name):
                return self._fact(node, name)
            case ItemField():
                return self._item_field(node, scope)
            case Negative() | Arithmetic() | Days():
                return self._arithmetic(node, scope)
            case Comparison():
                return self._comparison(node, scope)
            case KnownTest(operand=operand):
                found = self.type_of(operand, scope)
                return found and replace(YES_NO, known=True)
            case Not(operand=operand):
                return self._all_yes_no((operand,), scope)
            case And(parts=parts) | Or(parts=parts):
                return self._all_yes_no(parts, scope)
            case Aggregate():
                return self._aggregate(node, scope)

    # --- names ------------------------------------------------------------------------------------------------

    def _fact(self, node: Node, name: str) -> Type | None:
        found = self.names.get(name)
        if found is None:
            if any(one.startswith(f"{name}.") for one in self.names):
                return self.note(node, f"{name} has fields: name one of them, {name}.FIELD.")
            self.note(node, f"there is no {name} here. {near(name, self.names)}".strip())
        return found

    def _item_field(self, node: ItemField, scope: Scope) -> Type | None:
        items = scope.get(node.variable)
        if not items:  # the list itself is not known; that is noted already
            return None
        found = items.get(node.key)
        if found is None:
            self.note(node, f"an entry of this list has no {node.key}. {near(node.key, items)}".strip())
        return found

    # --- yes and no -------------------------------------------------------------------------------------------

    def _yes_no(self, node: Node, scope: Scope) -> Type | None:
        found = self.type_of(node, scope)
        if found and found.kind != "bool":
            return self.note(node, f"this is {WORDS[found.kind]}, a yes/no is needed here: compare it with something.")
        return found

    def _all_yes_no(self, parts: tuple[Node, ...], scope: Scope) -> Type | None:
        found = [self._yes_no(part, scope) for part in parts]
        return replace(YES_NO, known=all(one is not None and one.known for one in found))

    # --- numbers, dates, durations ----------------------------------------------------------------------------

    def _arithmetic(self, node: Negative | Arithmetic | Days, scope: Scope) -> Type | None:
        if isinstance(node, Arithmetic):
            left, right = self.type_of(node.left, scope), self.type_of(node.right, scope)
            return left and right and self._combined(node, left, right)
        found = self.type_of(node.operand, scope)
        if found is None:
            return None
        if isinstance(node, Negative):
            if found.kind not in ("number", "duration"):
                return self.note(node, f"{WORDS[found.kind]} has no sign.")
            kept = found.known and found.kind == "number"
            return replace(found, low=_less(found.high), high=_less(found.low), known=kept)
        if found.kind != "number" or not found.whole or found.unit not in DAY_UNITS:
            return self.note(node, "days(…) takes a whole number of days.")
        return Type(kind="duration", known=found.known)

    def _combined(self, node: Arithmetic, left: Type, right: Type) -> Type | None:
        operator, kinds = node.operator, (left.kind, right.kind)
        known = left.known and right.known
        if kinds == ("number", "number"):
            whole = left.whole and right.whole and operator != "/"
            if operator in "*/":
                # Not `known`: a quotient by zero is unknown, and so is a number too long to keep.
                return Type(kind="number", whole=whole)
            other = replace(right, low=_less(right.high), high=_less(right.low)) if operator == "-" else right
            return Type(
                kind="number",
                unit=self._unit(node, left, right),
                low=_plus(left.low, other.low),
                high=_plus(left.high, other.high),
                whole=whole,
                known=known,
            )
        if kinds == ("date", "date") and operator == "-":
            return Type(kind="duration", known=known)
        if kinds in (("date", "duration"), ("duration", "duration")) and operator in "+-":
            return Type(kind=left.kind)  # not `known`: the sum may lie beyond the calendar
        hint = " Write days(…) around the number." if set(kinds) & {"date", "duration"} and "number" in kinds else ""
        return self.note(node, f"{WORDS[left.kind]} {operator} {WORDS[right.kind]} has no meaning.{hint}")

    def _unit(self, node: Node, left: Type, right: Type) -> str | None:
        if left.unit and right.unit and left.unit != right.unit:
            self.note(node, f"{left.unit} and {right.unit} are different units: convert one of them first.")
        return left.unit or right.unit

    # --- comparisons ------------------------------------------------------------------------------------------

    def _comparison(self, node: Comparison, scope: Scope) -> Type | None:
        types = {id(one): self._operand(one, scope) for one in (node.first, *(right for _, right in node.rest))}
        for left, operator, right in node.pairs:
            one, other = types[id(left)], types[id(right)]
            if one is None or other is None:
                continue
            pair = _Pair(left=left, operator=operator, right=right, one=one, other=other)
            if operator in ("in", "not in"):
                (self._in_list if isinstance(right, Listing) else self._in_codes)(pair)
            elif isinstance(left, Listing) or isinstance(right, Listing):
                self._same_codes(pair)
            else:
                self._pair(pair)
        return replace(YES_NO, known=all(one is not None and one.known for one in types.values()))

    def _operand(self, node: Node, scope: Scope) -> Type | None:
        if not isinstance(node, Listing):
            return self.type_of(node, scope)
        kinds = {_constant_type(item.value).kind for item in node.items}
        if kinds <= {"text"}:
            return Type(kind="codes", options=tuple(str(item.value) for item in node.items), known=True)
        if kinds == {"number"}:
            return Type(kind="list", known=True)  # a list of numbers: `in` alone can use it
        return self.note(node, "a written list holds numbers only or texts only.")

    def _in_list(self, pair: "_Pair") -> None:
        written, one, other = pair.right, pair.one, pair.other
        if isinstance(pair.left, Listing) or not isinstance(written, Listing):
            self.note(pair.left, "a list is not in a list.")
        elif not written.items:
            self.note(written, "nothing is in an empty list.")
        elif one.kind not in (("number",) if other.kind == "list" else ("code", "text")):
            hint = ' Write "CODE" in FACT.' if one.kind == "codes" else ""
            self.note(pair.left, f"{WORDS[one.kind]} is never one of these.{hint}")
        else:
            for item in written.items:
                self._domain(item, one)

    def _in_codes(self, pair: "_Pair") -> None:
        one, other = pair.one, pair.other
        if other.kind != "codes":
            self.note(pair.right, f"this is {WORDS[other.kind]}: `in` needs a written list or a set of codes.")
        elif one.kind not in ("code", "text"):
            self.note(pair.left, f"{WORDS[one.kind]} is never in a set of codes.")
        elif isinstance(pair.left, Constant):
            self._domain(pair.left, replace(other, kind="code"))
        elif one.options and other.options and not set(one.options) & set(other.options):
            self.note(pair.left, "none of its codes is among the codes there.")

    def _same_codes(self, pair: "_Pair") -> None:
        written, fact = (pair.left, pair.other) if isinstance(pair.left, Listing) else (pair.right, pair.one)
        if pair.operator not in ("==", "!=") or pair.one.kind != "codes" or pair.other.kind != "codes":
            self.note(written, "a written list is compared by == or != with a set of codes, or stands after `in`.")
        elif isinstance(written, Listing):
            for item in written.items:
                self._domain(item, replace(fact, kind="code"))

    def _pair(self, pair: "_Pair") -> None:
        one, other = pair.one, pair.other
        texts = {one.kind, other.kind} == {"code", "text"}
        if texts and (isinstance(pair.left, Constant) or isinstance(pair.right, Constant)):
            self._code(pair)
        elif one.kind != other.kind:
            hint = " Write days(…) around the number." if {one.kind, other.kind} == {"number", "duration"} else ""
            self.note(pair.left, f"{WORDS[one.kind]} is compared with {WORDS[other.kind]}.{hint}")
        elif one.kind == "list":
            self.note(pair.left, "recorded lists are not compared: count or go through them.")
        elif pair.operator not in ("==", "!=") and one.kind not in ORDERED:
            self.note(pair.left, f"{WORDS[one.kind]} has no order: only == and != compare it.")
        elif one.options and other.options and not set(one.options) & set(other.options):
            self.note(pair.left, "the two have no code in common: this never changes.")
        elif one.kind == "number":
            self._unit(pair.left, one, other)
            self._range(pair)

    def _code(self, pair: "_Pair") -> None:
        if pair.operator not in ("==", "!="):
            self.note(pair.left, "a code has no order: only == and != compare it.")
        elif isinstance(pair.right, Constant):
            self._domain(pair.right, pair.one)
        elif isinstance(pair.left, Constant):
            self._domain(pair.left, pair.other)

    def _domain(self, item: Constant, type_: Type) -> None:
        """Note a constant that the fact can never be."""
        value = item.value
        if type_.kind == "code" and type_.options and value not in type_.options:
            self.note(item, f"{value!r} is not one of its codes. {near(str(value), type_.options)}".strip())
        if type_.kind == "number" and not isinstance(value, bool | str):
            self._number(item, value, type_, whole=type_.whole)

    def _number(self, item: Node, value: Number, type_: Type, *, whole: bool) -> bool:
        """Say whether the fact can be that number, and note it where it cannot."""
        low, high = type_.low, type_.high
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"{'…' if low is None else decimal(low)} to {'…' if high is None else decimal(high)}"
            self.note(item, f"{decimal(value)} lies outside {span}: it can never be that.")
            return False
        if whole and isinstance(value, int) is False:
            self.note(item, f"it is a whole number, never {decimal(value)}.")
            return False
        return True

    def _range(self, pair: "_Pair") -> None:
        """Note a comparison of numbers that no value in the domain makes true, or that none makes false by `!=`."""
        exact = pair.operator in ("==", "!=")
        for item, type_ in ((pair.left, pair.other), (pair.right, pair.one)):
            if not isinstance(item, Constant) or isinstance(item.value, bool | str):
                continue
            outside = type_.low != type_.high or type_.low is None  # else both are constants
            if outside and not self._number(item, item.value, type_, whole=type_.whole and exact):
                return
        if _never(pair.operator, pair.one, pair.other):
            self.note(pair.left, "this can never be true: the two ranges do not allow it.")

    # --- lists ------------------------------------------------------------------------------------------------

    def _aggregate(self, node: Aggregate, scope: Scope) -> Type | None:
        inner, known, sound = dict(scope), True, True
        for loop in node.loops:
            source = self.type_of(loop.source, inner)
            if source is not None and source.kind != "list":
                self.note(loop.source, f"this is {WORDS[source.kind]}: a recorded list is needed here.")
                source = None
            if loop.variable in self.names or any(name.startswith(f"{loop.variable}.") for name in self.names):
                self.note(loop.source, f"{loop.variable} is already a name here: call the entry something else.")
            inner[loop.variable] = source.items if source else {}
            tests = [self._yes_no(test, inner) for test in loop.filters]
            known = (
                known and source is not None and source.known and all(one is not None and one.known for one in tests)
            )
            sound = sound and source is not None
        element = self.type_of(node.element, inner) if node.element is not None else None
        if not sound or (element is None and node.element is not None):
            return None
        return self._result(node, element, known=known)

    def _result(self, node: Aggregate, element: Type | None, *, known: bool) -> Type | None:
        function = node.function
        complete = known and (element is None or element.known)
        if element is None or function == "count":
            return Type(kind="number", low=0, whole=True, known=complete)
        wanted: tuple[str, ...] = {
            "any": ("bool",),
            "all": ("bool",),
            "sum": ("number",),
            "min": ORDERED,
            "max": ORDERED,
        }.get(function, tuple(kind for kind in WORDS if kind != "list"))
        if element.kind not in wanted:
            needed = " or ".join(WORDS[kind] for kind in wanted)
            return self.note(node.element or node, f"{function} needs {needed}, not {WORDS[element.kind]}.")
        if function in ("any", "all"):
            return replace(YES_NO, known=complete)
        if function == "distinct":
            return Type(kind="number", low=0, whole=True, known=known)
        if function == "sum":
            low = 0 if element.low is not None and element.low >= 0 else None
            return Type(kind="number", unit=element.unit, low=low, whole=element.whole, known=complete)
        return replace(element, known=False)  # of nothing: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One comparison with the types of its sides."""

    left: Node
    operator: str
    right: Node
    one: Type
    other: Type


def _constant_type(value: bool | Number | str) -> Type:  # noqa: FBT001 - a constant of the language may be one
    if isinstance(value, bool):
        return replace(YES_NO, known=True)
    if isinstance(value, str):
        return Type(kind="text", options=(value,), known=True)
    return Type(kind="number", low=value, high=value, whole=isinstance(value, int), known=True)


def _less(value: Number | None) -> Number | None:
    return None if value is None else -value


def _plus(one: Number | None, other: Number | None) -> Number | None:
    return None if one is None or other is None else one + other


def _never(operator: str, one: Type, other: Type) -> bool:
    """Say whether no two numbers of these ranges stand in this relation."""
    above = _plus(one.low, _less(other.high))  # the least that one is above the other
    below = _plus(other.low, _less(one.high))
    match operator:
        case "<":
            return above is not None and above >= 0
        case "<=":
            return above is not None and above > 0
        case ">":
            return below is not None and below >= 0
        case ">=":
            return below is not None and below > 0
        case "==":
            return (above is not None and above > 0) or (below is not None and below > 0)
        case _:
            return above == 0 == below
