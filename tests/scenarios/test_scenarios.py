"""The stories of this folder, played through the real door: g the golden ones, f where a straight line of steps fails, b borders.

Each `expect` was written from the clinical requirements, whose rule stands in words at the head of its file. A line
without one is a set-up and has to be accepted.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.model import Json
from stepcare import play as playing
from stepcare.app import open_app
from stepcare.cli import app
from stepcare.expect import mismatches
from stepcare.play import Told, play
from stepcare.publishing import proved_pack
from stepcare.replay import Replay
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from workflows.load import Loaded, find_pack, load_pack
from workflows.scenario import read_scenario

FILES = sorted(Path(__file__).parent.glob("*.yaml"))
ONCE = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])

# What clinical requirements number but a later subject asks for: moving an episode to another version of its pathway
# (g19, f13) and joining two records of one person (f12).
GOLDEN = set(range(1, 25)) - {19}
FAILURES = set(range(1, 21)) - {12, 13}
HEAD = re.compile(r"(?:# ?.*\n)+")
SOURCE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
REQUIREMENT = re.compile(r"\b[SO]\d{1,2}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a story, and whether its log verifies and every entry is decided the same again."""

    told: tuple[Told, ...]
    verdict: Verdict
    faults: tuple[str, ...]
    differences: tuple[tuple[int, tuple[str, ...]], ...]


@cache
def proved(name: str, beside: Path | None = None) -> Loaded:
    """Prove the pack once for all stories: it is the same one."""
    return proved_pack(name, beside)


@cache
def played(file: Path) -> Played:
    """Play a story into a database of its own, then verify its log and decide all of it again."""
    story = read_scenario(file)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "proved_pack", proved)
        told = tuple(play(story, directory))
        with open_app(directory) as opened:
            report = verify_log(opened.database, opener_of(opened.database))
            redone = [
                (one.index, one.differences or (str(one.lost),) * bool(one.lost)) for one in Replay(app=opened).every()
            ]
    return Played(
        told=told,
        verdict=report.verdict,
        faults=tuple(fault.reason for fault in report.faults),
        differences=tuple((index, found) for index, found in redone if found),
    )


# --- the stories ----------------------------------------------------------------------------------------------------


@ONCE
def test_every_answer_is_what_the_requirements_say(file: Path) -> None:
    """No expectation is unmet, and what is only set-up goes through."""
    for told in played(file).told:
        assert not told.unmet, f"{file.name}:{told.row['line']}: {told.unmet}"
        if told.line is not None and told.line.expect is None:
            assert told.row["outcome"] == "accepted", f"{file.name}:{told.row['line']}: {told.row['failed']}"


@ONCE
def test_the_log_of_every_story_verifies_and_replays(file: Path) -> None:
    """The log is what was written, the rows are what it folds to, and every entry would be decided the same again."""
    story = played(file)

    assert (story.verdict, story.faults, story.differences) == (Verdict.VERIFIED, (), ())


@ONCE
def test_every_expectation_can_fail(file: Path) -> None:
    """Each single value expected anywhere, changed, is a mismatch: nothing is expected in vain."""
    count = 0
    for told in played(file).told:
        if told.line is None or told.line.expect is None:
            continue
        for where, changed in mutations(told.line.expect):
            assert isinstance(changed, dict)
            assert tuple(mismatches(changed, told.row)), f"{file.name}:{told.row['line']}: {where} could be anything"
            count += 1
    assert count


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
