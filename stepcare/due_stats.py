"""How the due work goes: how late, how much waits, what was done, who works, what comes. It is about nobody.

Everything comes from the database, so any process answers for all workers.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.audit import instant
from engine.model import Json
from stepcare.lateness import STAGES, histogram
from storage.attempts import undelivered
from storage.claims import WorkerAlive
from storage.database import Database
from storage.pump import Pump
from storage.pump_figures import Coming, Waiting, backlog, counters, forecast, oldest_due, parked

Row = dict[str, Json]
ALIVE = timedelta(seconds=60)  # a worker beats every few seconds: one silent for so long is gone
MOST_STUCK = 1000  # nobody needs a larger number to know that something is wrong
LATE = "late_"
LEASES, CLOCK, BREAKER = "lease_expired", "clock_", "breaker_"
JOBS = "jobs"  # what a worker does beside the two stages: once a day, and errors of its own
STAGE_OF = {"timer": "fire", "message": "deliver"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DueStats:
    """The figures of one moment. `gauges` are values with the time they were read, `counts` only grow.

    `parked` and `undelivered` stop counting at `MOST_STUCK`.
    """

    at: datetime
    lag: Mapping[str, timedelta]
    waiting: tuple[Waiting, ...]
    coming: tuple[Coming, ...]
    counts: Mapping[str, int]
    gauges: Mapping[str, tuple[int, datetime]]
    workers: tuple[WorkerAlive, ...]
    parked: int
    undelivered: Mapping[str, int]

    @property
    def alive(self) -> tuple[WorkerAlive, ...]:
        """Give the workers that were heard of within the last minute."""
        return tuple(one for one in self.workers if self.at - one.beat_at <= ALIVE)

    @property
    def silence(self) -> timedelta | None:
        """Give how long no worker at all was heard of; None: there never was one."""
        beats = [one.beat_at for one in self.workers]
        return max(timedelta(0), self.at - max(beats)) if beats else None

    @property
    def events(self) -> dict[str, dict[str, int]]:
        """Give what workers counted, by stage and by what became of it; lateness, leases and the clock stand apart."""
        found: dict[str, dict[str, int]] = {stage: {} for stage in (*STAGES, JOBS)}
        for name, number in sorted(self.counts.items()):
            if name.startswith((LATE, LEASES, CLOCK)):
                continue
            table, _, what = name.partition("_")
            stage, what = (STAGE_OF[table], what) if table in STAGE_OF else (JOBS, name)
            found[stage][what] = found[stage].get(what, 0) + number
        return found

    def is_set(self, gauge: str) -> bool:
        """Say whether a value the workers keep is above zero."""
        return self.gauges.get(gauge, (0, self.at))[0] > 0

    @property
    def breakers(self) -> dict[str, bool]:
        """Give of each channel that a worker told of whether one of them sends nothing there for now."""
        told = {name.removeprefix(BREAKER): one for name, one in self.gauges.items() if name.startswith(BREAKER)}
        return {name: value > 0 and self.at - at <= ALIVE for name, (value, at) in sorted(told.items())}

    @property
    def clock_steps(self) -> dict[str, int]:
        """Give how often the clock was stepped, by direction."""
        return {n.removeprefix(CLOCK): number for n, number in sorted(self.counts.items()) if n.startswith(CLOCK)}


def due_stats(database: Database, now: datetime) -> DueStats:
    """Read the figures."""
    kept = counters(database)
    return DueStats(
        at=now,
        lag=oldest_due(database, now),
        waiting=tuple(backlog(database, now)),
        coming=tuple(forecast(database, now)),
        counts={name: value for name, (value, at) in kept.items() if at is None},
        gauges={name: (value, at) for name, (value, at) in kept.items() if at is not None},
        workers=tuple(Pump(database, "figures").workers()),
        parked=len(parked(database, MOST_STUCK)),
        undelivered=dict(Counter(one.status for one in undelivered(database, MOST_STUCK))),
    )


def stats_json(stats: DueStats) -> Row:
    """Give the figures as JSON."""
    return {
        "at": instant(stats.at),
        "lag_seconds": {STAGE_OF[table]: int(lag.total_seconds()) for table, lag in stats.lag.items()},
        "backlog": [
            {"stage": STAGE_OF[one.table], "kind": one.kind, "age": one.age, "count": one.count}
            for one in stats.waiting
        ],
        "coming": [{"hour": instant(one.hour), "kind": one.kind, "count": one.count} for one in stats.coming],
        "coming_in_24_hours": sum(one.count for one in stats.coming),
        "counts": {stage: dict[str, Json](counted) for stage, counted in stats.events.items()},
        "lateness": {stage: _lateness(stage, stats.counts) for stage in STAGES},
        "lease_expiries": stats.counts.get(LEASES, 0),
        "clock_steps": dict[str, Json](stats.clock_steps),
        "breakers_open": [channel for channel, is_open in stats.breakers.items() if is_open],
        "held_after_a_restore": stats.is_set("replay_guard"),
        "paused_by_the_clock": stats.is_set("clock_paused"),
        "parked": stats.parked,
        "undelivered": dict[str, Json](stats.undelivered),
        "gauges": {name: {"value": value, "at": instant(at)} for name, (value, at) in sorted(stats.gauges.items())},
        "workers": [_worker_json(one, stats) for one in stats.workers],
    }


def _lateness(stage: str, counts: Mapping[str, int]) -> Row:
    """Give how many were done at all and within each bound, and how late on the whole."""
    buckets, total = histogram(stage, counts)
    count = int(buckets[-1][1])
    within: Row = {bound: int(number) for bound, number in buckets[:-1]}
    return {"count": count, "mean_seconds": f"{total / count:.3f}" if count else None, "within_seconds": within}


def _worker_json(one: WorkerAlive, stats: DueStats) -> Row:
    return {
        "id": one.id,
        "place": one.place,
        "version": one.version,
        "started_at": instant(one.started_at),
        "beat_at": instant(one.beat_at),
        "silent_seconds": int(max(0.0, (stats.at - one.beat_at).total_seconds())),
        "alive": stats.at - one.beat_at <= ALIVE,
    }
