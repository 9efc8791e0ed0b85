from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidInput
from engine.measures import (
    Thresholds,
    comparable,
    improvement,
    normalise,
    number_of,
    percent_improvement,
    respond,
    score,
)
from engine.model import Json
from engine.pathway import Instrument


def an_instrument(**fields: Any) -> Instrument:
    """Make an instrument of 0 to 10 where higher is worse, with some fields other."""
    common = {
        "title": "A scale",
        "direction": "higher_is_worse",
        "scoring": "single",
        "low": "0",
        "high": "10",
        "measures": ("pain",),
        "licence": "free",
        "licence_status": "free",
        "sources": (),
    }
    return Instrument.model_validate({**common, **fields})


ITEMS = {"item_low": 0, "item_high": 10}
NPRS = an_instrument(title="NPRS", whole=True)
PEG = an_instrument(title="PEG", scoring="mean", items=3, **ITEMS)
PSFS = an_instrument(title="PSFS", scoring="mean", named_items=True, direction="higher_is_better", **ITEMS)
PSFS_2 = PSFS.model_copy(update={"direction": "higher_is_worse", "version": "2.0"})
PGIC = an_instrument(title="PGIC", low="1", high="7", whole=True)
RMDQ = an_instrument(title="RMDQ", scoring="sum", high="24", items=24, item_low=0, item_high=1)
ODI = an_instrument(title="ODI", scoring="percent", high="100", items=10, item_low=0, item_high=5)
NDI_POINTS = an_instrument(title="NDI 0-50", scoring="score_only", high="50", whole=True)
NDI_PERCENT = an_instrument(title="NDI percent", scoring="score_only", high="100")
LOOSE = an_instrument(scoring="mean")  # any number of unnamed items, in the range of the scale


# --- scoring ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument", "raw", "normal", "number"),
    [
        pytest.param(NPRS, 0, {"score": "0"}, 0, id="nprs lowest"),
        pytest.param(NPRS, 10, {"score": "10"}, 10, id="nprs highest"),
        pytest.param(NPRS, "6", {"score": "6"}, 6, id="as text"),
        pytest.param(NPRS, "06.00", {"score": "6"}, 6, id="odd spelling"),
        pytest.param(NPRS, "-0", {"score": "0"}, 0, id="minus nothing"),
        pytest.param(NPRS, {"score": 6, "version": "1 week"}, {"score": "6", "version": "1 week"}, 6, id="version"),
        pytest.param(PEG, [6, 7, 7], {"items": [6, 7, 7]}, Fraction(20, 3), id="peg"),
        pytest.param(PEG, ["6", "6", 6], {"items": [6, 6, 6]}, 6, id="peg whole"),
        pytest.param(PEG, {"items": [0, 0, 1]}, {"items": [0, 0, 1]}, Fraction(1, 3), id="peg normal form"),
        pytest.param(PSFS, {"lift": 3, "drive": 4}, {"items": {"drive": 4, "lift": 3}}, Fraction(7, 2), id="psfs"),
        pytest.param(PSFS, {"items": {" lift  it ": 3}}, {"items": {"lift it": 3}}, 3, id="psfs normal form"),
        pytest.param(RMDQ, [1] * 9 + [0] * 15, {"items": [1] * 9 + [0] * 15}, 9, id="sum"),
        pytest.param(ODI, [2] * 9 + [3], {"items": [2] * 9 + [3]}, 42, id="percent"),
        pytest.param(NDI_POINTS, 24, {"score": "24"}, 24, id="ndi points"),
        pytest.param(NDI_PERCENT, "48.50", {"score": "48.5"}, Fraction(97, 2), id="ndi percent"),
        pytest.param(LOOSE, [1, 2], {"items": [1, 2]}, Fraction(3, 2), id="any number of items"),
    ],
)
def test_scores_are_exact(instrument: Instrument, raw: Json, normal: Json, number: int | Fraction) -> None:
    """Item sums and fractions, rounded nowhere; the normal form keeps what was answered, and is its own normal form."""
    assert normalise(instrument, raw) == normal
    assert normalise(instrument, normal) == normal
    assert score(instrument, raw) == number_of(instrument, normal) == number
    assert type(score(instrument, raw)) is type(number)


@pytest.mark.parametrize(
    ("instrument", "raw", "problem"),
    [
        pytest.param(NPRS, 11, "is 11: NPRS goes from 0 to 10", id="above"),
        pytest.param(NPRS, -1, "is -1: NPRS goes from 0 to 10", id="below"),
        pytest.param(NPRS, "10.5", r"is 10\.5: NPRS goes", id="just above"),
        pytest.param(NPRS, "6.5", "whole numbers only", id="not whole"),
        pytest.param(NPRS, 6.5, "not an exact number: give one number from 0 to 10, decimals as text", id="float"),
        pytest.param(NPRS, True, "not an exact number", id="yes is no score"),
        pytest.param(NPRS, None, "not an exact number", id="nothing"),
        pytest.param(NPRS, "6e0", "not an exact number", id="exponent"),
        pytest.param(NPRS, "1/2", "not an exact number", id="fraction"),
        pytest.param(NPRS, "٦", "not an exact number", id="other digits"),
        pytest.param(NPRS, "6" * 10_000, "not an exact number", id="endless text"),
        pytest.param(NPRS, 10**5000, "not an exact number", id="endless number"),
        pytest.param(NPRS, [6], "not an exact number", id="list for one"),
        pytest.param(NPRS, {"items": [6]}, "not an exact number", id="items for one"),
        pytest.param(NPRS, {"score": 6, "items": [6]}, "score and items", id="both"),
        pytest.param(NPRS, {"score": 6, "scale": 5}, "not an exact number", id="unknown key"),
        pytest.param(NPRS, {"score": 6, "version": 2}, "version that is not a short text", id="version as number"),
        pytest.param(NPRS, {"score": 6, "version": ""}, "version that is not a short text", id="empty version"),
        pytest.param(NPRS, {"score": 6, "version": "x" * 81}, "version that is not a short text", id="long version"),
        pytest.param(PEG, [6, 7], "has 2 answers: give a list of 3 answers", id="one missing"),
        pytest.param(PEG, [6, 7, None], "not an exact number", id="one unanswered"),
        pytest.param(PEG, [6, 7, 7, 7], "has 4 answers", id="one too many"),
        pytest.param(PEG, [6, 7, 11], "item 3 is 11: give a whole number from 0 to 10", id="item above"),
        pytest.param(PEG, [6, -1, 7], "item 2 is -1", id="item below"),
        pytest.param(PEG, ["6.5", 7, 7], r"item 1 is 6\.5: give a whole number", id="item not whole"),
        pytest.param(PEG, "6.7", "not a list of answers: give a list of 3", id="a rounded mean"),
        pytest.param(PEG, {"score": "6.7"}, "not a list of answers", id="a rounded mean as score"),
        pytest.param(PEG, {"a": 1, "b": 2, "c": 3}, "not a list of answers", id="names where none belong"),
        pytest.param(LOOSE, [], "has 0 answers: give a list of answers", id="empty list"),
        pytest.param(PSFS, [3, 4], "does not name its activities", id="no names"),
        pytest.param(PSFS, {}, "does not name its activities", id="no activity"),
        pytest.param(PSFS, {"lift": 3, " lift": 4}, "activity 2 is repeated", id="activity twice"),
        pytest.param(PSFS, {" ": 3}, "activity 1 is repeated or has no short plain name", id="empty name"),
        pytest.param(PSFS, {"x" * 81: 3}, "activity 1", id="long name"),
        pytest.param(PSFS, {"a\x00b": 3}, "activity 1", id="control character"),
        pytest.param(PSFS, {"\ud83d": 3}, "activity 1", id="half a character"),
        pytest.param(PSFS, {"😀": 3}, "activity 1", id="beyond the basic plane"),
        pytest.param(PSFS, {"lift": 11}, "activity 1 is 11", id="activity above"),
        pytest.param(PSFS.model_copy(update={"items": 2}), {"lift": 1}, "has 1 activities: give 2", id="too few"),
        pytest.param(ODI.model_copy(update={"high": "50"}), [5] * 10, "is 100: ODI goes from 0 to 50", id="sum above"),
        pytest.param(PEG.model_copy(update={"whole": True}), [6, 7, 7], "is 20/3: PEG has whole", id="mean not whole"),
        pytest.param(NDI_POINTS, 60, "is 60: NDI 0-50 goes from 0 to 50", id="percent on the scale of points"),
    ],
)
def test_what_an_instrument_cannot_say_is_refused_with_the_remedy(
    instrument: Instrument, raw: Json, problem: str
) -> None:
    """Out of range, not whole, incomplete: never a number, and never clipped, filled up or rounded into one."""
    with pytest.raises(InvalidInput, match=problem):
        score(instrument, raw)


@pytest.mark.parametrize(
    "normal", [None, 6, {}, {"score": 6}, {"score": "six"}, {"items": []}, {"items": {}}, {"items": 3}]
)
def test_only_a_normal_form_has_a_number(normal: Json) -> None:
    """What was never read in is not scored."""
    with pytest.raises(InvalidInput, match="normal form"):
        number_of(PEG, normal)


# --- the same scale -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument", "one", "other", "expected"),
    [
        (NPRS, {"score": "6"}, {"score": "4"}, True),
        (NPRS, {"score": "6"}, {"score": "4", "version": "1"}, True),
        (NPRS, {"score": "6"}, {"score": "4", "version": "2"}, False),
        (PSFS, {"items": {"lift": 3, "drive": 4}}, {"items": {"drive": 1, "lift": 1}}, True),
        (PSFS, {"items": {"lift": 3, "drive": 4}}, {"items": {"lift": 3}}, False),
        (PSFS, {"items": {"lift": 3}}, {"items": {"walk": 3}}, False),
        (PSFS, {"items": {"lift": 3}, "version": "2.0"}, {"items": {"lift": 3}}, False),
        (PEG, {"items": [1, 2, 3]}, {"items": [3, 2, 1]}, True),
        (LOOSE, {"items": [1, 2]}, {"items": [1, 2, 3]}, False),
        (PEG, {"items": [1, 2, 3]}, {"score": "2"}, False),
        (NPRS, None, {"score": "6"}, False),
        (NPRS, {"score": "6"}, "6", False),
    ],
)
def test_only_the_same_scale_compares(instrument: Instrument, one: Json, other: Json, *, expected: bool) -> None:
    """INS-02: same version, and for activities a person named, the same activities."""
    assert comparable(instrument, one, other) is expected
    assert comparable(instrument, other, one) is expected


def test_the_neck_disability_index_is_entered_on_a_stated_scale() -> None:
    """24 of 50 and 24 percent are different instruments: a field asks for one, so no bare number is ever guessed.

    The same disability reads the same on both: 24 of 50 is 48 percent.
    """
    assert score(NDI_POINTS, 24) == 24
    assert Fraction(100 * score(NDI_POINTS, 24)) / 50 == score(NDI_PERCENT, 48)
    with pytest.raises(InvalidInput):
        score(NDI_POINTS, 51)


# --- change -------------------------------------------------------------------------------------------------------


def thresholds(rule: str = "percent", **numbers: Any) -> Thresholds:
    """Make the usual thresholds: 30 percent, 2 points, substantial from 50 percent, worse from 2 points, no guard."""
    return Thresholds(
        rule=rule, **{"percent": 30, "points": 2, "substantial": 50, "worse": 2, "low_baseline": -1, **numbers}
    )


def nprs(points: int) -> Json:
    """Make an NPRS score."""
    return {"score": str(points)}


def peg(total: int) -> Json:
    """Make a PEG of this item sum."""
    return {"items": [total // 3, (total + 1) // 3, (total + 2) // 3]}


RESPONDED = {"responder", "substantial"}
NPRS_PAIRS = [(before, after) for before in range(1, 11) for after in range(before + 1)]
PEG_PAIRS = [(before, after) for before in range(1, 31) for after in range(before + 1)]


def test_30_percent_and_2_points_disagree_in_7_of_65_pairs() -> None:
    """All NPRS pairs from 1-10 to no worse: which rule is meant decides for seven patients, so it must be named."""
    by = {
        rule: {
            pair for pair in NPRS_PAIRS if respond(NPRS, nprs(pair[0]), nprs(pair[1]), thresholds(rule)) in RESPONDED
        }
        for rule in ("percent", "points", "either", "both")
    }

    assert len(NPRS_PAIRS) == 65
    assert by["percent"] - by["points"] == {(1, 0), (2, 1), (3, 2)}
    assert by["points"] - by["percent"] == {(7, 5), (8, 6), (9, 7), (10, 8)}
    assert by["either"] == by["percent"] | by["points"]
    assert by["both"] == by["percent"] & by["points"]


@pytest.mark.parametrize(("before", "after", "expected"), [(20, 14, "responder"), (27, 19, "partial")])
def test_a_peg_is_compared_by_its_item_sum(before: int, after: int, expected: str) -> None:
    """20 to 14 is 30.0 percent (rounded means say 29.9), 27 to 19 is 29.6 (rounded means say 30.0)."""
    assert respond(PEG, peg(before), peg(after), thresholds()) == expected


def rounded(total: int) -> Fraction:
    """Give a PEG mean as people write it, to one decimal."""
    return Fraction((Decimal(total) / 3).quantize(Decimal("0.1"), ROUND_HALF_UP))


def test_rounded_peg_means_misclassify_2_of_495_pairs() -> None:
    """Every PEG pair by item sums 1-30: rounding before comparing changes the answer for exactly two."""
    wrong = [
        (before, after)
        for before, after in PEG_PAIRS
        if (respond(PEG, peg(before), peg(after), thresholds()) in RESPONDED)
        != (100 * (rounded(before) - rounded(after)) / rounded(before) >= 30)
    ]

    assert len(PEG_PAIRS) == 495
    assert wrong == [(20, 14), (27, 19)]


def test_better_is_positive_whichever_way_the_scale_runs() -> None:
    """PSFS 4 to 6 is better by 2 points, half the baseline; on a sheet that turns the scale round it is worse."""
    before: Json = {"items": {"lift": 4}}
    after: Json = {"items": {"lift": 6}}

    assert improvement(PSFS, before, after) == 2
    assert percent_improvement(PSFS, before, after) == 50
    assert improvement(PSFS_2, before, after) == -2
    assert respond(PSFS, before, after, thresholds()) == "substantial"
    assert respond(PSFS_2, before, after, thresholds()) == "worse"


@pytest.mark.parametrize(
    ("instrument", "before", "after", "expected"),
    [
        pytest.param(NPRS, nprs(6), nprs(4), Fraction(100, 3), id="down"),
        pytest.param(NPRS, nprs(6), nprs(9), -50, id="up"),
        pytest.param(NPRS, nprs(0), nprs(1), None, id="from nothing"),
        pytest.param(PSFS, {"items": {"lift": 0}}, {"items": {"lift": 5}}, None, id="from not able"),
        pytest.param(PGIC, nprs(4), nprs(2), None, id="a scale without a zero"),
    ],
)
def test_percent_needs_a_baseline_that_means_something(
    instrument: Instrument, before: Json, after: Json, expected: Fraction | None
) -> None:
    """In percent of the baseline; none of zero, and none on a scale that does not begin at zero."""
    assert percent_improvement(instrument, before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (10, 5, "substantial"),
        (10, 6, "responder"),
        (10, 7, "responder"),
        (10, 8, "partial"),
        (10, 9, "partial"),
        (10, 10, "none"),
        (8, 9, "none"),
        (8, 10, "worse"),
        (4, 2, "substantial"),
        (4, 3, "partial"),
    ],
)
def test_response_by_percent(before: int, after: int, expected: str) -> None:
    """Both sides of 50 percent, 30 percent, no change and 2 points worse."""
    assert respond(NPRS, nprs(before), nprs(after), thresholds()) == expected


@pytest.mark.parametrize(
    ("rule", "before", "after", "expected"),
    [
        ("points", 10, 8, "responder"),
        ("points", 10, 9, "partial"),
        ("points", 2, 1, "partial"),
        ("points", 4, 2, "substantial"),
        ("either", 10, 8, "responder"),
        ("either", 3, 2, "responder"),
        ("either", 4, 3, "partial"),
        ("both", 10, 8, "partial"),
        ("both", 3, 2, "partial"),
        ("both", 6, 4, "responder"),
    ],
)
def test_response_by_the_other_rules(rule: str, before: int, after: int, expected: str) -> None:
    """Half of the pain gone counts as substantial only when the named rule calls it a response at all."""
    assert respond(NPRS, nprs(before), nprs(after), thresholds(rule)) == expected


@pytest.mark.parametrize("rule", ["percent", "points", "either", "both"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0, 0, "not_evaluable"),
        (1, 0, "not_evaluable"),
        (1, 1, "not_evaluable"),
        (1, 2, "not_evaluable"),
        (1, 3, "worse"),
        (0, 2, "worse"),
        (2, 0, "substantial"),
    ],
)
def test_a_low_baseline_is_not_evaluable_but_worsening_is_seen(
    rule: str, before: int, after: int, expected: str
) -> None:
    """From 0 or 1 there is no room to improve, so nobody counts as a failure; getting clearly worse still counts."""
    assert respond(NPRS, nprs(before), nprs(after), thresholds(rule, low_baseline=1)) == expected


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        ("percent", 1, "not_evaluable"),
        ("points", 2, "responder"),
        ("points", 3, "partial"),
        ("either", 2, "responder"),
        ("either", 3, "not_evaluable"),
        ("both", 2, "not_evaluable"),
        ("both", 3, "partial"),
        ("both", 4, "none"),
    ],
)
def test_without_a_percentage_only_points_can_answer(rule: str, after: int, expected: str) -> None:
    """On a scale without a zero the percentage is unknown, and unknown is never a no: only points may decide."""
    assert respond(PGIC, nprs(4), nprs(after), thresholds(rule)) == expected


def test_other_scales_are_not_evaluable() -> None:
    """Another version, or other activities: no response is made up."""
    assert respond(NPRS, nprs(8), {"score": "1", "version": "2"}, thresholds()) == "not_evaluable"
    assert respond(PSFS, {"items": {"lift": 1}}, {"items": {"walk": 9}}, thresholds()) == "not_evaluable"


def test_a_rule_of_response_must_be_one_there_is() -> None:
    """A misspelled rule would silently judge by another one."""
    with pytest.raises(InvalidInput, match="percent, points, either or both"):
        thresholds("percents")


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(["percent", "points", "either", "both"]))
def test_less_pain_is_never_a_worse_answer(before: int, after: int, rule: str) -> None:
    """With the same baseline, one point less pain never moves the response in the bad direction."""
    order = ["worse", "none", "partial", "responder", "substantial"]

    more = respond(PEG, peg(before), peg(after), thresholds(rule))
    less = respond(PEG, peg(before), peg(after - 1), thresholds(rule))

    assert order.index(less) >= order.index(more)
