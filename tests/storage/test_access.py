"""The log of reads: who looked at what is on the disk before it is shown, and whoever changes it is found out."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.errors import Conflict, NotNoted, StepcareError, Unavailable
from engine.merkle import leaf_hash, root_of
from storage.access import (
    FORMAT,
    MOST_REFS,
    Read,
    access_entries,
    access_head,
    note_checked,
    note_read,
    sealed_text,
)
from storage.access_read import AccessFilter, noted, opening_in_force, openings, text_of
from storage.access_verify import verify_access
from storage.connection import Connection
from storage.database import Database
from storage.verify import Verdict
from tests.storage.acts import NOW
from tests.storage.homes import Cluster, Home

NAME = "Anneliese Musterfrau"


def a_read(number: int = 1, **changed: Any) -> Read:
    """Give a read of one episode."""
    said: dict[str, Any] = {
        "id": f"read-{number}",
        "at": NOW + timedelta(minutes=number),
        "actor": "ann",
        "role": "coordinator",
        "purpose": "treatment",
        "request": f"request-{number}",
        "what": "read.episode",
        "persons": ["p1"],
        "episodes": ["e1"],
    }
    return Read(**{**said, **changed})


def an_opening(number: int = 1, **changed: Any) -> Read:
    """Give an episode opened by breaking the glass, for an hour."""
    end = NOW + timedelta(minutes=number + 60)
    return a_read(number, what="break_glass.opened", reason="emergency", until=end, **changed)


@pytest.fixture
def open_home(home: Home) -> Iterator[Database]:
    """Give an empty database of both kinds, opened; afterwards its log of reads must verify."""
    with closing(home.open()) as database:
        yield database
        report = verify_access(database)
        assert report.faults == ()


def test_a_read_is_kept_whole_and_names_nobody(open_home: Database) -> None:
    """The entry says who, as what, what for, when, which request, whom by reference; what is empty is left out."""
    read = a_read(query={"state": "self_care", "text": {"length": 7}}, via="cli:root")

    assert note_read(open_home, read) == 0

    with open_home.reading() as connection:
        (entry,) = access_entries(connection, 0, 10)
        head = access_head(connection)
    assert entry.leaf == leaf_hash(entry.entry)
    assert json.loads(entry.entry) == {
        "v": FORMAT,
        "id": "read-1",
        "idx": 0,
        "ts": "2026-03-02T08:01:00.000000Z",
        "type": "read.episode",
        "actor": {"id": "ann", "role": "coordinator"},
        "pou": "treatment",
        "req": "request-1",
        "persons": ["p1"],
        "episodes": ["e1"],
        "query": {"state": "self_care", "text": {"length": 7}},
        "via": "cli:root",
    }
    assert (head.origin, head.size) == (f"{open_home.origin}/access", 1)
    assert head.frontier.root() == entry.leaf


def test_the_tree_is_that_of_the_entries(open_home: Database) -> None:
    """After any number of reads the head's root is the root over their leaves, in order."""
    for number in range(1, 8):
        assert note_read(open_home, a_read(number)) == number - 1

    with open_home.reading() as connection:
        leaves = [one.leaf for one in access_entries(connection, 0, 10)]
        assert access_head(connection).frontier.root() == root_of(leaves)
        assert [one.idx for one in access_entries(connection, 2, 5)] == [2, 3, 4]


def test_a_long_list_is_several_entries_of_one_request(open_home: Database) -> None:
    """A list of 1,201 episodes does not fit one entry: three say their part of three, each reference once."""
    episodes = [f"e{number}" for number in range(2 * MOST_REFS + 201)]

    assert note_read(open_home, a_read(episodes=[*episodes, "e0"])) == 0

    with open_home.reading() as connection:
        said = [json.loads(one.entry) for one in access_entries(connection, 0, 10)]
    assert [one["part"] for one in said] == [[1, 3], [2, 3], [3, 3]]
    assert {one["req"] for one in said} == {"request-1"}
    assert [ref for one in said for ref in one["episodes"]] == episodes
    assert len(noted(open_home, AccessFilter(ref="e1200"))) == 1


def test_reads_at_the_same_time_are_all_kept(open_home: Database) -> None:
    """Eight threads note twenty reads each: 160 entries, each once, in one unbroken row of numbers."""
    numbers: list[int] = []

    def work(thread: int) -> None:
        numbers.extend(note_read(open_home, a_read(thread * 100 + one)) for one in range(20))

    threads = [threading.Thread(target=work, args=(one,)) for one in range(1, 9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(numbers) == list(range(160))


def test_who_looked_is_found_by_person_episode_actor_time_and_type(open_home: Database) -> None:
    """The latest come first; pages go on where the one before ended."""
    note_read(open_home, a_read(1))
    note_read(open_home, a_read(2, actor="otto", persons=["p2"], episodes=["e2", "e3"], what="read.list"))
    note_read(open_home, a_read(3, persons=["p1", "p2"], episodes=["e1", "e2"], what="read.list"))

    def found(**wanted: Any) -> list[int]:
        return [one.idx for one in noted(open_home, AccessFilter(**wanted))]

    assert found() == [2, 1, 0]
    assert found(ref="p1") == [2, 0]
    assert found(ref="e3") == [1]
    assert found(ref="e9") == []
    assert found(actor="otto") == [1]
    assert found(what="read.list", ref="p1") == [2]
    assert found(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=3)) == [1]
    assert found(limit=2) == [2, 1]
    assert found(limit=2, before=1) == [0]


def test_what_cannot_be_noted_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log of reads cannot be written, the read fails with the reason, and nothing is half there."""
    with closing(home.open()) as database:
        note_read(database, a_read(1))

        def full(*_: object) -> None:
            raise Unavailable("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(type(database.backend), "turn", full)
            with pytest.raises(NotNoted, match="nothing is shown: the disk is full"):
                note_read(database, a_read(2))

        assert note_read(database, a_read(3)) == 1
        assert verify_access(database).verdict is Verdict.VERIFIED


def test_a_connection_the_server_closed_loses_no_read(founded_of: Callable[[str], Home], tmp_path: Path) -> None:
    """A server that was restarted has closed an idle connection: the read is noted on a new one, once."""
    home = founded_of("postgresql").copy(tmp_path / "home")
    assert isinstance(home, Cluster)
    with closing(home.open()) as database:
        note_read(database, a_read(1))
        with psycopg.connect(home.server.administrator_of(home.address), autocommit=True) as mighty:
            mighty.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        assert note_read(database, a_read(2)) == 1

        assert len(noted(database, AccessFilter())) == 2
    home.drop()


def test_nobody_is_refused_for_somebody_elses_read(open_home: Database) -> None:
    """Of five reads that share a commit one cannot be noted: that one is refused, the other four are kept."""
    note_read(open_home, a_read(1))
    assert open_home.noting is not None

    answers = open_home.noting.submit([a_read(number) for number in (2, 3, 1, 4, 5)])

    assert [one for one in answers if isinstance(one, int)] == [1, 2, 3, 4]
    assert isinstance(answers[2], StepcareError)


def test_an_id_stands_for_one_read(open_home: Database) -> None:
    """The same id again is refused, and the read with it."""
    note_read(open_home, a_read(1))

    with pytest.raises(NotNoted):
        note_read(open_home, a_read(1))

    assert note_read(open_home, a_read(2)) == 1


# --- what people wrote, and openings ---------------------------------------------------------------------------------


def test_own_words_are_sealed_under_the_persons_key(lived: Home, tmp_path: Path) -> None:
    """Why somebody opened an episode is read with the person's key only, and is in no file in the clear."""
    home = lived.copy(tmp_path / "own")
    with closing(home.open()) as database:
        words = f"The daughter of {NAME} asked."
        sealed = sealed_text(database, "read-1", "p1", words, secrets.token_bytes)

        number = note_read(database, an_opening(1, sealed=sealed))

        assert text_of(database, number) == words
        assert verify_access(database).faults == ()
    assert not any(NAME.encode() in file.read_bytes() for file in home.vault.glob("*") if file.is_file())
    home.drop()


@pytest.mark.parametrize(
    ("actor", "episode", "minutes", "found"),
    [
        ("ann", "e1", 1, 0),
        ("ann", "e1", 60, 0),
        ("ann", "e1", 61, None),
        ("ann", "e1", 0, None),
        ("ann", "e2", 1, None),
        ("otto", "e1", 1, None),
    ],
    ids=["at its first moment", "in its last minute", "at its end", "before it", "another episode", "another person"],
)
def test_an_opening_is_for_one_person_one_episode_and_its_time(
    open_home: Database, actor: str, episode: str, minutes: int, found: int | None
) -> None:
    """Opened by ann for e1, from minute 1 to minute 61, the end not included."""
    note_read(open_home, an_opening(1))
    now = NOW + timedelta(minutes=minutes)

    assert opening_in_force(open_home, actor, episode, now, now - timedelta(hours=8)) == found


def test_an_opening_waits_until_it_is_reviewed(open_home: Database) -> None:
    """The queue shows what was opened, how often it was used, and in the end by whom it was reviewed."""
    note_read(open_home, an_opening(1))
    note_read(open_home, a_read(2, opening=0))
    (before,) = openings(open_home)

    note_read(open_home, a_read(3, actor="priya", what="break_glass.reviewed", opening=0, finding="justified"))

    (after,) = openings(open_home)
    assert (before.actor, before.episode, before.used, before.review) == ("ann", "e1", 1, None)
    assert (after.reviewer, after.finding, after.review, after.used) == ("priya", "justified", 2, 1)
    assert [one.idx for one in noted(open_home, AccessFilter(opening=0))] == [2, 1]


def test_nothing_is_noted_where_the_check_objects(open_home: Database) -> None:
    """What must hold while it is written is asked in the same transaction."""

    def object_(_: Connection) -> None:
        raise Conflict("It was reviewed before.")

    with pytest.raises(Conflict):
        note_checked(open_home, a_read(1), object_)

    assert note_read(open_home, a_read(1)) == 0
