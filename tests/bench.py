"""What `make bench` measures, on this machine, and writes into docs/performance.md.

Ratios compare two things of the same run, taken in turns, so that they survive another machine and its neighbours.
Calls are counted, not timed: they are the same on every machine with the same Python.
"""

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.decide import decide
from engine.decision import Decision
from engine.model import Actor, Command, Episode, Json, Kind, Role
from engine.names import names
from engine.prove import prove_pathway
from stepcare.app import App, VirtualClock, temporary_app
from stepcare.log import configure_log
from stepcare.publishing import publish
from storage.connection import Connection
from storage.sqlite import Files, connect
from storage.vault import Details
from tests.worlds import ANN, PACK, World, shipped
from tests.worlds_pathway import episode_in
from workflows.load import load_pack

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARK = "<!-- measured: everything below is written by make bench -->"
RECORDED = re.compile(r"^\| calls in one decision \| (\d+) \|", re.MULTILINE)
TIMES = 15
COMMITS = 600
CONTACTS = 20  # in one episode, before the next is registered
BODY = b"x" * 500


def taken(act: Callable[[], object]) -> float:
    """Give the seconds that doing something takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


# --- decide -------------------------------------------------------------------------------------------------------


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


# --- what is durable ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """Seconds of audited decisions and of the raw commits before them, and what a decision adds to the database."""

    decisions: list[float]
    raws: list[float]
    growth: float
    library: str

    def ratio(self) -> str:
        """Compare each decision with the raw commit just before it, and the quickest tenths: there the disk was quiet."""
        pairs = zip(self.decisions, self.raws, strict=True)
        middle = statistics.median(decision / raw for decision, raw in pairs)
        quiet = statistics.quantiles(self.decisions, n=10)[0] / statistics.quantiles(self.raws, n=10)[0]
        return f"{middle:.1f} × the raw commit just before it; {quiet:.1f} × where the disk was quiet"


def raw_database(folder: Path) -> Connection:
    """Make the plainest durable thing: two tables, the same journal and the same promise to the disk."""
    file = folder / "raw.db"
    file.touch()
    connection = connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE state (id INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("INSERT INTO state (body) VALUES (?)", (BODY,))
    return connection


def raw_commit(connection: Connection) -> None:
    """Change one row, add one row, commit."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE state SET body = ? WHERE id = 1", (BODY,))
    connection.execute("INSERT INTO log (body) VALUES (?)", (BODY,))
    connection.execute("COMMIT")


def say(app: App, kind: Kind, episode: str, values: Mapping[str, Json]) -> None:
    """Give one command through the door; anything but an accepted one makes the figures worthless."""
    answer = app.engine.handle(Command(id=app.make_id(), kind=kind, actor=ANN, episode=episode, values=values))
    if answer.entry is None or answer.decision.failed:
        raise SystemExit(f"{kind} was not accepted: {answer.decision.problem} {answer.decision.failed}")


def size_of(database: Path) -> int:
    """Give the bytes of the main database, everything in the log carried over first."""
    connection = connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return database.stat().st_size


def durable(folder: Path) -> Durable:
    """Take raw commits and audited decisions (a contact noted, by one caller through the door) in turns."""
    clock = VirtualClock(datetime(2026, 3, 2, 8, tzinfo=UTC))
    configure_log("warning", "console", clock)  # as `stepcare` is run where nobody asks for more
    raw, raws, decisions = raw_database(folder), list[float](), list[float]()
    with temporary_app(clock, "Europe/Berlin", str(folder)) as app:
        database = Files.of(folder).database
        publish(app, load_pack(PACK), Actor(id="owner", role=Role.PATHWAY_OWNER), "publish")
        before, registered = size_of(database), 0
        for number in range(COMMITS):
            episode = f"e{number // CONTACTS}"
            if number % CONTACTS == 0:
                registered += 1
                app.vault.add_person(f"p-{episode}", Details(name="Alva Ludens"), clock())
                about = {"patient": f"p-{episode}", "region": "upper_back", "onset": "2026-01-12"}
                say(app, Kind.REGISTER, episode, dict[str, Json](about))
            clock.forward_to(clock() + timedelta(minutes=1))
            raws.append(taken(lambda: raw_commit(raw)))
            contact: dict[str, Json] = {"channel": "telephone", "result": "no_answer"}
            decisions.append(taken(lambda: say(app, Kind.CONTACT, episode, contact)))  # noqa: B023 - done at once
        growth = (size_of(database) - before) / (COMMITS + registered)
    library = str(raw.execute("SELECT sqlite_version()").fetchone()[0])
    raw.close()
    return Durable(decisions=decisions, raws=raws, growth=growth, library=library)


# --- the page -------------------------------------------------------------------------------------------------------


def run(*command: str) -> float:
    """Give the seconds of a command, the best of five."""
    words = [sys.executable, *command]
    return min(taken(lambda: subprocess.run(words, check=True, capture_output=True)) for _ in range(5))  # noqa: S603 - our own program


def processor() -> str:
    """Name the processor, as the machine does."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def measured() -> str:
    """Measure everything and give the page's lower half."""
    acts = decided_again(course())
    deciding = [min(taken(act) for _ in range(TIMES)) * 1e6 for act in acts]
    answers = [len(act().rules) for act in acts]
    pathway = shipped()
    proving = min(taken(lambda: prove_pathway(pathway, names(pathway))) for _ in range(5))
    with tempfile.TemporaryDirectory() as folder:
        kept = durable(Path(folder))
    helping, bare = run("-m", "stepcare", "--help"), run("-c", "pass")
    rows = (
        ("`decide`, median", f"{statistics.median(deciding):.0f} µs", f"{len(acts)} decisions of a whole course"),
        ("`decide`, 90th percentile", f"{statistics.quantiles(deciding, n=10)[-1]:.0f} µs", "the same decisions"),
        ("calls in one decision", f"{calls_per_decision()}", f"mean; up to {max(answers)} rules answer"),
        ("proof of the shipped pack", f"{proving:.2f} s", f"{len(pathway.rules)} rules, {len(pathway.tables)} tables"),
        ("audited durable decision", f"{statistics.median(kept.decisions) * 1e3:.2f} ms", kept.ratio()),
        ("raw commit of two rows", f"{statistics.median(kept.raws) * 1e3:.2f} ms", f"SQLite {kept.library}, WAL, FULL"),
        (
            "database per decision",
            f"{kept.growth:.0f} bytes",
            f"{COMMITS} contacts, {COMMITS // CONTACTS} registrations",
        ),
        ("`stepcare --help`", f"{helping:.2f} s", f"{helping / bare:.1f} × starting Python; best of five"),
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = f"{processor()}, {os.cpu_count()} cores (load {load}), {platform.system()}"
    lines = [
        f"{machine}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}.",
        "",
        "| what | measured | beside |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {beside} |" for what, figure, beside in rows),
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
