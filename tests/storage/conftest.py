"""Storage for tests: a real database and vault on disk, verified after every test that did not tamper with it."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, Founding, migrate
from storage.store import Store
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import NOW, Acts


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty, migrated data directory; copied, never used."""
    directory = tmp_path_factory.mktemp("founded") / "data"
    migrate(directory, Founding(now=NOW, origin="clinic.example/log"), random=secrets.token_bytes)
    return directory


@pytest.fixture
def directory(founded: Path, tmp_path: Path) -> Path:
    """Give an empty data directory of the test's own."""
    copy = tmp_path / "data"
    shutil.copytree(founded, copy)
    return copy


@pytest.fixture
def database(directory: Path) -> Iterator[Database]:
    """Give it opened."""
    database = Database.open(directory, random=secrets.token_bytes)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    """Give the store of the test's own database."""
    return Store(database, secrets.token_bytes)


@pytest.fixture
def acts(store: Store, request: pytest.FixtureRequest) -> Iterator[Acts]:
    """Give a store with a published pathway; afterwards the log must verify, unless the test says it tampers."""
    acts = Acts(store=store)
    acts.publish()
    yield acts
    if request.node.get_closest_marker("tampers") is None:
        report = verify_log(store.database, opener_of(store.database))
        assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())


@pytest.fixture
def lived(acts: Acts) -> Acts:
    """Give a store where a little of everything has happened to two persons in three episodes."""
    acts.register("e1", "p1")
    acts.register("e2", "p2")
    acts.register("e3", "p1")
    acts.visit("e1")
    acts.keep(acts.moving("e1"))
    acts.keep(acts.refusing("e1"))
    acts.set_parameter("observe_min", 20)
    acts.keep(acts.assigning("e2"))
    acts.keep(acts.firing("e1"))
    acts.keep(acts.refused_registration("e9", "p9"))
    acts.visit("e3", pain="4")
    return acts
