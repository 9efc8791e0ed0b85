"""The shape of the code, as rules that break the build instead of a reader's heart."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("engine", "workflows", "storage", "stepcare")
SOURCES = tuple(sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")))
TESTS = tuple(sorted((ROOT / "tests").rglob("*.py")))
PAPER = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", ".ci/run")),
    *sorted(path for folder in ("docs", "deploy") for path in (ROOT / folder).rglob("*") if path.is_file()),
    *sorted(path for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.y*ml")),
)

LONGEST_MODULE = 400
LISTS_OF_NOUNS = {"engine/model.py": 450, "engine/pathway.py": 500}  # declarations only: read as a dictionary is
LONGEST_FUNCTION = 60  # the aim is 40
EDGE = "stepcare/app.py"  # the only reader of the clock
CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime"),
}
SPELLED_APART = ("/" + "work/", "/" + "tmp/", "iss" + "ue #", "iss" + "ue 2")  # so that this file passes its own test


def name(path: Path) -> str:
    """Give a path as the repository's readers write it."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every function of a module, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_flow_one_way_and_through_their_doors() -> None:
    """Rooms, the engine's layers, the pure core, one door each to transitions and YAML: every contract is kept."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"

    ran = subprocess.run([program, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own tool, no input

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_our_names_belong_to_us_alone(room: str) -> None:
    """No other installed distribution ships a package with the name of one of our rooms."""
    owners = set(packages_distributions().get(room, ["stepcare"]))

    assert owners == {"stepcare"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_entered_by_its_modules(room: str) -> None:
    """A room's `__init__` holds its docstring and nothing else: re-exports are how import cycles begin."""
    body = ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")).body

    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    """No module is longer than 400 lines."""
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= LISTS_OF_NOUNS.get(name(path), LONGEST_MODULE)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    """No function is longer than 60 lines."""
    too_long = {
        one.name: length
        for one in functions(path)
        if (length := (one.end_lineno or 0) - one.lineno + 1) > LONGEST_FUNCTION
    }

    assert too_long == {}


@pytest.mark.parametrize("path", [path for path in SOURCES if name(path) != EDGE], ids=name)
def test_only_the_edge_reads_the_clock(path: Path) -> None:
    """`now` is an argument everywhere but in stepcare/app.py; so a decision can be made again later."""
    read = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ".".join(ast.unparse(node).split(".")[-2:]) in CLOCKS
    ]

    assert read == []


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_its_rule(path: Path) -> None:
    """The tests are the specification: each one states its rule in a docstring."""
    silent = [one.name for one in functions(path) if one.name.startswith("test_") and not ast.get_docstring(one)]

    assert silent == []


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *PAPER], ids=name)
def test_nothing_points_outside_the_repository(path: Path) -> None:
    """No machine's paths and no tracker's numbers: what the repository says, it says by itself."""
    text = path.read_text(encoding="utf-8")

    assert [mark for mark in SPELLED_APART if mark in text] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-bench.lock"])
def test_the_lock_pins_hashes_and_names_no_address(name: str) -> None:
    """Every package of the locks is pinned and hashed, and no registry is written down anywhere."""
    lock = (ROOT / name).read_text(encoding="utf-8")
    packages = re.split(r"\n(?=\S)", lock.strip())

    assert [one.splitlines()[0] for one in packages if "==" not in one or "--hash=sha256:" not in one] == []
    assert "://" not in lock


def test_the_build_requirement_is_locked_too() -> None:
    """What builds the project is pinned exactly, and the lock holds that very version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    for pinned in project["build-system"]["requires"]:
        assert re.fullmatch(r"[a-z-]+==[\d.]+", pinned)
        assert f"\n{pinned} " in f"\n{lock}"
