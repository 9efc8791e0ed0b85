"""What `make bench` measures, on this machine, and writes into docs/performance.md.

Times are the median of many; ratios compare two things of the same run, so that they survive another machine.
"""

import cProfile
import os
import platform
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.decide import decide
from engine.model import Actor, Command, Kind, Role
from engine.names import names
from engine.prove import prove_pathway
from stepcare.app import App, VirtualClock, temporary_app
from stepcare.publishing import publish
from storage.database import connect
from storage.vault import Details
from tests.worlds import ANN, PACK, RAVI, World, shipped
from workflows.load import load_pack

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARK = "<!-- measured: everything below is written by make bench -->"
DECISIONS = 2000
COMMITS = 300


def median_of(times: int, act: Callable[[], object]) -> float:
    """Give the median seconds of doing something; the first tenth warms up and does not count."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[times // 10 :])


def in_step_one() -> World:
    """Give an episode eighteen days into step 1, reassessed: a step-up asks every kind of rule."""
    world = World()
    world.do(ANN, Kind.REGISTER, {"region": "upper_back", "onset": "2026-01-12", "contact_consent": True})
    world.move("start_assessment")
    world.record("red_flag_screen", RAVI, **dict.fromkeys(shipped().red_flags, "absent"))
    world.record(
        "assessment", RAVI, complete=True, palpation="tenderness_only", associated_symptoms=["none"], nprs=7,
        rom=[{"movement": "rotation", "finding": "limited"}], psfs={"lifting": 3, "driving": 4, "typing": 5},
        function_goal="Lift", preference="agrees_with_plan",
    )  # fmt: skip
    world.record("consent", RAVI, given=True, text_version="1")
    world.start(
        "self_management", RAVI, heat="given", education="given", activity_modification="given",
        activities=[{"what": "Long drives"}],
    )  # fmt: skip
    world.move("enter_step1", RAVI, preference="agrees_with_plan")
    world.day(18)
    world.record(
        "reassessment", RAVI, nprs=6, psfs={"lifting": 3, "driving": 4, "typing": 5}, pgic="no_change",
        function_word="unchanged",
    )  # fmt: skip
    if world.episode.state != "self_care":
        raise SystemExit(f"The bench's own episode stands in {world.episode.state}: the pack asks for something new.")
    return world


def calls_in(act: Callable[[], object]) -> int:
    """Count the Python functions called."""
    count = 0

    def seen(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def profile_of(act: Callable[[], object]) -> list[str]:
    """Give where the time goes: the ten functions with the most time of their own."""
    profile = cProfile.Profile()
    for _ in range(200):
        profile.runcall(act)
    stats = pstats.Stats(profile)
    own = sorted(stats.stats.items(), key=lambda one: -one[1][2])[:10]  # type: ignore[attr-defined]  # not in the stubs
    total = sum(one[2] for one in stats.stats.values())  # type: ignore[attr-defined]
    return [
        f"| {Path(file).stem}.{name} | {numbers[2] / total:.0%} | {numbers[0] / 200:.0f} |"
        for (file, _, name), numbers in own
    ]


def raw_commit(folder: Path) -> tuple[float, str]:
    """Give the median seconds of the smallest durable thing, two rows and a commit, and the SQLite that did it."""
    file = folder / "raw.db"
    file.touch()
    connection = connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("CREATE TABLE two (id INTEGER PRIMARY KEY, body BLOB)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO one (body) VALUES (?)", (b"x" * 500,))
        connection.execute("INSERT INTO two (body) VALUES (?)", (b"x" * 500,))
        connection.execute("COMMIT")

    taken = median_of(COMMITS, commit)
    version = connection.execute("SELECT sqlite_version()").fetchone()[0]
    connection.close()
    return taken, str(version)


def size_of(folder: Path) -> int:
    """Give the bytes of everything in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def durable(folder: Path) -> tuple[float, float]:
    """Give the median seconds of one audited decision through the door, and what it adds to the disk in bytes."""
    clock = VirtualClock(datetime(2026, 3, 2, 8, tzinfo=UTC))
    with temporary_app(clock, "Europe/Berlin", str(folder)) as app:
        publish(app, load_pack(PACK), Actor(id="owner", role=Role.PATHWAY_OWNER), "publish")
        app.vault.add_person("p-1", Details(name="Alva Ludens"), clock())
        say(app, Kind.REGISTER, {"patient": "p-1", "region": "upper_back", "onset": "2026-01-12"})
        before = size_of(folder)

        def record() -> None:
            clock.forward_to(clock() + timedelta(minutes=1))
            say(app, Kind.CONTACT, {"channel": "telephone", "result": "no_answer"})

        taken = median_of(COMMITS, record)
        return taken, (size_of(folder) - before) / COMMITS


def say(app: App, kind: Kind, values: dict[str, bool | int | str | None]) -> None:
    """Give one command through the door; anything but an accepted one makes the figures worthless."""
    command = Command(id=app.make_id(), kind=kind, actor=ANN, episode="e1", values=dict(values))
    answer = app.engine.handle(command)
    if answer.entry is None or answer.decision.failed:
        raise SystemExit(f"{kind} was not accepted: {answer.decision.problem} {answer.decision.failed}")


def start_up() -> tuple[float, float]:
    """Give the median seconds of `stepcare --help` and of starting Python alone."""
    stepcare = [sys.executable, "-m", "stepcare", "--help"]
    bare = [sys.executable, "-c", "pass"]
    return (
        median_of(9, lambda: subprocess.run(stepcare, check=True, capture_output=True)),  # noqa: S603 - our own program
        median_of(9, lambda: subprocess.run(bare, check=True, capture_output=True)),  # noqa: S603 - Python itself
    )


def processor() -> str:
    """Name the processor, as the machine does."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def measured() -> str:
    """Measure everything and give the page's lower half."""
    world = in_step_one()
    command = Command(
        id="bench", kind=Kind.MOVE, actor=RAVI, episode=world.episode.id,
        values={"transition": "step_up", "preference": "wants_more"},
    )  # fmt: skip

    def decided() -> object:
        return decide(world.compiled, world.episode, command, world.now)

    decision = decide(world.compiled, world.episode, command, world.now)
    deciding, calls = median_of(DECISIONS, decided), calls_in(decided)
    pathway = shipped()
    proving = median_of(3, lambda: prove_pathway(pathway, names(pathway)))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        raw, library = raw_commit(Path(one))
        commit, size = durable(Path(two))
    helping, bare = start_up()
    rows = (
        ("decide, full explanation", f"{deciding * 1e6:.0f} µs", f"{calls} Python calls, {len(decision.rules)} rules"),
        ("proof of the shipped pack", f"{proving:.2f} s", f"{len(pathway.rules)} rules, {len(pathway.tables)} tables"),
        ("audited durable decision", f"{commit * 1e3:.2f} ms", f"{commit / raw:.1f} × a raw two-row commit"),
        ("raw two-row commit", f"{raw * 1e3:.2f} ms", f"SQLite {library}, WAL, FULL"),
        ("disk per decision", f"{size:.0f} bytes", "database, vault and write-ahead log"),
        ("`stepcare --help`", f"{helping:.2f} s", f"{helping / bare:.1f} × starting Python"),
    )
    lines = [
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}.",
        "",
        "| what | median | beside |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {beside} |" for what, figure, beside in rows),
        "",
        f"The decision is a step-up, {decision.outcome.value}, of an episode eighteen days into step 1.",
        "Where its time goes:",
        "",
        "| function | own time | calls |",
        "|---|---|---|",
        *profile_of(decided),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and keep it."""
    text = measured()
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    PAGE.write_text(f"{head}\n\n{MARK}\n\n{text}", encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
