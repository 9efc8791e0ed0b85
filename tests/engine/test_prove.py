"""The proof of a pathway: what it accepts, and one test for everything it refuses.

`SOUND` is the smallest pathway that passes. Every other test changes one thing and expects one finding.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.conditions import Compiled, compile_condition, json_of, parse
from engine.decision import Input
from engine.errors import Finding
from engine.facts import Value
from engine.names import names
from engine.pathway import Pathway
from engine.prove import definition_types, prove_pathway
from engine.prove_tables import MOST_GAPS, Question, prove_table

STATES = {
    "intake": {"title": "Intake", "kind": "open"},
    "self_care": {"title": "Self-care", "kind": "active", "step": 1},
    "injection": {"title": "Injection", "kind": "active", "step": 3},
    "evaluation": {"title": "Further evaluation", "kind": "open", "paused": True},
    "closed": {"title": "Closed", "kind": "closed"},
    "voided": {"title": "Voided", "kind": "void"},
}


def move(name: str, source: list[str], target: list[str], **more: object) -> dict[str, object]:
    """Make a transition."""
    return {"name": name, "title": name, "source": source, "target": target, "roles": ["assessor"], **more}


def rule(id_: str, on: list[str], requires: str, **more: object) -> dict[str, object]:
    """Make a rule."""
    made = {"id": id_, "on": on, "level": "HSx", "requires": requires, "message": "No.", "remedy": "Do it."}
    return {**made, "sources": ["team"], **more}


def duration(default: str | None, **more: object) -> dict[str, object]:
    """Make a duration parameter."""
    return {"title": "a time", "type": "duration", "default": default, **more}


SOUND: Mapping[str, Any] = {
    "id": "small",
    "title": "Small",
    "version": "1",
    "status": "draft",
    "label": "test only",
    "languages": ["en", "de"],
    "initial": "intake",
    "states": STATES,
    "transitions": {
        "T1": move("register", [], ["intake"]),
        "T2": move("enter", ["intake"], ["self_care"]),
        "T3": move("step_up", ["self_care"], ["injection"]),
        "T4": move("step_up", ["intake"], ["injection", "self_care"]),
        "T5": move("raise_concern", ["open"], ["evaluation"], returns=True),
        "T6": move("clear_concern", ["evaluation"], ["return_to"]),
        "T7": move("close", ["open"], ["closed"]),
        "T8": move("void", ["any"], ["voided"]),
        "T9": move("respond", ["injection"], ["self_care"]),
    },
    "tables": {
        "step_up": {
            "kind": "means",
            "title": "Which step-up",
            "rows": [
                {"when": 'state == "self_care"', "then": "T3"},
                {"when": 'state == "intake" and move.to in ["injection", "self_care"]', "then": "T4"},
                {"when": 'state == "intake" and move.to is unknown', "then": "ask"},
                {
                    "when": 'state == "intake" and not move.to in ["injection", "self_care"]'
                    ' or state not in ["self_care", "intake"]',
                    "then": "none",
                },
            ],
        },
        "advice": {
            "kind": "answers",
            "title": "What to do",
            "values": ["stay", "go", "ask"],
            "rows": [
                {"when": "scores.pain < 4", "then": "stay"},
                {"when": "scores.pain >= 4", "then": "go"},
                {"when": "scores.pain is unknown", "then": "ask"},
            ],
        },
    },
    "definitions": {
        "inadequate_response": {"title": "inadequate", "means": 'advice == "go"', "sources": ["team"]},
        "persistent": {"title": "persistent", "means": "inadequate_response and stay.day > 28"},
        "complex": {"title": "complex", "means": "scores.complex"},
        "comprehensive": {"title": "comprehensive", "means": "count(history.scores) >= most_scores - 1"},
        "most_scores": {"title": "a number", "means": "param.most_scores"},
    },
    "never": ["stay.day < stay.days - 1000"],
    "rules": [
        rule("PATH-01", ["T3", "T4"], "scores.pain is known", message="Pain was {scores.pain}.", seed=["S01"]),
        rule("PATH-02", ["record scores", "plan massage", "invariant"], "true", when="scores.complex"),
        rule(
            "PATH-03", ["T2"], "true", level={"parameter": "strictness"}, track="P1", conflict="C1", reasons=["urgent"]
        ),
    ],
    "forms": {
        "registration": {"title": "registration", "fields": {"onset": {"label": "onset", "type": "date"}}},
        "contact": {"title": "contact", "fields": {}},
        "stop": {"title": "stop", "fields": {}},
        "screen": {"title": "screen", "fields": {}, "raises": True},
        "massage": {"title": "massage", "fields": {"starts_on": {"label": "from", "type": "date"}}},
        "scores": {
            "title": "scores",
            "fields": {
                "pain": {"label": "pain", "type": "score", "instrument": "nprs"},
                "complex": {"label": "complex", "type": "bool"},
                "word": {"label": "word", "type": "code", "options": ["better", "worse"]},
                "chosen": {"label": "chosen", "type": "codes", "options_from": "choices"},
                "again": {"label": "again", "type": "date"},
                "about": {"label": "about", "type": "ref", "refers_to": "massage"},
                "parts": {
                    "label": "parts",
                    "type": "list",
                    "fields": {"pain": {"label": "pain", "type": "score", "instrument": "nprs"}},
                },
            },
        },
    },
    "treatments": {"massage": {"title": "massage", "kind": "passive", "form": "massage", "states": ["self_care"]}},
    "red_flags": {
        "fever": {"title": "fever", "urgency": "urgent", "on_present": "raise", "sources": ["team"]},
    },
    "due": {
        "reassessment": {
            "title": "reassess",
            "each": "stay",
            "states": ["self_care"],
            "when": "stay.day > 0",
            "opens": "opens",
            "due": "due",
            "owner": "assessor",
            "done_by": ["record scores", "T7"],
            "done_when": "scores.pain is known",
            "ladder": [
                {
                    "at": "day",
                    "kind": "remind",
                    "to": "patient",
                    "template": "hello",
                    "repeat": "day",
                    "expires": "day",
                },
                {"at": "day", "kind": "propose", "to": "lead", "proposes": "reassessment"},
            ],
        },
        "check": {
            "title": "check",
            "each": "record scores",
            "anchor": "again",
            "opens": "opens",
            "due": "field again",
            "owner": "assessor",
        },
        "massage_end": {
            "title": "end",
            "each": "treatment massage",
            "statuses": ["active"],
            "anchor": "starts_on",
            "opens": "opens",
            "due": "due",
            "owner": "assessor",
        },
    },
    "instruments": {
        "nprs": {
            "title": "NPRS",
            "direction": "higher_is_worse",
            "scoring": "single",
            "low": "0",
            "high": "10",
            "measures": ["pain"],
            "licence": "free",
            "licence_status": "free",
            "sources": ["team"],
            "parameters": ["percent"],
        },
    },
    "parameters": {
        "opens": duration("P14D", low="P1D", high="P60D"),
        "due": duration("P28D"),
        "day": duration("P1D", low="PT12H"),
        "strictness": {"title": "how hard", "type": "level", "options": ["HS2", "HSx"], "default": "HS2"},
        "choices": {"title": "choices", "type": "codes", "options": ["a", "b"], "default": ["a"]},
        "percent": {"title": "percent", "type": "decimal", "low": "0", "high": "100", "default": "30.5"},
        "most_scores": {"title": "most", "type": "int", "low": 1, "high": 9, "default": 3},
        "way": {"title": "way", "type": "code", "options": ["percent", "points"], "default": "percent"},
        "hour": {"title": "hour", "type": "time", "default": "09:00", "safety": True},
        "word": {"title": "word", "type": "text", "default": "yes"},
        "on": {"title": "on", "type": "bool", "default": True},
    },
    "sources": {
        "team": {
            "citation": "us",
            "kind": "site_policy",
            "directness": "direct",
            "status": "current",
            "verified": "full",
            "conflicts": ["C1"],
        },
    },
    "conflicts": {
        "C1": {
            "question": "?",
            "side_a": "a",
            "side_b": "b",
            "default": "a",
            "rules": ["PATH-03"],
            "parameter": "way",
            "who": "lead",
            "sources": ["team"],
        },
    },
    "cards": {
        "best": {"title": "best", "text": "it helps", "seed": ["S02"], "when": "scores.complex", "sources": ["team"]}
    },
    "tracks": {
        "P1": {"title": "p", "kinds": ["massage"], "forms": ["scores"], "invariants": ["PATH-02"], "due": ["check"]}
    },
    "response": {
        "pain": ["nprs"],
        "function": ["nprs"],
        **dict.fromkeys(("percent", "points", "substantial", "worse", "low_baseline", "function_points"), "percent"),
        "rule": "way",
        "function_word": "scores.word",
        "agrees": 'scores.word == "better"',
    },
    "chronicity": {"onset": "registration.onset", "subacute_from": "most_scores", "chronic_from": "most_scores"},
    "override_reasons": {"urgent": "urgent"},
    "templates": {"en": {"hello": "Hello {first_name}."}, "de": {"hello": "Guten Tag {first_name}."}},
    "translations": {
        "de": {
            **{f"rule.PATH-0{n}.{part}": "Nein." for n in (1, 2, 3) for part in ("message", "remedy")},
            **{f"state.{name}": name for name in STATES},
        }
    },
    "reports": {"late": "late"},
    "seed_trace": {
        "S01": {"says": "something", "maps": ["rule PATH-01", "field scores.pain", "report late"], "test": "t"}
    },
}

REMOVE = object()


def a_pathway(*changes: tuple[str, object]) -> Pathway:
    """Make the sound pathway with values changed: a path with slashes, and what is there now (REMOVE: nothing)."""
    raw = deepcopy(dict(SOUND))
    for path, value in changes:
        *way, last = (int(key) if key.isdecimal() else key for key in path.split("/"))
        place: Any = raw
        for key in way:
            place = place[key]
        if value is REMOVE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return Pathway.model_validate(raw)


def proved(*changes: tuple[str, object]) -> list[Finding]:
    """Prove the changed pathway."""
    pathway = a_pathway(*changes)
    return prove_pathway(pathway, names(pathway))


def the_finding(code: str, path: str, *changes: tuple[str, object]) -> Finding:
    """Expect one finding and nothing else, and give it."""
    found = proved(*changes)
    assert [(one.code, "/".join(map(str, one.path))) for one in found] == [(code, path)], found
    return found[0]


def test_the_sound_pathway_is_proved() -> None:
    """Nothing stands against it."""
    assert proved() == []


# --- conditions and definitions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "rules/0/when",
        "rules/0/requires",
        "tables/step_up/rows/0/when",
        "tables/advice/rows/0/when",
        "definitions/complex/means",
        "never/0",
        "due/reassessment/when",
        "due/reassessment/done_when",
        "cards/best/when",
        "response/agrees",
    ],
)
@pytest.mark.parametrize(
    ("text", "message"),
    [("scores.pian > 3", "Did you mean scores.pain?"), ("scores.pain >", "cannot be read")],
    ids=["unknown name", "unreadable"],
)
def test_every_condition_is_checked_where_it_stands(path: str, text: str, message: str) -> None:
    """A spelling mistake in any section is found, with its place."""
    assert message in the_finding("bad-condition", path, (path, text)).message


def test_a_condition_answers_yes_or_no() -> None:
    """A rule that requires a number is a mistake; a definition may be one."""
    assert (
        "a yes/no is needed"
        in the_finding("bad-condition", "rules/0/requires", ("rules/0/requires", "most_scores")).message
    )


def test_the_second_persons_condition_is_checked() -> None:
    """Also the question whether a second person is needed is a condition."""
    second = {"rule": "PATH-09", "when": "scores.pian > 3"}
    the_finding("bad-condition", "transitions/T2/second/when", ("transitions/T2/second", second))


def test_what_leans_on_a_broken_definition_is_not_blamed_for_it() -> None:
    """One mistake is one finding, not one for each rule that uses the definition."""
    the_finding(
        "bad-condition",
        "definitions/complex/means",
        ("definitions/complex/means", "scores.komplex"),
        ("rules/1/when", "complex"),
        ("definitions/persistent/means", "complex and stay.day > 28"),
    )


def test_definitions_do_not_go_in_a_circle() -> None:
    """A definition that leans on itself, also by way of others or of a table, means nothing."""
    found = the_finding(
        "cycle",
        "definitions/persistent/means",
        ("definitions/complex/means", "persistent or scores.complex"),
        ("definitions/persistent/means", "not complex"),
    )
    assert "persistent → complex → persistent" in found.message
    codes = [one.code for one in proved(("tables/advice/rows/0/when", "scores.pain < 4 and inadequate_response"))]
    assert codes == ["cycle"]


def test_definitions_have_names_of_their_own() -> None:
    """A definition does not hide a fact, nor a table a definition."""
    definition = {"title": "x", "means": "scores.complex"}
    the_finding("name-clash", "definitions/state", ("definitions/state", definition))
    the_finding("name-clash", "definitions/advice", ("definitions/advice", definition))


def test_definitions_are_not_nested_without_end() -> None:
    """Definitions upon definitions are bounded, so that deciding never runs out of stack."""
    chain = [(f"definitions/d{n}", {"title": "x", "means": f"not d{n - 1}"}) for n in range(1, 60)]
    found = proved(("definitions/d0", {"title": "x", "means": "scores.complex"}), *chain)
    assert {one.code for one in found} == {"too-deep"}


def test_definition_types_come_in_their_order() -> None:
    """A definition has the type of what it means, whatever the order in the file."""
    pathway = a_pathway()
    types = definition_types(pathway, names(pathway))
    assert types["most_scores"].kind == "number"
    assert types["most_scores"].high == 9
    assert types["persistent"].kind == "bool"
    assert types["comprehensive"].known
    assert types["advice"].options == ("stay", "go", "ask")
    assert types["advice"].known
    broken = a_pathway(("definitions/complex/means", "scores.komplex"))
    assert "complex" not in definition_types(broken, names(broken))


# --- decision tables: gaps and overlaps --------------------------------------------------------------------------


def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Make table rows."""
    return [{"when": when, "then": then} for when, then in pairs]


def advice(*pairs: tuple[str, str]) -> tuple[str, object]:
    """Change the rows of the advice table."""
    return ("tables/advice/rows", rows(*pairs))


def test_a_gap_comes_with_a_patient() -> None:
    """A pain score of 4 has no answer: 4 is neither under 4 nor over it."""
    found = the_finding(
        "gap",
        "tables/advice/rows",
        advice(("scores.pain < 4", "stay"), ("scores.pain > 4", "go"), ("scores.pain is unknown", "ask")),
    )
    assert found.example == {"scores.pain": "4"}


def test_an_overlap_comes_with_a_patient_and_both_rows() -> None:
    """A pain score of 4 has two answers."""
    found = the_finding(
        "overlap",
        "tables/advice/rows/1/when",
        advice(("scores.pain <= 4", "stay"), ("scores.pain >= 4", "go"), ("scores.pain is unknown", "ask")),
    )
    assert found.example == {"scores.pain": "4"}
    assert "rows 1 and 2 (stay and go)" in found.message


def test_unknown_is_a_patient_too() -> None:
    """A table that forgets the person who was not asked has a gap; only a fact that is always known needs no row."""
    found = proved(advice(("scores.pain < 4", "stay"), ("scores.pain >= 4", "go")))
    assert [(one.code, one.example) for one in found] == [
        ("unused-value", None),
        ("gap", {"scores.pain": "unknown"}),
    ]
    assert not proved(advice(("stay.day < 4", "stay"), ("4 <= stay.day < 9", "go"), ("stay.day >= 9", "ask")))


def test_whole_numbers_have_nothing_between_them() -> None:
    """Up to 3 and from 4 leaves no gap in whole points; of a mean of answers it does."""
    table = advice(("scores.pain <= 3", "stay"), ("scores.pain >= 4", "go"), ("scores.pain is unknown", "ask"))
    assert not proved(table)
    found = proved(table, ("instruments/nprs/scoring", "mean"), ("instruments/nprs/items", 3))
    assert [(one.code, one.example) for one in found] == [("gap", {"scores.pain": "3.5"})]


def test_the_domain_bounds_the_patients() -> None:
    """No row is needed for a score the instrument cannot have, and a row for it can never be true."""
    assert not proved(
        advice(("scores.pain < 4", "stay"), ("4 <= scores.pain <= 10", "go"), ("scores.pain is unknown", "ask"))
    )


def test_a_row_that_can_never_be_the_answer_is_found() -> None:
    """A row whose parts exclude each other is a mistake in it."""
    table = advice(
        ("scores.pain < 4", "stay"),
        ("scores.pain >= 4", "go"),
        ("scores.pain is unknown", "ask"),
        ("scores.pain < 4 and scores.pain > 6", "ask"),
    )
    the_finding("dead-row", "tables/advice/rows/3/when", table)


def test_definitions_are_written_out_in_the_proof() -> None:
    """A row may ask a definition and another row its parts: they are the same question."""
    high = ("definitions/high", {"title": "high", "means": "scores.pain + 1 >= limit"})
    limit = ("definitions/limit", {"title": "limit", "means": "10 / 2"})
    assert not proved(
        advice(("not high", "stay"), ("scores.pain >= 4 and high", "go"), ("scores.pain is unknown", "ask")),
        high,
        limit,
    )


@pytest.mark.parametrize(
    "pairs",
    [
        (("scores.pain > stay.day", "stay"), ("scores.pain <= stay.day", "go"), ("scores.pain is unknown", "ask")),
        (
            ("scores.pain < stay.day", "stay"),
            ("stay.day < scores.pain or scores.pain is unknown", "go"),
            ("scores.pain == stay.day", "ask"),
        ),
        (("2 * scores.pain - 1 < 7", "stay"), ("not scores.pain < 4", "go"), ("scores.pain is unknown", "ask")),
        (("-scores.pain > -4", "stay"), ("scores.pain / 2 >= 2", "go"), ("scores.pain is unknown", "ask")),
        (
            ("today - scores.again < days(14)", "stay"),
            ("not today - scores.again < days(14)", "go"),
            ("scores.again is unknown", "ask"),
        ),
        (
            ("scores.again <= today - days(14)", "stay"),
            ("scores.again > today - days(14)", "go"),
            ("scores.again is unknown or today - days(14) is unknown", "ask"),
        ),
        (
            ("-(param.due + param.due) < param.due", "stay"),
            ("-(param.due + param.due) >= param.due", "go"),
            ("-(param.due + param.due) is unknown", "ask"),
        ),
        (
            ("days(stay.day) < param.due", "stay"),
            ("days(stay.day) >= param.due and stay.day < 900", "go"),
            ("days(stay.day) >= param.due and stay.day >= 900", "ask"),
        ),
        (
            ('"better" == scores.word', "stay"),
            ('scores.word in ["worse"] and "a" in ["a"]', "go"),
            ("scores.word is unknown", "ask"),
        ),
        (
            ('"a" in scores.chosen and "b" not in scores.chosen', "stay"),
            ('not ("a" in scores.chosen and "b" not in scores.chosen)', "go"),
            ("scores.chosen is unknown", "ask"),
        ),
        (("actor.id == history_by", "stay"), ("actor.id != history_by", "go"), ("history_by is unknown", "ask")),
        (
            ("any(s.pain > 3 for s in history.scores)", "stay"),
            ("not any(s.pain > 3 for s in history.scores)", "go"),
            ("any(s.pain > 3 for s in history.scores) is unknown", "ask"),
        ),
        (
            ("last(s.pain for s in history.scores) < 4", "stay"),
            ("last(s.pain for s in history.scores) >= 4", "go"),
            ("last(s.pain for s in history.scores) is unknown", "ask"),
        ),
        (
            ("count(history.scores) == 0", "stay"),
            ("0 < count(history.scores) < 2", "go"),
            ("count(history.scores) >= 2", "ask"),
        ),
        (
            ("count(scores.parts) == 0", "stay"),
            ("count(scores.parts) > 0", "go"),
            ("scores.parts is unknown", "ask"),
        ),
        (("complex == other_open", "stay"), ("complex != other_open", "go"), ("scores.complex is unknown", "ask")),
        (
            ("scores.pain * stay.day > 3", "stay"),
            ("scores.pain * stay.day <= 3", "go"),
            ("scores.pain * stay.day is unknown", "ask"),
        ),
        (("scores.pain in [1, 2]", "stay"), ("scores.pain not in [1, 2]", "go"), ("scores.pain is unknown", "ask")),
        (("state == return_to", "stay"), ("not state == return_to", "go"), ("return_to is unknown", "ask")),
        (
            ("scores.pain - scores.pain == 0", "stay"),
            ("scores.pain is unknown", "go"),
            ("scores.pain < 3 and scores.pain > 5", "ask"),
        ),
    ],
    ids=lambda pairs: pairs[0][0],
)
def test_questions_of_every_kind_are_the_same_however_they_are_written(pairs: tuple[tuple[str, str], ...]) -> None:
    """Two facts, arithmetic, days, codes, sets, lists: contrary questions leave neither gap nor overlap."""
    by = ("definitions/history_by", {"title": "x", "means": "last(s.by for s in history.scores)"})
    found = proved(advice(*pairs), by)
    assert [one for one in found if one.code != "dead-row"] == []


def test_rows_over_two_facts_show_how_they_stand_to_each_other() -> None:
    """Where two facts meet, the example says by how much."""
    found = the_finding(
        "gap",
        "tables/advice/rows",
        advice(
            ("scores.pain > stay.day", "stay"),
            ("scores.pain < stay.day", "go"),
            ("scores.pain is unknown", "ask"),
        ),
    )
    assert found.example
    assert found.example["scores.pain - stay.day"] == "0"


def test_never_leaves_out_patients_who_cannot_be() -> None:
    """What cannot happen is declared, and then needs no row; what merely may not happen to be true still does."""
    table = advice(
        ("scores.pain < 4 and not scores.complex", "stay"),
        ("scores.pain < 4 and scores.complex or scores.pain >= 4", "go"),
        ("scores.pain is unknown", "ask"),
    )
    found = the_finding("gap", "tables/advice/rows", table)
    assert found.example == {"scores.pain": "0", "scores.complex": "unknown"}
    assert not proved(table, ("never/1", "scores.complex is unknown and scores.pain is known"))
    partly = proved(table, ("never/1", "scores.complex is unknown and scores.pain == 0"))
    assert [one.example for one in partly] == [{"scores.pain": "1", "scores.complex": "unknown"}]


def test_never_leaves_out_overlaps_too() -> None:
    """Two rows may both be true of somebody who cannot exist."""
    table = advice(("scores.pain < 5", "stay"), ("scores.pain >= 4", "go"), ("scores.pain is unknown", "ask"))
    assert [one.code for one in proved(table)] == ["overlap"]
    assert not proved(table, ("never/1", "scores.pain == 4"))


def test_many_gaps_are_a_few_findings() -> None:
    """The list of patients without an answer ends after a handful."""
    found = proved(advice(*((f"scores.pain == {n} and stay.day == {n}", "stay") for n in range(11))))
    assert sum(one.code == "gap" for one in found) == MOST_GAPS


def test_a_search_too_long_is_not_a_proof() -> None:
    """Where the search is cut off the table counts as not proved."""
    pathway = a_pathway()
    types = definition_types(pathway, names(pathway))
    table = pathway.tables["advice"]
    parsed = tuple(parse(row.when) for row in table.rows)
    question = Question(name="advice", table=table, rows=parsed, never=(), definitions={}, types=types, most=2)
    assert [one.code for one in prove_table(pathway, question)] == ["not-proved"]


def test_definitions_too_long_when_written_out_are_not_a_proof() -> None:
    """Doubling definitions cannot keep the proof busy for ever."""
    chain = [(f"definitions/d{n}", {"title": "x", "means": f"d{n - 1} and d{n - 1}"}) for n in range(1, 20)]
    found = proved(
        ("definitions/d0", {"title": "x", "means": "scores.complex"}),
        *chain,
        advice(("d19", "stay"), ("not d19", "go"), ("d19 is unknown", "ask")),
    )
    assert [one.code for one in found] == ["not-proved"]


# --- decision tables: answers ------------------------------------------------------------------------------------


def test_a_table_answers_only_its_values() -> None:
    """An answer nobody declared, and a declared one nobody gives."""
    found = proved(("tables/advice/rows/2/then", "wait"))
    assert [(one.code, one.path[-1]) for one in found] == [("bad-answer", "then"), ("unused-value", "advice")]
    assert "it answers stay, go, ask" in found[0].message


def test_a_move_table_answers_its_own_transitions() -> None:
    """The table of `step_up` answers T3 or T4, `ask` or `none`; T2 is called `enter`."""
    found = proved(("tables/step_up/rows/2/then", "T2"))
    assert [one.code for one in found] == ["bad-answer", "illegal-answer"][: len(found)]
    assert "T3, T4, ask, none" in found[0].message
    the_finding("unused-value", "tables/step_up", ("tables/step_up/rows/0/then", "none"))


FOURTH_ROW = (
    'state == "intake" and not move.to in ["injection", "self_care"]'
    ' or state not in ["self_care", "intake", "injection"]'
)


def test_a_table_that_names_an_illegal_transition_is_found() -> None:
    """T3 starts in self-care; a table that answers it from an injection is wrong, and says from where."""
    found = proved(
        ("tables/step_up/rows/0/when", 'state in ["self_care", "injection"]'),
        (
            "tables/step_up/rows/3/when",
            FOURTH_ROW,
        ),
    )
    assert [(one.code, "/".join(map(str, one.path))) for one in found] == [
        ("illegal-answer", "tables/step_up/rows/0/then")
    ]
    assert "answers T3 from injection" in found[0].message
    assert found[0].example
    assert found[0].example["state"] == "injection"


def test_a_row_that_names_a_target_names_a_legal_one() -> None:
    """T3 leads to an injection; a row that answers it for another target is wrong."""
    found = proved(
        ("tables/step_up/rows/0/when", 'state == "self_care" and move.to != "injection"'),
        (
            "tables/step_up/rows/4",
            {"when": 'state == "self_care" and (move.to is unknown or move.to == "injection")', "then": "none"},
        ),
    )
    assert {one.code for one in found} == {"illegal-answer"}
    assert found[0].example
    assert found[0].example["move.to"] != "injection"


def test_illegal_answers_that_never_happen_do_not_count() -> None:
    """`never` also says which states and targets do not come together."""
    changes = (
        ("tables/step_up/rows/0/when", 'state in ["self_care", "injection"]'),
        (
            "tables/step_up/rows/3/when",
            FOURTH_ROW,
        ),
    )
    assert not proved(*changes, ("never/1", 'state == "injection"'))


# --- the shape of the pathway ------------------------------------------------------------------------------------


def test_every_state_can_be_reached() -> None:
    """A state nobody can come to is dead weight, or a forgotten transition."""
    lost = {"title": "Lost", "kind": "open"}
    found = proved(("states/lost", lost), ("translations/de/state.lost", "x"))
    assert [one.code for one in found] == ["unreachable"]
    assert found[0].path == ("states", "lost")


def test_no_state_is_a_trap() -> None:
    """From every open state an episode can be closed; a hold without a way out is a trap."""
    found = proved(
        ("transitions/T7/source", ["intake", "self_care", "injection"]),
        ("transitions/T6/target", ["evaluation"]),
        ("transitions/T6/source", ["evaluation"]),
    )
    assert [(one.code, one.path) for one in found] == [("trap", ("states", "evaluation"))]


def test_an_episode_can_end() -> None:
    """Without any way to a closed state everything is a trap."""
    found = proved(("transitions/T7/target", ["voided"]))
    assert {one.code for one in found} == {"unreachable", "no-closure", "trap"}


def test_a_concern_is_heard_from_every_open_state() -> None:
    """A red flag can be raised wherever treatment may be going on, but not where it already is."""
    found = proved(("transitions/T5/source", ["intake", "injection"]))
    assert [(one.code, one.path) for one in found] == [("no-concern", ("states", "self_care"))]


def test_no_reminder_repeats_without_delay() -> None:
    """A timer that arms itself again at once would send for ever."""
    assert (
        "no delay"
        in the_finding(
            "re-arms",
            "due/reassessment/ladder/0/repeat",
            ("parameters/zero", duration("P0D")),
            ("due/reassessment/ladder/0/repeat", "zero"),
        ).message
    )
    the_finding(
        "re-arms",
        "due/reassessment/ladder/0/repeat",
        ("parameters/zero", duration("P7D", low="PT0H")),
        ("due/reassessment/ladder/0/repeat", "zero"),
    )


def test_no_due_item_proposes_itself_without_delay() -> None:
    """Neither directly nor by way of another."""
    at_once = {"at": "zero", "base": "anchor", "kind": "propose", "to": "lead"}
    zero = ("parameters/zero", duration("P0D"))
    the_finding(
        "re-arms",
        "due/reassessment/ladder",
        zero,
        ("due/reassessment/ladder/1", {**at_once, "proposes": "reassessment"}),
    )
    found = proved(
        zero,
        ("due/reassessment/ladder/1", {**at_once, "proposes": "massage_end"}),
        ("due/massage_end/ladder", [{**at_once, "proposes": "reassessment"}]),
    )
    assert [one.code for one in found] == ["re-arms", "re-arms"]
    assert not proved(
        zero,
        ("due/reassessment/ladder/1", {**at_once, "proposes": "massage_end"}),
        ("due/massage_end/ladder", [{**at_once, "base": "due", "proposes": "reassessment"}]),
    )


WORKING = {
    "title": "worked", "type": "codes", "options": ["mon", "tue"], "default": ["mon"], "at_least": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "changes", "why"),
    [
        ("to", [("due/reassessment/ladder/0/expires", None)], "never expires"),
        ("catch_up", [("due/reassessment/priority", "emergency")], "may be dropped"),
        ("expires", [("due/reassessment/priority", "urgent")], "expires, and its work is urgent"),
        ("roll", [("due/reassessment/ladder/0/roll", "following")], "declare working_days"),
        (
            "roll",
            [("due/reassessment/ladder/0/roll", "following"), ("parameters/working_days", {**WORKING, "at_least": 0})],
            "at least one of mon",
        ),
        (
            "roll",
            [
                ("due/reassessment/ladder/0/roll", "preceding"),
                ("parameters/working_days", WORKING),
                ("due/reassessment/calendar", False),
            ],
            "counts hours",
        ),
        (
            "roll",
            [
                ("due/reassessment/ladder/0/roll", "modified_following"),
                ("parameters/working_days", WORKING),
                ("parameters/hours", duration("PT72H")),
                ("due/reassessment/ladder/0/at", "hours"),
            ],
            "counts hours",
        ),
    ],
)
def test_the_words_of_a_rung_go_together(word: str, changes: list[tuple[str, Any]], why: str) -> None:
    """No reminder for ever, no emergency dropped, no hour rolled to a working day, no week without one."""
    found = [one for one in proved(*changes) if one.path == ("due", "reassessment", "ladder", 0, word)]

    assert [one.code for one in found] == ["rung"]
    assert why in found[0].message


def test_a_rung_may_roll_where_somebody_works() -> None:
    """A pack that says which days are worked may put staff messages on them."""
    assert not proved(("due/reassessment/ladder/1/roll", "following"), ("parameters/working_days", WORKING))


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ({**WORKING, "default": []}, "at least 1"),
        ({"title": "closed", "type": "dates", "default": ["2026-02-29"]}, "no day"),
        ({"title": "closed", "type": "dates", "default": ["2026-12-25"], "at_least": 2}, "at least 2"),
        ({"title": "quiet", "type": "time", "default": "22:00", "high": "21:00"}, "after 21:00"),
        ({"title": "quiet", "type": "time", "default": "07:00", "low": "08:00"}, "before 08:00"),
    ],
)
def test_pack_08_calendars_and_clocks_have_bounds_too(parameter: dict[str, object], why: str) -> None:
    """A pack without a working day, a day that is none, an hour of silence that begins too late."""
    assert why in the_finding("PACK-08", "parameters/new/default", ("parameters/new", parameter)).message


def test_a_list_of_days_is_no_fact_of_a_rule() -> None:
    """Closed days say when work is done; no rule may rest on them."""
    closed = {"title": "closed", "type": "dates", "default": ["2026-12-25"]}

    assert not proved(("parameters/closed", closed))
    assert "param.closed" not in names(Pathway.model_validate({**SOUND, "parameters": {"closed": closed}}))


# --- references --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("initial", "nowhere"),
        ("transitions/T2/form", "nothing"),
        ("treatments/massage/form", "nothing"),
        ("treatments/massage/states/0", "nowhere"),
        ("treatments/massage/again", "T99"),
        ("rules/0/sources/0", "nobody"),
        ("rules/2/level/parameter", "way"),
        ("rules/2/track", "P9"),
        ("rules/2/conflict", "C9"),
        ("rules/2/reasons/0", "whim"),
        ("forms/stop/closes", "nothing"),
        ("forms/scores/fields/pain/instrument", "odi"),
        ("forms/scores/fields/parts/fields/pain/instrument", "odi"),
        ("forms/scores/fields/chosen/options_from", "way"),
        ("forms/scores/fields/about/refers_to", "nothing"),
        ("red_flags/fever/sources/0", "nobody"),
        ("definitions/inadequate_response/sources/0", "nobody"),
        ("due/reassessment/states/0", "nowhere"),
        ("due/reassessment/opens", "way"),
        ("due/reassessment/due", "percent"),
        ("due/reassessment/ladder/0/at", "nothing"),
        ("due/reassessment/ladder/0/repeat", "nothing"),
        ("due/reassessment/ladder/0/template", "nothing"),
        ("due/reassessment/ladder/0/expires", "nothing"),
        ("due/reassessment/ladder/1/proposes", "nothing"),
        ("due/check/anchor", "nothing"),
        ("due/check/due", "field nothing"),
        ("due/massage_end/statuses/0", "gone"),
        ("due/massage_end/anchor", "again"),
        ("due/reassessment/each", "sometimes"),
        ("instruments/nprs/sources/0", "nobody"),
        ("instruments/nprs/parameters/0", "nothing"),
        ("sources/team/conflicts/0", "C9"),
        ("sources/team/superseded_by", "nobody"),
        ("conflicts/C1/rules/0", "NO-01"),
        ("conflicts/C1/parameter", "nothing"),
        ("conflicts/C1/sources/0", "nobody"),
        ("cards/best/sources/0", "nobody"),
        ("tracks/P1/kinds/0", "nothing"),
        ("tracks/P1/forms/0", "nothing"),
        ("tracks/P1/invariants/0", "NO-01"),
        ("tracks/P1/due/0", "nothing"),
        ("response/pain/0", "odi"),
        ("response/rule", "nothing"),
        ("response/function_word", "scores.sentence"),
        ("chronicity/onset", "registration.begin"),
        ("chronicity/chronic_from", "nothing"),
        ("seed_trace/S01/maps/0", "rule NO-01"),
        ("seed_trace/S01/maps/1", "fact scores.pain"),
        ("parameters/way/sources", ["nobody"]),
    ],
)
def test_every_reference_points_at_something(path: str, value: object) -> None:
    """A name that stands for nothing is found, in every section, with its place."""
    found = [one for one in proved((path, value)) if one.code == "unknown-reference"]
    assert len(found) == 1, found
    assert "/".join(map(str, found[0].path)).startswith(path)
    assert "there is no" in found[0].message


def test_unknown_states_in_transitions_are_found() -> None:
    """A transition that starts or ends nowhere."""
    for end in ("source", "target"):
        found = proved((f"transitions/T9/{end}", ["injektion"]))
        assert found[0].code == "unknown-reference"
        assert found[0].path == ("transitions", "T9", end, 0)
        assert "Did you mean 'injection'" in found[0].message.replace("mean injection", "mean 'injection'")


def test_a_move_table_is_named_like_a_move() -> None:
    """A table of moves answers for the move whose name it has."""
    table = {"kind": "means", "title": "x", "rows": rows(("true", "none"))}
    the_finding("unknown-reference", "tables/step_sideways", ("tables/step_sideways", table))


def test_the_forms_the_engine_fills_in_are_there() -> None:
    """Contacts and stops have a form, and one form is the red-flag screen."""
    the_finding("unknown-reference", "forms", ("forms/stop", REMOVE))
    the_finding("unknown-reference", "forms", ("forms/screen/raises", False))


# --- what a pack owes --------------------------------------------------------------------------------------------


def test_pack_01_every_rule_has_a_source() -> None:
    """PACK-01: a rule without a source is nobody's rule."""
    the_finding("PACK-01", "rules/0/sources", ("rules/0/sources", []))


def test_pack_02_a_rule_id_is_used_once() -> None:
    """PACK-02: two rules of one id cannot be told apart in the log."""
    found = proved(("rules/3", rule("PATH-01", ["T2"], "true")))
    assert [(one.code, one.path) for one in found] == [("PACK-02", ("rules", 0, "id")), ("PACK-02", ("rules", 3, "id"))]


@pytest.mark.parametrize(
    "binding",
    ["T99", "record nothing", "plan nothing", "start scores", "stop", "recrd scores", "record", "move T3", "whenever"],
)
def test_pack_03_a_binding_names_something(binding: str) -> None:
    """PACK-03: a rule bound to nothing never bites."""
    the_finding("PACK-03", "rules/1/on/0", ("rules/1/on/0", binding))
    the_finding("PACK-03", "due/reassessment/done_by/0", ("due/reassessment/done_by/0", binding))


@pytest.mark.parametrize(
    "binding",
    [
        "register",
        "move",
        "contact",
        "invariant",
        "T3",
        "record scores",
        "plan massage",
        "start massage",
        "stop massage",
    ],
)
def test_bindings_that_are_right(binding: str) -> None:
    """All the places where a rule may bite."""
    assert not proved(("rules/1/on/0", binding))


@pytest.mark.parametrize("name", ["inadequate_response", "persistent", "complex", "comprehensive"])
def test_pack_04_the_four_predicates_are_defined(name: str) -> None:
    """PACK-04 (S55): inadequate, persistent, complex and comprehensive are words somebody has to define."""
    found = proved((f"definitions/{name}", REMOVE))
    assert ("PACK-04", f"the definition {name} is missing: say in the pack what counts as such.") in [
        (one.code, one.message) for one in found
    ]


def test_pack_05_no_safety_parameter_lets_pass_while_unset() -> None:
    """PACK-05: an unset safety number asks or refuses."""
    the_finding("PACK-05", "parameters/hour/when_unset", ("parameters/hour/when_unset", "none"))


def test_pack_06_no_way_to_a_needle_without_a_hard_rule() -> None:
    """PACK-06: every transition into step 3 has a rule of level HS2 or HSx on it."""
    the_finding("PACK-06", "transitions/T3", ("rules/0/on", ["T4"]))
    found = proved(("rules/0/level", "SS"))
    assert [one.path for one in found] == [("transitions", "T3"), ("transitions", "T4")]
    found = proved(("rules/0/enabled", False))
    assert [one.code for one in found] == ["PACK-06", "PACK-06"]
    level = ("rules/0/level", {"parameter": "strictness"})
    assert not proved(level)
    assert [one.code for one in proved(level, ("parameters/strictness/options", ["SS", "HS2"]))] == ["PACK-06"] * 2


def test_pack_07_no_rule_rests_on_s02_alone() -> None:
    """PACK-07 (S02): what works best in general is shown on a card and closes no door."""
    the_finding("PACK-07", "rules/0/seed", ("rules/0/seed", ["S02"]))
    assert not proved(("rules/0/seed", ["S02", "S40"]))


@pytest.mark.parametrize(
    ("name", "default", "message"),
    [
        ("most_scores", 10, "outside 1 to 9"),
        ("most_scores", 0, "outside 1 to 9"),
        ("most_scores", "2.5", "not a whole number"),
        ("most_scores", True, "not a number"),
        ("percent", "a lot", "a lot"),
        ("percent", "100.5", "outside 0 to 100"),
        ("opens", "P61D", "outside P1D to P60D"),
        ("opens", "14 days", "not a duration"),
        ("strictness", "SS", "none of HS2, HSx"),
        ("way", "both", "none of percent, points"),
        ("choices", ["a", "z"], "list of its options"),
        ("choices", "a", "list of its options"),
        ("hour", "25:00", "not a time of day"),
        ("word", True, "not a text"),
        ("on", "yes", "not true or false"),
    ],
)
def test_pack_08_a_default_is_a_value_the_parameter_allows(name: str, default: object, message: str) -> None:
    """PACK-08: a default has the type and the range its own parameter states."""
    found = the_finding("PACK-08", f"parameters/{name}/default", (f"parameters/{name}/default", default))
    assert message in found.message


def test_pack_08_the_lowest_is_not_above_the_highest() -> None:
    """PACK-08: a range that holds nothing."""
    found = the_finding("PACK-08", "parameters/opens/default", ("parameters/opens/low", "P90D"))
    assert "above its highest" in found.message
    assert not proved(("parameters/opens/default", None))


@pytest.mark.parametrize("key", ["rule.PATH-01.message", "rule.PATH-02.remedy", "state.intake"])
def test_pack_09_every_text_is_there_in_every_language(key: str) -> None:
    """PACK-09: nobody meets a half-translated refusal."""
    found = the_finding("PACK-09", "translations/de", (f"translations/de/{key}", REMOVE))
    assert key in found.message


def test_pack_09_templates_are_there_in_every_language() -> None:
    """PACK-09: a message template that one language lacks, or a language that lacks them all."""
    the_finding("PACK-09", "templates/de", ("templates/en/bye", "Bye."))
    the_finding("PACK-09", "templates/de", ("templates/de", REMOVE))
    the_finding("unknown-reference", "translations/de/rule.NO.message", ("translations/de/rule.NO.message", "x"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("rules/0/message", "Pain was {scores.pian}."),
        ("rules/0/remedy", "Ask {nobody}."),
        ("rules/0/message", "Pain was {scores.pain."),
        ("translations/de/rule.PATH-01.message", "Schmerz {scores.schmerz}."),
        ("templates/de/hello", "Guten Tag {first_name}}."),
        ("templates/en/hello", "Hello {First Name}."),
    ],
)
def test_placeholders_stand_for_something(path: str, text: str) -> None:
    """A message never shows a brace or a name to the person who reads it."""
    the_finding("placeholder", path, (path, text))


def test_definitions_may_stand_in_messages() -> None:
    """A message may show what a definition comes to."""
    assert not proved(("rules/0/message", "At most {most_scores}, advice {advice}."))


def test_all_findings_come_at_once() -> None:
    """A pack author sees everything that stands against the pack, not the first of it."""
    found = proved(
        ("rules/0/sources", []),
        ("rules/1/when", "scores.pian > 3"),
        ("rules/2/track", "P9"),
        ("definitions/complex", REMOVE),
        ("parameters/hour/when_unset", "none"),
        advice(("scores.pain < 4", "stay"), ("scores.pain > 4", "go"), ("scores.pain is unknown", "ask")),
    )
    assert {one.code for one in found} >= {
        *("PACK-01", "PACK-04", "PACK-05", "bad-condition", "unknown-reference", "gap"),
    }


# --- the examples are real ---------------------------------------------------------------------------------------

QUESTIONS = st.sampled_from(
    [
        *(f"scores.pain {op} {n}" for op in ("<", "<=", "==", "!=", ">", ">=") for n in (3, 4, 7)),
        *(f"stay.day {op} {n}" for op in ("<", ">=", "==") for n in (14, 28)),
        *("scores.pain is unknown", "scores.complex", "not scores.complex", "scores.complex is unknown"),
        *('scores.word == "better"', 'scores.word in ["better", "worse"]', "scores.word is known"),
        *("scores.pain + 2 < 5", "2 * stay.day > 29", 'state != "intake"', "high", "not high"),
    ]
)
CONDITIONS = st.recursive(
    QUESTIONS,
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda one: f"({' '.join(one)})"),
    max_leaves=4,
)


class Patient:
    """The Lookup of an example: every fact as it is written there."""

    def __init__(self, example: Mapping[str, str], definitions: Mapping[str, Compiled]) -> None:
        """Keep the example."""
        self.example, self.definitions = example, definitions

    def value(self, name: str) -> Value | None:
        """Read a fact, or answer a definition."""
        if name in self.definitions:
            return self.definitions[name].evaluate(self)
        text = self.example[name]
        if text in ("unknown", "true", "false"):
            return {"unknown": None, "true": True, "false": False}[text]
        return Fraction(text) if text.lstrip("-").replace(".", "").isdecimal() else text

    def input(self, name: str) -> Input:
        """Give the value as JSON."""
        return Input(fact=name, value=json_of(self.value(name)))


def matching(found: Finding, conditions: Iterable[str], definitions: Mapping[str, Compiled]) -> int:
    """Count the rows that are true of an example."""
    patient = Patient(found.example or {}, definitions)
    return sum(compile_condition(parse(text)).evaluate(patient) is True for text in conditions)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(CONDITIONS, min_size=1, max_size=4))
def test_the_example_really_has_no_answer_or_two(texts: list[str]) -> None:
    """Every patient a finding shows was asked: a gap matches no row, an overlap two."""
    high = {"title": "high", "means": "scores.pain >= 7 and stay.day > 14"}
    pathway = a_pathway(
        ("definitions/high", high),
        ("tables/advice/rows", rows(*((text, "stay") for text in texts))),
        ("never", []),
    )
    definitions = {"high": compile_condition(parse(high["means"]))}
    for found in prove_pathway(pathway, names(pathway)):
        if found.code == "gap":
            assert matching(found, texts, definitions) == 0
        if found.code == "overlap":
            assert matching(found, texts, definitions) >= 2
