"""Every name in a pack that points at something else in it, and whether that is there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from engine.errors import Finding, near
from engine.machine import GROUPS, RETURN
from engine.names import STATUSES
from engine.pathway import (
    Card,
    Conflict,
    Definition,
    DuePolicy,
    Form,
    FormField,
    Instrument,
    Parameter,
    Pathway,
    RedFlag,
    Rung,
)

Path = tuple[str | int, ...]
Cited = Card | Conflict | Definition | Instrument | Parameter | RedFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name and the kind of thing it points at."""

    path: Path
    kind: str
    name: str


def prove_references(pathway: Pathway) -> Iterator[Finding]:
    """Find every reference that points at nothing."""
    there = _there(pathway)
    for one in _references(pathway):
        if one.name not in there[one.kind]:
            message = f"there is no {one.kind} {one.name!r}. {near(one.name, tuple(there[one.kind]))}".strip()
            yield Finding(code="unknown-reference", message=message, path=one.path)


def binding_problem(pathway: Pathway, binding: str) -> str | None:
    """Say why a binding names nothing, None when it does name something."""
    word, _, name = binding.partition(" ")
    if binding in ("register", "contact", "move", "invariant") or binding in pathway.transitions:
        return None
    kinds: Mapping[str, Collection[str]] = {
        "record": pathway.forms,
        **dict.fromkeys(("plan", "start", "stop"), pathway.treatments),
    }
    if word in kinds and name:
        if name in kinds[word]:
            return None
        return f"{binding!r} binds nothing: there is no {name!r}. {near(name, tuple(kinds[word]))}".strip()
    return (
        f"{binding!r} binds nothing: write register, move, record FORM, plan, start or stop KIND, contact, "
        "invariant or the number of a transition."
    )


def _there(pathway: Pathway) -> Mapping[str, Collection[str]]:
    fields = {f"{name}.{key}" for name, form in pathway.forms.items() for key in form.fields}
    durations = {name for name, one in pathway.parameters.items() if one.type == "duration"}
    return {
        "state": pathway.states,
        "state or group": {*pathway.states, *GROUPS},
        "target": {*pathway.states, *GROUPS, RETURN},
        "form": pathway.forms,
        "form or treatment": {*pathway.forms, *pathway.treatments},
        "field": fields,
        "treatment": pathway.treatments,
        "transition": pathway.transitions,
        "move": {one.name for one in pathway.transitions.values()},
        "source": pathway.sources,
        "parameter": pathway.parameters,
        "duration parameter": durations,
        "duration parameter or `field NAME`": durations,
        "level parameter": {name for name, one in pathway.parameters.items() if one.type == "level"},
        "codes parameter": {name for name, one in pathway.parameters.items() if one.type == "codes"},
        "instrument": pathway.instruments,
        "track": pathway.tracks,
        "rule": {rule.id for rule in pathway.rules},
        "override reason": pathway.override_reasons,
        "conflict": pathway.conflicts,
        "due": pathway.due,
        "definition": pathway.definitions,
        "table": pathway.tables,
        "card": pathway.cards,
        "report": pathway.reports,
        "template": frozenset().union(*pathway.templates.values()) if pathway.templates else frozenset(),
        "status": STATUSES,
        "urgency": ("emergency", "urgent", "routine"),
        "occasion": ("stay", "flag", "hold", "crossing", "deviation", "reason_owed", "proposal", "message", "source"),
        "anchor": ("clock", "since"),
        "kind of thing": TRACED,
    }


TRACED = (
    *("rule", "field", "state", "transition", "due", "definition", "treatment", "instrument", "parameter"),
    *("source", "card", "table", "track", "report"),
)


def _references(pathway: Pathway) -> Iterator[Reference]:
    yield Reference(path=("initial",), kind="state", name=pathway.initial)
    for name in ("registration", "contact", "stop"):  # the engine's own commands fill them in
        yield Reference(path=("forms",), kind="form", name=name)
    yield from _of_machine(pathway)
    yield from _of_rules(pathway)
    for name, form in pathway.forms.items():
        yield from _of_form(("forms", name), form)
    for name, policy in pathway.due.items():
        yield from _of_due(pathway, ("due", name), policy)
    yield from _of_knowledge(pathway)
    yield from _of_judgement(pathway)


def _many(path: Path, kind: str, names: Collection[str]) -> Iterator[Reference]:
    for place, name in enumerate(names):
        yield Reference(path=(*path, place), kind=kind, name=name)


def _maybe(path: Path, kind: str, name: str | None) -> Iterator[Reference]:
    if name:
        yield Reference(path=path, kind=kind, name=name)


def _of_machine(pathway: Pathway) -> Iterator[Reference]:
    for key, transition in pathway.transitions.items():
        yield from _many(("transitions", key, "source"), "state or group", transition.source)
        yield from _many(("transitions", key, "target"), "target", transition.target)
        yield from _maybe(("transitions", key, "form"), "form", transition.form)
    for name, table in pathway.tables.items():
        if table.kind == "means":
            yield Reference(path=("tables", name), kind="move", name=name)
    for name, kind in pathway.treatments.items():
        yield Reference(path=("treatments", name, "form"), kind="form", name=kind.form)
        yield from _many(("treatments", name, "states"), "state or group", kind.states)
        yield from _maybe(("treatments", name, "again"), "transition", kind.again)


def _of_rules(pathway: Pathway) -> Iterator[Reference]:
    for place, rule in enumerate(pathway.rules):
        path = ("rules", place)
        yield from _many((*path, "sources"), "source", rule.sources)
        yield from _many((*path, "reasons"), "override reason", rule.reasons)
        yield from _maybe((*path, "track"), "track", rule.track)
        yield from _maybe((*path, "conflict"), "conflict", rule.conflict)
        if not isinstance(rule.level, str):
            yield Reference(path=(*path, "level", "parameter"), kind="level parameter", name=rule.level.parameter)


def _of_form(path: Path, form: Form) -> Iterator[Reference]:
    yield from _maybe((*path, "closes"), "treatment", form.closes)
    for name, field in form.fields.items():
        yield from _of_field((*path, "fields", name), field)


def _of_field(path: Path, field: FormField) -> Iterator[Reference]:
    yield from _maybe((*path, "options_from"), "codes parameter", field.options_from)
    if field.type == "score" or field.instrument:
        yield Reference(path=(*path, "instrument"), kind="instrument", name=field.instrument or "")
    yield from _maybe((*path, "refers_to"), "form or treatment", field.refers_to)
    for name, inner in field.fields.items():
        yield from _of_field((*path, "fields", name), inner)


def _of_due(pathway: Pathway, path: Path, policy: DuePolicy) -> Iterator[Reference]:
    word, _, name = policy.each.partition(" ")
    kind = {"record": "form", "treatment": "treatment"}.get(word, "occasion")
    yield Reference(path=(*path, "each"), kind=kind, name=name if kind != "occasion" else policy.each)
    treated = pathway.treatments.get(name) if word == "treatment" else None
    form = treated.form if treated else name
    filled = form in pathway.forms  # else that is found already, and its fields are not
    if policy.anchor not in ("clock", "since") and filled:
        yield Reference(path=(*path, "anchor"), kind="field", name=f"{form}.{policy.anchor}")
    yield Reference(path=(*path, "opens"), kind="duration parameter", name=policy.opens)
    if not policy.due.startswith("field "):
        yield Reference(path=(*path, "due"), kind="duration parameter or `field NAME`", name=policy.due)
    elif filled:
        yield Reference(path=(*path, "due"), kind="field", name=f"{form}.{policy.due.removeprefix('field ')}")
    yield from _many((*path, "states"), "state or group", policy.states)
    yield from _many((*path, "statuses"), "urgency" if word == "flag" else "status", policy.statuses)
    for place, rung in enumerate(policy.ladder):
        yield from _of_rung((*path, "ladder", place), rung)


def _of_rung(path: Path, rung: Rung) -> Iterator[Reference]:
    yield Reference(path=(*path, "at"), kind="duration parameter", name=rung.at)
    yield from _maybe((*path, "repeat"), "duration parameter", rung.repeat)
    yield from _maybe((*path, "expires"), "duration parameter", rung.expires)
    yield from _maybe((*path, "template"), "template", rung.template)
    yield from _maybe((*path, "proposes"), "due", rung.proposes)


def _of_knowledge(pathway: Pathway) -> Iterator[Reference]:
    cited: Mapping[str, Mapping[str, Cited]] = {
        "red_flags": pathway.red_flags,
        "definitions": pathway.definitions,
        "instruments": pathway.instruments,
        "parameters": pathway.parameters,
        "cards": pathway.cards,
        "conflicts": pathway.conflicts,
    }
    for section, entries in cited.items():
        for name, entry in entries.items():
            yield from _many((section, name, "sources"), "source", entry.sources)
    for name, instrument in pathway.instruments.items():
        yield from _many(("instruments", name, "parameters"), "parameter", instrument.parameters)
    for name, source in pathway.sources.items():
        yield from _many(("sources", name, "conflicts"), "conflict", source.conflicts)
        yield from _maybe(("sources", name, "superseded_by"), "source", source.superseded_by)
    for name, conflict in pathway.conflicts.items():
        yield from _many(("conflicts", name, "rules"), "rule", conflict.rules)
        yield from _maybe(("conflicts", name, "parameter"), "parameter", conflict.parameter)
    for name, track in pathway.tracks.items():
        yield from _many(("tracks", name, "kinds"), "treatment", track.kinds)
        yield from _many(("tracks", name, "forms"), "form", track.forms)
        yield from _many(("tracks", name, "invariants"), "rule", track.invariants)
        yield from _many(("tracks", name, "due"), "due", track.due)
    for seed, trace in pathway.seed_trace.items():
        for place, mapped in enumerate(trace.maps):
            kind, _, name = mapped.partition(" ")
            path = ("seed_trace", seed, "maps", place)
            known = kind in TRACED
            yield Reference(path=path, kind=kind if known else "kind of thing", name=name if known else kind)


def _of_judgement(pathway: Pathway) -> Iterator[Reference]:
    response, chronicity = pathway.response, pathway.chronicity
    yield from _many(("response", "pain"), "instrument", response.pain)
    yield from _many(("response", "function"), "instrument", response.function)
    for key in ("rule", "percent", "points", "substantial", "worse", "low_baseline", "function_points"):
        yield Reference(path=("response", key), kind="parameter", name=getattr(response, key))
    yield Reference(path=("response", "function_word"), kind="field", name=response.function_word)
    yield Reference(path=("chronicity", "onset"), kind="field", name=chronicity.onset)
    for key in ("subacute_from", "chronic_from"):
        yield Reference(path=("chronicity", key), kind="parameter", name=getattr(chronicity, key))
