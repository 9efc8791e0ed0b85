"""What a proof splits on: each fact's domain in a few cells, and formulas that know which answers are left.

Of every fact (or number computed from several facts) only so much matters as the conditions ask. Its domain is cut
at their constants into points and the ranges between, one value standing for each; *unknown* is a cell of its own.
A set of cells is a bit mask, and so is a set of answers: a formula told which cells are left says which of true,
false and unknown are left of it. That may be too many, never too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Protocol

from engine.condition_tree import decimal
from engine.facts import Number, Type

TRUE, FALSE, UNKNOWN = 1, 2, 4
OTHER = "something else"
Cell = bool | Number | str | None
Cells = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Variable:
    """A fact, or what several facts come to, with the constants it is compared with.

    `index` is its place in Cells. `may_miss`: unknown is one of its cells.
    """

    index: int
    label: str
    type: Type
    may_miss: bool
    constants: set[Number] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    cells: tuple[Cell, ...] = ()

    def cut(self) -> None:
        """Make the cells, once every constant is known; known values come first."""
        if self.type.kind in ("number", "date", "duration"):
            values: tuple[Cell, ...] = _points(self.type, self.constants)
        elif self.type.kind == "bool":
            values = (True, False)
        elif self.type.options and self.type.kind == "code":
            values = self.type.options
        else:
            values = (*sorted(self.codes), OTHER)
        self.cells = (*values, None) if self.may_miss else values

    def shown(self, left: int) -> str:
        """Write one value among the cells left, as a person would state it."""
        value = next(cell for place, cell in enumerate(self.cells) if left >> place & 1)
        if value is None:
            return "unknown"
        if self.type.kind in ("date", "codes", "list") or (self.type.kind == "duration" and not self.constants):
            return "known"
        if isinstance(value, bool | str):
            return str(value).lower() if isinstance(value, bool) else value
        return f"{decimal(value)} days" if self.type.kind == "duration" else decimal(value)


def _points(type_: Type, constants: set[Number]) -> tuple[Number, ...]:
    """Give at least one number of every range between the constants, inside the domain."""
    low, high = type_.low, type_.high
    if type_.whole:
        low, high = None if low is None else ceil(low), None if high is None else floor(high)
    marks = sorted({*constants, *(bound for bound in (low, high) if bound is not None)}) or [0]
    if type_.whole:
        found: set[int | Fraction] = {
            near for mark in marks for near in (ceil(mark) - 1, floor(mark), ceil(mark), floor(mark) + 1)
        }
    else:
        between = {Fraction(one + other) / 2 for one, other in pairwise(marks)}
        found = {marks[0] - 1, *marks, *between, marks[-1] + 1}
    return tuple(sorted(n for n in found if (low is None or n >= low) and (high is None or n <= high)))


class Formula(Protocol):
    """A three-valued condition over cells."""

    def left(self, cells: Cells) -> int:
        """Give the answers that are left when these cells are."""

    def split(self, cells: Cells) -> "Test | None":
        """Give a test to split on, None when the answer is settled."""


@dataclass(slots=True, eq=False)
class Test:
    """One variable compared with a constant: `==`, `<`, `in`, or `known`, or `true` for a yes/no."""

    variable: Variable
    operator: str
    constant: object = None
    masks: tuple[int, int, int] = (0, 0, 0)

    def settle(self) -> None:
        """Find which cells make it true, false and unknown."""
        masks = [0, 0, 0]
        for place, value in enumerate(self.variable.cells):
            answer = self.answer(value)
            masks[2 if answer is None else 0 if answer else 1] |= 1 << place
        self.masks = (masks[0], masks[1], masks[2])

    def answer(self, value: Cell) -> bool | None:
        """Answer for one value."""
        if self.operator == "known":
            return value is not None
        if value is None:
            return None
        match self.operator:
            case "==":
                return value == self.constant
            case "<":
                return value < self.constant  # type: ignore[operator]  # ordered by the type check
            case "in":
                return value in self.constant  # type: ignore[operator]  # a set of codes
            case _:
                return value is True

    def left(self, cells: Cells) -> int:
        """Give the answers that are left when these cells are."""
        left = cells[self.variable.index]
        true, false, unknown = self.masks
        return (TRUE if left & true else 0) | (FALSE if left & false else 0) | (UNKNOWN if left & unknown else 0)

    def split(self, cells: Cells) -> "Test | None":
        """Give itself unless its answer is settled."""
        return None if self.left(cells) in SETTLED else self


SETTLED = (TRUE, FALSE, UNKNOWN)
SWAPPED = tuple((bits & UNKNOWN) | (bits & TRUE) << 1 | (bits & FALSE) >> 1 for bits in range(8))


@dataclass(slots=True, eq=False)
class Settled:
    """A condition that no fact can change."""

    answer: int

    def left(self, _cells: Cells) -> int:
        """Give the one answer."""
        return self.answer

    def split(self, _cells: Cells) -> Test | None:
        """There is nothing to split on."""
        return None


@dataclass(slots=True, eq=False)
class Contrary:
    """The contrary of its part."""

    part: Formula

    def left(self, cells: Cells) -> int:
        """Swap true and false."""
        return SWAPPED[self.part.left(cells)]

    def split(self, cells: Cells) -> Test | None:
        """Split on the part."""
        return self.part.split(cells)


@dataclass(slots=True, eq=False)
class Every:
    """All parts together: the least true of them."""

    parts: tuple[Formula, ...]

    def left(self, cells: Cells) -> int:
        """True needs all; false needs one; unknown needs one, and none that is certainly false."""
        all_true, some = TRUE, 0
        for part in self.parts:
            bits = part.left(cells)
            if bits == FALSE:
                return FALSE
            all_true &= bits
            some |= bits
        # No part is certainly false here, so unknown needs one unknown only.
        return all_true | (some & (FALSE | UNKNOWN))

    def split(self, cells: Cells) -> Test | None:
        """Split on the first part that is not settled."""
        return _first_split(self.parts, cells)


@dataclass(slots=True, eq=False)
class Needing:
    """A body that is unknown as soon as one of the facts it needs is."""

    needs: tuple[Formula, ...]
    body: Formula

    def left(self, cells: Cells) -> int:
        """Unknown where a need may be missing; the body's answers where none is certainly missing."""
        missing = 0
        for need in self.needs:
            bits = need.left(cells)
            if bits == FALSE:
                return UNKNOWN
            missing |= bits
        return self.body.left(cells) | (UNKNOWN if missing & FALSE else 0)

    def split(self, cells: Cells) -> Test | None:
        """Split on the needs first."""
        return _first_split((*self.needs, self.body), cells)


@dataclass(slots=True, eq=False)
class Answered:
    """Whether its part is known."""

    part: Formula

    def left(self, cells: Cells) -> int:
        """Known where the part is true or false."""
        bits = self.part.left(cells)
        return (TRUE if bits & (TRUE | FALSE) else 0) | (FALSE if bits & UNKNOWN else 0)

    def split(self, cells: Cells) -> Test | None:
        """Split on the part, unless true or false makes no difference any more."""
        return None if self.left(cells) in SETTLED else self.part.split(cells)


def some(parts: Sequence[Formula]) -> Formula:
    """At least one of the parts."""
    return Contrary(Every(tuple(Contrary(part) for part in parts)))


def _first_split(parts: Sequence[Formula], cells: Cells) -> Test | None:
    for part in parts:
        if part.left(cells) not in SETTLED:
            return part.split(cells)
    return None
