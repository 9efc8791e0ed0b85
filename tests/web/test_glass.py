"""Breaking the glass: an episode of another care team is read in need, for its time, and nothing else is allowed."""

from datetime import timedelta
from typing import Any

import pytest

from engine.audit import instant
from engine.errors import Conflict, InvalidInput, Refused
from engine.model import Actor, Role
from stepcare.glass import PARAMETER, Found, Need, break_glass, review
from stepcare.noting import Reader
from storage.access_read import AccessFilter, Noted, noted, noted_as, openings, text_of
from storage.access_verify import verify_access
from storage.database import Database
from storage.staff import Colleague, Staff
from tests.web.conftest import CALLED, CAST, TEAMS, House

JUSTIFIED = Found(finding="justified", text="The ward had called him.")
NEED = Need(reason="emergency", text="Called at night, fainted after the injection.")


def reader(who: str) -> Reader:
    """Give a colleague at the command line."""
    actor = Actor(id=who, role=CAST[who][0], teams=frozenset({TEAMS.get(who, "main")}))
    return Reader(actor=actor, via=f"cli:{who}", request="r1")


def opened(house: House, episode: str, who: str = "otto", need: Need = NEED) -> int:
    """Open an episode; gives the opening's number."""
    return break_glass(house.app, reader(who), episode, need).number


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
        review(own_house.app, itself, number, Found(finding="justified", text="I know I was right."))

    entry = review(own_house.app, reader("priya"), number, JUSTIFIED).number

    (opening,) = openings(own_house.app.database)
    assert (opening.reviewer, opening.finding, opening.review) == ("priya", "justified", entry)
    assert text_of(own_house.app.database, number) == NEED.text
    assert text_of(own_house.app.database, entry) == "The ward had called him."
    with pytest.raises(Conflict, match="reviewed before"):
        review(own_house.app, reader("priya"), number, Found(finding="not_justified", text="On second thoughts."))
    assert verify_access(own_house.app.database).faults == ()


# --- over HTTP ----------------------------------------------------------------------------------------------------------

REVIEWS = "/api/v1/access/reviews"
BODY: dict[str, Any] = {"reason": "emergency", "text": NEED.text, "minutes": 30}
FINE = {"finding": "justified", "text": JUSTIFIED.text}


def glass(episode: str) -> str:
    """Give the route that opens an episode."""
    return f"/api/v1/episodes/{episode}/break-glass"


def test_an_episode_is_opened_read_and_reviewed_over_http(own_house: House) -> None:
    """The answer says until when; reads until then carry its number; the privacy officer finds it, and says it was right."""
    episode = own_house.register()
    path = f"/api/v1/episodes/{episode}"
    assert own_house.get("otto", path).status_code == 403

    made = own_house.post("otto", glass(episode), BODY)

    until = instant(own_house.clock() + timedelta(minutes=30))
    number = made.json()["opening"]
    assert made.status_code == 201
    assert made.json() == {"opening": number, "episode": episode, "reason": "emergency", "until": until}
    assert own_house.get("otto", path).status_code == 200
    assert [one.said["type"] for one in noted(own_house.app.database, AccessFilter(opening=number))] == ["read.episode"]
    own_house.clock.forward(minutes=30)
    assert own_house.get("otto", path).status_code == 403

    (waiting,) = own_house.get("priya", REVIEWS).json()["items"]
    assert (waiting["number"], waiting["actor"], waiting["text"], waiting["reads"]) == (number, "otto", NEED.text, 1)
    reviewed = own_house.post("priya", f"{REVIEWS}/{number}", FINE)
    assert (reviewed.status_code, reviewed.json()["finding"]) == (201, "justified")
    assert own_house.get("priya", REVIEWS).json()["items"] == []
    (kept,) = own_house.get("priya", f"{REVIEWS}?all=true").json()["items"]
    assert (kept["review"], kept["reviewer"]) == (reviewed.json()["number"], "priya")
    assert own_house.post("priya", f"{REVIEWS}/{number}", FINE).status_code == 409
    assert verify_access(own_house.app.database).faults == ()


def test_an_opening_sent_again_is_one_opening(own_house: House) -> None:
    """The same key and wish get the first answer, its end too, however late; the same key for another wish is refused."""
    episode, other = own_house.register(), own_house.register()
    first = own_house.post("otto", glass(episode), BODY, Idempotency_Key="once")
    own_house.clock.forward(minutes=10)

    again = own_house.post("otto", glass(episode), BODY, Idempotency_Key="once")
    wishes = [
        (glass(other), BODY),
        (glass(episode), {**BODY, "minutes": 40}),
        (glass(episode), {**BODY, "reason": "cover"}),
        (glass(episode), {**BODY, "text": "Another reason altogether."}),
    ]
    reused = [own_house.post("otto", path, body, Idempotency_Key="once") for path, body in wishes]
    zoes = own_house.post("zoe", glass(episode), BODY, Idempotency_Key="once")

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert {(one.status_code, one.json()["code"]) for one in reused} == {(422, "key-reused")}
    assert zoes.json()["opening"] != first.json()["opening"]
    assert len(openings(own_house.app.database)) == 2
    assert own_house.ask("otto", "POST", glass(episode), BODY).json()["code"] == "key-required"


def test_a_review_sent_again_under_its_key_is_one_review(own_house: House) -> None:
    """The second sending is told what the first was told; another finding under that key is refused."""
    number = own_house.post("otto", glass(own_house.register()), BODY).json()["opening"]
    path = f"{REVIEWS}/{number}"

    first = own_house.post("priya", path, FINE, Idempotency_Key="once")
    again = own_house.post("priya", path, FINE, Idempotency_Key="once")
    other = own_house.post("priya", path, {**FINE, "finding": "not_justified"}, Idempotency_Key="once")

    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")


def test_sent_twice_at_once_it_is_kept_once(own_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither finds the other when it looks; the log takes the first, and the second is given the first's answer."""
    episode = own_house.register()
    first = break_glass(own_house.app, reader("otto"), episode, NEED, "once")
    looked: list[str] = []

    def late(database: Database, id_: str) -> Noted | None:
        looked.append(id_)
        return noted_as(database, id_) if len(looked) > 1 else None

    monkeypatch.setattr("stepcare.glass.noted_as", late)

    second = break_glass(own_house.app, reader("otto"), episode, NEED, "once")

    assert (second.number, second.until, second.repeated) == (first.number, first.until, True)
    assert len(openings(own_house.app.database)) == 1


@pytest.mark.parametrize("who", ["aziz", "oscar", "olga", "adam", "sam", "priya", "ann"])
def test_who_may_not_or_need_not_is_refused_over_http(house: House, episode: str, who: str) -> None:
    """An auditor, an outsider, whoever cares for nobody; and ann, of the episode's own team."""
    refused = house.post(who, glass(episode), BODY)

    assert (refused.status_code, refused.json()["code"]) == (403, "refused")


@pytest.mark.parametrize(
    "change",
    [{"reason": "curiosity"}, {"text": "because"}, {"minutes": 0}, {"minutes": 481}, {"minutes": "ten"}, {"why": "x"}],
    ids=str,
)
def test_what_cannot_be_meant_opens_nothing(house: House, episode: str, change: dict[str, Any]) -> None:
    """No such reason, too few words, too short or too long a time, or something that is not asked."""
    before = len(openings(house.app.database))

    found = house.post("otto", glass(episode), {**BODY, **change})

    assert (found.status_code, found.json()["code"]) == (400, "invalid-input")
    assert "curiosity" not in found.text
    assert len(openings(house.app.database)) == before
    assert house.post("otto", glass("e-00000000000"), BODY).status_code == 404


def test_the_site_says_for_how_long_at_most(own_house: House) -> None:
    """An administrator sets a quarter of an hour: no longer may be asked for, and that is what one gets unasked."""
    episode = own_house.register()
    value = {"kind": "set_parameter", "values": {"name": PARAMETER, "value": 15}}
    assert own_house.post("adam", "/api/v1/site/commands", value).status_code == 200

    refused = own_house.post("otto", glass(episode), BODY)
    made = own_house.post("otto", glass(episode), {"reason": "cover", "text": NEED.text})

    assert (refused.status_code, refused.json()["detail"]) == (
        400,
        "An episode is opened for 1 to 15 minutes: say how many.",
    )
    assert made.json()["until"] == instant(own_house.clock() + timedelta(minutes=15))


def test_the_queue_is_given_page_by_page(own_house: House) -> None:
    """The oldest first; Link leads to the rest."""
    numbers = [own_house.post("otto", glass(own_house.register()), BODY).json()["opening"] for _ in range(3)]

    first = own_house.get("priya", f"{REVIEWS}?limit=2&all=true")
    second = own_house.get("priya", first.headers["link"].split(">")[0][1:])

    assert [one["number"] for one in (*first.json()["items"], *second.json()["items"])] == numbers
    assert "link" not in second.headers


def test_nobody_reviews_their_own_over_http(own_house: House) -> None:
    """Otto became a privacy officer too: what he opened somebody else looks at; nobody reviews what was never opened."""
    number = own_house.post("otto", glass(own_house.register()), BODY).json()["opening"]
    Staff(own_house.app.database).add(
        Colleague(id="paul", roles=(Role.COORDINATOR, Role.PRIVACY_OFFICER), teams=("other",))
    )
    own = own_house.post("paul:coordinator", glass(own_house.register()), BODY).json()["opening"]

    refused = own_house.post("paul:privacy_officer", f"{REVIEWS}/{own}", FINE)

    assert refused.status_code == 403
    assert own_house.post("paul:privacy_officer", f"{REVIEWS}/{number}", FINE).status_code == 201
    assert own_house.post("priya", f"{REVIEWS}/999999", FINE).status_code == 404
    assert own_house.post("priya", f"{REVIEWS}/{own}", {**FINE, "finding": "fine"}).status_code == 400
