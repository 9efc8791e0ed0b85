"""The verifier needs nothing of ours: an auditor reads it, copies it, runs it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stepcare.verifier

HOME = Path(stepcare.verifier.__file__).parent
FILES = sorted(HOME.rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Give the name of every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_the_standard_library_cryptography_and_itself(path: Path) -> None:
    """Nothing of the engine, the database or the web that could err in the same way on both sides."""
    for name in imports_of(path):
        top = name.partition(".")[0]

        assert top in sys.stdlib_module_names or top == "cryptography" or name.startswith("stepcare.verifier."), name


def test_there_is_something_to_look_at() -> None:
    """The files are found."""
    assert len(FILES) > 7
