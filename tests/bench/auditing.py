"""What the log costs a decision: our whole path beside the same path that keeps no log, in turns."""

from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from storage.roles import app_of
from storage.sqlite import Files, connect
from tests.bench.durable import CALLERS, COURSES, SECONDS
from tests.bench.figures import Figure, Section, middle, ratios, spread, unmeasured
from tests.bench.fleet import Fleet, Ran, ours
from tests.bench.sites import Place, Start, on_postgres, on_sqlite
from tests.servers import NoServer, Server, name_of

ROUNDS = 5
FLOOR = 0.4
NOTES = (
    "*Audited* is the whole path. *Unaudited* leaves out the log and nothing else: no sealed sections, entry, head, tree, "
    "and no trigger that demands them; it decides and explains, and keeps the episode, its due work and messages in the "
    "same durable commit. Whole courses, in turns."
)
TRIGGERS = (
    "SELECT format('DROP TRIGGER %I ON %I', t.tgname, c.relname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace"
)


def beside_no_log(start: Start, folder: Path) -> Section:
    """Measure on both databases."""
    figures = _compared("SQLite", on_sqlite(folder / "with"), _bare_file(folder / "without"), FLOOR)
    try:
        server = start()
    except NoServer as missing:
        return Section(title=TITLE, notes=NOTES, figures=[*figures, unmeasured("PostgreSQL", missing, "")])
    there = on_postgres(server, folder / "vault")
    figures += _compared("PostgreSQL", there, _bare_server(server, folder / "bare"), None)
    return Section(title=TITLE, notes=NOTES, figures=figures)


TITLE = "What the log costs"


def _bare_file(folder: Path) -> Place:
    place = on_sqlite(folder)
    with closing(connect(Files.of(place.database).database)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
    return place


def _bare_server(server: Server, vault: Path) -> Place:
    place = on_postgres(server, vault)
    with psycopg.connect(server.administrator_of(name_of(place.database)), autocommit=True) as connection:
        for (drop,) in connection.execute(TRIGGERS).fetchall():
            connection.execute(drop)
        role = Identifier(app_of(name_of(place.database)))
        connection.execute(SQL("GRANT INSERT, UPDATE ON episode TO {}").format(role))
    return place


def _compared(what: str, audited: Place, bare: Place, floor: float | None) -> list[Figure]:
    found: dict[int, list[tuple[Ran, Ran]]] = {1: [], CALLERS: []}
    with ours(audited, 1, "a") as ours_, ours(bare, 1, "b", "tests.bench.bare") as theirs:
        for _ in range(ROUNDS):
            for threads, pairs in found.items():
                pairs.append((_run(ours_, threads), _run(theirs, threads)))
    return [
        _figure(f"{what}, {threads} {'caller' if threads == 1 else 'callers'}", pairs, floor)
        for threads, pairs in found.items()
    ]


def _run(fleet: Fleet, threads: int) -> Ran:
    ran = fleet.run(seconds=SECONDS, threads=threads, work=COURSES)
    if ran.errors:
        raise SystemExit(f"The figures are worthless: {dict(ran.errors)}")
    return ran


def _figure(what: str, pairs: list[tuple[Ran, Ran]], floor: float | None) -> Figure:
    shares = ratios([one.rate for one, _ in pairs], [other.rate for _, other in pairs])
    rate, bare = (middle([pair[arm].rate for pair in pairs]) for arm in (0, 1))
    return Figure(
        what=f"audited decisions, {what}",
        measured=f"{rate:,.0f}/s",
        beside=f"**{middle(shares):.2f} ×** the unaudited {bare:,.0f}/s ({spread(shares)})",
        floor="" if floor is None else f"≥ {floor} ×",
        held=None if floor is None else middle(shares) >= floor,
    )
