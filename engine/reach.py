"""How a person may be reached: what they said last, and which ways that leaves open.

What they say of it counts per person, over all episodes (the form `contact_preferences`); each answer stands until
another takes its place. Where they never said anything there, the episode's registration counts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from engine.model import DueItem, Json, Message, Record
from engine.view import View

PATIENT = "patient"  # as a recipient; every other one is staff
STAFF = "staff"  # the channel of everybody else: who hears on which way is found out when it is sent
VISIT, WORK = "visit", "work"  # categories: to the person, by their consent; to staff, as part of their work
PREFERENCES, REGISTRATION = "contact_preferences", "registration"
EVERY, NONE = "all", "none"
OPEN = ("open", "on_hold")
USUAL = "console"

# Never sent, and why; `over` gives the first that holds, in this order.
DECEASED = ("cancelled", "deceased")
VOIDED = ("cancelled", "voided")
CLOSED = ("cancelled", "closed")
NOT_OWED = ("cancelled", "cancelled")
NO_CONSENT = ("suppressed", "no_consent")
OPTED_OUT = ("suppressed", "opted_out")


def answering(view: View, key: str) -> Record | None:
    """Give the last record of preferences that answers this question, None where none does."""
    return next((record for record in reversed(view.records(PREFERENCES)) if key in record.values), None)


def said(view: View, key: str) -> Json:
    """Give what the person last said of it, None where they never did."""
    record = answering(view, key)
    return record.values[key] if record else None


def consents(view: View, category: str) -> bool:
    """Say whether the person agreed to messages of this kind; not asked is no.

    A no to whoever registered this episode counts, too, where it came after what was said elsewhere.
    """
    stated, registered = answering(view, "contact_consent"), _registered(view)
    at_the_door = registered.values.get("contact_consent") if registered else None
    if stated is None:
        return at_the_door is True
    later = registered is not None and at_the_door is False and registered.recorded_at > stated.recorded_at
    return category in _codes(stated.values["contact_consent"]) and not later


def refused(view: View) -> frozenset[str]:
    """Give the channels the person does not want, `all` among them where they want none."""
    stated = answering(view, "opted_out") or _registered(view)
    return frozenset(_codes(stated.values.get("opted_out"))) - {NONE} if stated else frozenset()


def order(view: View) -> tuple[str, ...]:
    """Give the channels in the person's order, those they do not want included; never empty."""
    stated, registered = _codes(said(view, "channels")), _registered(view)
    return stated or (str(registered.values.get("contact_channel") or USUAL) if registered else USUAL,)


def is_refused(view: View, channel: str) -> bool:
    """Say whether the person does not want to be reached on this channel."""
    return not refused(view).isdisjoint((channel, EVERY))


def ways(view: View) -> tuple[str, ...]:
    """Give the channels that may be used, in the person's order; one on which nothing arrives comes last."""
    gone, dead = refused(view), failing(view)
    left = [channel for channel in order(view) if gone.isdisjoint((channel, EVERY))]
    return tuple(sorted(left, key=lambda channel: channel in dead))


def failing(view: View) -> frozenset[str]:
    """Give the channels on which the last message to the person failed for good: their contact needs a look."""
    found: set[str] = set()
    for message in view.episode.messages:
        if message.recipient == PATIENT and message.status == "failed":
            found.add(message.channel)
        elif message.recipient == PATIENT and message.status in ("accepted", "delivered"):
            found.discard(message.channel)
    return frozenset(found)


def language(view: View) -> str:
    """Give the language the person is written to in from now on."""
    stated = said(view, "language")
    return str(stated) if stated in view.compiled.pathway.languages else view.episode.language


def opting_out(view: View, channel: str, how: Json) -> dict[str, Json]:
    """Give the answers of the preferences that add this channel (or `all`) to what the person does not want.

    What they said of everything else stands, and is said again, so that the last record tells it all.
    """
    form = view.compiled.pathway.forms[PREFERENCES]
    known: dict[str, Json] = {key: value for key in form.fields if (value := said(view, key)) is not None}
    return {**known, "opted_out": list[Json](sorted({*refused(view), channel})), "how": how}


def over(view: View, message: Message, owed: Mapping[str, str]) -> tuple[str, str] | None:
    """Say what becomes of a message whose time has gone, and the coded reason; None: it may still be sent.

    `owed` says how it stands with the episode's due items (`standing`). What is found here at a commit would be found
    again when the message is about to be sent.
    """
    state = view.compiled.pathway.states.get(view.episode.state)
    theirs, kind = message.recipient == PATIENT, state.kind if state else ""
    if theirs and view.episode.person.deceased:
        return DECEASED
    if kind == "void":
        return VOIDED
    if theirs and kind == "closed":
        return CLOSED
    status = owed.get(message.due_item) if message.due_item else "open"
    if status != "open":
        return ("cancelled", status) if status else NOT_OWED
    if theirs and not consents(view, message.category):
        return NO_CONSENT
    return OPTED_OUT if theirs and is_refused(view, message.channel) else None


def standing(items: Iterable[DueItem], now: datetime) -> dict[str, str]:
    """Say of each due item, by id, how it stands: its status, or snoozed while it is put off."""
    return {
        item.id: "snoozed" if item.status == "open" and item.snoozed_until and item.snoozed_until > now else item.status
        for item in items
    }


def _registered(view: View) -> Record | None:
    found = view.records(REGISTRATION)
    return found[-1] if found else None


def _codes(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()
