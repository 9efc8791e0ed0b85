"""Hints that something is due: from this process's own commits, from the server's other clients, from the table.

They only shorten the wait; whoever misses one acts at the next tick.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from engine.errors import StepcareError
from stepcare.app import App
from storage.hints import listen
from storage.pump import Pump

log = structlog.get_logger("stepcare.worker")

LISTEN_SECONDS = 1.0
AGAIN_SECONDS = 5.0
NOW = timedelta(0)


class Hints:
    """Passes on what is due soon; `call` hears in how long."""

    def __init__(self, app: App, pump: Pump, call: Callable[[timedelta], None], tick: timedelta) -> None:
        """Hint about what comes within a tick: anything later the next tick sees for itself."""
        self._app, self._pump, self._call, self._tick = app, pump, call, tick
        self._stop = threading.Event()
        self._ear = threading.Thread(target=self._listening, name="stepcare-hints", daemon=True)

    def start(self) -> None:
        """Begin to pass on."""
        self._app.store.on_due = self.due
        self._ear.start()

    def stop(self) -> None:
        """Pass on nothing more."""
        self._stop.set()
        self._app.store.on_due = None
        if self._ear.is_alive():
            self._ear.join()

    def due(self, at: datetime) -> None:
        """Pass on that something is due at an instant; never raises, because a commit that is done calls it."""
        self._call(max(at - self._app.clock(), NOW))

    def look(self) -> None:
        """Look at what comes before the next tick. What is due already was left lying on purpose."""
        at, now = self._pump.next_due(), self._app.clock()
        if at is not None and now < at < now + self._tick:
            self._call(at - now)

    def _listening(self) -> None:
        """Listen to the server, where there is one; one that hung up is called again after a while."""
        while not self._stop.is_set():
            try:
                ear = listen(self._app.database)
            except StepcareError as error:
                log.warning("no hints", error=type(error).__name__)
                self._stop.wait(AGAIN_SECONDS)
                continue
            if ear is None:
                return
            try:
                while not self._stop.is_set() and not ear.is_lost:
                    at = ear.wait(LISTEN_SECONDS)
                    if at is not None:
                        self.due(at)
            finally:
                ear.close()
            self._stop.wait(0 if self._stop.is_set() else 1)
