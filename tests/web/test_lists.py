"""Lists over HTTP: in their order, page by page, nothing twice and nothing left out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stepcare.explained import explained, explained_json
from stepcare.web.problem import dumped
from tests.web.conftest import CALLED, House


def pages(house: House, who: str, path: str) -> Iterator[list[Any]]:
    """Follow Link: rel=next to the end."""
    while path:
        found = house.get(who, path)
        assert found.status_code == 200, found.text
        yield found.json()["items"]
        link = found.headers.get("link", "")
        assert not link or link.endswith('>; rel="next"')
        path = link.partition(">")[0].removeprefix("<")


@pytest.fixture(scope="module")
def seven(house: House) -> list[str]:
    """Register seven episodes."""
    return [house.register(name=f"Person {number}") for number in range(7)]


def test_the_episodes_come_page_by_page(house: House, seven: list[str]) -> None:
    """Pages of three hold what one page of 500 holds, in the same order."""
    whole = house.get("ann", "/api/v1/episodes?limit=500").json()["items"]

    found = [one["id"] for page in pages(house, "ann", "/api/v1/episodes?limit=3") for one in page]

    assert found == [one["id"] for one in whole]
    assert set(seven) <= set(found)


def test_the_worklist_comes_page_by_page_as_of_one_moment(own_house: House) -> None:
    """What becomes overdue between two pages does not move within the list: nothing twice, nothing left out."""
    for number in range(5):
        own_house.register(name=f"Person {number}")
    whole = own_house.get("ann", "/api/v1/due?limit=500").json()["items"]

    found = []
    for page in pages(own_house, "ann", "/api/v1/due?limit=2"):
        found += [(one["episode"], one["id"], one["rank"]) for one in page]
        own_house.clock.forward(days=9)

    assert len(whole) >= 5
    assert found == [(one["episode"], one["id"], one["rank"]) for one in whole]


def test_the_log_and_a_timeline_come_page_by_page(house: House, seven: list[str]) -> None:
    """Entries by their numbers, each once."""
    for _ in range(4):
        house.command("ann", seven[0], CALLED)
    length = len(list(house.app.store.entries()))

    log = [one["entry"] for page in pages(house, "aziz", "/api/v1/log?limit=4") for one in page]
    part = [one["entry"] for page in pages(house, "aziz", "/api/v1/log?first=2&end=9&limit=3") for one in page]
    story = [
        one["entry"] for page in pages(house, "ann", f"/api/v1/episodes/{seven[0]}/timeline?limit=2") for one in page
    ]

    assert log == list(range(length))
    assert part == list(range(2, 9))
    assert story == [one.idx for one in house.app.store.entries_of(seven[0])]


def test_filters_narrow_the_list(house: House, seven: list[str]) -> None:
    """State, owner, team, person and what falls due; closed ones only where they are asked for."""
    house.command("ann", seven[1], {"kind": "assign", "values": {"owner": "ravi"}})
    person = house.get("ann", f"/api/v1/episodes/{seven[2]}").json()["person"]

    def listed(query: str) -> set[str]:
        return {one["id"] for one in house.get("ann", f"/api/v1/episodes?limit=500&{query}").json()["items"]}

    assert listed("owner=ravi") == {seven[1]}
    assert listed(f"patient={person}") == {seven[2]}
    assert listed("state=self_care") == set()
    assert set(seven) <= listed("state=intake")
    assert set(seven) <= listed("due_before=2026-06-01T00:00:00Z")
    assert listed("due_before=2026-01-01T00:00:00Z") == set()
    assert listed("team=elsewhere") == set()
    assert listed("closed=true") >= set(seven)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/episodes?limit=0",
        "/api/v1/episodes?limit=501",
        "/api/v1/episodes?limit=many",
        "/api/v1/episodes?stat=intake",
        "/api/v1/episodes?due_before=2026-01-01T00:00:00",
        "/api/v1/episodes?due_before=soon",
        "/api/v1/episodes?cursor=!!!",
        "/api/v1/episodes?cursor=AAAA",
        "/api/v1/episodes?cursor=eCB5IHo",
        "/api/v1/due?cursor=MjAyNi0wMS0wMQ",
        "/api/v1/due?cursor=OTk5OS0wMS0wMVQwMDowMDowMC4wMDAwMDBaIDUgeCB5IHo",
        "/api/v1/due?role=king",
        "/api/v1/log?first=-1",
    ],
)
def test_what_is_no_condition_is_400(house: House, path: str) -> None:
    """A mistyped name would silently mean everything: it is refused, in our words only."""
    found = house.get("lena", path)

    said = path.rpartition("=")[2]
    assert (found.status_code, found.json()["code"]) == (400, "invalid-input")
    assert said not in found.text or said.lstrip("-").isdigit()


def test_an_entry_shows_its_bytes_and_its_hash(house: House, seven: list[str]) -> None:
    """Whoever reads an entry can do the sum: the leaf is the hash of the bytes."""
    import hashlib  # noqa: PLC0415 - the reader's own tool

    entry = house.app.store.entries_of(seven[0])[0].idx

    found = house.get("aziz", f"/api/v1/log/{entry}").json()

    assert hashlib.sha256(b"\x00" + found["bytes"].encode()).hexdigest() == found["leaf"]
    assert found["values"]["region"] == "upper_back"
    assert house.get("aziz", "/api/v1/log/999999").status_code == 404


def test_an_entry_explains_itself_and_is_held_to_its_seal(house: House, seven: list[str]) -> None:
    """What `audit show` tells is told here: the same words, who acted, the values read, and that it is what was decided."""
    entry = house.app.store.entries_of(seven[0])[0].idx

    found = house.get("aziz", f"/api/v1/log/{entry}").json()

    kept = explained_json(house.app, explained(house.app, entry))
    assert {name: found[name] for name in kept} == json.loads(dumped(kept))
    assert set(found) - set(kept) == {"leaf", "bytes"}
    assert found["check"]["verdict"] == "equal"
    assert set(found["check"]["sections"].values()) == {"equal"}


def test_an_entry_of_somebody_erased_says_what_it_says_in_the_clear(own_house: House) -> None:
    """Its sealed part is closed for ever: `check` says so and why, the hash and the bytes are there, the answers are not."""
    stored = own_house.app.store.entries_of(own_house.register())[0]
    entry = stored.idx
    own_house.app.database.vault.destroy_key(str(stored.person_ref), own_house.clock())

    found = own_house.get("aziz", f"/api/v1/log/{entry}")

    assert (found.status_code, found.json()["check"]["verdict"]) == (200, "lost")
    assert found.json()["check"]["code"] == "key-destroyed"
    assert found.json()["leaf"] == stored.leaf.hex()
    assert "values" not in found.json()


def test_an_episode_explains_what_may_happen_next(house: House, seven: list[str]) -> None:
    """Open and closed transitions with the rules that close them, for the role that asks."""
    found = house.get("ravi", f"/api/v1/episodes/{seven[3]}/options").json()

    names = {one["name"]: one for one in found["options"]}
    assert names["start_assessment"]["open"] is True
    closed = next(one for one in found["options"] if one["closed_by"])
    assert closed["closed_by"][0]["remedy"]
    assert "citations" in closed["closed_by"][0]


def test_a_pathway_is_shown_whole(house: House) -> None:
    """Roles, states, transitions, forms, rules, parameters and sources, under the hash of its bytes."""
    (listed,) = house.get("ann", "/api/v1/pathways").json()["items"]

    found = house.get("ann", f"/api/v1/pathways/{listed['id']}").json()

    assert found["sha256"] == listed["sha256"] == next(iter(house.app.store.site().pathways.values()))
    assert {"states", "transitions", "forms", "rules", "parameters", "sources", "roles"} <= set(found)
    assert house.get("ann", "/api/v1/pathways/none").status_code == 404
