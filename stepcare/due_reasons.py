"""Why something was or was not sent, in words: the codes that entries and tries keep, as people say them."""

from collections.abc import Mapping

# What a message is now.
STATUSES: Mapping[str, str] = {
    "queued": "waits to be sent",
    "cancelled": "taken back before it was sent",
    "suppressed": "not sent",
    "expired": "not sent: it came too late",
    "accepted": "sent; the receiver's service has taken it",
    "delivered": "sent, and reported as delivered",
    "failed": "not delivered",
    "unknown": "it is not known whether it was sent",
    "dead": "given up after many tries",
}

# What a timer is now.
STATES: Mapping[str, str] = {
    "armed": "waits for its time",
    "fired": "its time came, and it did what it was for",
    "cancelled": "taken back: the plan changed before its time",
    "stale": "its time came, but its work was no longer owed",
    "expired": "its time had passed by too much: nothing was sent",
    "skipped": "its time had passed, and something newer said the same",
}

# Why it ended so.
REASONS: Mapping[str, str] = {
    "no_consent": "the person has not agreed to be contacted about this",
    "opted_out": "the person has asked not to be contacted in this way",
    "no_channel": "the person has named no way to be reached that is still open",
    "deceased": "the person has died",
    "erased": "the person's record was erased",
    "closed": "the episode is over",
    "voided": "the episode was opened by mistake",
    "silent": "nobody is reminded in this state",
    "done": "the work it was about is done",
    "cancelled": "the work it was about is no longer owed",
    "moved": "the work it was about has another date now",
    "snoozed": "the work it was about was put off",
    "on_hold": "the episode is on hold or in evaluation",
    "no_address": "there is no address for this way of reaching them",
    "nobody": "there is nobody who could take it: no colleague has this role in the care team",
    "quiet": "it waits for the end of the quiet hours",
    "cap_day": "the person was sent as much today as the site allows",
    "cap_week": "the person was sent as much this week as the site allows",
    "expired": "its time had passed by too much",
    "too_late": "its time had passed by too much",
    "not_yet": "its time has not come",
    "on_its_way": "it had gone out before it was taken back",
    "replaced": "another message stands in for it",
    "tries": "it was tried as often as a message is",
    "crashes": "each try broke off before it was known how it ended",
    "restored": "the database was restored from a backup: it may have been sent before that",
    "replay_guard": "the database was restored from a backup: it may have been sent before that",
    "bounced": "it came back as undeliverable",
    "complaint": "the receiver's service took it for unwanted mail",
    "no_template": "its text is not in the pathway",
    "crashed": "a worker broke off while it was being sent",
    "early": "its time had not come",
    "dead": "it broke off each time it was begun",
    "drift": "the row and the log do not agree: run `stepcare audit verify`",
    "not_in_the_log": "the log knows nothing of it: run `stepcare audit verify`",
    "refused": "it was refused",
    "unknown_kind": "this version of Stepcare does not know this kind of work",
    "unreadable": "its row cannot be read",
    "recalled": "it was taken back while it was on its way, and had not gone out",
    "no_lane": "the channel had no hand free: it waits for its turn",
    "resting": "the channel failed several times in a row and is left alone for a while",
    "not-found": "what it belongs to is not here: run `stepcare audit verify`",
    "key-destroyed": "the key to the person's record was destroyed",
    "unverifiable": "the log and the rows do not agree: run `stepcare audit verify`",
    "many_attempts": "it was begun several times and never ended",
}


def reason_in_words(code: str | None) -> str | None:
    """Say a code in words; a channel's own codes are given as they are, None for none."""
    if not code:
        return None
    head, _, rest = code.partition(":")
    if head in REASONS:
        return f"{REASONS[head]} ({rest})" if rest else REASONS[head]
    return f"the channel says {code}"


def status_in_words(status: str, reason: str = "") -> str:
    """Say what a message is, and why where that is known."""
    said = STATUSES.get(status, status)
    if status in ("accepted", "delivered") and reason not in REASONS:
        return said  # how the channel words its yes is in the tries
    why = reason_in_words(reason)
    return f"{said}: {why}" if why and why not in said else said
