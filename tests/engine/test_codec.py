import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from engine import model
from engine.audit import canonical
from engine.codec import TYPE, digest_of, event_from_json, from_json, to_json
from engine.decision import Event, Moved, Put, Recorded
from engine.errors import InvalidInput
from engine.model import Actor, Command, Deviation, Flag, Json, Kind, Record, Role, Site, Stay

NOW = datetime(2026, 3, 2, 8, 0, 0, 5, tzinfo=UTC)
DAY = date(2026, 3, 2)
VALUES: Mapping[str, Json] = {"nprs": {"score": "6"}, "list": [1, None, True, {"a": "b"}], "äöü": "ß"}
NOUNS = [cls for cls in vars(model).values() if is_dataclass(cls) and isinstance(cls, type)]
ITEMS = get_args(get_type_hints(Put)["item"])


# --- every noun of the model, filled in by its type hints ------------------------------------------------------------


def sample(hint: Any, turn: int) -> Any:
    """Make a value of a type; other turns give other values, members and absences."""
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{one.name: sample(hints[one.name], turn + i) for i, one in enumerate(fields(hint))})  # type: ignore[operator]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)[turn % len(hint)]
    if origin in (Union, UnionType):
        if any(get_origin(arg) is list for arg in args):
            return [None, turn, VALUES, "text"][turn % 4]
        return sample(args[turn % len(args)], turn)
    if origin is Mapping:
        return {key: sample(args[1], turn + i) for i, key in enumerate(("b", "a"))}
    if origin in (tuple, frozenset):
        wanted = args if args[-1] is not Ellipsis else (args[0],) * (turn % 3)
        return origin(sample(arg, turn + i) for i, arg in enumerate(wanted))
    return {
        NoneType: None,
        str: f"text {turn} é",
        int: turn,
        bool: turn % 2 == 0,
        datetime: NOW + timedelta(minutes=turn),
        date: DAY + timedelta(days=turn),
    }[hint]


def least(cls: Any) -> Any:
    """Make a noun with nothing but what it must have."""
    hints = get_type_hints(cls)
    owed = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING]
    return cls(**{name: sample(hints[name], 1) for name in owed})


@pytest.mark.parametrize("cls", NOUNS)
def test_everything_comes_back_exactly(cls: type) -> None:
    """Written, hashed, stored and read again, a noun is the same noun: replay and verification stand on it."""
    for obj in (least(cls), *(sample(cls, turn) for turn in range(12))):
        data = canonical(to_json(obj))
        found: object = from_json(cls, json.loads(data))

        assert found == obj
        assert canonical(to_json(found)) == data


@pytest.mark.parametrize("cls", get_args(Event))
def test_an_event_says_what_it_is(cls: type) -> None:
    """A list of events is read back without knowing beforehand which they are."""
    event = sample(cls, 1)
    written = to_json(event)

    assert isinstance(written, dict)
    assert written[TYPE] == cls.__name__
    assert event_from_json(written) == event


@pytest.mark.parametrize("cls", ITEMS)
def test_what_is_put_says_what_it_is(cls: type) -> None:
    """A Put may hold any item of an episode; where only one kind can stand, as in an episode's lists, nothing says it."""
    put = Put(item=sample(cls, 1))
    written = to_json(put)

    assert isinstance(written, dict)
    assert isinstance(written["item"], dict)
    assert written["item"][TYPE] == cls.__name__
    assert event_from_json(written) == put
    assert f'"{TYPE}"' not in canonical(to_json(put.item)).decode()


def test_no_field_is_named_like_the_tag() -> None:
    """Otherwise the tag would overwrite an answer."""
    assert all(field.name != TYPE for cls in (*get_args(Event), *ITEMS) for field in fields(cls))


# --- the written form ---------------------------------------------------------------------------------------------

ACTOR = Actor(id="ravi", role=Role.ASSESSOR, teams=frozenset({"west", "main"}))
COMMAND = Command(id="c1", kind=Kind.MOVE, actor=ACTOR, episode="e1", values=VALUES, occurred_at=NOW, version=0)
FLAG = Flag(id="f1", item="cancer", urgency="urgent", opened_at=NOW, record="r1")
MOVED = sample(Moved, 1)


def test_the_written_form() -> None:
    """UTC with microseconds and Z, ISO days, enums by value, sets sorted, defaults left out."""
    assert to_json(ACTOR) == {"id": "ravi", "role": "assessor", "teams": ["main", "west"]}
    assert to_json(Actor(id="a", role=Role.LEAD)) == {"id": "a", "role": "lead"}
    assert to_json(replace(FLAG, opened_at=NOW.astimezone(timezone(timedelta(hours=1))))) == {
        "id": "f1",
        "item": "cancer",
        "urgency": "urgent",
        "opened_at": "2026-03-02T08:00:00.000005Z",
        "record": "r1",
    }
    assert list(to_json(Site(pathways={"b": "h", "a": "i"}))["pathways"]) == ["a", "b"]  # type: ignore[index,call-overload,arg-type]
    assert to_json(Site()) == {}
    assert to_json(Deviation(id="v1", rule="INJ-05", record="r1", reason=None)) == {
        "id": "v1",
        "rule": "INJ-05",
        "record": "r1",
        "reason": None,
    }
    assert type(to_json(ACTOR)["role"]) is str  # type: ignore[index,call-overload]


def test_a_default_spelled_out_means_the_same() -> None:
    """Bytes written by a version that kept defaults still read."""
    assert from_json(Actor, {"id": "a", "role": "lead", "teams": ["main"]}) == Actor(id="a", role=Role.LEAD)


def test_values_may_be_any_mapping() -> None:
    """A read-only view is written like the dict behind it, and an empty one is the default."""
    assert to_json(replace(COMMAND, values=MappingProxyType(dict(VALUES)))) == to_json(COMMAND)
    assert "values" not in canonical(to_json(replace(COMMAND, values=MappingProxyType({})))).decode()


def test_the_digest_is_of_the_canonical_bytes() -> None:
    """Anyone can do it again: SHA-256 of the canonical JSON, whatever order the values came in."""
    shuffled = replace(COMMAND, values=dict(reversed(list(VALUES.items()))))

    assert digest_of(COMMAND) == sha256(canonical(to_json(COMMAND))).hexdigest()
    assert digest_of(shuffled) == digest_of(COMMAND) == digest_of(to_json(COMMAND))
    assert digest_of(replace(COMMAND, version=1)) != digest_of(COMMAND)


def test_a_time_without_a_zone_is_not_written() -> None:
    """It names no instant; the message says where it stands."""
    naive = replace(sample(Record, 1), occurred_at=NOW.replace(tzinfo=None))

    with pytest.raises(InvalidInput, match=r"Recorded\.record\.occurred_at is a time without a zone"):
        to_json(Recorded(record=naive))


def with_changes(obj: object, **changes: Json) -> Json:
    """Give the object's JSON with some fields other."""
    written = to_json(obj)
    assert isinstance(written, dict)
    return {**written, **changes}


def moved_with(**changes: Json) -> Json:
    """Give a move whose stay has some fields other."""
    return with_changes(MOVED, stay=with_changes(sample(Stay, 1), **changes))


@pytest.mark.parametrize(
    ("cls", "data", "problem"),
    [
        pytest.param(Actor, [], "Actor is not an object", id="a list"),
        pytest.param(Actor, {"id": "a"}, "Actor lacks 'role'", id="missing"),
        pytest.param(Actor, with_changes(ACTOR, age=3), "Actor has no field 'age'", id="extra"),
        pytest.param(Actor, with_changes(ACTOR, type="Actor"), "no field 'type'", id="a tag where none belongs"),
        pytest.param(Actor, with_changes(ACTOR, id=3), r"Actor\.id is not of type str", id="number for text"),
        pytest.param(Actor, with_changes(ACTOR, id=None), r"Actor\.id is not of type str", id="null for text"),
        pytest.param(Actor, with_changes(ACTOR, role="boss"), r"Actor\.role is not one of coordinator", id="code"),
        pytest.param(Actor, with_changes(ACTOR, role=["lead"]), r"Actor\.role is not one of", id="list for code"),
        pytest.param(Actor, with_changes(ACTOR, teams="main"), r"Actor\.teams is not a list", id="text for list"),
        pytest.param(Actor, with_changes(ACTOR, teams=[1]), r"Actor\.teams\[0\] is not of type str", id="in a list"),
        pytest.param(
            Command, with_changes(COMMAND, version=True), r"Command\.version is not of type int", id="true for number"
        ),
        pytest.param(Moved, moved_with(clock="20260302"), r"Moved\.stay\.clock is not a day", id="another day"),
        pytest.param(Moved, moved_with(clock=5), r"Moved\.stay\.clock is not a day", id="number for day"),
        pytest.param(Moved, moved_with(since="2026-03-02T08:00Z"), r"Moved\.stay\.since is not an instant", id="time"),
        pytest.param(Moved, moved_with(since=5), r"Moved\.stay\.since is not an instant", id="number for time"),
        pytest.param(Command, with_changes(COMMAND, values=[]), r"\.values is not an object", id="list for values"),
        pytest.param(Command, with_changes(COMMAND, values={1: 1}), r"\.values is not an object", id="number as key"),  # type: ignore[dict-item]
        pytest.param(Command, with_changes(COMMAND, values={"a": [0.5]}), r"\.values\[a\]\[0\] is a float", id="float"),  # type: ignore[list-item]
        pytest.param(Moved, with_changes(MOVED, return_to=[["a"]]), r"\.return_to\[0\] is not a list of 2", id="row"),
        pytest.param(Moved, with_changes(MOVED, return_to=["ab"]), r"\.return_to\[0\] is not a list of 2", id="no row"),
        pytest.param(
            Moved,
            with_changes(MOVED, return_to=[["a", "b"]]),
            r"\.return_to\[0\]\[1\] is not of type int",
            id="in a row",
        ),
        pytest.param(Put, {"type": "Put", "item": {"type": "Stay"}}, r"Put\.item has no type among", id="no such item"),
        pytest.param(Put, {"type": "Put", "item": {"type": "Flag"}}, r"Put\.item lacks 'id'", id="empty item"),
        pytest.param(Put, {"type": "Put", "item": 3}, r"Put\.item has no type among", id="number for item"),
        pytest.param(Put, {"type": [], "item": 3}, "Put has no type among", id="odd tag"),
        pytest.param(Put, {"item": 3}, "Put has no type among", id="no tag"),
        pytest.param(Put, to_json(MOVED), "Put was expected and Moved came", id="another event"),
    ],
)
def test_what_was_not_written_here_is_refused_with_its_place(cls: type, data: Json, problem: str) -> None:
    """Stored bytes are checked field by field; the message says which field and what it should be."""
    with pytest.raises(InvalidInput, match=problem):
        from_json(cls, data)


def test_a_field_without_a_json_form_is_a_mistake_of_ours() -> None:
    """A new kind of field in the model needs its form here first; it is found at once, not in the log."""

    @dataclass(frozen=True)
    class Odd:
        when: complex

    with pytest.raises(TypeError, match=r"engine/codec\.py"):
        to_json(Odd(when=1j))
