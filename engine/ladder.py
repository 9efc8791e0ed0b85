"""A due item's ladder: who hears of it when, one rung after the other.

Only the next rung of an item is ever armed; firing it counts it and the plan arms the one after. What was missed (a
late entry, an outage) is not sent in a burst: each rung says what becomes of it then (`catch_up`), how late it is
worth anything (`expires`), and where it goes from a day on which nobody works (`roll`).
"""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Literal

from engine.calendar import calendar_from
from engine.model import DueItem, Timer
from engine.pathway import DuePolicy, Rung
from engine.time import after, at_local, clock_from, duration_from, is_calendar, local_day, zone
from engine.view import View

MORNING = time(9)
AHEAD = 64  # by how many a repetition rolled back over a closed stretch can come before its number
PUNCTUAL = timedelta(hours=1)  # a timer acted on within this was not missed
Verdict = Literal["fire", "expired", "skipped"]


def position_of(timer: Timer) -> int:
    """Give the number of rungs that lie before a timer's own; its id is its idempotency key."""
    return int(timer.id.rpartition("@")[2])


def rung_of(policy: DuePolicy, fired: int) -> Rung | None:
    """Give the rung that comes after `fired` others; a repeating last rung never ends, others do."""
    if fired < len(policy.ladder):
        return policy.ladder[fired]
    last = policy.ladder[-1] if policy.ladder else None
    return last if last is not None and last.repeat else None


# --- when -----------------------------------------------------------------------------------------------------------


def instant_of(view: View, policy: DuePolicy, item: DueItem, fired: int) -> datetime | None:
    """Give the instant of a rung; None where there is none or its base is not known."""
    rung = rung_of(policy, fired)
    if rung is None:
        return None
    base = _due_base(view, item) if rung.base == "due" else item.opens_at if rung.base == "opens" else item.anchor
    if base is None:
        return None
    at = after(base, view.compiled.written(rung.at), view.episode.zone)
    beyond = fired - (len(policy.ladder) - 1)
    if rung.repeat and beyond > 0:
        # Not so many times 24 hours: in the night the clocks go back that would name one day twice.
        at = after(at, view.compiled.written(rung.repeat), view.episode.zone, beyond)
    return _on_a_morning(view, rung, at) if _has_days(view, policy, rung) else at


def _due_base(view: View, item: DueItem) -> datetime | None:
    """Give the start of the last day on time (calendar items), so that `due - 2 days` means two days before it."""
    if item.due_on is not None and item.due_at is not None and is_calendar(item.due_after or "P1D"):
        return at_local(item.due_on, time(0), view.episode.zone)
    return item.due_at


def _has_days(view: View, policy: DuePolicy, rung: Rung) -> bool:
    """Say whether a rung counts days; one that counts hours is exact, never rolled."""
    return policy.calendar and is_calendar(view.compiled.written(rung.at))


def _on_a_morning(view: View, rung: Rung, at: datetime) -> datetime:
    """Calendar rungs are acted on at the site's time of day, not at midnight, and some only on a working day."""
    stated = view.compiled.parameters.get("timer_time")
    clock = clock_from(stated) if isinstance(stated, str) else MORNING
    day = calendar_from(view.compiled.parameters).roll(local_day(at, view.episode.zone), rung.roll)
    return at_local(day, clock, view.episode.zone)


def expiry_of(view: View, rung: Rung, at: datetime) -> datetime | None:
    """Give the instant past which a rung due at `at` is not acted on any more; None: it never expires."""
    return after(at, view.compiled.written(rung.expires), view.episode.zone) if rung.expires else None


# --- what was missed ------------------------------------------------------------------------------------------------


def verdict(view: View, policy: DuePolicy, item: DueItem, timer: Timer) -> Verdict:
    """Say what becomes of an armed timer at the view's `now`: fire, expired (too late), skipped (a newer one has come)."""
    if timer.expires_at is not None and view.now > timer.expires_at:
        return "expired"
    return _missed(view, policy, item, position_of(timer), timer.at)


def _missed(view: View, policy: DuePolicy, item: DueItem, fired: int, at: datetime) -> Verdict:
    rung = rung_of(policy, fired)
    if rung is None:
        return "skipped"
    expires = expiry_of(view, rung, at)
    if expires is not None and view.now > expires:
        return "expired"
    if rung.catch_up == "skip" and view.now > at + PUNCTUAL:
        return "skipped"
    newest = newest_repeat(view, policy, item)
    if rung.repeat and fired < newest:
        return "skipped"  # whatever its catch-up: the same words ten times over tell nobody more
    return "skipped" if rung.catch_up == "latest" and _newer_has_come(view, policy, item, fired) else "fire"


def _newer_has_come(view: View, policy: DuePolicy, item: DueItem, fired: int) -> bool:
    """Say whether a later rung to the same people has come, too, at a later instant, and is still worth something."""
    mine, audience = instant_of(view, policy, item, fired), _audience(policy.ladder[min(fired, len(policy.ladder) - 1)])
    for later in range(fired + 1, len(policy.ladder)):
        rung, at = policy.ladder[later], instant_of(view, policy, item, later)
        if at is None or mine is None or not mine < at <= view.now or _audience(rung) != audience:
            continue
        expires = expiry_of(view, rung, at)
        if expires is None or view.now <= expires:
            return True
    return False


def _audience(rung: Rung) -> str:
    """Give whom a rung speaks to: the person, the staff, or (a proposal) whoever decides."""
    return "decision" if rung.kind == "propose" else "patient" if rung.to == "patient" else "staff"


def newest_repeat(view: View, policy: DuePolicy, item: DueItem) -> int:
    """Give the position of the newest repetition of the last rung that has come; the last rung's own where none has.

    Found by division, not by counting: an outage of a year is 8,760 hourly calls.
    """
    last = len(policy.ladder) - 1
    first = instant_of(view, policy, item, last) if last >= 0 and policy.ladder[last].repeat else None
    if first is None or first >= view.now:
        return last
    length = duration_from(view.compiled.written(policy.ladder[last].repeat or ""))
    early = 1 if policy.ladder[last].roll in ("none", "following") else AHEAD
    found = last + (view.now - first) // length + early
    while found > last and (at := instant_of(view, policy, item, found)) is not None and at > view.now:
        found -= 1
    return found


# --- arming ---------------------------------------------------------------------------------------------------------


def next_timer(view: View, policy: DuePolicy, item: DueItem, version: int) -> Timer | None:
    """Give the timer to arm for an item: of its next rung, or (some having passed) of what is to be caught up now."""
    fired, due = _next_rung(view, policy, item)
    rung = rung_of(policy, fired)
    if due is None or rung is None:
        return None
    if item.snoozed_until is not None and item.snoozed_until > due:
        due = item.snoozed_until
    at = max(due, view.now)
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
        expires_at=expiry_of(view, rung, due),
    )


def _next_rung(view: View, policy: DuePolicy, item: DueItem) -> tuple[int, datetime | None]:
    """Give the position and instant of the rung to arm, passing over what was missed and is not caught up."""
    fired = item.fired
    while True:
        at = instant_of(view, policy, item, fired)
        if at is None:
            return fired, None
        if at >= view.now:
            return _last_alike(view, policy, item, fired, at)
        waits = item.snoozed_until is not None and item.snoozed_until > view.now
        if waits or _missed(view, policy, item, fired, at) == "fire":
            return fired, at
        fired = max(fired + 1, newest_repeat(view, policy, item)) if fired >= len(policy.ladder) - 1 else fired + 1


def _last_alike(view: View, policy: DuePolicy, item: DueItem, fired: int, at: datetime) -> tuple[int, datetime]:
    """Pass over repetitions that roll to the same morning: Saturday's, Sunday's and Monday's are one."""
    while fired + 1 >= len(policy.ladder) and instant_of(view, policy, item, fired + 1) == at:
        fired += 1
    return fired, at


# --- after a change of time zone rules --------------------------------------------------------------------------------


def resolved_again(timer: Timer) -> datetime:
    """Give the instant that a timer's wall time names under the present time zone rules.

    Meant for timers that a wall clock armed; one that counts hours is exact and keeps its instant.
    """
    local = datetime.fromisoformat(timer.local)
    return at_local(local.date(), local.time(), timer.zone)


def moved_by_zone(view: View) -> tuple[Timer, ...]:
    """Give the timers still to come whose instant another edition of the time zone rules moves, as they should be now.

    An episode without one needs no attention after an upgrade. Due days are the plan's: it redoes them at any commit.
    """
    return tuple(moved for timer in view.episode.timers if (moved := _moved_by_zone(view, timer)) is not None)


def _moved_by_zone(view: View, timer: Timer) -> Timer | None:
    policy = view.compiled.pathway.due.get(timer.kind)
    rung = rung_of(policy, position_of(timer)) if policy is not None else None
    if timer.state != "armed" or timer.at <= view.now or policy is None or rung is None:
        return None
    put_off = any(item.id == timer.due_item and item.snoozed_until == timer.at for item in view.episode.due_items)
    at = resolved_again(timer) if put_off or _has_days(view, policy, rung) else timer.at
    if at == timer.at:
        return None
    return replace(timer, at=at, expires_at=expiry_of(view, rung, at), armed_on=view.episode.plan_version + 1)
