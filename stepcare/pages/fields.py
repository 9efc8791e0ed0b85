"""A pack's questions as fields on a page, and what was typed as answers. Nothing typed stays unanswered, never no."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.forms import Problem
from engine.model import Json
from engine.names import options_of
from engine.pathway import FormField, Instrument, Pathway
from stepcare.pages.frame import words

Typed = Mapping[str, list[str]]
BLANKS = 1  # empty entries of a list that stand ready below those that are filled in
MOST_ENTRIES = 20
ACTIVITIES = 3  # named activities that are asked for at least
YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question on a page.

    widget: text, long, number, date, time, choice (one of `options`), many, score (one number), items (several
    numbers), activities (names with numbers), list (`entries` of fields). `errors` are what is wrong with the answer.
    """

    name: str
    label: str
    widget: str
    hint: str = ""
    required: bool = False
    value: str = ""
    values: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()
    entries: tuple[tuple["Field", ...], ...] = ()
    activities: tuple[tuple[str, str], ...] = ()
    at_most: int = 4000
    decimal: bool = False


# --- questions ----------------------------------------------------------------------------------------------------


def fields_of(
    pathway: Pathway, asked: Mapping[str, FormField], typed: Typed, problems: tuple[Problem, ...] = (), prefix: str = ""
) -> list[Field]:
    """Give the fields of a form with what was typed into them and what is wrong with it."""
    said = Said(pathway=pathway, typed=typed, problems=problems)
    return [_field(said, f"{prefix}{key}", one) for key, one in asked.items() if key != "due_item"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was typed into a form, and what is wrong with it."""

    pathway: Pathway
    typed: Typed
    problems: tuple[Problem, ...]


def _field(all_said: Said, name: str, asked: FormField) -> Field:
    pathway, typed, problems = all_said.pathway, all_said.typed, all_said.problems
    said = [one for one in typed.get(name, []) if one.strip()]
    base: dict[str, Any] = {
        "name": name,
        "label": asked.label,
        "required": asked.required,
        "value": said[-1] if said else "",
        "values": tuple(typed.get(name, [])),
        "errors": tuple(one.message for one in problems if _stem(one.field) == _stem(name)),
        "at_most": asked.at_most or 4000,
    }
    options: tuple[tuple[str, str], ...]
    match asked.type:
        case "bool":
            options = ((YES, "Yes"), (NO, "No"), ("", "Not asked"))
            return Field(**base, widget="choice", options=options)
        case "code":
            options = (*((one, _option(pathway, asked, one)) for one in options_of(pathway, asked)), ("", "Not asked"))
            return Field(**base, widget="choice", options=options)
        case "codes":
            options = tuple((one, words(one)) for one in options_of(pathway, asked))
            return Field(**base, widget="many", options=options)
        case "int" | "decimal":
            return Field(**base, widget="number", hint=_range(asked), decimal=asked.type == "decimal")
        case "score":
            return _score(pathway.instruments[asked.instrument or ""], base, typed)
        case "list":
            entries = _entries(pathway, asked, typed, problems, name)
            return Field(**base, widget="list", entries=tuple(entries))
        case "date":
            return Field(**base, widget="date")
        case "time":
            return Field(**base, widget="time", hint="Hours and minutes, such as 09:00.")
        case "text" if (asked.at_most or 4000) > 200:
            return Field(**base, widget="long")
        case _:
            return Field(**base, widget="text")


def _stem(name: str) -> str:
    return name.replace("[", ".").replace("]", "").replace("..", ".")


def _option(pathway: Pathway, asked: FormField, option: str) -> str:
    labels = pathway.instruments[asked.instrument].labels if asked.instrument else {}
    return labels.get(option) or words(option)


def _range(asked: FormField) -> str:
    unit = f" {asked.unit}" if asked.unit else ""
    if asked.low is not None and asked.high is not None:
        return f"From {asked.low} to {asked.high}{unit}."
    if asked.unit:
        return f"In {asked.unit}."
    return ""


def _score(sheet: Instrument, base: dict[str, Any], typed: Typed) -> Field:
    turn = "higher is worse" if sheet.direction == "higher_is_worse" else "higher is better"
    if sheet.scoring in ("single", "score_only"):
        return Field(**base, widget="score", hint=f"From {sheet.low} to {sheet.high}; {turn}.", decimal=not sheet.whole)
    hint = f"Each from {sheet.item_low} to {sheet.item_high}; {turn}. Leave all of them open if it was not asked."
    if sheet.named_items:
        names, numbers = typed.get(f"{base['name']}.name", []), typed.get(f"{base['name']}.score", [])
        pairs = tuple(zip(names, numbers, strict=False))
        blank = (("", ""),) * max(ACTIVITIES, len(pairs))
        return Field(**base, widget="activities", hint=hint, options=blank, activities=pairs)
    return Field(**base, widget="items", hint=hint, options=(("", ""),) * (sheet.items or 1))


def _entries(
    pathway: Pathway, asked: FormField, typed: Typed, problems: tuple[Problem, ...], name: str
) -> Iterator[tuple[Field, ...]]:
    """Give the entries that were filled in and an empty one to go on with."""
    filled = _filled(typed, name)
    most = min(asked.at_most or MOST_ENTRIES, MOST_ENTRIES)
    for number in range(1, min(filled + BLANKS, most) + 1):
        yield tuple(fields_of(pathway, asked.fields, typed, problems, f"{name}.{number}."))


def _filled(typed: Typed, name: str) -> int:
    """Count the entries of a list up to the last one in which something was typed."""
    numbers = [0]
    for key, said in typed.items():
        rest = key.removeprefix(f"{name}.")
        number = rest.partition(".")[0]
        if rest != key and number.isdigit() and any(one.strip() for one in said):
            numbers.append(int(number[:4]))
    return min(max(numbers), MOST_ENTRIES)


# --- answers ------------------------------------------------------------------------------------------------------


def answers_of(pathway: Pathway, asked: Mapping[str, FormField], typed: Typed, prefix: str = "") -> dict[str, Json]:
    """Give what was typed as the answers of a form; what was left open is not among them."""
    found: dict[str, Json] = {}
    for key, one in asked.items():
        answer = _answer(pathway, one, typed, f"{prefix}{key}")
        if answer is not None:
            found[key] = answer
    return found


def _answer(pathway: Pathway, asked: FormField, typed: Typed, name: str) -> Json:
    said = [one.strip() for one in typed.get(name, [])]
    given = [one for one in said if one]
    if asked.type == "list":
        entries = [answers_of(pathway, asked.fields, typed, f"{name}.{n}.") for n in range(1, _filled(typed, name) + 1)]
        return [one for one in entries if one] or None
    if asked.type == "score":
        return _score_answer(pathway.instruments[asked.instrument or ""], typed, name, given)
    if not given:
        return None
    match asked.type:
        case "bool":
            return given[-1] == YES if given[-1] in (YES, NO) else given[-1]
        case "codes":
            return list[Json](given)
        case _:
            return given[-1]


def _score_answer(sheet: Instrument, typed: Typed, name: str, given: list[str]) -> Json:
    if sheet.scoring in ("single", "score_only"):
        return _whole(given[-1]) if given else None
    if sheet.named_items:
        names, numbers = typed.get(f"{name}.name", []), typed.get(f"{name}.score", [])
        pairs = [(one.strip(), two.strip()) for one, two in zip(names, numbers, strict=False)]
        return {one: _whole(two) for one, two in pairs if one or two} or None
    answers: list[Json] = [_whole(one) for one in given]
    return answers or None


def _whole(text: str) -> Json:
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 10 else text


def kept_of(typed: Typed, leave: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Give what was typed as pairs for hidden fields, without those that the page says anew."""
    return tuple((name, one) for name, many in typed.items() if name not in leave for one in many if one != "")
