"""A worker process at work: how late it fires, one after another and all at once; who takes over; who else may write."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from stepcare.app import App, open_app, wall_clock
from storage.database import Database
from tests.bench.figures import Figure, Section, quantile, unmeasured
from tests.bench.fleet import Driven
from tests.bench.reminders import Shown, fired, flag, lateness, length, refs, register_now
from tests.bench.resident import working
from tests.bench.sites import Place, Start, on_postgres, on_sqlite
from tests.bench.work import CLOCK
from tests.servers import NoServer

STEADY, EVERY = 1000, timedelta(milliseconds=20)
AT_ONCE = 1000
HELD = 100
LEASE_OVER = 31  # seconds after a claim, at the latest
STARTING = timedelta(seconds=8)
LOOK_SECONDS = 0.004
LONGEST = 90.0
FLOORS = {"SQLite": 2.0, "PostgreSQL": 4.0}
HALF, MOST, RESUMED = 20.0, 100.0, 35.0
TITLE = "Due work: how late"
NOTES = (
    "One `stepcare worker` on the machine's own clock. Each timer calls a clinician about an emergency flag, raised in an "
    f"episode of its own; episodes are new to the worker, and messages are delivered meanwhile. Late is from the timer's "
    f"instant until its commit was seen from another process, which looks every {LOOK_SECONDS * 1e3:.0f} ms. *Taken over*: "
    f"another worker took {HELD} leases and was killed by SIGKILL at once; from then until the last of them has fired. "
    f"The burst is {AT_ONCE:,} timers, not ten thousand: its floor is judged in proportion. Single runs."
)


def how_late(start: Start, folder: Path) -> Section:
    """Measure on both databases."""
    figures = _on("SQLite", on_sqlite(folder / "site"), folder)
    try:
        server = start()
    except NoServer as missing:
        figures.append(unmeasured("steady on PostgreSQL", missing, f"p50 ≤ {HALF:.0f} ms, p99 ≤ {MOST:.0f} ms"))
    else:
        figures += _on("PostgreSQL", on_postgres(server, folder / "vault"), folder)
    return Section(title=TITLE, notes=NOTES, figures=figures)


@dataclass(slots=True)
class Watch:
    """How long the log was at which instants, seen from a thread of its own."""

    database: Database
    seen: list[tuple[int, datetime]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Look until told to stop."""
        last = -1
        while not self.stop.wait(LOOK_SECONDS):
            with self.database.reading() as connection:
                now_long = int(connection.execute("SELECT n FROM audit_head").fetchone()[0])
            if now_long != last:
                self.seen.append((now_long, wall_clock()))
                last = now_long


@contextmanager
def watching(app: App) -> Iterator[Watch]:
    """Watch the log grow."""
    watch = Watch(app.database)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop.set()
        thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """When whose flag is due, and when the burst comes."""

    steady: dict[str, datetime]
    burst: dict[str, datetime]
    held: list[str]

    @property
    def all(self) -> int:
        """Count them."""
        return len(self.steady) + len(self.burst) + len(self.held)


def _on(database: str, place: Place, folder: Path) -> list[Figure]:
    with open_app(place.database, CLOCK, place.vault) as app:
        planned = _planned(app)
        since = length(app)
        killed = _killed(place, folder)
        with watching(app) as watch, working(app, place):
            entries = _all_fired(app, since, planned)
            watch.stop.wait(0.1)
    late, last = lateness(watch.seen, entries, planned.steady), lateness(watch.seen, entries, planned.burst)
    over = max(lateness(watch.seen, entries, dict.fromkeys(planned.held, killed)))
    half, most = (quantile(late, share) * 1e3 for share in (0.5, 0.99))
    each = 1 / EVERY.total_seconds()
    return [
        Figure(
            what=f"{each:.0f} a second on {database}",
            measured=f"p50 {half:.0f} ms, p99 {most:.0f} ms",
            beside=f"latest {late[-1] * 1e3:,.0f} ms, of {len(late):,}",
            floor=f"≤ {HALF:.0f} and ≤ {MOST:.0f} ms",
            held=half <= HALF and most <= MOST,
        ),
        Figure(
            what=f"{AT_ONCE:,} at one instant on {database}",
            measured=f"the last after {last[-1]:.1f} s",
            beside=f"half of them after {quantile(last, 0.5):.1f} s; {AT_ONCE / last[-1]:,.0f}/s",
            floor=f"ten thousand ≤ {FLOORS[database]:.0f} s",
            held=last[-1] * 10_000 / AT_ONCE <= FLOORS[database],
        ),
        Figure(
            what=f"taken over on {database}",
            measured=f"{over:.1f} s",
            beside="leases of 30 s; the work of a worker that was killed, all of it done by another",
            floor=f"≤ {RESUMED:.0f} s",
            held=over <= RESUMED,
        ),
    ]


def _planned(app: App) -> Planned:
    """Register everybody, then raise the flags, early enough that none is due before all are raised."""
    began, now = time.monotonic(), wall_clock()
    steady, burst, held = refs("steady", STEADY), refs("burst", AT_ONCE), refs("held", HELD)
    register_now(app, [*steady, *burst, *held], now)
    flag(app, dict.fromkeys(held, wall_clock()))
    took = (time.monotonic() - began) * (STEADY + AT_ONCE) / (STEADY + AT_ONCE + HELD)
    first = wall_clock() + timedelta(seconds=2.5 * took) + STARTING
    after = first + STEADY * EVERY
    planned = Planned(
        steady={one: first + number * EVERY for number, one in enumerate(steady)},
        burst=dict.fromkeys(burst, after + timedelta(seconds=LEASE_OVER + 4 - 15)),
        held=held,
    )
    flag(app, planned.steady)
    flag(app, planned.burst)
    wait = (first - STARTING - wall_clock()).total_seconds()
    if wait < 0:
        raise SystemExit("The flags were not raised in time: the machine is too busy to measure how late anything is.")
    time.sleep(wait)
    return planned


def _killed(place: Place, folder: Path) -> datetime:
    """Let a worker take leases, and kill it; gives when."""
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.bench.worked",
        place.database,
        str(place.vault or ""),
        "killed",
        folder / "none",
    ]
    worker = Driven(words)
    worker.hear()
    worker.tell(json.dumps({"do": "hold", "most": HELD}))
    worker.hear()
    worker.tell("go")
    held = worker.hear()["counts"].get("held")
    os.kill(worker.id, signal.SIGKILL)
    killed = wall_clock()
    worker.stop()
    if held != HELD:
        raise SystemExit(f"The figures are worthless: {held} leases were taken.")
    return killed


def _all_fired(app: App, since: int, planned: Planned) -> list[Shown]:
    """Wait until every flag's first call is in the log."""
    wanted = {*planned.steady, *planned.burst, *planned.held}
    until = max(planned.burst.values()) + timedelta(seconds=LONGEST)
    while wall_clock() < until:
        time.sleep(0.5)
        with app.database.reading() as connection:
            left = connection.execute(LEFT).fetchone()[0]
        if left:
            continue
        with app.database.reading() as connection:
            entries = fired(connection, since)
        if len(entries) != len(wanted) or {one.episode for one in entries} != wanted:
            raise SystemExit(f"The figures are worthless: {len(entries)} have fired of {len(wanted)}.")
        return entries
    raise SystemExit("The figures are worthless: not everything has fired.")


LEFT = "SELECT count(*) FROM timer WHERE state = 'armed' AND kind = 'flag_emergency' AND id LIKE '%@0'"
