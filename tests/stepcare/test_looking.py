"""Every command that shows people's data is noted before it shows anything; a new command must say whether it does."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from engine.errors import Unavailable
from stepcare.app import open_app
from stepcare.cli import app
from stepcare.noting import TYPES, coded
from storage.access_read import AccessFilter, Noted, noted
from storage.access_verify import verify_access
from tests.stepcare.conftest import Run

Asked = Callable[..., Any]
AZIZ, PRIYA, OTTO = ("--as", "aziz"), ("--as", "priya"), ("--as", "otto")
WHY = ("--reason", "cover", "--text", "Covering for Ann this week.")

# What each command that shows people's data leaves in the log of reads. EPISODE and PERSON stand for references.
READS: dict[str, tuple[tuple[str, ...], str]] = {
    "episode list": (("--as", "ann"), "read.list"),
    "episode show": (("EPISODE", "--as", "ann"), "read.episode"),
    "episode why": (("EPISODE", "--as", "ann"), "read.episode"),
    "episode timeline": (("EPISODE", "--as", "ann"), "read.episode"),
    "episode as-of": (("EPISODE", "now", "--as", "ann"), "read.episode"),
    "episode diff": (("EPISODE", "2026-03-02", "now", "--as", "ann"), "read.episode"),
    "episode break-glass": (("EPISODE", *WHY, *OTTO), "break_glass.opened"),
    "audit hold list": (PRIYA, "read.log"),
    "due list": (("--as", "ann"), "read.list"),
    "due explain": (("EPISODE", "--as", "ann"), "read.episode"),
    "due parked": (("--as", "ann"), "read.list"),
    "feed show": (("--for", "ann", "--as", "ann"), "read.list"),
    "audit verify": (AZIZ, "log.verify"),
    "audit replay": (AZIZ, "log.verify"),
    "audit show": (("--last", "3", *AZIZ), "read.log"),
    "audit search": (AZIZ, "log.search"),
    "audit export": (("--out", "OUT", *AZIZ), "log.export"),
    "audit access": (("--person", "PERSON", *AZIZ), "log.access"),
    "audit reviews": (PRIYA, "break_glass.queue"),
    "audit review": (("0", "--finding", "justified", "--text", "The ward was closed."), "break_glass.reviewed"),
    "audit subject": (("PERSON", "--out", "OUT", *PRIYA), "subject.export"),
}
MORE: dict[str, tuple[str, ...]] = {
    "names are a type of their own": ("episode list --names --as ann", "read.names"),
    "names in the worklist too": ("due list --names --as ann", "read.names"),
    "one entry": ("audit show 1 --as aziz", "read.log"),
    "a drawing with an episode's place": ("pathway draw --episode EPISODE --as ann", "read.episode"),
    "a dry run": ("episode do EPISODE contact channel=telephone result=reached --dry-run --as ann", "preview"),
    "a dry registration": ("episode open --name Newt region=upper_back onset=2026-01-12 --dry-run --as ann", "preview"),
}
# Why the others leave nothing there. A command that shows people's data has no place here.
NOBODYS: dict[str, str] = {
    **dict.fromkeys(("episode open", "episode import", "episode do"), "an entry of the main log; dry runs: see MORE"),
    **dict.fromkeys(("pathway check", "pathway show", "pathway draw", "pathway publish"), "about no person"),
    **dict.fromkeys(("pathway schema", "pathway set", "pathway sign-off"), "about no person"),
    **dict.fromkeys(("play", "demo"), "a database of its own, with nobody real in it"),
    **dict.fromkeys(("migrate", "serve", "config show", "user add"), "shows no record"),
    **dict.fromkeys(("sealer run", "sealer once", "sealer status", "sealer key", "sealer rotate"), "shows no record"),
    **dict.fromkeys(("audit hold add", "audit hold release"), "an entry of the main log"),
    **dict.fromkeys(("audit announce-key", "audit census", "audit rotate-vault-key"), "about no person"),
    **dict.fromkeys(("audit checkpoint", "user list"), "a size and a root; colleagues"),
    **dict.fromkeys(("due stats", "due run", "worker", "due guard lift"), "numbers, about nobody"),
    "due bounce": "an entry of the main log, and a word",
    "channels check": "about no person",
    "due retry": "an entry of the main log, or nothing is shown",
    **dict.fromkeys(("token add", "token list", "token revoke"), "colleagues' tokens"),
    **dict.fromkeys(("feed new", "feed list", "feed revoke"), "colleagues' addresses"),
    **dict.fromkeys(("user contact", "user away", "user password", "due calendar"), "about no person"),
}
# Those of colleagues at work on other parts; each says where it is held to the same.
ELSEWHERE: dict[str, str] = {
    "feed invitation": "tests/feeds/test_cli.py: read.episode",
    "audit proof": "tests/publish: log.proof",
    "audit disclose": "tests/stepcare/test_erasing.py: log.disclose",
    "audit retain": "an entry of the main log; listing what is due is read.log",
    "audit erase": "an entry of the main log; listing what would go is read.log",
}


def commands(group: Any = None, under: str = "") -> Iterator[str]:
    """Give every command's name."""
    whole: Any = group or typer.main.get_command(app)
    for name, one in whole.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, f"{under}{name} ")
        else:
            yield f"{under}{name}"


def reads(site: Path) -> list[Noted]:
    """Give every read that was noted, the oldest first."""
    with open_app(site) as opened:
        assert verify_access(opened.database).faults == ()
        return noted(opened.database, AccessFilter())[::-1]


@pytest.fixture
def person(asked: Asked, episode: str, run: Run) -> str:
    """Give whose the episode is; a privacy officer is there too."""
    assert run("user", "add", "priya", "--role", "privacy_officer").exit_code == 0
    return str(asked("episode", "show", episode)["person"])


@pytest.fixture
def refs(episode: str, person: str, tmp_path: Path) -> dict[str, str]:
    """Give what stands for EPISODE, PERSON and OUT in the table."""
    return {"EPISODE": episode, "PERSON": person, "OUT": str(tmp_path / "out")}


def test_every_command_is_in_the_table() -> None:
    """Whoever adds a command says what it leaves in the log of reads, or why nothing."""
    known = {*READS, *NOBODYS, *ELSEWHERE}

    assert sorted(set(commands()) - known) == []
    assert sorted(set(READS) - set(commands())) == []
    assert {kind for _, kind in (*READS.values(), *MORE.values())} <= TYPES.keys()


def run_one(run: Run, site: Path, words: list[str], refs: dict[str, str]) -> list[Noted]:
    """Run a command, and give what it has noted."""
    before = len(reads(site))
    result = run(*(refs.get(word, word) for word in words))
    assert result.exit_code == 0, result.stderr
    return reads(site)[before:]


@pytest.mark.parametrize("name", READS)
def test_what_is_shown_is_noted(run: Run, site: Path, refs: dict[str, str], name: str) -> None:
    """One command, one entry, of the type in the table, with who asked."""
    words, kind = READS[name]
    if name == "audit review":
        words = (*words, *PRIYA)
        assert run("episode", "break-glass", refs["EPISODE"], *WHY, *OTTO).exit_code == 0
        words = (str(reads(site)[-1].idx), *words[1:])

    (noted_,) = run_one(run, site, [*name.split(), *words], refs)

    assert noted_.said["type"] == kind
    assert noted_.said["actor"]["id"] == words[-1]
    if "EPISODE" in words or name in ("episode list", "audit show", "audit search"):
        assert refs["EPISODE"] in noted_.said["episodes"]
        assert noted_.said["persons"] == [refs["PERSON"]]


@pytest.mark.parametrize(("said", "kind"), MORE.values(), ids=MORE)
def test_ways_of_asking_are_noted_as_what_they_show(
    run: Run, site: Path, refs: dict[str, str], said: str, kind: str
) -> None:
    """Names, single entries and dry runs have their own types."""
    (noted_,) = run_one(run, site, said.split(), refs)

    assert noted_.said["type"] == kind


def test_who_says_no_name_is_noted_by_the_operating_systems(run: Run, site: Path, episode: str) -> None:
    """Whoever has the files needs no name here; what the system knows of them is kept."""
    run("episode", "show", episode)

    last = reads(site)[-1].said
    assert last["actor"]["id"] == last["via"]
    assert last["via"].startswith("cli:")
    assert last["actor"]["role"] == "unnamed"


def test_nothing_is_shown_that_cannot_be_noted(
    run: Run, site: Path, episode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the reader gets the reason and nothing of the episode; verifying still works, and says so."""

    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr("storage.sqlite.Sqlite.turn", full)

    shown, verified = run("episode", "show", episode), run("audit", "verify")

    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "nothing is shown: the disk is full" in shown.stderr
    assert verified.exit_code == 0
    assert "Not noted in the log of reads: the disk is full" in verified.stderr
    monkeypatch.undo()
    assert reads(site) == []


def test_who_looked_is_told_to_an_auditor_and_asking_is_noted(asked: Asked, episode: str, person: str) -> None:
    """By person, by episode, by colleague; the question itself is the next answer's first line."""
    asked("episode", "show", episode, "--as", "ann")
    asked("episode", "list", "--as", "otto")

    by_person = asked("audit", "access", "--person", person, *AZIZ)
    by_actor = asked("audit", "access", "--actor", "ann", *AZIZ)
    by_episode = asked("audit", "access", "--episode", episode, "--type", "read.episode", *AZIZ)
    again = asked("audit", "access", "--person", person, *AZIZ)

    # The first to look was the test itself, without a name; otto sees nobody of care team main.
    assert [one["type"] for one in by_person] == ["log.access", "read.episode", "read.episode"]
    assert {one["actor"] for one in by_actor} == {"ann"}
    assert [one["episodes"] for one in by_episode] == [[episode], [episode]]
    assert (again[0]["type"], again[0]["persons"], again[0]["purpose"]) == ("log.access", [person], "audit")
    assert len(again) == len(by_person) + 2  # asking by the episode is asking about the person


@pytest.mark.parametrize("who", ["ann", "ravi", "lena", "olga"])
def test_only_auditors_and_privacy_officers_learn_who_looked(run: Run, who: str) -> None:
    """Others are refused, and nothing is told."""
    result = run("audit", "access", "--as", who)

    assert (result.exit_code, result.stdout) == (4, "")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Alva Ludens", {"length": 11}),
        ("+49 170 1234567", {"length": 15}),
        ("491701234567", {"length": 12}),
        ("self_care", "self_care"),
        ("PATH-05", "PATH-05"),
        ("ann", "ann"),
        ("coordinator", "coordinator"),
        ("2026-03-02", "2026-03-02"),
        ("2026-03-02..2026-03-09", "2026-03-02..2026-03-09"),
        ("3..99", "3..99"),
        (12, 12),
        (["self_care", "Alva"], ["self_care", {"length": 4}]),
    ],
)
def test_what_was_asked_is_kept_in_our_own_words_only(ready: Path, said: Any, kept: Any) -> None:
    """A name or a number of somebody typed into a filter is kept as its length."""
    with open_app(ready) as opened:
        assert coded(opened, {"owner": said, "team": None}) == {"owner": kept}
        assert coded(opened, {"text": "self_care"}) == {"text": {"length": 9}}


def test_a_filter_typed_with_a_name_is_in_no_file(run: Run, site: Path, episode: str) -> None:
    """Whoever types a name where a state belongs leaves its length behind, nothing else."""
    assert run("episode", "list", "--owner", "Wilhelmine Canary", "--as", "ann").exit_code == 0

    assert reads(site)[-1].said["query"]["owner"] == {"length": 17}
    assert not any(b"Wilhelmine" in one.read_bytes() for one in site.glob("stepcare.db*"))
    assert episode


def test_reads_are_listed_as_json_csv_and_table(run: Run, episode: str) -> None:
    """Programs get JSON and CSV, people a table."""
    run("episode", "show", episode, "--as", "ann")

    table = run("audit", "access", *AZIZ)
    lines = run("audit", "access", *AZIZ, "--output", "csv")
    rows = json.loads(run("audit", "access", *AZIZ, "--output", "json").stdout)

    assert "read.episode" in table.stdout
    assert lines.stdout.splitlines()[0].startswith("number,at,actor,role,type,purpose")
    assert rows[0]["type"] == "log.access"
