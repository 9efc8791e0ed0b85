"""Telling what will be sent about an episode, and what was and was not sent, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from engine.audit import instant_from
from engine.errors import InvalidInput
from engine.model import Episode, Json
from engine.time import zone
from stepcare.desk.episodes import read_one
from stepcare.desk.opened import opened
from stepcare.due_story import due_story, message_story
from stepcare.options import Options
from stepcare.render import emit_thing
from storage.refs import check_ref

Row = dict[str, Json]
DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What was asked of `due explain`: an episode, or one message (its id begins with its episode)."""

    episode: str | None
    message: str | None
    days: int = DAYS


def explain_due(options: Options, asked: Explained) -> None:
    """Say for every open due item why it is there, what will be sent, and what became of what was to be sent."""
    name = asked.episode or (asked.message or "").partition(":")[0]
    if not name:
        raise InvalidInput("Say which episode, or which message: `stepcare due explain EPISODE`, or `--message ID`.")
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, name)
        now = desk.app.clock()
        if asked.message is not None:
            message = _whole(asked.message, episode)
            row = message_story(desk.app, episode, compiled, now, message)
            emit_thing(options.output, row, lambda: _message_lines(row, episode))
        else:
            story = due_story(desk.app, episode, compiled, now, asked.days)
            emit_thing(options.output, story, lambda: _lines(story, episode, asked.days))


def _whole(typed: str, episode: Episode) -> str:
    """Give a message's id with its episode, however it was typed."""
    head, _, rest = typed.partition(":")
    if head == episode.id:
        return typed
    try:
        return f"{check_ref(head)}:{rest}" if check_ref(head) == episode.id else f"{episode.id}:{typed}"
    except InvalidInput:
        return f"{episode.id}:{typed}"


# --- the whole story ------------------------------------------------------------------------------------------------


def _lines(row: Row, episode: Episode, days: int) -> Iterator[Text | str]:
    items: Any = row["due_items"]
    if not items:
        yield f"Nothing is owed for {episode.id}: its state is {episode.state}."
    for item in items:
        yield from _item_lines(item)
    yield from _coming_lines(row["coming"], days)
    yield from _sent_lines(row["messages"], episode)
    yield from _timer_lines(row["timers"], episode)


def _item_lines(item: Any) -> Iterator[Text | str]:
    head = f"{item['title']} ({item['id']})"
    yield Text.assemble((head, "bold"), f"  due {item['due_on'] or 'without a date'}, {item['owner_role']}")
    yield f"  because {item['because']}"
    if item["done_by"]:
        yield f"  done by {', '.join(item['done_by'])}"
    if item["stands_still"]:
        yield "  stands still: the episode is on hold or in evaluation"
    elif item["snoozed_until"]:
        yield f"  remind later: nothing is sent before {str(item['snoozed_until'])[:10]}"
    for rung in item["coming"]:
        what = rung["template"] or rung["proposes"] or ""
        again = ", and again until it is done" if rung["repeats"] else ""
        yield f"  {rung['local']}  {rung['kind']} {rung['to']}: {what}{again}"
    if not item["coming"] and not item["stands_still"]:
        yield "  nothing more will be sent"


def _coming_lines(coming: Any, days: int) -> Iterator[Text | str]:
    if days == 0:
        return
    yield Text(f"In the next {days} days, if nobody acts", style="bold")
    if not coming:
        yield "  nothing is sent; --days looks further ahead"
    for one in coming:
        yield f"  {one['local']}  {_what(one)}, about {one['about']}"
        if one["text"]:
            yield f"    “{one['text']}”"
        if one["stopped_by"] and one["will"] != "not sent":
            yield f"    unless {'; '.join(one['stopped_by'])}"


def _what(one: Any) -> str:
    """Say what comes, and what becomes of it where it is not simply sent."""
    if one["will"] == "proposed":
        return f"put before the {one['to']} to decide"
    by = f" by {one['channel']}" if one["channel"] else ""
    said = f"{one['template']} to {one['to']}{by}"
    if one["will"] == "sent":
        return said
    return f"{said}: {one['will']}, {one['why_not']}" if one["why_not"] else f"{said}: {one['will']}"


def _sent_lines(messages: Any, episode: Episode) -> Iterator[Text | str]:
    yield Text("Sent and not sent", style="bold")
    if not messages:
        yield "  nothing was to be sent so far"
    for one in messages:
        yield f"  {one['local']}  {one['template']} to {one['recipient']} by {one['channel']}: {one['words']}"
        yield f"    {_entries(one)}; {one['why']}" if one["why"] not in one["words"] else f"    {_entries(one)}"
        yield from _try_lines(one, episode, "    ")
        yield f"    {one['id']}"


def _entries(one: Any) -> str:
    """Name the entries a message or timer goes by."""
    made = one.get("made") or one.get("armed")
    ended = one["ended"]
    if ended is None or ended["entry"] == made["entry"]:
        return f"entry {made['entry']}"
    return f"entries {made['entry']} and {ended['entry']}"


def _try_lines(one: Any, episode: Episode, margin: str) -> Iterator[str]:
    here = zone(episode.zone)
    for attempt in one["attempts"]:
        at = _clock(attempt["at"], here)
        detail = f" ({attempt['detail']})" if attempt["detail"] else ""
        whom = f" to {attempt['receiver']}" if attempt["receiver"] else ""
        yield f"{margin}{at}  {attempt['status']}{whom} by {attempt['channel']}{detail}, {attempt['worker']}"
    for receipt in one["receipts"]:
        yield f"{margin}{_clock(receipt['at'], here)}  receipt: {receipt['kind']}"


def _clock(at: str, here: Any) -> str:
    return instant_from(at).astimezone(here).strftime("%Y-%m-%d %H:%M:%S")


def _timer_lines(timers: Any, episode: Episode) -> Iterator[Text | str]:
    """Tell the timers that came to something else than a message: taken back, stale, expired, parked."""
    quiet = [one for one in timers if one["state"] not in ("armed", "fired") or one["parked"]]
    if quiet:
        yield Text("Times that came to nothing", style="bold")
    for one in quiet:
        here = zone(episode.zone)
        yield f"  {_clock(one['at'], here)[:16]}  {one['about'] or one['kind']}: {one['why']} ({_entries(one)})"


# --- one message ----------------------------------------------------------------------------------------------------


def _message_lines(row: Row, episode: Episode) -> Iterator[Text | str]:
    one: Any = row
    yield Text.assemble((str(one["id"]), "bold"))
    yield f"  {one['template']} to {one['recipient']} by {one['channel']}, not before {one['local']}"
    if one["about"]:
        yield f"  about {one['about']} ({one['due_item']})"
    if one["text"]:
        parts = one["sms_parts"]
        yield f"  “{one['text']}” ({parts} short message{'s' if parts != 1 else ''})"
    yield f"  {one['words']}"
    if one["why"] not in one["words"]:
        yield f"  {one['why']}"
    if one["follows"]:
        yield f"  stands in for {one['follows']}"
    here = zone(episode.zone)
    for turn in one["history"]:
        reason = f" ({turn['reason']})" if turn["reason"] else ""
        yield f"  {_clock(turn['at'], here)}  {turn['status']}{reason}: entry {turn['entry']} by {turn['by']}, {turn['what']}"
    yield from _try_lines(one, episode, "  ")
    if not one["attempts"]:
        yield "  no worker has tried to send it"
