"""Storage for tests: real databases of both kinds, verified after every test that does not tamper with them."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import Database
from storage.store import Store
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.servers import the_server
from tests.storage.acts import Acts, live
from tests.storage.homes import KINDS, Cluster, Directory, Home


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty, migrated data directory; copied, never used."""
    return Directory.found(tmp_path_factory.mktemp("founded") / "data").path


@pytest.fixture(scope="session")
def founded_of(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Home]:
    """Give an empty, migrated database of each kind; copied, never used."""
    made: dict[str, Home] = {}

    def give(kind: str) -> Home:
        if kind not in made:
            vault = tmp_path_factory.mktemp("vault") / "vault"
            made[kind] = Directory(founded) if kind == "sqlite" else Cluster.found(the_server(), vault)
        return made[kind]

    return give


@pytest.fixture(scope="session")
def lived_of(founded_of: Callable[[str], Home], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Home]:
    """Give a database of each kind where a little of everything has happened; copied, never used."""
    made: dict[str, Home] = {}

    def give(kind: str) -> Home:
        if kind not in made:
            made[kind] = founded_of(kind).copy(tmp_path_factory.mktemp("lived") / "data")
            with closing(made[kind].open()) as database:
                live(Acts(store=Store(database, secrets.token_bytes)))
        return made[kind]

    return give


@pytest.fixture(params=KINDS)
def lived(request: pytest.FixtureRequest, lived_of: Callable[[str], Home]) -> Home:
    """Give a database where a little of everything has happened, of both kinds; to be copied."""
    return lived_of(request.param)


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, founded_of: Callable[[str], Home], tmp_path: Path) -> Iterator[Home]:
    """Give an empty database of the test's own: every test that takes it runs on both kinds."""
    made = founded_of(request.param).copy(tmp_path / "home")
    yield made
    made.drop()


@pytest.fixture
def acts(home: Home) -> Iterator[Acts]:
    """Give a store with a published pathway; afterwards the log must verify."""
    with closing(home.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes))
        acts.publish()
        yield acts
        report = verify_log(database, opener_of(database))
        assert (report.verdict, report.faults) == (Verdict.VERIFIED, ())


@pytest.fixture
def directory(founded: Path, tmp_path: Path) -> Path:
    """Give an empty data directory of the test's own."""
    return Path(shutil.copytree(founded, tmp_path / "data"))


@pytest.fixture
def database(directory: Path) -> Iterator[Database]:
    """Give it opened."""
    with closing(Directory(directory).open()) as database:
        yield database


@pytest.fixture
def victim(lived_of: Callable[[str], Home], tmp_path: Path) -> Iterator[Database]:
    """Give an SQLite database where a little of everything has happened, to do harm to."""
    with closing(lived_of("sqlite").copy(tmp_path / "victim").open()) as database:
        yield database
