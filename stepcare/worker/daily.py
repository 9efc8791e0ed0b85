"""What is done once a day: a census, retention, erasures that are not ended, the search index.

Once a site-local day in a whole fleet: whoever takes the day's one token does it. A day that went by unserved is caught
up once, not once for each day; what was meant to be done and what was done is counted, so that a gap shows.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import structlog

from engine.time import local_day, zone
from stepcare.app import App
from stepcare.custody import SERVICE, census, due_by_retention, finish_erasures, retain
from stepcare.retaining import only_sealed
from storage.pump import Pump
from storage.pump_figures import counters
from storage.search_index import searching

log = structlog.get_logger("stepcare.worker")

HOUR = 3  # from when on a day's work is done, on the site's clock
MOST_TRIES = 3  # a try an hour: what failed is tried again, what is still being done is not begun twice


class Daily:
    """The day's work of one worker."""

    def __init__(self, app: App, pump: Pump, via: str = "worker", published: Path | None = None) -> None:
        """Work through `app`; `published` is the folder of the published log, None where there is none."""
        self._app, self._pump, self._via, self._published = app, pump, via, published
        self.tasks: Mapping[str, Callable[[], object]] = {
            "census": self._census,
            "retention": self._retention,
            "erasures": self._erasures,
            "search": self._search,
        }

    def run(self, now: datetime) -> list[str]:
        """Do what this day still asks for; gives the names of what was done."""
        site = self._app.store.site().zone
        local, today = now.astimezone(zone(site)), local_day(now, site)
        if local.hour < HOUR:
            return []
        attempt = local.hour - HOUR
        stood, done = counters(self._app.database), []
        for name, work in self.tasks.items():
            last = stood.get(f"daily_{name}", (0, None))[0]
            if last >= today.toordinal():
                continue
            if attempt >= MOST_TRIES and stood.get(f"daily_{name}_begun", (0, None))[0] >= today.toordinal():
                continue  # it was tried often enough today
            key = f"daily:{name}:{today.isoformat()}:{min(attempt, MOST_TRIES)}"
            if self._pump.take(key, 0, 1, now):
                continue  # somebody else does it
            self._pump.gauge(f"daily_{name}_begun", today.toordinal(), now)
            self._pump.count(daily_planned=1)
            if self._did(name, work):
                self._pump.gauge(f"daily_{name}", today.toordinal(), now)
                self._pump.count(daily_done=1)
                missed = today.toordinal() - last - 1 if last else 0
                log.info("daily", kind=name, count=1, timers=max(missed, 0))
                done.append(name)
        return done

    def _did(self, name: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the others are done all the same, and this one tried again
            log.warning("daily failed", kind=name, error=type(error).__name__)
            self._pump.count(daily_failed=1)
            return False
        return True

    def _census(self) -> None:
        census(self._app, self._via)

    def _retention(self) -> None:
        sealed, _ = only_sealed(self._app, due_by_retention(self._app), self._published)
        runs = [run for run in sealed if run.count and run.rule.what != "due_for_erasure"]
        if runs:
            retain(self._app, runs, SERVICE, self._via)

    def _erasures(self) -> None:
        for _ in finish_erasures(self._app, self._via):
            pass

    def _search(self) -> None:
        with searching(self._app.database):
            pass
