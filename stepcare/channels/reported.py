"""What comes back from outside: receipts, bounces, complaints, and people who want no more.

Each is said as a command first, then kept as a receipt: whoever dies in between is told again by the sender, and the
command's key makes the second telling nothing new. A receipt that is kept is never taken a second time.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from engine.errors import Erased, NotFound, Unverifiable
from engine.model import Actor, Command, Json, Kind, Outcome, Role
from engine.reach import EVERY, PATIENT, STAFF, is_refused
from engine.time import local_day
from engine.view import Pending, View
from stepcare.app import App
from stepcare.channels.dsn import ReportKind, answer_in, report_in
from stepcare.channels.replies import is_opt_out
from storage.pump import Pump
from storage.queries import MOST, EpisodeFilter, episodes
from storage.sight import whose

log = structlog.get_logger("stepcare.channels")

OUTSIDE = Actor(id="outside", role=Role.SERVICE)
Taken = Literal["kept", "known", "not_ours", "not_kept"]
How = Literal["stop_reply", "unsubscribe"]
GONE = (NotFound, Erased, Unverifiable)  # the person was erased since: there is nothing left to write to


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a receiver reports of one message, under its own name for it. `code` is digits or a word, '' for none."""

    channel: str
    reference: str
    kind: ReportKind
    code: str = ""


def take_report(app: App, reported: Reported, via: str) -> Taken:
    """Act on a report, and keep it; `via` says how it came in.

    not_ours: no message went out under that name, or not yet. not_kept: a person wants no more, and no episode of theirs
    takes it, so somebody has to see to it. Raises Conflict where others keep changing the episode.
    """
    pump = Pump(app.database, "outside")
    # A message to staff is kept under that word: which way each colleague hears is found out as it is sent.
    ways = (reported.channel, STAFF)
    found = next((one for way in ways if (one := pump.message_of(way, reported.reference)) is not None), None)
    if found is None:
        return "not_ours"
    try:
        if reported.kind in ("delivered", "bounced"):
            _say(app, found, reported, via)
        elif _is_to_the_person(app, *found):
            how: How = "unsubscribe" if reported.kind == "complaint" else "stop_reply"
            if not opt_out(app, whose(app.database, found[0])[1], reported.channel, how, via):
                return "not_kept"
    except GONE:
        return "not_ours"
    is_new = pump.received(reported.channel, reported.reference, reported.kind, app.clock(), reported.code)
    return "kept" if is_new else "known"


def take_mail(app: App, data: bytes, channel: str) -> Taken | Literal["nothing"]:
    """Act on a mail that came back: a report about a message of ours, or a person's answer that says stop.

    `channel` is the one whose mailbox it came to. nothing: it is neither, and somebody should read it.
    """
    report, answer = report_in(data), answer_in(data)
    if report is not None:
        said = Reported(channel=channel, reference=report.reference, kind=report.kind, code=report.code)
        return take_report(app, said, "mail")
    if answer is not None and is_opt_out(answer[1]):
        return take_report(app, Reported(channel=channel, reference=answer[0], kind="opted_out"), "mail")
    return "nothing"


def _is_to_the_person(app: App, episode: str, message: str) -> bool:
    """Say whether a message went to the person themselves: a colleague's no is not theirs."""
    return any(one.id == message and one.recipient == PATIENT for one in app.store.episode(episode).messages)


def opt_out(app: App, person: str, channel: str, how: How, via: str) -> int:
    """Keep that a person wants no more on a channel; gives in how many of their episodes it stands, 0: in none.

    Said in each open episode, so that each changes and no worker sends by what it saw before; without an open one, in
    their latest. Said twice, it stands once. Raises Conflict where others keep changing an episode.
    """
    to_tell: dict[str, bool] = {}
    for episode in _about(app, person):
        # Asked before the first is told: that one's entry counts for the person, and so for all of them.
        with suppress(*GONE):
            to_tell[episode] = _wants(app, episode, channel)
    done = sum(not wants or _declined(app, one, channel, how, via) for one, wants in to_tell.items())
    if not done:
        log.warning("not kept", code="opted_out", kind=channel)
    return done


def _about(app: App, person: str) -> list[str]:
    """Give the episodes in which it is to stand: all that are open, else the latest."""
    theirs = EpisodeFilter(person=person, open_only=True, limit=MOST)
    found = episodes(app.database, theirs) or episodes(app.database, replace(theirs, open_only=False))[-1:]
    return [line.id for line in found]


def _wants(app: App, episode: str, channel: str) -> bool:
    """Say whether an episode has to be told: it does not say so yet, or something still waits to be sent all the same.

    What the person said last in another episode of theirs counts here as well.
    """
    now, found = app.clock(), app.store.episode(episode)
    view = View(app.engine.compiled(found.pathway), found, Pending(), now, local_day(now, found.zone))
    waits = any(
        one.status == "queued" and one.recipient == PATIENT and channel in (one.channel, EVERY)
        for one in found.messages
    )
    return waits or not is_refused(view, channel)


def _declined(app: App, episode: str, channel: str, how: How, via: str) -> bool:
    values: dict[str, Json] = {"channel": channel, "how": how}
    command = Command(id=app.make_id(), kind=Kind.OPT_OUT, actor=OUTSIDE, episode=episode, values=values, via=via)
    with suppress(*GONE):
        return app.engine.handle(command).decision.outcome is Outcome.ACCEPTED
    return False


def _say(app: App, where: tuple[str, str], reported: Reported, via: str) -> None:
    """Say it as an entry; one that no longer fits (failed already, sent again) is refused there, and that is well."""
    episode, message = where
    result, reason = "delivered", ""
    if reported.kind == "bounced":
        result, reason = "failed", f"bounced:{reported.code}" if reported.code else "bounced"
    values: dict[str, Json] = {"message": message, "result": result, "reason": reason}
    key = hashlib.sha256(f"{reported.channel} {reported.reference} {reported.kind}".encode()).hexdigest()
    app.engine.handle(
        Command(id=app.make_id(), kind=Kind.DELIVER, actor=OUTSIDE, episode=episode, values=values, key=key, via=via)
    )
