"""Time that cannot be trusted: a clock that was stepped.

The wall clock is held against one that nobody steps. Where they part by more than a minute, nothing is fired and
nothing is sent until they are known to agree again: the clock came back, or has stood for a stated time, or (stepped
back) has caught up with where it was. So a clock set forward by mistake sends nothing early, and one set back nothing
twice or stamped before its cause. Each step is said in the log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Literal

import structlog

log = structlog.get_logger("stepcare.worker")

STEP = timedelta(seconds=60)
SETTLED = timedelta(minutes=10)  # so long a stepped clock must stand before it is believed
Direction = Literal["back", "forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The wall clock was set by so many seconds."""

    seconds: int
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """What both clocks showed at one moment."""

    wall: datetime
    steady: float

    def expected(self, steady: float) -> datetime:
        return self.wall + timedelta(seconds=steady - self.steady)


class ClockGuard:
    """Watches the wall clock. Threads share it.

    `steady` must also run while the machine sleeps, where there is such a clock: waking up is no step.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        steady: Callable[[], float],
        *,
        settled: timedelta = SETTLED,
        seen: datetime | None = None,
    ) -> None:
        """Watch from now on. `seen`: a time that is known to have been already (None: none is)."""
        self._wall, self._steady, self._settled = wall, steady, settled
        self._lock = Lock()
        self._trusted = _Anchor(wall=wall(), steady=steady())
        self._new: _Anchor | None = None  # since the step, until it is believed
        self._untold: list[Stepped] = []
        if seen is not None and self._trusted.wall < seen - STEP:
            self._stepped(self._trusted.wall - seen, self._trusted)
            self._trusted = _Anchor(wall=seen, steady=self._trusted.steady)

    def now(self) -> datetime | None:
        """Give the time; None while it is not to be trusted."""
        with self._lock:
            present = _Anchor(wall=self._wall(), steady=self._steady())
            if self._new is None:
                step = present.wall - self._trusted.expected(present.steady)
                if abs(step) <= STEP:
                    self._trusted = present
                    return present.wall
                self._stepped(step, present)
                return None
            return self._again(self._new, present)

    @property
    def is_paused(self) -> bool:
        """Say whether work waits for the clock."""
        return self._new is not None

    def untold(self) -> list[Stepped]:
        """Give the steps that no entry says yet, and forget them: whoever takes them says them, or gives them back."""
        with self._lock:
            found, self._untold = self._untold, []
            return found

    def give_back(self, steps: list[Stepped]) -> None:
        """Take back steps that could not be said."""
        with self._lock:
            self._untold = [*steps, *self._untold]

    def _again(self, new: _Anchor, present: _Anchor) -> datetime | None:
        """Ask, after a step, whether the clock may be believed again."""
        step = present.wall - new.expected(present.steady)
        if abs(step) > STEP:
            self._stepped(step, present)
            new = present
        came_back = abs(present.wall - self._trusted.expected(present.steady)) <= STEP
        # Stepped back and caught up: every time from here on is one that has not been yet.
        caught_up = new.wall < self._trusted.wall <= present.wall
        stands = present.steady - new.steady >= self._settled.total_seconds()
        if came_back or caught_up or stands:
            log.warning("clock believed", code="came_back" if came_back else "caught_up" if caught_up else "stands")
            self._trusted, self._new = present, None
            return present.wall
        return None

    def _stepped(self, step: timedelta, present: _Anchor) -> None:
        direction: Direction = "back" if step < timedelta(0) else "forward"
        seconds = abs(round(step.total_seconds()))
        log.error("clock stepped", code=direction, seconds=seconds)
        self._untold.append(Stepped(seconds=seconds, direction=direction))
        self._new = present
