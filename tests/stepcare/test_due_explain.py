"""What will be sent about an episode and why, and what was and was not sent and why."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidInput, NotFound
from engine.model import Kind
from stepcare.due_reasons import REASONS, STATES, STATUSES, reason_in_words, status_in_words
from stepcare.due_story import due_story, message_story
from stepcare.worker.run import Worker
from tests.stepcare.conftest import Run
from tests.worker.clinic import ANN, DAY, RAVI, Clinic

ROOT = Path(__file__).parent.parent.parent
WEEKS = 6 * 7 * DAY


def story(clinic: Clinic, days: int = 30, episode: str = "e1") -> dict[str, Any]:
    """Tell an episode's due work as it is now, as JSON says it."""
    found = clinic.episode(episode)
    compiled = clinic.app.engine.compiled(found.pathway)
    told: dict[str, Any] = json.loads(json.dumps(due_story(clinic.app, found, compiled, clinic.clock(), days)))
    return told


def reminders(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the messages to the person, as they are told."""
    return [one for one in told["messages"] if one["recipient"] == "patient"]


# --- what comes ---------------------------------------------------------------------------------------------------


def test_what_is_told_beforehand_is_what_is_then_sent(clinic: Clinic) -> None:
    """Six weeks ahead: every message that is foretold goes at that instant, on that channel; no other one does."""
    clinic.patient()
    until = clinic.clock() + WEEKS
    foretold = {(one["message"], one["sends_at"]) for one in story(clinic, 42)["coming"] if one["will"] == "sent"}

    clinic.go(until, clinic.worker())

    told = story(clinic)
    sent = {(one["id"], one["ended"]["at"]) for one in told["messages"] if one["status"] in ("accepted", "delivered")}
    assert foretold
    assert sent == foretold


def test_everything_that_comes_says_to_whom_how_and_what_would_stop_it(clinic: Clinic) -> None:
    """A coordinator reads the words, the way, the work it is about, and how it can still be stopped."""
    clinic.patient()

    coming = [one for one in story(clinic, 42)["coming"] if one["to"] == "patient"]

    assert coming
    for one in coming:
        assert (one["channel"], one["about"]) == ("email", "Reassess")
        assert one["text"]
        assert one["sms_parts"] >= 1
        stops = "; ".join(one["stopped_by"])
        assert "record reassessment" in stops
        assert "asks not to be contacted" in stops
        assert "could not be sent before" in stops


def test_nothing_is_foretold_to_who_did_not_agree(clinic: Clinic) -> None:
    """Without consent the reminders are told all the same, as not sent, with the reason."""
    clinic.patient()
    clinic.do(ANN, Kind.OPT_OUT, "e1", {"channel": "all", "how": "asked"})

    coming = [one for one in story(clinic, 42)["coming"] if one["to"] == "patient"]

    assert coming
    assert {one["will"] for one in coming} == {"not sent"}
    assert {one["why_not"] for one in coming} == {REASONS["opted_out"]}


def test_a_forecast_has_an_end(clinic: Clinic) -> None:
    """Nobody looks further ahead than a year."""
    clinic.patient()

    with pytest.raises(InvalidInput, match="0 to 366 days"):
        story(clinic, 367)


# --- what was -----------------------------------------------------------------------------------------------------


def through(clinic: Clinic, days: float) -> Worker:
    """Let days pass with a worker at work."""
    worker = clinic.worker()
    clinic.go(clinic.clock() + timedelta(days=days), worker)
    return worker


def test_a_message_that_was_sent_names_its_entries_and_its_tries(clinic: Clinic) -> None:
    """Which entry decided it, which one says it was taken, and when which worker handed it to which channel."""
    clinic.patient()
    through(clinic, 42)

    one = reminders(story(clinic))[0]

    assert one["status"] == "accepted"
    assert one["words"] == STATUSES["accepted"]
    assert [turn["status"] for turn in one["history"]] == ["queued", "accepted"]
    assert one["made"]["entry"] < one["ended"]["entry"]
    assert [attempt["status"] for attempt in one["attempts"]] == ["sending", "accepted"]
    assert one["text"].startswith("Your care team")
    assert (clinic.app.store.kept(one["ended"]["entry"]).decision.command.kind) is Kind.DELIVER


def test_a_message_that_was_not_sent_says_why(clinic: Clinic) -> None:
    """A visit stops what was queued: the entry that did it is named, and so is what it was."""
    clinic.patient()
    clinic.do(ANN, Kind.OPT_OUT, "e1", {"channel": "email", "how": "asked"})
    through(clinic, 42)

    told = reminders(story(clinic))

    assert told
    assert {(one["status"], one["reason"]) for one in told} == {("suppressed", "opted_out")}
    assert {one["why"] for one in told} == {REASONS["opted_out"]}
    assert clinic.email.got == []


def test_what_a_hold_stops_is_told_as_taken_back(clinic: Clinic) -> None:
    """A timer that the plan has left behind is there with the entry that took it back."""
    clinic.patient()
    through(clinic, 1)
    before = {one["id"] for one in story(clinic)["timers"] if one["state"] == "armed"}
    clinic.do(RAVI, Kind.MOVE, "e1", {"transition": "hold", "reason": "travel", "until": "2026-03-20"})

    timers = {one["id"]: one for one in story(clinic)["timers"]}

    cancelled = [timers[one] for one in before if timers[one]["state"] == "cancelled"]
    assert cancelled
    for one in cancelled:
        assert one["why"] == STATES["cancelled"]
        assert one["ended"]["what"] == "move hold"


def test_one_message_is_told_by_its_name(clinic: Clinic) -> None:
    """By its id alone: what it was, and everything that became of it; a name that is nobody's is said so."""
    clinic.patient()
    through(clinic, 42)
    found = clinic.episode()
    compiled, now = clinic.app.engine.compiled(found.pathway), clinic.clock()
    name = reminders(story(clinic))[0]["id"]

    one = message_story(clinic.app, found, compiled, now, name)

    assert (one["id"], one["episode"], one["status"]) == (name, "e1", "accepted")
    with pytest.raises(NotFound, match="due explain e1"):
        message_story(clinic.app, found, compiled, now, f"{name}x")


def test_what_is_parked_says_so(clinic: Clinic) -> None:
    """Something put aside is neither sent nor forgotten: it is told with the way to take it up again."""
    clinic.patient()
    worker = through(clinic, 1)
    timer = next(one for one in clinic.episode().timers if one.state == "armed")
    worker.pump.park("timer", "e1", timer.id, "unknown_kind", clinic.clock())

    told = next(one for one in story(clinic)["timers"] if one["id"] == timer.id)

    assert told["parked"] == "unknown_kind"
    assert "`stepcare due retry`" in told["why"]


# --- words --------------------------------------------------------------------------------------------------------


def test_every_reason_the_engine_gives_has_words() -> None:
    """The codes that `engine/deliver.py` lists are all said in words."""
    table = (ROOT / "engine" / "deliver.py").read_text(encoding="utf-8").partition("may_send`")[2].partition('"""')[0]
    rows = [
        line.split("  ")[2].strip() for line in table.splitlines() if line.startswith("    ") and "  " in line.strip()
    ]
    codes = {code.strip() for row in rows[1:] if not row.startswith("(") for code in row.split(",")}

    assert {"no_consent", "cap_week", "quiet"} <= codes
    assert codes - set(REASONS) == set()


def test_a_channels_own_code_is_given_as_it_is() -> None:
    """What a mail server says is shown by its code, and a yes needs none."""
    assert reason_in_words("5.1.1") == "the channel says 5.1.1"
    assert reason_in_words("unreadable:ValueError") == f"{REASONS['unreadable']} (ValueError)"
    assert reason_in_words("") is None
    assert status_in_words("failed", "5.1.1") == "not delivered: the channel says 5.1.1"
    assert status_in_words("accepted", "250") == STATUSES["accepted"]


# --- at the command line ------------------------------------------------------------------------------------------


def test_people_read_it_in_sentences(clinic: Clinic, typed: Run) -> None:
    """What is owed, what comes, what was sent with its entries, and what came to nothing."""
    clinic.patient()
    through(clinic, 42)

    result = typed("due", "explain", "e1", "--days", "60")

    assert result.exit_code == 0, result.stderr
    for part in (
        "Reassess",
        "In the next 60 days, if nobody acts",
        "Sent and not sent",
        "visit_ahead to patient by email",
    ):
        assert part in result.stdout


def test_programs_read_it_as_json(clinic: Clinic, typed: Run) -> None:
    """One object with the same parts as the API gives."""
    clinic.patient()

    result = typed("due", "explain", "e1", "--output", "json")

    assert set(json.loads(result.stdout)) == {
        *("episode", "state", "at", "until", "due_items", "coming", "messages", "timers"),
    }


def test_a_message_is_explained_without_naming_its_episode(clinic: Clinic, typed: Run) -> None:
    """Its id begins with it; with neither there is nothing to explain."""
    clinic.patient()
    through(clinic, 42)
    told = json.loads(typed("due", "explain", "e1", "--output", "json").stdout)
    name = reminders(told)[0]["id"]

    whole = typed("due", "explain", "--message", name)
    short = typed("due", "explain", "e1", "--message", name.partition(":")[2])
    neither = typed("due", "explain")

    assert whole.exit_code == 0, whole.stderr
    assert "accepted" in whole.stdout
    assert short.stdout == whole.stdout
    assert neither.exit_code == 2
    assert "which episode, or which message" in neither.stderr
