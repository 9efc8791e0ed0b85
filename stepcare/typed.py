"""What people type at the edge, read strictly: answers, overrides, times. Nothing here knows a pathway's rules."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from engine.audit import problem_in
from engine.errors import InvalidInput
from engine.model import Command, Json, Override
from engine.pathway import FormField
from workflows.scenario import instant_of

MOST_BYTES = 256 * 1024
DEEPEST = 20
WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
WORDS: Mapping[str, Json] = {"true": True, "false": False, "null": None}
LONGEST_NAME = 200
LONGEST_TEXT = 4000


def checked(command: Command) -> Command:
    """Give a command back unless it holds what no log can: too much, too deep, or what is not text.

    Everything that comes in passes here first; what a field may hold is the pathway's business.
    """
    for name, value in (("key", command.key), ("of", command.of), ("episode", command.episode)):
        require_text(name, value, LONGEST_NAME)
    for override in command.overrides:
        require_text("override rule", override.rule, LONGEST_NAME)
        require_text("override reason", override.reason, LONGEST_NAME)
        require_text(f"text of the override of {override.rule}", override.text, LONGEST_TEXT)
    _require_fitting(dict(command.values), 0, [MOST_BYTES])
    problem = problem_in(dict(command.values))
    if problem is not None:
        raise InvalidInput(f"The answers cannot be kept: value{problem}.")
    return command


def require_text(name: str, value: str | None, most: int) -> None:
    """Refuse what is not text, or too much of it."""
    if value is None:
        return
    if len(value) > most:
        raise InvalidInput(f"The {name} has {len(value)} letters, {most} fit: shorten it.")
    if any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in value.replace("\n", "").replace("\t", "")):
        raise InvalidInput(f"The {name} holds characters that are not text: type it again.")


def _require_fitting(value: Json, depth: int, left: list[int]) -> None:
    """Count letters and levels before anything else looks at them."""
    if depth > DEEPEST:
        raise InvalidInput(f"The answers are nested deeper than {DEEPEST} levels: no form asks that.")
    if isinstance(value, dict):
        for key, one in value.items():
            left[0] -= len(key)
            _require_fitting(one, depth + 1, left)
    elif isinstance(value, list):
        left[0] -= len(value)
        for one in value:
            _require_fitting(one, depth + 1, left)
    else:
        left[0] -= len(value) if isinstance(value, str) else 8
    if left[0] < 0:
        raise InvalidInput(f"The answers are larger than {MOST_BYTES} bytes: no form asks that much.")


# --- answers ------------------------------------------------------------------------------------------------------


def values_from_pairs(pairs: Sequence[str], fields: Mapping[str, FormField]) -> dict[str, Json]:
    """Read `key=value` words.

    true, false, null and whole numbers are what they say, decimals and dates stay text; `[`, `{` and `"` begin
    JSON. A field of several codes may be written with commas.
    """
    found: dict[str, Json] = {}
    for pair in pairs:
        key, equals, said = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{pair[:60]!r} is no answer: write field=value.")
        if key in found:
            raise InvalidInput(f"{key[:60]!r} is answered twice: keep one answer.")
        found[key] = _value(key, said, fields.get(key))
    return found


def _value(key: str, said: str, field: FormField | None) -> Json:
    kind = field.type if field is not None else ""
    if said[:1] in ("[", "{", '"'):
        return json_from(said.encode(errors="surrogatepass"), key)
    if kind == "codes":
        return [one.strip() for one in said.split(",") if one.strip()]
    if kind in ("text", "code", "ref", "date"):
        return {"true": True, "false": False}.get(said, said) if kind == "code" else said
    if said in WORDS:
        return WORDS[said]
    return int(said) if WHOLE.fullmatch(said) else said


def json_from(data: bytes, what: str) -> Json:
    """Read JSON strictly: decimals stay text, no key twice, nothing that is not JSON."""
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"{what} is larger than {MOST_BYTES} bytes: no form asks that much.")
    try:
        return cast(
            "Json",
            json.loads(
                data.decode("utf-8-sig"), parse_float=str, parse_constant=_no_number, object_pairs_hook=_no_key_twice
            ),
        )
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} is not UTF-8: save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{what}:{error.lineno}:{error.colno}: this is not JSON: {error.msg}.") from None
    except RecursionError:
        raise InvalidInput(f"{what} is nested deeper than {DEEPEST} levels: no form asks that.") from None


def _no_number(word: str) -> Json:
    raise InvalidInput(f"{word} is no number: leave out what is not known.")


def _no_key_twice(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise InvalidInput(f"The key {twice[:60]!r} stands twice: keep one.")
    return found


def values_from_json(data: bytes, what: str) -> dict[str, Json]:
    """Read a JSON object of answers."""
    found = json_from(data, what)
    if not isinstance(found, dict):
        raise InvalidInput(f'{what} must hold one JSON object of answers, such as {{"form": "contact"}}.')
    return found


# --- the rest of a command ----------------------------------------------------------------------------------------


def override_from(said: str) -> Override:
    """Read `RULE=reason` or `RULE=reason:a sentence`."""
    rule, equals, rest = said.partition("=")
    reason, _, text = rest.partition(":")
    if not equals or not rule or not reason:
        raise InvalidInput(f"{said[:60]!r} is no override: write RULE=reason, or RULE=reason:text.")
    return Override(rule=rule.strip(), reason=reason.strip(), text=text.strip())


def moment_from(said: str | None) -> datetime | None:
    """Read an instant; one without an offset names no instant."""
    return None if said is None else instant_of(said.strip())
