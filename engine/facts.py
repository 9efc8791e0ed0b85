"""What a condition can talk about: typed values, and the place they are looked up.

A value is a bool, an exact number (int or Fraction), a str (text or code), a frozenset of str (codes), a date,
a timedelta, or a tuple of items (a recorded list). None is *unknown*, everywhere, and is never `no`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, Protocol

from engine.decision import Input

Number = int | Fraction
Item = Mapping[str, "Value | None"]
Value = bool | int | Fraction | str | frozenset[str] | date | timedelta | tuple[Item, ...]
TypeKind = Literal["bool", "number", "text", "code", "codes", "date", "duration", "list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a name may hold.

    `unit` None: a bare number. `low`, `high` inclusive. `whole`: integers only. `options`: every code there is.
    `known`: it is never unknown. `items`: the fields of a list's items.
    """

    kind: TypeKind
    unit: str | None = None
    low: Number | None = None
    high: Number | None = None
    whole: bool = False
    options: tuple[str, ...] = ()
    known: bool = False
    items: Mapping[str, "Type"] = field(default_factory=dict)


class Lookup(Protocol):
    """Where a condition finds its names. Asking twice gives the same answer."""

    def value(self, name: str) -> Value | None:
        """Give the value of a declared name, None when unknown."""

    def input(self, name: str) -> Input:
        """Give the same value with where it came from and how old it is."""
