"""The past on the command line: what is printed, with which exit code."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Asked = Callable[..., Any]


@pytest.fixture
def called(run: Run, episode: str) -> str:
    """Record a call that was made in January."""
    words = ("channel=telephone", "result=reached", "--occurred-at", "2026-01-20T10:00:00+01:00")
    assert run("episode", "do", episode, "contact", *words, "--as", "ann").exit_code == 0
    return episode


def test_as_of_says_what_moment_it_shows(run: Run, called: str) -> None:
    """The picture stands under its moment, with the last entry of then, and does not say what comes next."""
    said = run("episode", "as-of", called, "now").stdout

    assert said.startswith("As it was recorded by 20")
    assert "the last entry then was 2; nothing was recorded since" in said
    assert "Intake" in said
    assert "What next" not in said


def test_before_the_registration_it_exits_3_and_says_when_it_began(run: Run, called: str) -> None:
    """Nothing is there yet: exit 3, with the first entry and its time."""
    result = run("episode", "as-of", called, "2026-01-15")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "it was not registered yet at 2026-01-15 23:59:59 +01:00; its first entry is 1" in result.stderr


def test_what_occurred_is_plainly_marked(run: Run, asked: Asked, called: str) -> None:
    """The call of January had occurred by the end of its day, whatever was recorded then; and nobody decided on it."""
    said = run("episode", "as-of", called, "2026-01-20", "--by", "occurred").stdout
    row = asked("episode", "as-of", called, "2026-01-20", "--by", "occurred")

    assert "NOT RE-DECIDED" in said
    assert "contact" in said
    assert "recorded only at" in said
    assert row["as_of"]["decided_anew"] is False


def test_a_late_entry_says_so_in_the_story(run: Run, called: str) -> None:
    """Both times, and how late; in the order of either."""
    recorded = run("episode", "timeline", called).stdout
    occurred = run("episode", "timeline", called, "--by", "occurred").stdout

    assert "occurred 2026-01-20 10:00, entered" in recorded
    assert "d late" in recorded
    assert recorded.index("register") < recorded.index("contact")
    assert occurred.index("contact") < occurred.index("register")


def test_a_difference_is_said_in_words(run: Run, called: str) -> None:
    """From before its first entry until now: registered, recorded, and the work that follows."""
    said = run("episode", "diff", called, "2026-01-01", "now").stdout

    assert "not registered yet at the first of them" in said
    assert "2 entries were recorded between them: entries 1 to 2" in said
    assert "new → intake by T1" in said
    assert "+ contact (" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("as-of", "2999-01-01"), "still to come"),
        (("as-of", "now", "--by", "chance"), "There is no time 'chance' to go by"),
        (("timeline", "--by", "chance"), "There is no time 'chance' to go by"),
        (("diff", "now", "2026-01-01"), "say the earlier moment first"),
        (("diff", "2026-02-30", "now"), "no day of the calendar"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(words: tuple[str, ...], why: str, run: Run, episode: str) -> None:
    """A later day, an unknown order, the wrong way round: exit 2, and what to write."""
    command, *rest = words

    result = run("episode", command, episode, *rest)

    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_the_past_is_of_the_care_team_too(run: Run, episode: str) -> None:
    """Whoever may not see an episode does not see what it was either."""
    for words in (("as-of", episode, "now"), ("timeline", episode), ("diff", episode, "2026-01-01", "now")):
        assert run("episode", *words, "--as", "otto").exit_code == 4
