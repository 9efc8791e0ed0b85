"""Reading a condition: text in, tree out, or every problem with its column. Nothing is ever evaluated here.

Three sieves. The scanner knows every token there is, so that the standard parser only sees text that can hold no
comment, escape, prefix, huge number or deep bracket. `ast` gives the shape. The reader turns the few shapes we
know into our own nodes and refuses the rest by name.
"""

import ast
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction

from engine.condition_tree import (
    AGGREGATES,
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
    Loop,
    Negative,
    Node,
    Not,
    Or,
    Problem,
)

LONGEST = 2000  # characters of a condition
DEEPEST = 50  # levels of a condition
DIGITS = 30  # digits of a written number
LISTS_AT_ONCE = 2  # so that no condition takes longer than the square of a record list

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![\w.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)(?![\w"'])
      | (?P<text>"[^"\\\x00-\x1f\x7f\ud800-\udfff]*"|'[^'\\\x00-\x1f\x7f\ud800-\udfff]*')
      | (?P<dot>\.)(?=[A-Za-z_])
      | (?P<open>[(\[]) | (?P<close>[)\]])
      | (?P<operator>==|!=|<=|>=|<(?![<>])|>(?!>)|\+|-|\*(?!\*)|/(?!/)|,)
    """,
    re.VERBOSE | re.ASCII,
)
HINTS = {
    "=": "write == to compare",
    "!": "write `not`, or != to compare",
    "&": "write `and`",
    "|": "write `or`",
    "*": "there are no powers: write the product",
    "/": "there is no whole division",
    "%": "a percentage is a plain number here",
    "#": "a remark belongs in the row's or rule's own text",
    "{": "write [..] for a list",
    "\\": "a text holds no backslash",
    '"': 'a text begins and ends with the same quote, holds no control characters and stands alone: "like this"',
    "'": "a text begins and ends with the same quote, holds no control characters and stands alone: 'like this'",
}
WORD = re.compile(r"[\w.]+")
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
WORDS = {"true": True, "True": True, "false": False, "False": False}
RESERVED = ("known", "unknown", "None", "days", *AGGREGATES, *WORDS)
UNREADABLE = Constant(value=False)  # stands where a problem was noted; the tree is then never given out


def parse(text: str) -> Node:
    """Read a condition; raises ConditionError with every problem found."""
    if len(text) > LONGEST:
        raise ConditionError(((1, f"it has {len(text)} characters, the most is {LONGEST}: use a definition."),))
    problems = _scan(text)
    if problems:
        raise ConditionError(tuple(problems))
    flat = re.sub(r"\s", " ", text, flags=re.ASCII)
    reader = _Reader(text=flat.strip(" "), indent=len(flat) - len(flat.lstrip(" ")))
    node = reader.read(_shape(reader), ())
    if reader.problems:
        raise ConditionError(tuple(reader.problems))
    return node


# --- the scanner -------------------------------------------------------------------------------------------------


def _scan(text: str) -> list[Problem]:
    """Find what is no token, brackets that do not pair, and numbers too long."""
    problems: list[Problem] = []
    brackets: list[str] = []
    place, before = 0, ""
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            problems.append((place + 1, _stray(text, place)))
            place, before = _resume(text, place), "stray"
            continue
        kind, token = str(found.lastgroup), found[0]
        if kind == "text" and before == "text":
            problems.append((place + 1, "two texts stand side by side: put a comma or a comparison between them."))
        if kind == "number" and len(token.replace(".", "")) > DIGITS:
            problems.append((place + 1, f"a number has at most {DIGITS} digits."))
        if kind in ("open", "close"):
            problems += _bracket(token, brackets, place + 1)
        before = before if kind == "space" else kind
        place = found.end()
    if brackets and not problems:
        problems.append((len(text) + 1, f"{brackets[-1]!r} is missing at the end."))
    if not before and not problems:
        problems.append((1, "it is empty: say what must hold."))
    return problems[:20]  # a megabyte of wrong characters needs no megabyte of findings


def _bracket(bracket: str, brackets: list[str], column: int) -> list[Problem]:
    if bracket in "([":
        brackets.append(")" if bracket == "(" else "]")
        return [(column, f"brackets are nested more than {DEEPEST} deep.")] if len(brackets) == DEEPEST + 1 else []
    if not brackets or brackets.pop() != bracket:
        return [(column, f"{bracket!r} closes nothing.")]
    return []


def _resume(text: str, place: int) -> int:
    """Give the place to go on from after something unreadable: behind the word, or the end after an open text."""
    if text[place] in "\"'":
        return len(text)
    word = WORD.match(text, place)
    return word.end() if word else place + 1


def _stray(text: str, place: int) -> str:
    letter = text[place]
    if letter.isdecimal():
        return "this is no number: write digits, with a point and digits behind it if need be."
    if WORD.match(letter):
        return "this is no name: names hold the letters a to z, digits and _, and no quote follows them directly."
    hint = HINTS.get(letter)
    return f"{letter!a} has no meaning here{f': {hint}' if hint else ''}."


# --- the shape ---------------------------------------------------------------------------------------------------


def _shape(reader: "_Reader") -> ast.expr:
    try:
        return ast.parse(reader.text, mode="eval").body
    except SyntaxError as error:
        column = reader.indent + (error.offset or len(reader.text) + 1)  # 0: at the end
        reason = f"this cannot be read here ({error.msg.split('. Perhaps')[0]})."
        raise ConditionError(((column, reason),)) from None
    except (RecursionError, MemoryError):
        # Short of stack, never of memory: two thousand characters of signs nest two thousand deep.
        raise ConditionError(((reader.indent + 1, f"it is nested more than {DEEPEST} deep."),)) from None


# --- the reader --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reader:
    """Turns the standard tree into ours and notes what has no place in it."""

    text: str
    indent: int
    problems: list[Problem] = field(default_factory=list)
    depth: int = 0

    def read(self, shape: ast.expr, scope: tuple[str, ...]) -> Node:
        """Read one expression; `scope` holds the variables of the lists it stands in."""
        if self.depth >= DEEPEST:
            return self.refuse(shape, f"it is nested more than {DEEPEST} deep: use a definition.")
        self.depth += 1
        try:
            return self._read(shape, scope)
        finally:
            self.depth -= 1

    def _read(self, shape: ast.expr, scope: tuple[str, ...]) -> Node:
        at = self.column(shape)
        match shape:
            case ast.Constant() | ast.Name() | ast.Attribute() | ast.List() | ast.UnaryOp(op=ast.USub()):
                return self._leaf(shape, scope)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(operand=self.read(operand, scope), at=at)
            case ast.BoolOp(op=ast.And(), values=values):
                return And(parts=tuple(self.read(one, scope) for one in values), at=at)
            case ast.BoolOp(values=values):
                return Or(parts=tuple(self.read(one, scope) for one in values), at=at)
            case ast.Compare():
                return self._compare(shape, scope)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in OPERATORS:
                one, other = self.read(left, scope), self.read(right, scope)
                return Arithmetic(operator=OPERATORS[type(op)], left=one, right=other, at=at)
            case ast.Call(func=ast.Name(id=name)):
                return self._call(shape, name, scope)
            case ast.GeneratorExp() | ast.ListComp():
                return self.refuse(shape, f"`for` stands directly inside one of {', '.join(AGGREGATES)}(…).")
            case ast.IfExp():
                return self.refuse(shape, "there is no if … else: write `and`, `or`, or a definition.")
            case _:
                return self.refuse(shape, "this form has no meaning in a condition.")

    def _leaf(self, shape: ast.expr, scope: tuple[str, ...]) -> Node:
        at = self.column(shape)
        match shape:
            case ast.UnaryOp(operand=operand):
                inner = self.read(operand, scope)
                if isinstance(inner, Constant) and not isinstance(inner.value, bool | str):
                    return Constant(value=-inner.value, at=at)
                return Negative(operand=inner, at=at)
            case ast.Name(id=name):
                return self._name(shape, name, scope)
            case ast.Attribute(value=ast.Name(id=head), attr=key):
                if head in scope:
                    return ItemField(variable=head, key=key, at=at)
                return Fact(name=f"{head}.{key}", at=at)
            case ast.Attribute():
                return self.refuse(shape, "a name has at most one point: FORM.FIELD.")
            case ast.List(elts=elements):
                return Listing(items=tuple(filter(None, map(self._listed, elements))), at=at)
            case ast.Constant(value=bool() | str() as value):
                return Constant(value=value, at=at)
            case ast.Constant(value=int() | float()):
                return Constant(value=self._number(shape), at=at)
            case _:
                return self.refuse(shape, "to ask whether something was answered write `is known` or `is unknown`.")

    def _listed(self, shape: ast.expr) -> Constant | None:
        node = self.read(shape, ())
        if isinstance(node, Constant):
            return node
        self.problems.append((self.column(shape), "a written list holds numbers or texts only."))
        return None

    def _name(self, shape: ast.expr, name: str, scope: tuple[str, ...]) -> Node:
        if name in WORDS:
            return Constant(value=WORDS[name], at=self.column(shape))
        if name in scope:
            return self.refuse(shape, f"{name} stands for a whole entry: name one of its fields, {name}.FIELD.")
        if name in RESERVED:
            return self.refuse(shape, f"`{name}` stands alone: it belongs after `is`, or before its brackets.")
        return Fact(name=name, at=self.column(shape))

    def _number(self, shape: ast.expr) -> int | Fraction:
        # From the source text, not from the value: the standard tree holds a float.
        exact = Fraction(self.text[self.column(shape) - self.indent - 1 :][: self._width(shape)])
        return int(exact) if exact.denominator == 1 else exact

    def _compare(self, shape: ast.Compare, scope: tuple[str, ...]) -> Node:
        if any(isinstance(op, ast.Is | ast.IsNot) for op in shape.ops):
            return self._known(shape, scope)
        first = self.read(shape.left, scope)
        rest = zip(shape.ops, shape.comparators, strict=True)
        return Comparison(
            first=first,
            rest=tuple((COMPARISONS[type(op)], self.read(right, scope)) for op, right in rest),
            at=self.column(shape),
        )

    def _known(self, shape: ast.Compare, scope: tuple[str, ...]) -> Node:
        match shape:
            case ast.Compare(ops=[ast.Is()], comparators=[ast.Name(id="known" | "unknown" as word)]):
                return KnownTest(operand=self.read(shape.left, scope), known=word == "known", at=self.column(shape))
            case _:
                return self.refuse(
                    shape, "`is` is followed by `known` or `unknown` and nothing else; to compare write ==."
                )

    def _call(self, shape: ast.Call, name: str, scope: tuple[str, ...]) -> Node:
        if name not in ("days", *AGGREGATES):
            close = get_close_matches(name[:60], ("days", *AGGREGATES), 1, 0.5)
            hint = f"did you mean {close[0]}(…)?" if close else f"there are days, {', '.join(AGGREGATES)}."
            return self.refuse(shape, f"there is no {name[:60]}(…): {hint}")
        if len(shape.args) != 1 or shape.keywords:
            return self.refuse(shape, f"{name}(…) takes exactly one thing.")
        inner = shape.args[0]
        if name == "days":
            return Days(operand=self.read(inner, scope), at=self.column(shape))
        if isinstance(inner, ast.GeneratorExp):
            return self._aggregate(shape, name, inner, scope)
        source = self._source(inner, scope) if name == "count" else None
        if source is None:
            return self.refuse(shape, f"write {name}(… for x in LIST), with `if …` behind it to choose entries.")
        return Aggregate(
            function=name,
            element=None,
            loops=(Loop(variable="", source=source, filters=(), at=source.at),),
            at=self.column(shape),
        )

    def _aggregate(self, shape: ast.Call, name: str, inner: ast.GeneratorExp, scope: tuple[str, ...]) -> Node:
        loops: list[Loop] = []
        for one in inner.generators:
            at = self.column(one.target)
            variable = one.target.id if isinstance(one.target, ast.Name) and not one.is_async else ""
            if not variable or variable in scope or variable in RESERVED:
                self.problems.append((at, "`for` is followed by one new name that is used nowhere else."))
            if len(scope) == LISTS_AT_ONCE:
                self.problems.append((at, f"at most {LISTS_AT_ONCE} lists can be gone through at once."))
            source = self._source(one.iter, scope)
            if source is None:
                self.problems.append((self.column(one.iter), "`in` is followed by the name of a recorded list."))
                source = Fact(name="")
            scope = (*scope, variable)
            filters = tuple(self.read(test, scope) for test in one.ifs)
            loops.append(Loop(variable=variable, source=source, filters=filters, at=at))
        counts_items = isinstance(inner.elt, ast.Name) and name == "count" and inner.elt.id == loops[-1].variable
        element = None if counts_items else self.read(inner.elt, scope)
        return Aggregate(function=name, element=element, loops=tuple(loops), at=self.column(shape))

    def _source(self, shape: ast.expr, scope: tuple[str, ...]) -> Fact | ItemField | None:
        plain = isinstance(shape, ast.Name | ast.Attribute)
        node = self.read(shape, scope) if plain else None
        return node if isinstance(node, Fact | ItemField) else None

    def refuse(self, shape: ast.expr, message: str) -> Node:
        """Note a problem and give something in its place, so that the rest is still looked at."""
        self.problems.append((self.column(shape), message))
        return UNREADABLE

    def column(self, shape: ast.expr) -> int:
        """Give the column in the given text; the standard tree counts bytes."""
        return self.indent + len(self.text.encode()[: shape.col_offset].decode()) + 1

    def _width(self, shape: ast.expr) -> int:
        return (shape.end_col_offset or 0) - shape.col_offset
