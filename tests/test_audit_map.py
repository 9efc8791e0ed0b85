"""The map of the standards is whole and true: no criterion is missing, and every test that it names is there."""

import ast
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "ehr-audit-map.md"
EHR = "EHR-S FM TI.2"
CRITERIA = {"SHALL": 231, "SHOULD": 12, "MAY": 5}  # of the release the map was made from
REASONS = ("not applicable", "deployment's", "later", "refused")
VERDICTS = ("met", *REASONS)
ID = re.compile(r"`(tests/[\w/]+\.py::[\w:]+)`")
SHORTEST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One criterion of the map."""

    id: str
    level: str
    words: str
    verdict: str
    proof: str


@cache
def sections() -> Mapping[str, list[list[str]]]:
    """Give the cells of each section's table, without its head."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = [line for line in body.splitlines() if line.startswith("| ")]
        found[title] = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1:]]
    return found


def lines(standard: str) -> list[Line]:
    """Give the criteria of one standard, in the map's order."""
    names = ("id", "level", "words", "verdict", "proof")
    return [Line(**dict(zip(names, cells, strict=True))) for cells in sections()[standard]]


STANDARDS = tuple(title for title in sections() if title != "How many")
EVERY = [line for standard in STANDARDS for line in lines(standard)]


@cache
def names_in(file: str) -> frozenset[str]:
    """Give the names of a file's tests, those in classes as `Class::test`."""
    path, found = ROOT / file, set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else ():
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {f"{prefix}{one.name}" for one in inside if isinstance(one, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def criteria() -> Mapping[str, str]:
    """Give each criterion of the standard's own files with its level; skips, saying so, where they are not there."""
    places = [Path(named)] if (named := os.environ.get("STEPCARE_VECTORS")) else []
    places.append(ROOT.parent / "shared" / "vectors")
    folder = next((place / "ehrsfm" for place in places if (place / "ehrsfm").is_dir()), None)
    if folder is None:
        pytest.skip(
            "The standard's own list is not here (STEPCARE_VECTORS): the map's counts are checked, not its ids."
        )
    files = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return {one["label"]: one["conformance"][0] for file in files for one in file["statement"]}


def test_no_criterion_is_missing_and_none_is_invented() -> None:
    """Every criterion of the standard's own list is in the map once, with its own level, and no other is."""
    mapped = {line.id: line.level for line in lines(EHR)}

    assert mapped == criteria()


def test_the_standard_has_248_criteria() -> None:
    """231 that shall, 12 that should and 5 that may be, whoever has the standard's own list or not."""
    assert Counter(line.level for line in lines(EHR)) == CRITERIA


def test_nothing_is_mapped_twice() -> None:
    """An id has one verdict."""
    assert [name for name, count in Counter(line.id for line in EVERY).items() if count > 1] == []


def test_every_standard_is_mapped() -> None:
    """The four that an auditor of health records will ask about."""
    assert STANDARDS == (EHR, "ONC", "21 CFR 11.10(e)", "ISO 27789")
    assert all(lines(standard) for standard in STANDARDS)


@pytest.mark.parametrize("line", [line for line in EVERY if line.verdict == "met"], ids=lambda line: line.id)
def test_what_is_met_is_shown_by_tests_that_exist(line: Line) -> None:
    """A met criterion names nothing but tests, and each of them is there."""
    named = [one.split("::", 1) for one in ID.findall(line.proof)]

    assert named
    assert ID.sub("", line.proof).strip(", ") == ""
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


@pytest.mark.parametrize("line", [line for line in EVERY if line.verdict != "met"], ids=lambda line: line.id)
def test_what_is_not_met_has_one_of_four_reasons_and_a_why(line: Line) -> None:
    """Not applicable, the deployment's, later or refused: and a sentence that says why, not a test."""
    assert line.verdict in REASONS
    assert len(line.proof) >= SHORTEST_REASON
    assert "`tests/" not in line.proof


def test_each_criterion_is_said_in_our_own_words() -> None:
    """No sentence of the standard stands in the map: its criteria all say that the system shall, should or may."""
    theirs = re.compile(r"\bsystem (?:shall|should|may)\b", re.IGNORECASE)

    assert [line.id for line in EVERY if not line.words or theirs.search(line.words)] == []


def test_the_counts_are_counted() -> None:
    """The table of how many is what the lines below it come to."""
    counted = {standard: [*map(str, counts(lines(standard)))] for standard in STANDARDS}
    counted |= {
        f"{EHR}, {level}": [*map(str, counts([line for line in lines(EHR) if line.level == level]))]
        for level in CRITERIA
    }

    assert {row[0]: row[1:] for row in sections()["How many"]} == counted
    for standard, figures in counted.items():
        print(standard, *figures)  # noqa: T201 - seen with `pytest -s`: criteria, met, then the four reasons


def counts(some: list[Line]) -> list[int]:
    """Give how many there are, and how many of each verdict."""
    found = Counter(line.verdict for line in some)
    return [len(some), *(found[verdict] for verdict in VERDICTS)]
