"""The stories of this folder, played through the real door: g the golden ones, f where a straight line of steps fails, b borders.

Each `expect` was written from the clinical requirements, whose rule stands in words at the head of its file. A line
without one is a set-up and has to be accepted.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.model import Json
from stepcare import play as playing
from stepcare.app import open_app, wall_clock
from stepcare.cli import app
from stepcare.expect import mismatches
from stepcare.log import configure_log
from stepcare.play import Told, play
from stepcare.publishing import proved_pack
from stepcare.replay import Replay
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from workflows.load import Loaded, find_pack, load_pack
from workflows.scenario import read_scenario

FILES = sorted(Path(__file__).parent.glob("*.yaml"))

# What clinical requirements number but a later subject asks for: moving an episode to another version of its pathway
# (g19, f13) and joining two records of one person (f12).
GOLDEN = set(range(1, 25)) - {19}
FAILURES = set(range(1, 21)) - {12, 13}
HEAD = re.compile(r"(?:# ?.*\n)+")
SOURCE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
REQUIREMENT = re.compile(r"\b[SO]\d{1,2}\b")


@cache
def proved(name: str, beside: Path | None = None) -> Loaded:
    """Prove the pack once for all stories: it is the same one."""
    return proved_pack(name, beside)


# --- the stories ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_story_is_told_as_the_requirements_say(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No expectation is unmet, none could be met by anything, and the log of it verifies and is decided the same again."""
    monkeypatch.setattr(playing, "proved_pack", proved)
    configure_log("warning", "console", wall_clock)

    told = tuple(play(read_scenario(file), str(tmp_path)))

    for one in told:
        where = f"{file.name}:{one.row.get('line')}"
        assert not one.unmet, f"{where}: {one.unmet}"
        if one.line is not None and one.line.expect is None:
            assert one.row["outcome"] == "accepted", f"{where}: a set-up has to go through: {one.row['failed']}"
    assert any(can_fail(one, file) for one in told)
    assert log_faults(tmp_path) == []


def can_fail(told: Told, file: Path) -> bool:
    """Change each single value a line expects, one at a time: every change has to be noticed."""
    expected = told.line.expect if told.line is not None else None
    for where, changed in mutations(dict(expected)) if expected is not None else ():
        assert isinstance(changed, dict)
        assert tuple(mismatches(changed, told.row)), f"{file.name}:{told.row['line']}: {where} could be anything"
    return expected is not None


def log_faults(directory: Path) -> list[str]:
    """Say where the log is not what was written, or an entry would be decided otherwise."""
    with open_app(directory) as opened:
        report = verify_log(opened.database, opener_of(opened.database))
        faults = [fault.reason for fault in report.faults]
        faults += [] if report.verdict is Verdict.VERIFIED else [report.verdict.value]
        for one in Replay(store=opened.store).every():
            faults += [f"entry {one.index}: {one.lost or one.differences}"] if one.lost or one.differences else []
    return faults


def mutations(expected: Json, where: str = "expect") -> Iterator[tuple[str, Json]]:
    """Give the expectation with one value changed, once for every value in it."""
    if isinstance(expected, dict):
        for key, part in expected.items():
            for place, changed in mutations(part, f"{where}.{key}"):
                yield place, {**expected, key: changed}
    elif isinstance(expected, list):
        yield f"{where}, one more", [*expected, "nothing-of-the-kind"]
        for position, part in enumerate(expected):
            yield f"{where}, without {part}", [*expected[:position], *expected[position + 1 :]]
            for place, changed in mutations(part, f"{where}[{position}]"):
                yield place, [*expected[:position], changed, *expected[position + 1 :]]
    else:
        yield where, _other(expected)


def _other(value: Json) -> Json:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}-not"
        case _:
            return "something"


def test_a_changed_expectation_stops_the_command(tmp_path: Path) -> None:
    """`stepcare play` itself exits 6 and names the line, when one word of a story is not so."""
    text = (Path(__file__).parent / "g06_chronicity_borders.yaml").read_text(encoding="utf-8")
    file = tmp_path / "story.yaml"
    file.write_text(text.replace("chronicity: chronic}", "chronicity: subacute}", 1), encoding="utf-8")

    result = CliRunner().invoke(app, ["play", str(file)])

    assert result.exit_code == 6
    assert "expected subacute, got chronic" in result.stderr


# --- the folder -----------------------------------------------------------------------------------------------------


def test_every_story_of_the_requirements_is_there() -> None:
    """The golden scenarios and the places where a straight line of steps fails, but those that come later."""
    numbered = {kind: {int(file.stem[1:3]) for file in FILES if re.match(rf"{kind}\d\d_", file.stem)} for kind in "gf"}

    assert numbered == {"g": GOLDEN, "f": FAILURES}


@pytest.mark.parametrize(
    "file", [file for file in FILES if re.match(r"[gfb]\d\d_", file.stem)], ids=lambda file: file.stem
)
def test_every_story_says_its_rule_and_where_it_comes_from(file: Path) -> None:
    """The head of a file cites requirements or sources, and only sources the pathway knows."""
    head = HEAD.match(file.read_text(encoding="utf-8"))
    assert head is not None
    known = load_pack(find_pack("mid_upper_back")).pathway
    named = set(SOURCE.findall(head[0])) - set(known.parameters)

    assert named <= set(known.sources)
    assert named or REQUIREMENT.search(head[0])
