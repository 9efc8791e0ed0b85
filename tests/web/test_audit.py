"""Searching and exporting the log over HTTP: the same search as on the command line, page by page or as one file."""

import base64
import csv
import hashlib
import io
import json
from typing import Any

import pytest

from engine.merkle import leaf_hash
from tests.web.conftest import CALLED, House
from tests.web.test_lists import pages

HERE = "/api/v1/audit"


@pytest.fixture(scope="module")
def two(house: House) -> tuple[str, str]:
    """Let a little happen in two episodes."""
    first, second = house.register(name="Alva Ludens"), house.register(name="Otto Ludens")
    for _ in range(5):
        house.command("ann", first, CALLED)
    house.command("ravi", second, {"kind": "move", "values": {"transition": "start_assessment"}})
    return first, second


def found(house: House, query: str = "", who: str = "aziz") -> Any:
    """Search, and give the answer."""
    answer = house.get(who, f"{HERE}/entries?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_entries_are_found_by_what_they_say(house: House, two: tuple[str, str]) -> None:
    """Filters as query parameters, repeated for "any of them"; count and size of the log beside the items."""
    first, second = two

    contacts = found(house, f"command=contact&episode={first}&sort=entry")
    either = found(house, f"episode={first}&episode={second}&limit=500")

    assert contacts["count"] == len(contacts["items"]) == 5
    assert contacts["at_least"] is False
    assert contacts["entries"] == len(list(house.app.store.entries()))
    assert {one["episode"] for one in either["items"]} == set(two)
    assert found(house, "text=OLG%20publ")["count"] == 1
    assert found(house, "override=true")["count"] == 0
    assert "Ludens" not in json.dumps(either)


def test_pages_lead_on_and_stand_still(house: House, two: tuple[str, str]) -> None:
    """Link to the end, in any order; what is decided meanwhile is not on them, not even the searches themselves."""
    other = house.register(name="Elsa Ludens")
    whole = [one["entry"] for one in found(house, "sort=-actor&limit=500")["items"]]

    got = []
    for page in pages(house, "aziz", f"{HERE}/entries?sort=-actor&limit=3"):
        got += [one["entry"] for one in page]
        house.command("ann", other, CALLED)

    assert got == whole


def test_lines_come_where_they_are_asked_for(house: House, two: tuple[str, str]) -> None:
    """Accept: application/x-ndjson gives an object a line, with the same Link."""
    answer = house.get("aziz", f"{HERE}/entries?limit=2&sort=entry", Accept="application/x-ndjson")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["entry"] for line in answer.text.splitlines()] == [0, 1]
    assert answer.headers["link"].endswith('; rel="next"')


@pytest.mark.parametrize(
    "query",
    [
        "stat=intake",
        "actor=nobody-like-that",
        "rule=PATH-5",
        "command=muve",
        "role=king",
        "sort=colour",
        "recorded=soon",
        "recorded=2026-03-05..2026-03-04",
        "entries=z",
        "limit=0",
        "limit=501",
        "override=perhaps",
        "cursor=!!!",
        "cursor=W10",
        "episode=e-7K3QX9MV2AX",
        "answer=maybe",
    ],
)
def test_what_is_no_condition_is_400(house: House, two: tuple[str, str], query: str) -> None:
    """Mistyped, foreign or changed: refused in our words, and what was sent does not come back."""
    answer = house.get("aziz", f"{HERE}/entries?{query}")

    said = query.partition("=")[2]
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert len(said) < 4 or said not in answer.text


def test_a_cursor_of_another_search_is_400(house: House, two: tuple[str, str]) -> None:
    """It would give a list with holes."""
    link = house.get("aziz", f"{HERE}/entries?limit=1").headers["link"]
    cursor = link.partition("cursor=")[2].partition(">")[0]

    assert house.get("aziz", f"{HERE}/entries?limit=1&cursor={cursor}").status_code == 200
    for other in (f"limit=1&actor=ann&cursor={cursor}", f"limit=1&cursor={cursor}x"):
        answer = house.get("aziz", f"{HERE}/entries?{other}")
        assert answer.status_code == 400
        assert "cursor" in answer.json()["detail"]


def test_one_entry_is_given_as_it_lies_there(house: House, two: tuple[str, str]) -> None:
    """Its bytes and their hash, so that whoever reads it can do the sum; 404 for one that is not there."""
    number = house.app.store.entries_of(two[0])[0].idx

    one = house.get("aziz", f"{HERE}/entries/{number}").json()

    assert leaf_hash(one["bytes"].encode()).hex() == one["leaf"]
    assert json.loads(one["bytes"])["ep"] == two[0]
    assert one["patient"] == found(house, f"entries={number}")["items"][0]["patient"]
    assert house.get("aziz", f"{HERE}/entries/999999").status_code == 404
    assert house.get("aziz", f"{HERE}/entries/-1").status_code == 404


def test_a_lead_of_another_team_finds_the_sites_entries_only(house: House, two: tuple[str, str]) -> None:
    """Found, counted, exported, one by one: nothing of other care teams."""
    number = house.app.store.entries_of(two[0])[0].idx

    assert {one["episode"] for one in found(house, "limit=500", "zoe")["items"]} == {None}
    assert found(house, f"episode={two[0]}", "zoe")["count"] == 0
    assert house.get("zoe", f"{HERE}/entries/{number}").status_code == 403
    exported = house.get("zoe", f"{HERE}/export")
    assert two[0] not in exported.text
    assert manifest(exported)["teams"] == ["other"]


# --- the export ---------------------------------------------------------------------------------------------------


def manifest(answer: Any) -> Any:
    """Read the manifest off the header."""
    return json.loads(base64.urlsafe_b64decode(answer.headers["stepcare-manifest"]))


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_is_what_its_manifest_says(house: House, two: tuple[str, str], form: str) -> None:
    """Every entry that a search finds, whole; hash, length and count are those of the manifest."""
    query = f"episode={two[0]}&episode={two[1]}&sort=-entry"
    expected = [one["entry"] for one in found(house, f"{query}&limit=500")["items"]]

    answer = house.get("aziz", f"{HERE}/export?{query}&format={form}")

    said = manifest(answer)
    (file,) = said["files"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == file["media"]
    assert file["name"] in answer.headers["content-disposition"]
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    assert len(answer.content) == file["bytes"] == int(answer.headers["content-length"])
    assert said["count"] == len(expected)
    assert said["by"]["actor"] == "aziz"
    assert said["query"]["episode"] == list(two)
    if form == "ndjson":
        assert [json.loads(line)["idx"] for line in answer.text.splitlines()] == expected
    else:
        rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
        assert [int(row["entry"]) for row in rows] == expected
    assert "Ludens" not in answer.text


def test_searches_and_exports_are_noted(house: House, two: tuple[str, str]) -> None:
    """One entry a request in the log of reads, with the id of the request, before the answer."""
    answers = [
        house.get("aziz", f"{HERE}/entries?episode={two[0]}"),
        house.get("aziz", f"{HERE}/export?episode={two[0]}"),
        house.get("aziz", f"{HERE}/entries/1"),
    ]

    with house.app.database.reading() as connection:
        rows = connection.execute("SELECT entry FROM access_entry ORDER BY idx DESC LIMIT 3").fetchall()
    noted = [json.loads(bytes(one[0])) for one in reversed(rows)]
    assert [one["type"] for one in noted] == ["log.search", "log.export", "read.log"]
    assert [one["req"] for one in noted] == [one.headers["x-request-id"] for one in answers]
    assert {one["actor"]["id"] for one in noted} == {"aziz"}
    assert noted[0]["episodes"] == [two[0]]
    assert noted[0]["persons"] == noted[1]["persons"] != []
