"""Which work is owed and which instants are awaited, from the picture alone.

`plan` computes everything that should be there and gives the difference to what is: so it can be run after every
event, after a crash and by an auditor, and always arrives at the same items. An item keeps the offsets it was
armed with, so a changed parameter moves nothing that is already promised (unless it is replanned).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from engine.compiled import CompiledDue
from engine.derive import onset
from engine.fold import root_of
from engine.ladder import next_timer
from engine.model import DueItem, Episode, Event, Flag, Put, Record, Timer
from engine.time import after, is_calendar, local_day, start_of
from engine.view import View

OPEN = ("open", "on_hold")
# What these policies rest on goes on, so their `when` is asked again at every commit; a record is asked once, when
# it is made, because its condition speaks of that record.
LASTING = ("stay", "hold", "treatment", "flag", "deviation", "reason_owed", "proposal")
BEFORE = {"subacute": ("acute",), "chronic": ("acute", "subacute")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One item that should be there: its occurrence, its anchor, and a title of its own where it has one.

    `due_on`: a day stated by the record itself. `fresh`: what it is about came with this very command, or is still
    to come. `kept`: the anchor is the item's own already, pauses counted.
    """

    occurrence: str
    anchor: datetime
    title: str = ""
    due_on: date | None = None
    fresh: bool = False
    kept: bool = False


def plan(view: View, act: View, bindings: Sequence[str], command_id: str, *, replan: bool = False) -> tuple[Event, ...]:
    """Give the difference between the work owed now and the work on record.

    `view` shows the episode after the command's own events, today; `act` the same on the day the act occurred.
    `bindings` are what the command was, for what it fulfils.
    """
    old = {item.id: item for item in view.episode.due_items}
    settled = _settled(act, bindings, command_id)
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
    timers = _timers(view, items, {one.id for one in changed})
    return (*(Put(item=item) for item in changed), *timers, *_pointless(view, items))


def _pointless(view: View, items: Sequence[DueItem]) -> Iterator[Put]:
    """Take back what is still queued for the person: the work is done, on hold or owed no longer, or they said no."""
    waiting = set() if opted_out(view) else {item.id for item in items if item.status == "open"}
    for message in view.episode.messages:
        if message.status == "queued" and message.recipient == "patient" and message.due_item not in waiting:
            yield Put(item=replace(message, status="cancelled"))


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


def _items(view: View, due: CompiledDue, *, replan: bool) -> Iterator[DueItem]:
    """Give every item of a policy as it should be now, the ended ones among them unchanged."""
    there = view.owed(due.name)
    holds = due.when is None or due.when.evaluate(view)
    if holds is not True and not any(item.status in OPEN for item in there):
        yield from there
        return
    known = {item.occurrence: item for item in there}
    wanted = {one.occurrence: one for one in WANTED[due.each](view, due)}
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
    if due.done_by.isdisjoint(bindings) or (due.done_when is not None and due.done_when.evaluate(act) is not True):
        return [item for item in waiting if item.id == named]
    of, mine = act.pending.of, {item.occurrence for item in waiting}
    return [item for item in waiting if of is None or of not in mine or item.occurrence == of or item.id == named]


def _dated(view: View, due: CompiledDue, want: Wanted, old: DueItem | None, *, replan: bool) -> DueItem:
    """Give an item with its window, from the offsets it was armed with (or today's, when new or replanned)."""
    policy, zone = due.policy, view.episode.zone
    fresh = old is None or replan
    opens_after = _offset(view, policy.opens) if fresh or old is None else old.opens_after
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


def _offset(view: View, name: str) -> str:
    """Give a duration parameter as it is written; an unset one counts nothing."""
    return str(view.compiled.settings.get(name) or view.compiled.pathway.parameters[name].default or "P0D")


def _due_offset(view: View, name: str) -> str:
    return "" if name.startswith("field ") else _offset(view, name)


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


# --- what makes one item of each policy ---------------------------------------------------------------------------


def _date_of(view: View, record: Record | None, key: str) -> date | None:
    found = view.values(record.id).get(key) if record else None
    return date.fromisoformat(found) if isinstance(found, str) and len(found) == 10 else None


def _anchored(view: View, due: CompiledDue, occurrence: str, since: datetime, record: Record | None) -> Wanted:
    """Anchor an item on the instant since when it is owed, or on a day the record states."""
    anchor, zone = since, view.episode.zone
    if due.policy.anchor not in ("since", "clock"):
        stated = _date_of(view, record, due.policy.anchor.rpartition(".")[2])
        anchor = start_of(stated, zone) if stated else since
    field = due.policy.due.startswith("field ")
    due_on = _date_of(view, record, due.policy.due.removeprefix("field ").rpartition(".")[2]) if field else None
    return Wanted(occurrence=occurrence, anchor=anchor, due_on=due_on)


def _each_stay(view: View, due: CompiledDue) -> Iterator[Wanted]:
    """Items of the present stay, and of every stay that a hold or a concern interrupted: they are not forgotten."""
    episode = view.episode
    if not episode.stays:
        return
    paused = view.compiled.pathway.states[episode.state].paused
    layers = [(state, root_of(episode, position)) for state, position in episode.return_to] if paused else []
    for state, root in dict.fromkeys((*layers, (episode.state, view.root))):
        if state in due.policy.states:
            yield from _stay_items(view, due, root, episode.stays[root].since)


def _stay_items(view: View, due: CompiledDue, root: int, since: datetime) -> Iterator[Wanted]:
    """One item a stay; where the policy repeats, the next one begins when the last was ended.

    Where it rests on a condition, its window counts from the commit that made the condition true.
    """
    mine = [item for item in view.owed(due.name) if _of_root(item, root)]
    ended = [item for item in mine if item.status not in OPEN] if due.policy.repeats else []
    occurrence = f"s{root}.{len(ended)}" if ended else f"s{root}"
    here = next((item for item in mine if item.occurrence == occurrence), None)
    if due.when is not None:
        yield Wanted(occurrence=occurrence, anchor=here.anchor if here else view.now, kept=here is not None)
    elif ended:
        by = view.shelves.by_id.get(ended[-1].closed_by or "")
        yield Wanted(occurrence=occurrence, anchor=by.occurred_at if by else since)
    else:
        stay = view.episode.stays[root]
        if due.policy.anchor == "clock":
            since = start_of(view.clock_of(root), view.episode.zone)
        yield _anchored(view, due, occurrence, since, view.standing(stay.record) if stay.record else None)


def _of_root(item: DueItem, root: int) -> bool:
    return item.occurrence.partition(".")[0] == f"s{root}"


def _each_treatment(view: View, due: CompiledDue) -> Iterator[Wanted]:
    kind, statuses = due.about, due.policy.statuses or ("active",)
    for one in view.episode.treatments:
        if one.kind == kind and one.status in statuses:
            yield _anchored(view, due, one.id, one.since, view.standing(one.record))


def _each_flag(view: View, due: CompiledDue) -> Iterator[Wanted]:
    """Open flags, as long as the episode is: nobody is paged about an episode that is over."""
    if _is_closed(view.episode, view):
        return
    for flag in view.episode.flags:
        if flag.cleared_at is None and _urgent_enough(due, flag):
            title = (
                view.compiled.pathway.red_flags[flag.item].title if flag.item in view.compiled.pathway.red_flags else ""
            )
            yield Wanted(
                occurrence=flag.id, anchor=flag.opened_at, title=f"{due.policy.title}: {title}" if title else ""
            )


def _urgent_enough(due: CompiledDue, flag: Flag) -> bool:
    return not due.policy.statuses or flag.urgency in due.policy.statuses


def _each_record(view: View, due: CompiledDue) -> Iterator[Wanted]:
    form = due.about
    for record in view.records(form):
        if record.episode == view.episode.id:
            want = _anchored(view, due, _first_id(view, record), record.occurred_at, record)
            yield replace(want, fresh=view.pending.record is not None and view.pending.record.id == record.id)


def _first_id(view: View, record: Record) -> str:
    """Name a record by what it first was: a correction does not make new work."""
    older = {one.superseded_by: one.id for one in view.episode.records if one.superseded_by}
    found = record.id
    while found in older:
        found = older[found]
    return found


def _each_crossing(view: View, due: CompiledDue) -> Iterator[Wanted]:
    """The day the class changes, from onset: armed beforehand, and owed until somebody has looked at it.

    One that fell away (the episode was closed, the onset revised) is awaited anew, under a name of its own.
    """
    began = onset(view)
    if began is None or _is_closed(view.episode, view):
        return
    borders = view.compiled.pathway.chronicity
    now = view.value("chronicity")
    for name, to in ((borders.subacute_from, "subacute"), (borders.chronic_from, "chronic")):
        days = view.number(name)
        if days is not None and now in (*BEFORE[to], to):
            anchor = start_of(began + timedelta(days=int(days)), view.episode.zone)
            gone = sum(i.status == "cancelled" and i.occurrence.partition(".")[0] == to for i in view.owed(due.name))
            yield Wanted(occurrence=f"{to}.{gone}" if gone else to, anchor=anchor, fresh=now != to)


def _is_closed(episode: Episode, view: View) -> bool:
    return view.compiled.pathway.states[episode.state].kind in ("closed", "void")


def _each_deviation(view: View, due: CompiledDue) -> Iterator[Wanted]:
    for deviation in view.episode.deviations:
        record = view.shelves.by_id.get(deviation.record)
        yield Wanted(
            occurrence=deviation.id,
            anchor=record.recorded_at if record else view.now,
            title=f"{due.policy.title}: {deviation.rule}",
        )


def _each_reason_owed(view: View, due: CompiledDue) -> Iterator[Wanted]:
    for want, deviation in zip(_each_deviation(view, due), view.episode.deviations, strict=True):
        if deviation.reason is None and deviation.rule in view.compiled.soft:
            yield want


def _each_proposal(view: View, due: CompiledDue) -> Iterator[Wanted]:
    """Proposed by a fired rung; it stands until somebody decides, or until what it rests on is done."""
    open_items = {item.id for item in view.episode.due_items if item.status in OPEN}
    for item in view.owed(due.name):
        if item.status in OPEN and item.occurrence in open_items:
            yield Wanted(occurrence=item.occurrence, anchor=item.anchor, title=item.title)


def _each_source(_: View, __: CompiledDue) -> Iterator[Wanted]:
    """Source reviews are owed by the pathway owner for the pack, not for an episode (`due list` shows them)."""
    return iter(())


WANTED: Mapping[str, Callable[[View, CompiledDue], Iterator[Wanted]]] = {
    "stay": _each_stay,
    "hold": _each_stay,
    "treatment": _each_treatment,
    "flag": _each_flag,
    "record": _each_record,
    "crossing": _each_crossing,
    "deviation": _each_deviation,
    "reason_owed": _each_reason_owed,
    "proposal": _each_proposal,
    "source": _each_source,
}
