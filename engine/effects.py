"""What follows from a wish once the rules agree: the events, and nothing else.

The due work that follows from the new picture is `plan.py`'s; it is added by `decide` in the same breath.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from engine.compiled import Compiled
from engine.decision import Assigned, Event, Moved, Put, Recorded, Registered, RuleResult
from engine.fold import root_of
from engine.model import Command, Deviation, Episode, Flag, Json, Kind, Level, Stay
from engine.outbox import sent_again
from engine.time import start_of
from engine.view import View
from engine.wishes import RAISE, Wish

CLEAR = "clear_concern"


def events_of(
    compiled: Compiled, episode: Episode, command: Command, wish: Wish, rules: Sequence[RuleResult]
) -> tuple[Event, ...]:
    """Give the events of an accepted wish, in the order they happen."""
    own = _OWN.get(command.kind)
    found: list[Event] = [] if own is None else [own(compiled, episode, command, wish)]
    record = wish.pending.record
    if record is not None:
        personal = compiled.pathway.forms[record.form].person
        found.append(Recorded(record=record, supersedes=wish.pending.supersedes, personal=personal))
    if wish.treatment is not None:
        found.append(Put(item=wish.treatment))
    if command.kind in (Kind.RECORD, Kind.CONTACT, Kind.CORRECT):
        found += _deviations(episode, command, wish, rules)
    if command.kind in (Kind.RECORD, Kind.CONTACT):
        found += _reasons_given(episode, wish)
    found += _flags(compiled, episode, command, wish)
    if wish.transition is not None and wish.target is not None:
        found += _move(compiled, episode, wish, wish.transition, wish.target)
    elif _raised(found) and _may_raise(compiled, episode):
        key, target = _concern(compiled)
        found += _move(compiled, episode, wish, key, target)
    return tuple(found)


def _registered(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Registered:
    values = wish.pending.record.values if wish.pending.record else {}
    return Registered(
        episode=episode.id,
        person=episode.person.id,
        pathway=compiled.hash,
        zone=str(command.values.get("zone") or episode.zone),
        language=str(command.values.get("language") or compiled.pathway.languages[0]),
        team=str(command.values.get("team") or episode.team),
        region=str(values.get("region", "")),
    )


def _assigned(_: Compiled, episode: Episode, command: Command, __: Wish) -> Assigned:
    owner = command.values.get("owner", episode.owner)
    return Assigned(
        owner=str(owner) if owner is not None else None, team=str(command.values.get("team") or episode.team)
    )


def _snoozed(_: Compiled, episode: Episode, command: Command, __: Wish) -> Put:
    item = next(item for item in episode.due_items if item.id == command.values["due_item"])
    until = start_of(date.fromisoformat(str(command.values["until"])), episode.zone)
    return Put(item=replace(item, snoozed_until=until))


def _resent(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Put:
    view = View(compiled, episode, wish.pending, wish.now, wish.day)
    old = next(one for one in episode.messages if one.id == command.values["message"])
    return Put(item=sent_again(view, old, command.id))


_OWN: Mapping[Kind, Callable[[Compiled, Episode, Command, Wish], Event]] = {
    Kind.REGISTER: _registered,
    Kind.ASSIGN: _assigned,
    Kind.SNOOZE: _snoozed,
    Kind.RESEND: _resent,
}


def _deviations(episode: Episode, command: Command, wish: Wish, rules: Sequence[RuleResult]) -> Iterator[Put]:
    """What has happened is never refused: it is kept with the rule it went against, and the reason if one was given.

    A correction says anew what happened; what was a deviation of the old record already is not kept twice.
    """
    corrected = {wish.pending.supersedes} if wish.pending.supersedes else set()
    for record in reversed(episode.records):
        if record.superseded_by in corrected:
            corrected.add(record.id)
    known = {deviation.rule for deviation in episode.deviations if deviation.record in corrected}
    for rule in rules:
        against = not rule.satisfied or rule.override is not None
        if against and rule.id not in known and rule.level not in (Level.FORM, Level.INFO):
            reason = rule.override.reason if rule.override else None
            yield Put(item=Deviation(id=f"{command.id}:{rule.id}", rule=rule.id, record=command.id, reason=reason))


def _reasons_given(episode: Episode, wish: Wish) -> Iterator[Put]:
    """A reason that was owed arrives with any form that names the due item and says `reason`."""
    values = wish.pending.record.values if wish.pending.record else {}
    item, reason = values.get("due_item"), values.get("reason")
    for deviation in episode.deviations:
        if deviation.reason is None and isinstance(reason, str) and item == f"reason_owed:{deviation.id}":
            yield Put(item=replace(deviation, reason=reason))


def _flags(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Iterator[Put]:
    record = wish.pending.record
    if record is None:
        return
    named = wish.pending.move
    if named == CLEAR:
        for flag in episode.flags:
            if flag.cleared_at is None:
                yield Put(item=replace(flag, cleared_at=wish.at))
        return
    open_items = {flag.item for flag in episode.flags if flag.cleared_at is None}
    for item, urgency in _items_raised(compiled, record.form, record.values, raising=named == RAISE).items():
        if item not in open_items:
            yield Put(
                item=Flag(id=f"{command.id}:{item}", item=item, urgency=urgency, opened_at=wish.at, record=command.id)
            )


def _items_raised(compiled: Compiled, form: str, values: Mapping[str, Json], *, raising: bool) -> dict[str, str]:
    """Give the red flags a record raises, each with its urgency.

    A screen raises the present items the pack lets raise; a concern raises what it names, at least itself.
    """
    flags = compiled.pathway.red_flags
    if compiled.pathway.forms[form].raises:
        return {
            item: str(flag.urgency)
            for item, flag in flags.items()
            if flag.on_present == "raise" and values.get(item) == "present"
        }
    if not raising:
        return {}
    said = values.get("flags")
    named: dict[str, str] = {}
    if isinstance(said, list):
        named = {str(item): flags[str(item)].urgency for item in said if item in flags}
    urgency = values.get("urgency")
    if isinstance(urgency, str):
        named = {item: _worse(urgency, known) for item, known in named.items()} or {"concern": urgency}
    return named or {"concern": "routine"}


def _worse(one: str, other: str) -> str:
    order = ("emergency", "urgent", "routine")
    return min(one, other, key=order.index)


def _raised(events: Sequence[Event]) -> bool:
    return any(
        isinstance(event, Put) and isinstance(event.item, Flag) and event.item.cleared_at is None for event in events
    )


def _concern(compiled: Compiled) -> tuple[str, str]:
    key, one = next((key, one) for key, one in compiled.pathway.transitions.items() if one.name == RAISE)
    return key, one.target[0]


def _may_raise(compiled: Compiled, episode: Episode) -> bool:
    """In further evaluation a flag is added and the episode stays; a closed episode keeps the record alone."""
    key, _ = _concern(compiled)
    return key in compiled.enforcer.allowed(episode.state)


def _move(compiled: Compiled, episode: Episode, wish: Wish, key: str, target: str) -> Iterator[Event]:
    kind = compiled.pathway.states[target].kind
    stay, return_to = _next_stay(compiled, episode, wish, key, target), _return_stack(compiled, episode, key, target)
    again = any(one.again == key for one in compiled.pathway.treatments.values())
    yield Moved(
        transition=key,
        source=episode.state,
        target=target,
        kind=kind,
        silent=compiled.pathway.states[target].silent,
        stay=None if again else stay,
        return_to=episode.return_to if again else return_to,
    )
    if kind in ("closed", "void"):
        yield from _silence(episode, _why_silent(compiled, target))


def _next_stay(compiled: Compiled, episode: Episode, wish: Wish, key: str, target: str) -> Stay:
    """Give the stay a move begins: a new one, or the one a hold or a concern interrupted, continued."""
    record = wish.pending.record if wish.transition == key else None
    stay = Stay(
        state=target,
        since=wish.at,
        clock=wish.day,
        transition=key,
        record=record.id if record else None,
    )
    if episode.return_to and episode.return_to[-1][0] == target and compiled.pathway.states[episode.state].paused:
        root = root_of(episode, episode.return_to[-1][1])
        old = episode.stays[root]
        return replace(stay, clock=old.clock, record=old.record, resumed=root)
    return stay


def _return_stack(compiled: Compiled, episode: Episode, key: str, target: str) -> tuple[tuple[str, int], ...]:
    """A hold or a concern remembers where it came from; going back there forgets it, going elsewhere forgets all."""
    if compiled.pathway.transitions[key].returns:
        return (*episode.return_to, (episode.state, len(episode.stays) - 1))
    if episode.return_to and episode.return_to[-1][0] == target:
        return episode.return_to[:-1]
    return ()


def _why_silent(compiled: Compiled, target: str) -> str:
    state = compiled.pathway.states[target]
    return "deceased" if state.silent else "voided" if state.kind == "void" else "closed"


def _silence(episode: Episode, reason: str) -> Iterator[Put]:
    """Whoever has left the pathway hears nothing more from it."""
    for message in episode.messages:
        if message.status == "queued":
            yield Put(item=replace(message, status="cancelled", reason=reason))
