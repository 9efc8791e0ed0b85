"""What the command line shows of another care team: no more than HTTP does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.stepcare.conftest import Run

Asked = Callable[..., Any]
CALLED = ("contact", "channel=telephone", "result=reached")
CONCERN = ("move", "transition=raise_concern")


@pytest.mark.parametrize("who", ["otto", "olga"])
def test_why_is_told_to_those_who_may_read_the_episode(run: Run, episode: str, who: str) -> None:
    """Another team's coordinator and a role that reads no episode learn nothing of its moves."""
    result = run("episode", "why", episode, "--as", who)

    assert (result.exit_code, result.stdout) == (4, "")
    assert "intake" not in result.stderr


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize("output", ["json", "table"])
@pytest.mark.parametrize("who", ["otto", "olga"])
@pytest.mark.parametrize("command", [CALLED, CONCERN])
def test_a_command_of_another_team_learns_nothing_of_the_episode(
    run: Run, episode: str, command: tuple[str, ...], who: str, output: str, dry: tuple[str, ...]
) -> None:
    """What came of it is said, refused or not, previewed or not; neither state nor picture nor work is."""
    result = run("episode", "do", episode, *command, *dry, "--as", who, "--output", output)

    assert "intake" not in result.stdout
    assert "due item" not in result.stdout
    if output == "json":
        said = json.loads(result.stdout)
        assert not {"state", "state_before", "derived", "due_items", "messages", "recommended"} & said.keys()
        assert {rule["id"] for rule in said["rules"]} <= {"ROLE-01"}


def test_the_latest_entries_leave_out_those_of_other_teams(run: Run, asked: Asked, episode: str) -> None:
    """A lead sees their own team's and the site's; an auditor, and whoever says no name, all."""
    assert run("user", "add", "zoe", "--role", "lead", "--team", "other").exit_code == 0

    shown = {who: {one["episode"] for one in asked("audit", "show", "--as", who)} for who in ("zoe", "lena:lead", "aziz")}

    assert shown["zoe"] == {None}
    assert episode in shown["lena:lead"] & shown["aziz"]
    assert episode in {one["episode"] for one in asked("audit", "show")}
