"""The whole way: decisions of a real site, sealed by the sealer, read by somebody else's program."""

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import Result

from tests.foreign.conftest import Foreign
from tests.stepcare.conftest import ran


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a site once: reading and proving the pack takes a moment."""
    where = tmp_path_factory.mktemp("sealed") / "data"
    there = ("--data", str(where))
    fine(ran("migrate", *there))
    for who, role in (("olga", "pathway_owner"), ("ann", "coordinator")):
        fine(ran("user", "add", who, "--role", role, "--team", "main", *there))
    fine(ran("pathway", "publish", "--as", "olga", *there))
    return where


@pytest.fixture
def place(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a site of this test's own, with some episodes."""
    for name in [one for one in os.environ if one.startswith("STEPCARE_")]:
        monkeypatch.delenv(name)
    where = shutil.copytree(ready, tmp_path / "data")
    monkeypatch.setenv("STEPCARE_DATABASE", str(where))
    decided(3)
    return where


def fine(result: Result) -> Result:
    """Require that a command succeeded."""
    assert result.exit_code == 0, result.stderr
    return result


def decided(count: int) -> None:
    """Have so many decisions made, and looked at."""
    for number in range(count):
        who = ("--as", "ann", "--name", f"Alva {number}")
        fine(ran("episode", "open", *who, "region=upper_back", "onset=2026-01-12"))
    fine(ran("episode", "list", "--as", "ann"))


def key(place: Path, name: str = "vkey") -> str:
    """Give a public key of the log."""
    return (place / "sealer" / name).read_text().strip()


def test_what_the_sealer_publishes_is_verified_by_somebody_else_s_program(xmod: Foreign, place: Path) -> None:
    """Both logs, decisions and reads, as they grow: each continues the checkpoint that was kept before."""
    fine(ran("sealer", "once", "--make-key"))
    published = place / "published"
    shutil.copytree(published, place / "kept")
    first = xmod.one(key(place), published)
    decided(5)
    fine(ran("sealer", "once"))

    answers = [
        xmod.one(key(place), published, place / "kept" / "checkpoint"),
        xmod.one(key(place, "vkey-access"), published / "access", place / "kept" / "access" / "checkpoint"),
    ]

    size = int(first.removeprefix("ok "))
    assert answers[0] == f"ok {size + 5}"
    assert answers[1].startswith("ok ")


def test_a_changed_entry_is_caught_by_somebody_else_s_program(xmod: Foreign, place: Path) -> None:
    """One letter in one entry of the published folder."""
    fine(ran("sealer", "once", "--make-key"))
    (bundle,) = (one for one in (place / "published" / "tile" / "entries").rglob("*") if one.is_file())
    assert xmod.one(key(place), place / "published").startswith("ok ")

    bundle.write_bytes(bundle.read_bytes().replace(b"ann", b"eve", 1))

    assert xmod.one(key(place), place / "published").startswith("BAD ")
