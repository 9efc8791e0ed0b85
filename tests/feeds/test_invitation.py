"""A visit as an invitation: taken by calendars, replaced and called off, and silent about who and why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import icalendar
import pytest

from engine.errors import InvalidInput
from stepcare.feeds.invitation import Method, Visit, invitation
from tests.worlds import utc

NOW = utc(2026, 3, 2, 9)
VISIT = Visit(
    origin="clinic.example/log",
    episode="e-7k2m9",
    due_item="reassessment:s3",
    person="p-canary",
    at=utc(2026, 3, 20, 9),
    lasts=timedelta(minutes=30),
    language="de-AT",
    organizer="clinic@clinic.example",
)


def read(body: bytes) -> tuple[Any, Any]:
    """Read a file back; gives the calendar and its one event."""
    calendar = icalendar.Calendar.from_ical(body)
    (event,) = calendar.walk("VEVENT")
    assert not event.errors
    return calendar, event


def with_(**changes: Any) -> Visit:
    """Give the visit with something else about it."""
    return replace(VISIT, **changes)


def test_an_invitation_is_a_request_as_the_standard_wants_it() -> None:
    """RFC 5546: method, organizer, one attendee, stamp, start, summary, UID, sequence; instants in UTC."""
    calendar, event = read(invitation(VISIT, Method.REQUEST, NOW))

    assert calendar["METHOD"] == "REQUEST"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (utc(2026, 3, 20, 9), utc(2026, 3, 20, 9, 30))
    assert event["ORGANIZER"] == "mailto:clinic@clinic.example"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert event["DTSTAMP"].dt == NOW
    assert event["STATUS"] == "CONFIRMED"


def test_it_says_neither_who_nor_why() -> None:
    """No name, no reference, no kind of work: `Termin`, and codes that say nothing."""
    body = invitation(VISIT, Method.REQUEST, NOW)

    for secret in (b"canary", b"e-7k2m9", b"reassess", b"CN="):
        assert secret not in body
    assert read(body)[1]["SUMMARY"] == "Termin"


@pytest.mark.parametrize(("language", "said"), [("en", "Appointment"), ("de", "Termin"), ("xx", "Appointment")])
def test_it_speaks_the_persons_language(language: str, said: str) -> None:
    """English where there are no words of theirs."""
    assert read(invitation(with_(language=language), Method.REQUEST, NOW))[1]["SUMMARY"] == said


def test_a_later_file_stands_in_for_every_earlier_one() -> None:
    """Moved, then called off: the same UID, a sequence that has risen each time."""
    first = read(invitation(VISIT, Method.REQUEST, NOW))[1]
    moved = read(invitation(with_(at=utc(2026, 3, 27, 9)), Method.REQUEST, NOW + timedelta(hours=1)))[1]
    calendar, off = read(invitation(VISIT, Method.CANCEL, NOW + timedelta(hours=2)))

    assert len({one["UID"] for one in (first, moved, off)}) == 1
    assert first["SEQUENCE"] < moved["SEQUENCE"] < off["SEQUENCE"] < 2**31
    assert (calendar["METHOD"], off["STATUS"]) == ("CANCEL", "CANCELLED")


def test_a_visit_is_not_the_work_it_is_for() -> None:
    """The person's appointment and the team's owed work are two events; two sites never share one."""
    here = read(invitation(VISIT, Method.REQUEST, NOW))[1]["UID"]
    there = read(invitation(with_(origin="other.example/log"), Method.REQUEST, NOW))[1]["UID"]

    assert here != there


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"at": utc(2026, 3, 2, 8)}, "lies ahead"),
        ({"at": utc(2027, 4, 1, 8)}, "lies ahead"),
        ({"lasts": timedelta(minutes=4)}, "--minutes"),
        ({"lasts": timedelta(hours=9)}, "--minutes"),
        ({"organizer": "clinic"}, "mail address"),
        ({"organizer": 'clinic@clinic.example\r\nX-EVIL:1"'}, "mail address"),
    ],
    ids=["past", "far", "short", "long", "no address", "more than an address"],
)
def test_what_is_no_visit_is_refused(changes: dict[str, Any], said: str) -> None:
    """In the past, too far ahead, too short or long, from nobody."""
    with pytest.raises(InvalidInput, match=said):
        invitation(with_(**changes), Method.REQUEST, NOW)


def test_a_visit_that_is_over_can_still_be_called_off() -> None:
    """So that a calendar is put right afterwards."""
    assert read(invitation(with_(at=utc(2026, 3, 1, 8)), Method.CANCEL, NOW))[1]["STATUS"] == "CANCELLED"


def test_lines_are_folded_and_end_in_crlf() -> None:
    """RFC 5545."""
    body = invitation(with_(organizer=f"{'c' * 60}@clinic.example"), Method.REQUEST, NOW)

    assert body.endswith(b"END:VCALENDAR\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 75
    assert b"\n" not in body.replace(b"\r\n", b"")
