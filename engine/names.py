"""Every name a condition of a pathway may use, with its type.

The one list: `check` refuses a name that is not here, and `view.py` answers every name that is.
Definitions and `answers` tables are added by `prove.definition_types`.
"""

from collections.abc import Mapping
from fractions import Fraction

from engine.facts import Number, Type
from engine.model import Role
from engine.pathway import FormField, Parameter, Pathway

BOOL = Type(kind="bool", known=True)
MAYBE = Type(kind="bool")
DAY = Type(kind="date", known=True)
COUNT = Type(kind="number", low=0, whole=True, known=True)
DAYS = Type(kind="number", low=0, whole=True)
SIGNED_DAYS = Type(kind="number", whole=True)
TEXT = Type(kind="text", known=True)

RESPONSES = ("substantial", "responder", "partial", "none", "worse", "not_evaluable")
CHANGES = ("improved", "unchanged", "worse")
CHRONICITIES = ("acute", "subacute", "chronic")
STATUSES = ("none", "planned", "active", "done", "stopped", "declined", "unavailable", "contraindicated")
GROUPS = ("active", "passive", "support", "drug", "programme", "procedure")
LEVELS = ("INFO", "SS", "HS2", "HSx")

ITEM: Mapping[str, Type] = {
    "id": TEXT,
    "by": TEXT,
    "occurred_on": DAY,
    "days_ago": Type(kind="number", whole=True, known=True),
    "day": Type(kind="number", whole=True, known=True),
    "this_stay": BOOL,
    "this_episode": BOOL,
}


def names(pathway: Pathway) -> dict[str, Type]:
    """Give the type of every name the pathway's conditions may use, without its definitions."""
    return {**_derived(pathway), **_parameters(pathway), **_forms(pathway)}


def _derived(pathway: Pathway) -> dict[str, Type]:
    states = tuple(pathway.states)
    state = Type(kind="code", options=states, known=True)
    maybe_state = Type(kind="code", options=states)
    treatment: Mapping[str, Type] = {
        "kind": Type(kind="code", options=tuple(pathway.treatments), known=True),
        "group": Type(kind="code", options=GROUPS, known=True),
        "status": Type(kind="code", options=STATUSES, known=True),
        "this_stay": BOOL,
        "days_ago": COUNT,
        "starts_in": SIGNED_DAYS,
    }
    moves = tuple(sorted({t.name for t in pathway.transitions.values()}))
    found = {
        "state": state,
        "step": Type(kind="number", low=0, high=4, whole=True, known=True),
        "today": DAY,
        "visited": Type(kind="codes", options=states, known=True),
        "return_to": maybe_state,
        "other_open": BOOL,
        "chronicity": Type(kind="code", options=CHRONICITIES),
        "age_days": DAYS,
        "response": Type(kind="code", options=RESPONSES),
        "function_change": Type(kind="code", options=CHANGES),
        "agrees": MAYBE,
        "same_scale": MAYBE,
        "treatments": Type(kind="list", items=treatment, known=True),
        "stay.since": DAY,
        "stay.clock": DAY,
        "stay.day": Type(kind="number", whole=True, known=True),
        "late.days": DAYS,
        "closed.days": DAYS,
        "move.to": maybe_state,
        "move.legal": BOOL,
        "move.name": Type(kind="code", options=moves),
        "actor.role": Type(kind="code", options=tuple(Role), known=True),
        "actor.id": TEXT,
        "sign_off.given": BOOL,
        "planned.found": BOOL,
        "screen.days": DAYS,
    }
    found |= {f"component.{kind}": Type(kind="code", options=STATUSES, known=True) for kind in pathway.treatments}
    counts = ("stay.days", "flags.open", "flags.urgent", "flags.emergency", "tasks.open", "tasks.overdue")
    found |= dict.fromkeys((*counts, "running.active", "running.passive", "running.support"), COUNT)
    found |= dict.fromkeys(("screen.present", "screen.unanswered", "screen.unknown_emergency", "screen.weighing"), DAYS)
    return found


def _parameters(pathway: Pathway) -> dict[str, Type]:
    """Days of a calendar say when work is done, never whether a rule holds: no condition may name them."""
    return {
        f"param.{name}": parameter_type(parameter)
        for name, parameter in pathway.parameters.items()
        if parameter.type != "dates"
    }


def parameter_type(parameter: Parameter) -> Type:
    """Give the type of a parameter; it is unknown while unset, so never `known` unless it has a default."""
    known = parameter.default is not None
    if parameter.type in ("int", "decimal"):
        return Type(
            kind="number",
            unit=parameter.unit,
            low=number(parameter.low),
            high=number(parameter.high),
            whole=parameter.type == "int",
            known=known,
        )
    if parameter.type == "level":
        return Type(kind="code", options=parameter.options or LEVELS, known=known)
    if parameter.type == "code":
        return Type(kind="code", options=parameter.options, known=known)
    if parameter.type == "codes":
        return Type(kind="codes", options=parameter.options, known=known)
    if parameter.type == "duration":
        return Type(kind="duration", known=known)
    return Type(kind="bool" if parameter.type == "bool" else "text", known=known)


def _forms(pathway: Pathway) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for name, form in pathway.forms.items():
        fields = {key: field_type(pathway, field) for key, field in form.fields.items()}
        found |= {f"{name}.{key}": type_ for key, type_ in fields.items()}
        found[f"{name}.occurred_on"] = Type(kind="date")
        found[f"{name}.days_ago"] = SIGNED_DAYS
        found[f"history.{name}"] = Type(kind="list", items={**fields, **ITEM}, known=True)
    return found


def field_type(pathway: Pathway, field: FormField) -> Type:
    """Give the type of a form's field; a field is unknown until it is answered."""
    match field.type:
        case "int" | "decimal":
            return Type(
                kind="number",
                unit=field.unit,
                low=number(field.low),
                high=number(field.high),
                whole=field.type == "int",
            )
        case "score":
            return _score_type(pathway, field)
        case "code":
            return Type(kind="code", options=options_of(pathway, field))
        case "codes":
            return Type(kind="codes", options=options_of(pathway, field))
        case "list":
            return Type(kind="list", items={key: field_type(pathway, sub) for key, sub in field.fields.items()})
        case "bool":
            return MAYBE
        case "date":
            return Type(kind="date")
        case _:
            return Type(kind="text")


def _score_type(pathway: Pathway, field: FormField) -> Type:
    instrument = pathway.instruments.get(field.instrument or "")
    if instrument is None:
        return Type(kind="number")
    return Type(
        kind="number",
        low=Fraction(instrument.low),
        high=Fraction(instrument.high),
        whole=instrument.scoring == "single",
    )


def options_of(pathway: Pathway, field: FormField) -> tuple[str, ...]:
    """Give the codes a field may hold: its own, or every code its parameter could ever be set to."""
    parameter = pathway.parameters.get(field.options_from or "")
    return parameter.options if parameter else field.options


def number(text: int | str | None) -> Number | None:
    """Read a bound of the pack exactly; None: no bound."""
    if text is None or isinstance(text, int):
        return text
    exact = Fraction(text)
    return int(exact) if exact.denominator == 1 else exact
