"""Asking the log of reads: who looked at a person or an episode, which episodes were opened by breaking the glass."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.audit import instant, instant_from
from engine.errors import NotFound, StepcareError
from storage.access import FORMAT, place_of
from storage.connection import Connection
from storage.database import Database
from storage.seal import open_sealed

OPENED, REVIEWED = "break_glass.opened", "break_glass.reviewed"
MOST = 500
COLUMNS = "e.idx, e.entry"
# A list of a person's reads begins at who was seen; the index of the entries would be walked to its end.
SEEN = "e.idx IN (SELECT idx FROM access_seen WHERE ref = :ref)"
SEALED = (
    "SELECT s.blob, s.person_ref, e.entry FROM access_sealed s JOIN access_entry e ON e.idx = s.idx WHERE s.idx = :idx"
)
# In the same words as the partial index.
GLASS = (
    "SELECT e.idx, e.entry FROM access_entry e WHERE e.type = 'break_glass.opened' "
    "AND e.actor = :actor AND e.at > :since ORDER BY e.idx DESC"
)
QUEUE = (
    "SELECT e.idx, e.entry, r.idx, r.entry FROM access_entry e LEFT JOIN access_entry r "
    "ON r.opening = e.idx AND r.type = 'break_glass.reviewed' "
    "WHERE e.type = 'break_glass.opened' ORDER BY e.idx"
)
USED = "SELECT count(*) FROM access_entry WHERE opening = :opening AND type <> 'break_glass.reviewed'"
BY_ID = "SELECT e.idx, e.entry FROM access_entry e WHERE e.id = :id"
ONE_OPENING = "SELECT idx, entry FROM access_entry WHERE idx = :idx AND type = 'break_glass.opened'"
REVIEW_OF = "SELECT idx FROM access_entry WHERE opening = :opening AND type = 'break_glass.reviewed'"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Which reads: every condition that is said must hold. `ref` is a person or an episode; `before` a number.

    The latest come first; `before` is where the page before ended, None: begin with the latest.
    """

    ref: str | None = None
    actor: str | None = None
    what: str | None = None
    opening: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A read as it was noted: its number, and what its entry says."""

    idx: int
    said: dict[str, Any] = field(repr=False)

    @property
    def at(self) -> datetime:
        """Give when it was."""
        return instant_from(self.said["ts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An episode opened by breaking the glass, until a moment. `review` None: the privacy officer has not seen it yet."""

    idx: int
    actor: str
    role: str
    episode: str
    person: str
    reason: str
    at: datetime
    until: datetime
    reviewer: str | None = None
    finding: str | None = None
    review: int | None = None
    used: int = 0


def noted(database: Database, wanted: AccessFilter) -> list[Noted]:
    """Give the reads that are asked for, the latest first."""
    conditions = {
        SEEN: ("ref", wanted.ref),
        "e.actor = :actor": ("actor", wanted.actor),
        "e.type = :what": ("what", wanted.what),
        "e.opening = :opening": ("opening", wanted.opening),
        "e.at >= :since": ("since", instant(wanted.since) if wanted.since else None),
        "e.at < :until": ("until", instant(wanted.until) if wanted.until else None),
        "e.idx < :before": ("before", wanted.before),
    }
    said = {sql: pair for sql, pair in conditions.items() if pair[1] is not None}
    where = f"WHERE {' AND '.join(said)} " if said else ""
    query = f"SELECT {COLUMNS} FROM access_entry e {where}ORDER BY e.idx DESC LIMIT :limit"  # noqa: S608 - our own words
    values: dict[str, Any] = {**dict(said.values()), "limit": wanted.limit}
    with database.reading() as connection:
        return [Noted(idx=idx, said=_said(entry)) for idx, entry in connection.execute(query, values).fetchall()]


def noted_as(database: Database, id_: str) -> Noted | None:
    """Give the read that was noted under an id, None where none was."""
    found = database.look(BY_ID, {"id": id_})
    return None if found is None else Noted(idx=int(found[0]), said=_said(found[1]))


def opening_in_force(
    database: Database, actor: str, episode: str, now: datetime, longest_since: datetime
) -> int | None:
    """Give the break-glass entry by which somebody may read an episode now, None where there is none.

    `longest_since` is the earliest moment at which one that is still in force can have begun.
    """
    with database.reading() as connection:
        found = connection.execute(GLASS, {"actor": actor, "since": instant(longest_since)}).fetchall()
    for idx, entry in found:
        said = _said(entry)
        if episode in said.get("episodes", ()) and instant_from(said["ts"]) <= now < instant_from(said["until"]):
            return int(idx)
    return None


def openings(database: Database) -> list[Opening]:
    """Give every opening, the oldest first, with its review where there is one."""
    with database.reading() as connection:
        found = connection.execute(QUEUE, {}).fetchall()
        return [_opening(connection, *row) for row in found]


def opening_of(connection: Connection, idx: int) -> Opening:
    """Give one opening; NotFound where there is none of this number."""
    found = connection.execute(ONE_OPENING, {"idx": idx}).fetchone()
    if found is None:
        remedy = "`stepcare audit reviews --all` lists what was opened"
        raise NotFound(what="opened episode", name=str(idx), remedy=remedy)
    review = connection.execute(REVIEW_OF, {"opening": idx}).fetchone()
    return _opening(connection, found[0], found[1], review[0] if review else None, None)


def text_of(database: Database, idx: int) -> str:
    """Give what was written with an entry, empty where nothing was; KeyDestroyed once the person is erased."""
    found = database.look(SEALED, {"idx": idx})
    if found is None:
        return ""
    blob, person, entry = found
    said = _said(entry)
    sections = open_sealed(blob, said["c"], database.vault.key(person), place_of(database, said["id"]))
    return str(sections["text"])


def person_of(database: Database, episodes: Sequence[str]) -> list[str]:
    """Give whose these episodes are, each once; who is not here is left out."""
    words = database.backend.words
    match = "= ANY(:ids)" if words.many is list else "IN (SELECT value FROM json_each(:ids))"
    query = f"SELECT DISTINCT person_ref FROM episode WHERE id {match}"  # noqa: S608 - our own words
    with database.reading() as connection:
        return [row[0] for row in connection.execute(query, {"ids": words.many(list(dict.fromkeys(episodes)))})]


def _opening(connection: Connection, idx: int, entry: bytes, review: int | None, reviewed: bytes | None) -> Opening:
    said = _said(entry)
    answer = _said(reviewed) if reviewed is not None else {}
    (used,) = connection.execute(USED, {"opening": idx}).fetchone()
    return Opening(
        idx=idx,
        actor=said["actor"]["id"],
        role=said["actor"]["role"],
        episode=said["episodes"][0],
        person=said["persons"][0],
        reason=said["reason"],
        at=instant_from(said["ts"]),
        until=instant_from(said["until"]),
        reviewer=answer["actor"]["id"] if answer else None,
        finding=answer.get("finding") if answer else None,
        review=review,
        used=used,
    )


def _said(entry: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(entry)
    if said.get("v") != FORMAT:
        raise StepcareError(
            f"An entry of the log of reads has the form {str(said.get('v'))[:40]}: use a newer program."
        )
    return said
