"""Importing a file of registrations: each line once, each alone, by the same door as everybody."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import open_app
from stepcare.importing import Importer, lines_of
from stepcare.typed import MOST_BYTES
from tests.stepcare.conftest import Run
from tests.worlds import ANN

VALUES = {"region": "upper_back", "onset": "2026-01-12"}
OUTSIDE = {**VALUES, "region": "knee"}  # another pathway's
Asked = Callable[..., Any]


def a_line(key: str, **changes: Any) -> dict[str, Any]:
    """Give a line that can be imported."""
    return {"key": key, "person": {"name": f"Person {len(key)}", "born": "1980-02-29"}, "values": VALUES, **changes}


def written(path: Path, *lines: Any) -> str:
    """Write a file of lines; text and bytes stay as they are."""
    data = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path.write_bytes(b"".join(one + b"\n" for one in data))
    return str(path)


def entries(site: Path) -> int:
    """Count the entries of the log."""
    with open_app(site) as app:
        return sum(1 for _ in app.store.entries())


def people(site: Path) -> int:
    """Count the persons in the vault, the site's own key among them."""
    with open_app(site) as app:
        return int(app.vault._connection.execute("SELECT count(*) FROM person").fetchone()[0])


def test_each_line_is_an_episode_with_its_entry(asked: Asked, site: Path, tmp_path: Path) -> None:
    """Three lines are three decisions like any other: three entries, three episodes, three persons."""
    before, known = entries(site), people(site)
    file = written(tmp_path / "in", a_line("a"), a_line("b", team="main"), a_line("c"))

    found = asked("episode", "import", file, "--as", "ann")

    assert found == {"lines": 3, "imported": 3, "repeated": 0, "refused": 0, "invalid": 0}
    assert (entries(site), people(site)) == (before + 3, known + 3)
    assert len(asked("episode", "list", "--as", "ann")) == 3
    asked("audit", "verify")


def test_a_file_may_be_given_again(asked: Asked, site: Path, tmp_path: Path) -> None:
    """What is here already stays as it is, so that a file that was read halfway is simply read again."""
    asked("episode", "import", written(tmp_path / "half", a_line("a"), a_line("b")), "--as", "ann")
    half = entries(site)

    found = asked("episode", "import", written(tmp_path / "all", *map(a_line, "abcd")), "--as", "ann")

    assert (found["imported"], found["repeated"]) == (2, 2)
    assert entries(site) == half + 2


def test_a_forgotten_key_makes_no_second_episode(asked: Asked, site: Path, tmp_path: Path) -> None:
    """Idempotency keys are forgotten after a while; the line's reference is not."""
    file = written(tmp_path / "in", a_line("a"))
    asked("episode", "import", file, "--as", "ann")
    with open_app(site) as app:
        app.store.forget_keys(app.clock().replace(year=2999))

    found = asked("episode", "import", file, "--as", "ann")

    assert (found["imported"], found["repeated"]) == (0, 1)


def test_a_bad_line_leaves_the_others(run: Run, site: Path, tmp_path: Path) -> None:
    """Every line that cannot be read is told by its number with what to do, and the rest is imported: exit 2."""
    file = written(
        tmp_path / "in",
        a_line("a"),
        b"{not json",
        a_line("c", persn={}),
        a_line("d", person=None),
        a_line("e", values={"region": "upper_back", "onset": "2999-01-01"}),
        a_line("f", person={"name": "Alva Ludens", "born": "1066-01-01"}),
        a_line("", person={"name": "Alva Ludens"}),
        a_line("h", team="other"),
        b"x" * (MOST_BYTES + 9),
        a_line("i"),
    )
    known = people(site)

    result = run("episode", "import", file, "--as", "ann", "--output", "json")

    assert result.exit_code == 2
    told = [line.partition(":")[0] for line in result.stderr.splitlines() if line.startswith("line ")]
    assert told == [f"line {number}" for number in range(2, 10)]
    assert "Did you mean person?" in result.stderr
    assert json.loads(result.stdout)["imported"] == 2
    assert people(site) == known + 2


def test_who_is_refused_leaves_no_name(run: Run, site: Path, tmp_path: Path) -> None:
    """A registration that a rule refuses is an entry, and nobody's name is kept: exit 4."""
    file = written(tmp_path / "in", a_line("a", values=OUTSIDE), a_line("b"))
    before, known = entries(site), people(site)

    result = run("episode", "import", file, "--as", "ann", "--output", "json")

    said = json.loads(result.stdout)
    assert (result.exit_code, said["refused"], said["imported"]) == (4, 1, 1), result.stderr
    assert "line 1: ELIG-01" in result.stderr
    assert (entries(site), people(site)) == (before + 2, known + 1)


def test_who_may_not_register_imports_nothing(run: Run, site: Path, tmp_path: Path) -> None:
    """An auditor's file is refused before its first line."""
    before = entries(site)

    result = run("episode", "import", written(tmp_path / "in", a_line("a")), "--as", "aziz")

    assert result.exit_code == 4
    assert "may not register" in result.stderr
    assert entries(site) == before


def test_a_key_stands_for_one_line(run: Run, site: Path, tmp_path: Path) -> None:
    """The same key with other answers, or another person, is told; what was imported stays."""
    other = {**VALUES, "region": "mid_back"}
    file = written(
        tmp_path / "in", a_line("a"), a_line("a", values=other), a_line("a", person={"name": "Somebody else"})
    )

    result = run("episode", "import", file, "--as", "ann", "--output", "json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["imported"] == 1
    assert "line 2: it was imported before with other answers" in result.stderr
    assert "line 3: Its key stands for a person with other details" in result.stderr
    later = written(tmp_path / "later", a_line("a", person={"name": "Somebody else"}))
    assert run("episode", "import", later, "--as", "ann").exit_code == 2
    with open_app(site) as app:
        (line,) = json.loads(run("episode", "list", "--as", "ann", "--names", "--output", "json").stdout)
        assert app.vault.details(line["person"]).name == "Person 1"


def test_two_lines_may_be_about_one_person(asked: Asked, site: Path, tmp_path: Path) -> None:
    """Where two lines name the person's key, both episodes are theirs: doses count per person."""
    who = {"key": "p", "name": "Alva Ludens"}
    low = {**VALUES, "region": "mid_back"}

    asked(
        *("episode", "import", written(tmp_path / "in", a_line("a", person=who), a_line("b", person=who, values=low))),
        *("--as", "ann"),
    )

    persons = {one["person"] for one in asked("episode", "list", "--as", "ann")}
    assert len(persons) == 1


def test_somebody_known_is_named_by_reference(asked: Asked, site: Path, tmp_path: Path) -> None:
    """A line may be about somebody who is in the vault already; a reference nobody has is told."""
    asked("episode", "import", written(tmp_path / "one", a_line("a")), "--as", "ann")
    (first,) = asked("episode", "list", "--as", "ann")
    line = {"key": "b", "patient": first["person"], "values": {**VALUES, "region": "mid_back"}}

    found = asked("episode", "import", written(tmp_path / "two", line), "--as", "ann")

    assert found["imported"] == 1
    bad = {**line, "key": "c", "patient": "p-00000000000"}
    asked("episode", "import", written(tmp_path / "three", bad), "--as", "ann", exit_code=2)


def test_a_dry_run_keeps_nothing(asked: Asked, site: Path, tmp_path: Path) -> None:
    """What would become of each line is told; no entry, no name."""
    before, known = entries(site), people(site)
    file = written(tmp_path / "in", a_line("a"), a_line("b", values=OUTSIDE), b"[]")

    found = asked("episode", "import", file, "--as", "ann", "--dry-run", exit_code=4)

    assert (found["imported"], found["refused"], found["invalid"]) == (1, 1, 1)
    assert (entries(site), people(site)) == (before, known)


def test_lines_are_told_as_they_are_imported(run: Run, site: Path, tmp_path: Path) -> None:
    """With ndjson each line gives its episode and its person, so that the old system can keep the references."""
    result = run(
        "episode",
        "import",
        written(tmp_path / "in", a_line("a"), b"", a_line("b")),
        "--as",
        "ann",
        "--output",
        "ndjson",
    )

    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["line"], row["became"]) for row in rows] == [(1, "imported"), (3, "imported")]
    assert all(row["episode"].startswith("e-") and row["patient"].startswith("p-") for row in rows)


def test_the_key_of_a_line_is_kept_nowhere(run: Run, site: Path, tmp_path: Path) -> None:
    """An outer key may be a record number: no file of ours holds it, and messages do not repeat it."""
    key = "MRN-4711-0815"
    bad = a_line(f"{key}-2", values={"region": "nowhere"})

    result = run("episode", "import", written(tmp_path / "in", a_line(key), bad), "--as", "ann", "--output", "ndjson")

    assert key not in result.output
    assert [path.name for path in site.iterdir() if key.encode() in path.read_bytes()] == []


def test_references_cannot_be_made_without_the_vault(
    asked: Asked, site: Path, ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key in two vaults names two persons: who knows a key does not know whose episode it is."""
    refs = []
    for secret in (b"\x01", b"\x02"):
        with open_app(site) as app:
            importer = Importer(app, ANN, "test")
            importer._secret = secret * 32
            told = list(importer.imported(lines_of(io.BytesIO(json.dumps(a_line("a")).encode())), keep=True))
            refs.append((told[0].episode, told[0].patient))

    assert len(set(refs)) == 2
    assert all(len(set(pair)) == 2 for pair in zip(*refs, strict=True))


def test_a_line_from_stdin(run: Run, site: Path) -> None:
    """`-` reads what another program writes."""
    result = run("episode", "import", "-", "--as", "ann", stdin=json.dumps(a_line("a")))

    assert result.exit_code == 0, result.stderr
    assert "1 lines: 1 imported" in result.stdout
