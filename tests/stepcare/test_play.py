"""Play files: stories of timed commands, told the same every time, and held against what they expect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from engine.model import Json
from stepcare.expect import mismatches

Run = Callable[..., Result]
Play = Callable[..., Result]
SCENARIOS = Path(__file__).parent.parent / "scenarios"
HEAD = """
pathway: mid_upper_back
start: 2026-03-02T09:00:00+01:00
zone: Europe/Berlin
actors: {ann: coordinator, ravi: assessor, lena: lead}
"""
REGISTER = "  - {at: +0d, by: ann, command: register, with: {region: upper_back, onset: 2026-01-12}}\n"


@pytest.fixture
def play(bare: Run, tmp_path: Path) -> Play:
    """Play lines of a story, after its usual head."""

    def played(lines: str, *words: str, head: str = HEAD) -> Result:
        file = tmp_path / "story.yaml"
        file.write_text(f"{head}do:\n{lines}", encoding="utf-8")
        return bare("play", str(file), *words)

    return played


def rows_of(result: Result) -> list[dict[str, Any]]:
    """Read the JSON a play wrote."""
    return json.loads(result.stdout)  # type: ignore[no-any-return]  # a list of objects


# --- the whole ----------------------------------------------------------------------------------------------------


def test_the_example_of_the_reference_plays_as_written(bare: Run) -> None:
    """Refused for PATH-05, passed with a reason, signed off by another person: exactly as the reference says."""
    result = bare("play", str(SCENARIOS / "readme.yaml"), "--output", "json")

    assert result.exit_code == 0, result.stderr
    commands = [row["command"] for row in rows_of(result)]
    assert "fire" in commands
    assert commands.count("move") == 6


def test_a_story_is_told_the_same_every_time(play: Play) -> None:
    """Same file, same answers, word for word; only the secrets of the database differ."""
    lines = REGISTER + "  - {at: +40d, command: wait}\n"

    first, second = play(lines, "--output", "json"), play(lines, "--output", "json")

    assert first.stdout == second.stdout


def test_every_answer_has_the_parts_that_others_read(play: Play) -> None:
    """The names of the JSON contract are all there, whatever became of the command."""
    lines = REGISTER + "".join(
        f"  - {{at: +0d, by: {by}, command: {command}}}\n"
        for by, command in (
            ("ann", "move, with: {transition: start_assessment}"),
            ("ravi", "move, with: {transition: enter_step1}"),
            ("ravi", "move, with: {transition: fly}"),
            ("lena", "sign_off, with: {answer: yes}"),
        )
    )

    rows = rows_of(play(lines, "--output", "json"))

    assert [row["outcome"] for row in rows] == ["accepted", "accepted", "refused", "invalid", "invalid"]
    names = {
        *("at", "by", "command", "episode", "outcome", "state_before", "state", "rules", "failed", "prompts"),
        *("recommended", "taken", "due_items", "timers", "messages", "derived", "entry"),
    }
    assert [names - row.keys() for row in rows] == [set()] * 5
    rule = next(rule for row in rows for rule in row["rules"] if rule["clauses"])
    assert {"id", "level", "value", "clauses", "message", "remedy", "sources"} <= rule.keys()
    assert {"fact", "value", "occurred_at", "recorded_at"} <= rule["clauses"][0]["inputs"][0].keys()
    assert {rule["value"] for row in rows for rule in row["rules"]} <= {True, False, "unknown"}
    assert (rows[0]["entry"], rows[3]["entry"], "problem" in rows[3]) == (1, None, True)


def test_timers_fire_at_their_own_time_between_the_lines(play: Play) -> None:
    """What falls due before a line fires before it, each timer at its instant, as a line of its own."""
    rows = rows_of(play(REGISTER + "  - {at: +30d, command: wait}\n", "--output", "json"))

    fired = [row for row in rows if row["command"] == "fire"]
    assert fired
    assert [row["at"] for row in fired] == sorted(row["at"] for row in fired)
    assert all(row["at"] == row["timers"]["fired"][0]["at"] for row in fired)
    assert (rows[-1]["command"], rows[-1]["fired"], rows[-1]["at"][:10]) == ("wait", len(fired), "2026-04-01")
    assert rows[-1]["derived"]["overdue"] >= 1


def test_an_unmet_expectation_exits_6_and_says_which(play: Play) -> None:
    """The line, the part, what was expected and what came: on stderr, and the story goes on to its end."""
    lines = (
        REGISTER.replace("}}\n", "}, expect: {state: assessment, failed: [X-01]}}\n") + "  - {at: +1d, command: wait}\n"
    )

    result = play(lines, "--output", "json")

    assert result.exit_code == 6
    assert "state: expected assessment, got intake" in result.stderr
    assert "missing [X-01]" in result.stderr
    rows = rows_of(result)
    assert rows[0]["unmet"]
    assert rows[-1]["command"] == "wait"


def test_a_story_without_expectations_is_only_told(play: Play) -> None:
    """A refusal nobody expected anything of is no failure: exit 0."""
    result = play(REGISTER + "  - {at: +0d, by: ravi, command: move, with: {transition: step_up}}\n")

    assert (result.exit_code, "PATH-01" in result.stdout) == (0, True)


def test_a_key_said_twice_is_done_once(play: Play) -> None:
    """The same key with the same wish gives the first answer; with another wish it is a conflict, told as invalid."""
    line = "  - {{at: +0d, by: ann, command: assign, key: k1, with: {{owner: {owner}}}}}\n"

    rows = rows_of(play(REGISTER + line.format(owner="ann") * 2 + line.format(owner="bo"), "--output", "json"))

    assert [row["repeated"] for row in rows] == [False, False, True, False]
    assert rows[1]["entry"] == rows[2]["entry"]
    assert (rows[3]["outcome"], rows[3]["code"]) == ("invalid", "key-reused")


def test_names_of_lines_are_the_ids_they_go_by(play: Play) -> None:
    """`as` names a record or request for every later line: a correction needs no lookup."""
    lines = (
        REGISTER
        + "  - {at: +0d, by: ravi, command: record, as: c1, with: {form: consent, given: true}}\n"
        + "  - {at: +1d, by: ravi, command: correct, with: {record: c1, given: false},"
        + " expect: {outcome: accepted, records: [{supersedes: c1}]}}\n"
    )

    result = play(lines)

    assert result.exit_code == 0, result.stderr


def test_two_episodes_may_be_one_persons(play: Play) -> None:
    """`patient` names whose episode it is; without it each episode has a person of its own."""
    line = "  - {{at: +0d, by: ann, command: register, episode: {name}, with: {{region: {region}{more}}}}}\n"
    lines = "".join(
        line.format(name=name, region=region, more=more)
        for name, region, more in (
            ("a", "upper_back", ", patient: pat"),
            ("b", "upper_back", ", patient: pat"),
            ("c", "upper_back", ""),
        )
    )

    rows = rows_of(play(lines, "--output", "json"))

    failed = [set(row["failed"]) for row in rows]
    assert failed[0] == failed[2]
    assert failed[1] > failed[0] or rows[1]["prompts"] != rows[0]["prompts"]


def test_parameters_are_set_as_a_site_would(play: Play) -> None:
    """A file's parameters go through the door before the first line, safety ones with a second person's yes."""
    head = HEAD + "parameters: {anticoagulant_level: HSx, payer_profile: us_lcd}\n"

    rows = rows_of(play(REGISTER, "--output", "json", head=head))

    assert rows[0]["entry"] == 4


def test_a_parameter_that_cannot_be_set_so_is_shown_in_the_file(play: Play) -> None:
    """An unknown parameter or an impossible value: exit 2, with its line, before anything is told."""
    head = HEAD + "parameters: {anticoagulant_level: LOUD}\n"

    result = play(REGISTER, head=head)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "story.yaml:6:35: play-parameter" in result.stderr


def test_a_play_may_be_kept_to_look_at(play: Play, bare: Run, tmp_path: Path) -> None:
    """`--keep DIR` leaves the database of the story; it verifies and replays like any other."""
    kept = tmp_path / "kept"

    play(REGISTER + "  - {at: +30d, command: wait}\n", "--keep", str(kept))

    replayed = json.loads(bare("audit", "replay", "--data", str(kept), "--output", "json").stdout)
    assert (replayed["verdict"], replayed["different"]) == ("verified", 0)
    assert play(REGISTER, "--keep", str(kept)).exit_code == 5


# --- expectations -------------------------------------------------------------------------------------------------

ACTUAL: dict[str, Json] = {
    "failed": ["A-1", "B-2"],
    "state": None,
    "entry": 3,
    "at": "2026-03-02T08:00:00.000000Z",
    "derived": {"response": "none", "change": "0.5"},
    "due_items": {"created": [{"id": "r:s1", "kind": "r", "due_on": "2026-03-30"}], "done": []},
    "rules": [{"id": "A-1", "value": "unknown", "level": "SS"}, {"id": "C-3", "value": True, "level": "INFO"}],
}


@pytest.mark.parametrize(
    "expected",
    [
        {"failed": ["B-2", "A-1"]},
        {"state": None, "entry": 3},
        {"at": "2026-03-02T09:00:00+01:00"},
        {"derived": {"response": "none"}},
        {"derived": {"change": "0.5"}},
        {"due_items": {"created": ["r"]}},
        {"due_items": {"created": ["r:s1"], "done": []}},
        {"due_items": {"created": [{"kind": "r", "due_on": "2026-03-30"}]}},
        {"rules": {"A-1": "unknown", "C-3": True}},
        {"rules": {"A-1": {"level": "SS"}}},
    ],
    ids=str,
)
def test_an_object_contains_and_a_list_is_an_exact_set(expected: dict[str, Json]) -> None:
    """What an expectation names must be so; lists have no order; items go by id or kind."""
    assert list(mismatches(expected, ACTUAL)) == []


@pytest.mark.parametrize(
    "expected",
    [
        {"failed": ["A-1"]},
        {"failed": ["A-1", "B-2", "C-3"]},
        {"failed": "A-1"},
        {"state": "intake"},
        {"derived": {"chronicity": "acute"}},
        {"derived": {"response": None}},
        {"due_items": {"created": []}},
        {"due_items": {"created": ["r", "q"]}},
        {"due_items": {"created": [{"due_on": "2026-03-31"}]}},
        {"rules": {"A-1": False}},
        {"rules": {"C-3": "true"}},
        {"rules": {"D-4": True}},
        {"nothing": 1},
    ],
    ids=str,
)
def test_what_is_not_so_is_said(expected: dict[str, Json]) -> None:
    """Unknown is not false, missing is not null, and one too many is one too many."""
    assert len(list(mismatches(expected, ACTUAL))) == 1
