"""What changes with size: few episodes and many, both loaded by the product's own import, measured in turns."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from subprocess import Popen
from time import perf_counter

from engine.model import Role
from stepcare.app import App, open_app, wall_clock
from storage.queries import DueFilter, EpisodeFilter, due_list, episodes
from tests.bench.figures import Figure, Section, middle, quantile, ratios, spread, taken
from tests.bench.fleet import ROOT, Ran, ours
from tests.bench.raw import Commits
from tests.bench.sites import Place, entries_in, on_sqlite, size_of

FEW = 10_000
ROUNDS = 5
SECONDS = 1.5
QUERIES = 60
LONGEST = 10.0  # seconds that one kind of query may take altogether
FASTEST_IMPORT = 1500
REGIONS = ("upper_back", "mid_back")
FIRST = date(2025, 9, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How an import went. `memory`: the most it held, in MB."""

    episodes: int
    seconds: float
    memory: float

    @property
    def rate(self) -> float:
        """Give episodes a second."""
        return self.episodes / self.seconds


def at_size(folder: Path, many: int) -> Section:
    """Load few and many, then measure both."""
    few = min(FEW, many)
    small, large = on_sqlite(folder / "small"), on_sqlite(folder / "large")
    begun = size_of(large)
    load(small, folder / "few.ndjson", few)
    loaded = load(large, folder / "many.ndjson", many)
    each = (size_of(large) - begun) / many
    raw = Commits(folder)
    ran: dict[str, list[Ran]] = {"small": [], "large": []}
    limits: dict[str, list[float]] = {name: [] for name in ran}
    fleets = {"small": ours(small, 1, "small"), "large": ours(large, 1, "large")}
    try:
        for _ in range(ROUNDS):
            for name, fleet in fleets.items():
                limits[name].append(raw.rate(SECONDS / 2))
                ran[name].append(fleet.run(seconds=SECONDS, threads=16, work="present"))
    finally:
        for fleet in fleets.values():
            fleet.stop()
        raw.close()
    queries = {name: _queries(place) for name, place in (("small", small), ("large", large))}
    size = f"{many:,} episodes"
    found = ratios([one.rate for one in ran["large"]], [one.rate for one in ran["small"]])
    figures = (
        Figure(
            what="import",
            measured=f"{loaded.rate:,.0f} episodes/s",
            beside=f"{size} in {loaded.seconds:,.0f} s, entries and all; at most {loaded.memory:,.0f} MB held",
            floor=f"≥ {FASTEST_IMPORT:,}/s",
            held=loaded.rate >= FASTEST_IMPORT,
        ),
        Figure(
            what="database for each episode", measured=f"{each:,.0f} bytes", beside="its registration, with indexes"
        ),
        Figure(
            what=f"decisions at {few:,}, 16 callers",
            measured=f"{middle([one.rate for one in ran['small']]):,.0f}/s",
            beside=f"contacts on episodes taken at random; raw commit then {middle(limits['small']):,.0f}/s",
        ),
        Figure(
            what=f"decisions at {many:,}, 16 callers",
            measured=f"{middle([one.rate for one in ran['large']]):,.0f}/s",
            beside=f"**{middle(found):.0%}** of that at {few:,} in the same round ({spread(found, '.0%')}); raw commit then "
            f"{middle(limits['large']):,.0f}/s",
            floor="≥ 80 %",
            held=middle(found) >= 0.8,
        ),
        *(_query(name, queries["small"][name], queries["large"][name], few, many) for name in queries["large"]),
    )
    return Section(title=f"At {size}", notes=NOTES, figures=figures)


NOTES = (
    "Loaded by `stepcare episode import`. Decisions are contacts, each on an episode nobody has looked at since it was "
    "registered: it is read from the log. The large and the small database take turns. Queries are a page of fifty, as "
    "the lists ask it, on a warm database."
)


# --- loading --------------------------------------------------------------------------------------------------------


def load(place: Place, file: Path, number: int) -> Loaded:
    """Import so many episodes, as an operator would."""
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines(number))
    words = [sys.executable, "-m", "stepcare", "episode", "import", str(file), "--as", "ann"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
    begin = perf_counter()
    process = Popen(words, cwd=ROOT, env={**environment, **place.settings})  # noqa: S603 - our own program
    _, status, usage = os.wait4(process.pid, 0)
    took = perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The import of {number:,} episodes ended with {process.returncode}: see above.")
    return Loaded(episodes=number, seconds=took, memory=usage.ru_maxrss / 1024)


def lines(number: int) -> Iterator[str]:
    """Give the lines of a file of so many people, each a little different."""
    for one in range(number):
        onset = FIRST + timedelta(days=one % 150)
        person = {
            "name": f"Ludens {one}",
            "born": f"{1940 + one % 60}-03-01",
            "contacts": {"email": f"p{one}@clinic.example"},
        }
        values = {
            "region": REGIONS[one % 2],
            "onset": onset.isoformat(),
            "contact_consent": True,
            "contact_channel": "email",
        }
        yield f"{json.dumps({'key': f'k{one}', 'person': person, 'values': values})}\n"


# --- measuring ------------------------------------------------------------------------------------------------------


def _queries(place: Place) -> dict[str, list[float]]:
    """Give the seconds of each query, from the quickest."""
    found: dict[str, list[float]] = {}
    with open_app(place.database, wall_clock) as app:
        assert entries_in(app)
        for name, ask in _asked(app).items():
            ask()
            found[name], left = [], LONGEST
            while len(found[name]) < QUERIES and left > 0:
                found[name].append(taken(ask))
                left -= found[name][-1]
            found[name].sort()
    return found


def _asked(app: App) -> dict[str, Callable[[], object]]:
    now, teams = app.clock() + timedelta(days=30), frozenset({"main"})
    pathways = [app.engine.compiled(sha256).pathway for sha256 in app.store.site().pathways.values()]
    priorities = {name: one.priority for pathway in pathways for name, one in pathway.due.items()}
    due = DueFilter(priorities=priorities, teams=teams, owner_role=Role.COORDINATOR)
    listed = EpisodeFilter(teams=teams, open_only=True)
    return {
        "worklist: owed work, most pressing first": lambda: due_list(app.database, now, due),
        "episodes of a care team": lambda: episodes(app.database, listed),
    }


def _query(name: str, small: list[float], large: list[float], few: int, many: int) -> Figure:
    half, most = (quantile(large, share) * 1e3 for share in (0.5, 0.99))
    return Figure(
        what=name,
        measured=f"{half:.2f} ms",
        beside=f"p99 {most:.2f} ms at {many:,}; p50 {quantile(small, 0.5) * 1e3:.2f} ms at {few:,}",
        floor="< 1 ms",
        held=half < 1,
    )
