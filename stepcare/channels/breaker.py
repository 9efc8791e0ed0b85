"""A breaker: a channel that fails again and again is left alone for a while, and then tried again.

closed: everything goes. open: nothing does, until the rest is over. half open: the next answer decides between the two.
"""

import threading
from collections.abc import Callable
from typing import Literal

from stepcare.channels.port import Result

State = Literal["closed", "open", "half_open"]
FAILURES = 5
REST, LONGEST_REST = 30.0, 600.0  # seconds; each failure after a rest doubles the next one


class Breaker:
    """The breaker of one channel; threads may share it. It counts what speaks of the channel, not of one message."""

    def __init__(self, monotonic: Callable[[], float], failures: int = FAILURES, rest: float = REST) -> None:
        """Open after so many failures in a row, for `rest` seconds of the clock `monotonic` at first."""
        self._monotonic, self._most, self._first = monotonic, failures, rest
        self._in_a_row, self._rest, self._until = 0, rest, 0.0
        self._is_open = False
        self._alone = threading.Lock()

    @property
    def state(self) -> State:
        """Give the state now."""
        with self._alone:
            return self._state()

    def _state(self) -> State:
        if not self._is_open:
            return "closed"
        return "open" if self._monotonic() < self._until else "half_open"

    def lets_through(self) -> bool:
        """Say whether the channel may be tried now."""
        return self.state != "open"

    def seconds_left(self) -> float:
        """Say how long the rest still lasts; 0: it may be tried."""
        with self._alone:
            return max(0.0, self._until - self._monotonic()) if self._is_open else 0.0

    def heard(self, result: Result) -> None:
        """Take note of an answer."""
        with self._alone:
            if not result.is_about_the_channel:
                self._in_a_row, self._rest, self._is_open = 0, self._first, False
                return
            self._in_a_row += 1
            state = self._state()
            if state == "half_open":
                self._rest = min(LONGEST_REST, self._rest * 2)
            elif state == "open" or self._in_a_row < self._most:
                return  # calls that were under way when it opened say nothing new
            self._is_open, self._until = True, self._monotonic() + self._rest
