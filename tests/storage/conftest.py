"""Storage for tests: a real database and vault on disk, verified after every test that does not tamper with it."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import Database, Founding, migrate
from storage.store import Store
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import NOW, Acts, live


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty, migrated data directory; copied, never used."""
    directory = tmp_path_factory.mktemp("founded") / "data"
    migrate(directory, Founding(now=NOW, origin="clinic.example/log"), random=secrets.token_bytes)
    return directory


@pytest.fixture(scope="session")
def lived_in(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory where a little of everything has happened; copied, never used."""
    directory = tmp_path_factory.mktemp("lived") / "data"
    shutil.copytree(founded, directory)
    with closing(Database.open(directory, random=secrets.token_bytes)) as database:
        live(Acts(store=Store(database, secrets.token_bytes)))
    return directory


@pytest.fixture
def directory(founded: Path, tmp_path: Path) -> Path:
    """Give an empty data directory of the test's own."""
    return Path(shutil.copytree(founded, tmp_path / "data"))


@pytest.fixture
def database(directory: Path) -> Iterator[Database]:
    """Give it opened."""
    with closing(Database.open(directory, random=secrets.token_bytes)) as database:
        yield database


@pytest.fixture
def acts(database: Database) -> Iterator[Acts]:
    """Give a store with a published pathway; afterwards the log must verify."""
    acts = Acts(store=Store(database, secrets.token_bytes))
    acts.publish()
    yield acts
    report = verify_log(database, opener_of(database))
    assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())


@pytest.fixture
def victim(lived_in: Path, tmp_path: Path) -> Iterator[Database]:
    """Give a database where a little of everything has happened, to do harm to."""
    copy = shutil.copytree(lived_in, tmp_path / "victim")
    with closing(Database.open(copy, random=secrets.token_bytes)) as database:
        yield database
