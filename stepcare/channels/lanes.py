"""Lanes: each channel has its own few threads, so that a dead one holds up nobody but itself.

A call that is over its channel's deadline is given up as unknown, and its lane is free again: its thread is left to
itself. But threads left behind are counted: with as many as there are lanes, the channel has none left until some
return. So a channel that hangs for ever costs at most twice its lanes.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import structlog

from stepcare.channels.port import Channel, Parcel, Result, unknown

log = structlog.get_logger("stepcare.channels")

Call = Callable[[], Result]


@dataclass(slots=True, eq=False)
class _Under:
    """A call under way. `over` is when it is given up, on the monotonic clock."""

    future: "Future[Result]"
    over: float
    is_left: bool = False


@dataclass(slots=True)
class _Lane:
    """What runs on one channel's threads: calls that are waited for, and threads that nobody waits for any more."""

    at_once: int
    under: list[_Under] = field(default_factory=list)
    left: int = 0

    @property
    def free(self) -> int:
        """Count the calls that may begin now."""
        return max(0, min(self.at_once, 2 * self.at_once - self.left) - len(self.under))


class Lanes:
    """The lanes of all channels of a process. `close` at the end; threads may share it."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        """Open as many lanes a channel as it says."""
        self._channels = dict(channels)
        self._lanes = {name: _Lane(at_once=max(1, one.at_once)) for name, one in channels.items()}
        self._changed = threading.Condition()
        self._is_over = False
        self._watch: threading.Thread | None = None

    def free(self, name: str) -> int:
        """Count the parcels that a channel can take now; 0: wait."""
        with self._changed:
            return self._lanes[name].free

    def send(self, parcel: Parcel, wait: float = 0.0) -> "Future[Result] | None":
        """Send on the channel's own lane; None: none is free, nor becomes so within `wait` seconds.

        The future always gets a result, and never an error.
        """
        channel = self._channels[parcel.channel]
        return self._begin(channel, lambda: channel.send(parcel), wait)

    def _begin(self, channel: Channel, call: Call, wait: float) -> "Future[Result] | None":
        with self._changed:
            lane = self._lanes[channel.name]
            self._changed.wait_for(lambda: self._is_over or lane.free, wait)
            if self._is_over or not lane.free:
                return None
            under = _Under(future=Future(), over=monotonic() + channel.deadline)
            lane.under.append(under)
            if self._watch is None:
                self._watch = threading.Thread(target=self._give_up, name="lanes", daemon=True)
                self._watch.start()
            self._changed.notify_all()  # the watch among them: it has one deadline more to look after
        threading.Thread(target=self._run, args=(lane, under, call), name=f"to-{channel.name}", daemon=True).start()
        return under.future

    def _run(self, lane: _Lane, under: _Under, call: Call) -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - it broke its word: whether the message was taken, nobody knows
            log.error("channel raised", error=type(error).__name__)  # noqa: TRY400 - its words may hold the address
            result = unknown("raised")
        with self._changed:
            self._changed.notify_all()
            if under.is_left:
                lane.left -= 1  # what it says now comes too late: it was given up
                return
            lane.under.remove(under)
        under.future.set_result(result)

    def _give_up(self) -> None:
        """Watch the deadlines, for as long as the lanes are open."""
        while True:
            with self._changed:
                if self._is_over:
                    return
                now, late = monotonic(), list[_Under]()
                for lane in self._lanes.values():
                    for under in [one for one in lane.under if one.over <= now]:
                        lane.under.remove(under)
                        lane.left += 1
                        under.is_left = True
                        late.append(under)
                if late:
                    self._changed.notify_all()
                else:
                    ends = [one.over for lane in self._lanes.values() for one in lane.under]
                    self._changed.wait(max(0.0, min(ends) - now) if ends else None)
            for under in late:
                under.future.set_result(unknown("late"))

    def close(self) -> None:
        """Take nothing more; what is under way is given up as unknown, and the channels let go of their lines."""
        with self._changed:
            self._is_over = True
            late = [one for lane in self._lanes.values() for one in lane.under]
            for lane in self._lanes.values():
                lane.left += len(lane.under)
                lane.under.clear()
            for one in late:
                one.is_left = True
            self._changed.notify_all()
        for one in late:
            one.future.set_result(unknown("late"))
        for channel in self._channels.values():
            with suppress(OSError):
                channel.close()
