"""How invented people fare: the declared response model of the demonstration.

Invented so that a caseload has every kind of course in it. It is no clinical evidence, and no number here says
anything about any treatment.

- Beginning a step deals a fate, by the weights of FATES: strong, some, none or worse.
- A fate says by how many percent pain falls in the end (RELIEF; below nothing: it rises). REACHED says how much of
  that is there after how many days; between two of its points it grows evenly.
- Pain is told as a whole number with an error of at most one point. What somebody can do rises and falls with the
  relief, and now and then goes its own way (CONTRARY percent), so that pain and function disagree.
- What the person says (PGIC) and the clinician's word on function follow from the relief at that day.

Whole numbers throughout, and all dice from the seed: the same seed, the same lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from random import Random

from engine.model import Json

STRONG, SOME, NONE, WORSE = FATED = ("strong", "some", "none", "worse")
FATES: Mapping[str, tuple[int, int, int, int]] = {
    "self_care": (38, 20, 34, 8),
    "professional": (44, 22, 28, 6),
    "injection": (40, 25, 30, 5),
    "multidisciplinary": (48, 26, 22, 4),
    "maintenance": (0, 14, 76, 10),
}
RELIEF: Mapping[str, tuple[int, int]] = {STRONG: (55, 80), SOME: (22, 40), NONE: (-6, 12), WORSE: (-70, -45)}
REACHED = ((0, 0), (7, 35), (14, 75), (21, 90), (35, 100))
ERROR = (-1, 0, 0, 0, 0, 1)
CONTRARY = 12
GAIN_FROM, LOSS_FROM = 22, -30
IMPRESSIONS = ((48, "very_much_improved"), (25, "much_improved"), (12, "minimally_improved"), (-15, "no_change"))
WORST_IMPRESSION = "much_worse"


@dataclass(slots=True)
class Healing:
    """How one person fares. `pain` is 0 to 10 at the beginning of the present step; abilities are 0 to 10."""

    rng: Random
    pain: int
    abilities: dict[str, int]
    fate: str = NONE
    since: date = date.min
    relief: int = 0

    @classmethod
    def of(cls, activities: tuple[str, ...], rng: Random) -> "Healing":
        """Begin with a bad back."""
        return cls(rng=rng, pain=rng.randint(4, 9), abilities={one: rng.randint(2, 5) for one in activities})

    def begin(self, step: str, today: date, fate: str | None = None) -> None:
        """Begin a step from where the last one has led; `fate` is dealt unless it is given."""
        if self.since > date.min:
            now = self.relief_on(today)
            self.pain = _within(self.pain * (100 - now) // 100)
            self.abilities = self._abilities(now)
        self.fate = fate or self.rng.choices(FATED, FATES[step])[0]
        self.relief = self.rng.randint(*RELIEF[self.fate])
        self.since = today

    def relief_on(self, today: date) -> int:
        """Give the relief in percent that is there on a day; negative: it is worse than when the step began."""
        days = max((today - self.since).days, 0)
        for (from_day, from_part), (to_day, to_part) in pairwise(REACHED):
            if days <= to_day:
                part = from_part + (to_part - from_part) * (days - from_day) // (to_day - from_day)
                return self.relief * part // 100
        return self.relief

    def _abilities(self, relief: int) -> dict[str, int]:
        change = relief // 12
        return {one: _within(value + change) for one, value in self.abilities.items()}

    def scores(self, today: date) -> dict[str, Json]:
        """Give what the person answers on a day: pain and function."""
        relief = self.relief_on(today) if self.since > date.min else 0
        pain = _within((self.pain * (100 - relief) + 50) // 100 + self.rng.choice(ERROR))
        return {"nprs": pain, "psfs": dict[str, Json](self._abilities(relief))}

    def reassessed(self, today: date) -> dict[str, Json]:
        """Give the answers of a reassessment on a day: the scores, the clinician's word, the person's own."""
        relief = self.relief_on(today)
        contrary = self.rng.randrange(100) < CONTRARY
        word = "improved" if (relief >= GAIN_FROM) != contrary else "worse" if relief <= LOSS_FROM else "unchanged"
        said = next((name for least, name in IMPRESSIONS if relief >= least), WORST_IMPRESSION)
        return {**self.scores(today), "function_word": word, "pgic": said}


def _within(value: int) -> int:
    return min(max(value, 0), 10)
