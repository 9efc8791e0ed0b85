"""The condition language: what can be said, what is refused and where, and what three answers mean."""

import ast
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

import pytest

from engine.conditions import (
    Compiled,
    ConditionError,
    check,
    check_yes_no,
    compile_condition,
    json_of,
    names_in,
    parse,
    unparse,
)
from engine.decision import Input
from engine.facts import Item, Number, Type, Value

SITE: Mapping[str, Type] = {
    "ml": Type(kind="number", unit="ml", low=0, high=5),
    "drug": Type(kind="code", options=("lidocaine", "saline")),
    "on": Type(kind="date"),
    "signs": Type(kind="list", items={"kind": Type(kind="code", options=("pain", "numbness"))}),
    "known_ml": Type(kind="number", known=True),
}
NAMES: Mapping[str, Type] = {
    "scores.pain": Type(kind="number", low=0, high=10, whole=True),
    "scores.peg": Type(kind="number", low=0, high=10),
    "body.weight": Type(kind="number", unit="kg"),
    "body.height": Type(kind="number", unit="cm"),
    "stay.day": Type(kind="number", low=0, whole=True, known=True),
    "response": Type(kind="code", options=("responder", "none", "worse")),
    "state": Type(kind="code", options=("self_care", "injection"), known=True),
    "visited": Type(kind="codes", options=("self_care", "injection"), known=True),
    "drugs.taken": Type(kind="codes", options=("aspirin", "warfarin", "none")),
    "param.allowed": Type(kind="codes", options=("aspirin", "paracetamol")),
    "param.window": Type(kind="duration", known=True),
    "today": Type(kind="date", known=True),
    "scores.occurred_on": Type(kind="date"),
    "agrees": Type(kind="bool"),
    "signed": Type(kind="bool", known=True),
    "actor.id": Type(kind="text", known=True),
    "note.by": Type(kind="text"),
    "sites": Type(kind="list", items=SITE),
    "history.session": Type(kind="list", items=SITE, known=True),
}


@dataclass
class Facts:
    """A Lookup over a plain dictionary, which counts what it was asked."""

    values: Mapping[str, Value | None]
    asked: list[str] = field(default_factory=list)

    def value(self, name: str) -> Value | None:
        """Give the value."""
        self.asked.append(name)
        return self.values.get(name)

    def input(self, name: str) -> Input:
        """Give the value as JSON."""
        return Input(fact=name, value=json_of(self.values.get(name)))


def compiled(text: str) -> Compiled:
    """Parse, check and compile."""
    node = parse(text)
    check(node, NAMES)
    return compile_condition(node)


def value(text: str, **facts: Value | None) -> Value | None:
    """Answer a condition; `a__b` stands for the fact a.b."""
    return compiled(text).evaluate(Facts({name.replace("__", "."): one for name, one in facts.items()}))


def problems(text: str) -> tuple[tuple[int, str], ...]:
    """Give what is wrong with a condition."""
    with pytest.raises(ConditionError) as caught:
        check_yes_no(parse(text), NAMES)
    return caught.value.problems


# --- three answers -----------------------------------------------------------------------------------------------

U = None
T, F = True, False


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (T, T, T, T),
        (T, F, F, T),
        (T, U, U, T),
        (F, T, F, T),
        (F, F, F, F),
        (F, U, F, U),
        (U, T, U, T),
        (U, F, F, U),
        (U, U, U, U),
    ],
)
def test_and_or_hold_with_unknown(
    left: bool | None, right: bool | None, both: bool | None, either: bool | None
) -> None:
    """Not answered is not no: it only stops mattering where the other answer settles the question."""
    assert value("agrees and signed", agrees=left, signed=right) is both
    assert value("agrees or signed", agrees=left, signed=right) is either


@pytest.mark.parametrize(("given", "contrary"), [(T, F), (F, T), (U, U)])
def test_not_of_unknown_is_unknown(given: bool | None, contrary: bool | None) -> None:
    """The contrary of a question nobody answered is not answered either."""
    assert value("not agrees", agrees=given) is contrary


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_comparing_with_unknown_is_unknown(operator: str) -> None:
    """A pain score that was not taken is neither high nor low, nor different from anything."""
    assert value(f"scores.pain {operator} 4") is None
    assert value(f"4 {operator} scores.pain") is None


def test_known_and_unknown_are_never_unknown() -> None:
    """Whether something was answered can always be said."""
    assert value("scores.pain is known") is False
    assert value("scores.pain is unknown") is True
    assert value("agrees is known", agrees=False) is True
    assert value("(scores.pain > 3 or signed) is known", signed=True) is True


@pytest.mark.parametrize(
    ("pain", "answer"), [(3, False), (4, True), (7, True), (8, False), (None, None)], ids=["3", "4", "7", "8", "?"]
)
def test_chained_comparison(pain: int | None, answer: bool | None) -> None:
    """Moderate pain is 4 to 7, both included."""
    assert value("4 <= scores.pain <= 7", scores__pain=pain) is answer


def test_dividing_by_nothing_is_unknown() -> None:
    """A percentage of a baseline of 0 says nothing, and never stops the clinic with an error."""
    assert value("scores.peg / scores.pain > 1", scores__peg=3, scores__pain=0) is None


def test_membership() -> None:
    """`in` asks a written list, an answered set, or the set a site chose."""
    assert value('response in ["none", "worse"]', response="worse") is True
    assert value('response not in ["none", "worse"]', response="worse") is False
    assert value('"aspirin" in drugs.taken', drugs__taken=frozenset({"warfarin"})) is False
    assert value('"aspirin" in drugs.taken') is None
    assert value("state in visited", state="injection", visited=frozenset({"injection"})) is True
    assert value("scores.pain in [0, 10]", scores__pain=10) is True
    assert value('drugs.taken == ["none"]', drugs__taken=frozenset({"none"})) is True
    assert value("drugs.taken != []", drugs__taken=frozenset()) is False


# --- exact numbers, days -----------------------------------------------------------------------------------------


def test_decimals_are_exact() -> None:
    """0.1 + 0.2 is 0.3: a dose is never off by a rounding error."""
    assert value("0.1 + 0.2 == 0.3") is True
    assert value("scores.peg * 3 == 20", scores__peg=Fraction(20, 3)) is True
    assert value("-0.5 < -0.25") is True


def test_whole_numbers_stay_whole() -> None:
    """Only where decimals occur is a number a fraction; `2.0` is 2."""
    node = parse("2.0 + 3")
    found = compile_condition(node).evaluate(Facts({}))
    assert found == 5
    assert type(found) is int


@pytest.mark.parametrize(("days", "answer"), [(13, False), (14, True)])
def test_days_and_dates(days: int, answer: bool) -> None:
    """The window opens on day 14, not on day 13."""
    on = date(2026, 3, 2)
    facts: dict[str, Value | None] = {
        "today": on + timedelta(days=days),
        "scores__occurred_on": on,
        "param__window": timedelta(days=14),
    }
    assert value("today - scores.occurred_on >= param.window", **facts) is answer
    assert value("today >= scores.occurred_on + param.window", **facts) is answer
    assert value("days(stay.day) >= param.window", stay__day=days, param__window=timedelta(days=14)) is answer
    assert value("today - days(14) >= scores.occurred_on", **facts) is answer


def test_a_day_beyond_the_calendar_is_unknown() -> None:
    """No written number of days can break the calendar."""
    assert value("today + days(99999999) > today", today=date(2026, 3, 2)) is None
    assert value("today + days(999999999999999) > today", today=date(2026, 3, 2)) is None
    longest = {"param__window": timedelta.max}
    assert value("-param.window < param.window", **longest) is None
    assert value("param.window + param.window > param.window", **longest) is None


def test_more_days_than_any_calendar_has_are_longer_than_every_duration() -> None:
    """A day count out of all proportion still compares as the long time it is."""
    assert value("days(999999999999999) > param.window", param__window=timedelta(days=14)) is True
    assert value("-days(999999999999999) < param.window", param__window=timedelta(days=14)) is True


def test_durations_add_up() -> None:
    """Half a window is not a window, two are more than one."""
    window = {"param__window": timedelta(days=14)}
    assert value("param.window + days(1) == days(15)", **window) is True
    assert value("param.window - days(15) == -days(1)", **window) is True


def test_a_number_too_long_to_keep_is_unknown() -> None:
    """Squaring again and again ends in unknown, not in a full memory; so it does through definitions."""
    squares = compile_condition(parse("scores.peg * scores.peg"))
    number: Value | None = 10**9
    for _ in range(40):
        number = squares.evaluate(Facts({"scores.peg": number}))
    assert number is None


def test_three_fifths_of_a_fraction_too_long() -> None:
    """The same bound holds for what stands under the line."""
    third = compile_condition(parse("scores.peg / 7"))
    number: Value | None = Fraction(1, 3)
    for _ in range(2000):
        number = third.evaluate(Facts({"scores.peg": number}))
    assert number is None


# --- lists -------------------------------------------------------------------------------------------------------

ON = date(2026, 3, 2)
ONE: Item = {"ml": 1, "drug": "lidocaine", "on": ON, "signs": ({"kind": "pain"},)}
TWO: Item = {"ml": 3, "drug": "saline", "on": ON + timedelta(days=7), "signs": ()}
NOT_SAID: Item = {"ml": None, "drug": None, "on": None, "signs": None}


@pytest.mark.parametrize(
    ("text", "entries", "answer"),
    [
        ("count(sites)", (ONE, TWO), 2),
        ("count(sites)", None, None),
        ("count(sites)", (), 0),
        ('count(s for s in sites if s.drug == "saline")', (ONE, TWO), 1),
        ('count(s for s in sites if s.drug == "saline")', (ONE, NOT_SAID), None),
        ('count(s.drug == "saline" for s in sites)', (ONE, TWO, TWO), 2),
        ("sum(s.ml for s in sites)", (ONE, TWO), 4),
        ("sum(s.ml for s in sites)", (), 0),
        ("sum(s.ml for s in sites)", (ONE, NOT_SAID), None),
        ('sum(s.ml for s in sites if s.drug == "lidocaine")', (ONE, TWO), 1),
        ("max(s.ml for s in sites)", (ONE, TWO), 3),
        ("min(s.ml for s in sites)", (ONE, TWO), 1),
        ("max(s.ml for s in sites)", (), None),
        ("max(s.ml for s in sites)", (ONE, NOT_SAID), None),
        ("max(s.on for s in sites)", (ONE, TWO), ON + timedelta(days=7)),
        ("first(s.ml for s in sites)", (ONE, TWO), 1),
        ("last(s.ml for s in sites)", (ONE, TWO), 3),
        ("last(s.drug for s in sites)", (), None),
        ('first(s.ml for s in sites if s.drug == "saline")', (ONE, TWO), 3),
        ('first(s.ml for s in sites if s.drug == "saline")', (NOT_SAID, TWO), None),
        ('last(s.ml for s in sites if s.drug == "saline")', (NOT_SAID, TWO), 3),
        ("distinct(s.drug for s in sites)", (ONE, TWO, ONE, NOT_SAID), 2),
        ("distinct(s.drug for s in sites if s.ml > 0)", (ONE, NOT_SAID), None),
        ("any(s.ml > 2 for s in sites)", (ONE, NOT_SAID, TWO), True),
        ("any(s.ml > 2 for s in sites)", (ONE, NOT_SAID), None),
        ("any(s.ml > 2 for s in sites)", (ONE,), False),
        ("any(s.ml > 2 for s in sites)", (), False),
        ("all(s.ml > 2 for s in sites)", (), True),
        ("all(s.ml > 2 for s in sites)", (TWO, NOT_SAID), None),
        ("all(s.ml > 2 for s in sites)", (ONE, NOT_SAID), False),
        ('any(s.ml > 2 for s in sites if s.drug == "saline")', ({**TWO, "drug": None},), None),
        ('any(s.ml > 2 for s in sites if s.drug == "saline")', ({**ONE, "drug": None},), False),
        ('all(s.ml > 2 for s in sites if s.drug == "saline")', ({**ONE, "drug": None},), None),
        ('all(s.ml > 2 for s in sites if s.drug == "saline")', ({**TWO, "drug": None},), True),
        ('count(g for s in sites for g in s.signs if g.kind == "pain")', (ONE, TWO), 1),
        ('any(g.kind == "pain" for s in sites for g in s.signs)', (NOT_SAID, ONE), True),
        ('any(g.kind == "pain" for s in sites for g in s.signs)', (NOT_SAID, TWO), None),
        ('any(g.kind == "pain" for s in sites if s.ml > 2 for g in s.signs)', ({**NOT_SAID, "ml": 1}, TWO), False),
        ("count(s for s in sites if any(g.kind == 'pain' for g in s.signs))", (ONE, TWO), 1),
        ("count(g for s in sites for g in s.signs)", (ONE, NOT_SAID), None),
        ("count(g for s in sites for g in s.signs)", None, None),
        ("any(-s.ml < -2 for s in sites)", (ONE, TWO), True),
    ],
)
def test_lists(text: str, entries: tuple[Item, ...] | None, answer: Value | None) -> None:
    """What lists come to, with entries that were not answered."""
    found = value(text, sites=entries)
    assert found == answer
    assert type(found) is type(answer)


def test_inner_entries_can_be_compared_with_outer_ones() -> None:
    """Two lists can be gone through together: the same drug twice within 14 days."""
    text = (
        "any(a.drug == b.drug and b.on - a.on < days(14) and b.on > a.on"
        " for a in history.session for b in history.session)"
    )
    later: Item = {**ONE, "on": ON + timedelta(days=10)}
    assert value(text, history__session=(ONE, later)) is True
    assert value(text, history__session=(ONE, {**later, "on": ON + timedelta(days=14)})) is False


# --- explanation -------------------------------------------------------------------------------------------------


def test_every_atom_is_a_clause_with_what_it_read() -> None:
    """A coordinator sees each thing that was asked, its own answer, and the values behind it."""
    condition = compiled('scores.pain>=4 and (agrees or not response in ["worse"]) and sum(s.ml for s in sites) <= 3')
    clauses = condition.explain(
        Facts({"scores.pain": 3, "response": "worse", "sites": (ONE, {**ONE, "ml": Fraction(5, 2)})})
    )
    assert [(clause.text, clause.value) for clause in clauses] == [
        ("scores.pain >= 4", False),
        ("agrees", None),
        ('response in ["worse"]', True),
        ("sum(s.ml for s in sites) <= 3", False),
    ]
    assert [[(one.fact, one.value) for one in clause.inputs] for clause in clauses] == [
        [("scores.pain", 3)],
        [("agrees", None)],
        [("response", "worse")],
        [("sites", 2), ("sum(s.ml for s in sites)", "3.5")],
    ]


def test_explaining_and_answering_agree() -> None:
    """`answer` gives at once what `evaluate` and `explain` give."""
    condition = compiled("not (agrees and scores.pain is known) or any(s.ml > 2 for s in sites)")
    for agrees in (T, F, U):
        facts = Facts({"agrees": agrees, "scores.pain": 2, "sites": (ONE,)})
        assert condition.answer(facts) == (condition.evaluate(facts), condition.explain(facts))


def test_a_clause_asked_twice_is_shown_once() -> None:
    """The same question in two places is one line for the reader."""
    clauses = compiled("(agrees and signed) or (agrees and stay.day > 3)").explain(Facts({}))
    assert [clause.text for clause in clauses] == ["agrees", "signed", "stay.day > 3"]


def test_parameters_inside_a_list_question_are_shown() -> None:
    """A threshold read for every entry is one input of the clause."""
    (clause,) = compiled('any(s.drug in ["saline"] and today - s.on < param.window for s in sites)').explain(Facts({}))
    assert [one.fact for one in clause.inputs] == ["today", "param.window", "sites"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2**60, str(2**60)),
        (Fraction(6, 2), 3),
        (Fraction(5, 2), "2.5"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1, 3), "0.333333…"),
        (Fraction(-2, 3), "-0.666667…"),
        (Fraction(1, 2**200), "0.000000…"),
        (date(2026, 3, 2), "2026-03-02"),
        (timedelta(days=14), "14 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=-3), "-3 days"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(microseconds=1500000), "1500000 microseconds"),
        (frozenset({"b", "a"}), ["a", "b"]),
        ((ONE, TWO), 2),
        ("text", "text"),
    ],
)
def test_values_as_json(given: Value | None, shown: object) -> None:
    """Every value has one form for people and for the log; numbers are never floats."""
    assert json_of(given) == shown
    assert type(json_of(given)) is type(shown)


# --- what is refused, and where ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("scores.pian > 3", 1, "there is no scores.pian here. Did you mean scores.pain?"),
        ("scores > 3", 1, "scores has fields"),
        ("agrees and resp == 1", 12, "there is no resp here"),
        ('response == "responder "', 13, "Did you mean responder?"),
        ('response in ["none", "wors"]', 22, "Did you mean worse?"),
        ('"paracetamol" in drugs.taken', 1, "is not one of its codes"),
        ('drugs.taken == ["aspirine"]', 17, "Did you mean aspirin?"),
        ("scores.pain > 11", 15, "11 lies outside 0 to 10"),
        ("scores.pain > 10", 1, "can never be true"),
        ("scores.pain < 0", 1, "can never be true"),
        ("scores.pain == 2.5", 16, "whole number"),
        ("scores.pain in [1, 12]", 20, "12 lies outside"),
        ("count(sites) < 0", 1, "can never be true"),
        ("scores.pain + 5 > 15", 1, "can never be true"),
        ("-scores.pain > 1", 16, "1 lies outside -10 to 0"),
        ("-scores.pain > 0", 1, "can never be true"),
        ("body.weight > body.height", 1, "kg and cm are different units"),
        ("body.weight + body.height > 3", 1, "kg and cm are different units"),
        ("scores.pain", 1, "a yes/no is needed"),
        ("scores.pain and agrees", 1, "a yes/no is needed"),
        ("not scores.pain", 5, "a yes/no is needed"),
        ('response == "none" or response', 23, "a yes/no is needed"),
        ('response > "none"', 1, "has no order"),
        ("agrees < signed", 1, "has no order"),
        ("agrees == 1", 1, "compared with a number"),
        ("stay.day >= param.window", 1, "Write days(…)"),
        ("today + 3 > today", 1, "Write days(…)"),
        ("today + today > today", 1, "has no meaning"),
        ("days(scores.peg) > param.window", 1, "whole number of days"),
        ("days(body.weight) > param.window", 1, "whole number of days"),
        ("-agrees", 1, "has no sign"),
        ('state == "self_care" == agrees', 10, "compared with"),
        ("state == response", 1, "no code in common"),
        ("state == note.by", 1, "compared with a text"),
        ('drugs.taken in ["none"]', 1, 'Write "CODE" in FACT'),
        ("agrees in drugs.taken", 1, "never in a set of codes"),
        ("response in state", 13, "needs a written list"),
        ("response in []", 13, "nothing is in an empty list"),
        ('response in ["none", 1]', 13, "numbers only or texts only"),
        ("[1] == [2]", 1, "compared by == or != with a set of codes"),
        ("sites == sites", 1, "not compared"),
        ("[1] and agrees", 1, "stands after `in`"),
        ("-scores.pian > 1", 2, "Did you mean scores.pain?"),
        ("days(scores.pian) > param.window", 6, "Did you mean scores.pain?"),
        ("param.window + today > today", 1, "has no meaning"),
        ("today - param.window > param.window", 1, "a date is compared with a duration"),
        ('drugs.taken > ["none"]', 15, "compared by == or !="),
        ('["none"] in ["none"]', 1, "a list is not in a list"),
        ("response in visited", 1, "none of its codes is among the codes there"),
        ('"respond" == response', 1, "Did you mean responder?"),
        ('response < "none"', 1, "has no order"),
        ("scores.pain in ['a']", 1, "a number is never one of these"),
        ("any(s.ml for s in sites)", 5, "any needs a yes/no, not a number"),
        ("sum(s.drug for s in sites) > 1", 5, "sum needs a number"),
        ('max(s.drug for s in sites) == "saline"', 5, "max needs a number or a date or a duration"),
        ("any(s.mg > 1 for s in sites)", 5, "an entry of this list has no mg"),
        ("any(s.ml > 1 for s in state)", 23, "a recorded list is needed"),
        ("any(scores.ml > 1 for scores in sites)", 33, "already a name here"),
        ("count(agrees) > 1", 7, "a recorded list is needed"),
    ],
)
def test_types_units_and_domains(text: str, column: int, message: str) -> None:
    """A mistake is found when the pack is loaded, at its column, with what may have been meant."""
    found = problems(text)
    assert any(one == column and message in sentence for one, sentence in found), found


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "empty"),
        ("  \n ", 1, "empty"),
        ("agrees = signed", 8, "write == to compare"),
        ("agrees & signed", 8, "write `and`"),
        ("scores.pain ** 2 > 1", 13, "no powers"),
        ("scores.pain // 2 > 1", 13, "no whole division"),
        ("scores.pain % 2 > 1", 13, "percentage"),
        ("agrees # really", 8, "remark"),
        ("agrees\\\n and signed", 7, "backslash"),
        ("agrees and", 11, "cannot be read"),
        ("(agrees", 8, "is missing at the end"),
        ("agrees)", 7, "closes nothing"),
        ("(agrees]", 8, "closes nothing"),
        ("agrees) or (signed", 7, "closes nothing"),
        ('response == "none', 13, "same quote"),
        ('response == """none"""', 15, "side by side"),
        ('response == "no" "ne"', 18, "side by side"),
        ('response == f"none"', 13, "no quote follows"),
        ("1_000 > stay.day", 1, "no number"),
        ("1e3 > stay.day", 1, "no number"),
        ("1. > stay.day", 1, "no number"),
        ("0x10 > stay.day", 1, "no number"),
        ("007 > stay.day", 1, "cannot be read"),
        (f"{'9' * 31} > stay.day", 1, "at most 30 digits"),
        (f"0.{'0' * 30} > stay.day", 1, "at most 30 digits"),
        ("agrees if signed else agrees", 1, "no if … else"),
        ("lambda", 7, "cannot be read"),
        ("lambda: 1", 7, "no meaning here"),
        ("agrees is not known", 1, "`is` is followed by"),
        ("agrees is true", 1, "`is` is followed by"),
        ("agrees == None", 11, "write `is known`"),
        ("known", 1, "stands alone"),
        ("a.b.c == 1", 1, "at most one point"),
        ("a().b == 1", 1, "at most one point"),
        ("a[0] == 1", 1, "no meaning in a condition"),
        ("(agrees, signed)", 1, "no meaning in a condition"),
        ("eval('agrees')", 1, "there is no eval(…)"),
        ("somme(s.ml for s in sites) > 1", 1, "did you mean sum(…)?"),
        ("count(sites, sites) > 1", 1, "exactly one thing"),
        ("count() > 1", 1, "exactly one thing"),
        ("days(count=3) > param.window", 11, "write == to compare"),
        ("sum(sites) > 1", 1, "write sum(… for x in LIST)"),
        ("sum([s.ml for s in sites]) > 1", 1, "write sum(… for x in LIST)"),
        ("(s.ml for s in sites)", 1, "stands directly inside"),
        ("any(s for s in sites)", 5, "whole entry"),
        ("any(s.ml > 1 for s in sites if s)", 32, "whole entry"),
        ("any(s.ml > 1 for s in sites for s in s.signs)", 33, "one new name"),
        ("any(s.ml > 1 for s, t in sites)", 18, "one new name"),
        ("any(s.ml > 1 for known in sites)", 18, "one new name"),
        ("any(s.ml > 1 for s in [1])", 23, "name of a recorded list"),
        ("any(a.x > 1 for a in l for b in l for c in l)", 39, "at most 2 lists"),
        ("any(any(c.x > 1 for c in l) for a in l for b in l)", 21, "at most 2 lists"),
        ("response in [state]", 14, "numbers or texts only"),
        ("response in [[1]]", 14, "numbers or texts only"),
        ("agrées", 4, "no name"),
        ("agrees\x00", 7, "has no meaning here"),
        ("\ud800", 1, "'\\ud800' has no meaning"),
        ("'\ud800' == state", 1, "no control characters"),
        ("scores.pain > ３", 15, "no number"),
        ("+stay.day > 1", 1, "no meaning in a condition"),
        ("~stay.day > 1", 1, "no meaning here"),
        ("agrees; signed", 7, "no meaning here"),
        ("x := 1", 3, "no meaning here"),
        ("await agrees", 1, "no meaning in a condition"),
        ("*agrees", 1, "cannot be read"),
    ],
)
def test_forms_that_are_not_in_the_language(text: str, column: int, message: str) -> None:
    """Only the few forms we know are read; everything else is refused by name, at its column."""
    with pytest.raises(ConditionError) as caught:
        parse(text)
    found = caught.value.problems
    assert any(message in sentence and one == column for one, sentence in found), found


def test_all_problems_come_at_once() -> None:
    """A pack author mends a condition once, not once for each mistake in it."""
    assert [column for column, _ in problems('scores.pian > 3 and response == "better" and agrees == 1')] == [1, 33, 46]
    with pytest.raises(ConditionError) as caught:
        parse("agrees ? signed ! agrees")
    assert [column for column, _ in caught.value.problems] == [8, 17]


def test_columns_count_letters_not_bytes() -> None:
    """Umlauts in a text do not shift the column of a mistake behind it, nor do leading blanks."""
    assert problems('  note.by == "Jürgen" and agreed')[0][0] == 27


def test_names_in_leaves_out_entries() -> None:
    """What a condition reads are the declared names, not the variables of its lists."""
    node = parse("any(s.ml > scores.peg for s in sites) and state == 'injection'")
    assert names_in(node) == {"scores.peg", "sites", "state"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("signed", True),
        ("agrees", False),
        ("signed and stay.day > 3", True),
        ("signed and agrees", False),
        ("agrees is known", True),
        ("stay.day / 2 > 1", False),
        ("stay.day - 2 > 1", True),
        ("-stay.day < 0", True),
        ("today - today < days(stay.day)", True),
        ("today + param.window > today", False),
        ("param.window - param.window < param.window", False),
        ("-param.window < param.window", False),
        ("count(history.session) > 1", True),
        ("count(sites) > 1", False),
        ("any(s.ml > 1 for s in history.session)", False),
        ("any(s.known_ml > 1 for s in history.session)", True),
        ("max(s.known_ml for s in history.session) > 1", False),
    ],
)
def test_known_types_are_those_no_patient_can_make_unknown(text: str, known: bool) -> None:
    """A proof may leave out the unknown answer only where there is none."""
    assert check(parse(text), NAMES).known is known


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("agrees   and(signed)", "agrees and signed"),
        ("not(agrees==signed)", "not agrees == signed"),
        ("(agrees and signed) and agrees", "(agrees and signed) and agrees"),
        ("agrees or signed and agrees", "agrees or signed and agrees"),
        ("(agrees or signed) and agrees", "(agrees or signed) and agrees"),
        ("1-(2-3)>0", "1 - (2 - 3) > 0"),
        ("(1-2)-3>0", "1 - 2 - 3 > 0"),
        ("-(stay.day)*2>0", "-stay.day * 2 > 0"),
        ("-(stay.day*2)>0", "-(stay.day * 2) > 0"),
        ("- 5<stay.day", "-5 < stay.day"),
        ("0.50<stay.day", "0.5 < stay.day"),
        ("(agrees is known)is known", "(agrees is known) is known"),
        ("state == 'self\"care'", "state == 'self\"care'"),
        ("count(s for s in sites if s.ml>1 if s.ml<3)>1", "count(s for s in sites if s.ml > 1 if s.ml < 3) > 1"),
        ("days(stay.day+1)>param.window", "days(stay.day + 1) > param.window"),
        ("True", "true"),
    ],
)
def test_the_normal_form(text: str, normal: str) -> None:
    """A condition has one way to be written, with no more parentheses than it needs."""
    assert unparse(parse(text)) == normal
    assert parse(normal) == parse(text)


# --- hostile text ------------------------------------------------------------------------------------------------

HOSTILE = {
    "ten megabytes": "a" * 10_000_000,
    "ten megabytes of brackets": "(" * 10_000_000,
    "deep brackets": "(" * 900 + "a" + ")" * 900,
    "deep minus": "-" * 1990 + "a",
    "deep not": "not " * 490 + "a",
    "deep chain": "+".join("a" * 900),
    "deep attributes": "a" + ".a" * 900,
    "deep calls": "sum(" * 400 + "a" + ")" * 400,
    "deep lists": "[" * 900 + "]" * 900,
    "nul": "a\0b",
    "surrogate": "a == '\udfff'",
    "dunder": "().__class__.__bases__[0].__subclasses__()",
    "import": "__import__('os').system('true')",
    "format": "'{0.__class__}'.format(a)",
    "walrus": "(a := 1)",
    "star": "any(*a)",
    "bad escape": "a == '\\d'",
    "is literal": "1 is 1",
    "call of a number": "1(2)",
    "number and keyword": "1or 2",
    "power tower": "9**9**9**9",
    "thirty digits": "9" * 31,
    "line separators": "a\u2028and\x0cb",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_a_clear_error(text: str) -> None:
    """Whatever a pack holds, reading it ends in one kind of error, without a warning, at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConditionError) as caught:
            parse(text)
    assert len(str(caught.value)) < 4000
    str(caught.value).encode()


def test_fifty_levels_are_enough_and_fifty_one_too_many() -> None:
    """The depth of a condition is bounded, so that neither reading nor deciding runs out of stack."""
    parse("not " * 49 + "agrees")
    with pytest.raises(ConditionError, match="nested more than 50 deep"):
        parse("not " * 50 + "agrees")


def test_two_thousand_letters_are_the_most() -> None:
    """The length of a condition is bounded."""
    parse("agrees" + " " * 1994)
    with pytest.raises(ConditionError, match="2001 characters"):
        parse("agrees" + " " * 1995)


def test_hostile_depth_near_the_end_of_the_stack() -> None:
    """Short of stack, the standard parser's own error still comes out as ours."""
    script = (
        "import sys\nfrom engine.conditions import ConditionError, parse\n"
        "def down(n):\n"
        "    if n:\n        return down(n - 1)\n"
        "    for text in ('-' * 1990 + 'a', '+'.join('a' * 900), 'not ' * 490 + 'a'):\n"
        "        try:\n            parse(text)\n"
        "        except ConditionError:\n            pass\n"
        "down(sys.getrecursionlimit() - 160)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)  # noqa: S603 - our own script


def test_the_standard_parser_never_sees_a_string_with_an_escape() -> None:
    """The scanner is the first sieve: what reaches `ast` holds no comment, escape or prefix at all."""
    for text in ("'\\x41'", "b'a'", "rb'a'", "f'{a}'", "a # b"):
        ast.parse(text, mode="eval")
        with pytest.raises(ConditionError):
            parse(text)


def test_only_declared_names_are_ever_looked_up() -> None:
    """A condition asks its lookup for the names it declares and nothing else."""
    condition = compiled("any(s.ml > scores.peg for s in sites) or agrees")
    facts = Facts({"sites": (ONE,), "scores.peg": 1})
    condition.evaluate(facts)
    condition.explain(facts)
    assert set(facts.asked) <= names_in(condition.node)


def test_numbers_are_never_floats() -> None:
    """No constant of any condition is a float, not even on the way."""

    def check_numbers(number: Number) -> None:
        assert type(number) in (int, Fraction)

    for text in ("0.1", "1.0", "12345678901234567890.123", "-0.5"):
        found = compile_condition(parse(text)).evaluate(Facts({}))
        assert found == Fraction(text)
        check_numbers(found)  # type: ignore[arg-type]  # asserted inside
