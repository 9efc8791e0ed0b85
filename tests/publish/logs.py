"""A log in memory, as the sealer sees a database, and an independent way to say what its published form must be."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import VerificationFailed
from engine.merkle import Frontier
from stepcare.publish.folder import Folder
from stepcare.publish.guard import Guard
from stepcare.publish.seal import Sealer
from stepcare.publish.signer import FileSigner
from stepcare.publish.skey import PrivateKey
from storage.published import Committed

ORIGIN = "clinic.example/log"
SEED = bytes(range(32))


def leaf(entry: bytes) -> bytes:
    """Hash an entry, in words of our own."""
    return hashlib.sha256(b"\x00" + entry).digest()


def mth(leaves: list[bytes]) -> bytes:
    """Give the tree's root as RFC 6962 defines it: split at the largest power of two, and again."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    at = 1
    while at * 2 < len(leaves):
        at *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:at]) + mth(leaves[at:])).digest()


def expected(entries: list[bytes]) -> dict[str, bytes]:
    """Give every file of a published log but the checkpoint, made from nothing but the entries."""
    found: dict[str, bytes] = {}
    row, level = [leaf(one) for one in entries], 0
    for first in range(0, len(entries), 256):
        part = entries[first : first + 256]
        found[_path("entries", first // 256, len(part))] = b"".join(len(one).to_bytes(2, "big") + one for one in part)
    while row:
        for first in range(0, len(row), 256):
            found[_path(str(level), first // 256, len(row[first : first + 256]))] = b"".join(row[first : first + 256])
        row = [mth(row[first : first + 256]) for first in range(0, len(row) // 256 * 256, 256)]
        level += 1
    return found


def _path(level: str, index: int, width: int) -> str:
    number = f"{index:03}" if index < 1000 else f"x{index // 1000:03}/{index % 1000:03}"
    return f"tile/{level}/{number}" if width == 256 else f"tile/{level}/{number}.p/{width}"


def made(count: int, salt: str = "") -> list[bytes]:
    """Give so many entries; the first of two logs are the same when their salt is."""
    return [f'{{"idx":{index},"s":"{salt}"}}'.encode() for index in range(count)]


@dataclass(slots=True)
class Memory:
    """A committed log: entries, the leaf column and the head's frontier, each open to tampering."""

    entries: list[bytes]
    origin: str = ORIGIN
    leaves: list[bytes] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier)

    def __post_init__(self) -> None:
        """Keep the hashes beside the entries, as a commit does."""
        given, self.entries = self.entries, []
        self.add(given)

    def add(self, entries: list[bytes]) -> None:
        """Commit entries."""
        self.entries += entries
        new = [leaf(one) for one in entries]
        self.leaves += new
        self.frontier = self.frontier.extend(new)

    @contextmanager
    def moment(self) -> Generator["Moment", None, None]:
        """Give this moment."""
        yield Moment(self)


class Moment:
    """One moment of a log in memory."""

    def __init__(self, memory: Memory) -> None:
        """Look at it."""
        self.memory, self.origin, self.frontier = memory, memory.origin, memory.frontier

    @property
    def size(self) -> int:
        """Give the number of entries."""
        return self.frontier.size

    def entries(self, first: int, end: int) -> Iterator[Committed]:
        """Give entries."""
        if end > len(self.memory.entries):
            raise VerificationFailed("One is missing.")
        for index in range(first, end):
            yield Committed(index=index, leaf=self.memory.leaves[index], entry=self.memory.entries[index])

    def leaves(self, first: int, end: int) -> Iterator[bytes]:
        """Give leaf hashes."""
        yield from self.memory.leaves[first:end]


def sealer(source: Memory, place: Path, seed: bytes = SEED) -> Sealer:
    """Give a sealer that publishes to `place/published` and keeps its own in `place/own`."""
    return Sealer(
        source=source,
        folder=Folder(place / "published"),
        guard=Guard(place / "own" / "signed"),
        signers=(FileSigner(PrivateKey.of(source.origin, seed)),),
    )


def files(folder: Path) -> dict[str, bytes]:
    """Give every file of a published log but the checkpoint."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "checkpoint"
    }
