"""The disk of these tests keeps its own rules: what it keeps, what it loses, and when it fails."""

import errno
from contextlib import nullcontext
from random import Random

import pytest

from tests.faults.disk import BLOCK, Fault, File, Folder


def left(folder: Folder) -> dict[str, bytes]:
    """Give what a power cut leaves when it leaves nothing but what was promised."""
    return {name: data for name, (_, data) in folder.cut(None).items()}


def a_file(folder: Folder, name: str = "a") -> File:
    """Give a file whose name and first block are durable."""
    file = folder.create(name, 0o600)
    folder.write(name, file, b"old", 0)
    folder.sync(name, file)
    folder.sync_names()
    return file


def test_what_was_not_synced_is_lost() -> None:
    """A write is durable after the sync of its file, not before."""
    folder = Folder()
    file = a_file(folder)
    folder.write("a", file, b"new", 0)

    assert bytes(file.now) == b"new"
    assert left(folder) == {"a": b"old"}


def test_what_was_synced_stays() -> None:
    """Also what grew, and what was cut."""
    folder = Folder()
    file = a_file(folder)
    folder.write("a", file, b"far", 2 * BLOCK)
    folder.resize("a", file, 2 * BLOCK + 1)
    folder.sync("a", file)

    assert left(folder) == {"a": b"old" + bytes(2 * BLOCK - 3) + b"f"}


def test_a_name_is_durable_after_the_sync_of_its_directory() -> None:
    """A synced file whose name was not is lost; a removed one comes back."""
    folder = Folder()
    a_file(folder)
    folder.remove("a")
    folder.sync("b", folder.create("b", 0o600))

    assert left(folder) == {"a": b"old"}


def test_a_renamed_file_has_its_new_name_after_the_sync_of_its_directory() -> None:
    """Whoever had the name is gone then."""
    folder = Folder()
    a_file(folder)
    file = a_file(folder, "b")
    folder.write("b", file, b"new", 0)
    folder.sync("b", file)
    folder.rename("b", "a")
    folder.sync_names()

    assert left(folder) == {"a": b"new"}


def test_a_failed_sync_has_lost_its_blocks() -> None:
    """A later sync that succeeds does not bring them back, although readers see them."""
    folder = Folder()
    file = a_file(folder)
    folder.fault = Fault(on="sync", at=folder.done["sync"] + 1, error=errno.EIO)
    folder.write("a", file, b"new", 0)
    with pytest.raises(OSError, match="Input/output"):
        folder.sync("a", file)
    folder.sync("a", file)

    assert bytes(file.now) == b"new"
    assert left(folder) == {"a": b"old"}


def test_some_of_the_rest_may_be_left_in_no_order() -> None:
    """With a random, any of the blocks may be there, and not always the same ones."""
    found = set()
    for seed in range(50):
        folder = Folder()
        file = a_file(folder)
        folder.sync("a", file)
        folder.write("a", file, b"x" * 2 * BLOCK, 0)
        ((_, data),) = folder.cut(Random(seed)).values()  # noqa: S311 - no secret
        found.add((data[:1], data[BLOCK : BLOCK + 1]))

    assert {(b"o", b""), (b"x", b"x"), (b"o", b"x"), (b"x", b"\0")} <= found


@pytest.mark.parametrize(("lasting", "failed"), [(False, [2]), (True, [2, 3, 4])])
def test_a_fault_comes_at_its_operation(failed: list[int], *, lasting: bool) -> None:
    """Once, or from then on."""
    folder = Folder()
    file = folder.create("a", 0o600)
    folder.fault = Fault(on="write", at=2, error=errno.ENOSPC, lasting=lasting)

    for at in range(1, 5):
        with pytest.raises(OSError, match="No space") if at in failed else nullcontext():
            folder.write("a", file, b"x", at)


def test_a_short_write_says_so() -> None:
    """It keeps half, and what comes after it fails."""
    folder = Folder()
    file = folder.create("a", 0o600)
    folder.fault = Fault(on="write", at=1, error=errno.ENOSPC, lasting=True, short=True)

    assert folder.write("a", file, b"abcd", 0) == 2
    assert bytes(file.now) == b"ab"
    with pytest.raises(OSError, match="No space"):
        folder.write("a", file, b"cd", 2)


def test_a_disk_that_lies_keeps_nothing() -> None:
    """It says synced, and has done nothing, for the files it lies about."""
    folder = Folder()
    file, other = a_file(folder), a_file(folder, "b")
    folder.liar = "a"
    folder.write("a", file, b"new", 0)
    folder.write("b", other, b"new", 0)
    folder.sync("a", file)
    folder.sync("b", other)

    assert left(folder) == {"a": b"old", "b": b"new"}


def test_after_the_cut_nothing_works() -> None:
    """Nobody may be told that anything was kept."""
    folder = Folder()
    file = a_file(folder)
    folder.cut(None)

    with pytest.raises(OSError, match="Input/output"):
        folder.write("a", file, b"new", 0)
    with pytest.raises(OSError, match="Input/output"):
        folder.sync("a", file)
    with pytest.raises(OSError, match="Input/output"):
        folder.create("b", 0o600)
