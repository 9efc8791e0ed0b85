"""A worker: its jobs, its heartbeat, its beginning and its end. Any number may run; there is no leader."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog

from engine.errors import StepcareError
from engine.model import Command, Episode, Json, Kind, Message
from stepcare.app import App, CorrectedClock, wall_clock
from stepcare.channels.configured import Configured
from stepcare.digest import deliver_digests
from stepcare.due_stats import BREAKER
from stepcare.words import text_of
from stepcare.worker.clock import Ticker
from stepcare.worker.daily import Daily
from stepcare.worker.delivering import Delivering, Means
from stepcare.worker.firing import SERVICE, Fired, Firing
from stepcare.worker.guard import ClockGuard
from stepcare.worker.hints import Hints
from stepcare.worker.leases import Leases
from stepcare.worker.restored import ReplayGuard
from stepcare.worker.saying import Delivered
from stepcare.worker.sending import Post
from stepcare.worker.zones import resolve_moved
from storage.pump import LEASE, Pump
from storage.pump_figures import counters
from storage.server_time import server_time

log = structlog.get_logger("stepcare.worker")

TICK, BEAT = timedelta(seconds=1), timedelta(seconds=5)
SWEEP, MINUTE, HOUR = timedelta(minutes=5), timedelta(minutes=1), timedelta(hours=1)
MARGIN = timedelta(seconds=15)  # a lease outlives the longest call by so much
MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a worker is set up.

    `id` names it ('': by host and process). `restored`: hold what was due from `since` (None: ever) until now.
    `published` is the folder of the published log, None where there is none.
    """

    ways: Configured
    id: str = ""
    published: Path | None = None
    restored: bool = False
    since: datetime | None = None


class Worker:
    """One worker over an open database: `start` and `stop`, or `once`."""

    def __init__(self, app: App, plan: Plan, *, monotonic: Callable[[], float], steady: Callable[[], float]) -> None:
        """Put it together. `monotonic` counts this process's time, `steady` also what the machine sleeps through."""
        self._app, self._plan, self._monotonic = app, plan, monotonic
        self._place = f"{socket.gethostname()}:{os.getpid()}"
        self.id = f"{plan.id or self._place}:{app.make_id()[-12:]}"  # a restart is another worker
        deadline = max((one.deadline for one in plan.ways.channels.values()), default=0.0)
        lease = max(LEASE, timedelta(seconds=deadline) + MARGIN)
        self.pump = Pump(app.database, self.id, lease)
        self._stop = threading.Event()
        self._correct()
        seen = max((one.beat_at for one in self.pump.workers()), default=None)
        self.guard = ClockGuard(app.clock, steady, seen=seen)
        self.replay = ReplayGuard(app, self.pump)
        self._post = Post(plan.ways, self.pump, monotonic)
        self._leases = Leases(lease.total_seconds())
        self.firing = Firing(app, self.pump, self._now, self._stop.wait, via=f"worker:{self.id}")
        self.delivering = Delivering(self._means())
        self.daily = Daily(app, self.pump, f"worker:{self.id}", plan.published)
        # The scheduler reads the machine's own clock; told a server's that is ahead of it, it would wait until then.
        self._ticker = Ticker(wall_clock, monotonic, lambda _: self.pump.count(job_errors=1))
        self._hints = Hints(app, self.pump, self._call, TICK)
        self._fired_at = monotonic()
        self._begun = False

    def _means(self) -> Means:
        return Means(
            app=self._app,
            pump=self.pump,
            post=self._post,
            leases=self._leases,
            now=self._now,
            monotonic=self._monotonic,
            text=self._text,
            breathe=self._stop.wait,
            restored=self.replay.holds,
            via=f"worker:{self.id}",
        )

    # --- running ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work, in threads of its own."""
        self._begin()
        ticker = self._ticker
        ticker.every("beat", BEAT, self._beat)
        ticker.every("fire", TICK, self._fire)
        for name in self.delivering.ways():
            ticker.every(f"deliver:{name}", TICK, lambda name=name: self._deliver(name))  # type: ignore[misc]
        ticker.every("recalled", BEAT, self.delivering.recalled)
        ticker.every("sweep", SWEEP, self.delivering.sweep, first=SWEEP)
        ticker.every("daily", MINUTE, self._daily, first=MINUTE)
        ticker.every("zones", HOUR, self._zones, first=BEAT)
        ticker.every("digests", MINUTE, self._digests, first=MINUTE)
        ticker.start()
        self._hints.start()
        log.info("worker began", count=len(self._plan.ways.channels))

    def stop(self) -> None:
        """Begin nothing more, finish what was begun, and let go of the rest."""
        self._stop.set()
        self._hints.stop()
        self._ticker.stop()
        self._post.close()
        log.info("worker ended")

    def close(self) -> None:
        """Let go of the channels, where it was never started."""
        self._post.close()

    def once(self) -> Counter[str]:
        """Do all that is due now, and give what became of it: timers and messages by how they ended."""
        self._begin()
        self._zones()
        total: Counter[str] = Counter()
        for _ in range(MOST_ROUNDS):
            fired = self.firing.run()
            delivered = [self.delivering.recalled(), *(self.delivering.run(name) for name in self.delivering.ways())]
            total.update(fired.counts)
            for one in delivered:
                total.update({f"message_{name}": number for name, number in one.counts.items()})
            if not _went_on(fired, delivered):
                break
        return total

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        self.pump.beat(self._app.clock(), _version(), self._place)
        self._tell_steps()
        now = self._app.clock()
        if self._plan.restored:
            self.replay.raise_for(self._plan.since, now)
        self.replay.raise_if_restored(self._plan.published, now)

    # --- the jobs ---------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Say that it is alive, keep what it holds, say what the clock did."""
        now, asked_at = self._app.clock(), self._monotonic()
        if self._leases.any_held():
            self.pump.renew(now)
            self._leases.renewed(asked_at)
        self.pump.beat(now, _version(), self._place)
        if asked_at - self._fired_at < 3 * BEAT.total_seconds():
            self.pump.gauge("last_pass", int(now.timestamp()), now)
        self.pump.gauge("clock_paused", int(self.guard.is_paused), now)
        self._tell_breakers(now)
        self.replay.look()
        self._tell_steps()

    def _tell_breakers(self, now: datetime) -> None:
        """Keep of each channel whether any worker leaves it alone: one that does not must not talk over one that does."""
        kept = counters(self._app.database)
        for name, is_open in self._post.breakers().items():
            said, at = kept.get(f"{BREAKER}{name}", (0, None))
            fresh = at is not None and timedelta(0) <= now - at < 3 * BEAT
            if is_open or not (said and fresh):
                self.pump.gauge(f"{BREAKER}{name}", int(is_open), now)

    def _fire(self) -> None:
        self._correct()
        self.guard.now()  # also where nothing is due: a step is noticed within a tick
        fired = self.firing.run() if self._is_due() else Fired()
        self._fired_at = self._monotonic()
        if fired.total:
            self._call_delivery(timedelta(0))
        self._hints.look()

    def _is_due(self) -> bool:
        """Ask cheaply whether there may be anything to claim: most ticks find nothing."""
        at = self.pump.next_due()
        return at is not None and at <= self._app.clock()

    def _deliver(self, name: str) -> None:
        if not self._is_due():
            return
        delivered = self.delivering.run(name)
        if delivered.wait and not self._stop.is_set():
            self._ticker.call(f"deliver:{name}", timedelta(seconds=min(delivered.wait, 1.0)))

    def _daily(self) -> None:
        now = self._now()
        if now is not None:
            self.daily.run(now)

    def _zones(self) -> None:
        """Move what new rules of the site's time zone have moved."""
        now = self._now()
        if now is not None:
            resolve_moved(self._app, self.pump, now, f"worker:{self.id}")

    def _digests(self) -> None:
        """Send the morning's digests, by themselves: the day's work waits for no channel. Not after a restore."""
        now = self._now()
        if now is not None and not self.replay.is_up:
            deliver_digests(self._app, self._post, now)

    def _call(self, after: timedelta) -> None:
        self._ticker.call("fire", after)
        self._call_delivery(after)

    def _call_delivery(self, after: timedelta) -> None:
        for name in self.delivering.ways():
            self._ticker.call(f"deliver:{name}", after)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _now(self) -> datetime | None:
        return self.guard.now()

    def _correct(self) -> None:
        """Put the clock right by the server's, where there is one."""
        if isinstance(self._app.clock, CorrectedClock):
            shown = server_time(self._app.database)
            if shown is not None:
                self._app.clock.correct(shown)

    def _tell_steps(self) -> None:
        """Keep an entry of each step of the clock; what cannot be said now is said later."""
        steps = self.guard.untold()
        while steps:
            values: dict[str, Json] = {"seconds": steps[0].seconds, "direction": steps[0].direction}
            via = f"worker:{self.id}"
            try:
                self._app.engine.handle(
                    Command(id=self._app.make_id(), kind=Kind.CLOCK, actor=SERVICE, values=values, via=via)
                )
            except StepcareError:
                self.guard.give_back(steps)
                raise
            self.pump.count(**{f"clock_{steps[0].direction}": 1})
            steps = steps[1:]

    # --- words --------------------------------------------------------------------------------------------------------

    def _text(self, episode: Episode, message: Message, now: datetime) -> tuple[str, str]:
        """Give subject and text; `count` is for how many whole days the work has been overdue."""
        item = next((one for one in episode.due_items if one.id == message.due_item), None)
        late = max((now - item.due_at).days, 0) if item is not None and item.due_at is not None else 0
        pathway = self._app.engine.compiled(episode.pathway).pathway
        return text_of(pathway, message.template, message.language, count=late)


def _went_on(fired: Fired, delivered: list[Delivered]) -> bool:
    return bool(fired.total or any(sum(one.counts.values()) for one in delivered))


def _version() -> str:
    try:
        return version("stepcare")
    except PackageNotFoundError:
        return "unknown"
