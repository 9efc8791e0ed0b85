"""PostgreSQL killed, and processes that work on it killed: nothing acknowledged is lost."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from stepcare.app import migrate_app
from storage.roles import app_of
from tests.faults.checks import lost, opened, stands, survives
from tests.faults.conftest import Scene, furnish
from tests.faults.course import Course
from tests.faults.running import Nursery, one_life
from tests.servers import Server, name_of
from tests.worlds import ZONE

LANES = ("l0", "l1", "l2", "l3")
ROUNDS = 5
Site = tuple[str, Path]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Give a server that flushes what it commits."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ready(server: Server, course: Course, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give a database, ready for work, and its vault; copied, never used."""
    vault = tmp_path_factory.mktemp("vault") / "vault"
    address = server.empty_database()
    migrate_app(address, ZONE, lambda: course.now, vault)
    with opened(server.url(name_of(address), app_of(name_of(address))), course, vault) as app:
        furnish(app)
    return address, vault


@pytest.fixture
def site(server: Server, ready: Site, tmp_path: Path) -> Iterator[Site]:
    """Give a database of the test's own, and its vault."""
    address = server.fresh_database(ready[0])
    yield address, Path(shutil.copytree(ready[1], tmp_path / "vault"))
    server.drop_database(address)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 12))])
def test_whoever_works_on_a_killed_postgresql_loses_nothing(
    processes: Nursery, server: Server, site: Site, scene: Scene, seed: int
) -> None:
    """The server dies with all its processes and comes back, five times; who asks again with the key is answered once."""
    random = Random(seed)  # noqa: S311 - no secret
    where, vault = site
    with processes.running(scene.job(where, *LANES, vault=str(vault), patient=True)) as (working,):
        for _ in range(ROUNDS):
            working.until_more()
            time.sleep(random.uniform(0, 0.3))
            server.kill()
            server.start()
        said = working.ended()

    assert said.failed == []
    with opened(where, scene.course, vault) as app:
        stands(app, scene.course, said)


def test_the_control_loses_what_was_acknowledged(processes: Nursery, server: Server, site: Site, scene: Scene) -> None:
    """Without synchronous_commit a killed server forgets what it has acknowledged: this harness would see it."""
    where, vault = site
    for attempt in range(10):
        lanes = tuple(f"{lane}x{attempt}" for lane in LANES)
        job = scene.job(where, *lanes, record=f"record-{attempt}", vault=str(vault), careless=True)
        with processes.running(job) as (working,):
            working.until(lambda said: len(said.acked) > 30)
            server.kill()
            said = working.killed()
        server.start()
        with opened(where, scene.course, vault) as app:
            if lost(app, said.acked):
                return
    raise AssertionError("Nothing was ever lost.")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 21))])
def test_a_killed_process_on_postgresql_loses_nothing(processes: Nursery, site: Site, scene: Scene, seed: int) -> None:
    """Two processes work on one database and are killed at any moment, also while they start and stop."""
    random = Random(seed)  # noqa: S311 - no secret
    where, vault = site
    for life in range(3):
        jobs = [
            scene.job(where, f"l{life}p{one}a", f"l{life}p{one}b", record=f"{life}-{one}", vault=str(vault))
            for one in range(2)
        ]
        survives(where, scene.course, one_life(processes, jobs, random), vault)
