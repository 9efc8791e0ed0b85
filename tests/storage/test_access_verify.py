"""The log of reads verified: whoever changes one thing is found out; a retention run leaves the rest verifiable."""

# ruff: noqa: S608 - attacks are text

import itertools
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.decision import Retained
from engine.errors import StepcareError
from engine.merkle import Frontier, leaf_hash
from engine.model import Kind, Outcome
from storage.access import note_read, sealed_text
from storage.access_read import AccessFilter, noted
from storage.access_runs import COUNTS_CLOSED
from storage.access_verify import CLOSED, verify_access
from storage.connection import Connection
from storage.database import Database
from storage.retention import take_away
from storage.statements import SQLITE
from storage.store import Store
from storage.verify import Report, Verdict
from storage.walk import opener_of
from tests.storage.acts import NOW, Acts
from tests.storage.homes import Cluster, Home
from tests.storage.test_access import a_read, an_opening


@pytest.fixture
def looked_at(lived: Home, tmp_path: Path) -> Iterator[Home]:
    """Give a database where people have looked, with something sealed."""
    home = lived.copy(tmp_path / "looked")
    with closing(home.open()) as database:
        sealed = sealed_text(database, "read-1", "p1", "They could not wait.", secrets.token_bytes)
        note_read(database, an_opening(1, sealed=sealed))
        for number in range(2, 6):
            note_read(database, a_read(number, opening=0 if number == 2 else None))
    yield home
    home.drop()


TAMPERED = {
    "an actor": "UPDATE access_entry SET actor = 'otto' WHERE idx = 1",
    "an id": "UPDATE access_entry SET id = 'other' WHERE idx = 1",
    "a time": "UPDATE access_entry SET at = '2026-03-03T08:00:00.000000Z' WHERE idx = 1",
    "a type": "UPDATE access_entry SET type = 'read.list' WHERE idx = 2",
    "an opening": "UPDATE access_entry SET opening = 3 WHERE idx = 2",
    "an opening taken away": "UPDATE access_entry SET opening = NULL WHERE idx = 1",
    "bytes with their hash": (
        "UPDATE access_entry SET entry = other.entry, leaf = other.leaf FROM access_entry AS other "
        "WHERE access_entry.idx = 3 AND other.idx = 2"
    ),
    "an entry gone": "DELETE FROM access_entry WHERE idx = 2",
    "the last entry gone": "DELETE FROM access_entry WHERE idx = 4",
    "a number": "UPDATE access_entry SET idx = 9 WHERE idx = 4",
    "one seen less": "DELETE FROM access_seen WHERE ref = 'p1' AND idx = 2",
    "one seen more": "INSERT INTO access_seen (ref, idx) VALUES ('p2', 2)",
    "one seen of no entry": "INSERT INTO access_seen (ref, idx) VALUES ('p2', 99)",
    "another seen": "UPDATE access_seen SET ref = 'p2' WHERE ref = 'p1' AND idx = 2",
    "a sealed part gone": "DELETE FROM access_sealed",
    "a sealed part moved": "UPDATE access_sealed SET idx = 3",
    "a sealed part of somebody else": "UPDATE access_sealed SET person_ref = 'p2'",
    "a sealed part under another key": "UPDATE access_sealed SET key_id = 'other'",
    "what somebody wrote": "UPDATE access_sealed SET blob = (SELECT blob FROM audit_sealed WHERE idx = 5)",
    "a read before the first": "INSERT INTO access_entry SELECT -5, 'x', at, actor, type, opening, leaf, entry FROM access_entry WHERE idx = 2",
    "a read far behind the last": (
        "INSERT INTO access_entry SELECT 9223372036854775807, 'x', at, actor, type, opening, leaf, entry "
        "FROM access_entry WHERE idx = 2"
    ),
    "a second head": "INSERT INTO access_head SELECT 2, n, rooted, frontier, first, base, pruned_by, origin FROM access_head",
    "a run that took nothing": "UPDATE access_head SET pruned_by = 0",
    "the head's length": "UPDATE access_head SET n = 4, rooted = 4",
    "the head's tree": "UPDATE access_head SET frontier = (SELECT leaf FROM access_entry WHERE idx = 2), n = 4, rooted = 4",
    "the head's name": "UPDATE access_head SET origin = 'other/access'",
    "where it begins": "UPDATE access_head SET first = 2",
}


@pytest.mark.parametrize("attack", TAMPERED.values(), ids=TAMPERED)
def test_whatever_is_changed_is_found(looked_at: Home, attack: str) -> None:
    """Somebody with the files or the server changes one thing, the triggers away for a moment."""
    with closing(looked_at.open()) as database:
        untouched = checked(database)
    with looked_at.unguarded() as connection:
        if isinstance(looked_at, Cluster):
            connection.execute("SET session_replication_role = replica")  # foreign keys too
        connection.execute(attack)
        if isinstance(looked_at, Cluster):
            connection.execute("RESET session_replication_role")

    with closing(looked_at.open()) as database:
        after = checked(database)
    assert (untouched.verdict, untouched.entries) == (Verdict.VERIFIED, 5)
    assert after.verdict is Verdict.TAMPERED
    assert after.faults


def test_without_keys_what_was_written_stays_closed(looked_at: Home) -> None:
    """Whoever has no keys is told that nobody looked at what was written; an erased person's is closed for ever."""
    with closing(looked_at.open()) as database:
        assert CLOSED in verify_access(database).not_checked
        assert CLOSED not in checked(database).not_checked
        database.vault.destroy_key("p1", NOW + timedelta(days=1))

        assert checked(database).verdict is Verdict.VERIFIED
        assert "written with 1 reads" in checked(database).not_checked[-1]


# --- retention ----------------------------------------------------------------------------------------------------------

RUN = "site.retain"


@pytest.fixture
def retained(looked_at: Home) -> int:
    """Give the number of an entry of the main log that stands for a retention run, put there by somebody mighty."""
    with looked_at.unguarded() as connection:
        idx, entry = connection.execute("SELECT idx, entry FROM audit_entry ORDER BY idx DESC LIMIT 1").fetchone()
        said = json.dumps({**json.loads(entry), "type": RUN, "outcome": "accepted"}).encode()
        values = {"entry": said, "leaf": leaf_hash(said), "idx": idx}
        connection.execute("UPDATE audit_entry SET entry = :entry, leaf = :leaf WHERE idx = :idx", values)
    return int(idx)


def before(minute: int, count: int) -> Retained:
    """Give what a run says that takes so many reads away, those from before this minute."""
    return Retained(what="reads", before=NOW + timedelta(minutes=minute), count=count)


def shorten(connection: Connection, minute: int, run: int, count: int) -> None:
    """Take away what was noted before this minute, by a run of this entry."""
    take_away(connection, before(minute, count), run, SQLITE)


def run_by_the_door(database: Database, minute: int, count: int) -> int:
    """Take away what was noted before this minute, with an entry of its own as every run has; gives its number."""
    (length,) = database.look("SELECT n FROM audit_head", {})
    acts = Acts(store=Store(database, secrets.token_bytes), prefix="r", made=itertools.count(length))
    return acts.keep(acts.site_change(Kind.RETAIN, before(minute, count)))


def checked(database: Database) -> Report:
    """Verify with the vault's own keys."""
    return verify_access(database, opener_of(database))


def reviewed(database: Database) -> None:
    """Let the opening be reviewed."""
    sealed = sealed_text(database, "read-6", "p1", "It could not wait.", secrets.token_bytes)
    review = a_read(6, actor="priya", what="break_glass.reviewed", opening=0, finding="justified", sealed=sealed)
    note_read(database, review)


def test_a_retention_run_takes_old_reads_and_the_rest_still_verifies(looked_at: Home) -> None:
    """What lies before is gone from every table; numbers go on, the tree is the same, and the report says so."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        whole = verify_access(database).root
        run_by_the_door(database, 4, 3)

        after = checked(database)

        assert (after.verdict, after.root, after.checked["reads"]) == (Verdict.VERIFIED, whole, 3)
        assert "the first 3 reads" in after.not_checked[-1]
        assert [one.idx for one in noted(database, AccessFilter())] == [5, 4, 3]
        assert database.look("SELECT count(*) FROM access_sealed", {}) == (1,)
        assert note_read(database, a_read(7)) == 6


def test_runs_add_up(looked_at: Home) -> None:
    """After several runs what is gone is what they took together; one that found nothing changes nothing."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        run_by_the_door(database, 2, 1)
        run_by_the_door(database, 3, 1)
        run_by_the_door(database, 3, 0)

        assert checked(database).verdict is Verdict.VERIFIED
        assert "the first 2 reads" in checked(database).not_checked[-1]


def test_a_run_takes_what_it_says(looked_at: Home) -> None:
    """A run that counted otherwise than it would take away is not kept: its entry would say something untrue."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        with pytest.raises(StepcareError, match="Other reads are due"):
            run_by_the_door(database, 4, 2)

        assert checked(database).checked["reads"] == 6


def cut(connection: Connection, first: int, run: int | None) -> None:
    """Take the first reads away with nothing left to see, as somebody mighty could, in the name of this entry."""
    (done, base) = connection.execute("SELECT first, base FROM access_head").fetchone()
    query = "SELECT leaf FROM access_entry WHERE idx < :first ORDER BY idx"
    leaves = [bytes(leaf) for (leaf,) in connection.execute(query, {"first": first})]
    grown = Frontier.from_bytes(done, bytes(base)).extend(leaves).to_bytes()
    for table in ("access_seen", "access_sealed", "access_entry"):
        connection.execute(f"DELETE FROM {table} WHERE idx < :first", {"first": first})
    values = {"first": first, "base": grown, "run": run}
    connection.execute("UPDATE access_head SET first = :first, base = :base, pruned_by = :run", values)


@pytest.mark.parametrize("run", [0, 9999, None], ids=["another entry", "no entry", "none"])
def test_reads_taken_away_in_the_name_of_no_run_are_missed(looked_at: Home, run: int | None) -> None:
    """Whoever deletes the first reads and calls it retention names a run, and there is none: no key is needed."""
    with looked_at.unguarded() as connection:
        cut(connection, 3, run)

    with closing(looked_at.open()) as database:
        report = verify_access(database)

    assert report.verdict is Verdict.TAMPERED
    assert [fault.what for fault in report.faults] == ["retention"]


def test_a_run_that_was_refused_takes_nothing_away(looked_at: Home) -> None:
    """Only an accepted run counts: one that was asked for and refused is no excuse."""
    with closing(looked_at.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes), prefix="r")
        change = acts.site_change(Kind.RETAIN)
        decision = replace(change.decision, outcome=Outcome.REFUSED)
        run = acts.keep(replace(change, decision=decision))
    with looked_at.unguarded() as connection:
        cut(connection, 3, run)

    with closing(looked_at.open()) as database:
        assert checked(database).verdict is Verdict.TAMPERED


def test_more_taken_away_than_the_run_says_is_missed(looked_at: Home) -> None:
    """Behind a true run somebody takes one read more: the run's own entry counts, so it shows, with the keys."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        run = run_by_the_door(database, 4, 3)
    with looked_at.unguarded() as connection:
        cut(connection, 4, run)

    with closing(looked_at.open()) as database:
        report = checked(database)
        assert report.verdict is Verdict.TAMPERED
        assert "took 3 reads away, 4 are gone" in report.faults[0].reason
        assert COUNTS_CLOSED in verify_access(database).not_checked


def test_a_run_without_its_key_cannot_be_told(looked_at: Home) -> None:
    """The key of the site is gone: how much the run took can be neither confirmed nor denied."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        run_by_the_door(database, 4, 3)
        database.vault.destroy_key("site", NOW + timedelta(days=1))

        assert checked(database).verdict is Verdict.UNVERIFIABLE


def test_what_waits_for_review_is_kept(looked_at: Home, retained: int) -> None:
    """However old: not even a run takes away an opening nobody has reviewed."""
    with closing(looked_at.open()) as database:
        with pytest.raises(StepcareError, match="waits for review"), database.writing() as connection:
            shorten(connection, 99, retained, 5)

        assert verify_access(database).checked["reads"] == 5


@pytest.mark.parametrize("run", [0, 9999, None], ids=["another entry", "no entry", "none"])
def test_nobody_shortens_the_log_without_a_run(looked_at: Home, run: int | None) -> None:
    """The database itself asks for the entry of the main log that ordered it."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        with pytest.raises(StepcareError, match="retention run"), database.writing() as connection:
            shorten(connection, 3, run, 2)  # type: ignore[arg-type]  # None is the attack

        assert verify_access(database).checked["reads"] == 6


def test_a_run_is_used_once(looked_at: Home, retained: int) -> None:
    """The same entry does not shorten the log again."""
    with closing(looked_at.open()) as database:
        reviewed(database)
        with database.writing() as connection:
            shorten(connection, 2, retained, 1)
        with pytest.raises(StepcareError, match="retention run"), database.writing() as connection:
            shorten(connection, 3, retained, 1)
        assert verify_access(database).checked["reads"] == 5
