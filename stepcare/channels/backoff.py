"""When a message that was not taken is tried again: later each time, and never all of them together."""

from collections.abc import Callable
from datetime import timedelta

FIRST, LONGEST = timedelta(seconds=30), timedelta(minutes=30)
MOST_TRIES = 12


def longest_wait(attempt: int) -> timedelta:
    """Give the longest wait after the try with this number (from 1): 30 s, doubling, up to 30 min."""
    return min(LONGEST, FIRST * (1 << min(max(attempt, 1) - 1, 20)))


def wait_after(attempt: int, random: Callable[[], float], asked: timedelta | None = None) -> timedelta | None:
    """Give how long to wait after the try with this number (from 1), None where there is no further one.

    Full jitter: anything between nothing and the longest wait, by `random` (0 up to 1), so that what failed together
    does not come back together. `asked` is what the receiver asks for at the least.
    """
    if attempt >= MOST_TRIES:
        return None
    return max(longest_wait(attempt) * random(), asked or timedelta(0))
