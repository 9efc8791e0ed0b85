"""Reading what people typed: raw values in, values in their one canonical JSON form out, or every problem.

Decimals and dates stay strings (never floats); an absent answer stays absent, which is never `no`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from engine.errors import InvalidInput, near
from engine.facts import Item, Value
from engine.measures import normalise, number_of
from engine.model import Json, Values
from engine.names import number, options_of
from engine.pathway import Form, FormField, Pathway
from engine.time import clock_from, zone

DECIMAL = re.compile(r"-?\d{1,9}(\.\d{1,6})?")
MOST_TEXT = 4000
MOST_ITEMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One answer that cannot be what it claims: where, the rule it breaks (if the pack names one), and what now."""

    field: str
    message: str
    rule: str | None = None


def read_form(pathway: Pathway, name: str, raw: Values) -> tuple[dict[str, Json], tuple[Problem, ...]]:
    """Read the answers of a form; unknown, missing and impossible answers all come back as problems at once."""
    form = pathway.forms.get(name)
    if form is None:
        return {}, (Problem(field="form", message=f"There is no form {name!r}. {near(name, pathway.forms)}"),)
    values: dict[str, Json] = {}
    return values, tuple(_read_fields(pathway, form.fields, raw, values, ""))


def _read_fields(
    pathway: Pathway, fields: Mapping[str, FormField], raw: Values, into: dict[str, Json], prefix: str
) -> Iterator[Problem]:
    for key in raw:
        if key not in fields:
            yield Problem(field=f"{prefix}{key}", message=f"{prefix}{key} is not asked here. {near(key, dict(fields))}")
    for key, field in fields.items():
        given = raw.get(key)
        if given is None:
            if field.required:
                message = f"{prefix}{key} is missing: {field.label}. {field.remedy}".strip()
                yield Problem(field=f"{prefix}{key}", message=message, rule=field.error)
            continue
        try:
            if field.type == "list":
                items: list[Json] = []
                yield from _read_list(pathway, field, given, items, f"{prefix}{key}")
                into[key] = items
            else:
                into[key] = read_one(pathway, field, given)
        except InvalidInput as error:
            message = f"{prefix}{key}: {error} {field.remedy}".strip()
            yield Problem(field=f"{prefix}{key}", message=message, rule=field.error)


def _read_list(pathway: Pathway, field: FormField, given: Json, into: list[Json], prefix: str) -> Iterator[Problem]:
    if not isinstance(given, list):
        raise InvalidInput("a list of entries is expected.")
    most = field.at_most or MOST_ITEMS
    if len(given) > most:
        raise InvalidInput(f"{len(given)} entries are more than the {most} that fit here.")
    for position, item in enumerate(given, start=1):
        if not isinstance(item, dict):
            raise InvalidInput(f"entry {position} is not a set of answers.")
        values: dict[str, Json] = {}
        yield from _read_fields(pathway, field.fields, item, values, f"{prefix}[{position}].")
        into.append(values)


def read_one(pathway: Pathway, field: FormField, given: Json) -> Json:
    """Read one answer into its canonical form; raises InvalidInput saying what is expected."""
    match field.type:
        case "bool":
            if not isinstance(given, bool):
                raise InvalidInput("true or false is expected.")
            return given
        case "int" | "decimal":
            return _read_number(field, given)
        case "code":
            return _read_code(given, options_of(pathway, field))
        case "codes":
            return _read_codes(field, given, options_of(pathway, field))
        case "date":
            return _read_date(field, given)
        case "time" | "zone":
            return _read_clock(field, given)
        case "score":
            return normalise(pathway.instruments[field.instrument or ""], given)
        case _:
            return read_text(given, field.at_most or MOST_TEXT)


def _read_number(field: FormField, given: Json) -> Json:
    if isinstance(given, bool) or not isinstance(given, int | str) or not DECIMAL.fullmatch(str(given)):
        raise InvalidInput("a whole number is expected." if field.type == "int" else "a decimal number is expected.")
    exact = Fraction(given)
    if field.type == "int" and exact.denominator != 1:
        raise InvalidInput("a whole number is expected.")
    low, high, unit = number(field.low), number(field.high), f" {field.unit}" if field.unit else ""
    if low is not None and exact < low:
        raise InvalidInput(f"it must be at least {field.low}{unit}.")
    if high is not None and exact > high:
        raise InvalidInput(f"it must be at most {field.high}{unit}.")
    return int(exact) if exact.denominator == 1 else str(given)


def _read_code(given: Json, options: tuple[str, ...]) -> str:
    text = {True: "yes", False: "no"}.get(given) if isinstance(given, bool) else given
    if not isinstance(text, str) or text not in options:
        raise InvalidInput(f"it must be one of {', '.join(options)}.")
    return text


def _read_codes(field: FormField, given: Json, options: tuple[str, ...]) -> Json:
    if not isinstance(given, list):
        raise InvalidInput("a list of codes is expected.")
    read = dict.fromkeys(_read_code(one, options) for one in given)
    codes = list(read) if field.ordered else sorted(read)
    if field.alone in codes and len(codes) > 1:
        raise InvalidInput(f"{field.alone!r} cannot be combined with other answers.")
    return list[Json](codes)


def _read_clock(field: FormField, given: Json) -> str:
    """Read a time of day, or the name of a zone, which must be there today."""
    if not isinstance(given, str):
        raise InvalidInput("a time such as 09:00 is expected." if field.type == "time" else "a time zone is expected.")
    if field.type == "zone":
        return zone(given).key
    clock_from(given)
    return given


def _read_date(field: FormField, given: Json) -> str:
    try:
        day = date.fromisoformat(given) if isinstance(given, str) and len(given) == 10 else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidInput("a day written as YYYY-MM-DD is expected.")
    if field.low is not None and day.isoformat() < str(field.low):
        raise InvalidInput(f"it must not be before {field.low}.")
    return day.isoformat()


def read_text(given: Json, most: int) -> str:
    """Read free text: bounded, without NUL or lone surrogates."""
    if not isinstance(given, str):
        raise InvalidInput("text is expected.")
    if len(given) > most:
        raise InvalidInput(f"{len(given)} letters are more than the {most} that fit here.")
    if "\0" in given or any("\ud800" <= letter <= "\udfff" for letter in given):
        raise InvalidInput("it holds characters that are not text.")
    return given


# --- from canonical values to what conditions compare -----------------------------------------------------------


def value_of(pathway: Pathway, field: FormField, given: Json) -> Value | None:
    """Turn a canonical answer into the value conditions use; None stays unknown."""
    if given is None:
        return None
    match field.type:
        case "int" | "decimal":
            return given if isinstance(given, int) else number(str(given))
        case "codes":
            return frozenset(map(str, given)) if isinstance(given, list) else None
        case "date":
            return date.fromisoformat(str(given))
        case "score":
            return number_of(pathway.instruments[field.instrument or ""], given)
        case "list":
            return tuple(item_of(pathway, field.fields, item) for item in given) if isinstance(given, list) else None
        case "bool":
            return bool(given)
        case _:
            return str(given)


def item_of(pathway: Pathway, fields: Mapping[str, FormField], given: Json) -> Item:
    """Turn one entry of a list into what conditions see of it."""
    values = given if isinstance(given, dict) else {}
    return {key: value_of(pathway, field, values.get(key)) for key, field in fields.items()}


def texts_of(form: Form, values: Values) -> frozenset[str]:
    """Name the free-text answers, which are sealed apart from the coded ones."""
    return frozenset(key for key in values if key in form.fields and form.fields[key].type == "text")
