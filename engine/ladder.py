"""A due item's ladder: who hears of it when, one rung after the other.

Only the next rung of an item is ever armed; firing it counts it and the plan arms the one after. Rungs that had
passed before the item existed (a late entry, an outage) are not sent in a burst: at most the last of those that
escalate fires, once, now.
"""

from datetime import datetime, time, timedelta

from engine.model import DueItem, Timer
from engine.pathway import DuePolicy, Rung
from engine.time import after, at_local, clock_from, duration_from, is_calendar, local_day, zone
from engine.view import View

MORNING = time(9)
MOST_REPEATS = 400


def position_of(timer: Timer) -> int:
    """Give the number of rungs that lie before a timer's own; its id is its idempotency key."""
    return int(timer.id.rpartition("@")[2])


def rung_of(policy: DuePolicy, fired: int) -> Rung | None:
    """Give the rung that comes after `fired` others; a repeating last rung never ends, others do."""
    if fired < len(policy.ladder):
        return policy.ladder[fired]
    last = policy.ladder[-1] if policy.ladder else None
    return last if last is not None and last.repeat else None


def instant_of(view: View, policy: DuePolicy, item: DueItem, fired: int) -> datetime | None:
    """Give the instant of a rung; None where there is none or its base is not known."""
    rung = rung_of(policy, fired)
    if rung is None:
        return None
    base = _due_base(view, item) if rung.base == "due" else item.opens_at if rung.base == "opens" else item.anchor
    if base is None:
        return None
    offset = view.compiled.written(rung.at)
    at = after(base, offset, view.episode.zone)
    beyond = fired - (len(policy.ladder) - 1)
    if rung.repeat and beyond > 0:
        at += duration_from(view.compiled.written(rung.repeat)) * beyond
    return _in_the_morning(view, at) if is_calendar(offset) and policy.calendar else at


def _due_base(view: View, item: DueItem) -> datetime | None:
    """Give the start of the last day on time (calendar items), so that `due - 2 days` means two days before it."""
    if item.due_on is not None and item.due_at is not None and is_calendar(item.due_after or "P1D"):
        return at_local(item.due_on, time(0), view.episode.zone)
    return item.due_at


def _in_the_morning(view: View, at: datetime) -> datetime:
    """Calendar rungs are acted on at the site's time of day, not at midnight."""
    stated = view.compiled.parameters.get("timer_time")
    clock = clock_from(stated) if isinstance(stated, str) else MORNING
    return at_local(local_day(at, view.episode.zone), clock, view.episode.zone)


def next_timer(view: View, policy: DuePolicy, item: DueItem, version: int) -> Timer | None:
    """Give the timer to arm for an item, catching up on rungs that passed before it could be armed."""
    fired, now = item.fired, view.now
    at = instant_of(view, policy, item, fired)
    if at is not None and at < now:
        fired, at = _caught_up(view, policy, item)
    if at is None:
        return None
    if item.snoozed_until is not None and item.snoozed_until > at:
        at = item.snoozed_until
    local = at.astimezone(zone(view.episode.zone))
    return Timer(
        id=f"{item.id}@{fired}",
        kind=item.kind,
        occurrence=f"{item.occurrence}@{fired}",
        due_item=item.id,
        at=at,
        local=local.replace(tzinfo=None).isoformat(timespec="minutes"),
        zone=view.episode.zone,
        armed_on=version,
        expires_at=_expiry(policy, fired, at),
    )


def _caught_up(view: View, policy: DuePolicy, item: DueItem) -> tuple[int, datetime | None]:
    """Give the rung to fire next when some have passed: the last that escalates (now), else the first to come."""
    fired, last = item.fired, None
    for _ in range(MOST_REPEATS):
        at = instant_of(view, policy, item, fired)
        if at is None or at >= view.now:
            break
        rung = rung_of(policy, fired)
        if rung is not None and rung.kind != "remind":
            last = fired
        fired += 1
    return (last, view.now) if last is not None else (fired, instant_of(view, policy, item, fired))


def _expiry(policy: DuePolicy, fired: int, at: datetime) -> datetime | None:
    """A reminder to the person is worthless after a while; what escalates never is."""
    rung = rung_of(policy, fired)
    return at + timedelta(days=2) if rung is not None and rung.kind == "remind" else None
