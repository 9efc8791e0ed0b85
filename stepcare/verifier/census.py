"""The census: every episode's last entry at one size of the log, under one root, said in the clear by an entry.

A chain shows that nothing is missing between an episode's entries; that the last is the last only a census shows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from stepcare.verifier.entries import End
from stepcare.verifier.outcome import Tampered
from stepcare.verifier.plain import from_number
from stepcare.verifier.tree import HASH, leaf_hash, root_of

CENSUS = b"site.census"


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """At `size` entries there were `count` episodes; `root` covers the last entry of each, sorted by episode."""

    size: int
    count: int
    root: bytes

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """Read it from its entry, whose trigger is "size count root"; None where the census was refused."""
        entry = json.loads(data)
        if entry["outcome"] != "accepted":
            return None
        words = entry["trigger"].split(" ")
        numbers = [from_number(word) for word in words[:2]]
        try:
            root = bytes.fromhex(words[2]) if len(words) == 3 else b""
        except ValueError:
            root = b""
        size, count = (*numbers, None, None)[:2]
        if size is None or count is None or len(root) != HASH or root.hex() != words[2]:
            raise Tampered("it is no census: a size, a number of episodes and a root are due")
        return cls(size=size, count=count, root=root)

    @classmethod
    def over(cls, size: int, ends: Mapping[bytes, End]) -> Self:
        """Take the census of these ends."""
        leaves = [census_leaf(episode.decode(), *ends[episode]) for episode in sorted(ends)]
        return cls(size=size, count=len(leaves), root=root_of(leaves))


def census_leaf(episode: str, number: int, leaf: bytes | None) -> bytes:
    """Give an episode's leaf in the census."""
    said = [episode, number, (leaf or b"").hex()]
    return leaf_hash(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode())
