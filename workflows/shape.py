"""What a pack's schema expected, said in words, where a pack does not fit it.

The schema itself is the source of the words: nothing about single fields is written here a second time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from engine.errors import Finding
from engine.model import Json
from engine.pathway import Pathway
from workflows.places import Keys, Places, found

Schema = Mapping[str, Any]

# Suggestions cost time; a file full of unknown keys needs none after the first hundred.
MOST_SUGGESTIONS = 100

PATTERNS = {
    r"^[a-z][a-z0-9_]{0,39}$": "a name (a-z, 0-9 and _, beginning with a letter, at most 40)",
    r"^[A-Z][A-Z0-9]{0,5}(-[A-Z0-9]{1,8}){0,2}$": "a rule id such as PATH-05",
    r"^T[0-9]{1,2}$": "a transition id such as T8",
    r"^TM[0-9]{1,2}$": "a timer id such as TM3",
    r"^[SO][0-9]{1,2}$": "a statement id such as S12 or O3",
}


@lru_cache(maxsize=1)
def pack_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of a whole pack; its files hold parts of it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Pathway.model_json_schema()}


def near(name: str, known: Sequence[str]) -> str:
    """Suggest what may have been meant, else list what there is."""
    close = get_close_matches(name[:60], known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known[:40]) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class _Misfit:
    """One complaint of the validator: at which value, and the name of what is missing there."""

    kind: str
    path: Keys
    missing: str = ""


def misfits(error: ValidationError, data: Json, places: Places) -> Iterator[Finding]:
    """Turn the validator's complaints into findings in words, one for each value."""
    schema = pack_schema()
    complaints = list(dict.fromkeys(_misfit(one["type"], one["loc"], data) for one in error.errors()))
    # Where a value may be one of several things, the things it does not resemble are no news.
    inside = {one.path[:length] for one in complaints for length in range(len(one.path))}
    inside |= {one.path for one in complaints if one.missing}
    for count, one in enumerate(complaints):
        nodes = list(_nodes(schema, schema, one.path))
        if one.kind in ("extra_forbidden", "key"):
            yield _about_key(one, list(_nodes(schema, schema, one.path[:-1])), places, count < MOST_SUGGESTIONS)
        elif one.missing:
            words = _expected(list(_nodes(schema, schema, (*one.path, one.missing))))
            yield Finding(code="pack-missing", message=f"`{one.missing}` is missing: expected {words}", path=one.path)
        elif one.path not in inside:
            yield _about_value(one, nodes, _value(data, one.path))


def _misfit(kind: str, loc: tuple[int | str, ...], data: Json) -> _Misfit:
    """Follow the validator's trail through the data; the names of alternatives it tried are not in the data."""
    path: Keys = ()
    node = data
    for part in loc:
        if (found_here := _child(node, part)) is not None:
            path, (node,) = (*path, part), found_here
    if kind == "missing":
        return _Misfit(kind, path, str(loc[-1]))
    if loc and loc[-1] == "[key]":
        return _Misfit("key", path)
    return _Misfit(kind if kind == "extra_forbidden" else "value", path)


def _child(node: Json, part: int | str) -> tuple[Json] | None:
    """Give what stands under a key or position, in a tuple because it may be nothing; None: no such key."""
    if isinstance(node, dict) and isinstance(part, str) and part in node:
        return (node[part],)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return (node[part],)
    return None


def _value(data: Json, path: Keys) -> Json:
    for part in path:
        (data,) = _child(data, part) or (None,)
    return data


def _about_key(one: _Misfit, parents: list[Schema], places: Places, suggest: bool) -> Finding:  # noqa: FBT001 # private
    key = str(one.path[-1])
    if one.kind == "key":
        patterns = [pattern for parent in parents for pattern in parent.get("patternProperties", {})]
        message = f"the key {key[:60]!r} is not {PATTERNS.get(patterns[0], patterns[0]) if patterns else 'known'}"
        code = "pack-key"
    else:
        known = [name for parent in parents for name in parent.get("properties", {})]
        message = f"{key[:60]!r} is not known here" + (f": {near(key, known)}" if suggest else "")
        code = "pack-unknown-key"
    place = places.of_key(one.path)
    if place is None:
        return Finding(code=code, message=message, path=one.path)
    return Finding(code=code, message=message, path=one.path, file=place.file, line=place.line, column=place.column)


def _about_value(one: _Misfit, nodes: list[Schema], value: Json) -> Finding:
    message = f"expected {_expected(nodes)}, found {found(value)}"
    options = [str(option) for node in nodes for option in node.get("enum", ())]
    limits = [node["maxLength"] for node in nodes if "maxLength" in node]
    if isinstance(value, str) and limits and len(value) > max(limits):
        message += f" ({len(value)} characters)"
    elif isinstance(value, str) and (close := get_close_matches(value[:60], options, 1)):
        message += f": did you mean {close[0]!r}?"
    elif isinstance(value, (bool, int)) and any(node.get("type") == "string" and "enum" not in node for node in nodes):
        message += ": put it in quotes if it is text"
    return Finding(code="pack-value", message=message, path=one.path)


def _nodes(schema: Schema, root: Schema, path: Keys) -> Iterator[Schema]:
    """Give every part of the schema that may describe the value at a path."""
    if "$ref" in schema:
        yield from _nodes(root["$defs"][schema["$ref"].rpartition("/")[2]], root, path)
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _nodes(option, root, path)
    elif not path:
        yield schema
    else:
        key = str(path[0])
        steps = [schema["items"]] if "items" in schema and isinstance(path[0], int) else []
        steps += [schema["properties"][key]] if key in schema.get("properties", {}) else []
        steps += schema.get("patternProperties", {}).values()
        steps += [schema["additionalProperties"]] if isinstance(schema.get("additionalProperties"), dict) else []
        for step in steps:
            yield from _nodes(step, root, path[1:])


def _expected(nodes: list[Schema]) -> str:
    words = [_word(node) for node in nodes if node.get("type") != "null"]
    return " or ".join(dict.fromkeys(words)) or "something else"


def _word(node: Schema) -> str:
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "pattern" in node:
        return PATTERNS.get(node["pattern"], f"text like {node['pattern']}")
    least = " that is not empty" if node.get("minLength") or node.get("minItems") else ""
    most = f", of at most {node['maxLength']} characters" if "maxLength" in node else ""
    kinds = {"string": "text", "integer": "a whole number", "boolean": "true or false", "array": "a list"}
    return f"{kinds.get(node.get('type', ''), 'a mapping')}{least}{most}"
