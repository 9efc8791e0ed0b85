"""The site of the web tests, served and on the command line."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stepcare.conftest import ran
from tests.web.conftest import House, ready, served

__all__ = ["ready"]


@pytest.fixture
def house(ready: Path, tmp_path: Path) -> Iterator[House]:
    """Give a house of this test's own: its clock is moved."""
    yield from served(shutil.copytree(ready, tmp_path / "data"))


@pytest.fixture
def site(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a site of this test's own, and point the settings at it."""
    place = shutil.copytree(ready, tmp_path / "site")
    monkeypatch.setenv("STEPCARE_DATABASE", str(place))
    return place


@pytest.fixture
def asked(site: Path) -> Callable[..., Any]:
    """Run a command that must succeed, and give its JSON."""

    def ask(*words: str) -> Any:
        result = ran(*words, "--output", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return ask
