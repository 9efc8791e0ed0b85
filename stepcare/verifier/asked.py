"""What somebody asks when they check a log."""

from dataclasses import dataclass, field

from stepcare.verifier.kept import Kept, Trust
from stepcare.verifier.walk import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to check. `hashes`: the tree alone, from the hashes that are kept; `progress` is told (done, of how many)."""

    trust: Trust = field(default_factory=Trust)
    kept: tuple[Kept, ...] = ()
    hashes: bool = False
    progress: Progress | None = None

    @property
    def sizes(self) -> frozenset[int]:
        """Give the sizes at which the root is needed."""
        return frozenset(one.checkpoint.size for one in self.kept)
