"""One entry in sentences: the decision as it was seen, whole, and whether making it again gives the same.

Told from its JSON (`explained.py`), so that both say the same. Times are the site's.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from rich.text import Text

from engine.model import Json
from stepcare.moment import said_at
from stepcare.render import cell, plain
from stepcare.story import late_words
from stepcare.tell import age, consequences, headline

Row = Mapping[str, Json]
Line = Text | str
CHECKED = {
    "equal": ("✓ ", "green", "recomputed and equal: pack, parameters and facts give the commitments the entry keeps"),
    "differs": ("✗ ", "red", "differs"),
    "other_engine": ("? ", "yellow", "differs, but another version of the engine decided it: no failure"),
    "lost": ("? ", "yellow", "cannot be recomputed"),
}
DO = "run `stepcare audit verify`, and compare with a backup"


def explained_lines(row: Row, zone: str) -> Iterator[Line]:
    """Tell an entry; one that cannot be opened tells what it says in the clear."""
    check = cast("dict[str, Any]", row["check"])
    if check["verdict"] == "lost":
        yield from _lost_lines(row, zone)
        return
    yield headline(row)
    if row.get("problem"):
        yield f"  {row['problem']}"
    yield from _section("Who and when", list(_who(row, zone)))
    values = cast("dict[str, Json]", row["values"])
    yield from _section("Asked", [f"{name} = {cell(value)}" for name, value in values.items()])
    yield from _rules(row, zone)
    yield from _section("Two persons", list(_two(row["sign_off"], zone)))
    yield from _section("What came of it", list(_came(row)))
    yield from _section("Facts relied on", list(_facts(row, zone)))
    yield from _section("Decided with", list(_with(row)))
    yield from _section("In the log", list(_place(row)))
    yield _verdict(check)


def _lost_lines(row: Row, zone: str) -> Iterator[Line]:
    """Tell what an entry says in the clear."""
    text = Text("? ", "yellow")
    text.append(plain(f"{row['type']} {row['trigger']} by {row['by']}: {row['outcome']}, entry {row['entry']}"), "bold")
    yield text
    if row["state"] and row["state"] != row["state_before"]:
        yield f"  {row['state_before'] or 'new'} → {row['state']}"
    yield from _section("Who and when", list(_who(row, zone)))
    rules = [f"{one['level']} {one['id']}: {_answer(one['value'])}, {one['answer']}" for one in _items(row["rules"])]
    yield from _section("Rules, by their numbers: their words and values are sealed", rules)
    yield from _section("In the log", list(_place(row)))
    yield _verdict(cast("dict[str, Any]", row["check"]))


def _verdict(check: Mapping[str, Any]) -> Text:
    sign, colour, words = CHECKED[check["verdict"]]
    why = ""
    if check["verdict"] == "lost":
        why = f": {check['why']}"
    elif check["verdict"] != "equal":
        sections = [f"section {name}" for name, said in check["sections"].items() if said == "differs"]
        why = f" in {', '.join([*check['differences'], *sections])}"
        why += f": {DO}" if check["verdict"] == "differs" else ""
    return Text.assemble((sign, colour), (plain(f"{words}{why}"), colour))


# --- parts --------------------------------------------------------------------------------------------------------


def _who(row: Row, zone: str) -> Iterator[str]:
    actor = cast("dict[str, Any]", row["actor"])
    behalf = f" for {actor['on_behalf_of']}" if actor["on_behalf_of"] else ""
    via = f", via {row['via']}" if row.get("via") else ""
    yield f"{actor['id']} as {actor['role']} ({actor['kind']}{behalf}), for {row['purpose']}{via}"
    yield f"recorded {_local(row['at'], zone)}"
    if row["happened_at"] != row["at"]:
        late = late_words(row.get("late_seconds"))
        yield f"happened {_local(row['happened_at'], zone)}{f', entered {late}' if late else ''}"
    if row.get("key"):
        yield f"under the key {row['key']}"


def _rules(row: Row, zone: str) -> Iterator[Line]:
    rules = _items(row["rules"])
    if not rules:
        return
    pack = cast("dict[str, str] | None", row["pack"])
    worded = f", in the pack's own words ({pack['worded_in']})" if pack else ""
    yield Text(f"Rules ({len(rules)} asked, {len(cast('list[str]', row['prompts']))} shown{worded})", style="bold")
    for rule in rules:
        yield from _rule(rule, row, zone)


def _rule(rule: Mapping[str, Any], row: Row, zone: str) -> Iterator[Line]:
    passed = "passed with a reason" if "override" in rule else "signed off" if "signed_off" in rule else ""
    broken = rule["id"] in cast("list[str]", row["failed"])
    sign, colour = ("✗", "red") if broken else ("!", "yellow") if passed or rule["message"] else ("✓", "green")
    word = "failed" if broken else passed or ("holds" if rule["satisfied"] else "shown")
    head = Text("  ")
    head.append(f"{sign} {rule['level']} {rule['id']}", colour)
    head.append(plain(f"  {_answer(rule['value'])}, {word}{': ' if rule['message'] else ''}{rule['message']}"))
    yield head
    for clause in rule["clauses"]:
        yield f"      {clause['text']}: {_answer(clause['value'])}"
        for one in clause["inputs"]:
            if one["record"] or one["fact"] != clause["text"]:
                yield f"        {_value(one, row, zone)}"
    if "override" in rule:
        yield f"      reason given: {rule['override']['reason']} {rule['override']['text']}".rstrip()
    if rule["remedy"]:
        yield f"      → {rule['remedy']}"
    cited = cast("dict[str, str]", row["citations"])
    for source in rule["sources"] if rule["message"] else ():
        yield f"      source {source}{f': {cited[source]}' if source in cited else ''}"
    if rule["sources"] and not rule["message"]:
        yield f"      sources {', '.join(rule['sources'])}"


def _value(one: Mapping[str, Any], row: Row, zone: str) -> str:
    """Tell a value that was read: where it came from, and how old it was."""
    said = "not known" if one["value"] is None else cell(one["value"])
    if not one["record"]:
        made = "" if one["value"] is None or one["fact"].startswith("param.") else ", computed"
        return f"{one['fact']} = {said}{made}"
    occurred = str(one["occurred_at"])
    if row["id"] == one["record"] and occurred == one["recorded_at"]:
        return f"{one['fact']} = {said}, said here"
    entry = cast("dict[str, int]", row["recorded_in"]).get(one["record"])
    where = f"entry {entry}" if entry is not None else f"record {one['record']}"
    where = "this entry" if row["id"] == one["record"] else where
    late = "" if occurred == one["recorded_at"] else f", recorded {_local(one['recorded_at'], zone)}"
    return f"{one['fact']} = {said}, of {where}, {age(occurred, str(row['at']))} ({_local(occurred, zone)}{late})"


def _two(pair: Json, zone: str) -> Iterator[str]:
    if pair is None:
        return
    found = cast("dict[str, Any]", pair)
    why = f": {found['why']}" if found.get("why") else ""
    yield f"request {found['request']}: {found['status']}{why}"
    for name, word in (("asked", "asked for"), ("answered", "answered")):
        one = found[name]
        if one is None:
            yield f"not {word} {'here' if name == 'asked' else 'yet'}"
        else:
            answer = f" {cell(one['answer'])}" if name == "answered" else ""
            yield f"{word}{answer} by {one['by']} as {one['role']}, {_local(one['at'], zone)}, entry {one['entry']}"


def _came(row: Row) -> Iterator[str]:
    if row.get("recommended"):
        yield f"recommended: {row['recommended']}, taken: {row['taken'] or 'nothing'}"
    for one in _items(row["records"]):
        place = f", in place of {one['supersedes']}" if one["supersedes"] else ""
        yield f"+ record {one['id']} ({one['form']}){place}"
    yield from (line.plain.strip() for line in consequences({**row, "relied_on_by": []}))
    timers = cast("dict[str, list[Any]]", row["timers"])
    for name, found in timers.items():
        kinds = sorted({one["kind"] for one in found})
        if found:
            yield f"{len(found)} timer{'' if len(found) == 1 else 's'} {name}: {', '.join(kinds)}"
    derived = cast("dict[str, Json]", row["derived"])
    if derived:
        yield "then: " + ", ".join(f"{key} {'not known' if one is None else cell(one)}" for key, one in derived.items())


def _facts(row: Row, zone: str) -> Iterator[str]:
    wrong = {one["record"]: one["corrected_by"] for one in _items(row["relied_wrongly"])}
    for one in _items(row["reads"]):
        of = f"{one['form'] or 'record'} {one['record']}"
        where = f", entry {one['entry']}, of {_local(one['occurred_at'], zone)}" if one["entry"] is not None else ""
        by = f" ! corrected since, by {_entries(wrong[one['record']])}" if one["record"] in wrong else ""
        yield f"{of}{where}{by}"
    if row["corrects"] is not None:
        yield f"this corrects entry {row['corrects']}"
    for one in _items(row["misled"]):
        relied = one["relied_on"]
        yield f"! entry {one['entry']} ({one['outcome']}) had relied on {relied['form']} {relied['record']}, corrected here"
    if row["corrected_by"]:
        yield f"! what this recorded was corrected by {_entries(row['corrected_by'])}"


def _with(row: Row) -> Iterator[str]:
    pack = cast("dict[str, Any] | None", row["pack"])
    if pack:
        yield f"pathway {pack['id']} {pack['version']}, {pack['sha256']}"
    yield f"parameters {row['parameters']}"
    numbers = cast("dict[str, dict[str, Json]]", row["parameter_values"])
    yield from (f"  {name} = {'unset' if one is None else cell(one)}" for name, one in numbers["used"].items())
    others = [name for name in numbers["set"] if name not in numbers["used"]]
    if others:
        yield f"  set here and not read: {', '.join(others)}"
    yield f"engine {row['engine']}"


def _place(row: Row) -> Iterator[str]:
    chain = cast("dict[str, Any]", row["chain"])
    whose = f"of episode {row['episode']}" if row["episode"] else "of the site"
    ends = [f"{name} {chain[name]}" if chain[name] is not None else f"no {name} one" for name in ("previous", "next")]
    yield f"entry {row['entry']}, number {chain['number']} {whose}; {', '.join(ends)}"
    yield f"id {row['id']}"
    for name, value in cast("dict[str, str]", row["commitments"]).items():
        yield f"commitment to {name} {value}"


# --- words --------------------------------------------------------------------------------------------------------


def _section(title: str, lines: list[str]) -> Iterator[Line]:
    if lines:
        yield Text(title, style="bold")
        yield from (f"  {line}" for line in lines)


def _local(at: Json, zone: str) -> str:
    return said_at(datetime.fromisoformat(str(at)), zone)


def _answer(value: Json) -> str:
    return "not known" if value == "unknown" else "yes" if value else "no"


def _entries(value: Json) -> str:
    found = cast("list[int]", value)
    return f"entr{'y' if len(found) == 1 else 'ies'} {', '.join(map(str, found))}"


def _items(value: Json) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", value or [])
