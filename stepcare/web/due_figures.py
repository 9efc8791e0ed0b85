"""The due work for Prometheus: the same figures as `stepcare due stats`, read from the database at each scrape.

Whichever process answers speaks for all workers, so one scrape is enough, and its counters outlive a restart.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.errors import StepcareError
from stepcare.app import App
from stepcare.due_stats import LEASES, STAGE_OF, DueStats, due_stats
from stepcare.lateness import STAGES, histogram

HOURS = 24


class DueFigures(Collector):
    """How late the due work is, how much waits, what comes, what was done, and who does it."""

    def __init__(self, app: App) -> None:
        """Ask the database of `app`."""
        self._app = app

    def collect(self) -> Iterable[Metric]:
        """Give the figures as they are now; none while the database does not answer."""
        try:
            stats = due_stats(self._app.database, self._app.clock())
        except StepcareError:
            return
        yield from _waiting(stats)
        yield from _done(stats)
        yield from _workers(stats)
        yield from _coming(stats)


def _waiting(stats: DueStats) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "stepcare_timer_lag_seconds", "How late the longest due timer is.", value=_lag(stats, "timer")
    )
    yield GaugeMetricFamily(
        "stepcare_message_lag_seconds", "How late the longest due message is.", value=_lag(stats, "message")
    )
    backlog = GaugeMetricFamily(
        "stepcare_backlog", "Due and not done, by kind and age.", labels=("stage", "kind", "age")
    )
    for one in stats.waiting:
        backlog.add_metric([STAGE_OF[one.table], one.kind, one.age], one.count)
    yield backlog
    yield GaugeMetricFamily("stepcare_parked", "Put aside until somebody looks.", value=stats.parked)
    undelivered = GaugeMetricFamily("stepcare_undelivered", "Messages that ended badly.", labels=("status",))
    for status in ("failed", "unknown", "dead"):
        undelivered.add_metric([status], stats.undelivered.get(status, 0))
    yield undelivered


def _lag(stats: DueStats, table: str) -> float:
    found = stats.lag.get(table)
    return found.total_seconds() if found is not None else 0.0


def _done(stats: DueStats) -> Iterator[Metric]:
    events = CounterMetricFamily(
        "stepcare_due_events", "What workers did, by what became of it.", labels=("stage", "what")
    )
    for stage, counted in stats.events.items():
        for what, number in counted.items():
            events.add_metric([stage, what], number)
    yield events
    late = HistogramMetricFamily(
        "stepcare_lateness_seconds", "From when it was due to when it was done.", labels=("stage",)
    )
    for stage in STAGES:
        buckets, total = histogram(stage, stats.counts)
        late.add_metric([stage], buckets, total)
    yield late
    yield CounterMetricFamily(
        "stepcare_lease_expiries",
        "Leases that ran out: a worker died or froze over its work.",
        value=stats.counts.get(LEASES, 0),
    )
    steps = CounterMetricFamily("stepcare_clock_steps", "Steps of the wall clock.", labels=("direction",))
    for direction in ("back", "forward"):
        steps.add_metric([direction], stats.clock_steps.get(direction, 0))
    yield steps


def _workers(stats: DueStats) -> Iterator[Metric]:
    yield GaugeMetricFamily("stepcare_workers", "Workers heard of within the last minute.", value=len(stats.alive))
    if stats.silence is not None:
        yield GaugeMetricFamily(
            "stepcare_worker_heartbeat_age_seconds",
            "Since any worker was last heard of.",
            value=stats.silence.total_seconds(),
        )
    yield GaugeMetricFamily(
        "stepcare_replay_guard", "1: messages are held after a restore.", value=stats.is_set("replay_guard")
    )
    yield GaugeMetricFamily(
        "stepcare_clock_paused", "1: work waits for a stepped clock.", value=stats.is_set("clock_paused")
    )
    breakers = GaugeMetricFamily("stepcare_breaker_open", "1: nothing is sent there for now.", labels=("channel",))
    for channel, is_open in stats.breakers.items():
        breakers.add_metric([channel], is_open)
    yield breakers


def _coming(stats: DueStats) -> Iterator[Metric]:
    """Give what comes by the hour from now; hours beyond are not asked for."""
    found = GaugeMetricFamily("stepcare_forecast", "Timers of the next 24 hours.", labels=("hour", "kind"))
    begin = stats.at.replace(minute=0, second=0, microsecond=0)
    for one in stats.coming:
        ahead = int((one.hour - begin).total_seconds() // 3600)
        found.add_metric([f"{min(ahead, HOURS):02d}", one.kind], one.count)
    yield found
