"""What people feel of a backlog: commands over HTTP while a worker, in a process of its own, drains it. On SQLite."""

import http.client
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from engine.audit import instant
from stepcare.app import App, open_app, wall_clock
from tests.bench.figures import Figure, Section, quantile
from tests.bench.over_http import Asked, prepared, serving
from tests.bench.reminders import bring_to_self_care, length
from tests.bench.resident import working
from tests.bench.sites import Place, Start, on_sqlite
from tests.bench.work import CLOCK

PEOPLE = 1200
SECONDS = 10.0
QUIET_SECONDS = 5.0
CALLS_A_SECOND = 25
SLOWEST, LONGEST = 25.0, 250.0
TITLE = "Due work: people beside a backlog"
NOTES = (
    f"One caller sends {CALLS_A_SECOND} contacts a second over HTTP to `stepcare serve` on episodes of nobody's backlog, while "
    f"`stepcare worker` fires what {PEOPLE:,} people have been owed since March, timer after timer, and tells the staff. Both "
    "processes share one SQLite file, WAL and FULL, and the machine. Before it the same caller alone. The backlog is as large as "
    "outlasts the measuring, not a hundred thousand."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the caller saw: the seconds of each call, from the quickest, and the answers that were no success."""

    times: list[float]
    refused: Counter[int]

    def milliseconds(self, share: float) -> float:
        """Give within what time this share was answered."""
        return quantile(self.times, share) * 1e3


def people_beside(_: Start, folder: Path) -> Section:
    """Measure a caller alone, and beside a worker with a backlog."""
    place = on_sqlite(folder / "site")
    bring_to_self_care(place, PEOPLE)
    asked = prepared(place, folder)
    words = [sys.executable, "-m", "stepcare", "serve", "--port", "0", "--no-worker"]
    with open_app(place.database, CLOCK) as app, serving(words, place.settings, folder / "serve.log") as address:
        _write(address, asked, "warm", 2.0)
        alone = _write(address, asked, "alone", QUIET_SECONDS)
        beside, drained, left = _drained(app, place, address, asked)
    refused = sum(beside.refused.values())
    most, longest = beside.milliseconds(0.99), beside.times[-1] * 1e3
    return Section(
        title=TITLE,
        notes=NOTES,
        figures=[
            _figure("commands, no worker", alone),
            Figure(
                what="commands beside a backlog",
                measured=f"p99 {most:.0f} ms",
                beside=f"{_told(beside)}; meanwhile {drained:,.0f} entries a second of the worker's, {left:,} timers still due",
                floor=f"≤ {SLOWEST:.0f} ms",
                held=most <= SLOWEST,
            ),
            Figure(
                what="commands beside a backlog, longest",
                measured=f"{longest:.0f} ms",
                floor=f"≤ {LONGEST:.0f} ms",
                held=longest <= LONGEST,
            ),
            Figure(
                what="answers that are no success",
                measured=str(refused),
                beside=", ".join(map(str, beside.refused)),
                floor="0",
                held=not refused,
            ),
        ],
    )


def _drained(app: App, place: Place, address: str, asked: Asked) -> tuple[Written, float, int]:
    """Write while a worker drains; gives that, the worker's entries a second, and the timers still due then."""
    with working(app, place):
        before, began = length(app), time.monotonic()
        beside = _write(address, asked, "beside", SECONDS)
        entries = length(app) - before - len(beside.times)
        rate = entries / (time.monotonic() - began)
        with app.database.reading() as connection:
            found = connection.execute(STILL_DUE, {"now": instant(wall_clock())}).fetchone()
    return beside, rate, int(found[0])


STILL_DUE = "SELECT count(*) FROM timer WHERE state = 'armed' AND parked IS NULL AND at <= :now"


def _write(address: str, asked: Asked, name: str, seconds: float) -> Written:
    """Send a command each so often, over one connection; a late one is not made up for."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    episodes = cycle(asked.ids.read_text(encoding="utf-8").split())
    times: list[float] = []
    refused: Counter[int] = Counter()
    end, number = time.perf_counter() + seconds, 0
    while (begin := time.perf_counter()) < end:
        number += 1
        headers = {
            "Authorization": f"Bearer {asked.token}",
            "Content-Type": "application/json",
            "If-Match": "*",
            "Idempotency-Key": f"{name}-{number}",
        }
        connection.request("POST", f"/api/v1/episodes/{next(episodes)}/commands", BODY, headers)
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - begin
        times.append(took)
        if answer.status not in (200, 201):
            refused[answer.status] += 1
        time.sleep(max(0.0, 1 / CALLS_A_SECOND - took))
    connection.close()
    return Written(times=sorted(times), refused=refused)


BODY = json.dumps({"kind": "contact", "values": {"channel": "telephone", "result": "no_answer"}}).encode()


def _figure(what: str, found: Written) -> Figure:
    return Figure(what=what, measured=f"p99 {found.milliseconds(0.99):.0f} ms", beside=_told(found))


def _told(found: Written) -> str:
    longest = found.times[-1] * 1e3
    return f"p50 {found.milliseconds(0.5):.1f} ms, longest {longest:.0f} ms, of {len(found.times):,}"
