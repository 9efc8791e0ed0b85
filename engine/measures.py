"""Scores, and whether they changed: exact, on whole item sums and fractions, rounded nowhere.

A score is kept as it was answered, in its normal form:

    {"score": "6"}                      one number (decimals as text)
    {"items": [6, 7, 7]}                one answer an item
    {"items": {"lifting": 3}}           one answer an activity the person named
    … with "version" beside it, when the sheet was of a stated version

An instrument is one scale: where a questionnaire is printed with two (0-50 and percent, say), each is an instrument
of its own, so that nobody can enter a number without saying on which.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NoReturn

from engine.errors import InvalidInput
from engine.facts import Number
from engine.model import Json
from engine.pathway import Instrument

Response = Literal["substantial", "responder", "partial", "none", "worse", "not_evaluable"]

_DECIMAL = re.compile(r"-?\d{1,9}(\.\d{1,6})?", re.ASCII)
LARGEST = 10**9
LONGEST = 80  # letters of an activity or a version
KEYS = frozenset({"score", "items", "version"})


# --- one score ----------------------------------------------------------------------------------------------------


def score(instrument: Instrument, raw: Json) -> Number:
    """Give the exact score of a raw answer; InvalidInput, with the remedy, when there is none."""
    return number_of(instrument, normalise(instrument, raw))


def normalise(instrument: Instrument, raw: Json) -> Json:
    """Bring a raw answer into its normal form (one in normal form already stays as it is).

    Raw is a number or its text, a list of answers, answers by activity, or the normal form itself. InvalidInput, with
    the remedy, for what the instrument cannot say: out of range, not whole, too few or too many answers.
    """
    given, version = _parts(instrument, raw)
    found: dict[str, Json]
    if instrument.scoring in ("single", "score_only"):
        found = {"score": _text(_number(given, f"one number from {instrument.low} to {instrument.high}"))}
    elif instrument.named_items:
        found = {"items": _activities(instrument, given)}
    else:
        found = {"items": _answers(instrument, given)}
    _require_in_range(instrument, number_of(instrument, found))
    return found if version is None else {**found, "version": version}


def number_of(instrument: Instrument, normal: Json) -> Number:
    """Give the exact score of a normal form: an int when it is whole, else a Fraction."""
    match normal:
        case {"score": str(text)} if _DECIMAL.fullmatch(text):
            return int(text) if "." not in text else _least(Fraction(text))
        case {"items": list(items)}:
            answers = [item for item in items if isinstance(item, int)]
        case {"items": dict(items)}:
            answers = [item for item in items.values() if isinstance(item, int)]
        case _:
            answers = []
    if not answers:
        _refuse("is not in its normal form", "enter it again")
    total = sum(answers)
    if instrument.scoring == "mean":
        return _least(Fraction(total, len(answers)))
    if instrument.scoring == "percent":
        return _least(100 * Fraction(total) / (_item_range(instrument)[1] * len(answers)))
    return total


def comparable(instrument: Instrument, one: Json, other: Json) -> bool:
    """Say whether two normal forms are on the same scale: same version, the same items or named activities."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    version = instrument.version
    return one.get("version", version) == other.get("version", version) and _asked(one) == _asked(other)


def _asked(normal: Mapping[str, Json]) -> object:
    items = normal.get("items")
    if isinstance(items, dict):
        return frozenset(items)
    return len(items) if isinstance(items, list) else None


# --- change -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What counts as a change, in points of the instrument and in percent of the baseline.

    `rule` says which of `percent` and `points` makes a responder: one of them, either, or both. `substantial` is in
    percent, `worse` in points in the bad direction. A baseline up to `low_baseline` leaves no room to improve, so no
    improvement is judged from it.
    """

    rule: str
    percent: Number
    points: Number
    substantial: Number
    worse: Number
    low_baseline: Number

    def __post_init__(self) -> None:
        """Refuse a rule there is not."""
        if self.rule not in ("percent", "points", "either", "both"):
            raise InvalidInput(f"{self.rule!r} is no rule of response: use percent, points, either or both.")


def improvement(instrument: Instrument, baseline: Json, followup: Json) -> Number:
    """Give the change in points between two normal forms; positive is better, whichever way the scale runs."""
    before, after = number_of(instrument, baseline), number_of(instrument, followup)
    return before - after if instrument.direction == "higher_is_worse" else after - before


def percent_improvement(instrument: Instrument, baseline: Json, followup: Json) -> Fraction | None:
    """Give the improvement in percent of the baseline, positive is better.

    Where higher is better this is (follow-up - baseline) / baseline. None where a percentage says nothing: a baseline
    of 0, or a scale that does not start at 0.
    """
    before = number_of(instrument, baseline)
    if before == 0 or Fraction(instrument.low) != 0:
        return None
    return Fraction(100 * improvement(instrument, baseline, followup)) / before


def respond(instrument: Instrument, baseline: Json, followup: Json, thresholds: Thresholds) -> Response:
    """Say what became of the baseline.

    Worse is asked first, and at any baseline: worsening must not hide behind a number that is hard to improve.
    Not evaluable: not the same scale, a baseline too low, or a percentage the rule needs and the scale cannot give.
    Partial is any improvement short of the rule; none is no improvement, or less worsening than `worse`.
    """
    if not comparable(instrument, baseline, followup):
        return "not_evaluable"
    points = improvement(instrument, baseline, followup)
    if points < 0 and -points >= thresholds.worse:
        return "worse"
    if number_of(instrument, baseline) <= thresholds.low_baseline:
        return "not_evaluable"
    percent = percent_improvement(instrument, baseline, followup)
    responded = _responded(points, percent, thresholds)
    if responded is None:
        return "not_evaluable"
    if responded:
        return "substantial" if percent is not None and percent >= thresholds.substantial else "responder"
    return "partial" if points > 0 else "none"


def _responded(points: Number, percent: Fraction | None, thresholds: Thresholds) -> bool | None:
    """Answer the rule; None when that needs the percentage there is not."""
    by_points = points >= thresholds.points
    by_percent = None if percent is None else percent >= thresholds.percent
    match thresholds.rule:
        case "points":
            return by_points
        case "percent":
            return by_percent
        case "either":
            return True if by_points else by_percent
        case _:
            return by_percent if by_points else False


# --- reading what was answered ------------------------------------------------------------------------------------


def _parts(instrument: Instrument, raw: Json) -> tuple[Json, str | None]:
    """Split an answer into what was answered and the stated version."""
    wanted = "score" if instrument.scoring in ("single", "score_only") else "items"
    if not isinstance(raw, dict) or not raw.keys() <= KEYS or wanted not in raw:
        return raw, None
    other = {"score": "items", "items": "score"}[wanted]
    if other in raw:
        _refuse(f"has {wanted} and {other}", f"give {wanted} only")
    version = raw.get("version")
    if version is not None and (not isinstance(version, str) or not _is_name(version)):
        _refuse("has a version that is not a short text", "write the version as printed on the sheet")
    return raw[wanted], version


def _answers(instrument: Instrument, given: Json) -> list[Json]:
    count = instrument.items
    asked = "a list of answers" if count is None else f"a list of {count} answers"
    if not isinstance(given, list):
        _refuse("is not a list of answers", f"give {asked}, one an item")
    if not given or (count is not None and len(given) != count):
        _refuse(f"has {len(given)} answers", f"give {asked}: one for every item, none left out")
    return [_answer(instrument, answer, f"item {position}") for position, answer in enumerate(given, start=1)]


def _activities(instrument: Instrument, given: Json) -> dict[str, Json]:
    if not isinstance(given, dict) or not given:
        _refuse("does not name its activities", "give each activity with its answer")
    if instrument.items is not None and len(given) != instrument.items:
        _refuse(f"has {len(given)} activities", f"give {instrument.items}")
    found: dict[str, Json] = {}
    for position, (name, answer) in enumerate(given.items(), start=1):
        tidy = " ".join(name.split())
        if not _is_name(tidy) or tidy in found:
            _refuse(f"activity {position} is repeated or has no short plain name", f"use up to {LONGEST} letters, once")
        found[tidy] = _answer(instrument, answer, f"activity {position}")
    return dict(sorted(found.items()))


def _is_name(text: str) -> bool:
    # Beyond the basic plane a name could not be a key of what is hashed.
    return 0 < len(text) <= LONGEST and text.isprintable() and max(text) <= "\uffff"


def _answer(instrument: Instrument, given: Json, what: str) -> int:
    low, high = _item_range(instrument)
    asked = f"a whole number from {low} to {high}"
    exact = _number(given, f"{asked} for {what}")
    if exact.denominator != 1 or not low <= exact <= high:
        _refuse(f"{what} is {_text(exact)}", f"give {asked}")
    return int(exact)


def _item_range(instrument: Instrument) -> tuple[Number, Number]:
    low, high = instrument.item_low, instrument.item_high
    return (
        _least(Fraction(instrument.low)) if low is None else low,
        _least(Fraction(instrument.high)) if high is None else high,
    )


def _number(given: Json, asked: str) -> Fraction:
    if isinstance(given, str):
        exact = bool(_DECIMAL.fullmatch(given))
    else:  # bool is an int to Python; yes is not a score
        exact = isinstance(given, int) and not isinstance(given, bool) and -LARGEST < given < LARGEST
    if not isinstance(given, int | str) or not exact:
        _refuse("is not an exact number", f"give {asked}, decimals as text such as '6.5'")
    return Fraction(given)


def _require_in_range(instrument: Instrument, exact: Number) -> None:
    if not Fraction(instrument.low) <= exact <= Fraction(instrument.high):
        _refuse(f"is {_text(exact)}", f"{instrument.title} goes from {instrument.low} to {instrument.high}")
    if instrument.whole and not isinstance(exact, int):
        _refuse(f"is {_text(exact)}", f"{instrument.title} has whole numbers only")


def _text(exact: Number) -> str:
    """Write a number as people do: 6.5, and 20/3 where no decimal is exact."""
    scaled = Fraction(exact) * 10**6
    if scaled.denominator != 1:
        return str(exact)
    whole, rest = divmod(abs(int(scaled)), 10**6)
    return f"{'-' if exact < 0 else ''}{whole}{f'.{rest:06}'.rstrip('0') if rest else ''}"


def _least(exact: Fraction) -> Number:
    return int(exact) if exact.denominator == 1 else exact


def _refuse(why: str, remedy: str) -> NoReturn:
    raise InvalidInput(f"the score {why}: {remedy}.")
