"""Answers that cannot be what they claim: every one is named at once, with what is expected, and nothing is kept."""

from datetime import datetime, timedelta

import pytest

from engine.errors import InvalidInput
from engine.forms import read_form, read_text
from engine.model import Json, Kind, Outcome
from tests.worlds import ANN, PIA, RAVI, shipped
from tests.worlds_pathway import episode_in


@pytest.mark.parametrize(
    ("form", "field", "value", "says"),
    [
        ("consent", "given", "yes", "true or false"),
        ("trigger_point", "palpation_pain", 11, "at most 10"),
        ("trigger_point", "palpation_pain", -1, "at least 0"),
        ("trigger_point", "palpation_pain", "5.5", "whole number"),
        ("trigger_point", "palpation_pain", True, "whole number"),
        ("trigger_point", "muscle", "biceps", "one of"),
        ("assessment", "associated_symptoms", "none", "list of codes"),
        ("assessment", "associated_symptoms", ["none", "headache"], "cannot be combined"),
        ("assessment", "associated_symptoms", ["hiccups"], "one of"),
        ("assessment", "rom", "limited", "list of entries"),
        ("assessment", "rom", ["limited"], "not a set of answers"),
        ("assessment", "rom", [{"movement": "rotation"}] * 31, "more than the 30"),
        ("assessment", "rom", [{"side": "left"}], "movement is missing"),
        ("assessment", "rom", [{"movement": "rotation", "degrees": 400}], "at most 360"),
        ("assessment", "nprs", "seven", ""),
        ("assessment", "peg", [1, 2], ""),
        ("registration", "onset", "2026-13-01", "YYYY-MM-DD"),
        ("registration", "onset", "1 March", "YYYY-MM-DD"),
        ("registration", "referrer", "x" * 201, "more than the 200"),
        ("registration", "referrer", "a\0b", "not text"),
        ("registration", "referrer", "\ud800", "not text"),
        ("registration", "referrer", 7, "text is expected"),
        ("injection_session", "concentration", "0.5 %", "decimal number"),
        ("injection_session", "concentration", "1e3", "decimal number"),
        ("consent", "givn", True, "given"),
    ],
)
def test_a_wrong_answer_says_what_is_expected(form: str, field: str, value: Json, says: str) -> None:
    """Type, range, length, unit, spelling: each error says what would be right."""
    _, problems = read_form(shipped(), form, {field: value})

    mine = [problem for problem in problems if problem.field.startswith(field)]
    assert mine
    assert says in " ".join(problem.message for problem in mine)


def test_an_unknown_form_suggests_the_near_one() -> None:
    """A typing error in a form's name is answered with the name that was meant."""
    _, problems = read_form(shipped(), "asessment", {})

    assert "assessment" in problems[0].message


def test_every_problem_comes_at_once() -> None:
    """Nobody corrects one answer to be told of the next."""
    _, problems = read_form(shipped(), "trigger_point", {"palpation_pain": 99, "side": "top", "wrong": 1})

    assert {problem.field for problem in problems} == {"palpation_pain", "side", "wrong", "muscle"}


def test_decimals_and_days_keep_their_written_form() -> None:
    """What is stored is exactly what was typed: no float ever comes between."""
    values, problems = read_form(
        shipped(),
        "injection_session",
        {"technique": "injection", "concentration": "0.50", "weight_on": "2026-03-01", "sites": [{"volume_ml": "1.0"}]},
    )

    assert not problems
    assert values["concentration"] == "0.50"
    assert values["sites"] == [{"volume_ml": 1}]


def test_ten_megabytes_are_refused_before_they_are_read() -> None:
    """Length is asked first."""
    with pytest.raises(InvalidInput, match="more than"):
        read_text("x" * 10_000_000, 4000)


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (Kind.RECORD, {}, "which form"),
        (Kind.RECORD, {"form": "reasessment"}, "reassessment"),
        (Kind.MOVE, {}, "which transition"),
        (Kind.MOVE, {"transition": "step_up", "to": "heaven"}, "There is no state"),
        (Kind.MOVE, {"transition": "step_down"}, "`to`"),
        (Kind.MOVE, {"transition": "start_assessment", "extra": 1}, ""),
        (Kind.START, {"form": "leeches"}, "There is no treatment"),
        (Kind.PLAN, {"form": "leeches"}, "There is no treatment"),
        (Kind.STOP, {"form": "leeches"}, "There is no treatment"),
        (Kind.STOP, {"form": "yoga", "status": "stopped"}, "nothing to stop"),
        (Kind.CORRECT, {"record": "c999"}, "is not here"),
        (Kind.ASSIGN, {}, "Say who answers"),
        (Kind.ASSIGN, {"captain": "ann"}, "not asked by assign"),
        (Kind.ASSIGN, {"owner": "x" * 81}, "pseudonym"),
        (Kind.SNOOZE, {"due_item": "none:x", "until": "2026-03-20", "reason": "travel"}, "no open due item"),
        (Kind.SNOOZE, {"due_item": "none:x", "until": "soon", "reason": "travel"}, "YYYY-MM-DD"),
        (Kind.SNOOZE, {"due_item": "none:x", "until": "2026-03-20"}, "why it can wait"),
        (Kind.REGISTER, {"region": "upper_back"}, "registered already"),
        (Kind.PUBLISH, {}, ""),
    ],
)
def test_a_wrong_command_is_an_error_and_leaves_nothing(kind: Kind, values: dict[str, Json], says: str) -> None:
    """Malformed wishes are not refusals: they are said to be wrong, and no entry is made."""
    world = episode_in("professional")
    version = world.episode.version

    decision = world.do(RAVI, kind, values)

    assert decision.outcome in (Outcome.INVALID, Outcome.REFUSED)
    assert says in decision.problem or decision.outcome is Outcome.REFUSED
    assert decision.events == ()
    if decision.outcome is Outcome.INVALID:
        assert world.episode.version == version


def test_a_naive_time_is_an_error() -> None:
    """A time without its offset names no instant."""
    world = episode_in("self_care")

    decision = world.do(
        RAVI,
        Kind.RECORD,
        {"form": "goal", "goal": "swim"},
        occurred=datetime(2026, 3, 2, 9),  # noqa: DTZ001 - the mistake itself
    )

    assert decision.outcome is Outcome.INVALID
    assert "time zone" in decision.problem


def test_a_plan_named_for_the_record_must_be_there() -> None:
    """A record that names a plan nobody made is an error, not a session out of nowhere."""
    world = episode_in("injection")

    decision = world.do(PIA, Kind.RECORD, {"form": "injection_record", "technique": "injection"}, of="c999")

    assert decision.outcome is Outcome.INVALID
    assert "c999" in decision.problem


def test_a_planned_treatment_is_started_by_name() -> None:
    """Plan first, start later: the same treatment, not a second one."""
    world = episode_in("professional")
    plan = world.do(RAVI, Kind.PLAN, {"form": "yoga", "style": "viniyoga"})

    wrong = world.do(RAVI, Kind.START, {"form": "yoga"}, of="c999")
    world.do(RAVI, Kind.START, {"form": "yoga"}, of=plan.command.id)

    assert wrong.outcome is Outcome.INVALID
    assert [(one.id, one.status) for one in world.episode.treatments if one.kind == "yoga"] == [
        (plan.command.id, "active")
    ]


def test_a_treatment_is_planned_where_it_belongs() -> None:
    """Injections belong to step 3; elsewhere the pathway knows no such plan."""
    world = episode_in("self_care")

    decision = world.plan("injection_session", technique="injection", sites=[])

    assert decision.outcome is Outcome.REFUSED
    assert decision.failed == ("PATH-01",)


def test_assigning_changes_the_owner_and_nothing_else() -> None:
    """The coordinator leaves: another answers, the clinical picture stays."""
    world = episode_in("self_care")
    before = world.episode

    world.do(ANN, Kind.ASSIGN, {"owner": "bea"})
    world.do(ANN, Kind.ASSIGN, {"owner": None})

    assert world.episode.owner is None
    assert (world.episode.state, world.episode.records) == (before.state, before.records)
    assert world.now - before.stays[-1].since < timedelta(days=1)
