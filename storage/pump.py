"""Due work, claimed by any number of workers: leases, fences, tries, and what keeps them from sending too much.

A lease keeps workers apart for a while and counts what was begun; it decides nothing. That a timer fires once, and
that a message ends once, is the commit of its entry, which looks at the episode's version. Nothing here is an entry.

What a row's claim means for whoever dies with it:

* claimed, nothing more: the try is counted, the row is free again when the lease is over
* intended (`sending`): whoever claims it next is told that it may have been sent (`resumed`)
* tried, the outcome kept, its entry not: whoever claims it next is told the outcome (`known`) and only has to say it
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from engine.audit import instant, instant_from
from engine.errors import InvalidInput
from storage import statements_pump as sql
from storage.claims import AGAIN, ENDS, Claimed, ClaimedMessage, ClaimedTimer, Try, WorkerAlive, message_of, timer_of
from storage.connection import Connection, rows
from storage.database import Database
from storage.sqlite import Sqlite
from storage.tables import Row

Table = Literal["timer", "message"]
T = TypeVar("T", ClaimedTimer, ClaimedMessage)
UNREADABLE = "unreadable:invalid-input"
LEASE = timedelta(seconds=30)
WINDOW = 500  # rows among which the clinically most urgent are looked for
FORGOTTEN_AFTER = timedelta(days=7)  # a worker without a heartbeat, a bucket nobody took from
WHOLE = 1_000_000  # a token, in the millionths that buckets count


class Pump:
    """One worker's hand on the due work. Its threads may share it."""

    def __init__(self, database: Database, worker: str, lease: timedelta = LEASE) -> None:
        """Work as `worker`, an id that no other process has or ever had: a restart is another worker."""
        self._database, self.worker, self.lease = database, worker, lease
        self._locked = not isinstance(database.backend, Sqlite)

    # --- leases -------------------------------------------------------------------------------------------------------

    def claim_timers(self, now: datetime, limit: int = 100) -> list[ClaimedTimer]:
        """Claim timers whose instant has come, the clinically most urgent first, then the longest due."""
        return self._read("timer", self._claim("timer", sql.claim("timer"), now, limit, {}), timer_of, now)

    def claim_messages(
        self, now: datetime, limit: int = 20, channels: Sequence[str] | None = None
    ) -> list[ClaimedMessage]:
        """Claim queued messages that may be tried now, in the same order; `channels` None: of any channel."""
        if channels is not None and not channels:
            return []
        asked = {f"channel{number}": name for number, name in enumerate(channels or ())}
        found = self._claim("message", sql.claim("message", len(asked)), now, limit, asked)
        return self._read("message", found, message_of, now)

    def claim_recalled(self, now: datetime, limit: int = 20) -> list[ClaimedMessage]:
        """Claim messages that were taken back while they were on their way, and of which no entry says it: say it now.

        All are `resumed`. `attempted` as deferred lets go of one for good.
        """
        return self._read("message", self._claim("message", sql.RECALLED, now, limit, {}), message_of, now)

    def _claim(self, table: Table, statement: str, now: datetime, limit: int, more: Row) -> list[Row]:
        asked = {"now": instant(now), "most": limit} | more
        if statement != sql.RECALLED:
            asked["window"] = max(WINDOW, limit)
        with self._database.writing() as connection:
            found = rows(connection.execute(self._skipping(table, statement), asked))
            mine = [_key(row) | self._lease(now) for row in found]
            if mine:
                connection.executemany(sql.LEASE[table], mine)
            # Whoever let go of it would have taken their name off.
            lost = sum(row["lease_owner"] is not None for row in found)
            if lost:
                _add(connection, {"lease_expired": lost})
        return found

    def _read(self, table: Table, found: Sequence[Row], read: Callable[[Row], T], now: datetime) -> list[T]:
        """Give the rows that can be read; any other is put aside for a person, and holds nobody up."""
        claimed: list[T] = []
        for row in found:
            try:
                claimed.append(read(row))
            except InvalidInput:
                self.park(table, row["episode_id"], row["id"], UNREADABLE, now)
        return claimed

    def renew(self, now: datetime) -> None:
        """Prolong every lease of this worker that is not yet over, but for rows just being written by others."""
        for table in ("timer", "message"):
            asked = {"now": instant(now), "worker": self.worker}
            with self._database.writing() as connection:
                found = rows(connection.execute(self._skipping(table, sql.HELD_BY[table]), asked))
                until = instant(now + self.lease)
                if found:
                    connection.executemany(sql.PROLONG[table], [_key(row) | {"until": until} for row in found])

    def release(self, claimed: Claimed, *, try_at: datetime | None = None, error: str = "") -> bool:
        """Let go of a row; False: the fence has moved on, it is somebody else's.

        `error` (a code) counts as a try; without one the claim is given back. `try_at`: nobody claims it before.
        """
        table: Table = "timer" if isinstance(claimed, ClaimedTimer) else "message"
        values = self._held(claimed) | {
            "try_at": instant(try_at) if try_at else None,
            "error": error or None,
            "back": 0 if error else 1,
        }
        with self._database.writing() as connection:
            return _changed(connection, sql.RELEASE[table], values)

    def park(self, table: Table, episode: str, id: str, why: str, now: datetime) -> None:  # noqa: A002 - its name
        """Put a row aside, with a code that says why: nobody claims it, nobody deletes it, `unpark` brings it back."""
        with self._database.writing() as connection:
            if _changed(connection, sql.PARK[table], {"episode": episode, "id_": id, "why": why or "unknown"}):
                _add(connection, {f"{table}_parked": 1})
                connection.execute(sql.GAUGE, {"name": "last_parked", "value": 1, "at": instant(now)})

    def unpark(self, table: Table, episode: str, id: str) -> bool:  # noqa: A002 - its name
        """Bring a parked row back, its tries forgotten; False: it was not parked."""
        with self._database.writing() as connection:
            return _changed(connection, sql.UNPARK[table], {"episode": episode, "id_": id})

    # --- sending ------------------------------------------------------------------------------------------------------

    def intend(  # noqa: PLR0913 - what was looked at, and by which way it goes to whom
        self,
        claimed: ClaimedMessage,
        now: datetime,
        version: int,
        receiver: str = "",
        channel: str = "",
        *,
        person_version: int | None = None,
    ) -> bool:
        """Say that this message is about to be handed over, durably; False: do not.

        False where the lease is over or somebody else's, the message is no longer queued, or the episode or the person
        (`person_version`; None: not asked) is no longer at the version that `may_send` looked at: somebody may have died
        or said no in another episode. `channel`: the receiver's own, where it is not the message's.
        """
        values = self._held(claimed) | {"now": instant(now)}
        with self._database.writing() as connection:
            locked = " FOR SHARE" if self._locked else ""
            found = connection.execute(sql.STANDS_AT + locked, {"episode": claimed.episode}).fetchone()
            stands = found is not None and found[0] == version and person_version in (None, found[1])
            if not stands or not _changed(connection, sql.INTEND, values):
                return False
            connection.execute(sql.TRIED, self._try(claimed, now, "sending", receiver, channel))
        return True

    def attempted(  # noqa: PLR0913, PLR0917 - an outcome has as many parts
        self,
        claimed: ClaimedMessage,
        now: datetime,
        status: str,
        reference: str | None = None,
        detail: str = "",
        receiver: str = "",
        try_at: datetime | None = None,
        channel: str = "",
        *,
        beside: bool = False,
    ) -> bool:
        """Keep what became of a try; False: the fence has moved on (the step is kept, the message is not touched).

        `beside`: another receiver's answer decides about the message, this one is only kept.
        temporary, deferred: the message is free again, from `try_at` on; a deferred one gives its try back. The
        others end it: the lease stays until an entry says so, and whoever finds it without one is told the outcome.
        `detail` is a code. InvalidInput for another status.
        """
        if status not in ENDS + AGAIN:
            raise InvalidInput(f"A try ends as one of {', '.join(ENDS + AGAIN)}, not {status[:40]!r}.")
        values = self._held(claimed) | {"error": detail if detail and status not in ENDS[:2] else None}
        if status in ENDS:
            statement, values = sql.KNOWN, values | {"stage": status}
        else:
            later = {"try_at": instant(try_at) if try_at else None, "back": int(status == "deferred")}
            statement, values = sql.AGAIN, values | later
        with self._database.writing() as connection:
            mine = beside or _changed(connection, statement, values)
            row = self._try(claimed, now, status, receiver, channel) | {"provider_ref": reference, "detail": detail}
            connection.execute(sql.TRIED, row)
        return mine

    def tries(self, episode: str, message: str) -> list[Try]:
        """Give every step of every try with a message, in order."""
        with self._database.reading() as connection:
            found = rows(connection.execute(sql.TRIES, {"episode": episode, "id_": message}))
        return [
            Try(
                fence=row["fence"],
                at=instant_from(row["at"]),
                status=row["status"],
                channel=row["channel"],
                receiver=row["receiver"],
                reference=row["provider_ref"],
                detail=row["detail"],
                worker=row["worker"],
            )
            for row in found
        ]

    def received(self, channel: str, reference: str, kind: str, now: datetime, detail: str = "") -> bool:
        """Keep a receipt (delivered | bounced | complaint | opted_out); False: it was kept before."""
        row = {"channel": channel, "reference": reference, "kind": kind, "at": instant(now), "detail": detail}
        with self._database.writing() as connection:
            return _changed(connection, sql.RECEIVED, {**row, "id": number_of(channel, reference, kind)})

    def message_of(self, channel: str, reference: str) -> tuple[str, str] | None:
        """Give (episode, message) that a receiver's own reference stands for, None where nothing was sent under it."""
        found = self._database.look(sql.MESSAGE_OF, {"channel": channel, "reference": reference})
        return (found[0], found[1]) if found is not None else None

    def sent_to(self, person: str, since: datetime) -> int:
        """Count the messages that receivers accepted for this patient since then, over all their episodes."""
        return int(self._database.look(sql.SENT_TO, {"person": person, "since": instant(since)})[0])

    # --- the worker itself --------------------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """Give the earliest instant at which there is something to claim, which may be past; None: nothing waits.

        What somebody holds is due when their lease is over.
        """
        (due,) = self._database.look(sql.NEXT_DUE, {})
        try:
            return instant_from(due) if due is not None else None
        except InvalidInput:  # a row that cannot be read is there to be put aside: now
            return datetime.min.replace(tzinfo=UTC)

    def beat(self, now: datetime, version: str, place: str) -> None:
        """Say that this worker is alive; who has been silent for a week is forgotten."""
        at, before = instant(now), {"before": instant(now - FORGOTTEN_AFTER)}
        with self._database.writing() as connection:
            row = {"id": self.worker, "started_at": at, "beat_at": at, "version": version, "place": place}
            connection.execute(sql.BEAT, row)
            connection.execute(sql.FORGET_WORKERS, before)
            connection.execute(sql.FORGET_BUCKETS, before)

    def workers(self) -> list[WorkerAlive]:
        """Give every worker that is not forgotten, in the order they began."""
        with self._database.reading() as connection:
            return [
                WorkerAlive(
                    id=row["id"],
                    started_at=instant_from(row["started_at"]),
                    beat_at=instant_from(row["beat_at"]),
                    version=row["version"],
                    place=row["place"],
                )
                for row in rows(connection.execute(sql.WORKERS, {}))
            ]

    def count(self, **names: int) -> None:
        """Add to counters, all in one commit."""
        with self._database.writing() as connection:
            _add(connection, names)

    def gauge(self, name: str, value: int, now: datetime) -> None:
        """Keep a value as it is now."""
        with self._database.writing() as connection:
            connection.execute(sql.GAUGE, {"name": name, "value": value, "at": instant(now)})

    def take(self, key: str, rate_per_s: float, burst: int, now: datetime) -> float:
        """Take a token from a bucket; 0.0: taken, else the seconds until there is one (`inf`: never).

        A bucket holds `burst` tokens, is full at first, and gains `rate_per_s`. A clock that is stepped back fills
        nothing.
        """
        with self._database.writing() as connection:
            full = {"key": key, "tokens": burst * WHOLE, "at": instant(now)}
            connection.execute(sql.FILL, full)
            locked = " FOR UPDATE" if self._locked else ""
            tokens, at = connection.execute(sql.LEFT_IN + locked, {"key": key}).fetchone()
            passed = max(0.0, (now - instant_from(at)).total_seconds())
            tokens = min(burst * WHOLE, tokens + int(passed * rate_per_s * WHOLE))
            short = WHOLE - tokens
            if short > 0:
                return short / WHOLE / rate_per_s if rate_per_s > 0 else float("inf")
            connection.execute(sql.TAKE, {"key_": key, "tokens": tokens - WHOLE, "at": max(instant(now), at)})
        return 0.0

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _skipping(self, table: Table | str, statement: str) -> str:
        return statement + sql.SKIP_LOCKED[table] if self._locked else statement

    def _lease(self, now: datetime) -> Row:
        return {"worker": self.worker, "until": instant(now + self.lease)}

    def _held(self, claimed: Claimed) -> Row:
        return {"episode": claimed.episode, "id_": claimed.id, "seen": claimed.fence, "worker": self.worker}

    def _try(self, claimed: ClaimedMessage, now: datetime, status: str, receiver: str, channel: str) -> Row:
        return {
            "id": number_of(claimed.episode, claimed.id, str(claimed.fence), receiver, status),
            "episode_id": claimed.episode,
            "message_id": claimed.id,
            "at": instant(now),
            "status": status,
            "provider_ref": None,
            "detail": "",
            "fence": claimed.fence,
            "worker": self.worker,
            "channel": channel or claimed.channel,
            "receiver": receiver,
        }


def number_of(*about: str) -> int:
    """Give the number of a row that is only added: made of what it is about, so nobody has to hand numbers out."""
    return int.from_bytes(hashlib.sha256("\x00".join(about).encode()).digest()[:8]) >> 1


def _key(row: Row) -> Row:
    return {"episode": row["episode_id"], "id_": row["id"]}


def _changed(connection: Connection, statement: str, values: Row) -> bool:
    return bool(connection.execute(statement, values).rowcount)


def _add(connection: Connection, names: dict[str, int]) -> None:
    for name, value in sorted(names.items()):  # in one order, so that no two wait for each other
        connection.execute(sql.ADD, {"name": name, "value": value, "at": None})
