"""A disk in memory that knows what would be left of it: POSIX at its hardest.

What was written to a file is durable after fsync or fdatasync of that file, and a name after fsync of its directory;
nothing else is promised. At a power cut everything else is gone, or, with a random, each block and each change of a
name may be there or not: a disk keeps its own order. A sync that failed has lost its blocks: a later one that succeeds
does not bring them back, although every reader still sees them (as Linux does it).

A fault fails the k-th write or sync, once or from then on, and a disk may lie: say synced, and do nothing.
"""

import errno
import os
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from random import Random

BLOCK = 4096
UNCOUNTED = ("*-shm", "writer.*")  # shared memory is written back when the kernel likes; locks hold no data


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Fail the `at`-th operation of a kind (the first is 1) with an error number; `lasting`: all later ones too.

    `short`: the first of them is no error, but keeps only half of its bytes, and says so.
    """

    on: str
    at: int
    error: int
    lasting: bool = False
    short: bool = False


@dataclass(slots=True)
class File:
    """What programs see of a file, and what is certain to be left of it."""

    mode: int = 0o600
    now: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)

    def write(self, data: bytes, offset: int) -> None:
        """Write; a hole before it reads as zeros."""
        self.resize(max(len(self.now), offset + len(data)))
        self.now[offset : offset + len(data)] = data
        self.dirty.update(_blocks(offset, offset + len(data)))

    def resize(self, size: int) -> None:
        """Cut it, or let it grow with zeros."""
        if size > len(self.now):
            self.dirty.update(_blocks(len(self.now), size))
            self.now.extend(bytes(size - len(self.now)))
        del self.now[size:]

    def sync(self) -> None:
        """Make all of it durable."""
        self.synced = self._with(self.dirty, len(self.now))
        self.dirty.clear()

    def forget(self) -> None:
        """Fail to sync: what was to be made durable is taken for done, and is not."""
        self.dirty.clear()

    def left(self, random: Random | None) -> bytes:
        """Give what a power cut leaves."""
        if random is None:
            return bytes(self.synced)
        kept = {block for block in sorted(self.dirty) if random.random() < 0.5}
        grown = min(len(self.now), (max(kept, default=-1) + 1) * BLOCK)
        size = len(self.now) if random.random() < 0.5 else max(len(self.synced), grown)
        return bytes(self._with(kept, size))

    def _with(self, blocks: set[int], size: int) -> bytearray:
        found = self.synced[:size]
        found.extend(bytes(size - len(found)))
        for block in blocks:
            data = self.now[block * BLOCK : (block + 1) * BLOCK][: max(0, size - block * BLOCK)]
            found[block * BLOCK : block * BLOCK + len(data)] = data
        return found


@dataclass(slots=True)
class Folder:
    """One directory of files, with its faults and what was done in it."""

    names: dict[str, File] = field(default_factory=dict)
    history: list[dict[str, File]] = field(default_factory=lambda: [{}])
    done: Counter[str] = field(default_factory=Counter)
    fault: Fault | None = None
    liar: str = ""
    dead: bool = False

    # --- names ------------------------------------------------------------------------------------------------------

    def create(self, name: str, mode: int) -> File:
        """Make an empty file."""
        self._alive()
        file = self.names[name] = File(mode=mode)
        self._renamed()
        return file

    def remove(self, name: str) -> None:
        """Remove a name."""
        self._alive()
        del self.names[name]
        self._renamed()

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; whoever had it loses it."""
        self._alive()
        self.names[new] = self.names.pop(old)
        self._renamed()

    def sync_names(self) -> None:
        """Make the names durable. Never fails: SQLite does not look whether it did."""
        self._alive()
        self.history = [dict(self.names)]

    # --- files ------------------------------------------------------------------------------------------------------

    def write(self, name: str, file: File, data: bytes, offset: int) -> int:
        """Write to a file, unless it is time to fail."""
        self._alive()
        try:
            self._meets("write", name)
        except OSError:
            if self.fault is None or not self.fault.short or self.done["write"] > self.fault.at:
                raise
            data = data[: len(data) // 2]
        file.write(data, offset)
        return len(data)

    def resize(self, name: str, file: File, size: int) -> None:
        """Cut a file or let it grow, unless it is time to fail."""
        self._alive()
        if size > len(file.now):
            self._meets("write", name)
        file.resize(size)

    def sync(self, name: str, file: File) -> None:
        """Make a file durable, unless it is time to fail, or to lie."""
        self._alive()
        try:
            self._meets("sync", name)
        except OSError:
            file.forget()
            raise
        if not (self.liar and fnmatch(name, self.liar)):
            file.sync()

    # --- what may happen to it --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Make everything durable, and begin to count anew."""
        for file in self.names.values():
            file.sync()
        self.history = [dict(self.names)]
        self.done.clear()

    def cut(self, random: Random | None) -> dict[str, tuple[int, bytes]]:
        """Cut the power: nothing works any more; gives the mode and the bytes of every file that is left."""
        self.dead = True
        names = self.history[0] if random is None else random.choice(self.history)
        return {name: (file.mode, file.left(random)) for name, file in names.items()}

    def _renamed(self) -> None:
        self.history.append(dict(self.names))

    def _alive(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _meets(self, on: str, name: str) -> None:
        """Count an operation, and raise where it is the one to fail."""
        if any(fnmatch(name, pattern) for pattern in UNCOUNTED):
            return
        self.done[on] += 1
        fault = self.fault
        if fault is None or fault.on != on or self.done[on] < fault.at:
            return
        if self.done[on] == fault.at or fault.lasting:
            raise OSError(fault.error, os.strerror(fault.error))


def _blocks(start: int, end: int) -> range:
    return range(start // BLOCK, -(-end // BLOCK))
