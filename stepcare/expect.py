"""Comparing what a play file expects with what was answered.

An object means *contains*: what it does not name may be anything. A list is an exact set. Where the answer holds
objects, a word names one by its id, kind or template; a mapping over such a list names each by that word, and a bare
value then stands for the object's `value`:

    expect: {failed: [PATH-05], due_items: {created: [reassessment]}, rules: {INJ-05: unknown}}
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from engine.model import Json

NAMES = ("id", "kind", "template", "form")


def mismatches(expected: Mapping[str, Json], actual: Mapping[str, Json], under: str = "") -> Iterator[str]:
    """Say, one sentence each, where the answer is not what was expected."""
    for key, wanted in expected.items():
        name = f"{under}{key}"
        if key not in actual:
            yield f"{name}: the answer has no such part. It has {', '.join(actual) or 'nothing'}."
        else:
            yield from _differences(wanted, actual[key], name)


def _differences(wanted: Json, found: Json, name: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        yield from mismatches(wanted, found, f"{name}.")
    elif isinstance(wanted, dict) and isinstance(found, list):
        yield from _named_items(wanted, found, name)
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _set_differences(wanted, found, name)
    elif not _same(wanted, found):
        yield f"{name}: expected {said(wanted)}, got {said(found)}."


def _named_items(wanted: Mapping[str, Json], found: Sequence[Json], name: str) -> Iterator[str]:
    for key, part in wanted.items():
        item = next((one for one in found if _same(key, one)), None)
        if not isinstance(item, dict):
            yield f"{name}: expected {key} among {said(list(found))}."
        elif isinstance(part, dict):
            yield from mismatches(part, item, f"{name}.{key}.")
        else:
            yield from _differences(part, item.get("value"), f"{name}.{key}")


def _set_differences(wanted: Sequence[Json], found: Sequence[Json], name: str) -> Iterator[str]:
    missing = [one for one in wanted if not any(_same(one, other) for other in found)]
    surplus = [one for one in found if not any(_same(other, one) for other in wanted)]
    if missing or surplus:
        parts = [f"missing {said(missing)}"] if missing else []
        parts += [f"not expected {said(surplus)}"] if surplus else []
        yield f"{name}: expected {said(list(wanted))}, got {said(list(found))}: {'; '.join(parts)}."


def _same(wanted: Json, found: Json) -> bool:
    if isinstance(found, dict):
        if isinstance(wanted, dict):
            return not any(mismatches(wanted, found))
        return any(key in found and found[key] == wanted for key in NAMES)
    if isinstance(wanted, list | dict) or isinstance(found, list):
        return (
            not any(_differences(wanted, found, "")) if isinstance(wanted, list) == isinstance(found, list) else False
        )
    if isinstance(wanted, bool) or isinstance(found, bool) or wanted is None or found is None:
        return wanted is found
    # A decimal is text in an answer and may be a number in a play file; an instant may be written with any offset.
    return str(wanted) == str(found) or (_moment(wanted) is not None and _moment(wanted) == _moment(found))


def _moment(value: Json) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def said(value: Json) -> str:
    """Say a value shortly: objects by their names."""
    if isinstance(value, list):
        return f"[{', '.join(said(one) for one in value)}]"
    if isinstance(value, dict):
        return next((str(value[key]) for key in NAMES if key in value), str(dict(value)))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
