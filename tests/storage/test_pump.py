"""The pump: many hands, each piece of due work in one of them at a time, and nothing lost when a hand is gone."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from engine.decision import Put
from engine.errors import InvalidInput
from engine.model import Kind
from storage.claims import Claimed, ClaimedMessage
from storage.pump import Pump
from tests.storage.acts import NOW, Acts
from tests.storage.homes import Home
from tests.storage.waiting import LATER, SOON, asked, messages, owed, put, timers

DAY = timedelta(days=1)


@pytest.fixture
def pump(acts: Acts) -> Pump:
    """Give the hand of one worker on a database with one episode, of each kind."""
    acts.register("e1", "p1")
    return Pump(acts.store.database, "w1")


def other(pump: Pump) -> Pump:
    """Give another worker's hand."""
    return Pump(pump._database, "w2")


def ids(claimed: "list[Claimed]") -> list[str]:
    """Give what was claimed, in its order."""
    return [one.id for one in claimed]


def one_message(acts: Acts, pump: Pump) -> ClaimedMessage:
    """Queue one message and claim it."""
    messages(acts, "e1", 1)
    (claimed,) = pump.claim_messages(LATER)
    return claimed


def version(acts: Acts, episode: str = "e1") -> int:
    """Give an episode's version."""
    return acts.store.episode(episode).version


# --- claiming -----------------------------------------------------------------------------------------------------


def test_what_is_claimed_by_one_is_not_claimed_by_another(acts: Acts, pump: Pump) -> None:
    """Two workers share what is due; nothing is in two hands."""
    timers(acts, "e1", 5)

    first, second = pump.claim_timers(LATER, 3), other(pump).claim_timers(LATER, 3)

    assert [one.attempt for one in (*first, *second)] == [1] * 5
    assert ids([*first, *second]) == [f"reassessment:{number}@0" for number in range(5)]
    assert pump.claim_timers(LATER) == []


def test_only_what_has_come_is_claimed(acts: Acts, pump: Pump) -> None:
    """A timer's instant has come at that instant, not before."""
    timers(acts, "e1", 3)

    assert len(pump.claim_timers(NOW + timedelta(hours=1))) == 2
    assert pump.claim_timers(NOW + timedelta(hours=1, seconds=1)) == []


def test_many_at_once_never_claim_the_same(home: Home, acts: Acts, pump: Pump) -> None:
    """Four processes claim until nothing is left: each row was given once."""
    timers(acts, "e1", 60)
    start, found = Barrier(4), list[list[str]]()

    def work(name: str) -> None:
        with closing(home.open()) as database:
            mine = Pump(database, name)
            start.wait()
            while claimed := mine.claim_timers(LATER, 7):
                found.append(ids([*claimed]))

    hands = [Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()

    given = [one for batch in found for one in batch]
    assert len(given) == len(set(given)) == 60


def test_a_lease_that_is_over_can_be_claimed_and_the_fence_rises(acts: Acts, pump: Pump) -> None:
    """A worker died: half a minute later another has its work, and its try was counted."""
    timers(acts, "e1", 1)
    (first,) = pump.claim_timers(LATER)
    assert other(pump).claim_timers(LATER + timedelta(seconds=29)) == []

    (second,) = other(pump).claim_timers(LATER + timedelta(seconds=30))

    assert (second.fence, second.attempt) == (first.fence + 1, 2)
    assert asked(pump._database, "SELECT value FROM pump_stat WHERE name = 'lease_expired'") == [(1,)]


def test_a_renewed_lease_lasts(acts: Acts, pump: Pump) -> None:
    """Whoever is alive keeps what they hold; what was over already is not taken back."""
    timers(acts, "e1", 1)
    messages(acts, "e1", 1)
    pump.claim_timers(LATER)
    pump.renew(LATER + timedelta(seconds=20))
    assert other(pump).claim_timers(LATER + timedelta(seconds=49)) == []

    pump.renew(LATER + timedelta(seconds=50))

    assert len(other(pump).claim_timers(LATER + timedelta(seconds=51))) == 1


def test_the_most_urgent_come_first(acts: Acts, pump: Pump) -> None:
    """An emergency before what is urgent, that before safety, that before the rest; then the longest due."""
    owed(acts, "e1", "reassessment", 1, NOW)
    owed(acts, "e1", "safety_call", 2, NOW + DAY)
    owed(acts, "e1", "urgent_review", 3, NOW + DAY)
    owed(acts, "e1", "emergency_review", 4, NOW + 2 * DAY)
    owed(acts, "e1", "reassessment", 5, NOW - DAY)

    kinds = [one.id.rpartition("@")[0] for one in pump.claim_timers(LATER)]
    sent = [one.id.removeprefix("e1:") for one in pump.claim_messages(LATER)]

    assert kinds == ["emergency_review:4", "urgent_review:3", "safety_call:2", "reassessment:5", "reassessment:1"]
    assert sent == kinds


def test_an_emergency_does_not_wait_behind_a_long_queue(
    acts: Acts, pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when more waits than is looked at for its urgency."""
    monkeypatch.setattr("storage.pump.WINDOW", 3)
    messages(acts, "e1", 20)
    owed(acts, "e1", "emergency_review", 99, NOW + 5 * DAY)

    (first,) = pump.claim_messages(LATER, 1)

    assert first.id == "e1:emergency_review:99"


def test_messages_are_claimed_by_channel(acts: Acts, pump: Pump) -> None:
    """A channel that is down keeps nobody else waiting."""
    messages(acts, "e1", 2, "email")
    put(acts, "e1")
    messages(acts, "e1", 1, "sms")

    assert ids([*pump.claim_messages(LATER, channels=("sms", "post"))]) == ["e1:reassessment:0@0:patient:console"]
    assert pump.claim_messages(LATER, channels=()) == []
    assert [one.channel for one in pump.claim_messages(LATER)] == ["email"]


def test_a_claim_given_back_is_no_try(acts: Acts, pump: Pump) -> None:
    """Released without an error, the try is not counted; with one it is, and it is not claimed before its time."""
    timers(acts, "e1", 1)
    (claimed,) = pump.claim_timers(LATER)
    assert pump.release(claimed)
    (again,) = pump.claim_timers(LATER)
    assert (again.attempt, again.fence) == (1, 2)

    assert pump.release(again, try_at=LATER + DAY, error="broken")

    assert pump.claim_timers(LATER + timedelta(hours=23)) == []
    (late,) = pump.claim_timers(LATER + DAY)
    assert late.attempt == 2
    assert asked(pump._database, "SELECT last_error FROM timer WHERE id = :id", id=late.id) == [("broken",)]


def test_whoever_lost_the_lease_cannot_release(acts: Acts, pump: Pump) -> None:
    """A frozen worker wakes up: its row is somebody else's, and stays so."""
    timers(acts, "e1", 1)
    (frozen,) = pump.claim_timers(LATER)
    (theirs,) = other(pump).claim_timers(LATER + SOON)

    assert not pump.release(frozen)
    assert other(pump).release(theirs)


def test_an_entry_leaves_the_workers_columns_alone(acts: Acts, pump: Pump) -> None:
    """An episode that goes on puts its work down anew; leases, tries and parking are not its to say."""
    messages(acts, "e1", 1)
    timers(acts, "e1", 2)
    (message,) = pump.claim_messages(LATER)
    pump.claim_timers(LATER, 1)
    pump.park("timer", "e1", "reassessment:1@0", "unknown_kind", LATER)
    query = "SELECT lease_owner, lease_until, fence, attempt, last_error, parked FROM {} ORDER BY id"
    before = [asked(pump._database, query.format(table)) for table in ("timer", "message")]

    timers(acts, "e1", 2)
    put(acts, "e1", replace(acts.store.episode("e1").messages[0], language="en"))

    assert [asked(pump._database, query.format(table)) for table in ("timer", "message")] == before
    assert pump.intend(message, LATER, version(acts))


# --- parking ------------------------------------------------------------------------------------------------------


def test_what_is_parked_is_never_claimed_and_never_deleted(acts: Acts, pump: Pump) -> None:
    """What cannot be understood is put aside, with a reason; it waits until somebody brings it back."""
    timers(acts, "e1", 2)
    messages(acts, "e1", 1)
    pump.park("timer", "e1", "reassessment:0@0", "unknown_kind", LATER)
    (held,) = pump.claim_messages(LATER)
    pump.park("message", "e1", held.id, "poison", LATER)

    assert ids([*pump.claim_timers(LATER)]) == ["reassessment:1@0"]
    assert pump.claim_messages(LATER + DAY) == []
    assert not pump.attempted(held, LATER, "temporary")
    assert asked(pump._database, "SELECT parked FROM timer WHERE id = 'reassessment:0@0'") == [("unknown_kind",)]
    assert pump.unpark("message", "e1", held.id)
    assert not pump.unpark("message", "e1", held.id)
    assert [one.attempt for one in pump.claim_messages(LATER + DAY)] == [1]


# --- sending ------------------------------------------------------------------------------------------------------


def test_an_intent_is_kept_and_its_outcome(acts: Acts, pump: Pump) -> None:
    """Before the call the intent, after it the outcome; the lease stays until an entry says so."""
    claimed = one_message(acts, pump)

    assert pump.intend(claimed, LATER, version(acts))
    assert pump.attempted(claimed, LATER, "accepted", reference="m-1")

    assert [(one.status, one.reference, one.fence) for one in pump.tries("e1", claimed.id)] == [
        ("sending", None, 1),
        ("accepted", "m-1", 1),
    ]
    assert pump.message_of("console", "m-1") == ("e1", claimed.id)
    assert other(pump).claim_messages(LATER) == []


def test_nothing_is_meant_to_be_sent_once_the_episode_has_moved_on(acts: Acts, pump: Pump) -> None:
    """Somebody decided between the look and the sending: look again."""
    claimed = one_message(acts, pump)
    seen = version(acts)
    acts.keep(acts.assigning("e1"))

    assert not pump.intend(claimed, LATER, seen)
    assert pump.tries("e1", claimed.id) == []
    assert pump.intend(claimed, LATER, version(acts))


def test_nothing_is_meant_to_be_sent_once_the_person_has_moved_on(acts: Acts, pump: Pump) -> None:
    """Something was kept in another episode of theirs, where they may have died or said no: look again."""
    claimed, seen = one_message(acts, pump), acts.store.person("p1").version
    acts.register("e2", "p1")
    now = acts.store.person("p1").version
    assert now > seen

    assert not pump.intend(claimed, LATER, version(acts), person_version=seen)
    assert pump.tries("e1", claimed.id) == []
    assert pump.intend(claimed, LATER, version(acts), person_version=now)


def test_nothing_is_meant_to_be_sent_that_is_no_longer_queued(acts: Acts, pump: Pump) -> None:
    """Cancelled in between, also at a version that was looked at since."""
    claimed = one_message(acts, pump)
    put(acts, "e1", replace(acts.store.episode("e1").messages[0], status="cancelled"))

    assert not pump.intend(claimed, LATER, version(acts))


@pytest.mark.parametrize("claimed_again", [False, True])
def test_nothing_is_meant_to_be_sent_when_the_lease_is_over(acts: Acts, pump: Pump, *, claimed_again: bool) -> None:
    """Whether or not somebody else has it by now."""
    claimed = one_message(acts, pump)
    if claimed_again:
        assert other(pump).claim_messages(LATER + SOON)

    assert not pump.intend(claimed, LATER + SOON, version(acts))


def test_a_late_outcome_is_kept_but_changes_nothing(acts: Acts, pump: Pump) -> None:
    """A frozen worker had sent it: that is on record, and the message stays with who has it now."""
    late = one_message(acts, pump)
    assert pump.intend(late, LATER, version(acts))
    (now,) = other(pump).claim_messages(LATER + SOON)

    assert not pump.attempted(late, LATER + SOON, "accepted", reference="m-1")

    assert (now.resumed, now.known) == (True, None)
    assert other(pump).intend(now, LATER + SOON, version(acts))
    assert [one.worker for one in pump.tries("e1", late.id)] == ["w1", "w1", "w2"]


def test_an_intent_without_an_outcome_is_told_to_who_comes_next(acts: Acts, pump: Pump) -> None:
    """The worker died between the two: it may have been sent."""
    claimed = one_message(acts, pump)
    assert not claimed.resumed
    assert pump.intend(claimed, LATER, version(acts))

    (next_one,) = other(pump).claim_messages(LATER + SOON)

    assert (next_one.resumed, next_one.known, next_one.attempt) == (True, None, 2)


def test_an_outcome_that_no_entry_says_is_told_to_who_comes_next(acts: Acts, pump: Pump) -> None:
    """The worker died before the entry: it was sent, and only has to be said."""
    claimed = one_message(acts, pump)
    assert pump.intend(claimed, LATER, version(acts))
    assert pump.attempted(claimed, LATER, "accepted", reference="m-1")

    (next_one,) = other(pump).claim_messages(LATER + SOON)

    assert (next_one.resumed, next_one.known) == (True, "accepted")


@pytest.mark.parametrize("known", [None, "accepted"])
def test_what_was_taken_back_on_its_way_is_found(acts: Acts, pump: Pump, known: str | None) -> None:
    """The person opted out while it was being sent, and the worker died: the log must still come to say so."""
    claimed = one_message(acts, pump)
    assert pump.intend(claimed, LATER, version(acts))
    if known is not None:
        assert pump.attempted(claimed, LATER, known)
    put(acts, "e1", replace(acts.store.episode("e1").messages[0], status="cancelled"))
    assert other(pump).claim_recalled(LATER) == []

    (found,) = other(pump).claim_recalled(LATER + SOON)

    assert (found.id, found.resumed, found.known) == (claimed.id, True, known)
    assert other(pump).claim_messages(LATER + SOON) == []
    assert other(pump).attempted(found, LATER + SOON, "deferred")
    assert pump.claim_recalled(LATER + DAY) == []


def test_a_step_names_the_channel_it_went_by(acts: Acts, pump: Pump) -> None:
    """A colleague hears by what they chose; its receipt comes from there."""
    claimed = one_message(acts, pump)
    assert pump.intend(claimed, LATER, version(acts), "ann", "sms")
    assert pump.attempted(claimed, LATER, "accepted", "m-1", receiver="ann", channel="sms")

    assert [one.channel for one in pump.tries("e1", claimed.id)] == ["sms", "sms"]
    assert pump.message_of("sms", "m-1") == ("e1", claimed.id)


@pytest.mark.parametrize(("status", "tried"), [("temporary", 2), ("deferred", 1)])
def test_what_failed_for_now_is_tried_again_later(acts: Acts, pump: Pump, status: str, tried: int) -> None:
    """A refusal for now counts; what was only put off does not."""
    claimed = one_message(acts, pump)
    assert pump.intend(claimed, LATER, version(acts))

    assert pump.attempted(claimed, LATER, status, detail="greylisted", try_at=LATER + DAY)

    assert pump.next_due() == LATER + DAY
    assert pump.claim_messages(LATER + timedelta(hours=23)) == []
    (again,) = pump.claim_messages(LATER + DAY)
    assert (again.attempt, again.resumed) == (tried, False)


def test_a_step_said_twice_is_kept_once(acts: Acts, pump: Pump) -> None:
    """A worker that does not know whether its commit came through says it again."""
    claimed = one_message(acts, pump)
    assert pump.intend(claimed, LATER, version(acts))
    assert pump.attempted(claimed, LATER, "accepted")
    assert pump.attempted(claimed, LATER, "accepted")

    assert len(pump.tries("e1", claimed.id)) == 2


def test_an_outcome_nobody_knows_is_refused(acts: Acts, pump: Pump) -> None:
    """The words are a closed set."""
    claimed = one_message(acts, pump)

    with pytest.raises(InvalidInput, match="temporary"):
        pump.attempted(claimed, LATER, "sent")


def test_a_receipt_is_kept_once(pump: Pump) -> None:
    """A webhook is repeated until it is answered; once is enough."""
    assert pump.received("email", "m-1", "delivered", LATER)
    assert not pump.received("email", "m-1", "delivered", LATER + DAY)
    assert pump.received("email", "m-1", "bounced", LATER, "mailbox_full")
    assert pump.message_of("email", "m-1") is None


def test_messages_to_a_patient_count_over_all_their_episodes(acts: Acts, pump: Pump) -> None:
    """Caps are the person's: two episodes do not mean twice as many messages; staff's are not theirs."""
    acts.register("e2", "p1")
    acts.register("e3", "p2")
    for episode in ("e1", "e2", "e3"):
        messages(acts, episode, 1)
    put(acts, "e2", replace(acts.store.episode("e2").messages[0], id="e2:lead", recipient="lead"))
    for claimed in pump.claim_messages(LATER):
        assert pump.intend(claimed, LATER, version(acts, claimed.episode))
        assert pump.attempted(claimed, LATER, "accepted")

    assert pump.sent_to("p1", LATER - DAY) == 2
    assert pump.sent_to("p1", LATER + DAY) == 0
    assert pump.sent_to("p2", NOW) == 1


# --- the worker itself --------------------------------------------------------------------------------------------


def test_the_next_due_is_the_earliest_that_can_be_claimed(acts: Acts, pump: Pump) -> None:
    """What somebody holds is due when their lease is over; what is parked, never."""
    assert pump.next_due() is None
    timers(acts, "e1", 2)
    assert pump.next_due() == NOW
    pump.claim_timers(NOW)
    assert pump.next_due() == NOW + timedelta(seconds=30)
    pump.park("timer", "e1", "reassessment:0@0", "unknown_kind", NOW)
    assert pump.next_due() == NOW + timedelta(hours=1)
    put(acts, "e1", replace(acts.store.episode("e1").timers[1], state="cancelled"))
    assert pump.next_due() is None
    messages(acts, "e1", 1)
    assert pump.next_due() == NOW


def test_a_heartbeat_says_who_is_alive(pump: Pump) -> None:
    """Since when, where, and when last; who was silent for a week is forgotten."""
    pump.beat(NOW, "1.0", "host:1")
    other(pump).beat(NOW + DAY, "1.0", "host:2")
    pump.beat(NOW + DAY, "1.1", "host:1")

    assert [(one.id, one.started_at, one.beat_at, one.version) for one in pump.workers()] == [
        ("w1", NOW, NOW + DAY, "1.1"),
        ("w2", NOW + DAY, NOW + DAY, "1.0"),
    ]
    pump.beat(NOW + 9 * DAY, "1.1", "host:1")
    assert [one.id for one in pump.workers()] == ["w1"]


def test_counters_add_up_over_all_workers(pump: Pump) -> None:
    """Each worker adds its own."""
    pump.count(fired=3, stale=1)
    other(pump).count(fired=2)
    pump.gauge("last_ok", 7, NOW)

    assert asked(pump._database, "SELECT name, value FROM pump_stat ORDER BY name") == [
        ("fired", 5),
        ("last_ok", 7),
        ("stale", 1),
    ]


def test_a_bucket_gives_so_many_at_once_and_then_so_many_a_second(pump: Pump) -> None:
    """Two at once, then one every half minute; a clock that goes back fills nothing."""
    taken = [pump.take("email", 1 / 30, 2, NOW) for _ in range(2)]
    assert taken == [0.0, 0.0]
    assert pump.take("email", 1 / 30, 2, NOW) == pytest.approx(30, abs=0.01)
    assert pump.take("email", 1 / 30, 2, NOW + timedelta(seconds=15)) == pytest.approx(15, abs=0.01)
    assert pump.take("email", 1 / 30, 2, NOW - DAY) > 0
    assert other(pump).take("email", 1 / 30, 2, NOW + timedelta(seconds=31)) == 0.0
    assert pump.take("sms", 1 / 30, 2, NOW) == 0.0


def test_an_empty_bucket_that_nothing_fills_stays_empty(pump: Pump) -> None:
    """No rate: never again."""
    assert pump.take("email", 0, 1, NOW) == 0.0
    assert pump.take("email", 0, 1, NOW + DAY) == float("inf")


# --- the queries --------------------------------------------------------------------------------------------------


def test_moving_a_timer_does_not_wake_what_fired(acts: Acts, pump: Pump) -> None:
    """What was fired, cancelled or went stale is nobody's work."""
    timers(acts, "e1", 3)
    for position, state in enumerate(("fired", "cancelled", "stale")):
        changed = replace(acts.store.episode("e1").timers[position], state=state)
        acts.keep(acts.change(acts.store.episode("e1"), Kind.RECORD, Put(item=changed)))

    assert pump.claim_timers(LATER) == []
