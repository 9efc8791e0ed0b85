"""What nobody acts on any more is listed, and taken up again by who may."""

import json

import pytest

from engine.errors import InvalidInput, NotFound, Refused
from engine.model import Actor, Role
from stepcare.channels.port import permanent, unknown
from stepcare.due_retry import again, name_of, put_back, stuck_json, stuck_rows
from storage.staff import Colleague, Staff
from tests.stepcare.conftest import Run
from tests.worker.clinic import ANN, DAY, Clinic

AZIZ = Actor(id="aziz", role=Role.AUDITOR)


def parked_timer(clinic: Clinic) -> str:
    """Have a timer put aside; gives its name in the list."""
    clinic.patient()
    timer = next(one for one in clinic.episode().timers if one.state == "armed")
    clinic.worker().pump.park("timer", "e1", timer.id, "unknown_kind", clinic.clock())
    return f"e1:{timer.id}"


def unknown_message(clinic: Clinic) -> str:
    """Have a reminder of which nobody knows whether it was sent; gives its name."""
    clinic.patient()
    clinic.email.answer = lambda _: unknown("timeout")
    clinic.go(clinic.clock() + 22 * DAY, clinic.worker())
    (message,) = clinic.messages(status="unknown")
    return message.id


# --- the list -----------------------------------------------------------------------------------------------------


def test_what_was_put_aside_is_listed_with_its_reason(clinic: Clinic) -> None:
    """The kind of work, why it was put aside in words, and the name by which it is taken up again."""
    name = parked_timer(clinic)

    (one,) = (stuck_json(row) for row in stuck_rows(clinic.app))

    assert (one["id"], one["what"], one["status"], one["why"]) == (name, "timer", "parked", "unknown_kind")
    assert one["words"] == "this version of Stepcare does not know this kind of work"


def test_a_message_nobody_knows_about_is_listed_too(clinic: Clinic) -> None:
    """Unknown is not sent and not unsent: a person decides."""
    name = unknown_message(clinic)

    (row,) = stuck_rows(clinic.app)

    assert (name_of(row), stuck_json(row)["status"]) == (name, "unknown")


def test_an_empty_list_is_good_news(typed: Run) -> None:
    """Where nothing is stuck the command says what that means."""
    result = typed("due", "parked")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert "Nothing was put aside" in result.stderr


def test_another_teams_work_is_not_listed(clinic: Clinic, typed: Run) -> None:
    """A coordinator of another care team sees nothing of it."""
    parked_timer(clinic)
    staff = Staff(clinic.database)
    staff.add(Colleague(id="ann", roles=(Role.COORDINATOR,)))
    staff.add(Colleague(id="otto", roles=(Role.COORDINATOR,), teams=("other",)))

    mine = typed("due", "parked", "--as", "ann", "--output", "json")
    theirs = typed("due", "parked", "--as", "otto", "--output", "json")

    assert len(json.loads(mine.stdout)) == 1
    assert json.loads(theirs.stdout) == []


# --- taking up again ------------------------------------------------------------------------------------------------


def test_what_was_put_aside_waits_again(clinic: Clinic) -> None:
    """The timer fires as if nothing had been; asking twice does no harm."""
    name = parked_timer(clinic)

    first = put_back(clinic.app, ANN, clinic.episode(), name)
    second = put_back(clinic.app, ANN, clinic.episode(), name)

    assert first is not None
    assert second is not None
    assert (first.table, first.was, second.was) == ("timer", "unknown_kind", None)
    assert stuck_rows(clinic.app) == []
    clinic.go(clinic.clock() + 42 * DAY, clinic.worker())
    assert next(one for one in clinic.episode().timers if f"e1:{one.id}" == name).state == "fired"


def test_a_message_is_sent_once_more_under_a_name_of_its_own(clinic: Clinic) -> None:
    """A coordinator who has made sure has it sent again: a new message that follows the old one, and an entry."""
    name = unknown_message(clinic)
    clinic.email.answer = lambda _: unknown("timeout")
    clinic.email.got.clear()

    assert put_back(clinic.app, ANN, clinic.episode(), name) is None
    answer = clinic.app.engine.handle(again(clinic.app, ANN, clinic.episode(), name, "test"))

    assert answer.entry is not None
    (fresh,) = clinic.messages(follows=name)
    assert fresh.status == "queued"
    assert fresh.id != name
    assert stuck_rows(clinic.app) == []  # somebody has looked


def test_who_only_reads_takes_nothing_up(clinic: Clinic) -> None:
    """An auditor looks and changes nothing."""
    name = parked_timer(clinic)

    with pytest.raises(Refused, match="ask one of"):
        put_back(clinic.app, AZIZ, clinic.episode(), name)


def test_what_is_not_there_is_not_taken_up(clinic: Clinic) -> None:
    """A name nobody has, and a timer that is over, are said to be so."""
    clinic.patient()
    clinic.go(clinic.clock() + 42 * DAY, clinic.worker())
    over = next(one for one in clinic.episode().timers if one.state == "fired")

    with pytest.raises(NotFound, match="due parked"):
        put_back(clinic.app, ANN, clinic.episode(), "e1:nothing@0")
    with pytest.raises(InvalidInput, match="is over"):
        put_back(clinic.app, ANN, clinic.episode(), f"e1:{over.id}")


# --- at the command line ------------------------------------------------------------------------------------------


def test_retry_at_the_command_line(clinic: Clinic, typed: Run) -> None:
    """The name from the list is enough; what is no name is refused with where to find one."""
    name = parked_timer(clinic)
    Staff(clinic.database).add(Colleague(id="ann", roles=(Role.COORDINATOR,)))

    done = typed("due", "retry", name, "--as", "ann")
    nonsense = typed("due", "retry", "nonsense", "--as", "ann")

    assert done.exit_code == 0, done.stderr
    assert "waits again" in done.stdout
    assert nonsense.exit_code == 2
    assert "due parked" in nonsense.stderr


def test_what_reached_somebody_is_not_sent_again(clinic: Clinic, typed: Run) -> None:
    """A message that was taken is refused, with its state; nothing is sent."""
    clinic.patient()
    clinic.go(clinic.clock() + 22 * DAY, clinic.worker())
    (message,) = clinic.messages(status="accepted")
    Staff(clinic.database).add(Colleague(id="ann", roles=(Role.COORDINATOR,)))

    result = typed("due", "retry", message.id, "--as", "ann")

    assert result.exit_code == 2
    assert "is accepted" in result.stdout + result.stderr


def test_one_that_failed_for_good_is_listed_until_somebody_looks(clinic: Clinic) -> None:
    """A wrong address: the message failed, and it stays on the list with the channel's code."""
    clinic.patient()
    clinic.email.answer = clinic.sms.answer = lambda _: permanent("5.1.1")
    clinic.go(clinic.clock() + 22 * DAY, clinic.worker())

    found = [stuck_json(row) for row in stuck_rows(clinic.app)]

    assert [one["status"] for one in found] == ["failed"]
