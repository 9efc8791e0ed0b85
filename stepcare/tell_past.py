"""The past in sentences: what stands above an earlier picture, a story's lines, and a difference in words.

Times are the site's, without an offset where a whole table says so in its heading.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from rich.text import Text

from engine.model import Json
from engine.time import zone as zone_of
from stepcare.asof import OCCURRED, RECORDED
from stepcare.moment import Moment
from stepcare.render import Column, cell, plain
from stepcare.story import late_words
from stepcare.tell import OUTCOMES, SIGNS

Row = Mapping[str, Json]
Line = Text | str
NOTES = " " * 26  # what is said of an entry stands below its first words
# What programs read of a story, in CSV too.
STORY = tuple(
    Column(key=key, title=key)
    for key in (
        *("entry", "recorded_at", "occurred_at", "late_seconds", "by", "role", "command", "what", "transition", "form"),
        *("record", "outcome", "state_before", "state", "failed", "overrides", "signed_off", "rules"),
        *("corrects", "corrected_by", "relied_wrongly"),
    )
)


# --- as of --------------------------------------------------------------------------------------------------------


def recorded_heading(row: Row, moment: Moment) -> Iterator[Line]:
    """Say what moment a picture is of, and what was recorded after it."""
    said = cast("dict[str, Any]", row["as_of"])
    since = {0: "nothing was recorded since", 1: "1 entry was recorded since"}
    later = since.get(said["later"], f"{said['later']} entries were recorded since")
    yield Text(f"As it was recorded by {moment.words()}", style="bold")
    yield f"  the last entry then was {said['entry']}; {later}"


def occurred_lines(row: Row, moment: Moment) -> Iterator[Line]:
    """Tell what had occurred by a moment, as it is known today."""
    said = cast("dict[str, Any]", row["as_of"])
    yield Text(f"What had occurred by {moment.words()}, as it is known today: NOT RE-DECIDED", style="bold yellow")
    yield f"  {said['note']}"
    if said["recorded_later"]:
        yield f"  not known yet at that moment: {_entries(said['recorded_later'])}"
    state = f"{row['title']} ({row['state']})" if row["state"] else "no state yet"
    yield Text.assemble((str(row["episode"]), "bold"), f"  {state}")
    for stay in _items(row["stays"]):
        yield f"  {_local(stay['since'], moment.zone)}  {stay['state']}"
    derived = cast("dict[str, Json]", row["derived"])
    yield "  " + ", ".join(f"{name} {'not known' if value is None else cell(value)}" for name, value in derived.items())
    open_flags = [f"{one['id']}: {one['urgency']}" for one in _items(row["flags"]) if not one["cleared_at"]]
    yield from _section("Red flags", open_flags)
    yield from _section("Treatments", [f"{one['kind']}: {one['status']}" for one in _items(row["treatments"])])
    deviations = [f"{one['id']}: {one['reason'] or 'reason owed'}" for one in _items(row["deviations"])]
    yield from _section("Deviations", deviations)
    yield from _section("Occurred", [_record_line(one, moment.zone) for one in _items(row["records"])])


def _record_line(record: Mapping[str, Any], zone: str) -> str:
    line = f"{_local(record['occurred_at'], zone)}  {record['form']} ({record['id']})"
    if record["corrects"]:
        line += f", corrects {', '.join(record['corrects'])}"
    return f"{line}, recorded only at {_local(record['recorded_at'], zone)}" if record["recorded_later"] else line


# --- the story ----------------------------------------------------------------------------------------------------


def story_lines(rows: Iterable[Row], zone: str, by: str) -> Iterator[Line]:
    """Tell an episode's entries one by one, each with what is to be known about it."""
    yield f"Times are those of {zone}, when it was {by}; where only one is said, both are the same."
    for row in rows:
        yield _story_head(row, zone, by)
        yield from (f"{NOTES}{one}" for one in _story_notes(row, zone, by))


def _story_head(row: Row, zone: str, by: str) -> Text:
    sign, colour = SIGNS[str(row["outcome"])]
    text = Text(f"{row['entry']!s:>6}  {_local(row[f'{by}_at'], zone)}  ")
    text.append(f"{sign} ", colour)
    text.append(plain(str(row["what"])), "bold")
    text.append(plain(f" by {row['by']}"))
    if row["outcome"] != "accepted":
        text.append(f": {OUTCOMES[str(row['outcome'])]}", colour)
    if row["state"] and row["state"] != row["state_before"]:
        text.append(f"   {row['state_before'] or 'new'} → {row['state']}")
    return text


def _story_notes(row: Row, zone: str, by: str) -> Iterator[str]:
    if row["recorded_at"] != row["occurred_at"]:
        late = late_words(row["late_seconds"])
        other = RECORDED if by == OCCURRED else OCCURRED
        yield f"{other} {_local(row[f'{other}_at'], zone)}{f', entered {late}' if late else ''}"
    if row["rules"]:
        yield str(row["rules"])
    if row["corrects"] is not None:
        yield f"corrects entry {row['corrects']}"
    if row["corrected_by"]:
        yield f"! corrected by {_entries(row['corrected_by'])}"
    for wrong in _items(row["relied_wrongly"]):
        yield f"! relied on {_of(wrong)}, corrected by {_entries(wrong['corrected_by'])}"


def _of(wrong: Mapping[str, Any]) -> str:
    return f"{wrong['form']} of entry {wrong['entry']}" if wrong["entry"] is not None else f"record {wrong['record']}"


def misled_lines(rows: Iterable[Row]) -> Iterator[Line]:
    """Tell the decisions that relied on something corrected after them."""
    found = [misled_words(row, wrong) for row in rows for wrong in _items(row["relied_wrongly"])]
    yield from _section("Relied on what was corrected later", found)


def misled_words(row: Row, wrong: Mapping[str, Any]) -> str:
    """Tell one decision that relied on something corrected after it."""
    which = f"entry {row['entry']} ({row['what']}, {row['outcome']})"
    return f"{which} relied on {_of(wrong)}, corrected by {_entries(wrong['corrected_by'])}"


# --- a difference -------------------------------------------------------------------------------------------------


def between_lines(row: Row, first: Moment, last: Moment) -> Iterator[Line]:
    """Tell what changed between two moments."""
    passed = _items(row["entries"])
    yield Text.assemble((str(row["episode"]), "bold"), f"  from {first.words()} to {last.words()}")
    if cast("dict[str, Json]", row["from"])["entry"] is None:
        yield "  not registered yet at the first of them"
    if not passed:
        yield "  no entry was recorded between them"
    else:
        yield f"  {len(passed)} entr{'y was' if len(passed) == 1 else 'ies were'} recorded between them: {_span(passed)}"
    zone = last.zone
    changed = cast("dict[str, dict[str, Json]]", row["changed"])
    yield from _section("Moved", [_move_line(one, zone) for one in _items(row["moves"])])
    yield from _section(
        "Changed", [f"{name}: {_said(one['from'])} → {_said(one['to'])}" for name, one in changed.items()]
    )
    yield from _section("Recorded", list(_record_lines(row, zone)))
    yield from _section("Treatments", [_turned(one) for one in _items(row["treatments"])])
    yield from _section("Red flags", list(_pairs(row["flags"], _flag_line, raised="!", cleared="✓")))
    due = cast("dict[str, Json]", row["due_items"])
    signs = {"opened": "+", "moved": "~", "closed": "-", "passed": "±"}
    yield from _section("Owed", list(_pairs(due, _due_line, **signs)))
    yield from _section("Sign-off", list(_pairs(row["requests"], _request_line, opened="…", answered="✓")))
    yield from _section("Deviations", list(_pairs(row["deviations"], _deviation_line, added="!", reasoned="✓")))


def _span(passed: list[dict[str, Any]]) -> str:
    first, last = passed[0]["entry"], passed[-1]["entry"]
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def _move_line(move: Mapping[str, Any], zone: str) -> str:
    by = f" by {move['transition']}" if move["transition"] else ""
    return f"{move['from'] or 'new'} → {move['to']}{by}, {_local(move['at'], zone)} (entry {move['entry']})"


def _record_lines(row: Row, zone: str) -> Iterator[str]:
    records = cast("dict[str, Json]", row["records"])
    for one in _items(records["added"]):
        late = "" if one["occurred_at"] == one["recorded_at"] else f", recorded {_local(one['recorded_at'], zone)}"
        yield f"+ {one['form']} ({one['id']}) of {_local(one['occurred_at'], zone)}{late} (entry {one['entry']})"
    for one in _items(records["superseded"]):
        yield f"- {one['form']} ({one['id']}) of entry {one['entry']}: superseded by {one['superseded_by']}"


def _turned(one: Mapping[str, Any]) -> str:
    return f"{one['kind']}: {one['from'] or 'new'} → {one['to']}"


def _pairs(row: Json, tell: Any, **signs: str) -> Iterator[str]:
    found = cast("dict[str, Json]", row)
    for name, sign in signs.items():
        for one in _items(found[name]):
            yield f"{sign} {tell(one)}"


def _flag_line(one: Mapping[str, Any]) -> str:
    return f"{one['id']}: {one['urgency']}{', cleared' if one['cleared_at'] else ''}"


def _due_line(one: Mapping[str, Any]) -> str:
    until = f", due {one['due_on']}" if one["due_on"] else ""
    was = ", ".join(f"{name} was {_said(value)}" for name, value in one.get("was", {}).items() if name != "due_at")
    ended = f", {one['status']}" if one["status"] not in ("open", "on_hold") else until
    return f"{one['title']} ({one['owner_role']}){ended}{f': {was}' if was else ''}"


def _request_line(one: Mapping[str, Any]) -> str:
    why = f" ({one['why']})" if one["why"] else ""
    status = "" if one["status"] == "open" else f": {one['status']}{why}"
    return f"{one['id']}: {one['command']} by {one['by']} for {', '.join(one['rules'])}{status}"


def _deviation_line(one: Mapping[str, Any]) -> str:
    return f"{one['id']}: {one['reason'] or 'reason owed'}"


# --- words --------------------------------------------------------------------------------------------------------


def _section(title: str, lines: list[str]) -> Iterator[Line]:
    if lines:
        yield Text(title, style="bold")
        yield from (f"  {line}" for line in lines)


def _local(at: Json, zone: str) -> str:
    return f"{datetime.fromisoformat(str(at)).astimezone(zone_of(zone)):%Y-%m-%d %H:%M}"


def _said(value: Json) -> str:
    return "none" if value in (None, [], "") else cell(value)


def _numbers(value: Json) -> str:
    return ", ".join(str(one) for one in cast("list[int]", value))


def _entries(value: Json) -> str:
    found = cast("list[int]", value)
    return f"entr{'y' if len(found) == 1 else 'ies'} {_numbers(value)}"


def _items(value: Json) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", value or [])
