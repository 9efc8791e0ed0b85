"""After a backup was restored: what was sent since it was made is not in the database any more, and must not go again.

The published log gives it away: where it is longer than the database's own, the database is an older one. Then, and
where an operator says so, no message that was due before that moment is sent: each becomes `unknown`, and a person
decides. The guard stands in the database, for all workers, until somebody lifts it.
"""

from datetime import UTC, datetime
from pathlib import Path

import structlog

from engine.errors import StepcareError
from engine.model import Episode, Message
from stepcare.app import App
from stepcare.publish.folder import Folder
from storage.pump import Pump
from storage.pump_figures import counters

log = structlog.get_logger("stepcare.worker")

# Gauges: until when messages are held (0: lifted), since when (0: always), and the published size that raised it.
UNTIL, SINCE, SIZE = "replay_guard", "replay_guard_since", "replay_guard_size"


class ReplayGuard:
    """Whether a message may have been sent before a restore. Threads share it."""

    def __init__(self, app: App, pump: Pump) -> None:
        """Read how things stand."""
        self._app, self._pump = app, pump
        self._until = self._since = 0
        self.look()

    def look(self) -> None:
        """Read how things stand now: another process may have raised or lifted it."""
        found = counters(self._app.database)
        self._until, self._since = (found.get(name, (0, None))[0] for name in (UNTIL, SINCE))

    @property
    def is_up(self) -> bool:
        """Say whether it stands."""
        return self._until > 0

    def raise_for(self, since: datetime | None, now: datetime) -> None:
        """Raise it: hold what was due from `since` (None: ever) until now."""
        self._pump.gauge(SINCE, int(since.timestamp()) if since else 0, now)
        self._pump.gauge(UNTIL, int(now.timestamp()) + 1, now)
        self.look()
        log.error("replay guard raised", code="since" if since else "restored")

    def lift(self, now: datetime) -> bool:
        """Lift it; False: it was not up."""
        was = self.is_up
        self._pump.gauge(UNTIL, 0, now)
        self.look()
        return was

    def raise_if_restored(self, published: Path | None, now: datetime) -> bool:
        """Raise it where the published log is ahead of ours, once for each length it has; True: raised now."""
        size = _published_size(published)
        if size == 0 or next(self._app.store.entries(size - 1, size), None) is not None:
            return False
        if counters(self._app.database).get(SIZE, (0, None))[0] == size:
            return False  # it was raised for this length before, and may have been lifted since
        self.raise_for(None, now)
        self._pump.gauge(SIZE, size, now)
        return True

    def holds(self, episode: Episode, message: Message) -> bool:
        """Say whether this message may have been sent already, before the restore."""
        if not self._until:
            return False
        due = due_at(episode, message)
        since, until = (datetime.fromtimestamp(one, UTC) for one in (self._since, self._until))
        return since <= due < until


def due_at(episode: Episode, message: Message) -> datetime:
    """Give when a message was due at first: its timer's instant, which a restore does not change, where it has one."""
    stem = message.follows or message.id
    made_by = [one.at for one in episode.timers if stem.startswith(f"{episode.id}:{one.id}:")]
    return min([message.not_before, *made_by])


def _published_size(published: Path | None) -> int:
    if published is None:
        return 0
    try:
        stated = Folder(published).checkpoint()
    except (StepcareError, OSError) as error:
        log.warning("no checkpoint", error=type(error).__name__)
        return 0
    return stated.size if stated is not None else 0
