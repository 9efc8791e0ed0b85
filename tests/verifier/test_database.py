"""The log in the embedded database, read by the verifier's own eyes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.merkle import Frontier
from stepcare.verifier.outcome import Outcome
from tests.verifier.logs import checked, checkpoint, entries, leaf, small, written

COLUMNS = ("idx", "id", "ep", "epn", "leaf", "entry")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Give a database with a log of 300 entries."""
    return written(tmp_path / "stepcare.db", entries(300))


def run(path: Path, statement: str, *values: object) -> None:
    """Change the database past everything."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def test_a_good_database_is_verified(database: Path) -> None:
    """By its file, and by the directory it lies in."""
    for path in (database, database.parent):
        report = checked(path, kept=[checkpoint(entries(200)), checkpoint(entries(300))])

        assert report.outcome is Outcome.VERIFIED
        assert (report.entries, report.checked["kept checkpoints"]) == (300, 2)
        assert checked(path, hashes=True).root == report.root


# --- every column of a row, every change ----------------------------------------------------------------------------

AT = 125  # and the next one is of another episode, and has another number in it


def changed(column: str) -> str:
    """Change a value a little, whatever kind it has."""
    new = f"CAST(x'00' || substr({column}, 2) AS BLOB)" if column in ("leaf", "entry") else f"{column} || '0'"
    return f"UPDATE audit_entry SET {column} = {new} WHERE idx = {AT}"  # noqa: S608 - our own names


def swapped(column: str) -> str:
    """Let two neighbours change their values."""
    return (
        f"UPDATE audit_entry SET {column} = (SELECT {column} FROM audit_entry AS other "  # noqa: S608
        f"WHERE other.idx = {2 * AT + 1} - audit_entry.idx) WHERE idx IN ({AT}, {AT + 1})"
    )


CHANGES: dict[str, Callable[[str], str]] = {
    "changed": changed,
    "emptied": lambda column: f"UPDATE audit_entry SET {column} = NULL WHERE idx = {AT}",  # noqa: S608
    "of another kind": lambda column: f"UPDATE audit_entry SET {column} = 1.5 WHERE idx = {AT}",  # noqa: S608
    "taken from the next": lambda column: (
        f"UPDATE audit_entry SET {column} = (SELECT {column} FROM audit_entry WHERE idx = {AT + 1}) WHERE idx = {AT}"  # noqa: S608
    ),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_column_is_seen(column: str, change: Callable[[str], str], database: Path) -> None:
    """Each column of a row changed in each way: tampered, and the row, or its place, is named."""
    try:
        run(database, change(column))
    except sqlite3.Error as error:
        pytest.skip(f"the database itself refuses it: {error}")

    report = checked(database)

    assert report.outcome is Outcome.TAMPERED
    assert report.first is not None
    # A number that was lost moves its row to another place; elsewhere the row itself is named.
    assert report.first.index == (AT if column != "idx" else report.first.index)


ROWS = {
    "removed": "DELETE FROM audit_entry WHERE idx = 123",
    "the last removed": "DELETE FROM audit_entry WHERE idx = 299",
    "doubled": "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE idx = 123",
    "doubled at the end": "INSERT INTO audit_entry SELECT 300, id, ep, epn, leaf, entry FROM audit_entry WHERE idx = 123",
    "moved to the end": "UPDATE audit_entry SET idx = 300 WHERE idx = 123",
    "all removed": "DELETE FROM audit_entry",
    "the head emptied": "UPDATE audit_head SET n = 0, rooted = 0, frontier = x''",
    "the head cut": "UPDATE audit_head SET n = 299, rooted = 299",
    "the head's tree changed": "UPDATE audit_head SET frontier = zeroblob(length(frontier))",
    "the head's tree of another kind": "UPDATE audit_head SET frontier = 'x'",
    "the head's number of another kind": "UPDATE audit_head SET n = 'many'",
    "the head removed": "DELETE FROM audit_head",
    "the head doubled": "INSERT INTO audit_head SELECT 2, n, rooted, frontier, origin FROM audit_head",
    "the entries' table gone": "DROP TABLE audit_entry",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS)
def test_rows_removed_doubled_or_moved_are_seen(statement: str, database: Path) -> None:
    """Whatever is done to whole rows, or to the head."""
    run(database, statement)

    assert checked(database).outcome is Outcome.TAMPERED


def test_a_cut_database_whose_head_was_cut_too_is_seen_by_a_kept_checkpoint_only(database: Path) -> None:
    """Rows and head cut alike agree with each other: only what is kept elsewhere tells."""
    tree = Frontier().extend(map(leaf, entries(200)))
    run(database, "DELETE FROM audit_entry WHERE idx >= 200")
    run(database, "UPDATE audit_head SET n = 200, rooted = 200, frontier = ?", tree.to_bytes())

    assert checked(database).outcome is Outcome.VERIFIED
    assert checked(database, kept=[checkpoint(entries(200))]).outcome is Outcome.VERIFIED
    assert checked(database, kept=[checkpoint(entries(300))]).outcome is Outcome.TAMPERED


def test_columns_that_differ_from_the_bytes_are_named(database: Path) -> None:
    """Lists and searches read the columns: they must say what the entry says."""
    run(database, "UPDATE audit_entry SET ep = 'e-00000009' WHERE idx = 7")

    first = checked(database).first

    assert first is not None
    assert (first.index, "columns" in first.reason) == (7, True)


# --- as it lies there -----------------------------------------------------------------------------------------------


@pytest.fixture
def in_use(database: Path) -> Iterator[sqlite3.Connection]:
    """Have somebody write to the database in WAL mode."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        yield db


def test_a_database_in_use_is_read_as_it_is_now(in_use: sqlite3.Connection, database: Path) -> None:
    """What was committed counts, though it is in the write-ahead log only; what is not yet committed does not."""
    data = entries(301)[300]
    tree = Frontier().extend(map(leaf, entries(301)))
    in_use.execute("BEGIN IMMEDIATE")
    in_use.execute(
        "INSERT INTO audit_entry VALUES (300, ?, ?, ?, ?, ?)",
        (f"019e726c-e640-7000-8000-{300:012x}", "e-00000006", 42, leaf(data), data),
    )
    in_use.execute("UPDATE audit_head SET n = 301, rooted = 301, frontier = ?", (tree.to_bytes(),))

    before = checked(database)
    in_use.execute("COMMIT")
    after = checked(database)

    assert [(one.outcome, one.entries) for one in (before, after)] == [
        (Outcome.VERIFIED, 300),
        (Outcome.VERIFIED, 301),
    ]


def test_looking_leaves_the_file_as_it_was(database: Path) -> None:
    """Not one byte is written."""
    before = database.read_bytes()

    checked(database)

    assert database.read_bytes() == before
    assert [one.name for one in database.parent.iterdir()] == ["stepcare.db"]


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\x00", b"SQLite format 3\x00" + bytes(5000)])
def test_what_is_no_database_cannot_be_verified(data: bytes, tmp_path: Path) -> None:
    """Another kind of file, or a ruin of one."""
    file = tmp_path / "stepcare.db"
    file.write_bytes(data)

    assert checked(file).outcome in (Outcome.UNVERIFIABLE, Outcome.TAMPERED)


def test_a_damaged_file_is_never_verified(database: Path) -> None:
    """Any page of it spoilt: tampered or unverifiable, never a traceback."""
    data = database.read_bytes()
    for at in range(100, len(data), 4096):
        database.write_bytes(data[:at] + bytes(200) + data[at + 200 :])

        # Free space within a page holds nothing that counts.
        assert checked(database).outcome is not Outcome.ABSENT
    database.write_bytes(data[: len(data) // 2])
    assert checked(database).outcome in (Outcome.UNVERIFIABLE, Outcome.TAMPERED)


def test_an_empty_log_is_absent(tmp_path: Path) -> None:
    """Nothing has been decided yet."""
    assert checked(written(tmp_path / "stepcare.db", [])).outcome is Outcome.ABSENT


def test_an_origin_of_another_log_is_not_compared(database: Path) -> None:
    """A kept checkpoint of another log says nothing about this one, and that is said."""
    other = checkpoint(small()[:200], origin="another.example/log")

    report = checked(database, keys=(), kept=[other])

    assert report.outcome is Outcome.UNVERIFIABLE
    assert "another.example/log" in report.findings[0].reason
