"""What a pack owes its readers: sources, the four named predicates, safe parameters, guarded needles, every language.

PACK-01 a rule without a source            PACK-06 an unguarded way into a step of injections
PACK-02 a rule id used twice               PACK-07 a rule that rests on seed statement S02 alone
PACK-03 a binding that names nothing       PACK-08 a default its parameter does not allow
PACK-04 a named predicate is missing       PACK-09 a text missing in one of the languages
PACK-05 a safety parameter that may be unset
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction

from engine.calendar import dates_from
from engine.errors import Finding, InvalidInput, near
from engine.facts import Type
from engine.machine import expand
from engine.model import Level
from engine.names import LEVELS
from engine.pathway import Parameter, Pathway, Rule, forms_of
from engine.prove_references import binding_problem
from engine.time import clock_within, duration_from

PREDICATES = ("inadequate_response", "persistent", "complex", "comprehensive")
KNOWLEDGE_ONLY = "S02"  # a statement about what works best in general says nothing about one patient
NEEDLES = 3
HARD = (Level.HS2, Level.HSX)
PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
Path = tuple[str | int, ...]


def prove_pack(pathway: Pathway, types: Mapping[str, Type]) -> Iterator[Finding]:
    """Find what the pack owes; `types` are all names a message may mention."""
    yield from _rules(pathway)
    for name in PREDICATES:
        if name not in pathway.definitions:
            message = f"the definition {name} is missing: say in the pack what counts as such."
            yield Finding(code="PACK-04", message=message, path=("definitions",))
    yield from _needles(pathway)
    for name, parameter in pathway.parameters.items():
        yield from _parameter(name, parameter)
    if not any(form.raises for form in pathway.forms.values()):
        message = "no form is marked `raises`: a red-flag screen must be able to raise."
        yield Finding(code="unknown-reference", message=message, path=("forms",))
    yield from _languages(pathway)
    yield from _placeholders(pathway, types)


def _rules(pathway: Pathway) -> Iterator[Finding]:
    times = Counter(rule.id for rule in pathway.rules)
    for place, rule in enumerate(pathway.rules):
        path = ("rules", place)
        if not rule.sources:
            yield Finding(code="PACK-01", message=f"{rule.id} names no source.", path=(*path, "sources"))
        if times[rule.id] > 1:
            message = f"{rule.id} is the id of {times[rule.id]} rules: every rule has its own."
            yield Finding(code="PACK-02", message=message, path=(*path, "id"))
        if set(rule.seed) == {KNOWLEDGE_ONLY}:
            message = f"{rule.id} rests on {KNOWLEDGE_ONLY} alone, which is knowledge to show, not a reason to act."
            yield Finding(code="PACK-07", message=message, path=(*path, "seed"))
        for number, binding in enumerate(rule.on):
            problem = binding_problem(pathway, binding)
            if problem:
                yield Finding(code="PACK-03", message=f"{rule.id}: {problem}", path=(*path, "on", number))
    for name, policy in pathway.due.items():
        for number, binding in enumerate(policy.done_by):
            problem = binding_problem(pathway, binding)
            if problem:
                yield Finding(code="PACK-03", message=f"{name}: {problem}", path=("due", name, "done_by", number))


def _needles(pathway: Pathway) -> Iterator[Finding]:
    """Find transitions that name a step of injections as their target and have no hard rule.

    A return to where the episode came from is no new way in: it was guarded when it was entered.
    """
    guarded = {binding for rule in pathway.rules if rule.enabled and _is_hard(pathway, rule) for binding in rule.on}
    for key, transition in pathway.transitions.items():
        into = [name for name in expand(pathway, transition.target) if pathway.states[name].step == NEEDLES]
        if into and key not in guarded:
            message = f"{key} leads into {', '.join(into)} with no rule of level HS2 or HSx on it."
            yield Finding(code="PACK-06", message=message, path=("transitions", key))


def _is_hard(pathway: Pathway, rule: Rule) -> bool:
    if isinstance(rule.level, Level):
        return rule.level in HARD
    parameter = pathway.parameters.get(rule.level.parameter)
    return parameter is not None and set(parameter.options or LEVELS) <= set(HARD)


# --- parameters --------------------------------------------------------------------------------------------------


def _parameter(name: str, parameter: Parameter) -> Iterator[Finding]:
    path = ("parameters", name)
    if parameter.safety and parameter.when_unset == "none":
        message = f"{name} is a safety parameter: while it is unset its rules must ask or refuse, never pass."
        yield Finding(code="PACK-05", message=message, path=(*path, "when_unset"))
    try:
        problem = _bounds_problem(parameter) or (
            _default_problem(parameter, parameter.default) if parameter.default is not None else None
        )
    except (InvalidInput, ValueError, ZeroDivisionError) as error:
        problem = str(error)
    if problem:
        yield Finding(code="PACK-08", message=f"{name}: {problem}", path=(*path, "default"))


def _bounds_problem(parameter: Parameter) -> str | None:
    if parameter.type not in ("int", "decimal", "duration"):
        return None
    low, high = (_measured(parameter, one) for one in (parameter.low, parameter.high))
    return "its lowest value is above its highest." if low is not None and high is not None and low > high else None


def _measured(parameter: Parameter, value: object) -> Fraction | None:
    """Give a bound or default as a number; durations in seconds."""
    if value is None:
        return None
    if parameter.type == "duration":
        return Fraction(int(duration_from(str(value)).total_seconds()))
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidInput(f"{value!r} is not a number.")
    exact = Fraction(value)
    if parameter.type == "int" and exact.denominator != 1:
        raise InvalidInput(f"{value!r} is not a whole number.")
    return exact


def _default_problem(parameter: Parameter, default: object) -> str | None:
    """Say why a default is none of the values its parameter allows."""
    options = parameter.options or (LEVELS if parameter.type == "level" else ())
    match parameter.type:
        case "int" | "decimal" | "duration":
            value, low, high = (_measured(parameter, one) for one in (default, parameter.low, parameter.high))
            outside = value is not None and ((low is not None and value < low) or (high is not None and value > high))
            return f"its default {default} lies outside {parameter.low} to {parameter.high}." if outside else None
        case "bool":
            return None if isinstance(default, bool) else f"its default {default!r} is not true or false."
        case "code" | "level":
            return None if default in options else f"its default {default!r} is none of {', '.join(options)}."
        case "codes":
            fits = isinstance(default, tuple) and set(default) <= set(options)
            problem = None if fits else f"its default {default!r} is not a list of its options."
            return problem or _length_problem(parameter, default)
        case "dates":
            return _length_problem(parameter, dates_from(default))
        case "time":
            clock_within(str(default), parameter.low, parameter.high)
            return None
        case _:
            return None if isinstance(default, str) else f"its default {default!r} is not a text."


def _length_problem(parameter: Parameter, default: object) -> str | None:
    length = len(default) if isinstance(default, list | tuple) else 0
    return (
        f"its default names {length}, at least {parameter.at_least} must be." if length < parameter.at_least else None
    )


# --- texts -------------------------------------------------------------------------------------------------------


def _languages(pathway: Pathway) -> Iterator[Finding]:
    keys = {f"rule.{rule.id}.{part}" for rule in pathway.rules for part in ("message", "remedy")}
    keys |= {f"state.{name}" for name in pathway.states}
    templates = {name for texts in pathway.templates.values() for name in texts}
    for language in pathway.languages:
        for name in sorted(templates - set(pathway.templates.get(language, {}))):
            message = f"the template {name} is missing in {language}."
            yield Finding(code="PACK-09", message=message, path=("templates", language))
    for language in pathway.languages[1:]:
        for key in sorted(keys - set(pathway.translations.get(language, {}))):
            message = f"{key} is not translated into {language}."
            yield Finding(code="PACK-09", message=message, path=("translations", language))
    for language, texts in pathway.translations.items():
        for key in sorted(set(texts) - keys):
            message = f"{key} is the text of nothing. {near(key, tuple(keys))}".strip()
            yield Finding(code="unknown-reference", message=message, path=("translations", language, key))


def _placeholders(pathway: Pathway, types: Mapping[str, Type]) -> Iterator[Finding]:
    for place, rule in enumerate(pathway.rules):
        yield from _text(("rules", place, "message"), rule.message, types)
        yield from _text(("rules", place, "remedy"), rule.remedy, types)
    for language, texts in pathway.translations.items():
        for key, text in texts.items():
            yield from _text(("translations", language, key), text, types)
    for language, templates in pathway.templates.items():
        for name, template in templates.items():
            for text in forms_of(template).values():
                yield from _braces(("templates", language, name), text)


def _text(path: Path, text: str, types: Mapping[str, Type]) -> Iterator[Finding]:
    yield from _braces(path, text)
    for name in PLACE.findall(text):
        if name not in types:
            message = f"{{{name}}} stands for nothing: there is no {name}. {near(name, types)}".strip()
            yield Finding(code="placeholder", message=message, path=path)


def _braces(path: Path, text: str) -> Iterator[Finding]:
    if re.search(r"[{}]", PLACE.sub("", text)):
        message = "its braces do not pair: a placeholder is one name between { and }."
        yield Finding(code="placeholder", message=message, path=path)
