"""What became of a message is said, whoever is in the way; and what nobody said is said by the next worker."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from engine.deliver import ON_ITS_WAY
from engine.errors import Conflict, Erased, NotFound, Unavailable, Unverifiable
from engine.model import Command, Json, Kind, Message, Role
from engine.service import Answer, Engine
from stepcare.channels.port import Parcel, Result, accepted, permanent, temporary
from stepcare.channels.reported import Reported, take_report
from stepcare.due_reasons import reason_in_words
from stepcare.worker.outcome import NOT_BEGUN
from storage.pump_figures import counters
from storage.vault import KeyDestroyed
from tests.worker.clinic import ANN, DAY, Clinic, Recorder
from tests.worker.test_delivering import WAIT, Died, dying, now, overdue, queued


@pytest.fixture
def due(clinic: Clinic) -> Message:
    """Give a reminder that is queued for a person and may go now."""
    return queued(clinic)


def snoozed(clinic: Clinic, message: Message) -> None:
    """Put off the work that a message is about, which takes the message back."""
    until = (clinic.clock() + 3 * DAY).date().isoformat()
    values = {"due_item": message.due_item, "until": until, "reason": "patient_asks"}
    clinic.do(ANN, Kind.SNOOZE, message.id.split(":")[0], values)


def losing(monkeypatch: pytest.MonkeyPatch, races: int) -> list[int]:
    """Let the next deliveries that are said lose so many races; gives the list of those that were lost."""
    real, lost = Engine.handle, list[int]()

    def handle(engine: Engine, command: Command) -> Answer:
        if command.kind is Kind.DELIVER and len(lost) < races:
            lost.append(1)
            raise Conflict("Others write all the time.")
        return real(engine, command)

    monkeypatch.setattr(Engine, "handle", handle)
    return lost


# --- a lost race --------------------------------------------------------------------------------------------------


def test_a_lost_race_does_not_leave_a_sent_message_unsaid(
    clinic: Clinic, due: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others write to the episode just then: what the channel said is said all the same, in the same pass."""
    lost = losing(monkeypatch, 3)

    clinic.worker().delivering.run("email")

    assert len(lost) == 3
    assert now(clinic, due).status == "accepted"


@pytest.mark.parametrize("known", [True, False])
def test_what_was_taken_back_after_it_had_left_is_said(any_clinic: Clinic, known: bool) -> None:
    """Its worker died over it, then the work was put off: it is no "taken back before it was sent"."""
    clinic = any_clinic
    message = queued(clinic)
    worker = clinic.worker()
    if known:
        worker.delivering._say = dead  # type: ignore[method-assign]
    with pytest.raises(Died):
        (worker if known else dying(worker, "attempted")).delivering.run("email")
    snoozed(clinic, message)
    assert now(clinic, message).status == "cancelled"
    clinic.clock.forward_to(clinic.clock() + WAIT)

    done = clinic.worker().once()

    said = ("accepted", "on_its_way") if known else ("unknown", "on_its_way")
    assert (now(clinic, message).status, now(clinic, message).reason) == said
    assert done[f"message_{said[0]}"] == 1
    assert len(clinic.email.got) == 1
    assert clinic.worker().delivering.recalled().counts == {}


def test_what_was_refused_and_then_taken_back_stays_taken_back(clinic: Clinic, due: Message) -> None:
    """The channel never took it, so "taken back" is the truth, and nobody looks again."""
    clinic.email.answers = [permanent("address:no_such_user")]
    worker = clinic.worker()
    worker.delivering._say = dead  # type: ignore[method-assign]
    with pytest.raises(Died):
        worker.delivering.run("email")
    snoozed(clinic, due)
    clinic.clock.forward_to(clinic.clock() + WAIT)

    clinic.worker().once()

    assert now(clinic, due).status == "cancelled"
    assert clinic.worker().pump.claim_recalled(clinic.clock() + WAIT) == []


def test_what_cannot_be_said_now_is_said_when_the_lease_is_over(
    clinic: Clinic, due: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away while it is to be said: nothing is let go of."""
    worker = clinic.worker()
    worker.delivering._say = dead  # type: ignore[method-assign]
    with pytest.raises(Died):
        worker.delivering.run("email")
    snoozed(clinic, due)
    clinic.clock.forward_to(clinic.clock() + WAIT)

    def away(*_: object) -> Answer:
        raise Unavailable("The database does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "handle", away)
        clinic.worker().delivering.recalled()
    assert now(clinic, due).status == "cancelled"
    clinic.clock.forward_to(clinic.clock() + WAIT)

    clinic.worker().delivering.recalled()

    assert now(clinic, due).status == "accepted"


def dead(*_: object, **__: object) -> None:
    """Die where the entry is to be said."""
    raise Died


# --- many ends at once --------------------------------------------------------------------------------------------


def test_what_has_expired_is_said_together(clinic: Clinic) -> None:
    """After an outage hundreds have lost their worth: each has its entry, and they share their commits."""
    episodes = [clinic.patient() for _ in range(6)]
    queued(clinic)
    clinic.clock.forward_to(clinic.clock() + timedelta(hours=1))
    clinic.worker().firing.run()
    clinic.clock.forward_to(clinic.clock() + 20 * DAY)
    worker, together = clinic.worker(), list[int]()
    real = clinic.app.store.apply

    def counted(changes: Any) -> Any:
        together.append(len(changes))
        return real(changes)

    clinic.app.engine.store = _Counting(clinic.app.store, counted)
    worker.delivering.run("email")

    ended = [one.status for episode in episodes for one in clinic.messages(episode, recipient="patient")]
    assert ended == ["expired"] * 6
    assert together == [7]


class _Counting:
    """A store whose commits are counted."""

    def __init__(self, store: object, apply: Any) -> None:
        self._store, self.apply = store, apply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_one_that_cannot_be_said_does_not_hold_up_the_others(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever one of them does to the commit they share, the others are said each by itself."""
    episodes = [clinic.patient() for _ in range(3)]
    poison = queued(clinic)
    clinic.clock.forward_to(clinic.clock() + timedelta(hours=1))
    clinic.worker().firing.run()
    clinic.clock.forward_to(clinic.clock() + 20 * DAY)
    real = Engine._change

    def change(engine: Engine, command: Command, *rest: Any) -> Any:
        if command.values.get("message") == poison.id:
            raise ZeroDivisionError
        return real(engine, command, *rest)

    monkeypatch.setattr(Engine, "_change", change)
    clinic.worker().delivering.run("email")

    ended = [one.status for episode in episodes for one in clinic.messages(episode, recipient="patient")]
    assert (ended, now(clinic, poison).status) == (["expired"] * 3, "queued")


# --- lanes --------------------------------------------------------------------------------------------------------


def takes_a_while(_: Parcel) -> None:
    """Keep the lane taken."""
    Event().wait(0.02)


def test_more_messages_than_lanes_wait_their_turn(clinic: Clinic) -> None:
    """Staff messages of a whole morning through one narrow channel: one pass sends them all, each at its first try."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    for _ in range(5):
        clinic.patient()
    slow = Recorder(name="email", at_once=1, clock=clinic.clock, before=takes_a_while)
    worker = clinic.worker(slow)
    episodes = [f"e{number}" for number in range(1, 6)]
    while not (told := [one for e in episodes for one in clinic.messages(e, recipient="coordinator")]):
        clinic.clock.forward_to(clinic.clock() + DAY)
        worker.firing.run()
    clinic.clock.forward_to(clinic.clock() + DAY)
    worker.firing.run()

    worker.delivering.run("staff")

    told = [one for e in episodes for one in clinic.messages(e, recipient="coordinator")]
    steps = [step.status for one in told for step in worker.pump.tries(one.id.split(":")[0], one.id)]
    assert {one.status for one in told} == {"accepted"}
    assert steps == ["sending", "accepted"] * len(told)


def test_a_channel_without_a_free_lane_costs_no_try(clinic: Clinic, due: Message) -> None:
    """All lanes hang: nothing was begun, so nothing is counted, and it goes as soon as one is free."""
    worker = clinic.worker()
    post = worker.delivering._means.post
    real, post._lanes.send = post._lanes.send, lambda *_: None  # type: ignore[method-assign]

    done = worker.delivering.run("email")

    (tried,) = [one for one in worker.pump.tries("e1", due.id) if one.status != "sending"]
    assert (tried.status, tried.detail, done.wait) == ("deferred", "no_lane", 1.0)
    post._lanes.send = real  # type: ignore[method-assign]
    clinic.clock.forward_to(clinic.clock() + timedelta(seconds=1))
    (claimed,) = worker.pump.claim_messages(clinic.clock(), 20, ["email"])
    assert claimed.attempt == 1


# --- several receivers --------------------------------------------------------------------------------------------


def test_who_was_not_reached_beside_a_colleague_is_kept_as_that(clinic: Clinic) -> None:
    """One has it, so it is accepted; that the other could not be reached just then is said as what it was."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.COORDINATOR, sms="+4930000")
    clinic.sms.answer = lambda _: temporary("busy")
    worker = clinic.worker()

    told = overdue(clinic, worker)

    steps = [one for one in worker.pump.tries("e1", told[0].id) if one.status != "sending"]
    found = {(one.receiver, one.channel, one.status, one.detail) for one in steps}
    assert found == {("ann", "email", "accepted", "taken"), ("ben", "sms", "temporary", "busy")}


def test_another_message_of_the_episode_keeps_nobody_from_theirs(clinic: Clinic) -> None:
    """The episode moves on between two colleagues, by an entry that forbids nothing: both are written to."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.COORDINATOR, sms="+4930000")
    contacted: dict[str, Json] = {"channel": "telephone", "result": "message_left"}

    def moves_on(parcel: Parcel) -> None:
        clinic.do(ANN, Kind.CONTACT, parcel.key.split(":")[0], contacted)

    clinic.email.before = clinic.sms.before = moves_on
    told = overdue(clinic, clinic.worker())

    assert told
    for channel, name in ((clinic.email, "ann"), (clinic.sms, "ben")):
        assert {one.id for one in told} <= {key.removesuffix(f":{name}") for key in channel.keys}


def test_killed_between_two_answers_of_colleagues_nobody_is_told_that_it_failed(clinic: Clinic) -> None:
    """One was refused, the other has it, and the worker dies before it is said: not failed, but unknown."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.COORDINATOR, sms="+4930000")
    clinic.sms.answer = lambda _: permanent("address:no_such_number")
    episode = clinic.patient()
    while not (found := clinic.messages(episode, recipient="coordinator")):
        clinic.clock.forward_to(clinic.clock() + DAY)
        clinic.worker().firing.run()
    clinic.clock.forward_to(max(found[0].not_before, clinic.clock()))
    worker = dying(clinic.worker(), "attempted", lambda *_, **named: not named.get("beside"))
    with pytest.raises(Died):
        worker.delivering.run("staff")
    clinic.clock.forward_to(clinic.clock() + WAIT)

    clinic.worker().once()

    assert now(clinic, found[0]).status == "unknown"


def test_a_receipt_of_a_colleagues_copy_finds_its_message(clinic: Clinic) -> None:
    """It went out by their own way, and comes back under that channel's name."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")

    def answered(parcel: Parcel) -> Result:
        return accepted("taken", f"mail-{parcel.key}")

    clinic.email.answer = answered
    told = overdue(clinic, clinic.worker())
    reference = f"mail-{told[0].id}:ann"

    assert clinic.worker().pump.message_of("email", reference) == ("e1", told[0].id)
    assert take_report(clinic.app, Reported(channel="email", reference=reference, kind="delivered"), "test") == "kept"
    assert now(clinic, told[0]).status == "delivered"


# --- the breakers of several workers ------------------------------------------------------------------------------


def test_a_worker_that_sends_does_not_talk_over_one_whose_channel_rests(clinic: Clinic) -> None:
    """The figure is up while any worker leaves the channel alone, and goes down when none has said so for a while."""
    resting, sending = clinic.worker(), clinic.worker()
    breaker = resting.delivering._means.post._breakers["email"]
    for _ in range(5):
        breaker.heard(temporary("unreachable"))
    shown = list[int]()
    for one in (sending, resting, sending, resting, sending):
        one._beat()
        shown.append(counters(clinic.database)["breaker_email"][0])
        clinic.clock.forward_to(clinic.clock() + timedelta(seconds=2))
    clinic.clock.forward_to(clinic.clock() + timedelta(seconds=30))
    sending._beat()

    assert shown == [0, 1, 1, 1, 1]
    assert counters(clinic.database)["breaker_email"][0] == 0


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [NotFound.code, Erased.code, KeyDestroyed.code, Unverifiable.code, ON_ITS_WAY, *NOT_BEGUN, "recalled"]
)
def test_the_workers_own_codes_are_said_in_words(code: str) -> None:
    """Why a message was put aside, or waits, is no riddle to who reads it."""
    assert not str(reason_in_words(code)).startswith("the channel says")
