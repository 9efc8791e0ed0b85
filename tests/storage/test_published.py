"""What the sealer reads: the committed bytes of both databases, with no right to write and no vault."""

import secrets
from pathlib import Path

import pytest

from engine.errors import Conflict, NotFound, StepcareError, VerificationFailed
from engine.merkle import root_of
from stepcare.publish.folder import Folder
from stepcare.publish.guard import Guard
from stepcare.publish.keys import access_origin
from stepcare.publish.seal import Sealer
from stepcare.publish.signer import FileSigner
from stepcare.publish.skey import PrivateKey
from storage.published import Log, Source, ends_at, last_census
from storage.sqlite import connect
from tests.storage.acts import Acts
from tests.storage.homes import ORIGIN, Cluster, Home


def reader_of(home: Home) -> str:
    """Give the address of somebody who may only read; on SQLite the right to the file is what says so."""
    return home.server.auditor_of(home.address) if isinstance(home, Cluster) else home.address


def sealer(source: Source, place: Path, name: str = ORIGIN) -> Sealer:
    """Give a sealer of a database."""
    key = FileSigner(PrivateKey.make(name, secrets.token_bytes))
    return Sealer(source=source, folder=Folder(place / "published"), guard=Guard(place / "own/signed"), signers=(key,))


def test_whoever_only_reads_can_seal(home: Home, acts: Acts, tmp_path: Path) -> None:
    """On both databases: the auditor's role, or a file opened read-only, is all the sealer needs; no vault is named."""
    source = Source(reader_of(home))
    try:
        with source.moment() as moment:
            entries = list(moment.entries(0, moment.size))
            leaves = list(moment.leaves(0, moment.size))
            assert moment.origin == ORIGIN
            assert [one.index for one in entries] == list(range(moment.size))
            assert [one.leaf for one in entries] == leaves
            assert root_of(leaves) == moment.frontier.root()
        sealed = sealer(source, tmp_path).seal()
    finally:
        source.close()

    assert (sealed.size, sealed.new) == (len(entries), len(entries))
    assert Folder(tmp_path / "published").bundle(0, len(entries)) == [one.entry for one in entries]


def test_it_cannot_write(home: Home, acts: Acts) -> None:
    """Whatever the sealer's process were made to do, its connection refuses a change."""
    source = Source(reader_of(home))
    with pytest.raises(StepcareError), source.moment() as moment:
        moment._connection.execute("UPDATE meta SET zone = 'Mars/Olympus'")
    source.close()


def test_the_log_of_reads_is_sealed_by_the_same_code(home: Home, acts: Acts, tmp_path: Path) -> None:
    """The second log has its own name; before the first read there is nothing to sign."""
    source = Source(reader_of(home), Log.ACCESS)
    with source.moment() as moment:
        assert (moment.origin, moment.size) == (access_origin(ORIGIN), 0)
    assert sealer(source, tmp_path, access_origin(ORIGIN)).seal().note is None
    source.close()


def test_a_source_survives_a_lost_connection(home: Home, acts: Acts) -> None:
    """After an error the next moment opens a new connection."""
    source = Source(reader_of(home))
    with source.moment() as moment:
        before = moment.size
    assert source._connection is not None
    source._connection.close()
    with pytest.raises(StepcareError), source.moment():
        pass
    with source.moment() as moment:
        assert moment.size == before
    source.close()


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    """No database, and one of another schema, are refused with the remedy."""
    with pytest.raises(NotFound, match="stepcare migrate"), Source(tmp_path).moment():
        pass
    (tmp_path / "stepcare.db").touch()
    with pytest.raises(Conflict, match="stepcare migrate"), Source(tmp_path).moment():
        pass


def test_a_missing_entry_is_told(directory: Path) -> None:
    """A head that speaks of an entry which is not there is not sealed past."""
    connection = connect(directory / "stepcare.db")
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE audit_head SET n = 1, rooted = 1, frontier = zeroblob(32)")
    connection.close()
    source = Source(directory)

    with source.moment() as moment, pytest.raises(VerificationFailed, match="Entry 0 is missing"):
        list(moment.entries(0, 1))
    source.close()


def test_every_episodes_end_is_told_at_any_size(home: Home, acts: Acts) -> None:
    """What a census counts can be counted again at its size; where none was taken, none is found."""
    acts.register("e1")
    acts.register("e2")
    size = acts.store.entries_of("e2")[-1].idx
    database = acts.store.database

    assert [(episode, number) for episode, number, _ in ends_at(database, size + 1)] == [("e1", 0), ("e2", 0)]
    assert [episode for episode, _, _ in ends_at(database, size)] == ["e1"]
    assert last_census(database, size) is None
