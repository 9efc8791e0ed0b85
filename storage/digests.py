"""Digests: one a day and colleague, claimed by a row before it is sent; and what was dropped meanwhile.

A digest is about no episode, so it is no message of one and no entry: its row is operational. The row is committed
before anything leaves, as a message's intent is, so that a crash leaves an intent without an outcome, and the
channel's own rule says what becomes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from engine.audit import instant, instant_from
from storage.connection import Connection
from storage.database import Database

Ended = Literal["waiting", "accepted", "delivered", "failed", "unknown", "nothing"]

ADD = (
    "INSERT INTO digest (day, actor, made_at, status, channel, attempt, lease_until, detail) "
    "VALUES (:day, :actor, :now, 'sending', :channel, 1, :until, '') ON CONFLICT DO NOTHING"
)
STATE = "SELECT status, channel, attempt, lease_until, try_at FROM digest WHERE day = :day AND actor = :actor"
# The attempt that was seen must still be the last one: of two workers who saw it, one takes it.
AGAIN = (
    "UPDATE digest SET status = 'sending', channel = :channel, attempt = attempt + 1, lease_until = :until, "
    "try_at = NULL WHERE day = :day AND actor = :actor AND attempt = :seen AND status = :status"
)
SETTLE = (
    "UPDATE digest SET status = :status, lease_until = NULL, try_at = :try_at, reference = :reference, "
    "detail = :detail, channel = :channel WHERE day = :day AND actor = :actor AND attempt = :attempt AND status = 'sending'"
)
LAST = "SELECT max(made_at) FROM digest WHERE actor = :actor AND day < :day"
DONE = "SELECT actor, status, try_at, lease_until, channel FROM digest WHERE day = :day"
# Whatever expired since then changed its episode since then: the rest is passed over by its row.
DROPPED = (
    "SELECT count(*) FROM episode JOIN {table} AS one ON one.episode_id = episode.id WHERE episode.team IN ({among}) "
    "AND episode.updated_at >= :since AND one.{column} = 'expired' AND one.expires_at > :since "
    "AND one.expires_at <= :now"
)

NEVER = "~"  # after every instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDigest:
    """A digest that is ours to send. `attempt` counts from 1 and is the fence.

    `resumed`: an earlier claim's intent has no outcome, so it may have been sent by `channel` already.
    """

    day: date
    actor: str
    channel: str
    attempt: int
    resumed: bool


def claim_digest(  # noqa: PLR0913 - whose, of which day, by what, and until when
    database: Database, day: date, actor: str, *, channel: str, now: datetime, lease: timedelta
) -> ClaimedDigest | None:
    """Claim a colleague's digest of a day, and write the intent to send it; None where it is done, or another's."""
    values = {"day": day.isoformat(), "actor": actor, "now": instant(now), "channel": channel}
    values["until"] = instant(now + lease)
    with database.writing() as connection:
        if connection.execute(ADD, values).rowcount:
            return ClaimedDigest(day=day, actor=actor, channel=channel, attempt=1, resumed=False)
        return _again(connection, values, day)


def _again(connection: Connection, values: dict[str, str], day: date) -> ClaimedDigest | None:
    status, before, attempt, lease_until, try_at = connection.execute(STATE, values).fetchone()
    resumed = status == "sending"
    when = lease_until if resumed else try_at
    if status not in ("sending", "waiting") or (when is not None and when > values["now"]):
        return None
    # What may have gone out by one channel is never sent by another.
    channel = before if resumed else values["channel"]
    taken = connection.execute(AGAIN, {**values, "channel": channel, "seen": attempt, "status": status}).rowcount
    if not taken:
        return None
    return ClaimedDigest(day=day, actor=values["actor"], channel=channel, attempt=attempt + 1, resumed=resumed)


def settle_digest(  # noqa: PLR0913 - the outcome, as a channel says it
    database: Database,
    claimed: ClaimedDigest,
    status: Ended,
    *,
    try_at: datetime | None = None,
    reference: str | None = None,
    detail: str = "",
    channel: str = "",
) -> bool:
    """Keep what became of a claimed digest; False where somebody has claimed it since: then this comes too late.

    waiting: it was certainly not taken, and is tried again at `try_at` (None: at once), by `channel` ('': the same one).
    nothing: there was nothing to tell.
    """
    values = {
        "day": claimed.day.isoformat(),
        "actor": claimed.actor,
        "attempt": claimed.attempt,
        "status": status,
        "try_at": instant(try_at) if try_at else None,
        "reference": reference,
        "detail": detail,
        "channel": channel or claimed.channel,
    }
    with database.writing() as connection:
        return bool(connection.execute(SETTLE, values).rowcount)


def waiting_digests(database: Database, day: date, now: datetime) -> tuple[frozenset[str], dict[str, str]]:
    """Give whose digest of a day was begun: those that nobody need look at now; and who wants another try, by which channel."""
    moment = instant(now)
    with database.reading() as connection:
        found = connection.execute(DONE, {"day": day.isoformat()}).fetchall()
    again: dict[str, str] = {}
    for actor, status, try_at, lease_until, channel in found:
        due = {"waiting": try_at, "sending": lease_until}.get(status, NEVER)
        if (due or "") <= moment:
            again[actor] = channel
    return frozenset(actor for actor, *_ in found) - again.keys(), again


def last_digest(database: Database, actor: str, before: date) -> datetime | None:
    """Give when a colleague's last digest of an earlier day was made, None where there was none."""
    found = database.look(LAST, {"actor": actor, "day": before.isoformat()})
    return instant_from(found[0]) if found and found[0] else None


def dropped(database: Database, teams: Sequence[str], since: datetime, now: datetime) -> int:
    """Count what came too late to be sent for these care teams' episodes: timers and messages that expired since then."""
    if not teams:
        return 0
    among = ", ".join(f":team{number}" for number in range(len(teams)))
    values = {f"team{number}": team for number, team in enumerate(teams)}
    values |= {"since": instant(since), "now": instant(now)}
    with database.reading() as connection:
        return sum(
            int(connection.execute(DROPPED.format(table=table, column=column, among=among), values).fetchone()[0])
            for table, column in (("timer", "state"), ("message", "status"))
        )
