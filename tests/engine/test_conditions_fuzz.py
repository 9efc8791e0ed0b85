"""The condition language against a second reading of it, written for this test only.

The referee walks Python's own tree with plain recursion and knows nothing of the engine's: it is slow, complete and
short. Both are asked the same generated conditions, with facts that are often unknown.
"""

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.conditions import ConditionError, check, compile_condition, json_of, names_in, parse, unparse
from engine.decision import Input
from engine.facts import Type, Value

# --- the referee -------------------------------------------------------------------------------------------------

Scope = Mapping[str, Mapping[str, Any]]


class Referee:
    """Answers a condition's text directly; None is unknown."""

    def __init__(self, text: str, facts: Mapping[str, Any]) -> None:
        """Keep the text for its numbers, which the standard tree holds as floats."""
        self.text, self.facts = text, facts

    def answer(self) -> Any:
        """Give the value of the whole condition."""
        return self.of(ast.parse(self.text, mode="eval").body, {})

    def of(self, node: ast.expr, scope: Scope) -> Any:  # noqa: C901 - one case for each form
        """Give the value of one expression."""
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                return node.value
            return Fraction(ast.get_source_segment(self.text, node) or "")
        if isinstance(node, ast.Name):
            return {"true": True, "false": False}.get(node.id, self.facts.get(node.id))
        if isinstance(node, ast.Attribute):
            assert isinstance(node.value, ast.Name)
            head = node.value.id
            return scope[head].get(node.attr) if head in scope else self.facts.get(f"{head}.{node.attr}")
        if isinstance(node, ast.List):
            return [self.of(one, scope) for one in node.elts]
        if isinstance(node, ast.UnaryOp):
            inner = self.of(node.operand, scope)
            if inner is None:
                return None
            return (not inner) if isinstance(node.op, ast.Not) else -inner
        if isinstance(node, ast.BoolOp):
            answers = [self.of(one, scope) for one in node.values]
            settling = isinstance(node.op, ast.Or)
            if any(one is settling for one in answers):
                return settling
            return None if None in answers else not settling
        if isinstance(node, ast.BinOp):
            return self.arithmetic(node.op, self.of(node.left, scope), self.of(node.right, scope))
        if isinstance(node, ast.Compare):
            return self.chain(node, scope)
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        if node.func.id == "days":
            count = self.of(node.args[0], scope)
            return None if count is None else timedelta(days=int(count))  # the facts here fit a calendar
        return self.aggregate(node.func.id, node.args[0], scope)

    def arithmetic(self, op: ast.operator, left: Any, right: Any) -> Any:
        """Add, take away, multiply, divide."""
        if left is None or right is None:
            return None
        if isinstance(op, ast.Div):
            return None if right == 0 else Fraction(left) / Fraction(right)
        try:
            return (
                left + right if isinstance(op, ast.Add) else left - right if isinstance(op, ast.Sub) else left * right
            )
        except OverflowError:
            return None

    def chain(self, node: ast.Compare, scope: Scope) -> Any:
        """Compare each with the next; unknown unless one is false."""
        if isinstance(node.ops[0], ast.Is):
            word = node.comparators[0]
            assert isinstance(word, ast.Name)
            return (self.of(node.left, scope) is None) == (word.id == "unknown")
        values = [self.of(one, scope) for one in (node.left, *node.comparators)]
        answers = [self.pair(op, values[n], values[n + 1]) for n, op in enumerate(node.ops)]
        return False if False in answers else None if None in answers else True

    def pair(self, op: ast.cmpop, left: Any, right: Any) -> bool | None:
        """Compare two values."""
        if left is None or right is None:
            return None
        if isinstance(left, frozenset):
            right = frozenset(right)
        name = type(op).__name__
        table: Mapping[str, Callable[[], bool]] = {
            "Eq": lambda: left == right,
            "NotEq": lambda: left != right,
            "Lt": lambda: left < right,
            "LtE": lambda: left <= right,
            "Gt": lambda: left > right,
            "GtE": lambda: left >= right,
            "In": lambda: left in right,
            "NotIn": lambda: left not in right,
        }
        return table[name]()

    def worlds(self, loops: list[ast.comprehension], scope: Scope) -> Iterator[tuple[bool | None, Scope | None]]:
        """Give every entry with whether it counts; no entry (None) where a list is unknown."""
        if not loops:
            yield True, scope
            return
        loop = loops[0]
        assert isinstance(loop.target, ast.Name)
        items = self.of(loop.iter, scope)
        if items is None:
            yield None, None
            return
        for item in items:
            inner = {**scope, loop.target.id: item}
            tests = [self.of(test, inner) for test in loop.ifs]
            here = False if False in tests else None if None in tests else True
            if here is False:
                continue
            for deeper, found in self.worlds(loops[1:], inner):
                yield (None if here is None or deeper is None else True), found

    def aggregate(self, function: str, argument: ast.expr, scope: Scope) -> Any:  # noqa: C901 - one case for each function
        """Bring a list to one value."""
        if not isinstance(argument, ast.GeneratorExp):
            items = self.of(argument, scope)
            return None if items is None else len(items)
        counts: list[bool | None] = []
        values: list[Any] = []
        bare = isinstance(argument.elt, ast.Name) and argument.elt.id not in ("true", "false", *self.facts)
        for passes, inner in self.worlds(argument.generators, scope):
            counts.append(passes)
            values.append(None if inner is None else True if bare else self.of(argument.elt, inner))
        if function in ("any", "all"):
            settling = function == "any"
            if any(passes is True and value is settling for passes, value in zip(counts, values, strict=True)):
                return settling
            doubtful = any(value is not (not settling) for value in values)
            return None if doubtful else not settling
        if function == "first":
            return values[0] if values and counts[0] else None
        if function == "last":
            return values[-1] if values and counts[-1] else None
        if None in counts:
            return None
        if function == "distinct":
            return len({value for value in values if value is not None})
        if None in values:
            return None
        if function == "count":
            return sum(1 for value in values if value is not False)
        if function == "sum":
            return sum(values, Fraction(0))
        if not values:
            return None
        return min(values) if function == "min" else max(values)


# --- facts -------------------------------------------------------------------------------------------------------

CODES = ("a", "b", "c")
INNER: Mapping[str, Type] = {"n": Type(kind="number"), "flag": Type(kind="bool")}
ITEM: Mapping[str, Type] = {
    "n": Type(kind="number"),
    "code": Type(kind="code", options=CODES),
    "flag": Type(kind="bool"),
    "on": Type(kind="date"),
    "many": Type(kind="codes", options=CODES),
    "inner": Type(kind="list", items=INNER),
}
NAMES: Mapping[str, Type] = {
    "f.n": Type(kind="number"),
    "f.m": Type(kind="number"),
    "f.whole": Type(kind="number", whole=True),
    "f.code": Type(kind="code", options=CODES),
    "state": Type(kind="code", options=CODES, known=True),
    "f.many": Type(kind="codes", options=CODES),
    "flag": Type(kind="bool"),
    "sure": Type(kind="bool", known=True),
    "f.on": Type(kind="date"),
    "today": Type(kind="date", known=True),
    "param.wait": Type(kind="duration"),
    "entries": Type(kind="list", items=ITEM),
    "history.x": Type(kind="list", items=ITEM, known=True),
}


def values_of(type_: Type) -> st.SearchStrategy[Any]:
    """Draw a value of a type, often unknown."""
    known: Mapping[str, st.SearchStrategy[Any]] = {
        "number": st.integers(-3, 12) if type_.whole else st.integers(-3, 12) | st.fractions(-3, 12, max_denominator=8),
        "code": st.sampled_from(CODES),
        "codes": st.frozensets(st.sampled_from(CODES)),
        "bool": st.booleans(),
        "date": st.dates(date(2026, 1, 1), date(2026, 1, 20)),
        "duration": st.integers(0, 400).map(lambda hours: timedelta(hours=hours)),
        "list": st.lists(
            st.fixed_dictionaries({key: values_of(one) for key, one in type_.items.items()}), max_size=4
        ).map(tuple),
    }
    return known[type_.kind] if type_.known else st.none() | known[type_.kind]


FACTS = st.fixed_dictionaries({name: values_of(type_) for name, type_ in NAMES.items()})

# --- conditions --------------------------------------------------------------------------------------------------


Bound = tuple[tuple[str, str], ...]
Make = Callable[[int, Bound], st.SearchStrategy[str]]


@st.composite
def conditions(draw: st.DrawFn, kind: str = "bool", depth: int = 3, scope: Bound = ()) -> str:
    """Write a condition of a kind; `scope` holds the variables bound so far and what they stand for."""
    make = draw(st.sampled_from(FORMS[kind])) if depth > 0 else LEAF[kind]
    return draw(make(depth, scope))


def leaf(kind: str, names: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Make:
    """Make the facts and fields of a kind, with a constant where there is one."""

    def make(_depth: int, scope: Bound) -> st.SearchStrategy[str]:
        found = list(names["facts"][kind])
        for variable, source in scope:
            found += [f"{variable}.{key}" for key in names[source].get(kind, ())]
        return st.sampled_from(found)

    return make


FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "facts": {
        "bool": ("flag", "sure", "true", "false"),
        "number": ("f.n", "f.m", "f.whole", "0", "2", "2.5", "0.1", "-1"),
        "whole": ("f.whole", "3", "-2"),
        "code": ("f.code", "state"),
        "codes": ("f.many",),
        "date": ("f.on", "today"),
        "duration": ("param.wait",),
        "list": ("entries", "history.x"),
    },
    "item": {
        "bool": ("flag",),
        "number": ("n",),
        "code": ("code",),
        "codes": ("many",),
        "date": ("on",),
        "list": ("inner",),
    },
    "inner": {"bool": ("flag",), "number": ("n",)},
}


def join(template: str, *kinds: str) -> Make:
    """Make a form with smaller conditions in it."""

    def make(depth: int, scope: Bound) -> st.SearchStrategy[str]:
        parts = [conditions(kind, depth - 1, scope) for kind in kinds]
        return st.tuples(*parts).map(lambda found: template.format(*found))

    return make


def over(template: str, kind: str) -> Make:
    """Make a form over one list, or two where no variable is bound yet."""

    def make(depth: int, scope: Bound) -> st.SearchStrategy[str]:
        return loops(template, kind, depth - 1, scope)

    return make


@st.composite
def loops(draw: st.DrawFn, template: str, kind: str, depth: int, scope: Bound) -> str:
    """Write `… for x in LIST if …`, at most two of them at once."""
    text = ""
    for variable in ("s", "t")[len(scope) :][: draw(st.integers(1, 2))]:
        sources = ["entries", "history.x", *(f"{one}.inner" for one, source in scope if source == "item")]
        source = draw(st.sampled_from(sources))
        scope = (*scope, (variable, "inner" if source.endswith(".inner") else "item"))
        text += f" for {variable} in {source}"
        if draw(st.booleans()):
            text += f" if {draw(conditions('bool', depth, scope))}"
    return template.format(draw(conditions(kind, depth, scope)) + text)


def counted(depth: int, scope: Bound) -> st.SearchStrategy[str]:
    """Make a count of entries."""
    if len(scope) == 2:
        return st.sampled_from(["count(entries)", "count(history.x)"])
    variable = "st"[len(scope)]
    inside = (*scope, (variable, "item"))
    test = conditions("bool", depth - 1, inside)
    return st.just("count(entries)") | test.map(lambda one: f"count({variable} for {variable} in history.x if {one})")


def closed(make: Make, instead: str) -> Make:
    """Use a form over lists only where a variable may still be bound."""
    return lambda depth, scope: make(depth, scope) if len(scope) < 2 else st.just(instead)


LEAF = {kind: leaf(kind, FIELDS) for kind in ("bool", "number", "whole", "code", "codes", "date", "duration")}
FORMS: Mapping[str, list[Make]] = {
    "bool": [
        LEAF["bool"],
        join("({} and {})", "bool", "bool"),
        join("({} or {} or {})", "bool", "bool", "bool"),
        join("(not {})", "bool"),
        join("({} is known)", "bool"),
        join("({} is unknown)", "number"),
        *(join(f"({{}} {op} {{}})", "number", "number") for op in ("==", "!=", "<", "<=", ">", ">=")),
        join("({} <= {} < {})", "number", "number", "number"),
        join("({} < {})", "date", "date"),
        join("({} >= {})", "duration", "duration"),
        join("({} == {})", "code", "code"),
        join('({} != "b")', "code"),
        join('({} in ["a", "c"])', "code"),
        join("({} not in [1, 2.5, -1])", "number"),
        join("({} in {})", "code", "codes"),
        join('("a" in {})', "codes"),
        join('({} == ["a", "b"])', "codes"),
        join("({} == {})", "bool", "bool"),
        closed(over("any({})", "bool"), "flag"),
        closed(over("all({})", "bool"), "sure"),
    ],
    "number": [
        LEAF["number"],
        *(join(f"({{}} {op} {{}})", "number", "number") for op in "+-*/"),
        join("(-{})", "number"),
        counted,
        *(closed(over(f"{name}({{}})", "number"), "f.n") for name in ("sum", "min", "max", "first", "last")),
        closed(over("distinct({})", "code"), "f.m"),
        closed(over("count({})", "bool"), "f.m"),
    ],
    "whole": [LEAF["whole"], join("({} + {})", "whole", "whole")],
    "code": [LEAF["code"], closed(over("last({})", "code"), "f.code")],
    "codes": [LEAF["codes"]],
    "date": [LEAF["date"], join("({} + {})", "date", "duration"), join("({} - {})", "date", "duration")],
    "duration": [
        LEAF["duration"],
        join("({} - {})", "date", "date"),
        join("({} + {})", "duration", "duration"),
        join("({} - {})", "duration", "duration"),
        join("(-{})", "duration"),
        join("days({})", "whole"),
    ],
}


class Facts:
    """A Lookup over the drawn facts."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Keep the values."""
        self.values = values

    def value(self, name: str) -> Value | None:
        """Give the value; a name that was not declared is an error of the language."""
        found: Value | None = self.values[name]
        return found

    def input(self, name: str) -> Input:
        """Give the value as JSON."""
        return Input(fact=name, value=json_of(self.value(name)))


def refused(reading: Callable[[], object]) -> tuple[tuple[int, str], ...]:
    """Give what a condition is refused for, nothing when it is not."""
    try:
        reading()
    except ConditionError as error:
        return error.problems
    return ()


def checked(text: str) -> bool:
    """Say whether the types fit; some drawn comparisons can never be true, which is refused."""
    problems = refused(lambda: check(parse(text), NAMES))
    assert all("never" in message or "outside" in message for _, message in problems), (text, problems)
    return not problems


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(text=conditions(), facts=FACTS)
def test_the_engine_answers_as_the_referee_does(text: str, facts: Mapping[str, Any]) -> None:
    """Whatever is asked, of whatever is known or not: both readings of the language give the same answer."""
    if len(text) > 2000 or not checked(text):
        return
    node = parse(text)
    condition = compile_condition(node)

    answer = condition.evaluate(Facts(facts))

    assert answer is Referee(text, facts).answer()
    clauses = condition.explain(Facts(facts))
    assert condition.answer(Facts(facts)) == (answer, clauses)
    for clause in clauses:
        assert clause.value is Referee(clause.text, facts).answer()
        assert {one.fact for one in clause.inputs} >= names_in(parse(clause.text))
    if check(node, NAMES).known:
        assert answer is not None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=conditions("number"), facts=FACTS)
def test_numbers_are_those_of_the_referee(text: str, facts: Mapping[str, Any]) -> None:
    """Sums, counts, least and greatest come to the same exact number."""
    if len(text) > 2000 or not checked(text):
        return
    answer = compile_condition(parse(text)).evaluate(Facts(facts))
    assert answer == Referee(text, facts).answer()
    assert answer is None or type(answer) in (int, Fraction)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=conditions())
def test_what_is_written_back_means_the_same(text: str) -> None:
    """The normal form of a condition reads as the same tree, and is its own normal form."""
    if len(text) <= 2000:
        node = parse(text)
        assert unparse(parse(unparse(node))) == unparse(node)
        assert parse(unparse(node)) == node


PIECES = st.sampled_from(
    [
        *("and", "or", "not", "in", "is", "known", "unknown", "for", "if", "else", "lambda", "yield", "await", "async"),
        *("any(", "sum(", "count(", "days(", "eval(", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "=", "==", "<"),
        *("**", "//", "->", ":=", "@", "#", "\\", "'", '"', "'a'", '"b"', "f'", "0", "1.5", "1e9", "0x1", "9" * 31),
        *("a", "a.b", "s", "s.x", "__class__", "None", "True", "\n", "\t", "\0", "\ud800", "é", "ａ", "\u2028"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(
    text=st.lists(PIECES, max_size=25).map(" ".join) | st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60)
)
def test_any_text_is_read_or_clearly_refused(text: str) -> None:
    """No text makes the reader fail in another way, or warn, or read what it cannot write back."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems = refused(lambda: parse(text))
        for column, message in problems:
            assert 1 <= column <= len(text) + 1
            assert message.encode()
        if not problems:
            node = parse(text)
            assert parse(unparse(node)) == node
