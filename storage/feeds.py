"""Secret addresses of calendar feeds, and the work that such a calendar shows.

Of an address only the SHA-256 of its secret is kept. Secrets are 256 random bits, so the plain hash gives nothing
away, and its first letters may serve as a name. A colleague has one address at a time.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from engine.audit import instant, instant_from
from engine.errors import NotFound
from engine.model import DueItem
from storage.connection import rows
from storage.database import Database
from storage.rows import due_item_from_row
from storage.tables import TABLES, Row

ID_LETTERS = 12
COLUMNS = "token_hash, actor, covers, made_at, expires_at, revoked_at"
ADD = f"INSERT INTO feed ({COLUMNS}) VALUES (:token_hash, :actor, :covers, :made_at, :expires_at, NULL)"  # noqa: S608 - our own words
ONE = f"SELECT {COLUMNS} FROM feed WHERE token_hash = :token_hash"  # noqa: S608 - our own words
ALL = f"SELECT {COLUMNS} FROM feed ORDER BY made_at, token_hash"  # noqa: S608 - our own words
REVOKE = "UPDATE feed SET revoked_at = :now WHERE token_hash = :token_hash AND revoked_at IS NULL"
REVOKE_OF = "UPDATE feed SET revoked_at = :now WHERE actor = :actor AND revoked_at IS NULL AND expires_at > :now"


class Covers(StrEnum):
    """Whose work a feed shows: all that the colleague's care teams owe, or only what the colleague owes."""

    TEAM = "team"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One secret address. `actor` is the pseudonym of a colleague; `revoked_at` None: it was not taken back."""

    token_hash: str = field(repr=False)
    actor: str
    covers: Covers
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    @property
    def id(self) -> str:
        """Give its name, for lists and for taking it back."""
        return self.token_hash[:ID_LETTERS]

    def stands(self, now: datetime) -> bool:
        """Say whether it may still be read."""
        return self.revoked_at is None and now < self.expires_at


def add_feed(database: Database, feed: Feed) -> bool:
    """Keep a new address, and take back the colleague's former one in the same commit; says whether there was one."""
    row = {
        "token_hash": feed.token_hash,
        "actor": feed.actor,
        "covers": feed.covers.value,
        "made_at": instant(feed.made_at),
        "expires_at": instant(feed.expires_at),
    }
    with database.writing() as connection:
        former = connection.execute(REVOKE_OF, {"actor": feed.actor, "now": row["made_at"]}).rowcount
        connection.execute(ADD, row)
    return bool(former)


def find_feed(database: Database, token_hash: str) -> Feed | None:
    """Give the feed of a secret's hash, also one that is over; None where there is none."""
    found = database.look(ONE, {"token_hash": token_hash})
    return _feed(found) if found else None


def all_feeds(database: Database) -> list[Feed]:
    """Give every feed, the oldest first, also those that are over."""
    with database.reading() as connection:
        return [_feed(row) for row in connection.execute(ALL, {}).fetchall()]


def revoke_feed(database: Database, id_: str, now: datetime) -> bool:
    """Take an address back for ever; False where that was done before. NotFound where there is none of this name."""
    found = [one for one in all_feeds(database) if one.id == id_]
    if not found:
        raise NotFound(what="feed", name=id_[:40], remedy="`stepcare feed list` shows those that are here")
    for one in found:
        if one.revoked_at is None:
            with database.writing() as connection:
                connection.execute(REVOKE, {"token_hash": one.token_hash, "now": instant(now)})
            return True
    return False


def _feed(row: Any) -> Feed:
    token_hash, actor, covers, made_at, expires_at, revoked_at = row
    return Feed(
        token_hash=token_hash,
        actor=actor,
        covers=Covers(covers),
        made_at=instant_from(made_at),
        expires_at=instant_from(expires_at),
        revoked_at=instant_from(revoked_at) if revoked_at else None,
    )


# --- what a calendar shows ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """One piece of work with a date, and what a calendar needs to know of its episode.

    `version` is the episode's: it has risen whenever anything about the item has changed. `changed_at` is the
    instant of that version.
    """

    item: DueItem
    episode: str
    person: str
    zone: str
    version: int
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Which work a calendar shows: of these teams, owed by `owner` (None: by anybody), due before `until`.

    What was taken back stays while it would have been due at or after `since`, and episodes that are over stay while
    they were changed since then.
    """

    teams: frozenset[str]
    owner: str | None
    since: datetime
    until: datetime
    most: int


OF_ITEM = [column.name for column in TABLES["due_item"].columns if column.name not in ("team", "assignee", "place")]
STATUSES = ("open", "on_hold", "cancelled")


def dated_work(database: Database, wanted: Shown) -> list[Dated]:
    """Give the work that is open, on hold or was taken back, the earliest due first; at most `most` lines."""
    teams = sorted(wanted.teams)
    if not teams:
        return []
    values: dict[str, str | int] = {f"team{number}": team for number, team in enumerate(teams)}
    values |= {"since": instant(wanted.since), "until": instant(wanted.until), "most": wanted.most}
    if wanted.owner is not None:
        values["owner"] = wanted.owner
    with database.reading() as connection:
        found = rows(connection.execute(_statement(len(teams), owned=wanted.owner is not None), values))
    return [_dated(row) for row in found]


def _statement(teams: int, *, owned: bool) -> str:
    """Give the query. It walks the teams' episodes; those that were closed long ago are passed over by their row."""
    among = ", ".join(f":team{number}" for number in range(teams))
    columns = ", ".join(f"due_item.{name}" for name in OF_ITEM)
    states = ", ".join(f"'{one}'" for one in STATUSES)
    whose = "AND COALESCE(due_item.owner, episode.owner) = :owner " if owned else ""
    return (
        f"SELECT {columns}, episode.person_ref, episode.zone, episode.version, episode.updated_at "  # noqa: S608 - our own words
        f"FROM episode JOIN due_item ON due_item.episode_id = episode.id WHERE episode.team IN ({among}) {whose}"
        f"AND (episode.closed_at IS NULL OR episode.updated_at >= :since) AND due_item.status IN ({states}) "
        "AND (due_item.status <> 'cancelled' OR due_item.due_at >= :since) AND due_item.due_at < :until "
        "ORDER BY due_item.due_at, due_item.episode_id, due_item.id LIMIT :most"
    )


def _dated(row: Row) -> Dated:
    return Dated(
        item=due_item_from_row(row),
        episode=row["episode_id"],
        person=row["person_ref"],
        zone=row["zone"],
        version=row["version"],
        changed_at=instant_from(row["updated_at"]),
    )
