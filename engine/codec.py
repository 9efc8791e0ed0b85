"""The nouns of `model.py` as JSON and back, exactly.

Times are UTC instants with microseconds and Z, days ISO dates, enums their values, tuples lists, sets sorted lists,
mappings sorted by key. A field at its default is left out and comes back as the default, so the defaults of
`model.py` are part of what is stored. Where several classes may stand, `type` says which; events always say it.

Each class is compiled once into two closures. Writing trusts the types that mypy has seen; reading trusts nothing.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from engine.audit import canonical, instant, instant_from, problem_in
from engine.decision import Event
from engine.errors import InvalidInput
from engine.model import Command, Json

T = TypeVar("T")
Encode = Callable[[Any], Json]
Decode = Callable[[Any], Any]
Codec = tuple[Encode | None, Decode]  # no Encode: the value is its own JSON
TYPE = "type"
EVENTS = frozenset(get_args(Event))
REQUIRED = object()


class _Misfit(Exception):  # no error of the tree: it gathers the place and becomes InvalidInput
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why, self.place = why, ""

    def under(self, step: str) -> "_Misfit":
        self.place = step + self.place
        return self


def to_json(obj: object) -> Json:
    """Give a dataclass as JSON; InvalidInput, with the place, for a time without a zone."""
    hint: Any = Event if type(obj) in EVENTS else type(obj)
    return cast("Json", _run(cast("Encode", _codec(hint)[0]), obj, type(obj).__name__))


def from_json(cls: type[T], data: Json) -> T:
    """Give back what `to_json` wrote for this class; InvalidInput, with the place, for anything else."""
    hint: Any = Event if cls in EVENTS else cls
    found = _run(_codec(hint)[1], data, cls.__name__)
    if not isinstance(found, cls):
        raise InvalidInput(f"{cls.__name__} was expected and {type(found).__name__} came: read it as what it is.")
    return found


def event_from_json(data: Json) -> Event:
    """Give back an event, whichever it is."""
    return cast("Event", _run(_codec(Event)[1], data, "Event"))


def digest_of(obj: object) -> str:
    """Give the SHA-256 (hex) of the canonical bytes of a dataclass, or of what is JSON already."""
    return hashlib.sha256(canonical(to_json(obj) if is_dataclass(obj) else obj)).hexdigest()


def asked(command: Command) -> dict[str, Json]:
    """Give what a command asks for, without who asks, when, or under which key: what two sendings have in common."""
    return {
        "kind": command.kind.value,
        "episode": command.episode,
        "of": command.of,
        "values": dict(command.values),
        "overrides": [to_json(one) for one in command.overrides],
    }


def _run(convert: Callable[[Any], object], given: object, what: str) -> object:
    try:
        return convert(given)
    except _Misfit as misfit:
        raise InvalidInput(f"{what}{misfit.place}{misfit.why}.") from None


# --- one codec a type ---------------------------------------------------------------------------------------------


@cache
def _codec(hint: Any) -> Codec:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return _encoder(cast("type", hint)), _decoder(cast("type", hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str.__str__, _enum_decoder(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(args)
    if origin in (tuple, frozenset):
        return _sequence(origin, args[0]) if origin is frozenset or args[-1] is Ellipsis else _row(args)
    if origin is Mapping:
        return _mapping(args[1])
    raise TypeError(f"No JSON form is defined for {hint}: add one to engine/codec.py.")


def _encoder(cls: type) -> Encode:
    hints = get_type_hints(cls)
    plan = [(one.name, _default(one), _codec(hints[one.name])[0]) for one in fields(cls)]

    def encode(obj: object) -> Json:
        out: dict[str, Json] = {}
        for name, default, convert in plan:
            value = getattr(obj, name)
            if default is REQUIRED or value != default:
                try:
                    out[name] = value if convert is None else convert(value)
                except _Misfit as misfit:
                    raise misfit.under(f".{name}") from None
        return out

    return encode


def _decoder(cls: type) -> Decode:
    hints = get_type_hints(cls)
    plan = {one.name: _codec(hints[one.name])[1] for one in fields(cls)}
    owed = {one.name for one in fields(cls) if _default(one) is REQUIRED}

    def decode(data: object) -> object:
        if not isinstance(data, dict):
            raise _Misfit(" is not an object")
        if missing := owed - data.keys():
            raise _Misfit(f" lacks {min(missing)!r}")
        found = {}
        for name, item in data.items():
            if name not in plan:
                raise _Misfit(f" has no field {str(name)[:40]!r}")
            try:
                found[name] = plan[name](item)
            except _Misfit as misfit:
                raise misfit.under(f".{name}") from None
        return cls(**found)

    return decode


def _default(one: "Field[Any]") -> object:
    if one.default is not MISSING:
        return one.default
    return REQUIRED if one.default_factory is MISSING else one.default_factory()


def _union(args: tuple[Any, ...]) -> Codec:
    if any(get_origin(arg) is list for arg in args):  # of all unions only `Json` holds lists
        return None, _read_json
    if NoneType not in args:
        return _tagged(args)
    encode, decode = _codec(next(arg for arg in args if arg is not NoneType))
    return (
        None if encode is None else lambda value: None if value is None else encode(value),
        lambda data: None if data is None else decode(data),
    )


def _tagged(classes: tuple[type, ...]) -> Codec:
    by_name = {cls.__name__: _codec(cls)[1] for cls in classes}
    encoders = {cls: _codec(cls)[0] for cls in classes}

    def encode(obj: object) -> Json:
        found = cast("dict[str, Json]", cast("Encode", encoders[type(obj)])(obj))
        found[TYPE] = type(obj).__name__
        return found

    def decode(data: object) -> object:
        name = data.get(TYPE) if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(name, str) or name not in by_name:
            raise _Misfit(f" has no type among {', '.join(sorted(by_name))}")
        return by_name[name]({key: item for key, item in data.items() if key != TYPE})

    return encode, decode


def _sequence(kind: Callable[[list[Any]], object], hint: Any) -> Codec:
    convert, decode = _codec(hint)
    order: Callable[[Any], list[Any]] = sorted if kind is frozenset else list

    def encode(values: object) -> Json:
        found = order(values)
        return found if convert is None else [convert(one) for one in found]

    def decode_all(data: object) -> object:
        if not isinstance(data, list):
            raise _Misfit(" is not a list")
        return kind([_under(position, decode, item) for position, item in enumerate(data)])

    return encode, decode_all


def _row(hints: tuple[Any, ...]) -> Codec:
    codecs = [_codec(hint) for hint in hints]

    def encode(values: tuple[Any, ...]) -> Json:
        pairs = zip(codecs, values, strict=True)
        return [value if convert is None else convert(value) for (convert, _), value in pairs]

    def decode(data: object) -> object:
        if not isinstance(data, list) or len(data) != len(codecs):
            raise _Misfit(f" is not a list of {len(codecs)}")
        return tuple(_under(i, read, item) for i, ((_, read), item) in enumerate(zip(codecs, data, strict=True)))

    return encode, decode


def _mapping(hint: Any) -> Codec:
    convert, decode = _codec(hint)

    def encode(values: Mapping[str, Any]) -> Json:
        return {key: values[key] if convert is None else convert(values[key]) for key in sorted(values)}

    def decode_all(data: object) -> object:
        if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
            raise _Misfit(" is not an object with names as keys")
        return {key: _under(key, decode, item) for key, item in data.items()}

    return encode, decode_all


def _under(step: int | str, decode: Decode, item: object) -> object:
    try:
        return decode(item)
    except _Misfit as misfit:
        raise misfit.under(f"[{step}]") from None


# --- plain values -------------------------------------------------------------------------------------------------


def _exactly(kind: type) -> Decode:
    def decode(data: object) -> object:
        if type(data) is not kind:  # not isinstance: true is an int to Python, not to us
            raise _Misfit(f" is not of type {kind.__name__}")
        return data

    return decode


def _enum_decoder(kind: type[StrEnum]) -> Decode:
    members = {member.value: member for member in kind}

    def decode(data: object) -> object:
        if not isinstance(data, str) or data not in members:
            raise _Misfit(f" is not one of {', '.join(members)}")
        return members[data]

    return decode


def _read_json(data: object) -> object:
    if (problem := problem_in(data)) is not None:
        raise _Misfit(problem)
    return data


def _write_instant(moment: datetime) -> Json:
    if moment.tzinfo is None:
        raise _Misfit(" is a time without a zone")
    return instant(moment)


def _read_instant(data: object) -> object:
    try:
        return instant_from(data if isinstance(data, str) else "")
    except InvalidInput:
        raise _Misfit(" is not an instant such as 2026-03-02T08:00:00.000000Z") from None


def _read_day(data: object) -> object:
    try:
        day = date.fromisoformat(data if isinstance(data, str) else "")
    except ValueError:
        day = None
    if day is None or day.isoformat() != data:
        raise _Misfit(" is not a day such as 2026-03-02")
    return day


_PLAIN: Mapping[Any, Codec] = {
    str: (None, _exactly(str)),
    int: (None, _exactly(int)),
    bool: (None, _exactly(bool)),
    date: (date.isoformat, _read_day),
    datetime: (_write_instant, _read_instant),
}
