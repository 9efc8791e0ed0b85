"""What makes one due item of each policy: a stay, a treatment, a flag, a record, a border of chronicity, a deviation.

Each gives the items that should be there now, by occurrence; `plan.py` compares them with what is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from engine.compiled import CompiledDue
from engine.derive import onset
from engine.fold import root_of
from engine.model import DueItem, Episode, Flag, Record
from engine.outbox import undelivered
from engine.time import start_of
from engine.view import View

OPEN = ("open", "on_hold")
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
    for state, root in dict.fromkeys((*layers, (episode.state, view.present))):
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


def _each_message(view: View, due: CompiledDue) -> Iterator[Wanted]:
    """Messages that reached nobody, as long as the episode is: owed until somebody has been in touch in another way."""
    if _is_closed(view.episode, view):
        return
    there = {item.occurrence: item for item in view.owed(due.name)}
    for message in undelivered(view):
        here = there.get(message.id)
        yield Wanted(occurrence=message.id, anchor=here.anchor if here else view.now, kept=here is not None)


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
    "message": _each_message,
    "source": _each_source,
}
