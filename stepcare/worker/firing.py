"""Stage one: what a timer's instant means is decided and kept, with nothing of the outside world.

A batch of timers is claimed, each is fired as a command of its own, and all that belong to different episodes share a
commit. The commit is checked against the episode's version, so a timer fires exactly once however many workers there
are; the lease only keeps them out of each other's way, and counts.

Whoever is claimed and never heard of again may have brought the process down. So what was taken up before is tried
alone: only the culprit's count goes on rising, and past `MOST_ATTEMPTS` it is parked for a person to look at. A
database that is busy or away counts against nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from engine.errors import Conflict, Erased, NotFound, StaleEpisode, StepcareError, Unavailable, Unverifiable
from engine.model import Actor, Command, Episode, Kind, Role
from engine.service import Answer
from stepcare.app import App
from stepcare.lateness import FIRE, lateness_counts
from storage.claims import ClaimedTimer
from storage.pump import Pump

log = structlog.get_logger("stepcare.worker")

SERVICE = Actor(id="worker", role=Role.SERVICE)
BATCH = 100
MOST_ATTEMPTS = 5
BREATH = 0.005  # seconds between two batches, in which those who wait to write have their turn
LATER = (Conflict, Unavailable, StaleEpisode)  # nothing is wrong with the timer: it is for another time
GONE = (Erased, NotFound, Unverifiable)


@dataclass(slots=True)
class Fired:
    """What one pass did, by what became of the timers (fired, stale, expired, skipped, parked, later)."""

    counts: dict[str, int] = field(default_factory=dict)
    late: list[timedelta] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Count one."""
        self.counts[what] = self.counts.get(what, 0) + 1

    @property
    def total(self) -> int:
        """Give how many timers came to an end."""
        return sum(number for what, number in self.counts.items() if what not in ("later", "parked"))


class Firing:
    """Fires what is due, batch after batch."""

    def __init__(
        self,
        app: App,
        pump: Pump,
        now: Callable[[], datetime | None],
        breathe: Callable[[float], bool] = lambda _: False,
        via: str = "worker",
    ) -> None:
        """Fire through `app`; `now` gives None while the clock is not to be trusted; `breathe` waits, True: stop."""
        self._app, self._pump, self._now, self._breathe, self._via = app, pump, now, breathe, via
        self._alone = 0  # how many timers are still to be claimed one by one

    def run(self) -> Fired:
        """Fire until nothing is due; gives what became of it."""
        done = Fired()
        while (now := self._now()) is not None:
            claimed = self._pump.claim_timers(now, 1 if self._alone else BATCH)
            if not claimed:
                self._alone = 0
                break
            self._alone = max(0, self._alone - 1)
            before = done.counts.get("later", 0)
            self._fire(self._sorted_out(claimed, now, done), now, done)
            if done.counts.get("later", 0) > before or self._breathe(BREATH):
                break  # the database is busy or away, or it is time to stop: the next tick goes on
        self._tell(done)
        return done

    def _sorted_out(self, claimed: Sequence[ClaimedTimer], now: datetime, done: Fired) -> list[ClaimedTimer]:
        """Give those to fire now: the fresh ones together, or a single one that was taken up before."""
        for one in claimed:
            if one.attempt > MOST_ATTEMPTS:
                self._park(one, "dead", now, done)
        left = [one for one in claimed if one.attempt <= MOST_ATTEMPTS]
        again = [one for one in left if one.attempt > 1]
        if len(left) > 1 and again:
            for one in again:
                self._pump.release(one)
            self._alone += len(again)
            return [one for one in left if one.attempt == 1]
        return left

    def _fire(self, claimed: Sequence[ClaimedTimer], now: datetime, done: Fired) -> None:
        commands = [self._command(one) for one in claimed]
        try:
            answers = self._app.engine.handle_each(commands)
        except Exception as error:  # noqa: BLE001 - one of them is poison: each by itself says which
            if len(claimed) > 1:
                log.warning("one by one", error=type(error).__name__, count=len(claimed))
                for one in claimed:
                    self._fire((one,), now, done)
            else:
                self._poison(claimed[0], error, now, done)
            return
        for one, answer in zip(claimed, answers, strict=True):
            self._answered(one, answer, now, done)

    def _command(self, one: ClaimedTimer) -> Command:
        return Command(
            id=self._app.make_id(), kind=Kind.FIRE, actor=SERVICE, episode=one.episode, of=one.id, via=self._via
        )

    def _answered(self, one: ClaimedTimer, answer: Answer | Exception, now: datetime, done: Fired) -> None:
        if isinstance(answer, Answer):
            if answer.entry is not None:
                done.add(answer.decision.taken or "fired")
                done.late.append(now - one.at)
            else:
                self._not_kept(one, answer, now, done)
        elif isinstance(answer, LATER):
            self._pump.release(one)
            done.add("later")
        elif isinstance(answer, GONE):
            self._park(one, code_of(answer), now, done)
        else:
            self._poison(one, answer, now, done)

    def _not_kept(self, one: ClaimedTimer, answer: Answer, now: datetime, done: Fired) -> None:
        """Nothing was kept: somebody else has fired it meanwhile, or the row says what the log does not."""
        there = answer.before.timers if isinstance(answer.before, Episode) else ()
        timer = next((timer for timer in there if timer.id == one.id), None)
        if timer is None:
            self._park(one, "not_in_the_log", now, done)
        elif timer.state != "armed":
            # Another worker's commit came in between. A row that goes on saying otherwise is parked by its count.
            self._pump.release(one, error="drift")
            done.add("stale")
        elif timer.at > now:
            self._pump.release(one, try_at=timer.at, error="early")
        else:
            self._park(one, "refused", now, done)

    def _poison(self, one: ClaimedTimer, error: Exception, now: datetime, done: Fired) -> None:
        if self._is_unknown_kind(one):
            self._park(one, "unknown_kind", now, done)
        elif isinstance(error, StepcareError) and one.attempt < MOST_ATTEMPTS:
            self._pump.release(one, error=code_of(error))
            done.add("later")
        else:
            self._park(one, f"unreadable:{code_of(error)}", now, done)

    def _is_unknown_kind(self, one: ClaimedTimer) -> bool:
        try:
            episode = self._app.store.episode(one.episode)
            return one.kind not in self._app.engine.compiled(episode.pathway).pathway.due
        except Exception:  # noqa: BLE001 - then something else is wrong with it
            return False

    def _park(self, one: ClaimedTimer, why: str, now: datetime, done: Fired) -> None:
        """Set a timer aside, for a person: it is never deleted, and never taken up by itself again."""
        self._pump.park("timer", one.episode, one.id, why, now)
        done.add("parked")
        log.error("parked", episode=one.episode, kind=one.kind, code=why)

    def _tell(self, done: Fired) -> None:
        counts = {f"timer_{name}": number for name, number in done.counts.items() if name not in ("later", "parked")}
        if counts:  # whoever parks counts it there and then
            self._pump.count(**counts, **lateness_counts(FIRE, done.late))
        if done.counts:
            log.info("fired", count=done.total, failed=done.counts.get("parked", 0))


def code_of(error: Exception) -> str:
    """Give an error's stable code, or else its class."""
    return str(getattr(error, "code", "")) or type(error).__name__
