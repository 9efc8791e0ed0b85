"""A million timers that are still to come, or all due at once: what a claim costs, a look at the lag, a worker at rest."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from engine.audit import instant
from stepcare.app import App, open_app, wall_clock
from storage.claims import ClaimedTimer
from storage.pump import Pump
from storage.pump_figures import oldest_due
from storage.sqlite import Files, connect
from tests.bench.figures import Figure, Section, quantile, taken, unmeasured
from tests.bench.reminders import refs, register_now
from tests.bench.resident import processor_of, processor_of_server, working
from tests.bench.sites import Place, Start, on_postgres, on_sqlite
from tests.bench.work import CLOCK
from tests.servers import NoServer, Server, name_of

MANY = 1_000_000
EPISODES = 100
DUE = 30_000  # of the million
CLAIMED = 100
CLAIMS = 150
LOOKS = 200
RESTED = 10.0  # seconds
SETTLING = 8.0  # what a worker loads with its second heartbeat is no rest
FIRST = timedelta(hours=2)  # from now until the first of them is due
APART = timedelta(seconds=3)
SLOWEST_CLAIM, SLOWEST_LOOK, MOST_IDLE = 25.0, 10.0, 0.01
TITLE = f"Due work: {MANY:,} timers"
NOTES = (
    f"{MANY:,} armed timers of {EPISODES} episodes, every index and trigger in place, laid down by SQL. A claim takes "
    f"{CLAIMED} that are due, with their lease; between two claims the rows are set to fired, as their commits would. "
    "*At rest*: `stepcare worker` as it is, none of the timers due; its own processor time, and with PostgreSQL also "
    "that of every process of the server."
)
COLUMNS = "episode_id, id, kind, occurrence, due_item, at, local, zone, armed_on, state, fence, attempt"
ON_SQLITE = f"""
INSERT INTO timer ({COLUMNS})
WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < :many)
SELECT printf('t-%06d', n % :episodes), printf('many:%07d', n), 'triage', 's0', 'triage:s0',
    strftime('%Y-%m-%dT%H:%M:%S.000000Z', :first + n * :apart, 'unixepoch'), '', 'UTC', 1, 'armed', 0, 0 FROM n
"""  # noqa: S608 - our own words
ON_POSTGRES = f"""
INSERT INTO timer ({COLUMNS})
SELECT 't-' || lpad((n %% %(episodes)s)::text, 6, '0'), 'many:' || lpad(n::text, 7, '0'), 'triage', 's0', 'triage:s0',
    to_char(to_timestamp(%(first)s + n * %(apart)s) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000000Z"'), '', 'UTC',
    1, 'armed', 0, 0 FROM generate_series(0, %(many)s - 1) n
"""  # noqa: S608 - our own words
FIRED = "UPDATE timer SET state = 'fired', lease_owner = NULL WHERE episode_id = :episode AND id = :id"


def among_a_million(start: Start, folder: Path) -> Section:
    """Measure on both databases."""
    figures = _measured("SQLite", on_sqlite(folder / "site"), None)
    try:
        server = start()
    except NoServer as missing:
        figures.append(unmeasured("claim on PostgreSQL", missing, f"≤ {SLOWEST_CLAIM:.0f} ms"))
    else:
        figures += _measured("PostgreSQL", on_postgres(server, folder / "vault"), server)
    return Section(title=TITLE, notes=NOTES, figures=figures)


def _measured(database: str, place: Place, server: Server | None) -> list[Figure]:
    now = wall_clock().replace(microsecond=0)
    with open_app(place.database, CLOCK, place.vault) as app:
        register_now(app, refs("t", EPISODES), now)
    _lay_down(place, server, now + FIRST)
    with open_app(place.database, CLOCK, place.vault) as app:
        share, told = _at_rest(app, place, server)
        pump = Pump(app.database, "claimer")
        early, due = now + FIRST - timedelta(minutes=1), now + FIRST + DUE * APART
        late = now + FIRST + MANY * APART
        empty = sorted(taken(lambda: pump.claim_timers(early, CLAIMED)) for _ in range(LOOKS))
        lag = sorted(taken(lambda: oldest_due(app.database, due)) for _ in range(LOOKS))
        wake = sorted(taken(pump.next_due) for _ in range(LOOKS))
        some = _claims(app, pump, due)
        every = _claims(app, pump, late)
    return [
        _figure(f"claim of {CLAIMED} on {database}", some, f"{DUE:,} of them due", SLOWEST_CLAIM),
        _figure(f"claim of {CLAIMED} on {database}, all due", every, "a backlog of all of them", SLOWEST_CLAIM),
        _figure(f"claim that finds nothing on {database}", empty, "what each tick asks", None),
        _figure(f"lag on {database}", lag, "how late the longest due timer and message are", SLOWEST_LOOK),
        _figure(f"next due on {database}", wake, "until when a worker may sleep", None),
        Figure(
            what=f"worker at rest on {database}",
            measured=f"{share:.2%} of a core",
            beside=told,
            floor=f"≤ {MOST_IDLE:.0%}",
            held=share <= MOST_IDLE,
        ),
    ]


def _figure(what: str, times: list[float], beside: str, slowest: float | None) -> Figure:
    half, most, longest = (one * 1e3 for one in (quantile(times, 0.5), quantile(times, 0.99), times[-1]))
    return Figure(
        what=what,
        measured=f"p99 {most:.1f} ms",
        beside=f"p50 {half:.2f} ms, longest {longest:.1f} ms; {beside}",
        floor="" if slowest is None else f"≤ {slowest:.0f} ms",
        held=None if slowest is None else most <= slowest,
    )


def _lay_down(place: Place, server: Server | None, first: datetime) -> None:
    asked = {"many": MANY, "episodes": EPISODES, "first": int(first.timestamp()), "apart": int(APART.total_seconds())}
    if server is None:
        with closing(connect(Files.of(place.database).database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(ON_SQLITE, asked)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    address = server.administrator_of(name_of(place.database))
    with psycopg.connect(address, autocommit=True) as connection_:
        connection_.execute(ON_POSTGRES, asked)
        connection_.execute("VACUUM ANALYZE")
        connection_.execute("CHECKPOINT")


def _claims(app: App, pump: Pump, now: datetime) -> list[float]:
    """Claim over and over, what was claimed out of the way each time; gives the seconds of each claim, in order."""
    found = []
    for _ in range(CLAIMS):
        begin = time.perf_counter()
        claimed = pump.claim_timers(now, CLAIMED)
        found.append(time.perf_counter() - begin)
        if len(claimed) != CLAIMED:
            raise SystemExit(f"The figures are worthless: {len(claimed)} were claimed until {instant(now)}.")
        _fire(app, claimed)
    return sorted(found)


def _fire(app: App, claimed: list[ClaimedTimer]) -> None:
    with app.database.writing() as connection:
        connection.executemany(FIRED, [{"episode": one.episode, "id": one.id} for one in claimed])


# --- a worker at rest -----------------------------------------------------------------------------------------------


def _at_rest(app: App, place: Place, server: Server | None) -> tuple[float, str]:
    """Give which share of a core a worker takes that has nothing to do, the server's with it."""
    with working(app, place) as process:
        counted: list[Callable[[], float]] = [lambda: processor_of(process.pid)]
        if server is not None:
            counted.append(lambda: processor_of_server(server))
        time.sleep(SETTLING)
        before, begin = [one() for one in counted], time.perf_counter()
        time.sleep(RESTED)
        took = time.perf_counter() - begin
        shares = [(one() - was) / took for one, was in zip(counted, before, strict=True)]
    beside = f"over {RESTED:.0f} s"
    return sum(
        shares
    ), beside if server is None else f"{beside}; {shares[0]:.2%} the worker, {shares[1]:.2%} the server"
