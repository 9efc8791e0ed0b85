"""Stage two: each message is decided once, and sent once where the receiver lets us know."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.errors import InvalidInput
from engine.model import Kind, Message, Role
from stepcare.channels.port import OnUnknown, Parcel, accepted, permanent, temporary, unknown
from stepcare.channels.rates import Rate
from stepcare.worker.run import Worker
from storage.pump_figures import counters, parked
from tests.worker.clinic import ANN, DAY, MORNING, Clinic, Recorder

WAIT = timedelta(seconds=31)  # a lease is over


@pytest.fixture
def due(clinic: Clinic) -> Message:
    """Give a reminder that is queued for a person and may go now."""
    return queued(clinic)


def queued(clinic: Clinic) -> Message:
    """Let somebody's first reminder fire, and go to when it may be sent."""
    episode = clinic.patient()
    worker = clinic.worker()
    while not (found := clinic.messages(episode, status="queued", recipient="patient")):
        timers = [one.at for one in clinic.episode(episode).timers if one.state == "armed"]
        clinic.clock.forward_to(max(min(timers), clinic.clock()))
        worker.firing.run()
    clinic.clock.forward_to(max(found[0].not_before, clinic.clock()))
    worker.close()
    return found[0]


def now(clinic: Clinic, message: Message) -> Message:
    """Give a message as it is now."""
    return next(one for one in clinic.messages(message.id.split(":")[0]) if one.id == message.id)


class Died(BaseException):
    """The process was killed here."""


def dying(worker: Worker, where: str, when: Callable[..., bool] = lambda *_, **__: True) -> Worker:
    """Have a worker die when its pump is asked for this."""
    real = getattr(worker.pump, where)

    def die(*args: object, **named: object) -> object:
        if when(*args, **named):
            raise Died
        return real(*args, **named)

    setattr(worker.pump, where, die)
    return worker


def test_an_accepted_message_says_so(any_clinic: Clinic) -> None:
    """What the receiver took is accepted, under the receiver's own name, and was tried once."""
    clinic = any_clinic
    message = queued(clinic)
    worker = clinic.worker()

    worker.delivering.run("email")

    assert (now(clinic, message).status, now(clinic, message).reference) == ("accepted", f"ref-{message.id}")
    assert [one.status for one in worker.pump.tries("e1", message.id)] == ["sending", "accepted"]
    assert clinic.email.keys == [message.id]


def test_a_text_is_in_the_persons_words_and_says_nothing_clinical(clinic: Clinic, due: Message) -> None:
    """The parcel holds address, subject and text of the template, and nothing else of the person."""
    clinic.worker().delivering.run("email")

    parcel = clinic.email.got[0][1]
    assert parcel.to == "p1@example.org"
    assert parcel.text.startswith("Your care team would like to see")
    assert "Alva" not in parcel.subject + parcel.text
    assert due.template == "visit_ahead"


def test_what_was_not_taken_is_tried_again_later(clinic: Clinic, due: Message) -> None:
    """A temporary failure waits, longer each time, and goes under the same key."""
    clinic.email.answers = [temporary("greylisted"), temporary("greylisted")]
    worker = clinic.worker()

    clinic.go(clinic.clock() + timedelta(hours=1), worker)

    assert now(clinic, due).status == "accepted"
    assert set(clinic.email.keys) == {due.id}
    times = [at for at, _ in clinic.email.got]
    assert len(times) == len(set(times)) == 3


def test_a_receiver_that_asks_for_time_gets_it(clinic: Clinic, due: Message) -> None:
    """Retry-After is kept."""
    clinic.email.answers = [temporary("busy", timedelta(hours=2))]
    worker = clinic.worker()
    clinic.go(clinic.clock() + timedelta(hours=3), worker)

    first, second = (at for at, _ in clinic.email.got)
    assert second - first >= timedelta(hours=2)
    assert now(clinic, due).status == "accepted"


def test_after_twelve_tries_it_is_dead_or_has_expired(clinic: Clinic, due: Message) -> None:
    """Nothing is tried for ever: a person hears of it."""
    clinic.email.answer = lambda _: temporary("greylisted")

    clinic.go(clinic.clock() + 3 * DAY, clinic.worker())

    assert now(clinic, due).status in ("dead", "expired")
    assert len([key for key in clinic.email.keys if key == due.id]) <= 12


def test_what_cannot_be_delivered_goes_on_the_next_channel(clinic: Clinic) -> None:
    """A mailbox that is not there: the person is written to on the next way they did not refuse."""
    message = queued(clinic)
    clinic.email.answer = lambda _: permanent("address:no_such_user")

    clinic.go(clinic.clock() + timedelta(hours=1), clinic.worker())

    ended = now(clinic, message)
    assert (ended.status, ended.reason) == ("failed", "address:no_such_user")
    for one in clinic.messages(follows=message.id):
        assert one.channel != "email"


@pytest.mark.parametrize(
    ("rule", "sent", "status"), [("resend", 2, "accepted"), ("hand_over", 1, "unknown"), ("ask", 1, "unknown")]
)
def test_what_nobody_knows_is_handled_by_the_channels_rule(
    clinic: Clinic, due: Message, rule: OnUnknown, sent: int, status: str
) -> None:
    """Sent again under the same key, handed to a person, or asked about; never quietly repeated."""
    clinic.email.on_unknown = rule
    clinic.email.answers = [unknown("no_answer")]

    clinic.go(clinic.clock() + timedelta(hours=1), clinic.worker())

    assert now(clinic, due).status == status
    assert clinic.email.keys == [due.id] * sent


def test_a_channel_that_can_be_asked_is_asked(clinic: Clinic, due: Message) -> None:
    """Where the receiver says that it has it, it counts as accepted, and nothing goes twice."""
    clinic.email.on_unknown, clinic.email.asked = "ask", lambda _: accepted("found")
    clinic.email.answers = [unknown("no_answer")]

    clinic.go(clinic.clock() + timedelta(hours=1), clinic.worker())

    assert now(clinic, due).status == "accepted"
    assert clinic.email.keys == [due.id]


# --- killed in the middle -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["intend", "attempted"])
@pytest.mark.parametrize("rule", ["resend", "hand_over", "ask"])
def test_killed_in_the_middle_nothing_is_lost_and_nothing_quietly_repeated(
    clinic: Clinic, due: Message, where: str, rule: OnUnknown
) -> None:
    """Before the intent it is simply sent. After it, by the channel's rule: once more under the same key, or not."""
    clinic.email.on_unknown = rule
    clinic.email.asked = lambda parcel: accepted("found") if parcel.key in clinic.email.keys else temporary("not_there")
    with pytest.raises(Died):
        dying(clinic.worker(), where).delivering.run("email")
    sent_before = len(clinic.email.got)
    clinic.clock.forward_to(clinic.clock() + WAIT)

    clinic.go(clinic.clock() + timedelta(minutes=2), clinic.worker())

    ended = now(clinic, due)
    if where == "intend":
        assert (sent_before, ended.status, len(clinic.email.got)) == (0, "accepted", 1)
    else:
        again = {"resend": ("accepted", 2), "hand_over": ("unknown", 1), "ask": ("accepted", 1)}[rule]
        assert (ended.status, len(clinic.email.got)) == again
    assert set(clinic.email.keys) == {due.id}


def test_what_was_known_before_the_crash_is_said_by_the_next_one(clinic: Clinic, due: Message) -> None:
    """The outcome is on the disk and its entry is not: the next worker says it, and sends nothing."""
    worker = clinic.worker()

    def killed(*_: object, **__: object) -> None:
        raise Died

    worker.delivering._say = killed  # type: ignore[method-assign]
    with pytest.raises(Died):
        worker.delivering.run("email")
    clinic.clock.forward_to(clinic.clock() + WAIT)

    clinic.worker().delivering.run("email")

    assert (now(clinic, due).status, now(clinic, due).reference) == ("accepted", f"ref-{due.id}")
    assert clinic.email.keys == [due.id]


def test_a_frozen_worker_is_fenced_off(clinic: Clinic, due: Message) -> None:
    """It wakes after its lease is over, between intent and call: it does not call any more."""
    frozen = clinic.worker()
    real = frozen.pump.intend

    def freeze(*args: Any, **named: Any) -> bool:
        done = real(*args, **named)
        clinic.clock.forward_to(clinic.clock() + 2 * WAIT)
        return done

    frozen.pump.intend = freeze  # type: ignore[method-assign]
    frozen.delivering.run("email")
    assert clinic.email.got == []

    clinic.worker().delivering.run("email")

    assert now(clinic, due).status == "unknown"  # it may have gone, for all the second one knows


def test_an_answer_that_comes_after_the_lease_is_over_changes_nothing(clinic: Clinic, due: Message) -> None:
    """Frozen during the call, while another worker took over: what the first one learns is kept as a row only."""
    clinic.email.on_unknown = "resend"
    second = Recorder(name="email", on_unknown="resend", clock=clinic.clock)

    def overtaken(_: Parcel) -> None:
        clinic.clock.forward_to(clinic.clock() + 2 * WAIT)
        clinic.worker(second).delivering.run("email")

    clinic.email.before = overtaken
    first = clinic.worker()
    first.delivering.run("email")

    assert now(clinic, due).status == "accepted"
    assert counters(clinic.database)["message_fenced"][0] == 1
    assert clinic.email.keys == second.keys == [due.id]


def test_a_message_that_kills_every_worker_is_dead_in_the_end(clinic: Clinic) -> None:
    """After five crashes somebody is told; the others are sent meanwhile."""
    others = [clinic.patient() for _ in range(3)]
    due = queued(clinic)
    clinic.clock.forward_to(clinic.clock() + timedelta(hours=1))  # whatever spreads them, all are due
    crashes = 0
    for _ in range(20):
        worker = dying(clinic.worker(), "intend", lambda one, *_, **__: one.id == due.id)
        try:
            worker.delivering.run("email")
        except Died:
            crashes += 1
        worker.close()
        clinic.clock.forward_to(clinic.clock() + WAIT)

    assert (now(clinic, due).status, now(clinic, due).reason) == ("dead", "crashed")
    assert crashes <= 6
    for other in others:
        assert [one.status for one in clinic.messages(other, recipient="patient")] == ["accepted"]


# --- what forbids it ------------------------------------------------------------------------------------------------


def test_nothing_goes_at_night(clinic: Clinic, due: Message) -> None:
    """In the person's quiet hours it waits until the morning."""
    clinic.email.answers = [temporary("busy", timedelta(hours=12))]
    worker = clinic.worker()
    worker.delivering.run("email")
    clinic.go(clinic.clock() + 2 * DAY, worker)

    there = ZoneInfo(clinic.episode().zone)
    hours = [at.astimezone(there).hour for at, _ in clinic.email.got]
    assert len(hours) > 1
    assert all(8 <= hour < 20 for hour in hours)
    assert now(clinic, due).status in ("accepted", "expired")


def test_an_opt_out_before_the_intent_stops_it(clinic: Clinic, due: Message) -> None:
    """Whatever the worker had looked at before: the intent is refused, and nothing is sent."""
    worker = clinic.worker()
    real = worker.pump.intend

    def too_late(*args: Any, **named: Any) -> bool:
        if not clinic.email.got and now(clinic, due).status == "queued":
            clinic.do(ANN, Kind.OPT_OUT, "e1", {"channel": "all", "how": "asked"})
        return real(*args, **named)

    worker.pump.intend = too_late  # type: ignore[method-assign]
    worker.once()

    assert now(clinic, due).status in ("suppressed", "cancelled")
    assert clinic.email.got == clinic.sms.got == []


def test_an_opt_out_during_the_call_does_not_unsend_it(clinic: Clinic, due: Message) -> None:
    """It has gone: the entry says so, although it was taken back meanwhile."""

    def declined(_: Parcel) -> None:
        clinic.do(ANN, Kind.OPT_OUT, "e1", {"channel": "all", "how": "asked"})

    clinic.email.before = declined
    clinic.worker().once()

    assert (now(clinic, due).status, now(clinic, due).reason) == ("accepted", "on_its_way")


def test_nobody_without_an_address_is_written_to(clinic: Clinic) -> None:
    """Without an address it is suppressed, and goes on by a way that has one."""
    episode = clinic.patient(sms="+4917000000")
    clinic.go(clinic.clock() + 22 * DAY, clinic.worker())

    ended = clinic.messages(episode, channel="email")
    assert {(one.status, one.reason) for one in ended} == {("suppressed", "no_address")}
    assert clinic.email.got == []


def test_what_this_worker_has_no_channel_for_waits_for_one_that_has(clinic: Clinic, due: Message) -> None:
    """A worker without that channel leaves it alone; one that has it sends it."""
    clinic.worker(clinic.console).delivering.sweep()
    assert now(clinic, due).status == "queued"

    clinic.go(clinic.clock() + timedelta(minutes=6), clinic.worker())

    assert now(clinic, due).status == "accepted"


def test_what_has_expired_ends_also_where_there_is_no_channel(clinic: Clinic, due: Message) -> None:
    """It is not left to lie for ever."""
    clinic.clock.forward_to(clinic.clock() + 20 * DAY)

    clinic.worker(clinic.console).delivering.sweep()

    assert now(clinic, due).status == "expired"
    assert clinic.email.got == []


def test_a_text_with_a_gap_is_never_sent(clinic: Clinic, due: Message) -> None:
    """A template that lacks a value, or is not there: nobody gets half a message, and somebody is told."""
    worker = unwritten(clinic, InvalidInput("The template has no value for days."))

    clinic.go(clinic.clock() + timedelta(hours=1), worker)

    assert clinic.email.got == []
    assert (now(clinic, due).status, now(clinic, due).reason) == ("dead", "no_template")


def test_a_message_that_cannot_be_handled_is_parked(clinic: Clinic, due: Message) -> None:
    """Whatever goes wrong with it, the worker lives, tries a few times, and sets it aside with its reason."""
    worker = unwritten(clinic, ZeroDivisionError())

    clinic.go(clinic.clock() + timedelta(hours=2), worker)

    assert clinic.email.got == []
    assert {one.id: one.why for one in parked(clinic.database)} == {due.id: "unreadable:ZeroDivisionError"}


def unwritten(clinic: Clinic, error: Exception) -> Worker:
    """Give a worker that cannot write any text."""
    worker = clinic.worker()

    def fail(*_: object) -> tuple[str, str]:
        raise error

    object.__setattr__(worker.delivering._means, "text", fail)
    return worker


# --- how fast -------------------------------------------------------------------------------------------------------


def test_buckets_spread_what_goes_out(clinic: Clinic) -> None:
    """No faster than the channel's rate, however much is due at once."""
    for _ in range(12):
        clinic.patient()
    slow = Rate(per_second=0.1, burst=2)

    clinic.go(MORNING + 22 * DAY, clinic.worker(rate=slow))

    times = sorted(at for at, _ in clinic.email.got)
    assert len(times) == 12
    for first, third in zip(times, times[2:], strict=False):
        assert third - first >= timedelta(seconds=9)


def test_a_dead_channel_rests_and_is_tried_again(clinic: Clinic) -> None:
    """After five failures in a row nothing is sent there for a while; the others go on."""
    for _ in range(11):
        clinic.patient()
    queued(clinic)
    clinic.clock.forward_to(clinic.clock() + timedelta(hours=1))  # all of them are due
    worker = clinic.worker()
    clinic.email.answer = lambda _: temporary("unreachable")

    worker.delivering.run("email")

    assert 5 <= len(clinic.email.got) < 12
    clinic.email.answer = lambda parcel: accepted("taken", parcel.key)
    clinic.go(clinic.clock() + timedelta(hours=1), worker)
    assert {one.status for number in range(1, 13) for one in clinic.messages(f"e{number}", channel="email")} == {
        "accepted"
    }


# --- staff ----------------------------------------------------------------------------------------------------------


def overdue(clinic: Clinic, *workers: Worker) -> list[Message]:
    """Go on until the coordinator is told that somebody's visit is overdue."""
    episode = clinic.patient()
    clinic.go(MORNING + 31 * DAY, *workers)
    return clinic.messages(episode, recipient="coordinator")


def test_staff_hear_on_their_own_ways_each_once(clinic: Clinic) -> None:
    """A message to a role goes to everybody of the team who holds it, under a key of their own."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.COORDINATOR, sms="+4930000")
    clinic.colleague("lena", Role.LEAD, email="lena@clinic.example")

    told = overdue(clinic, clinic.worker())

    assert told
    assert {one.status for one in told} == {"accepted"}
    assert [parcel.to for _, parcel in clinic.email.got if "@clinic" in parcel.to].count("ann@clinic.example") == len(
        told
    )
    assert {parcel.key for _, parcel in clinic.sms.got} == {f"{one.id}:ben" for one in told}
    assert not any(parcel.to == "lena@clinic.example" for _, parcel in clinic.email.got)


def test_one_colleague_reached_is_enough(clinic: Clinic) -> None:
    """It is accepted as soon as one of them has it; the others are not tried again."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.COORDINATOR, sms="+4930000")
    clinic.sms.answer = lambda _: temporary("busy")

    told = overdue(clinic, clinic.worker())

    assert {one.status for one in told} == {"accepted"}
    assert len(clinic.sms.got) == len(told)


def test_who_is_away_is_covered(clinic: Clinic) -> None:
    """While somebody is away, who stands in hears in their stead."""
    clinic.colleague("ann", Role.COORDINATOR, email="ann@clinic.example")
    clinic.colleague("ben", Role.ASSESSOR, email="ben@clinic.example")
    clinic.absence("ann", "ben", MORNING, MORNING + 60 * DAY)

    told = overdue(clinic, clinic.worker())

    addressed = {parcel.to for _, parcel in clinic.email.got if "@clinic" in parcel.to}
    assert told
    assert addressed == {"ben@clinic.example"}


def test_without_anybody_in_the_register_it_is_written_down(clinic: Clinic) -> None:
    """Nobody of that role can be reached: the console says so, under the role's name."""
    told = overdue(clinic, clinic.worker())

    assert {one.status for one in told} == {"accepted"}
    assert "coordinator" in {parcel.to for _, parcel in clinic.console.got}
