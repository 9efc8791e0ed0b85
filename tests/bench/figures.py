"""What a bench says: figures with what stands beside them, floors, and whether they were held."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the page. `held` None: nothing is demanded of it."""

    what: str
    measured: str
    beside: str = ""
    floor: str = ""
    held: bool | None = None

    @property
    def verdict(self) -> str:
        """Say whether the floor was held."""
        if self.measured == UNMEASURED:
            return self.floor
        return {None: "", True: f"✓ {self.floor}", False: f"**below** {self.floor}"}[self.held]

    @property
    def row(self) -> str:
        """Give the line of the table."""
        return f"| {self.what} | {self.measured} | {self.beside} | {self.verdict} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Figures of one kind, and what must be known to read them."""

    title: str
    notes: str
    figures: Sequence[Figure]

    @property
    def text(self) -> str:
        """Give it as a part of the page."""
        lines = [f"### {self.title}", "", *([self.notes, ""] if self.notes else [])]
        return "\n".join([*lines, "| what | measured | beside | floor |", "|---|---|---|---|", *self._rows(), ""])

    def _rows(self) -> list[str]:
        return [one.row for one in self.figures]


def missed(sections: Sequence[Section]) -> list[str]:
    """Name the figures that did not hold their floor."""
    return [f"{part.title}: {one.what}" for part in sections for one in part.figures if one.held is False]


def unmeasured(what: str, why: object, floor: str = "") -> Figure:
    """Say of something that this machine lacks what it takes, and what to do."""
    return Figure(what=what, measured=UNMEASURED, beside=str(why), floor=floor)


def left_out(sections: Sequence[Section]) -> list[str]:
    """Name what could not be measured here."""
    return [f"{part.title}: {one.what}" for part in sections for one in part.figures if one.measured == UNMEASURED]


def judged(sections: Sequence[Section]) -> int:
    """Count the floors."""
    return sum(one.held is not None for part in sections for one in part.figures)


def taken(act: Callable[[], object]) -> float:
    """Give the seconds that doing something takes."""
    begin = perf_counter()
    act()
    return perf_counter() - begin


def middle(values: Sequence[float]) -> float:
    """Give the median."""
    return statistics.median(values)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Compare what was measured in the same round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Say the least and the most of several rounds."""
    return f"{min(values):{form}} to {max(values):{form}}"


def noise(values: Sequence[float]) -> str:
    """Say how far rounds lie apart: half the distance of the quartiles, in hundredths of the median."""
    if len(values) < 2:
        return "one round"
    low, _, high = statistics.quantiles(values, n=4)
    return f"±{(high - low) / 2 / statistics.median(values):.0%}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """Give the value below which this share of ordered values lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")
