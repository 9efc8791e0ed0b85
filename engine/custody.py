"""The custody of what is kept: legal holds, erasure, retention runs, the census, and the keys of log and vault.

None of it is about one episode, and none of it needs a pathway. Erasing a person takes two people and no legal hold;
announcing a key of the log takes two people, because whoever announces a key alone could sign a log of their own.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from engine.access import why_not
from engine.audit import instant_from
from engine.closing import Closing
from engine.decide import signer_denied
from engine.decision import Decision, Erased, Held, KeyAnnounced, KeyGone, Put, Released, Retained, RuleResult
from engine.errors import InvalidInput, near
from engine.model import Command, Erasure, Hold, Json, Kind, Level, LogKey, Person, Request, Role, Site
from engine.site_answer import accepted, invalid, refused, second_person, unsatisfied
from engine.weigh import denial

# What each command must say, and nothing else.
FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.HOLD: frozenset({"person", "reason", "matter"}),
    Kind.RELEASE: frozenset({"person", "hold"}),
    Kind.ERASE: frozenset({"person", "basis"}),
    Kind.DESTROYED: frozenset({"person"}),
    Kind.RETAIN: frozenset({"runs"}),
    Kind.CENSUS: frozenset({"size", "count", "root"}),
    Kind.LOG_KEY: frozenset({"vkey", "size"}),
    Kind.VAULT_KEY: frozenset({"keys"}),
}
HOLD_REASONS = ("litigation", "complaint", "investigation", "law", "audit")
# The grounds of Article 17(1) GDPR, in its order.
BASES = ("no_longer_necessary", "consent_withdrawn", "objection", "unlawful", "legal_obligation")
RETAINED = ("idempotency_keys", "reads", "messages", "due_for_erasure")
ERASERS = (Role.LEAD, Role.ADMINISTRATOR)
KEY_HOLDERS = (Role.LEAD, Role.PRIVACY_OFFICER)
HELD, STILL_OPEN, TWO_ERASE, TWO_KEY = "ERASE-01", "ERASE-02", "ERASE-03", "KEY-01"
OTHER_EPISODES = (
    "The log has other episodes of this person than their picture, which is so while one is just being opened: "
    "try again; if it stays so, run `stepcare audit verify`."
)
_MATTER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_ROOT = re.compile(r"[0-9a-f]{64}")
_VKEY = re.compile(r"[!-*,-~]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{8,150}=*")


def custody_asked(site: Site, command: Command) -> Command | None:
    """Give the command of custody that is asked, or whose request is answered; None for any other command."""
    if command.kind in FIELDS:
        return command
    if command.kind is not Kind.SIGN_OFF or command.episode is not None:
        return None
    request = next((one for one in site.requests if one.id == command.of), None)
    return request.command if request is not None and request.command.kind in FIELDS else None


def person_asked(site: Site, command: Command) -> str | None:
    """Name the person whose picture the decision needs, None where it needs none."""
    asked = custody_asked(site, command)
    if asked is None or asked.kind not in (Kind.HOLD, Kind.ERASE):
        return None
    person = asked.values.get("person")
    return person if isinstance(person, str) and erasure_of(site, person) is None else None


def erasure_of(site: Site, person: str) -> Erasure | None:
    """Give the erasure of a person, None where they were not erased."""
    return next((one for one in site.erasures if one.person == person), None)


def decide_custody(
    site: Site, command: Command, now: datetime, person: Person | None = None, closing: Closing | None = None
) -> Decision:
    """Decide a command of custody, or a second person's answer to one. Same arguments, same decision.

    `closing` are the entries about the person so far (None: not looked for; then nobody is erased).
    """
    why = why_not(command.actor, command.kind, None)
    if why:
        return refused(command, now, denial(why))
    if command.kind is Kind.SIGN_OFF:
        return _sign_off(site, command, now, person, closing)
    if set(command.values) != FIELDS[command.kind]:
        said = ", ".join(sorted(FIELDS[command.kind]))
        return invalid(command, now, f"{command.kind} takes exactly {said}.")
    return _DECIDES[command.kind](site, command, now, person)


# --- legal hold ---------------------------------------------------------------------------------------------------


def _hold(site: Site, command: Command, now: datetime, person: Person | None) -> Decision:
    reason, matter = str(command.values["reason"]), str(command.values["matter"])
    if person is None:
        return invalid(command, now, _gone(site, command))
    if reason not in HOLD_REASONS:
        return invalid(command, now, f"There is no reason {reason[:40]!r} for a hold. {near(reason, HOLD_REASONS)}")
    if not _MATTER.fullmatch(matter):
        return invalid(command, now, "A matter is a code of small letters, digits, . _ and -, 40 at most, no sentence.")
    hold = Hold(id=command.id, person=person.id, reason=reason, matter=matter, since=now)
    return accepted(command, now, Held(hold=hold))


def _release(site: Site, command: Command, now: datetime, _: Person | None) -> Decision:
    named, of = command.values["hold"], command.values["person"]
    if not any(hold.id == named and hold.person == of for hold in site.holds):
        return invalid(command, now, "There is no such hold on this person: `stepcare audit hold list` shows them.")
    return accepted(command, now, Released(hold=str(named)))


# --- erasure ------------------------------------------------------------------------------------------------------


def _erase(site: Site, command: Command, now: datetime, person: Person | None) -> Decision:
    basis = str(command.values["basis"])
    if person is None:
        return invalid(command, now, _gone(site, command))
    if basis not in BASES:
        return invalid(command, now, f"There is no basis {basis[:40]!r} for an erasure. {near(basis, BASES)}")
    stopped = _stops(site, person)
    if stopped:
        return refused(command, now, *stopped)
    rule = unsatisfied(
        TWO_ERASE,
        Level.HS2,
        "Erasing a person cannot be undone: it takes two people.",
        f"Ask another person ({' or '.join(ERASERS)}) to approve it within 72 hours.",
        "gdpr_17",
    )
    return second_person(command, now, rule, ERASERS)


def _stops(site: Site, person: Person) -> tuple[RuleResult, ...]:
    """Give every rule that nobody may pass: a legal hold, an episode that is still open."""
    found = []
    holds = [hold for hold in site.holds if hold.person == person.id]
    if holds:
        said = ", ".join(f"{hold.id} ({hold.reason}, {hold.matter})" for hold in holds)
        found.append(
            unsatisfied(
                HELD,
                Level.HSX,
                f"A legal hold is in force: {said}.",
                "Wait until the privacy officer has released it.",
                "gdpr_17",
            )
        )
    running = sorted(episode for episode, (_, kind) in person.episodes.items() if kind not in ("closed", "void"))
    if running:
        found.append(
            unsatisfied(
                STILL_OPEN,
                Level.HSX,
                f"Care is still under way: {', '.join(running)}.",
                "Discharge or close the episode first, then ask again.",
                "gdpr_17",
            )
        )
    return tuple(found)


def _destroyed(site: Site, command: Command, now: datetime, _: Person | None) -> Decision:
    person = str(command.values["person"])
    erasure = erasure_of(site, person)
    if erasure is None:
        return invalid(command, now, "This person was not erased: a key is destroyed after an erasure only.")
    if erasure.destroyed is not None:
        return invalid(command, now, "That this person's key was destroyed is in the log already.")
    return accepted(command, now, KeyGone(person=person, at=now))


def _gone(site: Site, command: Command) -> str:
    erasure = erasure_of(site, str(command.values["person"]))
    return f"The person was erased by entry {erasure.id}." if erasure else "Say whom it is about, by their reference."


# --- the log and the vault ----------------------------------------------------------------------------------------


def _retain(_: Site, command: Command, now: datetime, __: Person | None) -> Decision:
    try:
        events = [_run(one) for one in _list(command.values["runs"])]
    except InvalidInput as error:
        return invalid(command, now, str(error))
    if not events or any(event.before > now for event in events):
        return invalid(command, now, "A retention run takes away what is past, of at least one kind.")
    return accepted(command, now, *events)


def _run(value: Json) -> Retained:
    match value:
        case {"what": str(what), "before": str(before), "count": int(count), **rest} if not rest and count >= 0:
            if what in RETAINED:
                return Retained(what=what, before=instant_from(before), count=count)
    raise InvalidInput(f"A retention run is what ({', '.join(RETAINED)}), before (an instant) and count.")


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _census(_: Site, command: Command, now: datetime, __: Person | None) -> Decision:
    size, count, root = (command.values[name] for name in ("size", "count", "root"))
    if not _is_count(size) or not _is_count(count) or not isinstance(root, str) or not _ROOT.fullmatch(root):
        return invalid(command, now, "A census is the log's size, the number of episodes, and a root of 64 hex digits.")
    return accepted(command, now)


def _log_key(_: Site, command: Command, now: datetime, __: Person | None) -> Decision:
    vkey, size = command.values["vkey"], command.values["size"]
    if not isinstance(vkey, str) or not _VKEY.fullmatch(vkey) or not _is_count(size):
        return invalid(
            command, now, "Give the verifier key as C2SP writes it, NAME+ID+KEY, and the size it holds from."
        )
    rule = unsatisfied(
        TWO_KEY,
        Level.HS2,
        "Whoever holds the log's key can sign a log of their own: announcing one takes two people.",
        f"Ask another person ({' or '.join(KEY_HOLDERS)}) to approve it within 72 hours.",
        "c2sp_note",
    )
    return second_person(command, now, rule, KEY_HOLDERS)


def _vault_key(_: Site, command: Command, now: datetime, __: Person | None) -> Decision:
    if not _is_count(command.values["keys"]):
        return invalid(command, now, "Say how many data keys the new key-encryption key wraps.")
    return accepted(command, now)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_Decides = Callable[[Site, Command, datetime, Person | None], Decision]
_DECIDES: Mapping[Kind, _Decides] = {
    Kind.HOLD: _hold,
    Kind.RELEASE: _release,
    Kind.ERASE: _erase,
    Kind.DESTROYED: _destroyed,
    Kind.RETAIN: _retain,
    Kind.CENSUS: _census,
    Kind.LOG_KEY: _log_key,
    Kind.VAULT_KEY: _vault_key,
}


# --- a second person's yes ----------------------------------------------------------------------------------------


def _sign_off(site: Site, command: Command, now: datetime, person: Person | None, closing: Closing | None) -> Decision:
    request = next(one for one in site.requests if one.id == command.of)
    answer = command.values.get("answer")
    if answer not in ("yes", "no", True, False):
        return invalid(command, now, "Answer yes or no.")
    denied = signer_denied(command, request, None)
    if denied is None and (request.status != "open" or now > request.expires_at):
        denied = replace(denial("This request can no longer be answered: ask again."), id="SIGN-01")
    if denied is not None:
        return refused(command, now, denied)
    if answer in ("no", False):
        return accepted(command, now, Put(item=replace(request, status="refused")))
    approved = Put(item=replace(request, status="approved"))
    if request.command.kind is Kind.LOG_KEY:
        return accepted(command, now, approved, KeyAnnounced(key=_key_of(request)))
    if person is None:
        return invalid(command, now, _gone(site, request.command))
    # Asked again: a hold may have come, or an episode been opened, since it was requested.
    stopped = _stops(site, person)
    if stopped:
        return refused(command, now, *stopped)
    # What was moved to this person past the program must not be closed with them.
    if closing is None or closing.episodes.keys() != person.episodes.keys():
        return invalid(command, now, OTHER_EPISODES)
    basis = str(request.command.values["basis"])
    erasure = Erasure(id=command.id, person=person.id, basis=basis, at=now)
    return accepted(command, now, approved, Erased(erasure=erasure, closes=closing))


def _key_of(request: Request) -> LogKey:
    values = request.command.values
    size = values["size"]
    return LogKey(vkey=str(values["vkey"]), size=size if isinstance(size, int) else 0)
