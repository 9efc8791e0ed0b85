"""The page about the format is true: its fields, its identity, its example, its paths."""

import hashlib
import hmac
import re
from pathlib import Path

from engine.audit import FORMAT, SHAPE, commit
from stepcare.verifier.tiles import entries_path, tile_path

PAGE = (Path(__file__).resolve().parents[2] / "docs/audit-format.md").read_text(encoding="utf-8")


def test_the_page_names_every_field_of_an_entry_and_no_other() -> None:
    """What may be missing is said to be optional; the rest is not."""
    table = PAGE.split("### Decisions")[1].split("### Reads")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|.*\| (optional)? ?\|$", table, re.MULTILINE)
    said = {f"{name}{'?' if optional else ''}" for names, optional in rows for name in re.findall(r"`(\w+)`", names)}

    assert said == set(SHAPE)


def test_the_page_names_the_format() -> None:
    """A changed table of fields is another format, and the page says which."""
    assert f"`v` is `{FORMAT}`" in PAGE


def test_the_pages_paths_are_those_of_the_files() -> None:
    """The numbers on the page are written as the files are."""
    found = {tile_path(0, index).removeprefix("tile/0/") for index in (0, 999, 1_234)}

    assert all(f"`{one}`" in PAGE for one in found)
    assert (tile_path(1, 7, 3), entries_path(7, 3)) == ("tile/1/007.p/3", "tile/entries/007.p/3")


def test_the_pages_commitment_is_the_one_that_is_made() -> None:
    """The formula on the page, done with the standard library, gives what an entry commits to."""
    salt, value = bytes(range(32)), {"person": "p1"}
    made = hmac.new(salt, b'stepcare/audit/1/subject\x00{"person":"p1"}', hashlib.sha256).hexdigest()

    assert commit(salt, "subject", value) == made
