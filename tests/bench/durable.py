"""The whole path of a decision, on either database, in turns with what the database gives at most."""

from pathlib import Path

from tests.bench.figures import Figure, Section, middle, noise, ratios, spread, unmeasured
from tests.bench.fleet import Ran, ours
from tests.bench.raw import Commits, Trips
from tests.bench.sites import Start, on_postgres, on_sqlite, size_of
from tests.servers import NoServer

ROUNDS = 5
SECONDS = 1.2
CALLERS = 16
COURSES, CONTACTS = "courses", "contacts"
RAW_SECONDS = 0.5
WAYS = {  # processes, callers of each, and what they ask
    "one": (1, 1, COURSES),
    "many": (1, CALLERS, COURSES),
    "two": (2, CALLERS // 2, COURSES),
    "one contact": (1, 1, CONTACTS),
    "many contacts": (1, CALLERS, CONTACTS),
}
ENOUGH = "≥ 1,000/s where pgbench gives ≥ 4,000/s, else 0.25 ×"
MOST_CPU = 400.0
MOST_BYTES = 3000.0
SQLITE_NOTES = (
    "An audited durable decision is a caller's whole way through the door: load, decide and explain, seal, due items, "
    "timers, messages, entry, triggers, COMMIT (WAL, FULL). *Courses* are whole courses (registration, intake, four "
    "steps, injections, timers, nobody answering); *contacts* are twenty telephone calls after each registration. "
    "Floors are judged on courses. The raw limit is one caller who changes one row, adds one and commits, just "
    "before each of ours on the same disk; ratios are of these pairs. Identities are in the vault beforehand."
)
POSTGRES_NOTES = (
    "The same courses. The limit beside them is pgbench: begin, select for update, update, insert, commit, each a trip "
    "of its own, prepared, over the same socket, in turns with ours."
)


def on_one_file(folder: Path) -> Section:
    """Measure on SQLite: one caller, sixteen, and two processes of eight."""
    place, raw = on_sqlite(folder / "site"), Commits(folder)
    ran: dict[str, list[Ran]] = {name: [] for name in WAYS}
    limits: dict[str, list[float]] = {name: [] for name in ran}
    sizes: dict[str, list[float]] = {COURSES: [], CONTACTS: []}
    with ours(place, 2, "s") as fleet:
        for _ in range(ROUNDS):
            for name, (processes, threads, work) in WAYS.items():
                before = size_of(place)
                limits[name].append(raw.rate(RAW_SECONDS))  # just before ours: the disk changes its mind in seconds
                ran[name].append(fleet.run(seconds=SECONDS, threads=threads, processes=processes, work=work))
                if threads == 1:
                    sizes[work].append((size_of(place) - before) / ran[name][-1].done)
    every = [one for found in limits.values() for one in found]
    found = Figure(
        what="raw commit of two rows",
        measured=f"{middle(every):,.0f}/s",
        beside=f"SQLite {raw.library}, WAL, FULL, one caller; {noise(every)} over {len(every)} rounds",
    )
    raw.close()
    figures = (
        found,
        _rate("one caller", ran["one"], limits["one"], 0.25),
        _rate("16 callers", ran["many"], limits["many"], 0.6),
        _fair("16 callers", ran["many"]),
        _rate("two processes × 8 callers", ran["two"], limits["two"], 0.6),
        _fair("two processes × 8", ran["two"]),
        _errors(ran),
        _cost("one caller", ran["one"]),
        _cost("16 callers", ran["many"]),
        Figure(
            what="database per decision",
            measured=f"{middle(sizes[COURSES]):,.0f} bytes",
            beside=f"contacts {middle(sizes[CONTACTS]):,.0f}; with every index, without the vault",
            floor=f"≤ {MOST_BYTES:,.0f}",
            held=middle(sizes[COURSES]) <= MOST_BYTES,
        ),
        _rate("one caller, contacts", ran["one contact"], limits["one contact"]),
        _rate("16 callers, contacts", ran["many contacts"], limits["many contacts"]),
        _cost("one caller, contacts", ran["one contact"], judged=False),
    )
    return Section(title="On SQLite", notes=SQLITE_NOTES, figures=figures)


def on_a_server(start: Start, folder: Path) -> Section:
    """Measure on PostgreSQL: one caller, sixteen, and four processes of four."""
    try:
        server = start()
    except NoServer as missing:
        return Section(title="On PostgreSQL", notes="", figures=[unmeasured("decisions", missing, ENOUGH)])
    place, trips = on_postgres(server, folder / "vault"), Trips(server, folder)
    limits: dict[int, list[float]] = {1: [], CALLERS: []}
    ran: dict[str, list[Ran]] = {"one": [], "many": [], "four": []}
    with ours(place, 4, "p") as fleet:
        for _ in range(ROUNDS):
            limits[1].append(trips.rate(1, 1))
            ran["one"].append(fleet.run(seconds=SECONDS, threads=1, work=COURSES))
            limits[CALLERS].append(trips.rate(1, CALLERS))
            ran["many"].append(fleet.run(seconds=SECONDS, threads=CALLERS, work=COURSES))
            ran["four"].append(fleet.run(seconds=SECONDS, threads=CALLERS // 4, processes=4, work=COURSES))
    figures = (
        Figure(
            what="pgbench, five trips, one client",
            measured=f"{middle(limits[1]):,.0f}/s",
            beside=f"PostgreSQL {trips.version}; {noise(limits[1])} over {ROUNDS} rounds",
        ),
        Figure(
            what="pgbench, five trips, 16 clients",
            measured=f"{middle(limits[CALLERS]):,.0f}/s",
            beside=noise(limits[CALLERS]),
        ),
        _rate("one caller", ran["one"], limits[1]),
        _per_pgbench("16 callers", ran["many"], limits[CALLERS]),
        _fair("16 callers", ran["many"]),
        _per_pgbench("four processes × 4 callers", ran["four"], limits[CALLERS]),
        _errors(ran),
        _cost("one caller", ran["one"], judged=False),
        _cost("16 callers", ran["many"], judged=False),
    )
    return Section(title="On PostgreSQL", notes=POSTGRES_NOTES, figures=figures)


# --- lines ----------------------------------------------------------------------------------------------------------


def _rate(who: str, ran: list[Ran], limits: list[float], floor: float | None = None) -> Figure:
    """Compare a rate with the limit of the same round."""
    found = ratios([one.rate for one in ran], limits)
    return Figure(
        what=f"decisions, {who}",
        measured=f"{middle([one.rate for one in ran]):,.0f}/s",
        beside=f"**{middle(found):.2f} ×** the limit ({spread(found)}); {_latency(ran)}",
        floor="" if floor is None else f"≥ {floor} ×",
        held=None if floor is None else middle(found) >= floor,
    )


def _per_pgbench(who: str, ran: list[Ran], limits: list[float]) -> Figure:
    """A thousand a second where pgbench gives four thousand; as much less where it gives less."""
    found = ratios([one.rate for one in ran], limits)
    rate = middle([one.rate for one in ran])
    return Figure(
        what=f"decisions, {who}",
        measured=f"{rate:,.0f}/s",
        beside=f"{middle(found):.2f} × pgbench ({spread(found)}); {_latency(ran)}",
        floor=ENOUGH,
        held=rate >= 1000 if middle(limits) >= 4000 else middle(found) >= 0.25,
    )


def _latency(ran: list[Ran]) -> str:
    half, most = (middle([one.milliseconds(share) for one in ran]) for share in (0.5, 0.99))
    return f"p50 {half:.1f} ms, p99 {most:.1f} ms"


def _fair(who: str, ran: list[Ran]) -> Figure:
    found = [one.fairness for one in ran]
    return Figure(
        what=f"least served of most served, {who}",
        measured=f"{middle(found):.2f}",
        beside=spread(found),
        floor="≥ 0.7",
        held=middle(found) >= 0.7,
    )


def _errors(ran: dict[str, list[Ran]]) -> Figure:
    every = [(kind, number) for runs in ran.values() for one in runs for kind, number in one.errors.items()]
    done = sum(one.done for runs in ran.values() for one in runs)
    kinds = "; ".join(sorted({kind for kind, _ in every}))
    return Figure(
        what="errors",
        measured=str(sum(number for _, number in every)),
        beside=f"of {done:,} decisions, locked databases among them{f': {kinds}' if kinds else ''}",
        floor="0",
        held=not every,
    )


def _cost(who: str, ran: list[Ran], *, judged: bool = True) -> Figure:
    found = [one.cpu_each for one in ran]
    return Figure(
        what=f"processor for a decision, {who}",
        measured=f"{middle(found):,.0f} µs",
        beside=f"{spread(found, ',.0f')}; the whole process, every thread of it",
        floor=f"≤ {MOST_CPU:,.0f} µs" if judged else "",
        held=middle(found) <= MOST_CPU if judged else None,
    )
