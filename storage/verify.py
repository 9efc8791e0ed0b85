"""The auditor's sum: everything recomputed from the entries' own bytes, and compared with what lies beside them.

Each entry is read, hashed, put into its chain and into the tree; its sealed part is opened and held against its
commitments; its events are folded; and at the end the rows of every other table must be what the fold gives.
What this cannot see is said in the report: a log rewritten as a whole, with every hash made anew, needs a root that
was kept outside.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.errors import StepcareError
from engine.model import Site
from storage import statements as sql
from storage.compare import compare_rows
from storage.connection import Connection
from storage.database import Database
from storage.ledger import StoredEntry
from storage.store import stored_entries
from storage.walk import Fault, Opener, Walk

Progress = Callable[[int, int], None]
BATCH = 500
BELONGS = "SELECT origin, vault, zone FROM audit_head, meta WHERE audit_head.id = 1 AND meta.id = 1"
NEVER_KEPT = "whether the whole log was written anew: compare the root with one kept outside this database"
ALWAYS_UNCHECKED = (
    NEVER_KEPT,
    "whether each decision follows from its facts: `stepcare audit replay` decides again",
    "what was asked under an idempotency key (its request hash), and the worker's own columns",
)
CLOSED = "sealed parts, and every row that follows from them: no keys were given"


class Verdict(StrEnum):
    """What verifying came to, with the exit code of each."""

    VERIFIED = "verified"
    ABSENT = "absent"
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"

    @property
    def exit(self) -> int:
        """Give the exit code."""
        return {Verdict.VERIFIED: 0, Verdict.ABSENT: 3, Verdict.TAMPERED: 6, Verdict.UNVERIFIABLE: 7}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A person who was erased by this entry: so many sealed parts are closed for ever."""

    person: str
    entry: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdict, every finding, what was not looked at, and what cannot be looked at because it was erased.

    `roots`: those that were asked for, by size.
    """

    verdict: Verdict
    entries: int
    root: str
    checked: Mapping[str, int]
    faults: tuple[Fault, ...]
    not_checked: tuple[str, ...]
    erased: tuple[Closed, ...] = ()
    roots: Mapping[int, bytes] = field(default_factory=dict)


def verify_log(
    database: Database, opener: Opener | None, progress: Progress | None = None, sizes: Collection[int] = ()
) -> Report:
    """Verify everything, at one moment of the database.

    `opener` (see `walk.opener_of`) None: without keys; then what is sealed stays unchecked and is listed so.
    `progress` is told (entries done, entries there) after every few hundred. `sizes`: the report gives the log's roots
    at these, as far as it had them, to compare with checkpoints kept elsewhere.
    """
    roots: dict[int, bytes] = {}
    walk = Walk(opener, Site(zone=database.zone))
    unlooked: tuple[str, ...] = ()
    try:
        with database.reading() as connection:
            for size in _read(connection, database, walk, progress):
                if size in sizes:
                    roots[size] = walk.frontier.root()
            unlooked = compare_rows(connection, database, walk)
    except StepcareError as error:
        if not isinstance(error.__cause__, database.backend.errors):
            raise
        walk.fault(None, "file", f"The database cannot be read to its end ({error.__cause__}): restore a backup.")
    return _report(walk, opener, roots, unlooked)


def _read(connection: Connection, database: Database, walk: Walk, progress: Progress | None) -> Iterator[int]:
    """Read every entry, giving the log's size after each, and the head at the end."""
    (total,) = connection.execute(sql.ENTRY_COUNT).fetchone()
    done = 0
    for stored in _entries(connection):
        walk.entry(stored)
        yield walk.frontier.size
        done += 1
        if progress is not None and done % BATCH == 0:
            progress(done, total)
    if progress is not None:
        progress(done, total)
    head = connection.execute(sql.HEAD_NOW).fetchone()
    walk.head(*(head or (0, 0, b"")))
    if done != total:
        walk.fault(None, "order", f"{total} entries are here, {done} can be read in their order.")
    belongs = connection.execute(BELONGS).fetchone()
    if belongs != (database.origin, database.vault.id, database.zone):
        walk.fault(
            None, "origin", f"It says {belongs} of its origin, vault and zone; it was opened as {database.origin}."
        )


def _entries(connection: Connection) -> Iterator[StoredEntry]:
    # The last number of all cannot be asked for: an entry there is missed by the count.
    return stored_entries(connection, sql.ENTRIES, first=-(2**63), end=2**63 - 1)


def _report(walk: Walk, opener: Opener | None, roots: Mapping[int, bytes], unlooked: tuple[str, ...]) -> Report:
    folded = walk.folded
    certain = [fault for fault in walk.faults if not fault.lost]
    verdict = Verdict.VERIFIED if walk.frontier.size else Verdict.ABSENT
    if certain:
        verdict = Verdict.TAMPERED
    elif walk.faults:
        verdict = Verdict.UNVERIFIABLE
    closed = {*folded.erased, *(ep for ep, row in folded.openly.items() if row["person_ref"] in folded.erased)}
    unfollowed = sorted(name for name in folded.broken if name and name not in closed)
    return Report(
        verdict=verdict,
        entries=walk.frontier.size,
        root=walk.frontier.root().hex(),
        checked={
            "entries": walk.frontier.size,
            "sealed": walk.opened,
            "episodes": len(folded.episodes),
            "persons": len(folded.persons),
            "work": len(folded.put),
        },
        faults=tuple(sorted(walk.faults, key=_order)),
        not_checked=(
            *ALWAYS_UNCHECKED,
            *unlooked,
            *((CLOSED,) if opener is None else ()),
            *(f"the rows of {name}: its entries cannot be followed to the end" for name in unfollowed),
        ),
        erased=tuple(
            Closed(person=person, entry=folded.erased[person], parts=parts) for person, parts in walk.closed.items()
        ),
        roots=roots,
    )


def _order(fault: Fault) -> tuple[bool, int, str, str]:
    return (fault.idx is None, fault.idx or 0, fault.what, fault.reason)
