"""The command line: names, exit codes and shapes that others build on."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from stepcare.options import to_the_front
from stepcare.render import csv_text

Run = Callable[..., Result]
Asked = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent


def started(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program itself, in a process of its own."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("STEPCARE_")} | variables
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "stepcare", *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


# --- usage --------------------------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy() -> None:
    """`--help` answers at once: no database, no YAML, no tables of text are loaded for it."""
    code = "import sys, stepcare.cli; print(sorted(sys.modules))"

    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603

    heavy = ("sqlmodel", "sqlalchemy", "pydantic", "rich", "ruamel", "structlog", "transitions", "alembic")
    assert [name for name in heavy if f"'{name}'" in found.stdout] == []


def test_the_program_says_what_it_can_do() -> None:
    """`stepcare --help` lists every family of commands, and exits 0."""
    result = started("--help")

    assert result.returncode == 0
    for name in ("play", "demo", "migrate", "pathway", "episode", "due", "audit", "config", "user"):
        assert f"\n  {name} " in result.stdout


def test_a_word_nobody_knows_is_a_usage_error() -> None:
    """A command that does not exist exits 2, on stderr, with nothing on stdout."""
    result = started("epsiode", "list")

    assert (result.returncode, result.stdout) == (2, "")
    assert "episode" in result.stderr


@pytest.mark.parametrize(
    ("words", "front"),
    [
        (["episode", "list", "--output", "json"], ["--output", "json", "episode", "list"]),
        (["episode", "list", "--output=json", "-y"], ["--output=json", "-y", "episode", "list"]),
        (["--as", "ann", "due", "list"], ["--as", "ann", "due", "list"]),
        (["episode", "do", "e", "contact", "--", "--as"], ["episode", "do", "e", "contact", "--", "--as"]),
        (["due", "list", "--as"], ["--as", "due", "list"]),
    ],
)
def test_global_options_may_stand_anywhere(words: list[str], front: list[str]) -> None:
    """Where the data is and how to write it may be said before or after the command; `--` ends it."""
    assert to_the_front(words) == front


def test_what_is_not_there_is_said_with_the_remedy(tmp_path: Path) -> None:
    """Without a database every command exits 3 and names `stepcare migrate`; no file appears."""
    result = started("episode", "list", STEPCARE_DATABASE=str(tmp_path / "none"))

    assert result.returncode == 3
    assert "stepcare migrate" in result.stderr
    assert not (tmp_path / "none").exists()


def test_an_error_nobody_foresaw_shows_no_traceback(site: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Exit 1 says so in a sentence without what the error said; STEPCARE_DEBUG shows where it happened."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Alva Ludens")

    monkeypatch.setattr("stepcare.desk.episodes.list_episodes", broken)

    result = run("episode", "list")

    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Alva" not in result.output
    monkeypatch.setenv("STEPCARE_DEBUG", "1")
    assert isinstance(run("episode", "list").exception, ZeroDivisionError)


def test_errors_are_json_where_json_was_asked_for(run: Run) -> None:
    """A program reads the code, the exit code and the sentence from stderr; stdout stays empty."""
    result = run("episode", "show", "e-nothing", "--output", "json")

    assert result.stdout == ""
    problem = json.loads(result.stderr)
    assert (problem["code"], problem["exit"], result.exit_code) == ("invalid-input", 2, 2)


# --- setting up ---------------------------------------------------------------------------------------------------


def test_migrating_twice_changes_nothing(run: Run, asked: Asked) -> None:
    """`migrate` may be repeated: the origin of the log was fixed the first time."""
    first, second = asked("migrate"), asked("migrate")

    assert first == second
    assert first["users"] == 6


def test_an_empty_site_says_what_to_do_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: Run) -> None:
    """A fresh database leads on: users, then a pathway, then an episode."""
    monkeypatch.setenv("STEPCARE_DATABASE", str(tmp_path / "fresh"))

    made = bare("migrate")

    assert "user add" in made.stdout
    assert "pathway publish" in made.stdout
    assert "user add" in bare("user", "list").stderr
    assert "episode open" in bare("episode", "list").stderr
    assert bare("audit", "verify").exit_code == 3
    bare("user", "add", "ann", "--role", "coordinator")
    opened = bare("episode", "open", "--as", "ann", "--name", "X", "region=upper_back")
    assert (opened.exit_code, "pathway publish" in opened.stderr) == (3, True)


def test_a_dry_run_keeps_nothing(run: Run, asked: Asked, episode: str) -> None:
    """`--dry-run` decides and shows, but no entry is written, nobody is added, nothing is published."""
    before = asked("audit", "show")

    done = asked("episode", "do", episode, "move", "transition=start_assessment", "--as", "ann", "--dry-run")
    asked("episode", "open", "--as", "ann", "--name", "Bela Ludens", "region=upper_back", "--dry-run")
    asked("user", "add", "zoe", "--role", "assessor", "--dry-run")

    assert (done["outcome"], done["state"], done["entry"]) == ("accepted", "assessment", None)
    assert asked("audit", "show") == before
    assert [one["id"] for one in asked("user", "list")] == ["ann", "aziz", "lena", "olga", "otto", "ravi"]
    assert len(asked("episode", "list")) == 1


def test_publishing_what_is_in_force_does_nothing(run: Run) -> None:
    """The same pack again is no news: exit 0, no entry."""
    result = run("pathway", "publish", "--as", "olga")

    assert (result.exit_code, "nothing to do" in result.stderr) == (0, True)


def test_only_a_pathway_owner_publishes(run: Run, tmp_path: Path) -> None:
    """A coordinator may not put a pathway in force: exit 4, and the log keeps that they tried."""
    result = run("pathway", "set", "payer_profile", "us_lcd", "--as", "ann")

    assert result.exit_code == 4
    assert "ROLE-01" in result.stdout


def test_a_safety_number_takes_two_people(asked: Asked) -> None:
    """A safety parameter waits for another person's yes, and their own does not count."""
    waiting = asked("pathway", "set", "anticoagulant_level", "HSx", "--as", "olga", exit_code=4)

    request = waiting["request"]["id"]

    assert (waiting["outcome"], waiting["failed"]) == ("needs_sign_off", ["PARAM-02"])
    assert asked("pathway", "sign-off", request, "yes", "--as", "olga", exit_code=4)["failed"] == ["SIGN-02"]
    assert asked("pathway", "sign-off", request, "yes", "--as", "lena:lead")["outcome"] == "accepted"


# --- who asks -----------------------------------------------------------------------------------------------------


def test_a_command_needs_somebody_who_gives_it(run: Run, episode: str) -> None:
    """Without `--as` nothing is decided: exit 2, with the remedy."""
    result = run("episode", "do", episode, "move", "transition=start_assessment")

    assert (result.exit_code, "--as" in result.stderr) == (2, True)


def test_nobody_acts_who_is_not_in_the_register(run: Run, episode: str) -> None:
    """An id that was never added exits 3 and says how to add it."""
    result = run("episode", "why", episode, "--as", "nemo")

    assert (result.exit_code, "user add" in result.stderr) == (3, True)


def test_one_who_holds_several_roles_says_as_which(run: Run, episode: str) -> None:
    """Each command is given in one role; a role one does not hold is refused."""
    unsaid, wrong = (run("episode", "why", episode, "--as", who) for who in ("lena", "lena:auditor"))

    assert (unsaid.exit_code, "lena:lead" in unsaid.stderr) == (2, True)
    assert wrong.exit_code == 4


def test_a_reader_of_another_team_sees_nothing(run: Run, asked: Asked, episode: str) -> None:
    """A coordinator of another care team gets neither the list nor the episode; the auditor gets both."""
    assert asked("episode", "list", "--as", "otto") == []
    assert run("episode", "show", episode, "--as", "otto").exit_code == 4
    assert [one["id"] for one in asked("episode", "list", "--as", "aziz")] == [episode]
    assert asked("episode", "show", episode, "--as", "aziz")["state"] == "intake"


def test_names_are_for_those_who_care(run: Run, asked: Asked, episode: str) -> None:
    """Names come from the vault for the care team only; an auditor works with references."""
    assert asked("episode", "list", "--names", "--as", "ann")[0]["name"] == "Alva Ludens"
    assert run("episode", "list", "--names", "--as", "aziz").exit_code == 4
    assert "Alva" not in run("episode", "show", episode, "--as", "ann").stdout


def test_a_coordinator_does_not_read_the_log(run: Run, episode: str) -> None:
    """The log belongs to auditor, lead and privacy officer."""
    assert run("audit", "verify", "--as", "ann").exit_code == 4
    assert run("audit", "verify", "--as", "aziz").exit_code == 0


def test_an_entry_says_who_sat_at_the_keyboard(asked: Asked, episode: str) -> None:
    """The operating-system user behind a command stands in its entry, beside the actor."""
    assert asked("audit", "show", "1")["via"].startswith("cli:")


# --- an episode ---------------------------------------------------------------------------------------------------


def test_opening_an_episode_keeps_the_name_in_the_vault(asked: Asked, site: Path, episode: str) -> None:
    """The main database knows a reference; the name is in the vault alone."""
    assert episode.startswith("e-")
    assert b"Ludens" not in (site / "stepcare.db").read_bytes()


def test_an_episode_may_be_asked_for_as_it_was_heard(asked: Asked, episode: str) -> None:
    """References have no case, and O is read as 0."""
    assert asked("episode", "show", episode.lower())["episode"] == episode


def test_a_known_person_gets_a_second_episode(asked: Asked, episode: str) -> None:
    """`--patient` opens another episode for the same person, without a second vault entry."""
    person = asked("episode", "show", episode)["person"]

    asked("episode", "open", "--as", "ann", "--patient", person, "region=mid_back")

    assert [one["person"] for one in asked("episode", "list", "--patient", person)] == [person, person]


def test_who_may_not_register_leaves_no_name_behind(asked: Asked, run: Run, site: Path) -> None:
    """A refused registration is an entry, but the person it was about is not kept."""
    refused = asked("episode", "open", "--as", "olga", "--name", "Dara Ludens", "region=upper_back", exit_code=4)

    assert refused["failed"] == ["ROLE-01"]
    assert refused["entry"] == 1
    assert b"Dara" not in b"".join(path.read_bytes() for path in site.iterdir() if path.is_file())


def test_the_same_key_opens_one_episode(asked: Asked, run: Run) -> None:
    """A repeated registration under the same key gives the first answer; another wish under it is a conflict."""
    words = ("episode", "open", "--as", "ann", "--name", "Enno Ludens", "--key", "k1")

    first, again = asked(*words, "region=upper_back"), asked(*words, "region=upper_back")
    other = run(*words, "region=mid_back")

    assert (again["episode"], again["entry"], again["repeated"]) == (first["episode"], first["entry"], True)
    assert other.exit_code == 5


def test_a_refused_move_lists_every_rule_and_exits_4(asked: Asked, episode: str) -> None:
    """What closes a move comes back rule by rule, with its clauses, remedy and sources."""
    asked("episode", "do", episode, "move", "transition=start_assessment", "--as", "ann")

    refused = asked("episode", "do", episode, "move", "transition=enter_step1", "--as", "ravi", exit_code=4)

    assert refused["outcome"] == "refused"
    assert {"ASMT-01", "BASE-01", "CON-01", "RF-01"} <= set(refused["failed"])
    rule = next(one for one in refused["rules"] if one["id"] == "CON-01")
    assert (rule["value"], rule["clauses"][0]["value"]) == ("unknown", "unknown")
    assert rule["remedy"]


def test_a_soft_stop_says_how_it_is_passed(run: Run, asked: Asked, episode: str) -> None:
    """A refusal by a soft stop names the coded reasons; with one of them it goes through."""
    asked("episode", "do", episode, "move", "transition=start_assessment", "--as", "ann")
    words = ("episode", "do", episode, "move", "transition=not_eligible", "reason=out_of_region", "--as", "ravi")

    refused = run(*words)
    passed = run(*words, "--override", "NELI-02=other:No place here takes it.")

    assert (refused.exit_code, "--override NELI-02=REASON" in refused.stdout) == (4, True)
    assert (passed.exit_code, "closed_not_eligible" in passed.stdout) == (0, True)


def test_a_second_person_signs_off_on_the_command_line(asked: Asked, run: Run, episode: str) -> None:
    """Voiding waits for somebody else's yes: exit 4 until it is given; one's own is refused, and a yes counts once."""
    asked_for = asked(
        "episode", "do", episode, "move", "transition=void", "reason=duplicate", "--as", "ravi", exit_code=4
    )
    yes = ("episode", "do", episode, "sign_off", "answer=yes", "--of", asked_for["request"]["id"])

    own = asked(*yes, "--as", "ravi", exit_code=4)
    signed = asked(*yes, "--as", "lena:lead")
    again = asked(*yes, "--as", "lena:lead", exit_code=4)

    assert (asked_for["outcome"], asked_for["failed"]) == ("needs_sign_off", ["TWO-27"])
    assert (own["failed"], signed["state"], again["failed"]) == (["SIGN-02"], "voided", ["SIGN-01"])
    assert run("episode", "list").stdout == ""
    assert asked("episode", "list", "--closed")[0]["state"] == "voided"


def test_a_stale_reader_is_told_so(run: Run, asked: Asked, episode: str) -> None:
    """A command on a version that is no longer current is a conflict, and nothing is written."""
    asked("episode", "do", episode, "assign", "owner=ann", "--as", "ann")

    result = run("episode", "do", episode, "assign", "owner=ravi", "--as", "ann", "--version", "1")

    assert (result.exit_code, "version 2" in result.stderr) == (5, True)


def test_why_says_of_every_move_what_closes_it(asked: Asked, run: Run, episode: str) -> None:
    """Every transition from here is open, waits for a second person, or is closed by rules with remedy and source."""
    found = asked("episode", "why", episode, "--as", "ann")

    moves = {one["name"]: one for one in found["options"]}
    assert moves["start_assessment"]["open"]
    assert all(one["open"] or one["closed_by"] for one in found["options"])
    assert all(rule["citations"] for one in found["options"] for rule in one["closed_by"] if rule["sources"])
    table = run("episode", "why", episode, "--as", "ann", "--move", "start_assessment").stdout
    assert "✓ T2 start_assessment → assessment" in table
    assert run("episode", "why", episode, "--as", "ann", "--move", "fly").exit_code == 2


def test_the_timeline_has_both_times(asked: Asked, episode: str) -> None:
    """A late entry shows when it happened and when it was recorded."""
    asked(
        *("episode", "do", episode, "contact", "channel=telephone", "result=reached", "--as", "ann"),
        *("--occurred-at", "2026-03-02T09:00:00+01:00"),
    )

    entries = asked("episode", "timeline", episode)

    assert entries[-1]["occurred_at"] == "2026-03-02T08:00:00.000000Z"
    assert entries[-1]["recorded_at"] > entries[-1]["occurred_at"]


def test_answers_may_come_as_json(run: Run, episode: str) -> None:
    """`--json -` reads one object from stdin; decimals stay exact."""
    words = ("episode", "do", episode, "contact", "--as", "ann", "--output", "json")

    result = run(*words, "--json", "-", stdin='{"channel": "telephone", "result": "reached"}')

    assert result.exit_code == 0, result.stderr
    assert run(*words, "result=reached", "--json", "-", stdin="{}").exit_code == 2


# --- lists --------------------------------------------------------------------------------------------------------


def test_the_worklist_keeps_its_order(asked: Asked, episode: str) -> None:
    """What is owed comes by rank, never alphabetically; an expired source is the pathway owner's work."""
    ranks = ("emergency", "urgent", "late_safety", "escalated", "overdue", "due", "coming", "undated")

    found = asked("due", "list", "--days", "60")

    assert [one["id"] for one in found if one["episode"] == episode]
    assert [ranks.index(one["rank"]) for one in found] == sorted(ranks.index(one["rank"]) for one in found)
    owned = asked("due", "list", "--role", "pathway_owner")
    assert owned
    assert {one["kind"] for one in owned} == {"source_review"}


def test_explain_says_what_will_be_sent_when(asked: Asked, episode: str) -> None:
    """For each due item: why it is there, what ends it, and each rung still to come with its time and reader."""
    found = asked("due", "explain", episode)

    triage = next(one for one in found["due_items"] if one["kind"] == "triage")
    assert triage["because"]
    assert triage["done_by"]
    assert [rung["at"] for rung in triage["coming"]] == sorted(rung["at"] for rung in triage["coming"])
    assert all(rung["to"] for rung in triage["coming"])


def test_lists_come_in_every_form(run: Run, episode: str) -> None:
    """Table, JSON, NDJSON and CSV hold the same line."""
    run("episode", "do", episode, "assign", "owner=ravi", "--as", "ann")

    lines = run("episode", "list", "--output", "ndjson").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(run("episode", "list", "--output", "csv").stdout)))

    assert json.loads(lines[0])["owner"] == "ravi"
    assert (rows[0]["id"], rows[0]["owner"]) == (episode, "ravi")
    assert episode in run("episode", "list").stdout


def test_a_spreadsheet_runs_nothing_of_ours() -> None:
    """A cell that looks like a formula is made harmless; a negative number stays one."""
    cells = ("=1+1", "+cmd", "@sum", "-2+3", "-3", "-0.5", "plain", "\tx")

    found = csv_text([{"a": cell} for cell in cells], ["a"])

    assert [row["a"] for row in csv.DictReader(io.StringIO(found))] == [
        *("'=1+1", "'+cmd", "'@sum", "'-2+3", "-3", "-0.5", "plain", "'\tx"),
    ]


def test_a_table_gives_no_orders_to_the_terminal(run: Run, episode: str) -> None:
    """Escape codes that somebody typed are shown as marks; no colours without a terminal."""
    run("episode", "do", episode, "contact", "channel=sms", "result=reached", "note=\x1b[31mred", "--as", "ann")

    shown = run("audit", "show", "2")
    assert (shown.exit_code, "red" in shown.stdout, "\x1b" in shown.stdout) == (0, True, False)
    assert "\x1b" not in run("episode", "why", episode, "--as", "ann").stdout


# --- the log ------------------------------------------------------------------------------------------------------


def test_the_log_verifies_and_replays(asked: Asked, episode: str) -> None:
    """Every entry is what was written, and would be decided the same again."""
    asked("episode", "do", episode, "move", "transition=step_up", "--as", "ravi", exit_code=4)

    verified, replayed = asked("audit", "verify"), asked("audit", "replay")

    assert (verified["verdict"], verified["entries"]) == ("verified", 3)
    assert (replayed["verdict"], replayed["same"], replayed["different"]) == ("verified", 3, 0)
    assert asked("audit", "verify", "--without-keys")["verdict"] == "verified"


def test_an_entry_is_shown_as_it_was_explained(asked: Asked, run: Run, episode: str) -> None:
    """The clauses and sentences of an old decision come back word for word, by deciding it again."""
    refused = asked("episode", "do", episode, "move", "transition=step_up", "--as", "ravi", exit_code=4)

    shown = asked("audit", "show", str(refused["entry"]))

    assert shown["as_kept"]
    assert {key: shown[key] for key in ("rules", "failed", "outcome")} == {
        key: refused[key] for key in ("rules", "failed", "outcome")
    }
    assert run("audit", "show", "99").exit_code == 3


def test_a_changed_byte_fails_verification(run: Run, site: Path, episode: str) -> None:
    """One byte of one entry changed on disk: exit 6, naming the entry."""
    file = site / "stepcare.db"
    data = file.read_bytes()
    assert b'"trigger":"T1"' in data
    file.write_bytes(data.replace(b'"trigger":"T1"', b'"trigger":"T2"'))

    result = run("audit", "verify", "--output", "json")

    assert result.exit_code == 6
    assert 1 in [fault["entry"] for fault in json.loads(result.stdout)["faults"]]


# --- pathways -----------------------------------------------------------------------------------------------------


def test_the_shipped_pack_is_proved(asked: Asked) -> None:
    """`pathway check` exits 0 and says what was proved."""
    found = asked("pathway", "check")

    assert (found["proved"], found["findings"], found["states"]) == (True, [], 17)


def test_show_tells_a_program_everything(asked: Asked) -> None:
    """Roles, states, transitions, forms with fields, rules and parameters: enough to write a play file."""
    found = asked("pathway", "show")

    assert "register" in found["roles"]["coordinator"]["commands"]
    assert found["transitions"]["T8"]["sources"] == ["self_care"]
    assert found["forms"]["registration"]["fields"]["region"]["required"]
    assert {"id", "level", "message", "remedy", "sources"} <= found["rules"][0].keys()
    assert found["parameters"]["anticoagulant_level"]["safety"]


def test_draw_prints_a_ladder_or_mermaid(run: Run, episode: str) -> None:
    """A pathway can be seen: with the place of an episode marked."""
    assert "╞══" in run("pathway", "draw").stdout
    assert run("pathway", "draw", "--mermaid").stdout.startswith("stateDiagram-v2")
    marked = run("pathway", "draw", "--episode", episode, "--as", "ann").stdout
    assert "● Intake (intake)" in marked


def test_schema_describes_a_pack(run: Run) -> None:
    """Editors can check a pack while it is written."""
    found = json.loads(run("pathway", "schema").stdout)

    assert found["title"] == "Pathway"
