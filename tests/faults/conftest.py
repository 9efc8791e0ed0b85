"""A site that is ready for accidents, the life its episodes live, processes to kill and disks to pull out."""

import base64
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog

import engine.service
import stepcare.app
import stepcare.replay
from engine.compile import compile_pathway
from engine.compiled import Compiled
from engine.model import Actor, Json, Kind, Role
from engine.pathway import Pathway
from stepcare.app import App, migrate_app, open_app
from stepcare.publishing import proved_pack, publish
from storage.staff import Colleague, Staff
from storage.tokens import Scope, Token, add_token, hash_of
from tests.faults.course import CALLS, Course
from tests.faults.load import Job
from tests.faults.running import Nursery, nursery
from tests.faults.volatile import Mount, mounted
from tests.worlds import ANN, RAVI, ZONE
from tests.worlds_pathway import episode_in
from workflows.load import pathway_from_bytes

COLLEAGUES = (ANN, RAVI)
SECRET = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of commands are not worth a line each."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


KNOWN: dict[tuple[str, str], Compiled] = {}
READ = cache(pathway_from_bytes)


def remembered(pathway: Pathway, *, hash_: str, parameters_hash: str, settings: Mapping[str, Json]) -> Compiled:
    """Compile a pack under these numbers once."""
    key = (hash_, parameters_hash)
    if key not in KNOWN:
        KNOWN[key] = compile_pathway(pathway, hash_=hash_, parameters_hash=parameters_hash, settings=settings)
    return KNOWN[key]


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack is read and compiled once, not for each of hundreds of databases: it takes longer than all else here.

    For these tests alone: elsewhere a pack may lie about its hash.
    """
    monkeypatch.setattr(engine.service, "compile_pathway", remembered)
    monkeypatch.setattr(stepcare.replay, "compile_pathway", remembered)
    for module in (stepcare.app, stepcare.replay):
        monkeypatch.setattr(module, "pathway_from_bytes", READ)


@pytest.fixture(scope="session")
def course() -> Course:
    """Give the life of an episode: from registration into step 1, a step up that is refused, and then calls."""
    world = episode_in("self_care")
    done = [decision.command for _, decision in world.decisions]
    early = replace(done[-1], kind=Kind.MOVE, values={"transition": "step_up", "preference": "agrees_with_plan"})
    call = replace(done[-1], kind=Kind.CONTACT, actor=ANN, values={"channel": "telephone", "result": "no_answer"})
    return Course(now=world.now, steps=(*done, early, *[call] * CALLS))


@pytest.fixture(scope="session")
def template(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated directory with colleagues and the shipped pathway; copied, never used."""
    place = tmp_path_factory.mktemp("faults") / "site"
    migrate_app(place, ZONE, lambda: course.now)
    with open_app(place, lambda: course.now) as app:
        furnish(app)
    return place


def furnish(app: App) -> None:
    """Publish the shipped pathway, and let the colleagues of the course ask, each with a token."""
    owner = Actor(id="olga", role=Role.PATHWAY_OWNER)
    assert publish(app, proved_pack("mid_upper_back"), owner, "publish").entry == 0
    for number, actor in enumerate(COLLEAGUES):
        Staff(app.database).add(Colleague(id=actor.id, roles=(actor.role,), teams=("main",)))
        token = Token(
            id=f"{number:012x}",
            secret_hash=hash_of(SECRET),
            actor=actor.id,
            role=actor.role,
            scopes=frozenset(Scope),
            created_at=app.clock(),
            expires_at=app.clock() + timedelta(days=36500),
        )
        add_token(app.database, token)


@pytest.fixture(scope="session")
def tokens() -> dict[str, str]:
    """Give the secrets by which the colleagues ask a server."""
    return {actor.id: f"sc_{number:012x}_{SECRET}" for number, actor in enumerate(COLLEAGUES)}


@pytest.fixture(scope="session")
def written(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the course as a file, for other processes."""
    path = tmp_path_factory.mktemp("course") / "course.json"
    course.to_file(path)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a test of an accident needs: a site to copy, the life its episodes live, and room of its own."""

    template: Path
    course: Course
    written: Path
    tokens: Mapping[str, str]
    room: Path

    def site(self) -> Path:
        """Give a directory of the test's own."""
        return Path(shutil.copytree(self.template, self.room / "site"))

    def job(self, where: object, *lanes: str, record: str = "record", **about: Any) -> Job:
        """Give work for a process."""
        return Job(where=str(where), course=str(self.written), record=str(self.room / record), lanes=lanes, **about)


@pytest.fixture
def scene(template: Path, course: Course, written: Path, tokens: Mapping[str, str], tmp_path: Path) -> Scene:
    """Give the scene."""
    return Scene(template=template, course=course, written=written, tokens=tokens, room=tmp_path)


@pytest.fixture(scope="session")
def processes() -> Iterator[Nursery]:
    """Give where processes come from."""
    with nursery() as opened:
        yield opened


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """Give where disks come from."""
    with mounted(tmp_path_factory.mktemp("fuse") / "mount") as mount:
        yield mount
