"""Every episode's last entry, now and a little while ago: what a census is held against."""

from collections import deque

from engine.audit import Envelope
from engine.census import TYPE, Census, census_of
from engine.errors import Unverifiable, VerificationFailed

MOST_BACK = 100_000  # entries between the moment of a census and its own entry


class Ends:
    """The end of each episode's chain, as far as the log was read."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._now: dict[str, tuple[int, str]] = {}
        self._before: deque[tuple[int, str, tuple[int, str] | None]] = deque(maxlen=MOST_BACK)
        self.censuses = 0

    def follow(self, entry: Envelope, leaf: bytes) -> None:
        """Go on by an entry; raises VerificationFailed where it is a census that does not come out."""
        if entry.episode is not None:
            self._before.append((entry.index, entry.episode, self._now.get(entry.episode)))
            self._now[entry.episode] = (entry.episode_index, leaf.hex())
        elif entry.type == TYPE and entry.outcome == "accepted":
            self.censuses += 1
            self._check(entry)

    def at(self, size: int) -> dict[str, tuple[int, str]]:
        """Give each episode's last entry among the log's first `size`; Unverifiable when that is too long ago."""
        ends = dict(self._now)
        for index, episode, before in reversed(self._before):
            if index < size:
                return ends
            if before is None:
                del ends[episode]
            else:
                ends[episode] = before
        if len(self._before) == MOST_BACK:
            raise Unverifiable(f"It is a census of size {size}, taken too long before its entry to be counted again.")
        return ends

    def _check(self, entry: Envelope) -> None:
        said, _, rest = entry.trigger.partition(" ")
        size = int(said) if said.isdigit() else entry.index + 1
        if size > entry.index:
            raise VerificationFailed(f"Its census speaks of size {said[:20]!r}, which the log did not have.")
        count, _, root = rest.partition(" ")
        counted = census_of(size, self.at(size))
        if Census(size=size, count=int(count) if count.isdigit() else -1, root=root) != counted:
            raise VerificationFailed(f"Its census is not that of the log at size {size}: {counted.count} episodes.")
