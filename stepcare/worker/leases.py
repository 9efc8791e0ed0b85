"""What this process still holds, by its own monotonic clock: a process that was frozen knows that it was too long."""

import threading


class Leases:
    """The leases of one worker. Threads share it."""

    def __init__(self, seconds: float) -> None:
        """Leases last so long, from their claim or their last renewal in time."""
        self._seconds = seconds
        self._until: dict[tuple[str, str, int], float] = {}
        self._lock = threading.Lock()

    def took(self, claim: tuple[str, str, int], asked_at: float) -> None:
        """Hold a claim (episode, id, fence) that was asked for at this time."""
        with self._lock:
            self._until[claim] = asked_at + self._seconds

    def renewed(self, asked_at: float) -> None:
        """Prolong what was still held when the renewal was asked for; what was over stays over."""
        with self._lock:
            for claim, until in self._until.items():
                if until > asked_at:
                    self._until[claim] = asked_at + self._seconds

    def holds(self, claim: tuple[str, str, int], now: float, margin: float) -> bool:
        """Say whether a claim is ours for another `margin` seconds."""
        with self._lock:
            return self._until.get(claim, now) - now > margin

    def done(self, claim: tuple[str, str, int]) -> None:
        """Forget a claim."""
        with self._lock:
            self._until.pop(claim, None)

    def any_held(self) -> bool:
        """Say whether there is anything to renew."""
        with self._lock:
            return bool(self._until)
