"""Group commit: whoever is first in the queue writes for all that wait behind.

Nobody waits for company: alone, a decision is committed at once. While one group is on its way to the disk, those who
come queue up and are the next group, so the slower the disk, the more share a commit. The queue is served in order;
nobody can overtake. There is no thread of its own to start, to watch or to lose: a caller who gets an answer has seen
the COMMIT, and one whose process dies has seen nothing.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST = 64  # things in one commit: more hardly gain, and make the first one wait for the last


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStats:
    """What the writer has done since it began: `queued` wait now, `largest` is the biggest group."""

    queued: int
    groups: int
    decisions: int
    largest: int


class _Waiting(Generic[Item, Answer]):
    """One caller: what they hand over, and what became of it."""

    __slots__ = ("answers", "error", "items", "woken")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.answers: list[Answer] | None = None
        self.error: BaseException | None = None
        self.woken = threading.Lock()
        self.woken.acquire()

    @property
    def is_done(self) -> bool:
        return self.answers is not None or self.error is not None


class Queue(Generic[Item, Answer]):
    """The queue of one process for one kind of thing. Threads share it."""

    def __init__(self, keep: Callable[[Sequence[Item]], list[Answer]], most: int = MOST) -> None:
        """Write groups of up to `most` things with `keep`, which answers each of them after its COMMIT."""
        self._keep, self._most = keep, most
        self._lock = threading.Lock()
        self._queue: deque[_Waiting[Item, Answer]] = deque()
        self._busy = self._closed = False
        self._groups = self._decisions = self._largest = 0

    def submit(self, items: Sequence[Item]) -> list[Answer]:
        """Hand things over and wait until they are committed, or are known not to be."""
        return self._through(_Waiting(items), last=False)

    def close(self) -> None:
        """Take nothing more, and wait until everything that was handed over is written."""
        self._through(_Waiting(()), last=True)

    def stats(self) -> WriterStats:
        """Give what was done so far."""
        with self._lock:
            return WriterStats(
                queued=sum(len(one.items) for one in self._queue),
                groups=self._groups,
                decisions=self._decisions,
                largest=self._largest,
            )

    def _through(self, mine: _Waiting[Item, Answer], *, last: bool) -> list[Answer]:
        with self._lock:
            if self._closed and not last:
                raise Unavailable("This process is stopping: nothing was kept, try again with the same key.")
            self._closed |= last
            self._queue.append(mine)
            leads, self._busy = not self._busy, True
        if not leads:
            mine.woken.acquire()  # until somebody has written this too, or it is the first that waits
        if not mine.is_done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.answers or []

    def _lead(self) -> None:
        """Write for those at the head of the queue, then wake them and whoever is first now."""
        group = self._taken()
        try:
            self._write(group)
        except BaseException as error:  # noqa: BLE001 - also an interrupt: nobody may be left waiting
            for one in group:
                one.error = error
        finally:
            with self._lock:
                following = self._queue[0] if self._queue else None
                self._busy = following is not None
            for one in (*group[1:], *((following,) if following else ())):
                one.woken.release()

    def _taken(self) -> list[_Waiting[Item, Answer]]:
        with self._lock:
            group, size = [self._queue.popleft()], 0
            size = len(group[0].items)
            while self._queue and size + len(self._queue[0].items) <= self._most:
                group.append(self._queue.popleft())
                size += len(group[-1].items)
            self._groups += bool(size)
            self._decisions += size
            self._largest = max(self._largest, size)
        return group

    def _write(self, group: Sequence[_Waiting[Item, Answer]]) -> None:
        items = [item for one in group for item in one.items]
        answers = iter(self._keep(items) if items else ())
        for one in group:
            one.answers = [next(answers) for _ in one.items]
