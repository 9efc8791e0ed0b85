"""Every route that shows people's data is noted before it answers; a new route must say whether it does."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.model import Role
from stepcare.noting import TYPES
from storage.access_read import AccessFilter, Noted, noted
from storage.access_verify import verify_access
from tests.web.conftest import CALLED, CAST, House

EPISODES, ONE = "/api/v1/episodes", "/api/v1/episodes/{episode}"
# Who asks for what, and the type of the entry it leaves.
READS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("GET", EPISODES): ("ann", "?state=intake", "read.list"),
    ("GET", ONE): ("ann", "", "read.episode"),
    ("GET", f"{ONE}/options"): ("ann", "", "read.episode"),
    ("GET", f"{ONE}/timeline"): ("ann", "", "read.episode"),
    ("GET", f"{ONE}/diff"): ("ann", "?from=2026-03-01&to=now", "read.episode"),
    ("POST", f"{ONE}/preview"): ("ann", "", "preview"),
    ("POST", f"{ONE}/break-glass"): ("otto", "", "break_glass.opened"),
    ("GET", "/api/v1/access/reviews"): ("priya", "?all=true", "break_glass.queue"),
    ("POST", "/api/v1/access/reviews/{opening}"): ("priya", "", "break_glass.reviewed"),
    ("GET", "/api/v1/due"): ("ann", "", "read.list"),
    ("GET", "/api/v1/due/parked"): ("ann", "", "read.list"),
    ("GET", f"{ONE}/due/explain"): ("ann", "", "read.episode"),
    ("GET", "/api/v1/log"): ("aziz", "", "read.log"),
    ("GET", "/api/v1/log/{number}"): ("aziz", "", "read.log"),
    ("GET", "/api/v1/audit/access"): ("aziz", "", "log.access"),
    ("GET", "/api/v1/audit/entries"): ("aziz", "", "log.search"),
    ("GET", "/api/v1/audit/entries/{number}"): ("aziz", "", "read.log"),
    ("GET", "/api/v1/audit/export"): ("aziz", "", "log.export"),
}
BODIES: dict[str, Any] = {
    f"{ONE}/preview": CALLED,
    f"{ONE}/break-glass": {"reason": "cover", "text": "Covering for Ann this week."},
    "/api/v1/access/reviews/{opening}": {"finding": "justified", "text": "Ann was away this week."},
}
PURPOSES = {Role.AUDITOR: "audit", Role.PRIVACY_OFFICER: "privacy"}
# Why the others leave nothing there. A route that shows people's data has no place here.
NOBODYS: dict[tuple[str, str], str] = {
    ("POST", EPISODES): "an entry of the main log; what was said before: see below",
    ("POST", f"{ONE}/commands"): "an entry of the main log; what was said before: see below",
    ("POST", f"{ONE}/due/retry"): "an entry of the main log, or nothing but what was put back",
    ("GET", "/api/v1/due/stats"): "figures",
    ("POST", "/hooks/receipts/{channel}"): "shows nothing; what it reports is an entry of the main log",
    ("GET", "/u/{token}"): "shows the same page to everybody",
    ("POST", "/u/{token}"): "an entry of the main log; shows the same page to everybody",
    ("POST", "/api/v1/site/commands"): "about no person",
    ("GET", "/api/v1/pathways"): "about no person",
    ("GET", "/api/v1/pathways/{pathway}"): "about no person",
    ("GET", "/api/v1/openapi.json"): "about no person",
    ("HEAD", "/api/v1/openapi.json"): "about no person",
    **dict.fromkeys([("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")], "figures"),
}
FEED = "/feeds/"  # by whose address it is read: tests/feeds
LOG = "/log"  # the published log: immutable files, noted by the route of its checkpoint (tests/publish)


@pytest.fixture
def reads(house: House) -> Callable[[], list[Noted]]:
    """Give what was noted since the test began, the oldest first."""
    (began,) = house.app.database.look("SELECT n FROM access_head", {})

    def since() -> list[Noted]:
        assert verify_access(house.app.database).faults == ()
        return [one for one in noted(house.app.database, AccessFilter())[::-1] if one.idx >= began]

    return since


def opened(house: House, episode: str) -> int:
    """Have otto open the episode in need; gives the number of that."""
    made = house.post("otto", f"{EPISODES}/{episode}/break-glass", BODIES[f"{ONE}/break-glass"])
    return int(made.json()["opening"])


def ask(house: House, route: tuple[str, str], episode: str, opening: int = 0) -> Any:
    """Ask a route of the table; about the opening of this number, where it is about one."""
    who, query, _ = READS[route]
    number = str(house.app.store.entries_of(episode)[-1].idx)
    path = route[1].format(episode=episode, number=number, opening=opening) + query
    return house.get(who, path) if route[0] == "GET" else house.post(who, path, BODIES[route[1]])


def test_every_route_is_in_the_table(house: House) -> None:
    """Whoever adds a route says what it leaves in the log of reads, or why nothing."""
    there = {
        (method, str(getattr(route, "path", "")))
        for route in house.web.routes.routes
        for method in getattr(route, "methods", None) or ("GET",)
    }
    known = {*READS, *NOBODYS}

    assert sorted(one for one in there - known if not one[1].startswith((LOG, FEED))) == []
    assert sorted(set(READS) - there) == []
    assert {kind for _, _, kind in READS.values()} <= TYPES.keys()


@pytest.mark.parametrize("route", READS, ids=" ".join)
def test_what_is_shown_is_noted(
    house: House, episode: str, reads: Callable[[], list[Noted]], route: tuple[str, str]
) -> None:
    """One request, one entry, of the type in the table, with who asked, what for, by which request and token."""
    opening = opened(house, episode) if "reviews" in route[1] else 0

    response = ask(house, route, episode, opening)

    assert response.status_code in (200, 201), response.text
    one = reads()[-1]
    assert len([other for other in reads() if other.said["req"] == one.said["req"]]) == 1
    assert one.said["type"] == READS[route][2]
    assert one.said["actor"]["id"] == READS[route][0]
    assert one.said["req"] == response.headers["x-request-id"]
    assert one.said["via"].startswith("api:")
    assert one.said["pou"] == PURPOSES.get(CAST[READS[route][0]][0], "treatment")
    if "{episode}" in route[1] or "reviews" in route[1] or route[1] == EPISODES or "log/" in route[1]:
        assert episode in one.said["episodes"]
        assert house.app.store.episode(episode).person.id in one.said["persons"]


@pytest.mark.parametrize("route", READS, ids=" ".join)
def test_nothing_is_shown_that_cannot_be_noted(
    house: House, episode: str, route: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the log of reads cannot be written the answer is 503, and holds nothing of anybody."""
    opening = opened(house, episode)
    ask(house, route, episode, opened(house, episode))  # so that no token need be looked up any more, nor an index made

    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(house.app.database.backend), "turn", full)
        response = ask(house, route, episode, opening)

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert episode not in response.text


def test_a_list_notes_whom_its_page_showed(house: House, reads: Callable[[], list[Noted]]) -> None:
    """Two of three episodes are on the page: those two are noted, and the filters in our own words."""
    for _ in range(3):
        house.register()

    page = house.get("ann", "/api/v1/episodes?limit=2&owner=Wilhelmine%20Canary&closed=true").json()["items"]
    shown = house.get("ann", "/api/v1/episodes?limit=2").json()["items"]

    first, second = reads()
    assert page == []
    assert first.said["query"] == {"limit": 2, "closed": True, "owner": {"length": 17}}
    assert second.said["episodes"] == [one["id"] for one in shown]
    assert second.said["persons"] == [one["person"] for one in shown]


def test_an_answer_given_again_is_a_read(house: House, episode: str, reads: Callable[[], list[Noted]]) -> None:
    """The first answer is an entry of the main log; the same key again shows it once more, and that is noted."""
    before = len(reads())
    first = house.command("ann", episode, CALLED, Idempotency_Key="again")
    assert len(reads()) == before

    again = house.command("ann", episode, CALLED, Idempotency_Key="again")

    assert (first.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert [one.said["type"] for one in reads()[before:]] == ["read.episode"]


@pytest.mark.parametrize("who", ["otto", "zoe", "adam"])
def test_what_is_refused_shows_nobody_and_is_not_a_read(
    house: House, episode: str, reads: Callable[[], list[Noted]], who: str
) -> None:
    """Another care team's episode, or a role that reads none: 403, nothing shown, nothing noted."""
    assert house.get(who, f"/api/v1/episodes/{episode}").status_code == 403
    assert reads() == []


# --- who looked ---------------------------------------------------------------------------------------------------------


def test_who_looked_is_listed_page_by_page(house: House, episode: str) -> None:
    """The latest come first; Link leads to the earlier ones; what was asked before stays on the page it was on."""
    for _ in range(3):
        house.get("ann", f"/api/v1/episodes/{episode}")

    first = house.get("aziz", f"/api/v1/audit/access?episode={episode}&type=read.episode&limit=2")
    second = house.get("aziz", first.headers["link"].split(">")[0][1:])

    assert [one["actor"] for one in first.json()["items"]] == ["ann", "ann"]
    assert [one["actor"] for one in second.json()["items"]] == ["ann"]
    assert second.json()["items"][0]["number"] < first.json()["items"][1]["number"]


@pytest.mark.parametrize("who", ["ann", "ravi", "lena", "olga", "adam", "oscar", None])
def test_only_auditors_and_privacy_officers_learn_who_looked(house: House, who: str | None) -> None:
    """Others are refused; without a token nobody is told anything."""
    assert house.get(who, "/api/v1/audit/access").status_code == (401 if who is None else 403)


@pytest.mark.parametrize(
    "query",
    [
        *("person=Alva%20Ludens", "episode=e-AAAAAAAAAAA", "type=gossip", "since=2026-03-02T09:00:00", "limit=0"),
        *("colour=red", "person=p-7K3QX9MV2AC&episode=e-7K3QX9MV2AC", "before=-1"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_not_repeated(house: House, query: str) -> None:
    """A name where a reference belongs does not come into the log of reads, nor back."""
    response = house.get("aziz", f"/api/v1/audit/access?{query}")

    assert response.status_code == 400
    assert "Alva" not in response.text
