"""After an upgrade of the time zone data: what a wall clock armed goes to where that clock stands now.

What counts is not the name of an edition but what the zone's rules say: the same offsets, and nothing is looked at. The
number of the rules last seen stands in the database, for all workers. A process reads the rules of a zone once; new ones
are noticed after its restart.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import structlog

from engine.errors import Erased, NotFound, Unverifiable
from engine.fire import RESOLVE
from engine.ladder import moved_by_zone
from engine.model import Actor, Command, Kind, Outcome, Role
from engine.time import local_day, zone
from engine.view import Pending, View
from stepcare.app import App
from storage.pump import Pump, number_of
from storage.pump_figures import armed_episodes, counters

log = structlog.get_logger("stepcare.worker")

EDITION = "zone_rules"  # the gauge that keeps the number of the rules last seen
SERVICE = Actor(id="worker", role=Role.SERVICE)
GONE = (Erased, NotFound, Unverifiable)  # there is nothing left to move
FIRST, DAYS = datetime(2020, 1, 1, tzinfo=UTC), 50 * 366  # what is armed lies in between
STEP = timedelta(days=1)  # a change of the clocks for less than a day is nobody's plan


@lru_cache(maxsize=8)
def edition_of(name: str) -> int:
    """Give a number for what the rules of a zone say, another one for other rules."""
    here, said = zone(name), list[str]()
    for day in range(DAYS):
        offset = str((FIRST + day * STEP).astimezone(here).utcoffset())
        if not said or not said[-1].endswith(offset):
            said.append(f"{day} {offset}")
    return number_of(name, *said)


def resolve_moved(app: App, pump: Pump, now: datetime, via: str) -> int:
    """Move what other rules of the site's zone have moved, episode by episode, an entry each; gives how many.

    Costs one look at the rules where they are those last seen. Raises what keeps an episode from being moved: then the
    rules are not noted as seen, and the next call goes on.
    """
    edition = edition_of(app.store.site().zone)
    if counters(app.database).get(EDITION, (0, None))[0] == edition:
        return 0
    moved = sum(_resolved(app, episode, now, via) for episode in armed_episodes(app.database))
    pump.gauge(EDITION, edition, now)
    log.info("zone rules are others", count=moved)
    return moved


def _resolved(app: App, episode: str, now: datetime, via: str) -> bool:
    try:
        found = app.store.episode(episode)
        view = View(app.engine.compiled(found.pathway), found, Pending(), now, local_day(now, found.zone))
        if not moved_by_zone(view):
            return False
        command = Command(id=app.make_id(), kind=Kind.FIRE, actor=SERVICE, episode=episode, of=RESOLVE, via=via)
        return app.engine.handle(command).decision.outcome is Outcome.ACCEPTED
    except GONE:
        return False
