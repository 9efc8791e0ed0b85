"""When a message may go: nobody is woken for what can wait, and nine o'clock does not send everything at once.

A person's window is their own (`contact_preferences`), else the site's, read on the clock where they are. Staff have
a window of their own for what can wait. What spreads messages is drawn from a message's own id, so the same message
always goes at the same second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256

from engine.compiled import Compiled
from engine.errors import InvalidInput
from engine.model import Episode, Json, Message, Record
from engine.time import clock_from, duration_from, local_day, zone
from engine.view import Shelves

PATIENT = "patient"
PREFERENCES = "contact_preferences"
AT_ANY_HOUR = ("emergency", "urgent")  # priorities of due work whose messages to staff never wait for the morning
DAYS_AHEAD = 4  # a window's end can fall into a gap of the clock; it never does so on four days running


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietWindow:
    """From when until when, on the clock of a zone, nothing is sent; `until` itself is allowed again.

    It may run over midnight. `start` equal to `until`: there is no window.
    """

    start: time
    until: time
    zone: str

    def holds(self, at: datetime) -> bool:
        """Say whether a clock on the wall there shows a quiet time at this instant.

        The wall decides, also on the nights the clocks change: an hour shown twice is quiet twice.
        """
        shown = at.astimezone(zone(self.zone)).time().replace(tzinfo=None)
        if self.start <= self.until:
            return self.start <= shown < self.until
        return shown >= self.start or shown < self.until

    def end_after(self, at: datetime) -> datetime:
        """Give the first end of the window after a quiet instant; one the clock skips moves forward.

        A clock that is turned back out of the window does not end a night that had begun.
        """
        here, day = zone(self.zone), local_day(at, self.zone)
        ends = (
            datetime.combine(day + timedelta(days=ahead), self.until, tzinfo=here).replace(fold=fold).astimezone(UTC)
            for ahead in range(DAYS_AHEAD)
            for fold in (0, 1)
        )
        return next(end for end in ends if end > at and not self.holds(end))


def next_allowed(  # noqa: PLR0913 - who, when, how urgent, and what draws the spread
    compiled: Compiled, episode: Episode, recipient: str, at: datetime, key: str, *, priority: str = "normal"
) -> datetime:
    """Give the first instant from `at` on at which this recipient may be sent something: `at` itself outside the window.

    Inside it, the end of the window plus a delay drawn from `key` (`quiet_spread` at most), so that eight o'clock is
    no burst. `priority` is the due work's: an emergency or urgent message to staff never waits. What is allowed stays
    allowed, so the answer may be asked for again before sending: asked about its own answer, it gives it back.
    """
    window = window_of(compiled, episode, recipient, priority)
    if window is None or not window.holds(at):
        return at
    return _spread(window, window.end_after(at), key, compiled.written("quiet_spread", "PT0M"))


def first_try(  # noqa: PLR0913 - as next_allowed
    compiled: Compiled, episode: Episode, recipient: str, at: datetime, key: str, *, priority: str = "normal"
) -> datetime:
    """Give the instant for a new message that falls due at `at`: allowed, and apart from the many due at the same minute.

    A message to a patient is delayed by what is drawn from `key` (`send_jitter` at most, nothing where it is PT0M).
    For use once, when the message is made; before sending ask `next_allowed`, which never delays anew.
    """
    allowed = next_allowed(compiled, episode, recipient, at, key, priority=priority)
    if allowed != at or recipient != PATIENT:
        return allowed
    window = window_of(compiled, episode, recipient, priority)
    return _spread(window, at, key, compiled.written("send_jitter", "PT0M"))


def message_allowed(compiled: Compiled, episode: Episode, message: Message, at: datetime) -> datetime:
    """Give the first instant from `at` on at which a message may go, by the priority of the work it is about."""
    item = next((one for one in episode.due_items if one.id == message.due_item), None)
    policy = compiled.pathway.due.get(item.kind) if item else None
    priority = policy.priority if policy else "normal"
    return next_allowed(compiled, episode, message.recipient, at, message.id, priority=priority)


def window_of(compiled: Compiled, episode: Episode, recipient: str, priority: str) -> QuietWindow | None:
    """Give the quiet window that counts for a recipient, None where there is none."""
    if recipient == PATIENT:
        own = Shelves(compiled, episode).valid(PREFERENCES)
        start = _clock(own, "quiet_from") or _set(compiled, "quiet_from")
        until = _clock(own, "quiet_until") or _set(compiled, "quiet_until")
    elif priority in AT_ANY_HOUR:
        return None
    else:
        start, until = _set(compiled, "staff_quiet_from"), _set(compiled, "staff_quiet_until")
    if start is None or until is None or start == until:
        return None
    return QuietWindow(start=start, until=until, zone=zone_of(compiled, episode, recipient))


def zone_of(compiled: Compiled, episode: Episode, recipient: str) -> str:
    """Give the zone a recipient's clock shows: a patient's own where they said so, else the episode's."""
    said = _said(Shelves(compiled, episode).valid(PREFERENCES), "zone") if recipient == PATIENT else None
    if not isinstance(said, str):
        return episode.zone
    try:
        return zone(said).key
    except InvalidInput:  # a zone that was renamed since: the site's clock is nearer than none
        return episode.zone


def drawn(key: str, longest: timedelta) -> timedelta:
    """Draw a delay of whole seconds, from none to `longest`, out of a key: the same key always draws the same."""
    seconds = max(int(longest.total_seconds()), 0)
    return timedelta(seconds=int.from_bytes(sha256(key.encode()).digest()[:8]) % (seconds + 1))


def _spread(window: QuietWindow | None, at: datetime, key: str, longest: str) -> datetime:
    """Delay by what the key draws, unless that would end in the window again."""
    later = at + drawn(key, duration_from(longest))
    return at if window is not None and window.holds(later) else later


def _said(records: Sequence[Record], key: str) -> Json:
    """Give what the person last said of it, None where they never did."""
    return next((record.values[key] for record in reversed(records) if key in record.values), None)


def _clock(records: Sequence[Record], key: str) -> time | None:
    """Give a time of day the person asked for, None where they did not."""
    said = _said(records, key)
    try:
        return clock_from(said) if isinstance(said, str) else None
    except InvalidInput:  # an older form let anything be written here: then the site's window counts
        return None


def _set(compiled: Compiled, name: str) -> time | None:
    """Give a time of day the site has set, None where it is unset."""
    stated = compiled.parameters.get(name)
    return clock_from(stated) if isinstance(stated, str) else None
