"""Whether a message may go, asked again when it is about to be sent; and what becomes of it afterwards."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from engine.decision import Decision
from engine.deliver import STEPS, TOLD, Contact, Defer, End, Send, Verdict, counted_from, may_send
from engine.model import DueItem, Json, Kind, Message, Outcome
from engine.quiet import message_allowed
from engine.time import at_local
from tests.worlds import ANN, START, WORKER, ZONE, World, compiled, shipped
from tests.worlds_pathway import episode_in


def reminded(day: int = 21, **preferences: Json) -> World:
    """Give a person in step 1 whose first reminder has just been queued."""
    world = episode_in("self_care")
    if preferences:
        assert world.record("contact_preferences", ANN, **preferences).outcome is Outcome.ACCEPTED
    return world.day(day, time(9, 30))


def reminder(world: World) -> Message:
    """Give the last message to the person."""
    return [one for one in world.episode.messages if one.recipient == "patient"][-1]


def asked(
    world: World, message: Message | None = None, *, has_address: bool = True, today: int = 0, week: int = 0
) -> Verdict:
    """Ask whether a message may go now; the reminder, unless another one is named."""
    contact = Contact(has_address=has_address, sent_today=today, sent_this_week=week)
    return may_send(world.compiled, world.episode, message or reminder(world), contact, world.now)


def told(world: World, message: Message, result: str, **values: Json) -> Decision:
    """Tell what became of a message."""
    return world.do(WORKER, Kind.DELIVER, {"message": message.id, "result": result, **values})


def undelivered(world: World) -> list[DueItem]:
    """Give the work on messages that did not arrive."""
    return [item for item in world.episode.due_items if item.kind == "message_undelivered"]


# --- may it go -------------------------------------------------------------------------------------------------------


def test_a_reminder_whose_time_has_come_goes() -> None:
    """Consent, an open episode, work still owed, within hours: it is sent."""
    assert asked(reminded()) == Send()


def test_before_its_time_it_waits() -> None:
    """What was spread over a quarter of an hour waits for its own minute."""
    world = reminded()
    early = replace(world, now=reminder(world).not_before - timedelta(seconds=1))

    assert asked(early, reminder(world)) == Defer(reminder(world).not_before, "not_yet")


def test_at_night_it_waits_for_the_morning_where_the_person_lives() -> None:
    """A person in New York is not woken by a Berlin morning."""
    world = reminded(zone="America/New_York")

    verdict = asked(world, replace(reminder(world), not_before=world.now))

    assert isinstance(verdict, Defer)
    assert verdict.why == "quiet"
    assert at_local(START + timedelta(days=21), time(8), "America/New_York") <= verdict.until


def test_what_would_be_too_late_in_the_morning_ends() -> None:
    """A reminder that is worth nothing after the night is not kept for the morning; it says that the night held it back."""
    world = reminded(zone="America/New_York")
    message = replace(reminder(world), not_before=world.now, expires_at=world.now + timedelta(hours=1))

    assert asked(world, message) == End("expired", "quiet")


def test_past_its_time_it_ends() -> None:
    """A month without a worker: nobody is invited for a week that is over."""
    world = reminded()
    late = replace(world, now=world.now + timedelta(days=30))

    assert asked(late, reminder(world)) == End("expired", "expired")


def test_the_last_second_is_in_time() -> None:
    """At the very instant it expires it may still go; a second later it may not."""
    world = reminded()
    message = replace(reminder(world), expires_at=world.now)
    late = replace(world, now=world.now + timedelta(seconds=1))

    assert asked(world, message) == Send()
    assert asked(late, message) == End("expired", "expired")


def test_without_an_address_it_is_not_sent() -> None:
    """No address on this way: it ends here, with that reason."""
    assert asked(reminded(), has_address=False) == End("suppressed", "no_address")


@pytest.mark.parametrize(("today", "week", "why"), [(1, 1, "cap_day"), (0, 3, "cap_week"), (0, 2, None)])
def test_nobody_is_sent_too_much(today: int, week: int, why: str | None) -> None:
    """One a day and three in seven days, over all episodes; what is too much waits for the person's next morning."""
    world = reminded()

    verdict = asked(world, today=today, week=week)

    if why is None:
        assert verdict == Send()
    else:
        tomorrow = at_local(START + timedelta(days=22), time(8), ZONE)
        assert isinstance(verdict, Defer)
        assert verdict.why == why
        assert tomorrow <= verdict.until < tomorrow + timedelta(minutes=16)


def test_staff_have_no_limit_of_messages() -> None:
    """What overdue work says to staff is not held back by how much a person was sent."""
    world = reminded(29)
    staff = next(one for one in world.episode.messages if one.recipient == "coordinator")

    assert asked(world, staff, today=9, week=9) == Send()


def test_a_site_without_a_limit_has_none() -> None:
    """Where the numbers are unset nothing is counted."""
    world = reminded()
    world.compiled = replace(world.compiled, numbers={})

    assert asked(world, today=99, week=99) == Send()


def test_the_day_that_is_counted_is_the_persons_own() -> None:
    """Today begins at midnight where they live, the week six days before."""
    world = reminded(zone="America/New_York")
    world.now = at_local(START + timedelta(days=21), time(3), ZONE)  # still the evening before, there

    today, week = counted_from(world.compiled, world.episode, world.now)

    assert today == at_local(START + timedelta(days=20), time(0), "America/New_York")
    assert week == at_local(START + timedelta(days=14), time(0), "America/New_York")


def test_what_a_verdict_defers_to_is_allowed_then() -> None:
    """Asked again at that instant it goes: nothing waits for ever."""
    world = reminded(zone="America/New_York")
    message = replace(reminder(world), not_before=world.now)
    verdict = asked(world, message)
    assert isinstance(verdict, Defer)

    later = replace(world, now=verdict.until)

    assert asked(later, message) == Send()
    assert message_allowed(world.compiled, world.episode, message, verdict.until) == verdict.until


# --- what became of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["queued", *TOLD, "suppressed", "expired", "cancelled"])
@pytest.mark.parametrize("result", TOLD)
def test_a_message_goes_only_where_the_table_says(before: str, result: str) -> None:
    """Accepted may become delivered or failed, unknown may turn out; what is over stays over."""
    allowed = {
        "queued": {"accepted", "delivered", "failed", "unknown", "dead"},
        "accepted": {"delivered", "failed"},
        "unknown": {"accepted", "delivered", "failed"},
        # It had gone before it was taken back: what has happened is kept.
        "cancelled": {"accepted", "delivered", "unknown"},
        "suppressed": {"accepted", "delivered", "unknown"},
    }
    world = reminded()
    message = replace(reminder(world), status=before)
    kept = tuple(message if one.id == message.id else one for one in world.episode.messages)
    world.episode = replace(world.episode, messages=kept)

    decision = told(world, message, result)

    if result in allowed.get(before, set()):
        assert (decision.outcome, decision.taken) == (Outcome.ACCEPTED, result)
    else:
        assert (decision.outcome, decision.taken, decision.events) == (Outcome.INVALID, "stale", ())
    assert set(STEPS) == set(allowed)


def test_a_message_that_was_taken_back_on_its_way_says_so() -> None:
    """The visit came while the text was being sent: the log says that it was sent all the same."""
    world = reminded()
    message = reminder(world)
    world.move("decline", ANN, reason="no_longer_wanted", risk_told=True)
    assert reminder(world).status == "cancelled"

    told(world, message, "accepted", reference="r1")

    assert (reminder(world).status, reminder(world).reason) == ("accepted", "on_its_way")


def test_the_receivers_own_name_is_kept() -> None:
    """By it a receipt is found that comes later."""
    world = reminded()

    told(world, reminder(world), "accepted", reference="<abc@example.org>")
    told(world, reminder(world), "delivered")

    assert (reminder(world).status, reminder(world).reference) == ("delivered", "<abc@example.org>")


@pytest.mark.parametrize(
    "values",
    [
        {"result": "sent"},
        {"result": "accepted", "reason": "Mrs Smith did not answer"},
        {"result": "accepted", "reference": "two words"},
        {"result": "accepted", "text": "Dear Mrs Smith"},
        {"result": "accepted", "contact": {"name": "Smith"}},
        {"result": "accepted", "contact": {"sent_today": True}},
        {"result": "accepted", "message": "another"},
        {},
    ],
)
def test_a_delivery_says_codes_and_nothing_else(values: dict[str, Json]) -> None:
    """No words, no names, no unknown fields: what cannot be read changes nothing."""
    world = reminded()

    decision = world.do(WORKER, Kind.DELIVER, {"message": reminder(world).id, **values})

    assert (decision.outcome, decision.events) == (Outcome.INVALID, ())
    assert decision.problem


def test_only_the_worker_says_what_became_of_a_message() -> None:
    """A person cannot call a message delivered."""
    world = reminded()

    decision = world.do(ANN, Kind.DELIVER, {"message": reminder(world).id, "result": "delivered"})

    assert decision.outcome is Outcome.INVALID
    assert reminder(world).status == "queued"


@pytest.mark.parametrize("result", ["suppressed", "expired", "cancelled"])
def test_the_worker_cannot_drop_a_message_that_may_go(result: str) -> None:
    """Why a message is not sent is found out here again, not taken on trust."""
    world = reminded()

    assert told(world, reminder(world), result).outcome is Outcome.INVALID
    assert reminder(world).status == "queued"


def test_a_message_that_came_too_late_is_ended_with_its_reason() -> None:
    """The worker found it expired, and so does the decision."""
    world = reminded()
    message = reminder(world)
    world.now += timedelta(days=10)

    decision = told(world, message, "expired", reason="whatever")

    assert decision.outcome is Outcome.ACCEPTED
    assert next(one for one in world.episode.messages if one.id == message.id).reason == "expired"


# --- the next channel ------------------------------------------------------------------------------------------------


def test_what_fails_on_one_channel_goes_on_on_the_next() -> None:
    """The number is wrong: the same reminder goes by e-mail, at once, and says which message it follows."""
    world = reminded(channels=["sms", "email"])
    first = reminder(world)

    told(world, first, "failed", reason="bad_number")

    second = reminder(world)
    assert (first.channel, second.channel) == ("sms", "email")
    assert (second.status, second.follows, second.template) == ("queued", first.id, first.template)
    assert not undelivered(world)


def test_a_bounce_after_acceptance_goes_on_too() -> None:
    """Taken by the server and sent back an hour later: that counts as failed."""
    world = reminded(channels=["email", "sms"])
    told(world, reminder(world), "accepted")

    told(world, reminder(world), "failed", reason="bounced")

    assert (reminder(world).channel, reminder(world).status) == ("sms", "queued")


def test_without_an_address_the_next_channel_takes_over() -> None:
    """No number is known, an address is: nothing is lost, and nobody has to look."""
    world = reminded(channels=["sms", "email"])

    told(world, reminder(world), "suppressed", contact={"has_address": False})

    assert (reminder(world).channel, reminder(world).status) == ("email", "queued")


def test_no_channel_is_tried_twice() -> None:
    """Both ways failed: it ends, and a coordinator owes it to get in touch."""
    world = reminded(channels=["sms", "email"])

    told(world, reminder(world), "failed", reason="bad_number")
    told(world, reminder(world), "failed", reason="bounced")

    assert len([one for one in world.episode.messages if one.recipient == "patient"]) == 2
    (item,) = undelivered(world)
    assert (item.status, item.owner_role, item.occurrence) == ("open", "coordinator", reminder(world).id)


def test_a_channel_on_which_nothing_arrives_comes_last() -> None:
    """The next reminder takes the way that worked, until the bad one is put right."""
    world = reminded(channels=["sms", "email"])
    told(world, reminder(world), "failed", reason="bad_number")
    told(world, reminder(world), "accepted")

    world.day(26, time(9, 30))

    assert reminder(world).channel == "email"


@pytest.mark.parametrize("result", ["unknown", "dead"])
def test_what_nobody_knows_is_put_before_a_person(result: str) -> None:
    """Given up, or not known whether it was sent: a person decides, nothing is sent a second time by itself."""
    world = reminded(channels=["sms", "email"])

    told(world, reminder(world), result, reason="tries")

    assert reminder(world).status == result
    assert [item.status for item in undelivered(world)] == ["open"]


def test_getting_in_touch_settles_it() -> None:
    """A telephone call is what was owed."""
    world = reminded()
    told(world, reminder(world), "dead", reason="tries")

    world.record("contact", ANN, channel="telephone", result="reached")

    assert [item.status for item in undelivered(world)] == ["done"]


def test_when_it_turns_out_to_have_arrived_nothing_is_owed() -> None:
    """A late receipt: the work falls away by itself."""
    world = reminded()
    told(world, reminder(world), "unknown", reason="timeout")

    told(world, reminder(world), "delivered")

    assert [item.status for item in undelivered(world)] == ["cancelled"]


def test_work_about_a_message_makes_no_more_work() -> None:
    """The call to the coordinator is lost, too: that is not put on their list once more, and once more."""
    world = reminded()
    told(world, reminder(world), "dead", reason="tries")
    world.day(30)
    about = next(one for one in world.episode.messages if one.due_item == undelivered(world)[0].id)

    told(world, about, "dead", reason="tries")

    assert len(undelivered(world)) == 1


def test_staff_are_not_chased_for_a_bounced_message() -> None:
    """The next rung of the ladder comes anyhow; what is in doubt is looked at."""
    world = reminded(29)
    staff = next(one for one in world.episode.messages if one.recipient == "coordinator")

    told(world, staff, "failed", reason="bounced")

    assert not undelivered(world)


# --- sent again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", ["failed", "unknown", "dead"])
def test_a_person_may_have_it_sent_again(result: str) -> None:
    """Under a name of its own, so that a receiver who knows the first one does not drop it."""
    world = reminded()
    first = reminder(world)
    told(world, first, result, reason="tries")
    world.now += timedelta(days=3)

    decision = world.do(ANN, Kind.RESEND, {"message": first.id})

    again = reminder(world)
    assert decision.outcome is Outcome.ACCEPTED
    assert (again.status, again.follows, again.channel) == ("queued", first.id, first.channel)
    assert again.id != first.id
    assert asked(world) == Send()
    assert [item.status for item in undelivered(world)] == ["cancelled"]


@pytest.mark.parametrize("status", ["queued", "accepted", "delivered"])
def test_what_is_on_its_way_or_there_is_not_sent_again(status: str) -> None:
    """Nobody gets the same reminder twice because somebody was impatient."""
    world = reminded()
    if status != "queued":
        told(world, reminder(world), status)

    decision = world.do(ANN, Kind.RESEND, {"message": reminder(world).id})

    assert decision.outcome is Outcome.INVALID
    assert status in decision.problem


def test_it_is_sent_again_once() -> None:
    """A double click makes one message."""
    world = reminded()
    first = reminder(world)
    told(world, first, "dead", reason="tries")
    world.do(ANN, Kind.RESEND, {"message": first.id})

    assert world.do(ANN, Kind.RESEND, {"message": first.id}).outcome is Outcome.INVALID
    assert sum(one.follows == first.id for one in world.episode.messages) == 1


def test_nothing_is_sent_again_whose_reason_is_gone() -> None:
    """The work is done: there is nothing left to remind of, and that is said."""
    world = reminded()
    told(world, reminder(world), "dead", reason="tries")
    world.move("decline", ANN, reason="no_longer_wanted", risk_told=True)

    decision = world.do(ANN, Kind.RESEND, {"message": reminder(world).id})

    assert decision.outcome is Outcome.INVALID
    assert "closed" in decision.problem


def test_a_message_nobody_knows_is_not_sent_again() -> None:
    """The name is wrong: that is said, and nothing happens."""
    assert "not here" in reminded().do(ANN, Kind.RESEND, {"message": "m9"}).problem


def test_a_limit_the_site_sets_counts() -> None:
    """Two a day where the site says so."""
    world = reminded()
    world.compiled = compiled(shipped(), messages_per_day=2)

    assert asked(world, today=1, week=1) == Send()
