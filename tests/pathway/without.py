"""A pathway that lacks one thing, named as the seed trace names it, such as `rule PATH-05` or `field consent.given`."""

from collections.abc import Mapping
from typing import Any

from engine.pathway import Pathway

SECTIONS = {
    "state": "states",
    "transition": "transitions",
    "due": "due",
    "definition": "definitions",
    "treatment": "treatments",
    "instrument": "instruments",
    "parameter": "parameters",
    "source": "sources",
    "card": "cards",
    "table": "tables",
    "track": "tracks",
    "report": "reports",
}


def without(pathway: Pathway, entry: str) -> Pathway:
    """Give the pathway without the thing an entry of the trace names; KeyError where it has no such thing."""
    kind, _, name = entry.partition(" ")
    if kind == "rule":
        return _without_rule(pathway, name)
    if kind == "field":
        return _without_field(pathway, name)
    section = SECTIONS[kind]
    there: Mapping[str, Any] = getattr(pathway, section)
    return pathway.model_copy(update={section: _less(there, name)})


def _less(there: Mapping[str, Any], name: str) -> dict[str, Any]:
    left = dict(there)
    del left[name]
    return left


def _without_rule(pathway: Pathway, name: str) -> Pathway:
    """Switch a rule off, as a pathway owner would."""
    if name not in {rule.id for rule in pathway.rules if rule.enabled}:
        raise KeyError(name)
    rules = tuple(rule.model_copy(update={"enabled": False}) if rule.id == name else rule for rule in pathway.rules)
    return pathway.model_copy(update={"rules": rules})


def _without_field(pathway: Pathway, name: str) -> Pathway:
    form, _, key = name.partition(".")
    shorter = pathway.forms[form].model_copy(update={"fields": _less(pathway.forms[form].fields, key)})
    return pathway.model_copy(update={"forms": {**pathway.forms, form: shorter}})
