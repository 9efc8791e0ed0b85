"""Breaking the glass: an episode of another care team is read in need, for its time, and nothing else is allowed."""

import pytest

from engine.errors import Conflict, InvalidInput, Refused
from engine.model import Actor, Role
from stepcare.glass import Need, break_glass, review
from stepcare.noting import Reader
from storage.access_read import AccessFilter, noted, openings, text_of
from storage.access_verify import verify_access
from tests.web.conftest import CALLED, CAST, TEAMS, House

NEED = Need(reason="emergency", text="Called at night, fainted after the injection.")


def reader(who: str) -> Reader:
    """Give a colleague at the command line."""
    actor = Actor(id=who, role=CAST[who][0], teams=frozenset({TEAMS.get(who, "main")}))
    return Reader(actor=actor, via=f"cli:{who}", request="r1")


def opened(house: House, episode: str, who: str = "otto", need: Need = NEED) -> int:
    """Open an episode; gives the opening's number."""
    return break_glass(house.app, reader(who), episode, need)[0]


def test_an_opened_episode_is_read_until_its_time_is_over(own_house: House) -> None:
    """Otto is of another care team: refused, then let in for an hour to the minute, then refused again."""
    episode = own_house.register()
    path = f"/api/v1/episodes/{episode}"
    assert own_house.get("otto", path).status_code == 403

    number = opened(own_house, episode)

    assert own_house.get("otto", path).status_code == 200
    assert own_house.get("otto", f"{path}/timeline").status_code == 200
    own_house.clock.forward(minutes=59, seconds=59)
    assert own_house.get("otto", path).status_code == 200
    own_house.clock.forward(seconds=1)
    assert own_house.get("otto", path).status_code == 403
    read_by_it = noted(own_house.app.database, AccessFilter(opening=number))
    assert [one.said["type"] for one in read_by_it] == ["read.episode"] * 3
    assert {one.said["actor"]["id"] for one in read_by_it} == {"otto"}


def test_it_is_for_whoever_opened_it_and_for_that_episode(own_house: House) -> None:
    """Zoe of the same other team is still refused, and otto sees no other episode of theirs, nor a list of them."""
    episode, other = own_house.register(), own_house.register()

    opened(own_house, episode)

    assert own_house.get("zoe", f"/api/v1/episodes/{episode}").status_code == 403
    assert own_house.get("otto", f"/api/v1/episodes/{other}").status_code == 403
    assert own_house.get("otto", "/api/v1/episodes").json()["items"] == []


def test_it_allows_no_command(own_house: House) -> None:
    """Reading was opened: a command stays refused, and is an entry of the main log as ever."""
    episode = own_house.register()

    opened(own_house, episode)

    refused = own_house.command("otto", episode, CALLED)
    assert (refused.status_code, refused.json()["code"]) == (403, "refused")
    assert "rules" not in refused.json() or {one["id"] for one in refused.json()["rules"]} == {"ROLE-01"}


@pytest.mark.parametrize("minutes", [1, 480])
def test_the_time_is_what_was_said(own_house: House, minutes: int) -> None:
    """From one minute to eight hours."""
    episode = own_house.register()

    opened(own_house, episode, need=Need(reason="cover", text=NEED.text, minutes=minutes))

    own_house.clock.forward(minutes=minutes, seconds=-1)
    assert own_house.get("otto", f"/api/v1/episodes/{episode}").status_code == 200
    own_house.clock.forward(seconds=1)
    assert own_house.get("otto", f"/api/v1/episodes/{episode}").status_code == 403


@pytest.mark.parametrize(
    "need",
    [
        Need(reason="curiosity", text=NEED.text),
        Need(reason="emergency", text="because"),
        Need(reason="emergency", text=" " * 40),
        Need(reason="emergency", text="x" * 2001),
        Need(reason="emergency", text=NEED.text, minutes=0),
        Need(reason="emergency", text=NEED.text, minutes=481),
    ],
    ids=["no such reason", "too short", "nothing said", "too long", "no time", "too much time"],
)
def test_why_and_for_how_long_is_owed(house: House, episode: str, need: Need) -> None:
    """Without a coded reason, words of one's own and a time within bounds nothing is opened."""
    before = len(openings(house.app.database))

    with pytest.raises(InvalidInput):
        opened(house, episode, need=need)

    assert len(openings(house.app.database)) == before


@pytest.mark.parametrize("who", [who for who, roles in CAST.items() if who not in TEAMS or not roles])
def test_who_may_not_or_need_not_opens_nothing(house: House, episode: str, who: str) -> None:
    """Roles that do not care for people may not; the episode's own team sees it anyway."""
    before = len(openings(house.app.database))

    with pytest.raises(Refused):
        opened(house, episode, who)

    assert len(openings(house.app.database)) == before


def test_nobody_opens_without_a_name(house: House, episode: str) -> None:
    """It is answered for by name."""
    with pytest.raises(Refused):
        break_glass(house.app, Reader(actor=None, via="cli:root", request="r1"), episode, NEED)


def test_an_opening_is_reviewed_once_and_by_somebody_else(own_house: House) -> None:
    """Priya finds it justified and says why; a second review is refused, and so is one's own."""
    number = opened(own_house, own_house.register())
    itself = Reader(actor=Actor(id="otto", role=Role.PRIVACY_OFFICER), via="cli:otto", request="r2")
    with pytest.raises(Refused, match="nobody reviews their own"):
        review(own_house.app, itself, number, finding="justified", text="I know I was right.")

    entry = review(own_house.app, reader("priya"), number, finding="justified", text="The ward had called him.")

    (opening,) = openings(own_house.app.database)
    assert (opening.reviewer, opening.finding, opening.review) == ("priya", "justified", entry)
    assert text_of(own_house.app.database, number) == NEED.text
    assert text_of(own_house.app.database, entry) == "The ward had called him."
    with pytest.raises(Conflict, match="reviewed before"):
        review(own_house.app, reader("priya"), number, finding="not_justified", text="On second thoughts.")
    assert verify_access(own_house.app.database).faults == ()
