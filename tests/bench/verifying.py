"""The stand-alone verifier: how many entries a second, from what is published and from a database file."""

import json
from pathlib import Path
from typing import Any

from stepcare.app import open_app
from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.kept import Trust
from stepcare.verifier.outcome import Outcome
from tests.bench.figures import Figure, Section, middle, spread
from tests.bench.sites import on_sqlite
from tests.bench.work import CLOCK, People, ask, courses, steps
from tests.verifier.logs import PEN, entries, publish, written

ENTRIES = 60_000
REAL = 600  # entries of whole courses; the log is made of these, with numbers and chains of its own
EPISODES = 900
ROUNDS = 5
FROM_HASHES, FROM_BYTES = 250_000, 100_000
TITLE = "The verifier"
NOTES = (
    "`python -m stepcare.verifier`, one process. *From bytes*: every entry is read, its canonical form and shape checked, "
    "hashed, put into its chain and the tree, and compared with tile and bundle (or row and head). *From hashes*: the tree "
    "alone, from the hashes that are kept."
)


def verify_fast(folder: Path) -> Section:
    """Measure both ways from both places."""
    log = entries(ENTRIES, episodes=EPISODES, templates=_real(folder / "site"))
    size = sum(map(len, log)) / len(log)
    places = {
        "published": publish(folder / "published", log),
        "a database": written(folder / "stepcare.db", log, keyed=True),
    }
    ways = {"bytes": (False, FROM_BYTES), "hashes": (True, FROM_HASHES)}
    figures = [
        _figure(f"verify {place}, from {way}", path, hashes=hashes, floor=floor, size=size)
        for way, (hashes, floor) in ways.items()
        for place, path in places.items()
    ]
    return Section(title=TITLE, notes=NOTES, figures=figures)


def _figure(what: str, path: Path, *, hashes: bool, floor: int, size: float) -> Figure:
    rates = []
    for _ in range(ROUNDS):
        report = check(path, Asked(trust=Trust(keys=(PEN.key,)), hashes=hashes))
        if report.outcome is not Outcome.VERIFIED:
            raise SystemExit(f"{what}: {report.outcome}, {report.first}")
        rates.append(report.entries / report.seconds)
    found = middle(rates)
    return Figure(
        what=what,
        measured=f"{found:,.0f} entries/s",
        beside=f"{spread(rates, ',.0f')}; {ENTRIES:,} entries of {size:,.0f} bytes (mean of whole courses)",
        floor=f"≥ {floor:,}/s",
        held=found >= floor,
    )


def _real(folder: Path) -> list[dict[str, Any]]:
    """Give the entries of some whole courses."""
    place = on_sqlite(folder)
    with open_app(place.database, CLOCK) as app:
        people, walk = People(app, "v"), steps()
        people.bring(REAL // len(walk) + 2)
        asked = courses(people, "v", walk)
        for _ in range(REAL):
            ask(app, *next(asked))
        found = [json.loads(one.entry) for one in app.store.entries()]
    return [one for one in found if "ep" in one]
