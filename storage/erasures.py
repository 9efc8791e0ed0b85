"""Erasing a person, step by step, each of which can be repeated: what is still to be done is a row in the database.

1. the entry's commit empties what lists and jobs say of them (`schema_erasure.py`); nothing is sealed about them again
2. the vault forgets who they are and destroys their key
3. the files of both are scrubbed of old pages
4. an entry says that it is done

Whoever dies in between leaves the row that names the person; `finish` goes on from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.census import Census, census_of
from engine.closing import Closing, Tally
from engine.errors import NotFound
from storage import statements as sql
from storage.connection import Connection
from storage.database import Database
from storage.vault import KeyDestroyed

ENDS_AT = "SELECT leaf FROM audit_entry WHERE ep = :ep AND epn = :epn"
ABOUT = (
    "SELECT e.ep, e.leaf FROM audit_sealed s JOIN audit_entry e ON e.idx = s.idx "
    "WHERE s.person_ref = :person AND s.idx >= 0 AND s.idx < (SELECT n FROM audit_head WHERE id = 1) ORDER BY s.idx"
)
HEAD = "SELECT n FROM audit_head WHERE id = 1"
AFFECTED = {
    "episodes": "SELECT count(*) FROM episode WHERE person_ref = :person",
    "sealed_entries": "SELECT count(*) FROM audit_sealed WHERE person_ref = :person",
    "due_items": "SELECT count(*) FROM due_item WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = :person)",
    "timers": "SELECT count(*) FROM timer WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = :person)",
    "messages": "SELECT count(*) FROM message WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = :person)",
    "tries": "SELECT count(*) FROM delivery_attempt WHERE episode_id IN "
    "(SELECT id FROM episode WHERE person_ref = :person)",
    "idempotency_keys": "SELECT count(*) FROM idempotency WHERE entry IN (SELECT e.id FROM audit_sealed s "
    "JOIN audit_entry e ON e.idx = s.idx WHERE s.person_ref = :person)",
    "sealed_reads": "SELECT count(*) FROM access_sealed WHERE person_ref = :person",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What the database says of a person's erasure: by which entry, when, and which entry ended it (None: none yet)."""

    person: str
    entry: str
    at: str
    destroyed: str | None


def erasure_of(database: Database, person: str) -> Erasure | None:
    """Give a person's erasure, None for one who was not erased."""
    found = database.look(sql.ERASURE_OF, {"person": person})
    return None if found is None else Erasure(person=person, entry=found[0], at=found[1], destroyed=found[2])


def closing_of(connection: Connection, person: str) -> Closing:
    """Give what erasing a person would close for ever: every entry about them, as this reader sees the log."""
    tally = Tally()
    for episode, leaf in connection.execute(ABOUT, {"person": person}).fetchall():
        tally.add(episode, bytes(leaf))
    return tally.closing


def affected_by(database: Database, person: str) -> dict[str, int]:
    """Count what erasing a person would empty, remove or close for ever."""
    with database.reading() as connection:
        return {name: connection.execute(query, {"person": person}).fetchone()[0] for name, query in AFFECTED.items()}


def to_destroy(database: Database) -> list[str]:
    """Give the erased persons whose destruction is not ended, or whose key is in the vault again (an old backup)."""
    with database.reading() as connection:
        waiting = {row[0] for row in connection.execute(sql.TO_DESTROY, {}).fetchall()}
        erased = [row[0] for row in connection.execute(sql.ERASED, {}).fetchall()]
    return [person for person in erased if person in waiting or has_key(database, person)]


def has_key(database: Database, person: str) -> bool:
    """Say whether the vault still (or again) has a person's key."""
    try:
        database.vault.key(person)
    except (KeyDestroyed, NotFound):
        return False
    return True


def destroy(database: Database, person: str, now: datetime) -> bool:
    """Destroy an erased person's key and forget who they are; doing it again changes nothing.

    True when no file of ours holds a trace any more; False when somebody's long reading keeps old pages alive: then
    do it again later.
    """
    try:
        gone = database.vault.destroy_key(person, now)
    except NotFound:  # an older vault was put in its place, from before the person was added
        gone = True
    return database.scrub() and gone


def take_census(database: Database) -> Census:
    """Take the census of the log as it is now: every episode's last entry."""
    with database.reading() as connection:
        (size,) = connection.execute(HEAD, {}).fetchone()
        ends = connection.execute(sql.ENDS, {"size": size}).fetchall()
        leaves = {
            episode: (number, bytes(connection.execute(ENDS_AT, {"ep": episode, "epn": number}).fetchone()[0]).hex())
            for episode, number in ends
        }
    return census_of(size, leaves)


def old_keys(database: Database, before: str) -> int:
    """Count the idempotency keys used before an instant."""
    (count,) = database.look(sql.OLD_KEYS, {"before": before})
    return int(count)


def people_closed_before(database: Database, before: str) -> Iterator[str]:
    """Give the persons all of whose episodes were closed before an instant, and who were not erased."""
    query = (
        "SELECT person_ref FROM episode WHERE person_ref NOT IN (SELECT person_ref FROM erasure) GROUP BY person_ref "
        "HAVING count(*) = count(closed_at) AND max(closed_at) < :before ORDER BY person_ref"
    )
    with database.reading() as connection:
        yield from (row[0] for row in connection.execute(query, {"before": before}).fetchall())
