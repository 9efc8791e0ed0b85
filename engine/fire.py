"""What a timer's instant means: for the worker, as `decide` is for people.

Nothing here moves a clinical state: a fired rung writes messages, raises the item's rung, or proposes work that a
person decides on. A timer that the plan has left behind is stale; a reminder that comes too late is expired.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from engine.access import why_not
from engine.compiled import Compiled
from engine.decision import Decision, Event, Put
from engine.fold import fold
from engine.ladder import instant_of, moved_by_zone, position_of, rung_of, verdict
from engine.model import Command, DueItem, Episode, Json, Outcome, Timer
from engine.outbox import written
from engine.pathway import DuePolicy, Rung
from engine.picture import broken_invariants, picture
from engine.plan import plan
from engine.time import after, local_day
from engine.view import Pending, View

REPLAN = "replan"  # in `of`: not one timer, but the whole plan under changed parameters
RESOLVE = "resolve"  # in `of`: not one timer, but every wall time under changed time zone rules


def fire(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Decide what the timer named by `command.of` means at `now`.

    Same arguments, same decision, for ever. `taken` says fired, stale, expired (too late) or
    skipped (a newer one speaks for it).
    """
    refusal = why_not(command.actor, command.kind, episode)
    if command.of == REPLAN and not refusal:
        return _replan(compiled, episode, command, now)
    if command.of == RESOLVE and not refusal:
        return _resolve(compiled, episode, command, now)
    timer = next((one for one in episode.timers if one.id == command.of and one.state == "armed"), None)
    view = View(compiled, episode, Pending(actor=command.actor), now, local_day(now, episode.zone))
    if refusal or timer is None or timer.at > now:
        why = refusal or ("" if timer is None else f"Timer {timer.id} is not due before {timer.at.isoformat()}.")
        return decided(view, command, (), taken="stale", problem=why)
    item = next((one for one in episode.due_items if one.id == timer.due_item), None)
    policy = compiled.pathway.due[timer.kind]
    rung = rung_of(policy, position_of(timer))
    if item is None or item.status != "open" or rung is None:
        return decided(view, command, (Put(item=replace(timer, state="stale")),), taken="stale")
    fate = verdict(view, policy, item, timer)
    state = "fired" if fate == "fire" else "expired"
    escalated = fate == "fire" and rung.kind == "escalate"
    passed = replace(item, fired=position_of(timer) + 1, rung=item.rung + escalated, snoozed_until=None)
    said = _rung_events(view, rung, passed, timer) if fate == "fire" else ()
    events = (Put(item=replace(timer, state=state)), Put(item=passed), *said)
    return decided(view, command, events, taken="skipped" if fate == "skipped" else state)


def _replan(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Give every open item the site's present numbers; reminders whose new time has passed are listed, not sent."""
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    events = plan(view, view, (), command.id, replan=True)
    passed = [
        event.item.id
        for event in events
        if isinstance(event, Put) and isinstance(event.item, DueItem) and event.item.status == "open"
        for at, rung in forecast(view, compiled.pathway.due[event.item.kind], event.item)
        if rung.kind == "remind" and at < now
    ]
    decision = decided(view, command, (), taken="replanned")
    return replace(decision, events=events, derived={"passed": list[Json](passed)})


def _resolve(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Decision:
    """Move what a wall clock armed to where that clock stands now; what was promised keeps its numbers.

    Worth asking only where `moved_by_zone` finds something: after the time zone rules of the machine were renewed.
    """
    view = View(compiled, episode, Pending(), now, local_day(now, episode.zone))
    moved = tuple(Put(item=timer) for timer in moved_by_zone(view))
    return decided(view, command, moved, taken="resolved")


def decided(view: View, command: Command, events: tuple[Event, ...], *, taken: str, problem: str = "") -> Decision:
    """Give a decision of the worker's with the due work that follows; a `problem` makes it INVALID."""
    compiled, episode = view.compiled, view.episode
    acted = view.after(fold(episode, events, episode.version + 1), Pending())
    if events:
        events = (*events, *plan(acted, acted, (), command.id))
    # Time alone can break a track's rule (a course turns chronic, a pause ends): what no longer holds is shown here.
    alerts = broken_invariants(acted)
    return Decision(
        outcome=Outcome.INVALID if problem else Outcome.ACCEPTED,
        command=command,
        now=view.now,
        pathway=compiled.hash,
        parameters=compiled.parameters_hash,
        state_before=episode.state,
        state=episode.state,
        rules=alerts,
        prompts=tuple(rule.id for rule in alerts),
        events=events,
        taken=taken,
        problem=problem,
        derived=picture(acted),
    )


def _rung_events(view: View, rung: Rung, item: DueItem, timer: Timer) -> Iterator[Event]:
    if rung.kind == "propose" and rung.proposes:
        yield from _proposal(view, rung.proposes, item)
    if rung.template:
        yield Put(item=written(view, rung, item, timer))


def _proposal(view: View, kind: str, item: DueItem) -> Iterator[Event]:
    """Put work in front of a person, once per occurrence, when the pack's condition holds."""
    due = next(one for one in view.compiled.due if one.name == kind)
    waiting = any(
        one.kind == kind and one.occurrence == item.id and one.status in ("open", "on_hold")
        for one in view.episode.due_items
    )
    if waiting or (due.when is not None and due.when.evaluate(view) is not True):
        return
    anchor = view.now
    opens, length = view.compiled.written(due.policy.opens), view.compiled.written(due.policy.due)
    end = after(anchor, length, view.episode.zone)
    yield Put(
        item=DueItem(
            id=f"{kind}:{item.id}",
            kind=kind,
            occurrence=item.id,
            title=due.policy.title,
            anchor=anchor,
            opens_after=opens,
            due_after=length,
            opens_at=after(anchor, opens, view.episode.zone),
            due_at=end,
            due_on=local_day(end, view.episode.zone),
            owner_role=due.policy.owner,
        )
    )


def forecast(view: View, policy: DuePolicy, item: DueItem) -> Iterator[tuple[datetime, Rung]]:
    """Give the rungs still to come of an item, each with its instant; a repeating last rung is given once."""
    for position in range(item.fired, max(len(policy.ladder), item.fired + 1)):
        rung, at = rung_of(policy, position), instant_of(view, policy, item, position)
        if rung is not None and at is not None:
            yield at, rung
