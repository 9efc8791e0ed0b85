"""Bad input: a clear error with its code and exit code, and nothing written."""

import json
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from engine.errors import InvalidInput
from engine.model import Actor, Command, Kind, Override, Role
from stepcare.typed import checked, json_from, override_from, values_from_pairs

Run = Callable[..., Result]
Asked = Callable[..., Any]
BIG = 10 * 1024 * 1024
WORSE = re.compile(
    r'      - when: response == "worse"\n        then: worse\n        note: .*\n'
)  # a row of the recommendation
ANN = Actor(id="ann", role=Role.COORDINATOR)


@pytest.fixture
def entries(asked: Asked) -> Callable[[], int]:
    """Count the entries of the log."""
    return lambda: len(asked("audit", "show", "--last", "1000"))


# --- commands that cannot be what they claim ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("record", "form=assessment", "complete=perhaps"), "true or false"),
        (("record", "form=assessment", "nprs=11"), "nprs"),
        (("record", "form=assessment", "nprs=3.5"), "nprs"),
        (("record", "form=assessment", "nprs=-1"), "nprs"),
        (("record", "form=assessment", "rom=much"), "list"),
        (("record", "form=assessment", 'rom=[{"movement": "rotation", "degrees": "40 rad"}]'), "degrees"),
        (("record", "form=assessment", "associated_symptoms=none,headache"), "none"),
        (("record", "form=assessment", "colour=blue"), "colour"),
        (("record", "form=asessment"), "assessment"),
        (("record",), "form"),
        (("move", "transition=step_upp"), "step_up"),
        (("move", "transition=step_up", "to=nowhere"), "nowhere"),
        (("sign_off", "answer=yes", "--of", "r1"), "r1"),
        (("assign", f"owner={'x' * 100}"), "letters"),
        (("snooze", "due_item=none", "until=2026-13-45", "reason=x"), "until"),
        (("correct", "record=none"), "not here"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
)
def test_an_impossible_answer_is_invalid(
    run: Run, episode: str, entries: Callable[[], int], words: tuple[str, ...], said: str
) -> None:
    """Wrong type, range, unit, code, form or name: exit 2, said which, and no entry."""
    before = entries()

    result = run("episode", "do", episode, *words, "--as", "ravi", "--output", "json")

    assert result.exit_code == 2, result.output
    problem = json.loads(result.stdout)
    assert (problem["outcome"], problem["entry"]) == ("invalid", None)
    assert said in problem["problem"]
    assert entries() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fly",), "contact"),
        (("fire",), "worker"),
        (("register", "region=upper_back"), "episode open"),
        (("publish",), "pathway publish"),
        (("contact", "result"), "field=value"),
        (("contact", "result=reached", "result=refused"), "twice"),
        (("contact", 'note="half'), "not JSON"),
        (("contact", 'note={"a": 1, "a": 2}'), "stands twice"),
        (("contact", "note=[NaN]"), "no number"),
        (("contact", "--json", "-"), "not JSON"),
        (("contact", "--override", "PATH-05"), "RULE=reason"),
        (("contact", "--occurred-at", "2026-03-02T09:00:00"), "offset"),
        (("contact", "--occurred-at", "yesterday"), "no time"),
        (("contact", "--key", "k" * 500), "letters"),
        (("contact", "--key", "k\0k"), "not text"),
        (("contact", "--of", "\ud800"), "not text"),
        (("contact", f"note={'x' * BIG}"), "larger"),
        (("contact", f"note={'[' * 100}{']' * 100}"), "nested"),
    ],
    ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode() if isinstance(value, tuple) else "",
)
def test_what_cannot_be_read_is_refused_at_the_edge(
    run: Run, episode: str, entries: Callable[[], int], words: tuple[str, ...], said: str
) -> None:
    """A command that is none, text that is none, a time without a zone, too much or too deep: exit 2, no entry."""
    before = entries()

    result = run("episode", "do", episode, *words, "--as", "ann")

    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert said in result.stderr
    assert len(result.stderr) < 2000
    assert entries() == before


@pytest.mark.parametrize("text", ["nu\0l", "\x1b[31m"], ids=repr)
def test_free_text_is_text(run: Run, episode: str, entries: Callable[[], int], text: str) -> None:
    """NUL is refused in free text; what a terminal would obey is never shown as such."""
    result = run("episode", "do", episode, "contact", "channel=sms", "result=reached", f"note={text}", "--as", "ann")

    assert result.exit_code == (2 if "\0" in text else 0)
    assert "\x1b" not in result.output


def test_nothing_happens_in_the_future(run: Run, episode: str, entries: Callable[[], int]) -> None:
    """What is said to have happened tomorrow has not happened: exit 2, no entry."""
    before = entries()

    result = run(
        *("episode", "do", episode, "contact", "channel=sms", "result=reached", "--as", "ann"),
        *("--occurred-at", "2999-01-01T09:00:00Z"),
    )

    assert (result.exit_code, "future" in result.stdout) == (2, True)
    assert entries() == before


def test_an_override_owes_a_reason_it_knows(run: Run, asked: Asked, episode: str) -> None:
    """A reason that is not on the rule's list, or `other` without a sentence, is a typing error, not a refusal."""
    asked("episode", "do", episode, "move", "transition=start_assessment", "--as", "ann")
    words = ("episode", "do", episode, "move", "transition=not_eligible", "reason=out_of_region", "--as", "ravi")

    assert run(*words, "--override", "NELI-02=because").exit_code == 2
    assert run(*words, "--override", "NELI-02=other").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("region=upper_back",), "--name"),
        (("--name", "X", "region=atlantis"), "region"),
        (("--name", "X", "--patient", "p-1", "region=upper_back"), "keep one"),
        (("--patient", "p-1", "region=upper_back"), "not a reference"),
        (("--name", "X", "--born", "1899-13-01", "region=upper_back"), "date of birth"),
        (("--name", "X", "--born", "2999-01-01", "region=upper_back"), "date of birth"),
        (("--name", "X", "--contact", "pigeon=7", "region=upper_back"), "contact"),
        (("--name", "X\0", "region=upper_back"), "not text"),
        (("--name", "X", "patient=site", "region=upper_back"), "--patient"),
        (("--patient", "site", "region=upper_back"), "no person"),
        (("--name", "X", "onset=2999-01-01", "region=upper_back"), "onset"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nobody_is_registered_on_bad_words(
    run: Run, site: Path, entries: Callable[[], int], words: tuple[str, ...], said: str
) -> None:
    """A registration that cannot be read leaves no entry, and no person in the vault."""
    before, vault = entries(), people(site)

    result = run("episode", "open", "--as", "ann", *words)

    assert result.exit_code in (2, 3), result.output
    assert said in result.output
    assert (entries(), people(site)) == (before, vault)


def people(site: Path) -> int:
    """Count the persons in a site's vault."""
    connection = sqlite3.connect(site / "vault.db")
    try:
        return int(connection.execute("SELECT count(*) FROM person").fetchone()[0])
    finally:
        connection.close()


# --- the edge by itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x" * (BIG), "larger"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"{", "not JSON"),
        (b"[Infinity]", "no number"),
    ],
    ids=["big", "bytes", "deep", "twice", "half", "infinite"],
)
def test_json_is_read_strictly(data: bytes, said: str) -> None:
    """Too big, not text, too deep, a key twice, half a document, no number: each is said."""
    with pytest.raises(InvalidInput, match=said):
        json_from(data, "stdin")


def test_decimals_never_become_floats() -> None:
    """0.1 stays what was typed, so that what is hashed is what was said."""
    assert json_from(b'{"a": 0.1, "b": [1e3]}', "stdin") == {"a": "0.1", "b": ["1e3"]}
    assert values_from_pairs(("a=0.1", "b=7", "c=true", "d=-3", "e=007", "f="), {}) == {
        "a": "0.1",
        "b": 7,
        "c": True,
        "d": -3,
        "e": "007",
        "f": "",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"values": {"a": "x" * BIG}},
        {"values": {"a": {"b": "\ud800"}}},
        {"values": {"a": 2**60}},
        {"values": {"a": 0.5}},
        {"key": "x" * 1000},
        {"of": "\0"},
        {"episode": "e" * 1000},
        {"overrides": (Override(rule="R", reason="other", text="x" * BIG),)},
    ],
    ids=["big text", "half a character", "big number", "float", "long key", "NUL", "long episode", "long override"],
)
def test_no_command_brings_what_no_log_can_hold(changes: dict[str, Any]) -> None:
    """The check every command passes first holds for every way in."""
    with pytest.raises(InvalidInput):
        checked(Command(**{"id": "c1", "kind": Kind.CONTACT, "actor": ANN, "episode": "e1", **changes}))


def test_deep_values_are_counted_before_they_are_walked() -> None:
    """A value nested a thousand levels deep is refused, whatever the stack holds."""
    deep: Any = []
    for _ in range(min(1000, sys.getrecursionlimit() - 200)):
        deep = [deep]

    with pytest.raises(InvalidInput, match="nested deeper"):
        checked(Command(id="c1", kind=Kind.CONTACT, actor=ANN, episode="e1", values={"a": deep}))


def test_an_override_is_read_to_its_colon() -> None:
    """`RULE=reason:text` keeps further colons in the text."""
    assert override_from("PATH-05=other: a: b") == Override(rule="PATH-05", reason="other", text="a: b")


# --- files --------------------------------------------------------------------------------------------------------

STORY = "pathway: mid_upper_back\nstart: 2026-03-02T09:00:00Z\nzone: UTC\nactors: {ann: coordinator}\ndo:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("do: [", "yaml"),
        ("a: 1\na: 2\n", "yaml-duplicate"),
        ("a: &x [1]\nb: *x\n", "yaml"),
        ("a: !!python/object:os.system x\n", "yaml"),
        (f"a: {'[' * 200}{']' * 200}\n", "yaml"),
        ("a: \x00\n", "yaml-character"),
        ("", "empty"),
        ("title: x\n", "play-missing"),
        (STORY + "  - {at: +0d, by: ann, command: fly}\n", "story.yaml:6:33"),
        (STORY + "  - {at: +0d, by: bob, command: contact}\n", "there is no actor 'bob'"),
        (STORY + "  - {at: 2026-03-02T10:00:00, by: ann, command: register}\n", "play-time"),
        (STORY + "  - {at: +1d, by: ann, command: register}\n  - {at: +0d, by: ann, command: contact}\n", "play-order"),
        (STORY + "  - {at: +0d, by: ann, command: contact}\n", "play-episode"),
    ],
    ids=[
        "half",
        "twice",
        "alias",
        "tag",
        "deep",
        "NUL",
        "empty",
        "no lines",
        "command",
        "actor",
        "naive",
        "order",
        "episode",
    ],
)
def test_a_story_that_cannot_be_read_is_refused_whole(bare: Run, tmp_path: Path, text: str, said: str) -> None:
    """File, line, column and what was expected, all at once, before the first line is told: exit 2."""
    file = tmp_path / "story.yaml"
    file.write_text(text, encoding="utf-8")

    result = bare("play", str(file))

    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert said in result.stderr


def test_a_broken_pack_shows_every_finding(bare: Run, tmp_path: Path) -> None:
    """`pathway check` on a pack with several faults names each with file, line and column, and exits 6."""
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "pathway.yaml").write_text("id: Small\nid: twice\nstates: 7\n", encoding="utf-8")

    result = bare("pathway", "check", str(pack), "--output", "json")

    assert result.exit_code == 6
    found = json.loads(result.stdout)
    assert not found["proved"]
    assert len(found["findings"]) >= 2
    assert all(one["line"] for one in found["findings"])
    assert bare("pathway", "publish", str(pack), "--as", "olga", "--data", str(tmp_path)).exit_code != 0


def test_a_gap_comes_with_the_patient_who_falls_through(bare: Run, tmp_path: Path, ready: Path) -> None:
    """A decision table with a row taken out is not proved; a patient nobody answers for is shown."""
    from workflows.load import find_pack  # noqa: PLC0415 - heavy

    pack = tmp_path / "mid_upper_back"
    pack.mkdir()
    for path in find_pack("mid_upper_back").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        (pack / path.name).write_text(WORSE.sub("", text), encoding="utf-8")

    result = bare("pathway", "check", str(pack))

    assert result.exit_code == 6, result.output
    assert "for example:" in result.stdout


# --- databases that are not this program's, or not this database's ------------------------------------------------


def changed(file: Path, sql: str) -> None:
    """Change a database behind the program's back."""
    connection = sqlite3.connect(file)
    try:
        connection.executescript(sql)
    finally:
        connection.close()


def test_a_newer_database_is_left_alone(run: Run, site: Path) -> None:
    """A schema this program does not know: exit 7, use the newer program; `migrate` does not touch it either."""
    changed(site / "stepcare.db", "UPDATE alembic_version SET version_num = '9999'")
    before = (site / "stepcare.db").read_bytes()

    for words in (("episode", "list"), ("migrate",)):
        result = run(*words)
        assert (result.exit_code, "newer program" in result.stderr) == (7, True), result.output
    assert (site / "stepcare.db").read_bytes() == before


def test_a_missing_vault_is_not_made_anew(run: Run, site: Path) -> None:
    """Without its vault a database is not opened: exit 3, restore it; nothing new appears in its place."""
    for name in ("vault.db", "vault.db-wal", "vault.db-shm"):
        (site / name).unlink(missing_ok=True)

    result = run("episode", "list")

    assert (result.exit_code, "vault" in result.stderr) == (3, True)
    assert not (site / "vault.db").exists()


def test_a_foreign_vault_is_refused(run: Run, bare: Run, site: Path, tmp_path: Path) -> None:
    """Another database's vault: exit 2, naming whose it is."""
    other = tmp_path / "other"
    assert bare("migrate", "--data", str(other)).exit_code == 0
    for name in ("vault.db-wal", "vault.db-shm"):
        (site / name).unlink(missing_ok=True)
    (site / "vault.db").write_bytes((other / "vault.db").read_bytes())

    result = run("episode", "list")

    assert (result.exit_code, "belongs to" in result.stderr) == (2, True), result.output


def test_a_missing_key_is_not_made_anew(run: Run, site: Path) -> None:
    """The key-encryption key is gone: exit 3; a fresh one would open nothing."""
    (site / "vault.key").unlink()

    assert run("episode", "list").exit_code == 3
    assert not (site / "vault.key").exists()


def test_a_file_that_is_no_database_is_said_to_be_none(run: Run, site: Path) -> None:
    """Garbage in place of the database: exit 7, and it stays as it is."""
    (site / "stepcare.db").write_bytes(b"not a database" * 100)
    for name in ("stepcare.db-wal", "stepcare.db-shm"):
        (site / name).unlink(missing_ok=True)

    result = run("episode", "list")

    assert (result.exit_code, "not a database" in result.stderr) == (7, True)
