"""What erasing a person closes for ever: exactly these entries, so that nothing else can be hidden behind it."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

NOTHING = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How many entries each of a person's episodes has had, and how many of their registrations were refused.

    `digest` (hex) goes over the leaf hashes of all of them in the log's order, each hashed with the digest before it.
    """

    episodes: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0
    digest: str = NOTHING.hex()

    @property
    def entries(self) -> int:
        """Count them all."""
        return self.refused + sum(self.episodes.values())


class Tally:
    """The entries about one person, counted as they come."""

    __slots__ = ("_counts", "_digest")

    def __init__(self) -> None:
        """Begin before the first."""
        self._counts: Counter[str | None] = Counter()
        self._digest = NOTHING

    def add(self, episode: str | None, leaf: bytes) -> None:
        """Count the next entry by its leaf hash; `episode` None: a refused registration, in the site's chain."""
        self._counts[episode] += 1
        self._digest = hashlib.sha256(self._digest + leaf).digest()

    @property
    def closing(self) -> Closing:
        """Give what an erasure now would close."""
        episodes = {episode: count for episode, count in sorted(self._counts.items(), key=str) if episode is not None}
        return Closing(episodes=episodes, refused=self._counts[None], digest=self._digest.hex())
