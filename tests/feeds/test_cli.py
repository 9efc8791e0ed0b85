"""`stepcare feed …`: addresses made once and listed without their secret, a calendar to look at, a visit to attach."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icalendar
import pytest

from stepcare.app import open_app
from stepcare.feeds.secret import hash_of
from storage.access_read import AccessFilter, noted
from storage.feeds import find_feed
from tests.stepcare.conftest import ran


@pytest.fixture
def episode(asked: Callable[..., Any]) -> str:
    """Open an episode, in intake: its triage is owed."""
    made = asked("episode", "open", "--as", "ann", "--name", "Alva Ludens", "region=upper_back", "onset=2026-01-12")
    return str(made["episode"])


def owed(asked: Callable[..., Any], episode: str) -> str:
    """Give the id of something owed for an episode."""
    return str(next(one["id"] for one in asked("due", "list", "--days", "60") if one["episode"] == episode))


def the_event(body: str | bytes) -> Any:
    """Read a file back, and give its one event."""
    (found,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
    return found


def test_a_secret_is_shown_once_and_kept_as_a_hash(asked: Callable[..., Any], site: Path) -> None:
    """256 random bits in the path; no file of the site holds them, and the list does not either."""
    made = asked("feed", "new", "--for", "ann")
    listed = ran("feed", "list", "--output", "json").stdout

    found = re.fullmatch(r"/feeds/([A-Za-z0-9_-]{43})\.ics", made["path"])
    assert found is not None
    with open_app(site) as app:
        kept = find_feed(app.database, hash_of(found[1]))
    assert kept is not None
    assert made["id"] in listed
    assert found[1] not in listed
    assert not [file for file in site.rglob("*") if file.is_file() and found[1].encode() in file.read_bytes()]


def test_a_colleague_has_one_address(asked: Callable[..., Any]) -> None:
    """Making a new one takes the former one back; taking back twice changes nothing."""
    first, second = (asked("feed", "new", "--for", "ann")["id"] for _ in range(2))

    assert {one["id"]: one["status"] for one in asked("feed", "list")} == {first: "revoked", second: "valid"}
    assert asked("feed", "revoke", second)["changed"] is True
    assert asked("feed", "revoke", second)["changed"] is False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("new", "--for", "nobody"), 3, "user"),
        (("new", "--for", "adam"), 4, "no list"),
        (("new", "--for", "ann", "--days", "367"), 2, "366"),
        (("new", "--for", "ann", "--covers", "everything"), 2, "team or own"),
        (("revoke", "0123456789ab"), 3, "feed list"),
        (("show", "--for", "adam"), 4, "no list"),
        (("show", "--for", "otto", "--as", "ann"), 4, "other"),
    ],
)
def test_what_cannot_be_says_what_to_do(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Unknown colleagues, roles without lists, too long, no such feed, another team's work."""
    found = ran("feed", *words)

    assert found.exit_code == code, found.stderr
    assert said in found.stderr


def test_a_calendar_can_be_looked_at_here(asked: Callable[..., Any], site: Path, episode: str) -> None:
    """The bytes a program would get; and the looking is noted."""
    found = ran("feed", "show", "--for", "ann", "--as", "ann")

    summaries = [str(one["SUMMARY"]) for one in icalendar.Calendar.from_ical(found.stdout).walk("VEVENT")]
    with open_app(site) as app:
        last = noted(app.database, AccessFilter(limit=1))[0]
    assert any(episode in one for one in summaries)
    assert "Ludens" not in found.stdout
    assert (last.said["type"], last.said["query"]["list"]) == ("read.list", "feed team")


def test_an_invitation_is_written_for_what_is_owed(
    asked: Callable[..., Any], site: Path, episode: str, tmp_path: Path
) -> None:
    """On the clock of the episode's place: ten o'clock in Berlin in three days; a file is never written over."""
    item, to = owed(asked, episode), tmp_path / "visit.ics"

    words = ("feed", "invitation", episode, item, "--at", "+3d 10:00", "--to", str(to), "--as", "ann")
    made = asked(*words)
    again = ran(*words)
    off = ran("feed", "invitation", episode, item, "--at", "+3d 10:00", "--cancel", "--as", "ann")

    with open_app(site) as app:
        last = noted(app.database, AccessFilter(limit=1))[0]
    assert (last.said["type"], last.said["episodes"]) == ("read.episode", [episode])
    event, cancelled = the_event(to.read_bytes()), the_event(off.stdout)
    assert made["due_item"] == item
    assert event["DTSTART"].dt.isoformat().startswith(made["at"][:16])
    assert again.exit_code == 5
    assert (cancelled["UID"], cancelled["STATUS"]) == (event["UID"], "CANCELLED")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing:s0", "--at", "+3d 10:00"), 3, "triage"),
        (("ITEM",), 2, "--at"),
        (("ITEM", "--at", "tomorrow"), 2, "tomorrow"),
        (("ITEM", "--at", "2026-03-02T10:00"), 2, "ahead"),
        (("ITEM", "--at", "2027-03-28T02:30"), 2, "skips"),
    ],
)
def test_an_invitation_that_cannot_be_says_why(
    asked: Callable[..., Any], episode: str, words: tuple[str, ...], code: int, said: str
) -> None:
    """Nothing of that name is owed, no time, no such time, the past, a time the clock skips."""
    item = owed(asked, episode)
    found = ran("feed", "invitation", episode, *(item if one == "ITEM" else one for one in words), "--as", "ann")

    assert found.exit_code == code
    assert said in found.stderr
