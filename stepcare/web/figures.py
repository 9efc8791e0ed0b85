"""What the process counts about itself, for Prometheus: no ids, no names, only templates of routes and codes.

Each process answers for itself: with several web processes a scrape sees one of them. The log and the due work are
read from the database, and are the same whoever answers.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.errors import StepcareError
from engine.model import Kind, Outcome
from stepcare.app import App
from stepcare.verifier.outcome import NotVerified
from stepcare.web.due_figures import DueFigures
from stepcare.witness.state import state_of
from storage.published import Log, Moment

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
FOLDERS = {Log.DECISIONS: "", Log.ACCESS: "access"}
OF_LOG = {
    "size": "Entries in the log.",
    "sealed_size": "Entries under the published checkpoint.",
    "sealed_age_seconds": "Since the checkpoint was published.",
    "witnessed_size": "Entries under the last checkpoint that enough witnesses have seen.",
    "witnessed_age_seconds": "Since enough witnesses last saw the log.",
}
MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Figures:
    """The counters of one process, in a registry of their own."""

    def __init__(self, app: App, published: Path | None = None) -> None:
        """Begin at zero; what is read from `app` and the folder `published` (None: there is none) is read when asked."""
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
        self._registry.register(LogFigures(app, published))
        self._registry.register(DueFigures(app))

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


class LogFigures(Collector):
    """How long each log is, how far it is sealed and witnessed, and for how long it has been so.

    What is not there has no figure: a log that nobody seals, a witness that nobody has asked, a file that is spoilt.
    """

    def __init__(self, app: App, published: Path | None) -> None:
        """Ask the database of `app`, and the published folder."""
        self._app, self._published = app, published

    def collect(self) -> Iterable[Metric]:
        """Give the figures as they are now."""
        made = {name: GaugeMetricFamily(f"stepcare_log_{name}", said, labels=("log",)) for name, said in OF_LOG.items()}
        for log, below in FOLDERS.items():
            for name, value in self._of(log, below):
                made[name].add_metric([log.value], value)
        yield from made.values()

    def _of(self, log: Log, below: str) -> Iterable[tuple[str, int]]:
        with suppress(StepcareError):
            with self._app.database.reading() as connection:
                size = Moment(connection, log).size
            yield "size", size
        if self._published is None:
            return
        with suppress(NotVerified, OSError):
            state = state_of(self._published / below, None, int(self._app.clock().timestamp()))
            if state is None:
                return
            yield "sealed_size", state.sealed.size
            yield "sealed_age_seconds", state.sealed_age
            if state.witnessed is not None:
                yield "witnessed_size", state.witnessed.size
                yield "witnessed_age_seconds", state.witnessed_age or 0
