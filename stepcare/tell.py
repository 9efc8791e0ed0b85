"""Decisions, open moves and due work in sentences: what people read where programs read JSON.

Everything is told from the JSON itself (`answers.py`), so both say the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from rich.text import Text

from engine.model import Json
from stepcare.due_reasons import status_in_words
from stepcare.render import cell, plain

Row = Mapping[str, Json]
SIGNS = {
    "accepted": ("✓", "green"),
    "needs_sign_off": ("…", "yellow"),
    "refused": ("✗", "red"),
    "invalid": ("!", "red"),
}
OUTCOMES = {
    "accepted": "accepted",
    "needs_sign_off": "waits for another person's yes",
    "refused": "refused",
    "invalid": "cannot be read",
}
INDENT = "  "


def decision_lines(row: Row, citations: Mapping[str, str]) -> Iterator[Text]:
    """Tell a decision: what came of it, every rule that was shown, and what follows."""
    yield headline(row)
    if row.get("problem"):
        yield _line(1, str(row["problem"]))
    failed = set(cast("list[str]", row["failed"]))
    rules = _items(row["rules"])
    for rule in rules:
        if rule["id"] in failed or "override" in rule or "signed_off" in rule or rule["message"]:
            yield from rule_lines(rule, citations, str(row["at"]))
    if row.get("recommended") and row.get("recommended") != row.get("taken"):
        yield _line(1, f"recommended: {row['recommended']}, taken: {row['taken'] or 'nothing'}")
    yield from consequences(row)


def headline(row: Row) -> Text:
    """Tell who did what and what came of it, in one line."""
    sign, colour = SIGNS[str(row["outcome"])]
    named = row.get("taken") or row.get("asked")
    what = f"{row['command']} {named}" if named and named != row["command"] else str(row["command"])
    what = f"timer {named}" if row["command"] == "fire" else what
    text = Text.assemble((f"{sign} ", colour), (what, "bold"), plain(f" by {row['by']}: "))
    text.append(OUTCOMES[str(row["outcome"])], colour)
    if row.get("entry") is not None:
        text.append(f", entry {row['entry']}")
    if row.get("repeated"):
        text.append(" (said before, under the same key)")
    if row.get("state") and row["state"] != row.get("state_before"):
        text.append(f"   {row.get('state_before') or 'new'} → {row['state']}")
    elif row.get("state"):
        text.append(f"   {row['state']}")
    return text


def rule_lines(rule: Row, citations: Mapping[str, str], at: str) -> Iterator[Text]:
    """Tell one rule: what it says, why, what would help, and where it comes from."""
    passed = "passed with a reason" if "override" in rule else "signed off" if "signed_off" in rule else ""
    colour = "yellow" if passed or rule["level"] == "INFO" else "red"
    head = Text(INDENT)
    head.append(f"{rule['level']} {rule['id']}", colour)
    head.append(f"  {plain(str(rule['message']) or passed)}")
    if passed and rule["message"]:
        head.append(f" ({passed})")
    yield head
    for clause in _items(rule["clauses"]):
        if clause["value"] is not True:
            yield _line(3, f"{clause['text']}: {_answer(clause['value'])}")
            for found in _items(clause["inputs"]):
                if found["value"] is not None or clause["text"] not in (found["fact"], f"{found['fact']} is known"):
                    yield _line(4, input_text(found, at))
    if "override" in rule:
        reason = cast("dict[str, str]", rule["override"])
        yield _line(3, f"reason given: {reason['reason']} {reason['text']}".rstrip())
    if rule["remedy"] and not passed:
        yield _line(3, f"→ {rule['remedy']}")
    for source in cast("list[str]", rule["sources"]):
        yield _line(3, f"source {source}: {citations[source]}" if source in citations else f"source {source}")


def input_text(found: Row, at: str) -> str:
    """Tell a fact that was read: its value, and how old it is."""
    value = "not known" if found["value"] is None else cell(found["value"])
    occurred, recorded = found.get("occurred_at"), found.get("recorded_at")
    if not occurred or not recorded:
        return f"{found['fact']} = {value}"
    late = "" if str(occurred)[:10] == str(recorded)[:10] else f", recorded {str(recorded)[:10]}"
    return f"{found['fact']} = {value} ({age(str(occurred), at)}, of {str(occurred)[:10]}{late})"


def age(then: str, now: str) -> str:
    """Say how long ago an instant was."""
    days = (datetime.fromisoformat(now) - datetime.fromisoformat(then)).days
    return "today" if days < 1 else "1 day old" if days == 1 else f"{days} days old"


def _answer(value: Json) -> str:
    return "not known" if value == "unknown" else "no" if value is False else "yes"


def consequences(row: Row) -> Iterator[Text]:
    """Tell what follows from a decision: work, messages, flags, deviations, a request."""
    due = cast("dict[str, list[Any]]", row.get("due_items", {}))
    for name, sign in (("created", "+"), ("changed", "~"), ("done", "✓"), ("cancelled", "-")):
        for item in due.get(name, ()):
            until = f", due {item['due_on']}" if item["due_on"] and name in ("created", "changed") else ""
            yield _line(1, f"{sign} due item {item['id']}: {item['title']}{until} ({item['owner_role']})")
    yield from _messages(cast("dict[str, list[Any]]", row.get("messages", {})))
    flags = cast("dict[str, list[Any]]", row.get("flags", {}))
    for flag in flags.get("raised", ()):
        yield _line(1, f"! red flag {flag['id']}: {flag['urgency']}")
    for deviation in _items(row.get("deviations", [])):
        yield _line(1, f"! deviation from {deviation['id']}: {deviation['reason'] or 'reason owed'}")
    request = cast("dict[str, Any] | None", row.get("request"))
    if request and request["status"] == "open":
        asked = f"… request {request['id']} for {', '.join(request['rules'])}: one of {', '.join(request['roles'])}"
        yield _line(1, f"{asked} may sign off until {request['expires_at'][:16]}Z")
    relied = cast("list[int]", row.get("relied_on_by", []))
    if relied:
        yield _line(1, f"! decisions that relied on the old record: versions {', '.join(map(str, relied))}")


def _messages(messages: Mapping[str, list[Any]]) -> Iterator[Text]:
    """Tell what is to be sent, then what became of a message now."""
    for message in messages.get("queued", ()):
        yield _line(1, f"+ message {message['template']} to {message['recipient']} by {message['channel']}")
    for status, ended in messages.items():
        for message in ended if status != "queued" else ():
            said = f"message {message['template']} to {message['recipient']} by {message['channel']}"
            yield _line(1, f"~ {said}: {status_in_words(status, message.get('reason') or '')}")


# --- what may happen next -----------------------------------------------------------------------------------------


def option_lines(options: Sequence[Row], citations: Mapping[str, str], at: str) -> Iterator[Text]:
    """Tell every transition from here: open, waiting for a second person, or closed and by what."""
    for option in options:
        head = Text()
        if option["open"]:
            head.append("✓ ", "green")
            word, colour = "open", "green"
        elif option["needs_sign_off"]:
            head.append("… ", "yellow")
            word, colour = "needs another person's yes", "yellow"
        else:
            head.append("✗ ", "red")
            word, colour = "closed", "red"
        head.append(f"{option['transition']} {option['name']}", "bold")
        head.append(f" → {option['target']}: {plain(str(option['title']))}: ")
        head.append(word, colour)
        yield head
        for rule in (*_items(option["closed_by"]), *_items(option["shown"])):
            yield from rule_lines(rule, citations, at)
        questions = cast("list[str]", option["questions"])
        if questions:
            yield _line(1, f"to be answered with it: {', '.join(questions)}")


def _items(value: Json) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", value or [])


def _line(level: int, text: str) -> Text:
    return Text(f"{INDENT * level}{plain(text)}")
