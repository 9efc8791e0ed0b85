"""The messages a decision puts down: written for a rung, handed to the next channel, or sent once more.

A message that must not go is put down all the same, as suppressed or expired with its reason: so the question why it
was not sent has an answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine.decision import Put
from engine.model import DueItem, Episode, Json, Message, Timer
from engine.pathway import DuePolicy, Rung
from engine.quiet import first_try, next_allowed
from engine.reach import OPTED_OUT, PATIENT, STAFF, VISIT, WORK, language, order, over, standing, ways
from engine.view import View

ENDED_BADLY = ("failed", "unknown", "dead")
LATE = ("expired", "quiet")  # the window in which it might be sent begins after it has expired


def written(view: View, rung: Rung, item: DueItem, timer: Timer) -> Message:
    """Write the message of a rung that fires; its id is episode, timer, recipient and channel, so that it exists once.

    `item` is the work as it will be.
    """
    theirs = rung.to == PATIENT
    recipient = view.episode.owner if rung.to == "owner" and view.episode.owner else rung.to
    channel = (*ways(view), *order(view))[0] if theirs else STAFF
    id_ = f"{view.episode.id}:{timer.id}:{recipient}:{channel}"
    priority = _priority(view.compiled.pathway.due, item)
    message = Message(
        id=id_,
        template=rung.template or "",
        language=language(view) if theirs else view.compiled.pathway.languages[0],
        recipient=recipient,
        channel=channel,
        due_item=item.id,
        not_before=first_try(view.compiled, view.episode, recipient, view.now, id_, priority=priority),
        expires_at=timer.expires_at,
        category=VISIT if theirs else WORK,
    )
    return settled(view, message, standing((item,), view.now))


def settled(view: View, message: Message, owed: Mapping[str, str]) -> Message:
    """Give a new message as it stands: queued, or ended at once with the reason why it does not go."""
    end = over(view, message, owed)
    if end is None and message.expires_at is not None and message.not_before > message.expires_at:
        end = LATE
    if end is None:
        return message
    # Taken back is what was queued; this never was.
    status = "suppressed" if end[0] == "cancelled" else end[0]
    return replace(message, status=status, reason=end[1])


def withdrawn(view: View, items: Sequence[DueItem], moved: frozenset[str]) -> Iterator[Put]:
    """Take back what is still queued and has lost its reason; what may no longer go one way goes the next.

    `items` are the due items after the decision, `moved` those whose window it put off.
    """
    queued = [message for message in view.episode.messages if message.status == "queued"]
    owed = standing(items, view.now) if queued else {}
    for message in queued:
        end = over(view, message, owed)
        if end is None and message.due_item in moved:
            end = ("cancelled", "moved")
        if end is not None:
            yield Put(item=replace(message, status=end[0], reason=end[1]))
        if end == OPTED_OUT and (channel := next_channel(view, message)) is not None:
            yield Put(item=handed_on(view, message, channel))


def next_channel(view: View, message: Message) -> str | None:
    """Give the next of the person's channels that was not tried for this message yet, None where none is left."""
    tried = {one.channel for one in _chain(view.episode, message)}
    return next((channel for channel in ways(view) if channel not in tried), None)


def handed_on(view: View, message: Message, channel: str) -> Message:
    """Give the message that stands in for another on the next channel, under a name of its own."""
    id_ = f"{message.id.removesuffix(f':{message.channel}')}:{channel}"
    at = max(view.now, message.not_before)
    return _again(view, replace(message, id=id_, channel=channel), message.id, at, message.expires_at)


def sent_again(view: View, message: Message, command: str) -> Message:
    """Give the message by which a person has another one sent once more; it has as long as the first had."""
    channel = message.channel
    if message.recipient == PATIENT:
        open_ways = ways(view)
        channel = channel if channel in open_ways else (*open_ways, channel)[0]
    expires = None if message.expires_at is None else view.now + (message.expires_at - message.not_before)
    fresh = replace(message, id=f"{message.id}+{command}", channel=channel)
    return _again(view, fresh, message.id, view.now, expires)


def why_not_again(view: View, named: Json) -> str:
    """Say why the message of this id cannot be sent once more, empty where it can."""
    message = next((one for one in view.episode.messages if one.id == named), None)
    if message is None or message.status not in ENDED_BADLY:
        what = f"is {message.status}" if message else "is not here"
        return f"Message {str(named)[:200]!r} {what}: only one that failed, is unknown or was given up is sent again."
    if any(one.follows == message.id for one in view.episode.messages):
        return f"Message {message.id} was handed on or sent again already: look at the one that follows it."
    fresh = sent_again(view, message, "")
    if fresh.status != "queued":
        return f"It would not go ({fresh.reason}): get in touch in another way, and record the contact."
    return ""


def _again(view: View, fresh: Message, follows: str, at: datetime, expires: datetime | None) -> Message:
    item = next((one for one in view.episode.due_items if one.id == fresh.due_item), None)
    priority = _priority(view.compiled.pathway.due, item) if item else "normal"
    allowed = next_allowed(view.compiled, view.episode, fresh.recipient, at, fresh.id, priority=priority)
    queued = replace(
        fresh, follows=follows, status="queued", reason="", reference=None, not_before=allowed, expires_at=expires
    )
    return settled(view, queued, standing(view.episode.due_items, view.now))


def undelivered(view: View) -> tuple[Message, ...]:
    """Give the messages that reached nobody and that nothing stands in for: somebody has to look at them.

    For staff only what is in doubt: their next rung comes anyhow. What is about a message itself makes no more work.
    """
    lost = [one for one in view.episode.messages if _reached_nobody(one)]
    if not lost:
        return ()
    followed = {one.follows for one in view.episode.messages}
    about = {one.id for one in view.episode.due_items if _each(view, one) == "message"}
    return tuple(one for one in lost if one.id not in followed and one.due_item not in about)


def _reached_nobody(message: Message) -> bool:
    if message.recipient != PATIENT:
        return message.status in ("unknown", "dead")
    return message.status in ENDED_BADLY or (message.status, message.reason) == ("suppressed", "no_address")


def _each(view: View, item: DueItem) -> str:
    policy = view.compiled.pathway.due.get(item.kind)
    return policy.each if policy else ""


def _priority(policies: Mapping[str, DuePolicy], item: DueItem) -> str:
    policy = policies.get(item.kind)
    return policy.priority if policy else "normal"


def _chain(episode: Episode, message: Message) -> Iterator[Message]:
    """Give a message and what it stands in for, back to the first."""
    by_id = {one.id: one for one in episode.messages}
    found: Message | None = message
    while found is not None:
        yield found
        found = by_id.get(found.follows or "")
