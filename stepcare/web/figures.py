"""What the process counts about itself, for Prometheus: no ids, no names, only templates of routes and codes.

Each process answers for itself: with several workers a scrape sees one of them.
"""

from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.model import Kind, Outcome
from stepcare.app import App

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Figures:
    """The counters of one process, in a registry of their own."""

    def __init__(self, app: App) -> None:
        """Begin at zero; the writer's own figures are read from `app` when they are asked for."""
        self._registry = CollectorRegistry()
        ours = self._registry
        requests = Counter("stepcare_requests", "Requests answered.", ("route", "method", "status"), registry=ours)
        seconds = Histogram(
            "stepcare_request_seconds", "Time to answer.", ("route", "method"), buckets=SECONDS, registry=ours
        )
        decisions = Counter("stepcare_decisions", "Decisions made.", ("kind", "outcome"), registry=ours)
        # Finding a labelled child takes longer than counting: each is found once.
        self._requests = cache(requests.labels)
        self._seconds = cache(seconds.labels)
        self._decisions = cache(decisions.labels)
        self._registry.register(WriterFigures(app))

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests(route, method, str(status)).inc()
        self._seconds(route, method).observe(seconds)

    def decided(self, kind: Kind, outcome: Outcome) -> None:
        """Count a decision."""
        self._decisions(kind.value, outcome.value).inc()

    def text(self) -> bytes:
        """Give everything as Prometheus reads it."""
        return generate_latest(self._registry)


class WriterFigures(Collector):
    """What the writer says of itself."""

    def __init__(self, app: App) -> None:
        """Ask the writer of `app`."""
        self._app = app

    def collect(self) -> Iterable[Metric]:
        """Give its figures as they are now."""
        stats = self._app.writer.stats()
        yield GaugeMetricFamily("stepcare_writer_queued", "Decisions that wait to be kept.", value=stats.queued)
        yield CounterMetricFamily("stepcare_writer_groups", "Commits made.", value=stats.groups)
        yield CounterMetricFamily("stepcare_writer_decisions", "Decisions kept.", value=stats.decisions)
        yield GaugeMetricFamily("stepcare_writer_largest", "Most decisions in one commit.", value=stats.largest)
