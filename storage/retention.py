"""What a retention run takes away, in the commit of its own entry."""

from datetime import datetime

from engine.audit import instant, instant_from
from engine.decision import Retained
from engine.errors import Conflict
from engine.merkle import Frontier
from storage import statements as sql
from storage.connection import Connection, Words
from storage.database import Database

MESSAGES = "messages"  # what such a run says it took of: tries and receipts, never the messages themselves
ADD_RUN = "INSERT INTO delivery_run (entry, before, count) VALUES (:entry, :before, :count)"
READS_HEAD = "SELECT first, base, rooted FROM access_head WHERE id = 1"
CUT = "SELECT min(idx) FROM access_entry WHERE at >= :before"
LEAVES = "SELECT leaf FROM access_entry WHERE idx >= :first AND idx < :cut ORDER BY idx"
SHORTEN = "UPDATE access_head SET first = :first, base = :base, pruned_by = :entry WHERE id = 1"
# What the privacy officer has not looked at yet stays, however old it is, and so does all that came after.
UNREVIEWED = (
    "SELECT min(e.at) FROM access_entry e WHERE e.type = 'break_glass.opened' AND NOT EXISTS "
    "(SELECT 1 FROM access_entry r WHERE r.opening = e.idx AND r.type = 'break_glass.reviewed')"
)


def old_reads(database: Database, before: datetime) -> tuple[datetime, int]:
    """Give the instant before which reads may go, and how many: no later than `before`, nor than what waits for review."""
    with database.reading() as connection:
        (waiting,) = connection.execute(UNREVIEWED, {}).fetchone()
        until = before if waiting is None else min(before, instant_from(waiting))
        first, cut, _ = _cut(connection, until)
    return until, max(0, cut - first)


def old_tries(database: Database, before: datetime) -> int:
    """Count the tries and receipts of messages that ended before an instant, but for persons under a legal hold."""
    with database.reading() as connection:
        return _counted(connection, before, database.backend.words)


def take_away(connection: Connection, run: Retained, entry: int, words: Words) -> None:
    """Take away what a run of this entry (its number) says, in the entry's own transaction."""
    if run.what == "idempotency_keys":
        connection.execute(sql.FORGET_KEYS, {"before": instant(run.before)})
    elif run.what == "reads":
        _shorten(connection, run, entry)
    elif run.what == MESSAGES:
        _forget_tries(connection, run, entry, words)


def _forget_tries(connection: Connection, run: Retained, entry: int, words: Words) -> None:
    """Add the run's row, whose trigger takes away tries and receipts; Conflict where they are others than it says."""
    if run.count != _counted(connection, run.before, words):
        raise Conflict("Other messages are due than were counted a moment ago: nothing was taken away, run it again.")
    connection.execute(ADD_RUN, {"entry": entry, "before": instant(run.before), "count": run.count})


def _counted(connection: Connection, before: datetime, words: Words) -> int:
    return int(connection.execute(words.old_tries, {"before": instant(before)}).fetchone()[0])


def _cut(connection: Connection, before: datetime) -> tuple[int, int, bytes]:
    first, base, rooted = connection.execute(READS_HEAD, {}).fetchone()
    (cut,) = connection.execute(CUT, {"before": instant(before)}).fetchone()
    return first, rooted if cut is None else min(cut, rooted), bytes(base)


def _shorten(connection: Connection, run: Retained, entry: int) -> None:
    """Move the beginning of the log of reads; its own trigger removes what lies before, the tree of it is kept.

    Conflict where it would not be as many as the entry says: whoever verifies holds what is gone against that.
    """
    first, cut, base = _cut(connection, run.before)
    if run.count != max(0, cut - first):
        raise Conflict("Other reads are due than were counted a moment ago: nothing was taken away, run it again.")
    if cut <= first:
        return
    leaves = [bytes(row[0]) for row in connection.execute(LEAVES, {"first": first, "cut": cut}).fetchall()]
    grown = Frontier.from_bytes(first, base).extend(leaves)
    connection.execute(SHORTEN, {"first": cut, "base": grown.to_bytes(), "entry": entry})
