"""`GET /feeds/….ics`: who has the address reads the work of its colleague, and nobody learns anything from a wrong one."""

import os
from typing import Any

import httpx
import icalendar
import pytest

from engine.errors import Unavailable
from stepcare.feeds.secret import new_feed, path_of
from storage.access_read import AccessFilter, Noted, noted
from storage.access_verify import verify_access
from storage.feeds import Covers, add_feed, revoke_feed
from storage.staff import Colleague, Staff
from tests.web.conftest import House

WRONG = "A" * 43


def an_address(house: House, who: str = "ann", covers: Covers = Covers.TEAM, days: int = 30) -> tuple[str, str]:
    """Make an address for a colleague; gives its path and its id."""
    feed, secret = new_feed(Staff(house.app.database).find(who), covers, days, house.clock(), os.urandom)
    add_feed(house.app.database, feed)
    return path_of(secret), feed.id


def events(response: httpx.Response) -> list[Any]:
    """Read the answer back as a calendar program does."""
    assert response.status_code == 200, response.text
    return list(icalendar.Calendar.from_ical(response.content).walk("VEVENT"))


def summaries(response: httpx.Response) -> str:
    """Give what every event is called."""
    return "\n".join(str(one["SUMMARY"]) for one in events(response))


def reads(house: House) -> list[Noted]:
    """Give the log of reads, the oldest first."""
    assert verify_access(house.app.database).faults == ()
    return noted(house.app.database, AccessFilter())[::-1]


def test_the_address_alone_opens_the_calendar(house: House) -> None:
    """No token: calendar programs can send none. It shows the team's episodes, and no other team's."""
    mine, theirs = house.register(), house.register("otto", name="Wilhelmine Canary", team="other")
    path, _ = an_address(house)

    found = house.get(None, path)

    assert found.headers["content-type"] == "text/calendar; charset=utf-8"
    assert mine in summaries(found)
    assert theirs not in found.text
    assert "Ludens" not in found.text


def test_own_work_is_what_is_owed_by_name(house: House) -> None:
    """A calendar of one's own shows what the colleague owes, or owns the episode of."""
    other, mine = house.register(), house.register()
    house.command("ann", mine, {"kind": "assign", "values": {"owner": "ann"}})
    path, _ = an_address(house, covers=Covers.OWN)

    found = summaries(house.get(None, path))

    assert mine in found
    assert other not in found


@pytest.mark.parametrize("what", ["wrong", "malformed", "expired", "revoked", "replaced", "role gone"])
def test_every_address_that_leads_nowhere_gets_the_same_answer(house: House, what: str) -> None:
    """Wrong, expired, taken back, replaced, or of somebody who may read no list any more: nobody can tell which."""
    path, id_ = an_address(house, days=1)
    match what:
        case "wrong":
            path = path_of(WRONG)
        case "malformed":
            path = path_of("%2e%2e%2fetc")
        case "expired":
            house.clock.forward(days=1)
        case "revoked":
            revoke_feed(house.app.database, id_, house.clock())
        case "replaced":
            an_address(house)
        case _:
            ann = Staff(house.app.database).find("ann")
            Staff(house.app.database).add(
                Colleague(id="ann", roles=Staff(house.app.database).find("adam").roles, name=ann.name)
            )
    found, nowhere = house.get(None, path), house.get(None, path_of("B" * 43))

    assert (found.status_code, nowhere.status_code) == (404, 404)
    assert {**found.json(), "instance": ""} == {**nowhere.json(), "instance": ""}
    assert {**found.headers, "x-request-id": ""} == {**nowhere.headers, "x-request-id": ""}


def test_nothing_but_reading_is_open(house: House) -> None:
    """Only GET of the route is answered without a token; everything else there is shut like everything else."""
    path, _ = an_address(house)

    assert house.ask(None, "POST", path, {}).status_code == 401
    assert house.ask(None, "DELETE", path).status_code == 401
    assert house.get(None, "/feeds/").status_code == 404


def test_a_reading_is_noted_with_whose_address_it_was(house: House) -> None:
    """By name, by purpose, with the episodes and persons shown; the log names the address by its id, not its secret."""
    episode = house.register()
    path, id_ = an_address(house)
    before = len(reads(house))

    found = house.get(None, path)

    (one,) = reads(house)[before:]
    assert (one.said["type"], one.said["actor"]["id"], one.said["via"]) == ("read.list", "ann", f"feed:{id_}")
    assert one.said["query"] == {"list": "feed team"}
    assert one.said["req"] == found.headers["x-request-id"]
    assert one.said["episodes"] == [episode]
    assert one.said["persons"] == [house.app.store.episode(episode).person.id]


def test_what_cannot_be_noted_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log of reads cannot be written the answer is 503, and holds nothing of anybody."""
    episode = house.register()
    path, _ = an_address(house)
    house.get(None, path)

    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(house.app.database.backend), "turn", full)
        found = house.get(None, path)

    assert found.status_code == 503
    assert episode not in found.text


def test_a_program_that_has_it_already_is_told_so(house: House) -> None:
    """The same ETag: 304, nothing is shown and nothing noted. After a change: the whole calendar, with another ETag."""
    episode = house.register()
    path, _ = an_address(house)
    first = house.get(None, path)
    before = len(reads(house))

    again = house.get(None, path, If_None_Match=f'"other", W/{first.headers["etag"]}')
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert len(reads(house)) == before

    house.command("ann", episode, {"kind": "assign", "values": {"owner": "ann"}})
    changed = house.get(None, path, If_None_Match=first.headers["etag"])
    assert (changed.status_code, changed.headers["etag"] != first.headers["etag"]) == (200, True)


def test_no_shared_cache_keeps_it(house: House) -> None:
    """Private, and asked anew each time: an address that was taken back ends at once."""
    path, _ = an_address(house)

    found = house.get(None, path).headers

    assert found["cache-control"] == "private, no-cache"
    assert found["referrer-policy"] == "no-referrer"
    assert found["x-content-type-options"] == "nosniff"


def test_the_secret_stands_in_no_line_of_the_log(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Logs and figures say the route's template, for right and wrong addresses alike."""
    path, _ = an_address(house)
    secret = path.removeprefix("/feeds/").removesuffix(".ics")
    house.get(None, path)
    house.get(None, path_of(WRONG))

    said = capfd.readouterr()
    figures = house.get("ann", "/metrics").text
    assert secret not in said.out + said.err + figures
    assert WRONG not in said.out + said.err + figures
    assert "/feeds/{secret}.ics" in figures


def test_what_is_taken_back_stays_for_a_while_as_cancelled(house: House) -> None:
    """The person declines: the work is owed no longer. The event says so for thirty days after its day, then goes."""
    episode = house.register()
    path, _ = an_address(house)
    before = {one["UID"]: one for one in events(house.get(None, path))}
    declined: dict[str, Any] = {"transition": "decline", "reason": "other_care", "risk_told": True}
    assert house.command("ann", episode, {"kind": "move", "values": declined}).status_code == 200

    after = {one["UID"]: one for one in events(house.get(None, path))}
    assert after.keys() == before.keys()
    for uid, one in after.items():
        assert one["STATUS"] == "CANCELLED"
        assert one["SEQUENCE"] > before[uid]["SEQUENCE"]

    house.clock.forward(days=120)
    path, _ = an_address(house)
    assert events(house.get(None, path)) == []
