"""Nouns as rows and back: the list row of an episode, due items, timers, messages.

Everything here is a copy of what the entries say. `verify` makes the same rows from the folded log and compares.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from engine.audit import instant, instant_from
from engine.decision import Put
from engine.model import DueItem, Episode, Json, Message, Person, Role, Timer
from storage.schema_erasure import AT, EMPTY_EPISODE
from storage.tables import Row

# What a decision says of the picture afterwards, copied into list columns of the same name.
PICTURED = ("response", "chronicity", "baseline", "last", "change")
URGENCIES = ("", "routine", "urgent", "emergency")
ENDED = ("closed", "void")
# The lanes of the worklist, by what does not change with time; see `place_of`.
EMERGENCY, URGENT, SAFETY, SAFETY_ESCALATED, ESCALATED, ORDINARY = LANES = "012345"
UNDATED = "~"  # after every date, as text
# The worker's own columns: no entry speaks of them, so no entry can vouch for them.
UNVOUCHED = frozenset({"lease_owner", "lease_until", "fence", "attempt", "last_error", "parked", "try_at", "stage"})

_ROLES = {role.value: role for role in Role}

Work = DueItem | Timer | Message
TABLE_OF: Mapping[type, str] = {DueItem: "due_item", Timer: "timer", Message: "message"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The entry a row follows from: its index, its time, and the picture it left (empty: it drew none)."""

    idx: int
    at: datetime
    derived: Mapping[str, Json]


def episode_row(episode: Episode, person: Person, moment: Moment, before: Row | None) -> Row:
    """Give the list row of an episode after an entry; an entry without a picture keeps that of the row before."""
    region, kind = person.episodes.get(episode.id, ("", ""))
    open_flags = sum(flag.cleared_at is None for flag in episode.flags)
    due = [item.due_at for item in episode.due_items if item.status == "open" and item.due_at is not None]
    stays = episode.stays
    return {
        "id": episode.id,
        "person_ref": episode.person.id,
        "pathway_sha": episode.pathway,
        "zone": episode.zone,
        "language": episode.language,
        "team": episode.team,
        "owner": episode.owner,
        "region": region,
        "state": episode.state,
        "version": episode.version,
        "plan_version": episode.plan_version,
        "last_idx": moment.idx,
        **_pictured(moment.derived, before),
        "flags_open": open_flags,
        "urgency": _lifted(episode),
        "next_due_at": instant(min(due)) if due else None,
        "opened_at": before["opened_at"] if before else instant(stays[0].since if stays else moment.at),
        "closed_at": instant(stays[-1].since if stays else moment.at) if kind in ENDED else None,
        "updated_at": instant(moment.at),
    }


def emptied_row(row: Row, at: str) -> Row:
    """Give an episode's list row as an erasure at this time leaves it; of `row` only what the log says openly stays."""
    return {**row, **{name: at if value == AT else value for name, value in EMPTY_EPISODE.items()}}


def _pictured(derived: Mapping[str, Json], before: Row | None) -> Row:
    if not derived and before is not None:
        return {name: before[name] for name in PICTURED}
    return {name: None if derived.get(name) is None else str(derived[name]) for name in PICTURED}


def work_put(events: Iterable[object]) -> list[Work]:
    """Give the due items, timers and messages these events put down, the last word on each, in id order."""
    last = {
        (TABLE_OF[type(event.item)], event.item.id): event.item
        for event in events
        if isinstance(event, Put) and isinstance(event.item, DueItem | Timer | Message)
    }
    return [last[key] for key in sorted(last)]


def work_row(episode: Episode, item: Work, priorities: Mapping[str, str]) -> Row:
    """Give the row of a due item, timer or message, in the table `TABLE_OF` names.

    `priorities` are those that the episode's pathway gives to kinds of due items (normal where it names none).
    """
    match item:
        case DueItem():
            return due_item_row(episode, item, priorities.get(item.kind, "normal"))
        case Timer():
            return timer_row(episode.id, item)
        case Message():
            return message_row(episode.id, item)


def work_moved(before: Episode, after: Episode) -> tuple[DueItem, ...]:
    """Give the due items whose rows change with the episode's own: another team, owner or urgency moves what is open."""
    same = before.team == after.team and before.owner == after.owner
    if same and (before.flags is after.flags or _lifted(before) == _lifted(after)):
        return ()
    return tuple(item for item in after.due_items if item.status == "open")


def _lifted(episode: Episode) -> str:
    open_flags = (flag.urgency for flag in episode.flags if flag.cleared_at is None)
    return max(open_flags, key=URGENCIES.index, default="")


def place_of(item: DueItem, priority: str, urgency: str) -> str:
    """Give where an open item stands in the worklist, as text that sorts: its lane, then when it is due.

    `urgency` is its episode's: an open emergency or urgent red flag lifts all work of its episode.
    """
    if "emergency" in (priority, urgency):
        lane = EMERGENCY
    elif "urgent" in (priority, urgency):
        lane = URGENT
    elif priority == "safety":
        lane = SAFETY_ESCALATED if item.rung > 0 else SAFETY
    else:
        lane = ESCALATED if item.rung > 0 else ORDINARY
    return f"{lane} {instant(item.due_at) if item.due_at else UNDATED}"


def due_item_row(episode: Episode, item: DueItem, priority: str) -> Row:
    """Give a due item's row."""
    is_open = item.status == "open"
    return {
        "episode_id": episode.id,
        "id": item.id,
        "kind": item.kind,
        "occurrence": item.occurrence,
        "title": item.title,
        "anchor": instant(item.anchor),
        "opens_after": item.opens_after,
        "due_after": item.due_after,
        "opens_at": instant(item.opens_at),
        "due_at": _maybe(item.due_at),
        "due_on": item.due_on.isoformat() if item.due_on else None,
        "owner_role": item.owner_role.value,
        "status": item.status,
        "owner": item.owner,
        "rung": item.rung,
        "fired": item.fired,
        "snoozed_until": _maybe(item.snoozed_until),
        "closed_by": item.closed_by,
        "team": episode.team if is_open else None,
        "assignee": (episode.owner if item.owner is None else item.owner) if is_open else None,
        "place": place_of(item, priority, _lifted(episode)) if is_open else None,
    }


def due_item_from_row(row: Row) -> DueItem:
    """Give the due item of a row."""
    return DueItem(
        id=row["id"],
        kind=row["kind"],
        occurrence=row["occurrence"],
        title=row["title"],
        anchor=instant_from(row["anchor"]),
        opens_after=row["opens_after"],
        due_after=row["due_after"],
        opens_at=instant_from(row["opens_at"]),
        due_at=_maybe_from(row["due_at"]),
        due_on=date.fromisoformat(row["due_on"]) if row["due_on"] else None,
        owner_role=_ROLES[row["owner_role"]],
        status=row["status"],
        owner=row["owner"],
        rung=row["rung"],
        fired=row["fired"],
        snoozed_until=_maybe_from(row["snoozed_until"]),
        closed_by=row["closed_by"],
    )


def timer_row(episode: str, timer: Timer) -> Row:
    """Give a timer's row, without the worker's own columns."""
    return {
        "episode_id": episode,
        "id": timer.id,
        "kind": timer.kind,
        "occurrence": timer.occurrence,
        "due_item": timer.due_item,
        "at": instant(timer.at),
        "local": timer.local,
        "zone": timer.zone,
        "armed_on": timer.armed_on,
        "expires_at": _maybe(timer.expires_at),
        "state": timer.state,
    }


def message_row(episode: str, message: Message) -> Row:
    """Give a message's row."""
    return {
        "episode_id": episode,
        "id": message.id,
        "template": message.template,
        "language": message.language,
        "recipient": message.recipient,
        "channel": message.channel,
        "due_item": message.due_item,
        "not_before": instant(message.not_before),
        "expires_at": _maybe(message.expires_at),
        "status": message.status,
        "category": message.category,
        "reason": message.reason,
        "follows": message.follows,
        "reference": message.reference,
    }


def _maybe(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None


def _maybe_from(text: str | None) -> datetime | None:
    return instant_from(text) if text else None
