"""What one decision costs by itself: calls, which do not vary with the machine, and time, which does."""

import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.decide import decide
from engine.decision import Decision
from engine.model import Episode
from engine.names import names
from engine.prove import prove_pathway
from tests.bench.figures import Figure, Section, taken
from tests.worlds import World, shipped
from tests.worlds_pathway import episode_in

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
RECORDED = re.compile(r"^\| calls in one decision \| (\d+) \|", re.MULTILINE)
TIMES = 15


def course() -> World:
    """Give a whole course: four steps up to multidisciplinary care, and a hundred days with nobody answering."""
    return episode_in("multidisciplinary").day(100)


def decided_again(world: World) -> list[Callable[[], Decision]]:
    """Give each decision of a course as something that can be done again."""

    def again(episode: Episode, decision: Decision) -> Callable[[], Decision]:
        return lambda: decide(world.compiled, episode, decision.command, decision.now)

    return [again(episode, decision) for episode, decision in world.decisions]


def calls_in(act: Callable[[], object]) -> int:
    """Count the functions called, Python's own among them, as cProfile does."""
    count = 0

    def seen(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count - 1  # the call that ends the counting


def calls_per_decision() -> int:
    """Give the mean calls of a decision over the course; everything is done once before it is counted."""
    acts = decided_again(course())
    for act in acts:
        act()
    return round(statistics.mean(map(calls_in, acts)))


def recorded_calls() -> int:
    """Give the calls of a decision as the page last recorded them."""
    found = RECORDED.search(PAGE.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{PAGE} records no calls: run `make bench`.")
    return int(found[1])


def run(*command: str) -> float:
    """Give the seconds of a command, the best of five."""
    words = [sys.executable, *command]
    return min(taken(lambda: subprocess.run(words, check=True, capture_output=True)) for _ in range(5))  # noqa: S603 - our own program


def alone() -> Section:
    """Measure what needs no database."""
    acts = decided_again(course())
    deciding = [min(taken(act) for _ in range(TIMES)) * 1e6 for act in acts]
    answers = [len(act().rules) for act in acts]
    pathway = shipped()
    proving = min(taken(lambda: prove_pathway(pathway, names(pathway))) for _ in range(5))
    helping, bare = run("-m", "stepcare", "--help"), run("-c", "pass")
    rules, tables = len(pathway.rules), len(pathway.tables)
    figures = (
        Figure(
            what="`decide`, median",
            measured=f"{statistics.median(deciding):.0f} µs",
            beside=f"{len(acts)} decisions of a whole course, explained, each at its best of {TIMES}",
        ),
        Figure(
            what="`decide`, 90th percentile",
            measured=f"{statistics.quantiles(deciding, n=10)[-1]:.0f} µs",
            beside="the same decisions",
        ),
        Figure(
            what="calls in one decision",
            measured=f"{calls_per_decision()}",
            beside=f"mean; up to {max(answers)} rules answer",
        ),
        Figure(
            what="proof of the shipped pack",
            measured=f"{proving:.2f} s",
            beside=f"{rules} rules, {tables} tables",
        ),
        Figure(
            what="`stepcare --help`",
            measured=f"{helping:.2f} s",
            beside=f"{helping / bare:.1f} × starting Python; best of five",
        ),
    )
    return Section(title="Without a database", notes="", figures=figures)
