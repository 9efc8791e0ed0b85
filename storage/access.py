"""The second log: who looked at what. An entry for each request, committed before its answer is given.

An entry is canonical JSON of the shape `stepcare/access/1`: pseudonyms, coded words and numbers, never a name and never
anybody's own words. What somebody writes (why they opened an episode that is not theirs) is sealed under the person's
key, like the sealed parts of the main log. The tree is kept as the main log's: leaf 0x00, node 0x01, one frontier.

Reads wait in a queue of their own and share a commit; whoever's read cannot be noted is shown nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from engine.audit import canonical, instant
from engine.errors import NotNoted, StepcareError, VerificationFailed
from engine.merkle import Frontier, leaf_hash
from engine.model import Json
from storage.connection import Connection
from storage.database import Database
from storage.queue import Queue
from storage.seal import Place, Random, seal
from storage.statements import ONE
from storage.tables import TABLES, Row, compiled

FORMAT = "stepcare/access/1"
SUFFIX = "/access"  # of the main log's origin: the second log's own
MOST_REFS = 500  # persons, and as many episodes, in one entry: a longer list is several entries of one request
HEAD, ENTRY, SEALED = TABLES["access_head"], TABLES["access_entry"], TABLES["access_sealed"]


def _insert(table: str) -> str:
    return compiled(insert(TABLES[table]).values({one.name: bindparam(one.name) for one in TABLES[table].columns}))


ADD_READ, ADD_SEALED = _insert("access_entry"), _insert("access_sealed")
HEAD_NOW = compiled(select(HEAD.c.n, HEAD.c.rooted, HEAD.c.frontier).where(HEAD.c.id == ONE))
HEAD_WHOLE = compiled(
    select(HEAD.c.n, HEAD.c.rooted, HEAD.c.frontier, HEAD.c.first, HEAD.c.base, HEAD.c.origin).where(HEAD.c.id == ONE)
)
ROOT = compiled(update(HEAD).where(HEAD.c.id == ONE).values(rooted=bindparam("rooted"), frontier=bindparam("frontier")))
IDX_OF = compiled(select(ENTRY.c.idx).where(ENTRY.c.id == bindparam("id")))
ENTRIES = compiled(
    select(ENTRY.c.idx, ENTRY.c.id, ENTRY.c.leaf, ENTRY.c.entry)
    .where(ENTRY.c.idx >= bindparam("start"), ENTRY.c.idx < bindparam("stop"))
    .order_by(ENTRY.c.idx)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What somebody wrote, sealed under a person's key, with the commitment its entry carries."""

    blob: bytes = field(repr=False)
    commitments: Mapping[str, str]
    key_id: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One request that showed something, as its entry keeps it.

    `actor` is a pseudonym, `role` what they acted as, `purpose` and `reason` coded words; `what` is the entry's type.
    `query` holds the filters' names and coded values (`coded` in stepcare/coding.py makes it so). `opening` is the
    break-glass entry it was read by, or that it reviews; `until` the end of an opening; None: there is none.
    """

    id: str
    at: datetime
    actor: str
    role: str
    purpose: str
    request: str
    what: str
    persons: Sequence[str] = ()
    episodes: Sequence[str] = ()
    query: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""
    via: str = ""
    opening: int | None = None
    until: datetime | None = None
    finding: str = ""
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessHead:
    """How long the log of reads is, and its tree; what lies before `first` was taken away, `base` is the tree of it."""

    origin: str
    size: int
    frontier: Frontier
    first: int
    base: Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """An entry as it lies in the database."""

    idx: int
    id: str
    leaf: bytes
    entry: bytes


# --- writing ------------------------------------------------------------------------------------------------------


def note_read(database: Database, read: Read) -> int:
    """Note a read and give its number once it is on the disk; NotNoted, with the cause, when it cannot be.

    A list of more than `MOST_REFS` is several entries of the same request, noted together; the first one's number is
    given.
    """
    try:
        return _submitted(database, read)
    except StepcareError as error:
        if not database.hung_up:
            raise NotNoted(str(error)) from error
    try:  # the server had closed an idle connection: once more, unless it was kept after all
        found = database.look(IDX_OF, {"id": read.id})
        return int(found[0]) if found else _submitted(database, read)
    except StepcareError as error:
        raise NotNoted(str(error)) from error


def note_checked(database: Database, read: Read, check: Callable[[Connection], None]) -> int:
    """Note a read unless `check` raises, with nobody else writing in between; gives its number."""
    with database.writing() as connection:
        n, rooted, nodes = _head_to_append(connection, database)
        check(connection)
        return _append(connection, [read], n, Frontier.from_bytes(rooted, nodes))[0]


def sealed_text(database: Database, entry: str, person: str, text: str, random: Random) -> Sealed:
    """Seal what somebody wrote about a person, for the entry of this id; NotFound or KeyDestroyed without their key."""
    key = database.vault.key(person)
    commitments, blob = seal({"text": text}, key, place_of(database, entry), random)
    return Sealed(blob=blob, commitments=commitments, key_id=key.id, person=person)


def place_of(database: Database, entry: str) -> Place:
    """Say where a sealed part of the log of reads belongs."""
    return Place(origin=database.origin + SUFFIX, entry=entry)


def _submitted(database: Database, read: Read) -> int:
    with database.lock:
        if database.noting is None:
            database.noting = Queue(lambda reads: _kept(database, reads))
    answer: int | StepcareError = database.noting.submit([read])[0]
    if isinstance(answer, StepcareError):
        raise answer
    return answer


def _kept(database: Database, reads: Sequence[Read]) -> list[int | StepcareError]:
    """Note a group in one commit; where that fails, each alone, so that nobody is refused for somebody else's read."""
    try:
        return [*_written(database, reads)]
    except StepcareError as error:
        if len(reads) == 1:
            return [error]
        return [answer for read in reads for answer in _kept(database, [read])]


def _written(database: Database, reads: Sequence[Read]) -> list[int]:
    with database.writing() as connection:
        n, rooted, nodes = _head_to_append(connection, database)
        return _append(connection, reads, n, Frontier.from_bytes(rooted, nodes))


def _head_to_append(connection: Connection, database: Database) -> tuple[int, int, bytes]:
    """Lock the head, and give it; the lock is what makes those who append wait for each other on PostgreSQL."""
    lock = " FOR UPDATE" if database.backend.words.head.endswith(" FOR UPDATE") else ""
    n, rooted, nodes = connection.execute(HEAD_NOW + lock).fetchone()
    if rooted != n:
        raise VerificationFailed(f"The log of reads has {n} entries, its tree {rooted}: run `stepcare audit verify`.")
    return n, rooted, nodes


def _append(connection: Connection, reads: Sequence[Read], n: int, frontier: Frontier) -> list[int]:
    rows: list[Row] = []
    sealed: list[Row] = []
    numbers: list[int] = []
    for read in reads:
        numbers.append(n + len(rows))
        parts = _parts(read)
        for number, part in enumerate(parts, 1):
            rows.append(_row(read, part, n + len(rows), (number, len(parts))))
        if read.sealed is not None:
            one = read.sealed
            sealed.append({"idx": numbers[-1], "blob": one.blob, "key_id": one.key_id, "person_ref": one.person})
    _each(connection, ADD_READ, rows)
    _each(connection, ADD_SEALED, sealed)
    grown = frontier.extend([row["leaf"] for row in rows])
    connection.execute(ROOT, {"rooted": grown.size, "frontier": grown.to_bytes()})
    return numbers


def _each(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    if len(rows) == 1:
        connection.execute(statement, rows[0])
    elif rows:
        connection.executemany(statement, rows)


def _parts(read: Read) -> list[tuple[list[str], list[str]]]:
    """Give the persons and episodes of each entry a request needs, each reference once."""
    persons, episodes = list(dict.fromkeys(read.persons)), list(dict.fromkeys(read.episodes))
    size = max(len(persons), len(episodes), 1)
    return [(persons[at : at + MOST_REFS], episodes[at : at + MOST_REFS]) for at in range(0, size, MOST_REFS)]


def _row(read: Read, part: tuple[list[str], list[str]], index: int, number: tuple[int, int]) -> Row:
    data = entry_bytes(read, part, index, number)
    return {
        "idx": index,
        "id": _id(read, number),
        "at": instant(read.at),
        "actor": read.actor,
        "type": read.what,
        "opening": read.opening,
        "leaf": leaf_hash(data),
        "entry": data,
    }


def _id(read: Read, number: tuple[int, int]) -> str:
    return read.id if number[0] == 1 else f"{read.id}.{number[0]}"


def entry_bytes(read: Read, part: tuple[list[str], list[str]], index: int, number: tuple[int, int]) -> bytes:
    """Give a read's entry: what is empty is left out."""
    persons, episodes = part
    said: dict[str, Any] = {
        "v": FORMAT,
        "id": _id(read, number),
        "idx": index,
        "ts": instant(read.at),
        "type": read.what,
        "actor": {"id": read.actor, "role": read.role},
        "pou": read.purpose,
        "req": read.request,
    }
    more: dict[str, Any] = {
        "persons": persons,
        "episodes": episodes,
        "query": dict(read.query),
        "reason": read.reason,
        "via": read.via,
        "until": instant(read.until) if read.until else "",
        "finding": read.finding,
        "c": dict(read.sealed.commitments) if read.sealed and number[0] == 1 else {},
        "part": list(number) if number[1] > 1 else [],
    }
    said |= {name: value for name, value in more.items() if value}
    if read.opening is not None:
        said["opening"] = read.opening
    return canonical(said)


# --- reading, for those who verify and publish ------------------------------------------------------------------------


def access_head(connection: Connection) -> AccessHead:
    """Give the head of the log of reads."""
    n, rooted, nodes, first, base, origin = connection.execute(HEAD_WHOLE).fetchone()
    return AccessHead(
        origin=origin,
        size=n,
        frontier=Frontier.from_bytes(rooted, nodes),
        first=first,
        base=Frontier.from_bytes(first, base),
    )


def access_entries(connection: Connection, start: int, stop: int) -> Iterator[AccessEntry]:
    """Give the entries from `start` up to, not including, `stop`, as far as they are still there."""
    for idx, id_, leaf, entry in connection.execute(ENTRIES, {"start": start, "stop": stop}):
        yield AccessEntry(idx=idx, id=id_, leaf=leaf, entry=entry)
