"""A file as a channel: one line of JSON a message, for whatever takes messages from there.

The line is on the disk before the message counts as accepted. A key that is there already is accepted without a second
line, so trying again does no harm, and after a crash the file itself says whether the message is in it. Several
processes may write to one file; a line that a crash tore is ended, and passed over by readers that skip what is no JSON.
"""

import fcntl
import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stepcare.channels.port import OnUnknown, Parcel, Result, accepted, temporary

OWNER_ONLY = 0o600


@dataclass(slots=True)
class _Known:
    """The keys in the file as far as it was read; begun anew when another file stands in its place."""

    file: tuple[int, int] = (0, 0)
    read: int = 0
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Appends messages to the file at `path`, which its owner alone may read: it holds addresses and texts."""

    path: Path
    name: str = "file"
    on_unknown: OnUnknown = "ask"
    at_once: int = 1
    deadline: float = 15.0
    _known: _Known = field(default_factory=_Known, repr=False)
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def send(self, parcel: Parcel) -> Result:
        """Append the message, unless its key is there."""
        try:
            with self._alone, self._opened() as descriptor:
                if parcel.key in self._keys(descriptor.number):
                    return accepted("already")
                self._append(descriptor.number, parcel)
        except PermissionError:
            return temporary("disk:rights")
        except OSError:
            return temporary("disk")
        return accepted("written")

    def ask(self, parcel: Parcel) -> Result | None:
        """Look the key up."""
        try:
            with self._alone, self._opened() as descriptor:
                there = parcel.key in self._keys(descriptor.number)
        except OSError:
            return None
        return accepted("already") if there else temporary("not_there")

    def close(self) -> None:
        """Do nothing: the file is opened for each message, so that it may be moved away at any time."""

    def _opened(self) -> "_Open":
        return _Open(self.path)

    def _keys(self, descriptor: int) -> set[str]:
        """Read what was added since the last look, by us or by others."""
        found, known = os.fstat(descriptor), self._known
        file = (found.st_dev, found.st_ino)
        if known.file != file or found.st_size < known.read:
            known.file, known.read = file, 0  # the keys of the file before are kept: moving it away repeats nothing
        while data := os.pread(descriptor, 1 << 20, known.read):
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == 1 << 20:
                whole = len(data)  # no message of ours is so long: pass over it
            if not whole:
                break
            known.keys.update(_keys_in(data[:whole]))
            known.read += whole
        return known.keys

    def _append(self, descriptor: int, parcel: Parcel) -> None:
        said = {
            "key": parcel.key,
            "channel": parcel.channel,
            "to": parcel.to,
            "subject": parcel.subject,
            "text": parcel.text,
            "language": parcel.language,
            "unsubscribe": parcel.unsubscribe,
            "about": parcel.about,
        }
        line = json.dumps(said, ensure_ascii=True).encode() + b"\n"
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        try:
            _write_all(descriptor, b"\n" + line if torn else line)
            os.fsync(descriptor)
            if not size:
                _keep_name(self.path.parent)
        except OSError:
            # Half a line, or one that may not be on the disk: take it back, so that "not taken" is true.
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        self._known.keys.add(parcel.key)


class _Open:
    """The file, opened and locked against other processes; made where there is none."""

    def __init__(self, path: Path) -> None:
        self._path, self.number = path, -1

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.number = os.open(self._path, flags, OWNER_ONLY)
        try:
            fcntl.flock(self.number, fcntl.LOCK_EX)
            # Asked of the open file, not of the name: nobody can swap the two in between.
            if os.fstat(self.number).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise PermissionError("others than its owner may read the file of messages")
        except OSError:
            os.close(self.number)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.number)  # and with it goes the lock


def _keys_in(data: bytes) -> Iterator[str]:
    for line in data.splitlines():
        with suppress(ValueError):
            found: Any = json.loads(line)
            if isinstance(found, dict) and isinstance(found.get("key"), str):
                yield found["key"]


def _keep_name(folder: Path) -> None:
    """Put the name of a new file on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
