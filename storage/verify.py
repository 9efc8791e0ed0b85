"""The auditor's sum: everything recomputed from the entries' own bytes, and compared with what lies beside them.

Each entry is read, hashed, put into its chain and into the tree; its sealed part is opened and held against its
commitments; its events are folded; and at the end the rows of every other table must be what the fold gives.
What this cannot see is said in the report: a log rewritten as a whole, with every hash made anew, needs a root that
was kept outside.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
ALWAYS_UNCHECKED = (
    "whether the whole log was written anew: compare the root with one kept outside this database",
    "whether each decision follows from its facts: `stepcare audit replay` decides again",
    "what was asked under an idempotency key (its request hash), and the worker's own columns",
)
CLOSED = "sealed parts, and every row that follows from them: no keys were given"


class Verdict(StrEnum):
    """What verifying came to, with the exit code of each."""

    VERIFIED = "verified"
    EMPTY = "empty"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"

    @property
    def exit(self) -> int:
        """Give the exit code."""
        return {Verdict.VERIFIED: 0, Verdict.EMPTY: 3, Verdict.FAILED: 6, Verdict.UNVERIFIABLE: 7}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdict, every finding, and what was not looked at."""

    verdict: Verdict
    entries: int
    root: str
    checked: Mapping[str, int]
    faults: tuple[Fault, ...]
    not_checked: tuple[str, ...]


def verify_log(database: Database, opener: Opener | None, progress: Progress | None = None) -> Report:
    """Verify everything, at one moment of the database.

    `opener` (see `walk.opener_of`) None: without keys; then what is sealed stays unchecked and is listed so.
    `progress` is told (entries done, entries there) after every few hundred.
    """
    walk = Walk(opener, Site(zone=database.zone))
    try:
        with database.reading() as connection:
            _read(connection, database, walk, progress)
            compare_rows(connection, database, walk)
    except StepcareError as error:
        if not isinstance(error.__cause__, database.backend.errors):
            raise
        walk.fault(None, "file", f"The database cannot be read to its end ({error.__cause__}): restore a backup.")
    return _report(walk, opener)


def _read(connection: Connection, database: Database, walk: Walk, progress: Progress | None) -> None:
    (total,) = connection.execute(sql.ENTRY_COUNT).fetchone()
    done = 0
    for stored in _entries(connection):
        walk.entry(stored)
        done += 1
        if progress is not None and done % BATCH == 0:
            progress(done, total)
    if progress is not None:
        progress(done, total)
    head = connection.execute(sql.HEAD_NOW).fetchone()
    walk.head(*(head or (0, 0, b"")))
    belongs = connection.execute("SELECT origin, vault FROM audit_head, meta").fetchone()
    if belongs != (database.origin, database.vault.id):
        walk.fault(None, "origin", f"It says {belongs} of its origin and vault; it was opened as {database.origin}.")


def _entries(connection: Connection) -> Iterator[StoredEntry]:
    return stored_entries(connection, sql.ENTRIES, first=-(2**62), end=2**62)


def _report(walk: Walk, opener: Opener | None) -> Report:
    folded = walk.folded
    certain = [fault for fault in walk.faults if not fault.lost]
    verdict = Verdict.VERIFIED if walk.frontier.size else Verdict.EMPTY
    if certain:
        verdict = Verdict.FAILED
    elif walk.faults:
        verdict = Verdict.UNVERIFIABLE
    unfollowed = sorted(name for name in folded.broken if name)
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
            *((CLOSED,) if opener is None else ()),
            *(f"the rows of {name}: its entries cannot be followed to the end" for name in unfollowed),
        ),
    )


def _order(fault: Fault) -> tuple[bool, int, str, str]:
    return (fault.idx is None, fault.idx or 0, fault.what, fault.reason)
