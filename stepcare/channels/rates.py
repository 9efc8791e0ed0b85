"""How fast a channel may be used: what the token buckets are asked with."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many a second in the long run, and so many at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast one channel may be used: altogether, and for one person."""

    channel: Rate = field(default_factory=lambda: Rate(per_second=10, burst=20))
    person: Rate = field(default_factory=lambda: Rate(per_second=1 / 30, burst=4))
