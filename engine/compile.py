"""From a pathway and a site's parameter set to something that decides. Made once for the two hashes, then kept.

A parameter that no site has set holds its default.
"""

from collections.abc import Callable, Mapping
from functools import partial

from engine.compiled import Compiled, CompiledDue, CompiledRule, CompiledTable, Resolver
from engine.conditions import Compiled as Condition
from engine.conditions import check, compile_condition, names_in, parse
from engine.derive import RESOLVERS
from engine.facts import Number, Type, Value
from engine.forms import value_of
from engine.machine import Enforcer
from engine.measures import Thresholds
from engine.model import Json, Level
from engine.names import names
from engine.pathway import DuePolicy, FormField, LevelRange, Parameter, Pathway, Rule
from engine.prove import definition_types
from engine.time import duration_from
from engine.view import View


def compile_pathway(pathway: Pathway, *, hash_: str, parameters_hash: str, settings: Mapping[str, Json]) -> Compiled:
    """Compile a proved pathway under a site's parameter set; raises ConditionError where a condition is wrong."""
    values = {name: parameter_value(pathway, name, settings.get(name)) for name in pathway.parameters}
    numbers = {name: one for name, one in values.items() if isinstance(one, Number) and not isinstance(one, bool)}
    types = definition_types(pathway, names(pathway))
    make = _maker(types)
    definitions = {name: make(one.means) for name, one in pathway.definitions.items()}
    return Compiled(
        pathway=pathway,
        hash=hash_,
        parameters_hash=parameters_hash,
        settings=dict(settings),
        parameters=values,
        numbers=numbers,
        types=types,
        rules=_bound_rules(pathway, values, make, _unset_names(pathway, values)),
        definitions=definitions,
        tables={
            name: CompiledTable(rows=tuple((make(row.when), row.then) for row in table.rows))
            for name, table in pathway.tables.items()
        },
        due=tuple(_due(name, policy, make) for name, policy in pathway.due.items()),
        seconds={
            key: make(one.second.when) if one.second.when else None
            for key, one in pathway.transitions.items()
            if one.second
        },
        agrees=make(pathway.response.agrees),
        thresholds=_thresholds(pathway, values.get(pathway.response.rule), numbers),
        enforcer=Enforcer(pathway),
        resolvers=_resolvers(pathway, values, definitions),
        screens=tuple(name for name, form in pathway.forms.items() if form.raises),
        score_fields=_score_fields(pathway),
        visits=frozenset(
            name for name, one in pathway.due.items() if any(rung.kind == "propose" for rung in one.ladder)
        ),
        soft=frozenset(rule.id for rule in pathway.rules if level_of(rule, values) is Level.SS),
    )


def _resolvers(
    pathway: Pathway, values: Mapping[str, Value | None], definitions: Mapping[str, Condition]
) -> dict[str, Resolver]:
    """Give what answers each name, found out once: a name means the same in every view."""
    return {
        **{f"param.{name}": partial(_known, value) for name, value in values.items()},
        **{f"history.{form}": partial(View.history, form=form) for form in pathway.forms},
        **{f"component.{kind}": partial(View.component, kind=kind) for kind in pathway.treatments},
        **{table: partial(View.answer, table=table) for table in pathway.tables},
        **{name: condition.evaluate for name, condition in definitions.items()},
        **RESOLVERS,
    }


def _known(value: Value | None, _: View) -> Value | None:
    return value


def _thresholds(pathway: Pathway, rule: Value | None, numbers: Mapping[str, Number]) -> Thresholds | None:
    """Give what counts as a change at this site; None where a number of it is unset."""
    settings = pathway.response
    words = ("percent", "points", "substantial", "worse", "low_baseline")
    found = {word: numbers[name] for word in words if (name := getattr(settings, word)) in numbers}
    return Thresholds(rule=str(rule), **found) if rule is not None and len(found) == len(words) else None


def _due(name: str, policy: DuePolicy, make: Callable[[str], Condition]) -> CompiledDue:
    each, _, about = policy.each.partition(" ")
    arises = {
        "stay": policy.states,
        "hold": policy.states,
        "record": (about,),
        "treatment": (about,),
        "proposal": (),
        "source": (),
        "reason_owed": ("deviation",),
    }
    return CompiledDue(
        name=name,
        policy=policy,
        each=each,
        about=about,
        arises=frozenset((name, *arises.get(each, (each,)))),
        done_by=frozenset(policy.done_by),
        when=make(policy.when) if policy.when else None,
        done_when=make(policy.done_when) if policy.done_when else None,
    )


def _score_fields(pathway: Pathway) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, form in pathway.forms.items():
        for key, field in form.fields.items():
            if field.type == "score" and field.instrument:
                here = found.setdefault(field.instrument, {})
                here[name] = (*here.get(name, ()), key)
    return found


def _maker(types: Mapping[str, Type]) -> Callable[[str], Condition]:
    """Compile each distinct text once: the same clause in ten rules is one closure."""
    made: dict[str, Condition] = {}

    def make(text: str) -> Condition:
        if text not in made:
            node = parse(text)
            check(node, types)
            made[text] = compile_condition(node)
        return made[text]

    return make


def _bound_rules(
    pathway: Pathway,
    values: Mapping[str, Value | None],
    make: Callable[[str], Condition],
    unset: Callable[[str], str | None],
) -> dict[str, tuple[CompiledRule, ...]]:
    bound: dict[str, list[CompiledRule]] = {}
    for rule in pathway.rules:
        if not rule.enabled:
            continue
        compiled = CompiledRule(
            rule=rule,
            level=level_of(rule, values),
            when=make(rule.when) if rule.when else None,
            requires=make(rule.requires),
            unset=unset(rule.requires),
        )
        for binding in rule.on:
            bound.setdefault(binding, []).append(compiled)
    return {binding: tuple(rules) for binding, rules in bound.items()}


def _unset_names(pathway: Pathway, values: Mapping[str, Value | None]) -> Callable[[str], str | None]:
    """Make the question: which unset parameter's word counts for this condition, the strictest first."""

    def needed(text: str, seen: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for name in names_in(parse(text)):
            head, _, key = name.partition(".")
            if head == "param" and values.get(key) is None:
                found.add(pathway.parameters[key].when_unset)
            elif name in pathway.definitions and name not in seen:
                found |= needed(pathway.definitions[name].means, seen | {name})
        return found

    def ask(text: str) -> str | None:
        found = needed(text, frozenset())
        return next((word for word in ("refuse", "ask", "none") if word in found), None)

    return ask


def level_of(rule: Rule, values: Mapping[str, Value | None]) -> Level:
    """Give the level a rule acts with; one held by an unset parameter stops until the site has chosen."""
    if not isinstance(rule.level, LevelRange):
        return rule.level
    chosen = values.get(rule.level.parameter)
    return Level(str(chosen)) if chosen is not None else Level.HSX


def parameter_value(pathway: Pathway, name: str, setting: Json) -> Value | None:
    """Give a parameter's value as conditions see it; None: unset."""
    parameter = pathway.parameters[name]
    raw = setting if setting is not None else _plain(parameter)
    if raw is None:
        return None
    if parameter.type == "duration":
        return duration_from(str(raw))
    if parameter.type in ("time", "text"):
        return str(raw)
    if parameter.type == "dates":
        return frozenset(map(str, raw)) if isinstance(raw, list) else None
    return value_of(pathway, as_field(parameter), raw)


def _plain(parameter: Parameter) -> Json:
    default = parameter.default
    return list[Json](default) if isinstance(default, tuple) else default


def as_field(parameter: Parameter) -> FormField:
    """See a parameter as a form's field, so that one reader checks both."""
    kinds = {"level": "code", "duration": "text", "time": "text"}
    return FormField.model_validate(
        {
            "label": parameter.title,
            "type": kinds.get(parameter.type, parameter.type),
            "unit": parameter.unit,
            "low": parameter.low,
            "high": parameter.high,
            "options": parameter.options or (("INFO", "SS", "HS2", "HSx") if parameter.type == "level" else ()),
        }
    )
