"""The search index is derived and disposable: it catches up, it is made anew when it is not of this log, it holds no PHI."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from engine.errors import Conflict, Unavailable
from engine.merkle import leaf_hash, root_of
from storage.database import Database
from storage.search import Filter, Order, numbers_of, page_of
from storage.search_fields import UNREADABLE
from storage.search_index import FILE, delete_index, entries_at, index_file, searching
from storage.sqlite import DRIVER, connect
from tests.storage.acts import NOTE
from tests.storage.homes import Directory, Home
from tests.storage.loglike import Told, a_log, changed, put_in

SIZE = 40
CANARIES = (b"Canary", b"canary", NOTE.encode(), b"Ludens", b"As agreed by phone", b"visit.note")
DIES = """
import os, secrets, sys
from storage.database import Database
from storage.search_index import searching
with searching(Database.open(sys.argv[1], random=secrets.token_bytes), lambda done, total: os._exit(9)):
    pass
"""


@pytest.fixture
def log() -> list[Told]:
    """Make up a log."""
    return a_log(Random(11), SIZE)  # noqa: S311


@pytest.fixture
def house(founded: Path, tmp_path: Path, log: list[Told]) -> Directory:
    """Give a directory with this log."""
    home = Directory(founded).copy(tmp_path / "home")
    put_in(home, log)
    return home


def all_in(database: Database) -> list[int]:
    """Give every entry a search finds, in order."""
    with searching(database) as index:
        return list(numbers_of(index, Filter(), Order(field="entry", falling=False)))


def state_of(database: Database) -> tuple[int, int, bool]:
    """Search, and give how the index got there: size, entries read, whether it was made anew."""
    with searching(database) as index:
        return index.size, index.added, index.rebuilt


def test_the_index_catches_up(founded: Path, tmp_path: Path, log: list[Told]) -> None:
    """First everything is read, then only what is new, then nothing; the head it answers for is the log's."""
    home = Directory(founded).copy(tmp_path / "home")
    put_in(home, log[:25])
    with closing(home.open()) as database:
        assert state_of(database) == (25, 25, True)
        assert state_of(database) == (25, 0, False)

        put_in(home, log, first=25)

        assert state_of(database) == (SIZE, 15, False)
        assert all_in(database) == list(range(SIZE))
        with searching(database) as index:
            assert index.root == root_of(leaf_hash(one.envelope.to_bytes()) for one in log).hex()
            assert index.origin == database.origin


def test_catching_up_bit_by_bit_comes_to_the_same(founded: Path, tmp_path: Path, log: list[Told]) -> None:
    """An index that was caught up eight times holds what one holds that was made at once."""
    home = Directory(founded).copy(tmp_path / "home")
    with closing(home.open()) as database:
        for end in range(5, SIZE + 1, 5):
            put_in(home, log[:end], first=end - 5)
            state_of(database)
        bit_by_bit = dump_of(index_file(database))
        delete_index(database)
        assert state_of(database)[2]

        assert dump_of(index_file(database)) == bit_by_bit


def dump_of(file: Path) -> list[tuple[object, ...]]:
    """Give everything the index holds, by table."""
    with closing(DRIVER.connect(file)) as connection:
        return [
            (table, *row)
            for table in ("entry", "ruleset", "rule", "known", "meta")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
        ]


def deleted(file: Path) -> None:
    """Delete it."""
    file.unlink()


def garbage(file: Path) -> None:
    """Write something else over it."""
    file.write_bytes(b"not a database at all" * 300)


def torn(file: Path) -> None:
    """Damage its pages."""
    data = bytearray(file.read_bytes())
    data[100:8192] = bytes(8092)
    file.write_bytes(bytes(data))


def emptied(file: Path) -> None:
    """Leave nothing in it."""
    file.write_bytes(b"")


def of_old(file: Path) -> None:
    """Give it another shape, as an older program's has."""
    with closing(connect(file)) as connection:
        connection.execute("UPDATE meta SET shape = 'older'")


def of_another(file: Path) -> None:
    """Let it belong to another log."""
    with closing(connect(file)) as connection:
        connection.execute("UPDATE meta SET origin = 'elsewhere.example/log'")


def too_long(file: Path) -> None:
    """Let it know entries that the log does not have, as after a backup was restored."""
    with closing(connect(file)) as connection:
        connection.execute("UPDATE meta SET size = size + 5")


def other_leaf(file: Path) -> None:
    """Let it have stopped at another leaf."""
    with closing(connect(file)) as connection:
        connection.execute("UPDATE meta SET leaf = x'00'")


def without_meta(file: Path) -> None:
    """Take away what says whose it is."""
    with closing(connect(file)) as connection:
        connection.execute("DROP TABLE meta")


@pytest.mark.parametrize(
    "harm", [deleted, garbage, torn, emptied, of_old, of_another, too_long, other_leaf, without_meta]
)
def test_an_index_that_is_not_this_logs_is_made_anew(house: Directory, harm: Callable[[Path], None]) -> None:
    """Deleted, damaged, of another shape, log or history: the next search reads everything again, and is right."""
    with closing(house.open()) as database:
        state_of(database)
        harm(index_file(database))

        assert state_of(database) == (SIZE, SIZE, True)
        assert all_in(database) == list(range(SIZE))


def test_an_index_copied_from_another_database_is_made_anew(house: Directory, tmp_path: Path, log: list[Told]) -> None:
    """The same origin and as many entries, but another history: the leaf it stopped at is not in this log."""
    other = house.copy(tmp_path / "other")
    with other.unguarded() as connection:
        connection.execute("DELETE FROM audit_sealed")
        connection.execute("DELETE FROM audit_entry")
    put_in(other, [changed(one, request="another") for one in log])
    with closing(house.open()) as one, closing(other.open()) as two:
        state_of(one)
        shutil.copy(index_file(one), index_file(two))

        assert state_of(two) == (SIZE, SIZE, True)
        with searching(two) as index:
            assert {row["request"] for row in page_of(index, Filter(), Order(), limit=100).found} == {"another"}


def test_a_search_killed_while_it_catches_up_leaves_the_index_as_it_was(
    founded: Path, tmp_path: Path, log: list[Told]
) -> None:
    """It is killed after the rows and before the commit: what was there stands, and the next search catches up."""
    home = Directory(founded).copy(tmp_path / "home")
    put_in(home, log[:30])
    with closing(home.open()) as database:
        state_of(database)
        put_in(home, log, first=30)

        killed = subprocess.run([sys.executable, "-c", DIES, str(home.path)], check=False)  # noqa: S603 - ourselves

        assert killed.returncode == 9
        assert state_of(database) == (SIZE, SIZE - 30, False)
        assert all_in(database) == list(range(SIZE))


def test_a_first_search_killed_leaves_nothing_wrong(house: Directory) -> None:
    """The same where there was no index yet."""
    killed = subprocess.run([sys.executable, "-c", DIES, str(house.path)], check=False)  # noqa: S603 - ourselves

    assert killed.returncode == 9
    with closing(house.open()) as database:
        assert state_of(database) == (SIZE, SIZE, True)
        assert all_in(database) == list(range(SIZE))


def test_searching_does_not_wait_for_decisions_nor_they_for_it(house: Directory) -> None:
    """While somebody writes, a search catches up; while it holds the index, somebody writes."""
    with closing(house.open()) as database, closing(house.open()) as other:
        with database.writing() as writer:
            writer.execute("UPDATE meta SET zone = zone")
            assert state_of(other) == (SIZE, SIZE, True)
        with searching(other), database.writing() as writer:
            writer.execute("UPDATE meta SET zone = zone")


def test_several_search_at_once(house: Directory) -> None:
    """One makes the index, the others wait for it and find it made."""
    found: list[list[int]] = []
    with closing(house.open()) as database:
        threads = [threading.Thread(target=lambda: found.append(all_in(database))) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert found == [list(range(SIZE))] * 6


def test_the_index_lies_beside_the_vault_for_its_owner_alone(house: Directory) -> None:
    """In the data directory, or where the vault of a PostgreSQL database is; nobody else may read it."""
    with closing(house.open()) as database:
        state_of(database)

        file = index_file(database)

    assert file == house.path / FILE
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_index_of_a_server_lies_with_its_vault(home: Home) -> None:
    """Never in the same server."""
    with closing(home.open()) as database:
        state_of(database)

    assert (home.vault / FILE).is_file()


def test_the_index_holds_nothing_that_was_sealed_nor_a_name(lived: Home, tmp_path: Path) -> None:
    """Names, notes and values planted in every sealed section are in no byte of its files."""
    home = lived.copy(tmp_path / "lived")
    with closing(home.open()) as database, searching(database) as index:
        found = page_of(index, Filter(), Order(), limit=100).found
        held = b"".join(file.read_bytes() for file in home.vault.glob(f"{FILE}*"))
    home.drop()

    assert b"PATH-05" in held
    assert {row["patient"] for row in found} == {"", "p1", "p2", "p9"}
    assert [one for one in CANARIES if one in held] == []


# --- entries that cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bytes_",
    [
        b"nonsense",
        b"{}",
        b"[1]",
        b"\xff\xfe",
        b'{"v":"of a later program"}',
        None,  # of our format, but a number where a text belongs
    ],
)
def test_an_entry_that_cannot_be_read_is_put_aside(house: Directory, log: list[Told], bytes_: bytes | None) -> None:
    """It is found as unreadable, by its number and its person; every other entry is found as ever."""
    spoilt = bytes_ or log[7].envelope.to_bytes().replace(b'"epn":7', b'"epn":[7]')
    with house.unguarded() as connection:
        connection.execute("UPDATE audit_entry SET entry = ? WHERE idx = 7", (spoilt,))
    with closing(house.open()) as database, searching(database) as index:
        page = page_of(index, Filter(), Order(field="entry", falling=False), limit=100)

    assert [row["entry"] for row in page.found] == list(range(SIZE))
    assert [row["entry"] for row in page.found if row["type"] == UNREADABLE] == [7]
    assert page.found[7]["patient"] == (log[7].person or "")


def test_entries_are_given_as_they_lie_there(house: Directory, log: list[Told]) -> None:
    """Their own bytes and hash, in the order asked; one that is missing is left out."""
    with closing(house.open()) as database:
        found = list(entries_at(database, [30, 2, 999, 17]))

    assert [(idx, entry, person) for idx, _, entry, person in found] == [
        (number, log[number].envelope.to_bytes(), log[number].person) for number in (30, 2, 17)
    ]
    assert [leaf for _, leaf, _, _ in found] == [leaf_hash(entry) for _, _, entry, _ in found]


# --- where it cannot be written -----------------------------------------------------------------------------------


def test_where_the_index_cannot_be_made_it_is_said_so(house: Directory) -> None:
    """Its place is taken by a folder: the error names the file and says what to do."""
    with closing(house.open()) as database:
        index_file(database).mkdir()

        with pytest.raises(Unavailable, match=FILE), searching(database):
            pass


def test_who_waits_too_long_for_another_is_told(house: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else is making the index and does not come to an end: a conflict, not a hang."""
    monkeypatch.setattr("storage.search_index.WAIT_SECONDS", 0.05)
    with closing(house.open()) as database:
        state_of(database)
        with closing(connect(index_file(database))) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE meta SET leaf = x'00'")
            assert state_of(database) == (SIZE, 0, False)  # who is caught up waits for nobody
            with house.unguarded() as connection:
                connection.execute("UPDATE audit_entry SET leaf = x'01' WHERE idx = 39")

            with pytest.raises(Conflict, match="search again later"), searching(database):
                pass
