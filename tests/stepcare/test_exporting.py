"""`stepcare audit export`: exactly what a search finds, whole or not at all, with a manifest one can check."""

import csv
import hashlib
import io
import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.audit import check_envelope
from engine.merkle import leaf_hash, root_of
from stepcare.app import open_app
from stepcare.exports import harmless
from tests.stepcare.conftest import Run
from tests.stepcare.test_searching import reads
from tests.storage.homes import Directory
from tests.storage.loglike import Told, a_log, put_in

Ask = Callable[..., Any]
CANARIES = (b"Ludens", b"lighthouse", b"Canary")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Name a folder that is not there."""
    return tmp_path / "handed over"


@pytest.fixture
def episode(asked: Ask, run: Run, episode: str) -> str:
    """Let somebody write a note in their own words."""
    words = ("contact", "channel=telephone", "result=reached", "note=the lighthouse keeper said so", "--as", "ann")
    assert run("episode", "do", episode, *words).exit_code == 0
    return episode


def stored(site: Path) -> list[tuple[int, bytes, bytes]]:
    """Give the log as it lies there."""
    with open_app(site) as app:
        return [(one.idx, one.leaf, one.entry) for one in app.store.entries()]


def test_an_export_is_what_a_search_finds(site: Path, asked: Ask, episode: str, out: Path) -> None:
    """The same filters and order: the same entries, each with its own bytes, its hash and its person's pseudonym."""
    filters = ("--role", "coordinator", "--sort", "-entry")
    found = asked("audit", "search", "--as", "aziz", *filters)["items"]

    asked("audit", "export", "--as", "aziz", *filters, "--out", str(out))

    lines = [json.loads(line) for line in (out / "entries.ndjson").read_bytes().splitlines()]
    log = {idx: (leaf, entry) for idx, leaf, entry in stored(site)}
    assert [(one["idx"], one["patient"]) for one in lines] == [(one["entry"], one["patient"]) for one in found]
    assert len(lines) >= 2
    for line, raw in zip(lines, (out / "entries.ndjson").read_bytes().splitlines(), strict=True):
        leaf, entry = log[line["idx"]]
        assert bytes.fromhex(line["leaf"]) == leaf
        assert raw.endswith(b'"entry":' + entry + b"}")  # byte for byte: whoever has the line can do the sum
        assert leaf_hash(entry) == leaf


def test_a_manifest_says_what_was_exported(site: Path, asked: Ask, episode: str, out: Path) -> None:
    """Query, count, who, when, the hash of each file, the log's size and root, the software; no checkpoint, none there."""
    words = ("--episode", episode, "--format", "ndjson", "--format", "csv")

    told = asked("audit", "export", "--as", "aziz", *words, "--out", str(out))

    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    log = stored(site)
    assert manifest == told
    assert manifest["query"] == {"episode": [episode], "sort": "entry"}
    assert (manifest["by"]["actor"], manifest["by"]["role"]) == ("aziz", "auditor")
    assert manifest["log"]["size"] == len(log)
    assert manifest["log"]["root"] == root_of(leaf for _, leaf, _ in log).hex()
    assert manifest["teams"] is None
    assert manifest["checkpoint"] is None
    assert manifest["software"]["name"] == "stepcare"
    assert {one["name"] for one in manifest["files"]} == {"entries.ndjson", "entries.csv"}
    for one in manifest["files"]:
        data = (out / one["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one["bytes"], one["sha256"])
    assert manifest["count"] == len((out / "entries.ndjson").read_bytes().splitlines())
    assert {one.name for one in out.iterdir()} == {"entries.ndjson", "entries.csv", "manifest.json"}


def test_a_manifest_holds_the_published_checkpoint(site: Path, asked: Ask, out: Path) -> None:
    """Where the log is published, what was signed last goes along."""
    (site / "published").mkdir()
    (site / "published" / "checkpoint").write_text("origin\n1\nroot\n\n— signed\n", encoding="utf-8")

    asked("audit", "export", "--as", "aziz", "--out", str(out))

    assert json.loads((out / "manifest.json").read_bytes())["checkpoint"] == "origin\n1\nroot\n\n— signed\n"


def test_an_export_holds_pseudonyms_only(site: Path, asked: Ask, episode: str, out: Path) -> None:
    """No name and nothing that was sealed is in any byte of it; nor the words that were sought in an episode's texts."""
    words = ("--episode", episode, "--text", "lighthouse", "--format", "ndjson", "--format", "csv")

    asked("audit", "export", "--as", "aziz", *words, "--out", str(out))

    held = b"".join(one.read_bytes() for one in out.iterdir())
    assert json.loads((out / "manifest.json").read_bytes())["count"] == 1
    assert b"p-" in held
    assert [one for one in CANARIES if one in held] == []


def test_an_export_is_noted_in_the_log_of_reads(site: Path, asked: Ask, episode: str, out: Path) -> None:
    """Who exported whose entries, by which query, of how long a log."""
    asked("audit", "export", "--as", "aziz", "--command", "register", "--out", str(out))

    last = reads(site)[-1]
    assert (last["type"], last["actor"]["id"], last["query"]["size"]) == ("log.export", "aziz", len(stored(site)))
    assert last["persons"] == [json.loads((out / "entries.ndjson").read_bytes())["patient"]]


def test_a_lead_exports_their_own_teams_entries(run: Run, asked: Ask, episode: str, out: Path) -> None:
    """The manifest says that it was limited."""
    run("user", "add", "zoe", "--role", "lead", "--team", "other")

    told = asked("audit", "export", "--as", "zoe", "--out", str(out))

    assert (told["count"], told["teams"]) == (1, ["other"])


# --- whole or not at all ------------------------------------------------------------------------------------------


def test_a_folder_that_is_there_is_not_touched(run: Run, out: Path) -> None:
    """Nothing is overwritten, nothing is mixed: exit 2."""
    out.mkdir()
    for place in (out, out / "missing" / "folder"):
        result = run("audit", "export", "--as", "aziz", "--out", str(place))
        assert (result.exit_code, result.stdout) == (2, "")
    assert list(out.iterdir()) == []


def test_a_dry_run_writes_nothing(site: Path, run: Run, out: Path) -> None:
    """It says how many entries there would be."""
    result = run("audit", "export", "--as", "aziz", "--out", str(out), "--dry-run")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 entries would be" in result.stderr
    assert not out.exists()


def test_a_full_disk_leaves_nothing_half_written(run: Run, asked: Ask, episode: str, tmp_path: Path, out: Path) -> None:
    """No file may grow beyond 2,000 bytes here: exit 1, and no folder of that or any other name is left."""
    for _ in range(4):
        asked("episode", "do", episode, "contact", "channel=telephone", "result=reached", "--as", "ann")
    asked("audit", "search", "--as", "aziz")
    before = set(tmp_path.iterdir())

    with open_app(tmp_path / "data") as app:
        result = _exported_with_limit(app, out)

    assert "could not be written" in result
    assert set(tmp_path.iterdir()) == before


def _exported_with_limit(app: Any, out: Path) -> str:
    """Export by hand, so that only the export's own files meet the limit."""
    from engine.errors import Unavailable  # noqa: PLC0415
    from stepcare.desk.exporting import write_export  # noqa: PLC0415
    from stepcare.desk.opened import Desk  # noqa: PLC0415
    from stepcare.exports import Exporter  # noqa: PLC0415
    from stepcare.options import Options  # noqa: PLC0415
    from stepcare.settings import read_settings  # noqa: PLC0415
    from stepcare.sought import Sought, asked  # noqa: PLC0415

    desk = Desk(app=app, options=Options(), settings=read_settings({}, str(out.parent / "data")))
    by = Exporter(actor="aziz", role="auditor", os_user=None, at=app.clock(), teams=None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with asked(app, None, Sought()) as found:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        try:
            with pytest.raises(Unavailable) as caught:
                write_export(desk, found, by, out, ("ndjson",))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return str(caught.value)


def test_a_changed_entry_is_not_handed_on(site: Path, run: Run, episode: str, tmp_path: Path, out: Path) -> None:
    """Its bytes do not have the hash kept with them: exit 6, and nothing is left."""
    with Directory(site).unguarded() as connection:
        connection.execute(
            "UPDATE audit_entry SET entry = CAST(replace(entry, 'accepted', 'acceptes') AS BLOB) WHERE idx = 1"
        )
    before = set(tmp_path.iterdir())

    result = run("audit", "export", "--as", "aziz", "--out", str(out))

    assert (result.exit_code, result.stdout) == (6, "")
    assert "Entry 1 does not have the hash" in result.stderr
    assert set(tmp_path.iterdir()) == before


# --- spreadsheets -------------------------------------------------------------------------------------------------

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "-2+3", "+49 30", "=", "-", '="a"')


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_is_a_formula(cell: str) -> None:
    """A cell that begins with = + - @, a tab or a carriage return gets an apostrophe before it, without exception."""
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=1", "1-1", "'=1", "2026-03-02", " =1", "ann@clinic", "\n"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    """Only the first character counts."""
    assert harmless(cell) == cell


def test_formulas_planted_in_the_log_come_out_harmless(site: Path, asked: Ask, out: Path) -> None:
    """Whatever an entry says, no cell of the file begins with one of those signs; the entries themselves are unchanged."""
    log = [_planted(one, number) for number, one in enumerate(a_log(Random(5), len(FORMULAS)))]  # noqa: S311
    with Directory(site).unguarded() as connection:
        connection.execute("DELETE FROM audit_sealed")
        connection.execute("DELETE FROM audit_entry")
    put_in(Directory(site), log)

    asked("audit", "export", "--as", "aziz", "--format", "csv", "--format", "ndjson", "--out", str(out))

    text = (out / "entries.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["trigger"] for row in rows] == [f"'{one}" for one in FORMULAS]
    assert [row["request"] for row in rows] == [f"'{one}" for one in FORMULAS]
    assert [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    assert [row["entry"] for row in rows] == [str(number) for number in range(len(FORMULAS))]
    lines = [json.loads(line)["entry"]["trigger"] for line in (out / "entries.ndjson").read_bytes().splitlines()]
    assert lines == list(FORMULAS)


def _planted(one: Told, number: int) -> Told:
    said = replace(one.envelope, trigger=FORMULAS[number], request=FORMULAS[number])
    assert check_envelope(said.to_bytes()) == said
    return replace(one, envelope=said)
