"""A clinic on a real database of each kind."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepcare.publishing import proved_pack
from storage.migrate import Founding, migrate
from tests.servers import the_server
from tests.storage.homes import KINDS, Cluster, Directory, Home
from tests.worker.clinic import MORNING, Clinic
from workflows.load import Loaded


@pytest.fixture(scope="session")
def pack() -> Loaded:
    """Read and prove the shipped pathway once."""
    return proved_pack("mid_upper_back")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, pack: Loaded) -> dict[str, Home]:
    """Keep databases of each kind with the pathway in force; copied, never used."""
    del tmp_path_factory, pack
    return {}


def _founded(kind: str, place: Path, pack: Loaded) -> Home:
    if kind == "sqlite":
        migrate(place, Founding(now=MORNING, origin="clinic.example/log"), random=secrets.token_bytes)
        home: Home = Directory(place)
    else:
        home = Cluster.found(the_server(), place)
    Clinic(home, pack).close()
    return home


@pytest.fixture
def home_of(
    published: dict[str, Home], pack: Loaded, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[object]:
    """Give a way to a database of a kind, of this test's own."""
    made: list[Home] = []

    def give(kind: str) -> Home:
        if kind not in published:
            published[kind] = _founded(kind, tmp_path_factory.mktemp("clinic") / "data", pack)
        made.append(published[kind].copy(tmp_path / f"home{len(made)}"))
        return made[-1]

    yield give
    for one in made:
        one.drop()


@pytest.fixture
def home(home_of: object) -> Home:
    """Give a directory of this test's own."""
    return home_of("sqlite")  # type: ignore[operator, no-any-return]


@pytest.fixture
def clinic(home: Home, pack: Loaded) -> Iterator[Clinic]:
    """Give a clinic on SQLite."""
    made = Clinic(home, pack)
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def any_home(request: pytest.FixtureRequest, home_of: object) -> Home:
    """Give a database of each kind."""
    return home_of(request.param)  # type: ignore[operator, no-any-return]


@pytest.fixture
def any_clinic(any_home: Home, pack: Loaded) -> Iterator[Clinic]:
    """Give a clinic on each kind of database."""
    made = Clinic(any_home, pack)
    yield made
    made.close()
