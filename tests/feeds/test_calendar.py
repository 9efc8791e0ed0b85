"""A calendar of owed work: what an event says, what never changes about it, and the form every program can read."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import icalendar
import pytest

from engine.model import DueItem, Role
from stepcare.feeds.ical import Heading, calendar_of, etag_of
from storage.feeds import Dated
from tests.worlds import utc

HEADING = Heading(title="Stepcare: team", origin="clinic.example/log", titles={"reassessment": "Reassess"})
ITEM = DueItem(
    id="reassessment:s3",
    kind="reassessment",
    occurrence="s3",
    title="Reassess: Wilhelmine Canary",
    anchor=utc(2026, 3, 1, 23),
    opens_after="P14D",
    due_after="P28D",
    opens_at=utc(2026, 3, 15, 23),
    due_at=utc(2026, 3, 30, 22),
    due_on=date(2026, 3, 30),
    owner_role=Role.COORDINATOR,
)
WORK = Dated(
    item=ITEM,
    episode="e-7k2m9",
    person="p-canary",
    zone="Europe/Berlin",
    version=7,
    changed_at=utc(2026, 3, 2, 9),
)
EXACT = replace(
    ITEM,
    id="injection_contact:x",
    kind="injection_contact",
    opens_after="PT24H",
    due_after="PT72H",
    due_on=date(2026, 3, 5),
)


def events(body: bytes) -> list[Any]:
    """Read a calendar back with the library that programs use."""
    return list(icalendar.Calendar.from_ical(body).walk("VEVENT"))


def the_event(work: Dated = WORK) -> Any:
    """Give the one event of a calendar."""
    (found,) = events(calendar_of(HEADING, [work]))
    return found


def test_a_window_of_days_is_a_whole_day_and_its_last() -> None:
    """On time from the 16th to the 30th of March in Berlin: the event is the 30th, whole; it ends before the 31st."""
    found = the_event()

    assert (found["DTSTART"].dt, found["DTEND"].dt) == (date(2026, 3, 30), date(2026, 3, 31))
    assert "2026-03-16 to 2026-03-30" in found["DESCRIPTION"]


def test_a_window_of_hours_is_its_instant_in_utc() -> None:
    """Seventy-two hours after the injection are an instant, whatever clock the reader has."""
    found = the_event(replace(WORK, item=replace(EXACT, due_at=utc(2026, 3, 5, 9))))

    assert found["DTSTART"].dt == utc(2026, 3, 5, 9)
    assert found["DTSTART"].to_ical() == b"20260305T090000Z"


def test_an_event_names_the_work_and_the_episode_and_nobody() -> None:
    """A calendar hangs on other people's servers: not the item's own title, which may say more, and not the person."""
    body = calendar_of(HEADING, [WORK])

    assert the_event()["SUMMARY"] == "Reassess · e-7k2m9"
    assert b"Canary" not in body
    assert b"canary" not in body


def test_work_of_an_unknown_kind_is_called_by_its_kind() -> None:
    """An older pathway may know work that the one in force does not."""
    assert the_event(replace(WORK, item=EXACT))["SUMMARY"] == "injection contact · e-7k2m9"


def test_an_event_keeps_its_uid_through_every_change() -> None:
    """Moved, put on hold, taken back: it is the same event, with a sequence that has risen."""
    later = replace(WORK, version=9, item=replace(ITEM, due_on=date(2026, 4, 6), status="on_hold"))
    before, after = the_event(), the_event(later)

    assert before["UID"] == after["UID"]
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (7, 9)


def test_no_two_items_share_a_uid() -> None:
    """Another item, another episode, another site: another event."""
    work = [WORK, replace(WORK, item=EXACT), replace(WORK, episode="e-other")]
    here = {one["UID"] for one in events(calendar_of(HEADING, work))}
    there = {one["UID"] for one in events(calendar_of(replace(HEADING, origin="other.example/log"), work))}

    assert len(here | there) == 6


@pytest.mark.parametrize(
    ("status", "said"), [("open", "CONFIRMED"), ("on_hold", "TENTATIVE"), ("cancelled", "CANCELLED")]
)
def test_what_is_taken_back_is_cancelled(status: str, said: str) -> None:
    """A program that keeps what it once read must be told, not merely left without the event."""
    assert the_event(replace(WORK, item=replace(ITEM, status=status)))["STATUS"] == said


def test_the_same_work_gives_the_same_bytes() -> None:
    """Nothing hangs on when it was asked: so a program can ask whether anything has changed."""
    first, second = calendar_of(HEADING, [WORK]), calendar_of(HEADING, [WORK])

    assert first == second
    assert etag_of(first) == etag_of(second)
    assert etag_of(first) != etag_of(calendar_of(HEADING, [replace(WORK, version=8)]))


def test_every_line_is_as_the_standard_wants_it() -> None:
    """RFC 5545: lines end in CRLF and have at most 75 bytes; an ä that falls on the fold is not cut in two."""
    title = "Nachsorge für Rückenschmerzen " * 5
    body = calendar_of(replace(HEADING, titles={"reassessment": title}), [WORK])
    lines = body.split(b"\r\n")

    assert body.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert max(map(len, lines)) <= 75
    assert [line.decode() for line in lines]
    assert events(body)[0]["SUMMARY"] == f"{title} · e-7k2m9"


def test_a_calendar_has_what_every_program_asks_for() -> None:
    """Version, maker, one UID, stamp and start for each event, none twice; how often to ask again."""
    body = calendar_of(HEADING, [WORK, replace(WORK, item=EXACT)])
    calendar = icalendar.Calendar.from_ical(body)

    assert (calendar["VERSION"], calendar["METHOD"], calendar["NAME"]) == ("2.0", "PUBLISH", "Stepcare: team")
    assert calendar["PRODID"]
    assert calendar["REFRESH-INTERVAL"].to_ical() == b"PT1H"
    for one in events(body):
        assert isinstance(one["DTSTAMP"].dt, datetime)
        assert one["DTSTAMP"].to_ical().endswith(b"Z")
        assert not one.errors
        for name in ("UID", "DTSTAMP", "DTSTART", "SEQUENCE", "STATUS", "SUMMARY"):
            assert one.to_ical().count(f"\r\n{name}".encode()) == 1


def test_owed_work_keeps_nobodys_time() -> None:
    """It must not make a colleague look busy, nor be shown to who may see their calendar."""
    assert (the_event()["TRANSP"], the_event()["CLASS"]) == ("TRANSPARENT", "PRIVATE")
