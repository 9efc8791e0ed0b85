"""A colleague's owed work as a calendar (RFC 5545): one event for each dated due item, and nothing about anybody.

An event names the kind of work and the episode's reference. Its UID stays for as long as the item is there; its
SEQUENCE is the episode's version, which has risen whenever the item has changed. Nothing in a calendar depends on
when it was asked for, but for the days it reaches over: the same work gives the same bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from icalendar import Calendar, Event

from engine.model import DueItem
from engine.time import is_calendar, local_day
from storage.feeds import Dated

PRODUCT = "-//Stepcare//Owed work//EN"
REFRESH = timedelta(hours=1)  # how often a program should ask, where it asks us how often
DAY = timedelta(days=1)
UID_LETTERS = 32
STATUS = {"open": "CONFIRMED", "on_hold": "TENTATIVE", "cancelled": "CANCELLED"}
NOTES = {
    "on_hold": "It stands still: the episode is on hold or in evaluation, and the day will move.",
    "cancelled": "It was taken back: nothing is owed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a calendar is called, where its log is (`origin`, which makes UIDs one site's own), and the words for work.

    `titles`: the kind of work → what it is called; for a kind that is not there its own name is used.
    """

    title: str
    origin: str
    titles: Mapping[str, str]


def calendar_of(heading: Heading, work: Iterable[Dated]) -> bytes:
    """Give the calendar: lines of at most 75 bytes ended by CRLF, in UTF-8."""
    made = Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    made.add("name", heading.title)
    made.add("x-wr-calname", heading.title)  # what programs older than RFC 7986 read
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    for one in work:
        made.add_component(_event(heading, one))
    return bytes(made.to_ical())


def etag_of(calendar: bytes) -> bytes:
    """Give the strong validator of a calendar's bytes."""
    return b'"%s"' % hashlib.sha256(calendar).hexdigest()[:UID_LETTERS].encode()


def uid_of(origin: str, episode: str, *parts: str) -> str:
    """Give the name of an event: the same for the same item of the same site, and it says nothing."""
    digest = hashlib.sha256("\n".join((origin, episode, *parts)).encode()).hexdigest()
    return f"{digest[:UID_LETTERS]}@stepcare"


def _event(heading: Heading, one: Dated) -> Event:
    item = one.item
    made = Event()
    made.add("uid", uid_of(heading.origin, one.episode, item.id))
    made.add("sequence", one.version)
    # Without a method that invites, the stamp is when the work last changed: it need not be when somebody asked.
    made.add("dtstamp", one.changed_at.replace(microsecond=0))
    made.add("last-modified", one.changed_at.replace(microsecond=0))
    days = _days(item, one.zone)
    if days is not None:
        made.add("dtstart", days[1])
        made.add("dtend", days[1] + DAY)  # the day after the last: an end is not part of an event
    elif item.due_at is not None:
        made.add("dtstart", item.due_at)
    made.add("summary", f"{heading.titles.get(item.kind, item.kind.replace('_', ' '))} · {one.episode}")
    made.add("description", _description(item, days))
    made.add("status", STATUS[item.status])
    made.add("transp", "TRANSPARENT")  # owed work keeps nobody's time
    made.add("class", "PRIVATE")
    return made


def _days(item: DueItem, zone: str) -> tuple[date, date] | None:
    """Give the first and the last day that are on time, for a window counted in days; None for one of hours."""
    if item.due_on is None or not is_calendar(item.due_after):
        return None
    return min(local_day(item.opens_at, zone), item.due_on), item.due_on


def _description(item: DueItem, days: tuple[date, date] | None) -> str:
    if days is not None:
        window = f"On time from {days[0]} to {days[1]}."
    else:
        window = f"On time from {_said(item.opens_at)}{f' to {_said(item.due_at)}' if item.due_at else ''}."
    owed = f"Owed by: {item.owner_role.replace('_', ' ')}."
    return "\n".join(line for line in (window, owed, NOTES.get(item.status, "")) if line)


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
