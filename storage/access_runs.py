"""Whether the reads that are gone went with retention runs: entries of the main log that say how many each took."""

from dataclasses import dataclass
from datetime import datetime

from engine.audit import check_envelope, instant_from
from engine.decision import Retained
from engine.errors import NotFound, StepcareError, Unverifiable
from storage.access import AccessHead
from storage.connection import Connection
from storage.database import Database
from storage.ledger import StoredEntry, events_in
from storage.schema_access import RUN
from storage.store import stored_entries
from storage.walk import Fault, Opener

SITE_ENTRIES = (
    "SELECT e.idx, e.id, e.ep, e.epn, e.leaf, e.entry, s.blob, s.key_id, s.person_ref FROM audit_entry e "
    "LEFT JOIN audit_sealed s ON s.idx = e.idx WHERE e.ep IS NULL AND e.idx <= :last ORDER BY e.idx"
)
PRUNED_BY = "SELECT pruned_by FROM access_head WHERE id = 1"
NOTED = "SELECT n FROM access_head WHERE id = 1"
OLDEST = "SELECT min(at) FROM access_entry WHERE idx >= :start"
COUNTS_CLOSED = "how many reads each retention run says it took away: no keys were given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What looking at the runs came to."""

    faults: tuple[Fault, ...] = ()
    not_checked: tuple[str, ...] = ()


def oldest_from(database: Database, start: int) -> datetime | None:
    """Give when the oldest read from number `start` on was, None where there is none.

    A `start` beyond what was noted is of another history, such as a later one than this backup: it counts as 0.
    """
    with database.reading() as connection:
        (size,) = connection.execute(NOTED, {}).fetchone()
        (oldest,) = connection.execute(OLDEST, {"start": start if start <= size else 0}).fetchone()
    return None if oldest is None else instant_from(oldest)


def check_runs(connection: Connection, head: AccessHead, opener: Opener | None) -> Runs:
    """Hold where the log of reads begins against the accepted retention runs up to the one that the head names.

    Together they must have taken away exactly the reads that are gone. `opener` None: what a run counted is sealed, so
    only that there is such a run is looked at. That the runs' own entries are as they were written is `verify_log`'s.
    """
    (run,) = connection.execute(PRUNED_BY, {}).fetchone() or (None,)
    if run is None:
        said = f"The first {head.first} reads are gone, and no retention run is named."
        return Runs(faults=(_fault(said),) if head.first else ())
    runs = [entry for entry in stored_entries(connection, SITE_ENTRIES, last=run) if _is_run(entry)]
    if not head.first:
        return Runs(faults=(_fault(f"Entry {run} is named as the run that took reads away, and none are gone."),))
    if not runs or runs[-1].idx != run:
        return Runs(faults=(_fault(f"Reads were taken away by entry {run}, which is no accepted retention run."),))
    gone = f"the first {head.first} reads: a retention run took them away"
    if opener is None:
        return Runs(not_checked=(COUNTS_CLOSED, gone))
    try:
        counts = [_count(entry, opener) for entry in runs]
    except (StepcareError, LookupError, TypeError, ValueError) as error:
        lost = isinstance(error, Unverifiable | NotFound)
        said = str(error) if isinstance(error, StepcareError) else f"it cannot be read ({error!r})"
        fault = _fault(f"What the retention runs up to entry {run} took away cannot be told: {said}", lost=lost)
        return Runs(faults=(fault,), not_checked=(gone,))
    if sum(counts) != head.first or not counts[-1]:
        said = f"The retention runs up to entry {run} took {sum(counts)} reads away, {head.first} are gone."
        return Runs(faults=(_fault(said),))
    return Runs(not_checked=(gone,))


def _fault(reason: str, *, lost: bool = False) -> Fault:
    return Fault(idx=None, what="retention", reason=reason, lost=lost)


def _is_run(entry: StoredEntry) -> bool:
    try:
        envelope = check_envelope(entry.entry)
    except StepcareError:
        return False  # a finding of the main log's own
    return (envelope.index, envelope.type, envelope.outcome) == (entry.idx, RUN, "accepted")


def _count(entry: StoredEntry, opener: Opener) -> int:
    events = events_in(opener(entry, check_envelope(entry.entry).commitments))
    return sum(event.count for event in events if isinstance(event, Retained) and event.what == "reads")
