"""The daily digest: one message a colleague on the morning of a working day, with numbers and nothing about anybody.

It counts what their roles owe in their care teams by rank, and says how many reminders came too late to be sent since
their last one. A digest is no message of an episode: a row in `digest`, written before anything leaves, makes it one
a day. It goes out as a message does, through the worker's lanes, breakers and buckets: a channel that hangs or rests
holds up nobody else. What became of a try whose worker died is asked, sent again under the same key, or left as unknown:
as the channel's own rule says.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import assert_never

import structlog

from engine.absence import away
from engine.access import may_read
from engine.calendar import calendar_from
from engine.compiled import Compiled
from engine.model import Actor, Role, Site
from engine.time import clock_from, local_day, start_of, zone
from stepcare.app import App
from stepcare.channels.port import Parcel, Result, temporary, unknown
from stepcare.words import text_of
from stepcare.worker.receivers import ADDRESSLESS, Receiver
from stepcare.worker.sending import Post
from storage.digests import ClaimedDigest, Ended, claim_digest, dropped, last_digest, settle_digest, waiting_digests
from storage.queries import MOST, DueFilter, due_list
from storage.staff import Colleague, Staff
from storage.worklist import RANKS

log = structlog.get_logger("stepcare")

HEAD, DROPPED = "digest_head", "digest_dropped"
LINES = {rank: f"digest_{rank}" for rank in RANKS if rank != "coming"}  # what is still to come is no news today
MORNING, EVENING = time(7), time(18)  # where the site has set no quiet hours for its staff
FIRST_LOOK = timedelta(days=7)  # how far back a colleague's first digest counts what was dropped
MOST_LINES = 5000  # counted for one role; nobody reads a larger number
LEASE = timedelta(minutes=10)
MOST_TRIES = 12
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one colleague is told on one day. `counts`: rank → pieces of work, only ranks that have any.

    `begun` is the channel of the try that is to be followed by another, '' where there was none.
    """

    day: date
    actor: str
    counts: Mapping[str, int]
    dropped: int
    language: str
    begun: str
    subject: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to tell."""
        return not self.counts and not self.dropped


def due_digests(app: App, now: datetime) -> tuple[Digest, ...]:
    """Give the digests to be sent at `now`: those of today that were not begun, and those that want another try.

    None before the end of the staff's quiet hours, none in the evening, none on a day that is not worked, and none
    for who is away, cannot be reached or may read no list. A pathway without words for digests has none.
    """
    site = app.store.site()
    compiled = _speaking(app, site)
    if compiled is None or not is_morning(compiled, app.database.zone, now):
        return ()
    day = local_day(now, app.database.zone)
    done, again = waiting_digests(app.database, day, now)
    return tuple(
        _digest(app, compiled, colleague, now, again.get(name, ""))
        for name, colleague in sorted(Staff(app.database).all().items())
        if name not in done
        and away(site, name, now) is None
        and (colleague.contacts or colleague.channels)
        and any(_readers(colleague))
    )


def deliver_digests(app: App, post: Post, now: datetime) -> Mapping[str, int]:
    """Send what `due_digests` gives, each once; call it as often as you like. Gives how many came to which end."""
    ends: Counter[str] = Counter()
    for digest in due_digests(app, now):
        end = _delivered(app, post, digest)
        if end is not None:
            ends[end] += 1
    return ends


def is_morning(compiled: Compiled, zone_name: str, now: datetime) -> bool:
    """Say whether staff may be told now what can wait: on a working day, outside their quiet hours."""
    local = now.astimezone(zone(zone_name))
    if not calendar_from(compiled.parameters).is_worked(local.date()):
        return False
    begins, ends = _clock(compiled, "staff_quiet_until", MORNING), _clock(compiled, "staff_quiet_from", EVENING)
    shown = local.time().replace(tzinfo=None)
    return begins <= shown < ends if begins < ends else shown >= begins


def _clock(compiled: Compiled, name: str, usual: time) -> time:
    stated = compiled.parameters.get(name)
    return clock_from(stated) if isinstance(stated, str) else usual


def _speaking(app: App, site: Site) -> Compiled | None:
    """Give the first pathway in force that has words for digests, under the site's numbers."""
    every = (app.engine.compiled(sha256) for sha256 in site.pathways.values())
    return next((one for one in every if any(HEAD in texts for texts in one.pathway.templates.values())), None)


# --- what it says -------------------------------------------------------------------------------------------------


def _digest(app: App, compiled: Compiled, colleague: Colleague, now: datetime, begun: str) -> Digest:
    today = local_day(now, app.database.zone)
    owed = _owed(app, colleague, now)
    counts = {rank: owed[rank] for rank in LINES if owed[rank]}
    since = last_digest(app.database, colleague.id, today) or start_of(today - FIRST_LOOK, app.database.zone)
    late = dropped(app.database, sorted(colleague.teams), since, now)
    language = compiled.pathway.languages[0]
    subject, head = text_of(compiled.pathway, HEAD, language)
    lines = [
        head,
        *(f"- {text_of(compiled.pathway, LINES[rank], language, count=many)[1]}" for rank, many in counts.items()),
        *([text_of(compiled.pathway, DROPPED, language, count=late)[1]] if late else []),
    ]
    return Digest(
        day=today,
        actor=colleague.id,
        counts=counts,
        dropped=late,
        language=language,
        begun=begun,
        subject=subject,
        text="\n".join(lines),
    )


def _owed(app: App, colleague: Colleague, now: datetime) -> Counter[str]:
    """Count by rank what they owe: named as theirs, or owed by a role of theirs and nobody else's by name."""
    found: dict[tuple[str, str], str] = {}
    wanted = [DueFilter(teams=frozenset(colleague.teams), owner=colleague.id, limit=MOST)]
    wanted += [DueFilter(teams=frozenset(colleague.teams), owner_role=role, limit=MOST) for role in _readers(colleague)]
    for one in wanted:
        for episode, item, owner, rank in _lines(app, one, now):
            if owner in (None, colleague.id):
                found[episode, item] = rank
    return Counter(found.values())


def _lines(app: App, wanted: DueFilter, now: datetime) -> Iterator[tuple[str, str, str | None, str]]:
    after = ""
    for _ in range(MOST_LINES // MOST):
        page = due_list(app.database, now, replace(wanted, after=after))
        for line in page:
            yield line.episode, line.item.id, line.item.owner or line.episode_owner, line.rank
        if len(page) < wanted.limit:
            return
        after = page[-1].cursor


def _readers(colleague: Colleague) -> Iterator[Role]:
    """Give the roles of theirs that may read lists."""
    return (role for role in colleague.roles if may_read(Actor(id=colleague.id, role=role), "lists"))


# --- how it goes --------------------------------------------------------------------------------------------------


def _delivered(app: App, post: Post, digest: Digest) -> Ended | None:
    """Send one digest; None where it cannot go now: nobody is reached by it, its channel rests, or somebody else has it."""
    colleague = Staff(app.database).find(digest.actor)
    ways = ways_to(colleague, post.channels)
    name = digest.begun if digest.begun in ways else next(iter(ways), None)
    if name is None or not (digest.is_empty or _may_go(post, colleague, name, app.clock())):
        return None
    claimed = claim_digest(app.database, digest.day, digest.actor, channel=name, now=app.clock(), lease=LEASE)
    if claimed is None:
        return None
    if digest.is_empty and not claimed.resumed:
        settle_digest(app.database, claimed, "nothing")
        return "nothing"
    to = _address(colleague, claimed.channel)
    if claimed.channel not in post.channels or not to:  # it was configured, or known, when an earlier claim chose it
        result: Result | None = Result(status="unknown" if claimed.resumed else "permanent", code="no_way")
    else:
        result = _outcome(post, _parcel(app, digest, claimed, to), claimed)
    return _settled(app, claimed, result, ways) if result is not None else None


def _may_go(post: Post, colleague: Colleague, name: str, now: datetime) -> bool:
    """Say whether a channel takes something for them now; what has to wait is looked at again at the next tick."""
    receiver = Receiver(id=colleague.id, channel=name, to=_address(colleague, name))
    return post.is_open(name) and post.wait_for(receiver, "", now) is None


def ways_to(colleague: Colleague, channels: Collection[str]) -> tuple[str, ...]:
    """Give the channels by which a colleague can be reached, in their own order."""
    ways = dict.fromkeys((*colleague.channels, *colleague.contacts))
    return tuple(name for name in ways if name in channels and _address(colleague, name))


def _address(colleague: Colleague, channel: str) -> str:
    """Give where a channel reaches them, empty where it does not; what is written down here says who it is for."""
    return colleague.contacts.get(channel, "").strip() or (colleague.id if channel in ADDRESSLESS else "")


def _parcel(app: App, digest: Digest, claimed: ClaimedDigest, to: str) -> Parcel:
    # The same at every try of this digest, and another one's at every other site that sends through the same receiver.
    key = hashlib.sha256(f"{app.database.origin}\n{digest.day}\n{digest.actor}".encode()).hexdigest()
    return Parcel(
        key=f"digest-{key[:32]}",
        channel=claimed.channel,
        to=to,
        subject=digest.subject,
        text=digest.text,
        language=digest.language,
        attempt=claimed.attempt,
    )


def _outcome(post: Post, parcel: Parcel, claimed: ClaimedDigest) -> Result | None:
    """Send; or, where this or an earlier try may have gone out, do what the channel's rule says.

    None: nobody can say yet; the claim runs out, and then the channel is asked.
    """
    rule = post.rule_of(parcel.channel)
    result = post.send(parcel) if not claimed.resumed or rule == "resend" else unknown("resumed")
    if result.status != "unknown":
        return result
    match rule:
        case "resend":  # under the same key, which the receiver knows: as good as never taken
            return temporary(result.code, result.retry_after)
        case "ask":
            return (post.ask(parcel) or result) if claimed.resumed else None
        case "hand_over":
            return result
        case _ as never:
            assert_never(never)


def _settled(app: App, claimed: ClaimedDigest, result: Result, ways: Sequence[str]) -> Ended | None:
    end, channel = _end(claimed, result, ways)
    try_at = app.clock() + _wait(claimed, result) if end == "waiting" and not channel else None
    kept = settle_digest(
        app.database, claimed, end, try_at=try_at, reference=result.reference, detail=result.code, channel=channel
    )
    if end in ("failed", "unknown"):
        log.warning("digest_not_sent", actor=claimed.actor, day=claimed.day.isoformat(), end=end, code=result.code)
    return end if kept else None


def _end(claimed: ClaimedDigest, result: Result, ways: Sequence[str]) -> tuple[Ended, str]:
    """Give what a try comes to, and the channel that is to take over, '' where none is."""
    again = claimed.attempt < MOST_TRIES
    match result.status:
        case "accepted" | "delivered" | "unknown":
            return result.status, ""
        case "temporary":
            return "waiting" if again else "failed", ""
        case "permanent":
            following = _after(ways, claimed.channel) if again and not claimed.resumed else ""
            return "waiting" if following else "failed", following
        case _ as never:
            assert_never(never)


def _after(ways: Sequence[str], channel: str) -> str:
    """Give the way that comes after a channel in a colleague's order, '' where it was the last."""
    return next(iter(ways[ways.index(channel) + 1 :] if channel in ways else ways), "")


def _wait(claimed: ClaimedDigest, result: Result) -> timedelta:
    """Give how long until the next try: as the receiver asks, else twice as long each time, up to half an hour."""
    return result.retry_after or min(FIRST_WAIT * 2 ** (claimed.attempt - 1), LONGEST_WAIT)
