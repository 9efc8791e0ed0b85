"""`stepcare audit search`: filters as people type them, pages, what helps when nothing is found, and who may."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import open_app
from storage.search_fields import FIELDS
from tests.stepcare.conftest import Run

Ask = Callable[..., Any]
CANARY = "the lighthouse keeper said so"


@pytest.fixture
def busy(asked: Ask, run: Run, episode: str) -> str:
    """Give an episode in which a little has happened: contacts, a refused move, a note in somebody's own words."""
    for number in range(3):
        asked("episode", "do", episode, "contact", "channel=telephone", "result=reached", "--as", "ann")
        assert number >= 0
    refused = run("episode", "do", episode, "move", "transition=start_self_care", "--as", "ravi", "--output", "json")
    assert refused.exit_code in (2, 4), refused.stderr
    return episode


def found(asked: Ask, *words: str) -> list[int]:
    """Search as the auditor, and give the entries' numbers."""
    return [one["entry"] for one in asked("audit", "search", "--as", "aziz", *words)["items"]]


def test_filters_narrow_what_is_found(asked: Ask, busy: str) -> None:
    """By actor, role, command, episode, outcome, entries, text; several of one field mean any of them."""
    everything = found(asked)

    assert found(asked, "--actor", "olga") == [0]
    assert found(asked, "--role", "pathway_owner") == [0]
    assert found(asked, "--command", "publish") == [0]
    assert set(found(asked, "--episode", busy)) == set(everything) - {0}
    assert found(asked, "--entries", "0..1", "--sort", "entry") == [0, 1]
    assert found(asked, "--entries", "1") == [1]
    assert found(asked, "--text", "OLG publ") == [0]
    assert set(found(asked, "--actor", "olga", "--actor", "ann")) <= set(everything)
    assert len(found(asked, "--command", "contact")) == 3
    assert found(asked, "--command", "contact", "--command", "publish", "--sort", "entry")[0] == 0


def test_a_found_entry_says_everything_it_says_in_the_clear(asked: Ask, busy: str) -> None:
    """Every field by name, null where nothing is said; its rules with their answers; a pseudonym, no name."""
    whole = asked("audit", "search", "--as", "aziz", "--command", "register")

    (one,) = whole["items"]
    assert (whole["count"], whole["at_least"], whole["after"], whole["entries"] > 3) == (1, False, None, True)
    assert (one["actor"], one["role"], one["state"], one["state_before"]) == ("ann", "coordinator", "intake", None)
    assert one["patient"].startswith("p-")
    assert one["episode"] == busy
    assert {rule["answer"] for rule in one["rules"]} <= {"ok", "no"}
    assert one["readable"] is True
    assert "Ludens" not in json.dumps(whole)


def test_pages_lead_on(asked: Ask, busy: str) -> None:
    """`--after` with the cursor of the page before, to the end; each entry once."""
    expected = found(asked, "--sort", "actor")
    got, words = [], ["--sort", "actor", "--limit", "2"]
    page = asked("audit", "search", "--as", "aziz", *words)
    got += [one["entry"] for one in page["items"]]
    while page["after"]:
        page = asked("audit", "search", "--as", "aziz", *words, "--after", page["after"])
        got += [one["entry"] for one in page["items"]]

    assert got == expected


def test_a_foreign_cursor_is_exit_2(run: Run, asked: Ask, busy: str) -> None:
    """One of another search, or a changed one: said plainly, nothing shown."""
    cursor = asked("audit", "search", "--as", "aziz", "--limit", "1")["after"]

    for words in (["--after", f"{cursor}x"], ["--after", cursor, "--actor", "ann"], ["--after", "?"]):
        result = run("audit", "search", "--as", "aziz", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "not a cursor of this search" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rule", "PATH-5"), "Did you mean PATH-"),
        (("--actor", "anm"), "Did you mean ann?"),
        (("--command", "muve"), "Did you mean move?"),
        (("--role", "auditer"), "Did you mean auditor?"),
        (("--outcome", "refuse"), "Did you mean refused?"),
        (("--level", "HS"), "Did you mean HS"),
        (("--state", "self_car"), "Did you mean self_care?"),
        (("--trigger", "contct"), "Did you mean contact?"),
        (("--answer", "maybe"), "use ok, no, signed, override"),
        (("--answer", "ok:then"), "use ok, no, signed, override"),
        (("--sort", "name"), "use one of entry, recorded"),
        (("--recorded", "soon"), "write a day (2026-03-02) or an instant"),
        (("--recorded", "2026-02-30"), "look at the calendar"),
        (("--recorded", "2026-03-05..2026-03-04"), "end before they begin"),
        (("--recorded", ".."), "needs a day or an instant"),
        (("--occurred", "9999-12-31"), "out of reach"),
        (("--occurred", "2026-03-05T10:00"), "write a day (2026-03-02) or an instant"),
        (("--entries", "7..3"), "lower number first"),
        (("--entries", "one"), "write one number"),
        (("--entries", ".."), "write one number"),
        (("--episode", "e-7K3QX9MV2AX"), "is not a reference"),
        (("--text", "x" * 201), "201 letters, 200 fit"),
        (("--text", "a\x07b"), "not text"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_with_what_might_be(run: Run, words: tuple[str, ...], said: str) -> None:
    """A mistyped name would find nothing and look like an answer: exit 2, and the nearest that there is."""
    result = run("audit", "search", "--as", "aziz", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_rule_that_was_never_asked_is_no_mistake(run: Run, busy: str) -> None:
    """It stands in the pathway in force: nothing is found, and that is the answer."""
    result = run("audit", "search", "--as", "aziz", "--rule", "INJ-05")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "without rule" in result.stderr


def test_what_finds_nothing_says_what_to_loosen(run: Run, asked: Ask, busy: str) -> None:
    """For people on stderr, for programs as counts."""
    words = ("audit", "search", "--as", "aziz", "--actor", "olga", "--command", "contact")

    result = run(*words)
    whole = asked(*words)

    assert "There would be 3 without actor, 1 without command." in result.stderr
    assert (whole["items"], whole["loosen"]) == ([], {"actor": 3, "command": 1})


def test_days_are_the_sites_days_with_their_ends(site: Path, asked: Ask, run: Run, episode: str) -> None:
    """Half past midnight in Berlin is half past eleven the evening before in UTC: it belongs to the new day."""
    at = "2026-03-03T00:30:00+01:00"
    said = run(
        "episode", "do", episode, "contact", "channel=telephone", "result=reached", "--occurred-at", at, "--as", "ann"
    )
    assert said.exit_code == 0, said.stderr

    def contacts(span: str) -> int:
        return len(found(asked, "--command", "contact", "--occurred", span))

    assert contacts("2026-03-03") == contacts("2026-03-03..2026-03-03") == contacts("..2026-03-03") == 1
    assert contacts("2026-03-02") == contacts("2026-03-04..") == contacts("..2026-03-02") == 0
    assert contacts("2026-03-02T23:30:00Z") == contacts("2026-03-02T23:30:00Z..2026-03-02T23:30:00Z") == 1
    assert contacts("2026-03-02T23:30:01Z..") == contacts("..2026-03-02T23:29:59Z") == 0


# --- texts --------------------------------------------------------------------------------------------------------


def noted(run: Run, episode: str) -> None:
    """Leave a text in somebody's own words in the episode's sealed part."""
    words = (
        "episode",
        "do",
        episode,
        "contact",
        "channel=telephone",
        "result=reached",
        f"note={CANARY}",
        "--as",
        "ann",
    )
    result = run(*words)
    assert result.exit_code == 0, result.stderr


def test_texts_are_searched_within_one_opened_episode_only(site: Path, run: Run, asked: Ask, episode: str) -> None:
    """With `--episode` its sealed texts are opened and searched; without, only what stands in the clear."""
    noted(run, episode)

    inside = found(asked, "--episode", episode, "--text", "LIGHTHOUSE ann")
    outside = found(asked, "--text", "lighthouse")

    assert len(inside) == 1
    assert outside == []
    files = b"".join(one.read_bytes() for one in site.glob("search.sqlite*"))
    assert b"register" in files
    assert b"lighthouse" not in files
    assert b"Ludens" not in files


def test_who_may_not_read_an_episode_searches_no_texts_of_it(run: Run, asked: Ask, episode: str) -> None:
    """A privacy officer reads the log and no episode: its texts stay shut, and that is said."""
    noted(run, episode)
    run("user", "add", "priya", "--role", "privacy_officer")

    whole = asked("audit", "search", "--as", "priya", "--episode", episode, "--text", "lighthouse")

    assert whole["items"] == []
    assert "as privacy_officer you may not read it" in whole["notes"][0]


def test_texts_of_another_teams_episode_stay_shut(run: Run, asked: Ask, episode: str) -> None:
    """A lead of another care team finds nothing by them: not the entries, nor that there are any."""
    noted(run, episode)
    run("user", "add", "zoe", "--role", "lead", "--team", "other")

    whole = asked("audit", "search", "--as", "zoe", "--episode", episode, "--text", "lighthouse")

    assert (whole["items"], whole["notes"], whole["loosen"]) == ([], [], {})


# --- who may, and that it is noted --------------------------------------------------------------------------------


def test_only_those_who_read_the_log_search_it(run: Run, busy: str) -> None:
    """A coordinator may not: exit 4."""
    for verb in (("search",), ("export", "--out", "x")):
        result = run("audit", *verb, "--as", "ann")
        assert (result.exit_code, result.stdout) == (4, "")
        assert "ask one of auditor" in result.stderr


def test_a_lead_finds_their_own_teams_entries_and_the_sites(run: Run, asked: Ask, busy: str) -> None:
    """Entries of other care teams are not found, not counted, and not part of what helps."""
    run("user", "add", "zoe", "--role", "lead", "--team", "other")

    mine = asked("audit", "search", "--as", "lena:lead")
    theirs = asked("audit", "search", "--as", "zoe")
    none = asked("audit", "search", "--as", "zoe", "--command", "contact", "--actor", "olga")

    assert mine["count"] > 3
    assert ([one["entry"] for one in theirs["items"]], theirs["count"]) == ([0], 1)
    assert none["loosen"] == {"command": 1}


def test_a_search_is_noted_in_the_log_of_reads(site: Path, asked: Ask, busy: str) -> None:
    """Who, when, which filters, whose entries were shown; a text that was sought is not kept in the clear."""
    asked("audit", "search", "--as", "aziz", "--episode", busy, "--text", "lighthouse", "--sort", "entry")
    asked("audit", "search", "--as", "aziz", "--episode", busy)

    one, two = reads(site)[-2:]
    assert (two["type"], two["actor"]["id"], two["query"]["episode"], two["episodes"]) == (
        "log.search",
        "aziz",
        [busy],
        [busy],
    )
    assert two["persons"] == [asked("audit", "search", "--as", "aziz", "--command", "register")["items"][0]["patient"]]
    assert "lighthouse" not in json.dumps(one)
    assert "text" in one["query"]


def reads(site: Path) -> list[Any]:
    """Give the log of reads."""
    with open_app(site) as app, app.database.reading() as connection:
        found = connection.execute("SELECT entry FROM access_entry ORDER BY idx").fetchall()
    return [json.loads(bytes(one[0])) for one in found]


# --- how it is written --------------------------------------------------------------------------------------------


def test_tables_ndjson_and_csv(run: Run, busy: str) -> None:
    """A table for people with the count on stderr; lines for programs; CSV with every field."""
    table = run("audit", "search", "--as", "aziz", "--limit", "2")
    lines = run("audit", "search", "--as", "aziz", "--limit", "2", "--output", "ndjson")
    cells = run("audit", "search", "--as", "aziz", "--limit", "2", "--output", "csv")

    assert table.stdout.split("\n")[0].split()[:3] == ["ENTRY", "RECORDED", "ACTOR"]
    assert "2 of" in table.stderr
    assert "--after" in table.stderr
    assert [json.loads(line)["episode"] for line in lines.stdout.splitlines()] == [busy, busy]
    assert cells.stdout.splitlines()[0].startswith("entry,recorded,occurred,type,command")
    assert len(cells.stdout.splitlines()) == 3


def test_the_reference_names_every_field_and_every_option(run: Run) -> None:
    """What a found entry has, and what can be asked, stands in the reference."""
    text = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.partition("\n## Search\n")[2].partition("\n## ")[0]
    tables = [re.findall(r"^\| (`.*?) \|", one, re.MULTILINE) for one in re.split(r"^$", section, flags=re.MULTILINE)]
    options, names = (
        {word for row in table for word in re.findall(r"`(?:--)?([\w-]+)`", row)} for table in tables if table
    )
    helped = run("audit", "search", "--help").stdout

    assert names == {*FIELDS, "readable"}
    assert options == set(re.findall(r"^ +--([\w-]+)", helped, re.MULTILINE)) - {"help"} | {"no-override", "not-signed"}
