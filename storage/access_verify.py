"""The auditor's sum over the log of reads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.audit import parse_canonical
from engine.errors import NotFound, StepcareError, Unverifiable, VerificationFailed
from engine.merkle import Frontier, leaf_hash
from storage.access import FORMAT, HEAD_WHOLE, SUFFIX, AccessHead, access_head, place_of
from storage.access_runs import check_runs
from storage.connection import Connection
from storage.database import Database
from storage.seal import open_sealed
from storage.vault import KeyDestroyed
from storage.verify import Report, Verdict
from storage.walk import Fault, Opener

BATCH = 1000
ENTRIES = "SELECT idx, id, at, actor, type, opening, leaf, entry FROM access_entry WHERE idx {} :after ORDER BY idx LIMIT :most"
FIRST = ENTRIES.format(">=")
NEXT = ENTRIES.format(">")
LEAST = -(2**63)
SEEN = "SELECT ref FROM access_seen WHERE idx >= :start AND idx <= :stop"
ALL_SEEN = "SELECT count(*) FROM access_seen"
SEALED = "SELECT idx, blob, key_id, person_ref FROM access_sealed ORDER BY idx"
HEADS = "SELECT id FROM access_head ORDER BY id"
UNCHECKED = (
    "whether the whole log of reads was written anew: compare its root with one kept outside this database",
    "whether anything was read that was not noted: whoever holds the database's files can read them without us",
)
CLOSED = "what people wrote with their reads: no keys were given"
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Found:
    """What the entries say, as far as they were read: the tree, how many were seen, and what is sealed with each.

    `sealed` gives, by number, an entry's id, the persons it names and its commitments; `unread` are those of a form
    that is not known.
    """

    tree: Frontier
    seen: int = 0
    unread: set[int] = field(default_factory=set)
    sealed: dict[int, tuple[str, tuple[str, ...], Mapping[str, str]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, idx: int | None, what: str, reason: str, *, lost: bool = False) -> None:
        """Note a finding."""
        self.faults.append(Fault(idx=idx, what=what, reason=reason, lost=lost))


def verify_access(database: Database, opener: Opener | None = None, progress: Progress | None = None) -> Report:
    """Recompute the log of reads from its entries' bytes, at one moment, and compare all that lies beside them.

    `opener` None: without keys; then what was written with a read, and how much each retention run says it took away,
    stays closed and is listed so. `progress` is told (entries done, entries there) now and then.
    """
    found = Found(tree=Frontier())
    with database.reading() as connection:
        head = _head(connection, found)
        if head.origin != database.origin + SUFFIX:
            found.fault(None, "origin", f"It says {head.origin}: not this log's name.")
        found.tree = head.base
        _walk(connection, head, found, progress)
        if head.size != found.tree.size or head.frontier != found.tree:
            found.fault(
                None, "root", f"The head says {head.size} reads, {found.tree.size} are here, or their tree is another."
            )
        (listed,) = connection.execute(ALL_SEEN, {}).fetchone()
        if listed != found.seen:
            found.fault(None, "seen", f"{listed} are listed as seen, the entries name {found.seen}.")
        closed = tuple(_sealed(connection, database, found, opener))
        runs = check_runs(connection, head, opener)
        found.faults += runs.faults
    return _report(head, found, (*UNCHECKED, *closed, *runs.not_checked))


def _report(head: AccessHead, found: Found, not_checked: tuple[str, ...]) -> Report:
    certain = any(not fault.lost for fault in found.faults)
    empty = Verdict.VERIFIED if found.tree.size else Verdict.ABSENT
    return Report(
        verdict=Verdict.TAMPERED if certain else Verdict.UNVERIFIABLE if found.faults else empty,
        entries=found.tree.size,
        root=found.tree.root().hex(),
        checked={"reads": found.tree.size - head.first, "seen": found.seen},
        faults=tuple(found.faults),
        not_checked=not_checked,
    )


def _head(connection: Connection, found: Found) -> AccessHead:
    """Give the head; one that cannot be right is a finding, and everything is looked at from the beginning."""
    there = [id_ for (id_,) in connection.execute(HEADS, {})]
    if there != [1]:
        found.fault(None, "head", f"It has the rows {', '.join(map(str, there)) or 'none'}: there must be one, 1.")
    if 1 not in there:
        return AccessHead(origin="", size=0, frontier=Frontier(), first=0, base=Frontier())
    try:
        return access_head(connection)
    except VerificationFailed as error:
        found.fault(None, "root", str(error))
        n, _, _, _, _, origin = connection.execute(HEAD_WHOLE).fetchone()
        return AccessHead(origin=origin, size=n, frontier=Frontier(), first=0, base=Frontier())


def _walk(connection: Connection, head: AccessHead, found: Found, progress: Progress | None) -> None:
    # From the very first to the very last, whatever the head says: what is before or behind it is a finding too.
    query, after = FIRST, LEAST
    while rows := connection.execute(query, {"after": after, "most": BATCH}).fetchall():
        query, after = NEXT, rows[-1][0]
        leaves: list[bytes] = []
        named: list[str] = []
        for expected, (idx, id_, at, actor, type_, opening, kept, entry) in enumerate(rows, found.tree.size):
            leaf = leaf_hash(entry)
            leaves.append(leaf)
            if idx != expected:
                found.fault(idx, "order", f"Read {expected} was due here.")
            if leaf != kept:
                found.fault(idx, "leaf", "Its bytes do not have the hash kept with them.")
            named += _entry(entry, (id_, idx, at, actor, type_, opening), found)
        found.tree, found.seen = found.tree.extend(leaves), found.seen + len(named)
        refs = sorted(ref for (ref,) in connection.execute(SEEN, {"start": rows[0][0], "stop": after}))
        if refs != sorted(named):
            found.fault(rows[0][0], "seen", "Others are listed as seen than these entries name.")
        if progress is not None:
            progress(found.tree.size, head.size)


def _entry(data: bytes, row: tuple[Any, ...], found: Found) -> list[str]:
    """Check one entry against its columns; gives the references it names."""
    idx = row[1]
    try:
        said: Any = parse_canonical(data)
        if said["v"] != FORMAT:
            found.fault(idx, "entry", f"Its form {said['v']!r:.40} is not known.", lost=True)
            found.unread.add(idx)
            return []
        columns = (said["id"], said["idx"], said["ts"], said["actor"]["id"], said["type"], said.get("opening"))
        persons = tuple(said.get("persons", ()))
        names = sorted({*persons, *said.get("episodes", ())})
        if "c" in said:
            found.sealed[idx] = (said["id"], persons, dict(said["c"]))
    except (StepcareError, LookupError, TypeError, ValueError) as error:
        found.fault(idx, "entry", f"It cannot be read: {error}")
        return []
    if columns != row:
        found.fault(idx, "columns", "Its columns are not what its bytes say.")
    return names


# --- what people wrote ------------------------------------------------------------------------------------------------


def _sealed(connection: Connection, database: Database, found: Found, opener: Opener | None) -> Iterator[str]:
    """Hold what is sealed against the entries; gives what was not looked at."""
    waiting, closed = dict(found.sealed), 0
    for idx, blob, key_id, person in connection.execute(SEALED, {}).fetchall():
        said = waiting.pop(idx, None)
        if said is None and idx not in found.unread:
            found.fault(idx, "sealed", "It belongs to no entry that speaks of it.")
        elif said is not None and person not in said[1]:
            found.fault(idx, "sealed", f"It is of {person}, whom its entry does not name.")
        elif said is not None and opener is not None:
            try:
                _open(database, (bytes(blob), key_id, person), said)
            except KeyDestroyed:
                closed += 1
            except StepcareError as error:
                found.fault(idx, "sealed", str(error), lost=isinstance(error, Unverifiable | NotFound))
    for idx in waiting:
        found.fault(idx, "sealed", "Its sealed part is missing.")
    if found.sealed and opener is None:
        yield CLOSED
    if closed:
        yield f"what was written with {closed} reads: the keys of those it is about were destroyed"


def _open(
    database: Database, row: tuple[bytes, str, str], said: tuple[str, tuple[str, ...], Mapping[str, str]]
) -> None:
    """Open a sealed part; VerificationFailed where it is not what its entry commits to."""
    blob, key_id, person = row
    key = database.vault.key(person)
    if key.id != key_id:
        raise VerificationFailed(f"It names key {key_id}, {person} has {key.id}.")
    open_sealed(blob, said[2], key, place_of(database, said[0]))
