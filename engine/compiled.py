"""A pathway made ready to decide with: conditions compiled, bindings indexed, the machine built.

Identity is (pack hash, parameter-set hash). `compile.py` makes one; everything that decides only reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.conditions import Compiled as Condition
from engine.facts import Number, Type, Value
from engine.machine import Enforcer
from engine.measures import Thresholds
from engine.model import Json, Level
from engine.pathway import DuePolicy, Pathway, Rule

Resolver = Callable[[Any], Value | None]  # asked with the View of one decision (view.py), which this cannot name


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule with its conditions compiled; `level` is what the site's parameters make of it.

    `unset` is the strictest `when_unset` among the unset parameters it needs, None when all are set.
    """

    rule: Rule
    level: Level
    when: Condition | None
    requires: Condition
    unset: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTable:
    """A decision table: each row's condition and its answer, in the pack's order (which does not matter)."""

    rows: tuple[tuple[Condition, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDue:
    """A due policy with its conditions compiled; `each` and `about` are the words of the policy's own `each`.

    `arises` names what an episode must have, any of it, before the policy can ask for anything: its own items, too.
    """

    name: str
    policy: DuePolicy
    each: str
    about: str
    arises: frozenset[str]
    done_by: frozenset[str]
    when: Condition | None
    done_when: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Everything `decide` needs to know about a pathway at a site.

    `parameters` holds every parameter's value as conditions see it (None: unset), `numbers` those that are numbers;
    `settings` the raw values.
    `resolvers` answers every name that is no form's field; `screens` are the red-flag forms; `score_fields` says, per instrument,
    which fields of which forms hold its scores; `thresholds` is None where one is unset; `soft` are the ids of the soft stops; `visits` the due work whose
    missing may end in a proposal to close (its ladder proposes).
    """

    pathway: Pathway
    hash: str
    parameters_hash: str
    settings: Mapping[str, Json]
    parameters: Mapping[str, Value | None]
    numbers: Mapping[str, Number]
    types: Mapping[str, Type]
    rules: Mapping[str, tuple[CompiledRule, ...]]
    definitions: Mapping[str, Condition]
    tables: Mapping[str, CompiledTable]
    due: tuple[CompiledDue, ...]
    seconds: Mapping[str, Condition | None]
    agrees: Condition
    thresholds: Thresholds | None
    enforcer: Enforcer
    resolvers: Mapping[str, Resolver]
    screens: tuple[str, ...]
    soft: frozenset[str]
    visits: frozenset[str]
    score_fields: Mapping[str, Mapping[str, tuple[str, ...]]]

    def written(self, parameter: str, otherwise: str = "P0D") -> str:
        """Give a duration parameter as it is written: the site's, else the pack's, else (unset or not there) `otherwise`."""
        declared = self.pathway.parameters.get(parameter)
        return str(self.settings.get(parameter) or (declared.default if declared else None) or otherwise)
