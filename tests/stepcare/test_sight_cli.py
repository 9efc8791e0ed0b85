"""What the command line shows of another care team: no more than HTTP does."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import open_app
from storage.access_read import AccessFilter, noted
from tests.stepcare.conftest import Run
from tests.web.conftest import served

Asked = Callable[..., Any]
CALLED = ("contact", "channel=telephone", "result=reached")
CONCERN = ("move", "transition=raise_concern")


@pytest.mark.parametrize("who", ["otto", "olga"])
@pytest.mark.parametrize("words", [("episode", "why"), ("pathway", "draw", "--episode")], ids=" ".join)
def test_why_is_told_to_those_who_may_read_the_episode(
    run: Run, episode: str, words: tuple[str, ...], who: str
) -> None:
    """Another team's coordinator and a role that reads no episode learn nothing of its place and its moves."""
    result = run(*words, episode, "--as", who)

    assert (result.exit_code, result.stdout) == (4, "")
    assert "intake" not in result.stderr


@pytest.mark.parametrize("more", [("--output", "json"), ("--output", "table"), ("--output", "json", "--dry-run")])
@pytest.mark.parametrize("who", ["otto", "olga"])
@pytest.mark.parametrize("command", [CALLED, CONCERN])
def test_a_command_of_another_team_learns_nothing_of_the_episode(
    run: Run, episode: str, command: tuple[str, ...], who: str, more: tuple[str, ...]
) -> None:
    """What came of it is said, refused or not, previewed or not; neither state nor picture nor work is."""
    result = run("episode", "do", episode, *command, *more, "--as", who)

    assert "intake" not in result.stdout
    assert "due item" not in result.stdout
    if "json" in more:
        said = json.loads(result.stdout)
        assert not {"state", "state_before", "derived", "due_items", "messages", "recommended"} & said.keys()
        assert {rule["id"] for rule in said["rules"]} <= {"ROLE-01"}


def test_the_latest_entries_leave_out_those_of_other_teams(run: Run, asked: Asked, episode: str) -> None:
    """A lead sees their own team's and the site's; an auditor, and whoever says no name, all."""
    assert run("user", "add", "zoe", "--role", "lead", "--team", "other").exit_code == 0

    shown = {
        who: {one["episode"] for one in asked("audit", "show", "--as", who)} for who in ("zoe", "lena:lead", "aziz")
    }

    assert shown["zoe"] == {None}
    assert episode in shown["lena:lead"] & shown["aziz"]
    assert episode in {one["episode"] for one in asked("audit", "show")}


def test_reading_an_entry_of_custody_is_noted_under_the_person_it_is_about(
    run: Run, asked: Asked, site: Path, episode: str
) -> None:
    """A hold, the wish to erase and the answer to it are sealed to the site: whom they are about is noted all the same."""
    person = asked("episode", "show", episode)["person"]
    assert run("user", "add", "priya", "--role", "privacy_officer").exit_code == 0
    asked("episode", "do", episode, "move", "transition=decline", "reason=cost", "risk_told=true", "--as", "ann")
    wish = asked("audit", "erase", person, "--basis", "consent_withdrawn", "--as", "priya", exit_code=4)
    answer = asked("audit", "erase", "--approve", wish["id"], "--answer", "no", "--as", "lena:lead")
    hold = asked("audit", "hold", "add", person, "--reason", "law", "--matter", "m-1", "--as", "priya")
    numbers = [one["entry"] for one in (wish, answer, hold)]

    for number in numbers:
        asked("audit", "show", str(number), "--as", "aziz")
    with contextmanager(served)(site) as house:
        for number in numbers:
            assert house.get("aziz", f"/api/v1/log/{number}").status_code == 200
            assert house.get("aziz", f"/api/v1/audit/entries/{number}").status_code == 200

    with open_app(site) as opened:
        found = noted(opened.database, AccessFilter(actor="aziz", what="read.log"))
    assert [one.said["persons"] for one in found] == [[person]] * 9
