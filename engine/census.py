"""The census: every episode's last entry at one size of the log, under one root.

An episode's entries are a chain, so whoever has its last entry has them all; what a chain cannot show is that the last
entry is the last. A census closes that gap: its root covers (episode, number, leaf) of each, sorted by episode, in the
same tree the log uses (RFC 6962). Its entry says size, count and root in the clear, so that a copy of the published
log is enough to check it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.audit import canonical
from engine.merkle import Frontier, leaf_hash
from engine.model import Json, Values

TYPE = "site.census"


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """`size` entries were there, of `count` episodes; `root` (hex) covers the last entry of each."""

    size: int
    count: int
    root: str

    def values(self) -> dict[str, Json]:
        """Give it as a command's values."""
        return {"size": self.size, "count": self.count, "root": self.root}

    def text(self) -> str:
        """Give it as the entry says it in the clear."""
        return f"{self.size} {self.count} {self.root}"

    @classmethod
    def of(cls, values: Values) -> "Census | None":
        """Read it from a command's values; None where these are no census."""
        match dict(values):
            case {"size": int(size), "count": int(count), "root": str(root)}:
                return cls(size=size, count=count, root=root)
        return None


def census_of(size: int, ends: Mapping[str, tuple[int, str]]) -> Census:
    """Take the census of a log of this size: `ends` gives each episode's last (number, leaf hash in hex)."""
    leaves = (census_leaf(episode, *ends[episode]) for episode in sorted(ends))
    return Census(size=size, count=len(ends), root=root_over(leaves))


def census_leaf(episode: str, number: int, leaf: str) -> bytes:
    """Give one episode's leaf in the census: the leaf hash over `[episode, number, leaf]` in canonical form."""
    return leaf_hash(canonical([episode, number, leaf]))


def root_over(leaves: Iterable[bytes]) -> str:
    """Give the root (hex) of a tree over these leaf hashes, in this order."""
    return Frontier().extend(leaves).root().hex()
