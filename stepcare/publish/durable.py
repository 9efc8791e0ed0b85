"""Files that are there whole or not at all, also after a power cut: written aside, synced, renamed, the folder synced."""

import os
from pathlib import Path

FOLDER = 0o750
READABLE = 0o640  # the group serves what the sealer writes
ASIDE = ".new"


def write_whole(path: Path, data: bytes, mode: int = READABLE) -> None:
    """Put a file in place, replacing one that is there."""
    aside = path.with_name(f".{path.name}{ASIDE}")
    _written(aside, data, os.O_TRUNC, mode)
    aside.replace(path)
    sync_folder(path.parent)


def write_new(path: Path, data: bytes, mode: int = READABLE, *, settled: bool = True) -> None:
    """Put a new file in place; FileExistsError where one is there. Not `settled`: the caller syncs the folder."""
    aside = path.with_name(f".{path.name}{ASIDE}")
    _written(aside, data, os.O_TRUNC, mode)
    try:
        os.link(aside, path)
    finally:
        aside.unlink()
    if settled:
        sync_folder(path.parent)


def ensure_folder(path: Path, mode: int = FOLDER) -> None:
    """Make a folder and those above it, each entry on the disk."""
    if path.is_dir():
        return
    ensure_folder(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have a folder's entries on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written(path: Path, data: bytes, flags: int, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
