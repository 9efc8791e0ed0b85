"""What will be sent when, if nobody does anything: asked beforehand, and nothing is changed by asking."""

from datetime import time, timedelta

from engine.preview import Planned, preview
from engine.time import local_day
from tests.worlds import ANN, World
from tests.worlds_pathway import episode_in, raise_concern


def ahead(world: World, days: int) -> tuple[Planned, ...]:
    """Look so many days ahead."""
    return preview(world.compiled, world.episode, world.now + timedelta(days=days), world.now)


def test_the_whole_ladder_is_foreseen() -> None:
    """In step 1: two reminders, the missed visit, and everybody who hears of it, in the order in which they hear."""
    world = episode_in("self_care").day(15)

    found = [one for one in ahead(world, 30) if one.due_item == "reassessment:s2"]

    assert [one.recipient for one in found] == [
        *("patient", "patient", "coordinator", "patient", "lead", "clinician"),
    ]
    assert all(one.status == "accepted" and one.sends_at is not None for one in found)
    assert [one.kind for one in found[:3]] == ["remind", "remind", "escalate"]


def test_asking_changes_nothing() -> None:
    """The episode is the same afterwards, and the answer, asked again, too."""
    world = episode_in("self_care").day(15)
    before = world.episode

    first, second = ahead(world, 60), ahead(world, 60)

    assert first == second
    assert world.episode is before


def test_what_will_not_be_sent_is_foreseen_with_its_reason() -> None:
    """The person said no: each reminder is in the preview, and so is why it does not go."""
    world = episode_in("self_care").day(15)
    world.record("contact_preferences", ANN, contact_consent=["none"])

    theirs = [one for one in ahead(world, 30) if one.recipient == "patient"]

    assert {(one.status, one.reason, one.sends_at) for one in theirs} == {("suppressed", "no_consent", None)}


def test_what_is_queued_already_is_among_it() -> None:
    """A reminder that waits for the morning is shown with the instant it goes."""
    world = episode_in("self_care")
    world.record("contact_preferences", ANN, zone="America/New_York")
    world.day(21, time(9, 0))
    queued = world.episode.messages[-1]
    assert queued.status == "queued"

    (one,) = [one for one in ahead(world, 1) if one.message == queued.id]

    assert (one.at, one.timer, one.not_before, one.sends_at) == (None, None, queued.not_before, queued.not_before)


def test_what_lies_beyond_the_end_is_said_to_wait() -> None:
    """Looked at until nine o'clock, a message for a quarter past is queued, not sent."""
    world = episode_in("self_care")
    world.record("contact_preferences", ANN, zone="America/New_York")
    world.day(21, time(9, 0))

    (one,) = [one for one in ahead(world, 0) if one.message]

    assert (one.status, one.sends_at) == ("queued", None)


def test_two_reminders_on_one_day_are_spread_over_two() -> None:
    """One a day: what would be the second waits for the next morning, and the preview knows."""
    world = episode_in("self_care").day(15)
    theirs = [one for one in ahead(world, 60) if one.recipient == "patient" and one.sends_at]

    days = [local_day(one.sends_at, "Europe/Berlin") for one in theirs if one.sends_at]

    assert len(days) == len(set(days))


def test_a_proposal_is_foreseen_as_work() -> None:
    """After four missed weeks somebody is asked to decide: that is work, and it is announced."""
    world = episode_in("self_care").day(40)
    for channel in ("telephone", "sms", "letter"):
        world.record("contact", ANN, channel=channel, result="no_answer")

    proposed = [one for one in ahead(world, 30) if one.proposes]

    assert [(one.kind, one.recipient) for one in proposed] == [("propose", "coordinator")]


def test_an_emergency_calls_every_hour() -> None:
    """Nobody acts: the preview has each call, by day and by night."""
    world = episode_in("self_care").day(15)
    raise_concern(world, "emergency")

    calls = [one for one in ahead(world, 1) if one.template == "work_emergency" and one.recipient == "lead"]

    assert len(calls) >= 20


def test_a_closed_episode_has_nothing_to_come() -> None:
    """Whoever has left hears nothing more."""
    world = episode_in("closed_discharged")

    assert not [one for one in ahead(world, 400) if one.recipient == "patient"]


def test_an_outage_is_caught_up_in_the_preview_as_it_will_be() -> None:
    """Asked while timers are late: they come now, not in the past."""
    world = episode_in("self_care").day(15)
    world.now += timedelta(days=40)

    found = ahead(world, 1)

    assert all(one.at is None or one.at >= world.now for one in found)
    assert not [one for one in found if one.recipient == "patient" and one.status == "accepted"]
