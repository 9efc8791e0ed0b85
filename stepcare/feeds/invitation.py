"""A visit that was agreed, as an invitation that calendar programs take (RFC 5545, RFC 5546).

It may be attached to a mail, so it says nothing: no name, no reason, no reference. The clinic stands in it by the
address it was given, the person by a code made from their own reference. Each file made later stands in for every
earlier one of the same visit: its SEQUENCE counts the seconds since 2020, so nothing need be kept.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from icalendar import Calendar, Event, vCalAddress

from engine.errors import InvalidInput
from stepcare.feeds.ical import uid_of

PRODUCT = "-//Stepcare//Visit//EN"
NOBODY = "no-reply@stepcare.invalid"  # reserved by RFC 2606: leads nowhere
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
LONGEST = timedelta(hours=8)
FARTHEST = timedelta(days=366)
SUMMARIES = {"de": "Termin", "en": "Appointment", "es": "Cita", "fr": "Rendez-vous", "nl": "Afspraak"}
ADDRESS_LETTERS = 254


class Method(StrEnum):
    """What a file asks a calendar to do: take the visit in (also in place of an earlier one), or take it out."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit that was agreed for a due item: from when, for how long. `origin` is the site's, `language` the person's.

    `person` is their reference; only a code made from it is written.
    """

    origin: str
    episode: str
    due_item: str
    person: str
    at: datetime
    lasts: timedelta
    language: str
    organizer: str = NOBODY


def invitation(visit: Visit, method: Method, now: datetime) -> bytes:
    """Give the file. InvalidInput for a visit that is over, too far away or too long, and for what is no address."""
    _require(visit, method, now)
    event = Event()
    event.add("uid", uid_of(visit.origin, visit.episode, visit.due_item, "visit"))
    event.add("sequence", int((now - SINCE).total_seconds()))
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("dtstart", visit.at.astimezone(UTC))
    event.add("dtend", (visit.at + visit.lasts).astimezone(UTC))
    event.add("summary", SUMMARIES.get(visit.language.partition("-")[0], SUMMARIES["en"]))
    event.add("status", "CANCELLED" if method is Method.CANCEL else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("organizer", vCalAddress(f"mailto:{visit.organizer}"))
    event.add("attendee", _attendee(visit))
    made = Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", method.value)
    made.add_component(event)
    return bytes(made.to_ical())


def _attendee(visit: Visit) -> vCalAddress:
    """Name who is invited by a code: the standard wants somebody named, and whoever opens the file is the one."""
    code = uuid.uuid5(uuid.NAMESPACE_URL, f"{visit.origin}/{visit.person}")
    named = vCalAddress(code.urn)
    named.params["ROLE"] = "REQ-PARTICIPANT"
    named.params["PARTSTAT"] = "ACCEPTED"  # it was agreed before; no reply is awaited
    named.params["RSVP"] = "FALSE"
    return named


def _require(visit: Visit, method: Method, now: datetime) -> None:
    if method is Method.REQUEST and not now < visit.at <= now + FARTHEST:
        raise InvalidInput(f"A visit lies ahead, at most {FARTHEST.days} days: say another --at.")
    if not timedelta(minutes=5) <= visit.lasts <= LONGEST:
        raise InvalidInput(f"A visit lasts 5 to {LONGEST // timedelta(minutes=1)} minutes: say another --minutes.")
    local, at, domain = visit.organizer.rpartition("@")
    fits = local and at and domain and len(visit.organizer) <= ADDRESS_LETTERS
    if not fits or not visit.organizer.isascii() or any(one in visit.organizer for one in ' \t\r\n"<>,;:'):
        raise InvalidInput("The organizer must be a mail address of the clinic, such as clinic@example.org.")
