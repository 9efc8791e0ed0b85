"""A site that is ready to work: migrated, the shipped pathway published, a cast of colleagues; and a way to ask it."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stepcare.cli import app
from stepcare.publishing import proved_pack
from storage.migrate import Founding, migrate
from tests.storage.homes import Directory
from tests.worker.clinic import MORNING, Clinic
from workflows.load import Loaded

Run = Callable[..., Result]
CAST = {
    "ann": ("coordinator",),
    "ravi": ("assessor",),
    "lena": ("lead", "assessor"),
    "olga": ("pathway_owner",),
    "aziz": ("auditor",),
    "otto": ("coordinator",),
}
TEAMS = {"otto": "other"}


def ran(*words: str, stdin: str | bytes | None = None) -> Result:
    """Run one command in this process."""
    return CliRunner().invoke(app, list(words), input=stdin, prog_name="stepcare")


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a site once: reading and proving the pack takes a moment."""
    place = tmp_path_factory.mktemp("site") / "data"
    made = [ran("migrate", "--data", str(place))]
    for who, roles in CAST.items():
        said = [word for role in roles for word in ("--role", role)]
        made.append(ran("user", "add", who, *said, "--team", TEAMS.get(who, "main"), "--data", str(place)))
    made.append(ran("pathway", "publish", "--as", "olga", "--data", str(place)))
    assert [(one.exit_code, one.stderr) for one in made if one.exit_code] == []
    return place


@pytest.fixture
def site(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a site of this test's own, and point the settings at it."""
    place = tmp_path / "data"
    shutil.copytree(ready, place)
    monkeypatch.setenv("STEPCARE_DATABASE", str(place))
    return place


@pytest.fixture
def run(site: Path) -> Run:
    """Run commands on the test's own site."""
    return ran


@pytest.fixture
def bare() -> Run:
    """Run commands on whatever the settings name, which may be nothing yet."""
    return ran


@pytest.fixture
def asked(run: Run) -> Callable[..., Any]:
    """Run a command that must succeed, and give its JSON."""

    def ask(*words: str, exit_code: int = 0) -> Any:
        result = run(*words, "--output", "json")
        assert result.exit_code == exit_code, result.stderr
        return json.loads(result.stdout)

    return ask


@pytest.fixture
def episode(asked: Callable[..., Any]) -> str:
    """Open an episode, in intake."""
    found = asked("episode", "open", "--as", "ann", "--name", "Alva Ludens", "region=upper_back", "onset=2026-01-12")
    return str(found["episode"])


@pytest.fixture(scope="session")
def shipped_pack() -> Loaded:
    """Read and prove the shipped pathway once."""
    return proved_pack("mid_upper_back")


@pytest.fixture
def clinic(tmp_path: Path, shipped_pack: Loaded) -> Iterator[Clinic]:
    """Give a clinic with a clock that goes where it is told, and channels that write down what they were given."""
    place = tmp_path / "clinic"
    migrate(place, Founding(now=MORNING, origin="clinic.example/log"), random=secrets.token_bytes)
    made = Clinic(Directory(place), shipped_pack)
    yield made
    made.close()


@pytest.fixture
def typed(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type commands at the clinic's data."""
    monkeypatch.setenv("STEPCARE_DATABASE", clinic.home.address)
    return ran
