"""How late due work is done, as counters that any number of processes add to and that Prometheus reads as a histogram.

One counter a bound, in the way Prometheus counts: each holds everything up to its bound.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

FIRE, DELIVER = "fire", "deliver"
STAGES = (FIRE, DELIVER)
# In seconds: a tick, a minute's backlog, an outage of an hour, of a night, of three days.
BOUNDS = (0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200, 86400, 259200)
MOST = 366 * 86400  # what is later than a year counts as a year: one stray row must not drown the sum


def lateness_counts(stage: str, late: Iterable[timedelta]) -> dict[str, int]:
    """Give what to add to which counter for work that was done so late; early counts as on time."""
    seconds = [min(max(one.total_seconds(), 0.0), MOST) for one in late]
    if not seconds:
        return {}
    found = {name_of(stage, bound): number for bound in BOUNDS if (number := sum(one <= bound for one in seconds)) > 0}
    return {**found, f"late_{stage}_count": len(seconds), f"late_{stage}_ms": round(sum(seconds) * 1000)}


def name_of(stage: str, bound: float) -> str:
    """Name the counter of a bound, in milliseconds."""
    return f"late_{stage}_{round(bound * 1000)}"


def histogram(stage: str, counters: Mapping[str, int]) -> tuple[list[tuple[str, float]], float]:
    """Give the buckets (bound as text, number) and the sum in seconds, as Prometheus has them."""
    buckets = [(f"{bound:g}", float(counters.get(name_of(stage, bound), 0))) for bound in BOUNDS]
    total = float(counters.get(f"late_{stage}_count", 0))
    return [*buckets, ("+Inf", total)], counters.get(f"late_{stage}_ms", 0) / 1000
