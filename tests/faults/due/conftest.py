"""Wards on a database of each kind, and where workers come from."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.model import Role
from stepcare.publishing import proved_pack
from storage.migrate import Founding, migrate
from tests.faults.due.ward import Ward, nursery
from tests.faults.running import Nursery
from tests.servers import Server
from tests.storage.homes import KINDS, Cluster, Directory, Home
from tests.worker.clinic import MORNING, Clinic

PEOPLE = 6
Homes = Callable[[str], Home]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Give a server that flushes what it commits, and may be killed."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def children() -> Iterator[Nursery]:
    """Give where workers come from."""
    with nursery() as opened:
        yield opened


@pytest.fixture(scope="session")
def founded() -> dict[tuple[str, int], Home]:
    """Keep databases of each kind with people in self-care; copied, never used."""
    return {}


def found(kind: str, place: Path, people: int, server: Callable[[], Server]) -> Home:
    """Make a clinic with people whose first reminder falls due in three weeks."""
    if kind == "sqlite":
        migrate(place, Founding(now=MORNING, origin="clinic.example/log"), random=secrets.token_bytes)
        home: Home = Directory(place)
    else:
        home = Cluster.found(server(), place)
    clinic = Clinic(home, proved_pack("mid_upper_back"))
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("lena", Role.LEAD, email="lena@clinic.example")
    for _ in range(people):
        clinic.patient()
    clinic.close()
    return home


@pytest.fixture
def ward_of(
    request: pytest.FixtureRequest,
    founded: dict[tuple[str, int], Home],
    children: Nursery,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Iterator[Callable[..., Ward]]:
    """Give a way to a ward of a kind, of this test's own."""
    made: list[Ward] = []

    def give(kind: str, people: int = PEOPLE) -> Ward:
        if (kind, people) not in founded:
            place = tmp_path_factory.mktemp("ward") / "data"
            founded[kind, people] = found(kind, place, people, lambda: request.getfixturevalue("server"))
        room = tmp_path / f"ward{len(made)}"
        room.mkdir()
        made.append(Ward(founded[kind, people].copy(room / "home"), room, children))
        return made[-1]

    yield give
    for one in made:
        one.leave()
        one.home.drop()


@pytest.fixture(params=KINDS)
def ward(request: pytest.FixtureRequest, ward_of: Callable[..., Ward]) -> Ward:
    """Give a ward on each kind of database."""
    return ward_of(request.param)
