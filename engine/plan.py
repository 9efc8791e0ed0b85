"""Which work is owed and which instants are awaited, from the picture alone.

`plan` computes everything that should be there and gives the difference to what is: so it can be run after every
event, after a crash and by an auditor, and always arrives at the same items. An item keeps the offsets it was
armed with, so a changed parameter moves nothing that is already promised (unless it is replanned).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from engine.compiled import CompiledDue
from engine.decision import Event, Put
from engine.ladder import next_timer
from engine.model import DueItem, Episode, Timer
from engine.occasions import OPEN, WANTED, Wanted
from engine.outbox import withdrawn
from engine.time import after, is_calendar, local_day, start_of
from engine.view import View

# What these policies rest on goes on, so their `when` is asked again at every commit; a record is asked once, when
# it is made, because its condition speaks of that record.
LASTING = ("stay", "hold", "treatment", "flag", "deviation", "reason_owed", "proposal", "message")


def plan(view: View, act: View, bindings: Sequence[str], command_id: str, *, replan: bool = False) -> tuple[Event, ...]:
    """Give the difference between the work owed now and the work on record.

    `view` shows the episode after the command's own events, today; `act` the same on the day the act occurred.
    `bindings` are what the command was, for what it fulfils.
    """
    old = {item.id: item for item in view.episode.due_items}
    settled = {**_reconsidered(act, command_id), **_settled(act, bindings, command_id)}
    if settled:
        # What was just done is done before anything is planned, so that the next one can follow in the same commit.
        there = tuple(settled.get(item.id, item) for item in view.episode.due_items)
        view = view.after(replace(view.episode, due_items=there), view.pending)
    here = _here(view.episode)
    items: list[DueItem] = []
    for due in view.compiled.due:
        if not due.arises.isdisjoint(here):
            for item in _items(view, due, replan=replan):
                gone = item.status == "cancelled" and old.get(item.id, item).status in OPEN
                items.append(replace(item, closed_by=command_id) if gone else item)
    changed = [item for item in items if old.get(item.id) is not item and old.get(item.id) != item]
    # Replanned, every instant is found anew: a changed list of closed days moves no item, but what rolls from it.
    timers = _timers(view, items, {one.id for one in (items if replan else changed)})
    later = frozenset(item.id for item in changed if _put_off(old.get(item.id), item))
    return (*(Put(item=item) for item in changed), *timers, *withdrawn(view, items, later))


def _put_off(old: DueItem | None, new: DueItem) -> bool:
    """Say whether a window ends later than was promised: what was to be said of the old day is true no longer."""
    return old is not None and old.due_at is not None and new.due_at is not None and old.due_at < new.due_at


def _here(episode: Episode) -> set[str]:
    """Name what the episode has, for `CompiledDue.arises`: the cheap question before the full one."""
    return {
        "crossing",
        episode.state,
        *[item.kind for item in episode.due_items],
        *(state for state, _ in episode.return_to),
        *[record.form for record in episode.records],
        *[one.kind for one in episode.treatments],
        *(("flag",) if episode.flags else ()),
        *(("deviation",) if episode.deviations else ()),
        *(("message",) if episode.messages else ()),
    }


def _settled(act: View, bindings: Sequence[str], command_id: str) -> dict[str, DueItem]:
    """Give the open items that the command has just fulfilled, as done."""
    named = act.pending.record is not None and "due_item" in act.pending.record.values
    if not bindings and not named:
        return {}
    return {
        item.id: replace(item, status="done", closed_by=command_id)
        for due in act.compiled.due
        if (named or not due.done_by.isdisjoint(bindings))
        and (waiting := [one for one in act.owed(due.name) if one.status in OPEN])
        for item in _fulfilled(act, due, waiting, bindings)
    }


def _reconsidered(act: View, command_id: str) -> dict[str, DueItem]:
    """Ask again of what a corrected record had fulfilled: an early visit that was typed in late fulfils nothing."""
    old = act.pending.supersedes
    found: dict[str, DueItem] = {}
    if old is not None:
        for due in act.compiled.due:
            still = due.done_when is None or due.done_when.evaluate(act) is True
            for item in act.owed(due.name):
                if item.status == "done" and item.closed_by == old:
                    kept = replace(item, closed_by=command_id)
                    found[item.id] = kept if still else replace(item, status="open", closed_by=None)
    return found


def _items(view: View, due: CompiledDue, *, replan: bool) -> Iterator[DueItem]:
    """Give every item of a policy as it should be now, the ended ones among them unchanged."""
    there = view.owed(due.name)
    holds = due.when is None or due.when.evaluate(view)
    if holds is not True and not any(item.status in OPEN for item in there):
        yield from there
        return
    known = {item.occurrence: item for item in there}
    silent = view.compiled.pathway.states[view.episode.state].silent and not due.policy.looks_back
    wanted = {} if silent else {one.occurrence: one for one in WANTED[due.each](view, due)}
    lasting = due.each in LASTING
    for occurrence, item in known.items():
        if item.status not in OPEN:
            yield item
        elif occurrence not in wanted or (lasting and holds is False):
            yield replace(item, status="cancelled")
        else:
            yield _dated(view, due, wanted[occurrence], item, replan=replan)
    if holds is not True:
        return
    for occurrence, want in wanted.items():
        if occurrence not in known and (lasting or want.fresh):
            yield _dated(view, due, want, None, replan=False)


def _fulfilled(act: View, due: CompiledDue, waiting: Sequence[DueItem], bindings: Sequence[str]) -> list[DueItem]:
    """Give the waiting items the command fulfils: those it names, else every one its binding stands for."""
    named = act.pending.record.values.get("due_item") if act.pending.record else None
    if any(item.id == named for item in waiting):
        return [item for item in waiting if item.id == named]
    waiting = [item for item in waiting if _is_about(act, due, item)]
    if due.done_by.isdisjoint(bindings) or (due.done_when is not None and due.done_when.evaluate(act) is not True):
        return []
    of, mine = act.pending.of, {item.occurrence for item in waiting}
    return [item for item in waiting if of is None or of not in mine or item.occurrence == of]


def _is_about(act: View, due: CompiledDue, item: DueItem) -> bool:
    """Say whether what was done can be about this item.

    An earlier stay's record is not about the present stay, and
    a border of chronicity is looked at once it has been crossed.
    """
    if due.each in ("stay", "hold") and act.root != act.present:
        return item.occurrence.partition(".")[0] == f"s{act.root}"
    return due.each != "crossing" or item.anchor <= act.now


def _dated(view: View, due: CompiledDue, want: Wanted, old: DueItem | None, *, replan: bool) -> DueItem:
    """Give an item with its window, from the offsets it was armed with (or today's, when new or replanned)."""
    policy, zone = due.policy, view.episode.zone
    fresh = old is None or replan
    opens_after = view.compiled.written(policy.opens) if fresh or old is None else old.opens_after
    due_after = _due_offset(view, policy.due) if fresh or old is None else old.due_after
    shift = _pause_shift(view, want.anchor) if policy.pauses and not want.kept else 0
    anchor = start_of(local_day(want.anchor, zone) + timedelta(days=shift), zone) if policy.calendar else want.anchor
    due_at, due_on = _due(anchor, due_after, zone, want.due_on)
    still = policy.pauses and view.compiled.pathway.states[view.episode.state].paused
    opens_at = after(anchor, opens_after, zone)
    status = "on_hold" if still else "open"
    if old is not None and (old.anchor, old.opens_after, old.due_after, old.opens_at, old.due_at, old.status) == (
        anchor,
        opens_after,
        due_after,
        opens_at,
        due_at,
        status,
    ):
        return old
    base = old or DueItem(
        id=f"{due.name}:{want.occurrence}",
        kind=due.name,
        occurrence=want.occurrence,
        title=want.title or policy.title,
        anchor=anchor,
        opens_after=opens_after,
        due_after=due_after,
        opens_at=anchor,
        due_at=None,
        due_on=None,
        owner_role=policy.owner,
    )
    return replace(
        base,
        anchor=anchor,
        opens_after=opens_after,
        due_after=due_after,
        opens_at=opens_at,
        due_at=due_at,
        due_on=due_on,
        status=status,
    )


def _due_offset(view: View, name: str) -> str:
    return "" if name.startswith("field ") else view.compiled.written(name)


def _due(anchor: datetime, offset: str, zone: str, stated: date | None) -> tuple[datetime | None, date | None]:
    """Give the instant from which an item is overdue, and the last day that is on time.

    A calendar window includes its last day: due on day 28 is late from the start of day 29.
    """
    if stated is not None:
        return start_of(stated + timedelta(days=1), zone), stated
    if not offset:
        return None, None
    end = after(anchor, offset, zone)
    if not is_calendar(offset):
        return end, local_day(end, zone)
    last = local_day(end, zone)
    return start_of(last + timedelta(days=1), zone), last


def _pause_shift(view: View, anchor: datetime) -> int:
    return view.paused_days(view.local(anchor), view.last_counted())


def _timers(view: View, items: Sequence[DueItem], changed: set[str]) -> Iterator[Put]:
    """Give the difference in awaited instants: one per open item, its ladder's next rung."""
    policies = view.compiled.pathway.due
    waiting = {timer.id: timer for timer in view.episode.timers if timer.state == "armed"}
    armed = {timer.due_item: timer for timer in waiting.values()}  # an item never has two
    keep: set[str] = set()
    version = view.episode.plan_version + 1
    for item in items:
        if item.status != "open":
            continue
        kept = armed.get(item.id)
        if kept is not None and item.id not in changed and not _snoozed(item, kept):
            keep.add(kept.id)
            continue
        timer = next_timer(view, policies[item.kind], item, version)
        if timer is None:
            continue
        keep.add(timer.id)
        if timer.id not in waiting or _moved(waiting[timer.id], timer):
            yield Put(item=timer)
    for timer in waiting.values():
        if timer.id not in keep:
            yield Put(item=replace(timer, state="cancelled"))


def _snoozed(item: DueItem, timer: Timer) -> bool:
    return item.snoozed_until is not None and timer.at < item.snoozed_until


def _moved(old: Timer, new: Timer) -> bool:
    return old.at != new.at
