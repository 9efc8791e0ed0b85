"""Putting work off: how far, how often, and what never waits.

A snooze is kept as a record of the form of that name, where the pack has one: so its reason is coded, and how often a
piece of work was put off is counted, not stored. The due day stays where it is.
"""

from collections.abc import Iterator
from datetime import date

from engine.compiled import Compiled
from engine.fold import valid
from engine.forms import Problem
from engine.model import Command, DueItem, Episode, Json

SNOOZE = "snooze"


def snooze_problems(compiled: Compiled, episode: Episode, command: Command, today: date) -> Iterator[Problem]:
    """Find why this work cannot be put off so: every reason at once."""
    name = command.values.get("due_item")
    item = next((item for item in episode.due_items if item.id == name and item.status == "open"), None)
    if item is None:
        items = ", ".join(item.id for item in episode.due_items if item.status == "open") or "none"
        yield Problem(field="due_item", message=f"There is no open due item {name!r}. Open: {items}.")
    else:
        yield from _not_this(compiled, episode, item)
    yield from _not_until(compiled, command, today)
    if SNOOZE not in compiled.pathway.forms and not command.values.get("reason"):
        yield Problem(field="reason", message="Say why it can wait.")


def snooze_answers(command: Command) -> dict[str, Json]:
    """Give what the record of a snooze holds. It calls the work `item`: a record that says `due_item` fulfils it."""
    return {"item": command.values.get("due_item"), **{k: v for k, v in command.values.items() if k != "due_item"}}


def times_put_off(episode: Episode, item: str) -> int:
    """Count how often a piece of work was put off."""
    return sum(one.form == SNOOZE and one.values.get("item") == item for one in valid(episode.records))


def _not_this(compiled: Compiled, episode: Episode, item: DueItem) -> Iterator[Problem]:
    if compiled.pathway.due[item.kind].priority != "normal":
        message = f"{item.title} is a matter of safety and does not wait: do it, or hand it on."
        yield Problem(field="due_item", message=message)
    most, before = compiled.parameters.get("snooze_times_max"), times_put_off(episode, item.id)
    if isinstance(most, int) and before >= most:
        message = f"{item.title} was put off {before} times already, {most} is the most: do it, or hand it on."
        yield Problem(field="due_item", message=message)


def _not_until(compiled: Compiled, command: Command, today: date) -> Iterator[Problem]:
    try:
        until = date.fromisoformat(str(command.values.get("until")))
    except ValueError:
        yield Problem(field="until", message="Say until which day (YYYY-MM-DD).")
        return
    longest, days = compiled.parameters.get("snooze_days_max"), (until - today).days
    if days < 1 or (isinstance(longest, int) and days > longest):
        message = f"{until} is {days} days ahead: choose 1 to {longest or 'more'} days."
        yield Problem(field="until", message=message)
