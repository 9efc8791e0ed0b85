"""One process of ours that does due work when it is told to: it fires, delivers, does both, or only takes leases.

It runs as `stepcare worker` does, but for the clock, which goes on from where an order puts it, and for the start: an
order is a line of JSON, "go" begins it, what came of it goes out as a line. Everything due is done before it answers.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from engine.model import Episode, Message
from stepcare.app import App, open_app, wall_clock
from stepcare.channels.configured import Configured
from stepcare.channels.files import File
from stepcare.channels.rates import Rate, Rates
from stepcare.log import configure_log
from stepcare.words import text_of
from stepcare.worker.delivering import Delivering, Means
from stepcare.worker.firing import Firing
from stepcare.worker.leases import Leases
from stepcare.worker.sending import Post
from storage.pump import LEASE, Pump
from tests.bench.driven import say

FREELY = Rate(per_second=1e6, burst=1_000_000)  # what is measured is not what a site allows
LANES = 4
Order = Mapping[str, Any]


class Running:
    """The wall clock, moved to where an order puts it."""

    def __init__(self) -> None:
        """Show the wall clock's time."""
        self._offset = timedelta(0)

    def __call__(self) -> datetime:
        """Give the time."""
        return wall_clock() + self._offset

    def move_to(self, at: datetime) -> None:
        """Go on from there."""
        self._offset = at - wall_clock()


class Hands:
    """The two stages of a worker, on one open database."""

    def __init__(self, app: App, clock: Running, name: str, receiver: Path) -> None:
        """Put them together; messages go to the file `receiver`."""
        self._app, self._clock, self._stop = app, clock, Event()
        self.pump = Pump(app.database, name)
        self.firing = Firing(app, self.pump, app.clock, self._stop.wait)
        channel = File(path=receiver, name="email", at_once=LANES)
        rates = Rates(channel=FREELY, person=FREELY)
        ways = Configured(channels={"email": channel}, rates={"email": rates}, site_rate=FREELY)
        means = Means(
            app=app, pump=self.pump, post=Post(ways, self.pump, time.monotonic), leases=Leases(LEASE.total_seconds()),
            now=app.clock, monotonic=time.monotonic, text=self._text, breathe=self._stop.wait,
        )  # fmt: skip
        self.delivering = Delivering(means)

    def fire(self, _: Order) -> Counter[str]:
        """Fire until nothing is due."""
        return _all(lambda: self.firing.run().counts)

    def remember(self) -> None:
        """Look at every episode, as a worker has that decided about it before."""
        with self._app.database.reading() as connection:
            found = connection.execute("SELECT id FROM episode", {}).fetchall()
        for (episode,) in found:
            self._app.store.episode(episode)

    def deliver(self, _: Order) -> Counter[str]:
        """Deliver until nothing is queued."""
        return _all(lambda: self.delivering.run("email").counts)

    def both(self, order: Order) -> Counter[str]:
        """Fire all; then deliver all, when every message may go: they are spread over some minutes."""
        self.fire(order)
        self._clock.move_to(datetime.fromisoformat(order["sending"]))
        return self.deliver(order)

    def hold(self, order: Order) -> Counter[str]:
        """Claim timers, and do nothing with them."""
        return Counter(held=len(self.pump.claim_timers(self._app.clock(), int(order["most"]))))

    def _text(self, episode: Episode, message: Message, _: datetime) -> tuple[str, str]:
        pathway = self._app.engine.compiled(episode.pathway).pathway
        return text_of(pathway, message.template, message.language, count=0)


def _all(work: Callable[[], Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    while any((done := work()).values()):
        total.update(done)
    del total["later"]  # nothing came of these yet: they are counted when they fire
    return total


def main(database: str, vault: str, name: str, receiver: str) -> None:
    """Open the database and follow orders."""
    clock = Running()
    configure_log("warning", "console", clock)  # as `stepcare` is run where nobody asks for more
    with open_app(database, clock, Path(vault) if vault else None) as app:
        for sha256 in app.store.site().pathways.values():
            app.engine.compiled(sha256)
        say({"ready": True})
        for number, line in enumerate(sys.stdin):
            order: Order = json.loads(line)
            if "at" in order:
                clock.move_to(datetime.fromisoformat(order["at"]))
            hands = Hands(app, clock, f"{name}-{number}", Path(receiver))
            if order.get("remembered"):
                hands.remember()
            act = partial(getattr(hands, order["do"]), order)
            say({"prepared": True})
            sys.stdin.readline()  # all processes begin together
            say(_measured(act))


def _measured(act: Callable[[], Counter[str]]) -> dict[str, Any]:
    began, cpu = time.perf_counter(), time.process_time()
    counts = act()
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "counts": counts}


if __name__ == "__main__":
    main(*sys.argv[1:])
