"""Opening, reviewing and handing over on the command line: what people type, and what comes of it."""

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stepcare.conftest import Run

Asked = Callable[..., Any]
WHY = ("--reason", "cover", "--text", "Covering for Ann this week.")
OTTO, PRIYA = ("--as", "otto"), ("--as", "priya")


@pytest.fixture
def person(asked: Asked, episode: str, run: Run) -> str:
    """Give whose the episode is; two privacy officers are there too, one of whom also coordinates elsewhere."""
    for who, *more in (("priya",), ("paul", "--role", "coordinator", "--team", "other")):
        assert run("user", "add", who, "--role", "privacy_officer", *more).exit_code == 0
    return str(asked("episode", "show", episode)["person"])


def test_an_episode_of_another_team_is_opened_and_reviewed(run: Run, asked: Asked, episode: str, person: str) -> None:
    """Refused with a word about the way in need; opened; read under its number; waits for review; reviewed."""
    refused = run("episode", "show", episode, *OTTO)
    assert refused.exit_code == 4
    assert "stepcare episode break-glass" in refused.stderr

    opened = asked("episode", "break-glass", episode, *WHY, "--minutes", "30", *OTTO)
    assert asked("episode", "show", episode, *OTTO)["person"] == person

    (waiting,) = asked("audit", "reviews", *PRIYA)
    assert (waiting["number"], waiting["actor"], waiting["episode"]) == (opened["opening"], "otto", episode)
    assert (waiting["reason"], waiting["text"], waiting["reads"]) == ("cover", "Covering for Ann this week.", 1)
    asked("audit", "review", str(opened["opening"]), "--finding", "justified", "--text", "Ann was away.", *PRIYA)
    assert asked("audit", "reviews", *PRIYA) == []
    (kept,) = asked("audit", "reviews", "--all", *PRIYA)
    assert (kept["finding"], kept["reviewer"]) == ("justified", "priya")
    by_it = asked("audit", "access", "--opening", str(opened["opening"]), *PRIYA)
    assert [one["type"] for one in by_it] == ["break_glass.reviewed", "read.episode"]


def test_nobody_reviews_their_own(run: Run, episode: str, person: str) -> None:
    """Paul is a privacy officer too; what he opened as a coordinator somebody else looks at."""
    assert run("episode", "break-glass", episode, *WHY, "--as", "paul:coordinator").exit_code == 0
    number = "1"  # the fixture looked first

    own = run(
        "audit", "review", number, "--finding", "justified", "--text", "I was right.", "--as", "paul:privacy_officer"
    )

    assert own.exit_code == 4
    assert "nobody reviews their own" in own.stderr
    assert run("audit", "review", number, "--finding", "fine", "--text", "Ann was away.", *PRIYA).exit_code == 2
    assert run("audit", "review", "99", "--finding", "justified", "--text", "Ann was away.", *PRIYA).exit_code == 3
    assert person


def test_why_a_review_came_out_so_is_said_by_text_and_by_its_former_name(
    run: Run, asked: Asked, episode: str, person: str
) -> None:
    """One word for one's own words everywhere; --note goes on to work, unlisted; with neither it is asked for."""
    numbers = [asked("episode", "break-glass", episode, *WHY, *OTTO)["opening"] for _ in range(2)]
    review = ("--finding", "justified", *PRIYA)

    nothing = run("audit", "review", str(numbers[0]), *review)
    first = run("audit", "review", str(numbers[0]), "--text", "Ann was away.", *review)
    second = run("audit", "review", str(numbers[1]), "--note", "Ann was away.", *review)

    assert (nothing.exit_code, first.exit_code, second.exit_code) == (2, 0, 0)
    assert "Say why in your own words" in nothing.stderr
    assert "--note" not in run("audit", "review", "--help").stdout
    assert person


def test_why_is_in_no_file_in_the_clear(run: Run, site: Path, episode: str) -> None:
    """What otto wrote is sealed under the person's key: no file holds it."""
    assert (
        run("episode", "break-glass", episode, "--reason", "other", "--text", "Frau Canary rang", *OTTO).exit_code == 0
    )

    assert not any(b"Canary" in one.read_bytes() for one in site.glob("*") if one.is_file())


@pytest.mark.parametrize(("who", "code"), [("aziz", 4), ("olga", 4), ("ann", 4), ("", 2)])
def test_who_may_not_or_need_not_open_is_refused(run: Run, episode: str, who: str, code: int) -> None:
    """An auditor sees it anyway, a pathway owner reads no episodes, ann is of its team; a name is needed."""
    assert run("episode", "break-glass", episode, *WHY, *(("--as", who) if who else ())).exit_code == code


@pytest.mark.parametrize(
    "command", [("reviews",), ("review", "0", "--finding", "justified", "--text", "Ann was away.")]
)
@pytest.mark.parametrize("who", ["ann", "aziz", "lena"])
def test_reviewing_is_the_privacy_officers(run: Run, episode: str, who: str, command: tuple[str, ...]) -> None:
    """Auditors see the openings in the log of reads; judging them is another's work."""
    assert run("audit", *command, "--as", who).exit_code == 4
    assert episode


# --- everything on one person -----------------------------------------------------------------------------------------


def test_everything_on_one_person_is_written_with_who_looked(
    run: Run, asked: Asked, episode: str, person: str, tmp_path: Path
) -> None:
    """Name, contacts, episode, each decision in words, messages, and every look, the export's own included."""
    run("episode", "do", episode, "contact", "channel=telephone", "result=reached", "--as", "ann")
    run("episode", "do", episode, "move", "transition=discharge", "--as", "ann")
    out = tmp_path / "export"

    found = asked("audit", "subject", person, "--out", str(out), *PRIYA)

    assert found["files"] == ["subject.json", "subject.html", "manifest.json"]
    subject = json.loads((out / "subject.json").read_text())
    assert subject["identity"]["name"] == "Alva Ludens"
    assert [one["episode"] for one in subject["episodes"]] == [episode]
    assert [one["command"] for one in subject["decisions"]] == ["register", "contact", "move"]
    assert subject["decisions"][1]["values"]["result"] == "reached"
    assert all(one["says"] for one in subject["decisions"][2]["failed"])
    assert [one["type"] for one in subject["looked"]] == ["subject.export", "read.episode"]
    page = (out / "subject.html").read_text()
    assert "Alva Ludens" in page
    assert "priya" in page
    assert episode in page


def test_its_manifest_has_the_hash_of_each_file(asked: Asked, person: str, tmp_path: Path) -> None:
    """Whoever gets the folder can tell that it is whole; nobody else on the machine can read it."""
    out = tmp_path / "export"
    asked("audit", "subject", person, "--out", str(out), *PRIYA)

    manifest = json.loads((out / "manifest.json").read_text())

    assert (manifest["person"], manifest["by"]) == (person, "priya")
    for one in manifest["files"]:
        data = (out / one["name"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in out.iterdir()} == {0o600}


def test_what_people_wrote_is_text_on_the_page(run: Run, asked: Asked, person: str, tmp_path: Path) -> None:
    """A name with markup in it is shown, never run."""
    name = "<script>alert(1)</script>"
    made = asked("episode", "open", "--as", "ann", "--name", name, "region=upper_back", "onset=2026-01-12")
    other = asked("episode", "show", made["episode"])["person"]

    asked("audit", "subject", other, "--out", str(tmp_path / "export"), *PRIYA)

    page = (tmp_path / "export" / "subject.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert other != person
    assert run("audit", "subject", "nobody", "--out", str(tmp_path / "more"), *PRIYA).exit_code == 2


def test_nothing_half_written_is_left(run: Run, person: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills at the second file: no folder of that name, and nothing beside it."""
    monkeypatch.setattr(
        "stepcare.desk.accesses.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left"))
    )

    result = run("audit", "subject", person, "--out", str(tmp_path / "export"), *PRIYA)

    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert [one.name for one in tmp_path.iterdir() if "export" in one.name] == []


@pytest.mark.parametrize("who", ["ann", "aziz", "lena", "olga"])
def test_only_a_privacy_officer_hands_a_person_over(run: Run, person: str, who: str, tmp_path: Path) -> None:
    """Others are refused; a folder that is there is not written into."""
    assert run("audit", "subject", person, "--out", str(tmp_path / "export"), "--as", who).exit_code == 4
    assert not (tmp_path / "export").exists()
    (tmp_path / "there").mkdir()
    assert run("audit", "subject", person, "--out", str(tmp_path / "there"), *PRIYA).exit_code == 2
