"""When the worker's jobs run: the one file that knows the scheduler, and it is used as a clock and nothing more.

The scheduler keeps its handful of jobs in memory; what is due lies in our own tables. Two traps of its own are closed
here. It computes waits from the wall clock: stepped back, it would sleep until the wall has caught up, and stepped
forward by a year it would count every run it missed. So the next run is always "now and one interval", and a watchdog
on the monotonic clock calls a job that has been silent. Its own word that it runs means nothing either: the worker's
health is the heartbeat row that its jobs write.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

log = structlog.get_logger("stepcare.worker")

SILENT = 2.5  # intervals after which a job that does not run is called
DEAD = 8.0  # intervals after which the scheduler itself is made anew
LOOK_SECONDS = 0.25


class Tick(BaseTrigger):  # type: ignore[misc]  # the package brings no types
    """One interval from now on, whatever was missed."""

    def __init__(self, interval: timedelta) -> None:
        """Run every `interval`."""
        self.interval = interval

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Give the next run."""
        return now + self.interval


@dataclass(slots=True, kw_only=True)
class _Job:
    """One job: how often, what, and when it last ran by the monotonic clock. `again`: it was called while it ran."""

    name: str
    interval: timedelta
    work: Callable[[], object]
    first: timedelta
    last: float
    running: bool = False
    again: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def silent_for(self, now: float) -> float:
        """Give for how many intervals it has not run; nothing while it runs."""
        return 0.0 if self.running else (now - self.last) / self.interval.total_seconds()


class Ticker:
    """Runs jobs regularly, each by itself, and each again soon after it was called.

    A job may raise what it likes: it is logged by its class and counted, and the job runs again at its next tick.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Run by these two clocks; `failed` hears the name of a job that raised."""
        self._wall, self._monotonic, self._failed = wall, monotonic, failed
        self._jobs: dict[str, _Job] = {}
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._watching, name="stepcare-watchdog", daemon=True)
        self._scheduler: BackgroundScheduler | None = None

    def every(
        self, name: str, interval: timedelta, work: Callable[[], object], *, first: timedelta = timedelta(0)
    ) -> None:
        """Add a job, before the start; it runs for the first time `first` after it."""
        self._jobs[name] = _Job(name=name, interval=interval, work=work, first=first, last=self._monotonic())

    def start(self) -> None:
        """Begin."""
        quiet = logging.getLogger("apscheduler")  # what it has to say is about its own jobs, which say it themselves
        quiet.handlers, quiet.propagate = [logging.NullHandler()], False
        self._begin()
        self._watch.start()

    def stop(self) -> None:
        """Start nothing more, and wait for the jobs that run."""
        self._stop.set()
        if self._watch.is_alive():
            self._watch.join()
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=True)

    def call(self, name: str, after: timedelta = timedelta(0)) -> None:
        """Have a job run now, or so soon; while it runs, it runs once more afterwards. Unknown names are nobody's."""
        job = self._jobs.get(name)
        if job is None or self._stop.is_set():
            return
        with job.lock:
            if job.running and after <= timedelta(0):
                job.again = True
                return
        self._arm(job, after)

    def _begin(self) -> None:
        self._scheduler = scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(len(self._jobs) + 1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for job in self._jobs.values():
            scheduler.add_job(
                self._run, Tick(job.interval), args=(job,), id=job.name, next_run_time=self._wall() + job.first
            )
        scheduler.start()

    def _arm(self, job: _Job, after: timedelta, *, silent: bool = False) -> None:
        """Have a job run so soon, unless it runs earlier anyway; one that is `silent` seems not to."""
        scheduler = self._scheduler
        if scheduler is None:
            return
        try:
            wanted, known = self._wall() + after, scheduler.get_job(job.name)
            if silent or known is None or known.next_run_time is None or known.next_run_time > wanted:
                scheduler.modify_job(job.name, next_run_time=wanted)
        except Exception as error:  # noqa: BLE001 - a clock that fails must not end the watchdog
            log.warning("clock", kind=job.name, error=type(error).__name__)

    def _run(self, job: _Job) -> None:
        with job.lock:
            if job.running:
                return
            job.running, job.again = True, False
        try:
            while not self._stop.is_set():
                self._once(job)
                with job.lock:
                    if not job.again:
                        job.running = False
                        return
                    job.again = False
        finally:
            job.last, job.running = self._monotonic(), False

    def _once(self, job: _Job) -> None:
        job.last = self._monotonic()
        try:
            job.work()
        except Exception as error:  # noqa: BLE001 - nothing a job meets may end the ticking
            log.warning("job failed", kind=job.name, error=type(error).__name__)
            try:
                self._failed(job.name)
            except Exception as again:  # noqa: BLE001 - the same trouble, most likely
                log.warning("not counted", kind=job.name, error=type(again).__name__)

    def _watching(self) -> None:
        """Call what the scheduler has left lying, by a clock that nobody steps."""
        while not self._stop.wait(LOOK_SECONDS):
            now = self._monotonic()
            silence = {job.name: job.silent_for(now) for job in self._jobs.values()}
            if max(silence.values(), default=0) > DEAD:
                log.error("clock made anew")
                self._made_anew(now)
                continue
            for name, intervals in silence.items():
                if intervals > SILENT:
                    self._arm(self._jobs[name], timedelta(0), silent=True)

    def _made_anew(self, now: float) -> None:
        old, self._scheduler = self._scheduler, None
        for job in self._jobs.values():
            job.last = now
        try:
            if old is not None:
                old.shutdown(wait=False)
        except Exception as error:  # noqa: BLE001 - it is beyond help, and left
            log.warning("clock", error=type(error).__name__)
        self._begin()
