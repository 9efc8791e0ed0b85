"""Verifiers that others wrote: built or fetched once a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.foreign.litewitness import NotHad, programs

NO_FOREIGN = "STEPCARE_NO_FOREIGN"
SOURCE = Path(__file__).parent / "xmod" / "main.go"
GOCODE = Path("/usr/share/gocode")  # where Debian puts the source of Go packages
MISSING = (
    "The published log is checked here by a verifier that is not ours, built with Go and golang.org/x/mod, and one of "
    "the two is missing: install them (Debian: apt-get install golang-go golang-golang-x-mod-dev) or set "
    f"{NO_FOREIGN}=1 to go without."
)


def loudly(request: pytest.FixtureRequest, text: str) -> str:
    """Say on the terminal, also where output is captured, what is left out; gives the text."""
    manager = request.config.pluginmanager.getplugin("capturemanager")
    with manager.global_and_fixture_disabled():
        sys.stderr.write(f"\nNOT CHECKED: {text}\n")
        sys.stderr.flush()
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The program built over golang.org/x/mod."""

    program: Path

    def check(self, vkey: str, logs: Iterable[Sequence[Path]]) -> list[str]:
        """Check each folder with the checkpoints kept of it; gives an answer each: `ok SIZE` or `BAD why`."""
        return self._asked(vkey, ["\t".join(map(str, one)) for one in logs])

    def flips(self, vkey: str, folder: Path, name: str, start: int, step: int) -> tuple[int, list[int]]:
        """Check a folder with a bit of one file changed, at every `step`-th byte: how many, and the bytes it missed."""
        (answer,) = self._asked(vkey, [f"flip\t{folder}\t{name}\t{start}\t{step}"])
        count, *missed = map(int, answer.split())
        return count, missed

    def _asked(self, vkey: str, lines: Iterable[str]) -> list[str]:
        words, asked = [str(self.program), vkey], "".join(f"{line}\n" for line in lines)
        done = subprocess.run(words, input=asked, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - built here
        assert not done.stderr
        return done.stdout.splitlines()

    def one(self, vkey: str, folder: Path, *kept: Path) -> str:
        """Check one folder."""
        (answer,) = self.check(vkey, [(folder, *kept)])
        return answer


@pytest.fixture(scope="session")
def xmod(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    """Build the front end over golang.org/x/mod, offline, from what Debian installed."""
    go = shutil.which("go")
    if os.environ.get(NO_FOREIGN):
        pytest.skip(loudly(request, f"{NO_FOREIGN} is set: nobody else's verifier has looked at the published log."))
    if go is None or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.fail(MISSING)
    place = tmp_path_factory.mktemp("xmod")
    (place / "src" / "xmod").mkdir(parents=True)
    shutil.copy(SOURCE, place / "src" / "xmod")
    told = {
        "PATH": os.environ["PATH"],
        "GO111MODULE": "off",
        "GOPATH": f"{place}:{GOCODE}",
        "GOCACHE": str(place / "cache"),
        "GOFLAGS": "",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    words = [go, "build", "-o", str(place / "check"), "."]
    done = subprocess.run(words, cwd=place / "src" / "xmod", env=told, capture_output=True, text=True, check=False)  # noqa: S603 - a found program
    assert done.returncode == 0, done.stderr
    return Foreign(program=place / "check")


@pytest.fixture(scope="session")
def torchwood(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch it, or skip and say so loudly."""
    if os.environ.get(NO_FOREIGN):
        pytest.skip(loudly(request, f"{NO_FOREIGN} is set: no witness but our own was asked."))
    own = tmp_path_factory.getbasetemp()
    try:
        return programs(own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own)
    except NotHad as why:
        pytest.skip(
            loudly(request, f"Debian's torchwood cannot be had here ({why}): no witness but our own was asked.")
        )
