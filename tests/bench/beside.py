"""The peers, each doing its smallest durable decision, in turns with our whole one."""

import sys
from pathlib import Path

from tests.bench.figures import Figure, Section, middle, ratios, spread, unmeasured
from tests.bench.fleet import PEERS, Fleet, Ran, ours, peer
from tests.bench.sites import Start, on_postgres, on_sqlite
from tests.servers import NoServer

ROUNDS = 3
SECONDS = 0.8
CALLERS = (1, 16)
FLOOR = 8.0
NO_PEERS = (
    "there is no .venv-bench: make it with `make bench`, or by hand: python -m venv .venv-bench && .venv-bench/bin/pip "
    "install --require-hashes --no-deps -r requirements-bench.lock"
)
TITLE = "Beside others"
KINDS = {
    "dbos_step": ("DBOS", "one workflow with one transaction: a row changed, a row added; its SQLite files set to WAL"),
    "spiff_task": ("SpiffWorkflow", "load an instance of five tasks, run one, serialise it into its row, add a row"),
    "state_machine": ("python-statemachine", "load a row, fire one transition, change the row, add a row"),
}
NOTES = (
    "Each peer does its smallest durable decision, with the same promise to the disk and nothing of what ours keeps: no "
    "explanation, no sealed facts, no due work, no messages, no log that can be verified. All keep to a core and spare "
    "the collector, as ours does when it serves. Ours is the whole course of "
    "above, in turns with them. " + " · ".join(f"{name}: {does}." for name, does in KINDS.values())
)


def beside_others(start: Start, folder: Path) -> Section:
    """Measure the peers and ours on both databases."""
    if not PEERS.exists():
        sys.stderr.write(f"bench: no peers are measured, {NO_PEERS}\n")
        missing = [unmeasured(name, NO_PEERS, _floor(module)) for module, (name, _) in KINDS.items()]
        return Section(title=TITLE, notes=NOTES, figures=missing)
    sqlite = on_sqlite(folder / "site")
    files = {module: folder / module for module in KINDS}
    for place in files.values():
        place.mkdir()
    with ours(sqlite, 1, "s") as own:
        figures = _turns("SQLite", own, {module: str(place) for module, place in files.items()})
    try:
        server = start()
    except NoServer as missing:
        figures.append(unmeasured("PostgreSQL", missing, _floor("dbos_step")))
        return Section(title=TITLE, notes=NOTES, figures=figures)
    postgres = on_postgres(server, folder / "vault")
    with ours(postgres, 1, "p") as own:
        figures += _turns("PostgreSQL", own, {module: server.empty_database() for module in KINDS})
    return Section(title=TITLE, notes=NOTES, figures=figures)


def _turns(database: str, own: Fleet, addresses: dict[str, str]) -> list[Figure]:
    """Take turns with one peer after the other, round by round."""
    mine: dict[tuple[str, int], list[Ran]] = {}
    theirs: dict[tuple[str, int], list[Ran]] = {}
    for module, address in addresses.items():
        with peer(module, address) as other:
            for _ in range(ROUNDS):
                for callers in CALLERS:
                    key = (module, callers)
                    theirs.setdefault(key, []).append(other.run(seconds=SECONDS, threads=callers))
                    mine.setdefault(key, []).append(own.run(seconds=SECONDS, threads=callers, work="courses"))
    figures = []
    for callers in CALLERS:
        who = f"{database}, {callers} caller{'s' if callers > 1 else ''}"
        figures.append(_own(who, [one for key, ran in mine.items() if key[1] == callers for one in ran]))
        figures += [_against(who, module, mine[module, callers], theirs[module, callers]) for module in addresses]
    return figures


def _own(who: str, ran: list[Ran]) -> Figure:
    errors = {kind: number for one in ran for kind, number in one.errors.items()}
    return Figure(
        what=f"{who}: Stepcare",
        measured=f"{middle([one.rate for one in ran]):,.0f}/s",
        beside=f"whole courses; p99 {middle([one.milliseconds(0.99) for one in ran]):.0f} ms"
        + (f"; errors: {'; '.join(errors)}" if errors else ""),
        floor="no errors",
        held=not errors,
    )


def _against(who: str, module: str, mine: list[Ran], theirs: list[Ran]) -> Figure:
    rates = [one.rate for one in theirs]
    found = ratios([one.rate for one in mine], rates)
    errors = sum(number for one in theirs for number in one.errors.values())
    told = f"; {errors} errors of theirs: {next(iter(theirs[0].errors), '')}" if errors else ""
    floor = _floor(module)
    return Figure(
        what=f"{who}: {KINDS[module][0]}",
        measured=f"{middle(rates):,.0f}/s",
        beside=f"ours is **{middle(found):.1f} ×** ({spread(found, '.1f')}); p99 "
        f"{middle([one.milliseconds(0.99) for one in theirs]):.0f} ms{told}",
        floor=floor,
        held=middle(found) >= FLOOR if floor else None,
    )


def _floor(module: str) -> str:
    return f"≥ {FLOOR:.0f} ×" if module == "dbos_step" else ""
