"""What is queued stops when its reason is gone: in the very commit in which it goes, whatever took it away."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import time, timedelta

import pytest

from engine.deliver import Contact, End, may_send
from engine.model import Json, Kind, Message, Outcome, Role
from engine.outbox import undelivered
from engine.reach import consents, language, ways
from engine.time import local_day
from engine.view import Pending, View
from tests.worlds import ANN, RAVI, WORKER, World, shipped
from tests.worlds_pathway import episode_in, no_better, on, raise_concern, reassess, screened
from tests.worlds_pathway import registration as answers


def reminded(**preferences: Json) -> World:
    """Give a person in step 1 whose first reminder is queued and has not gone yet."""
    world = episode_in("self_care")
    if preferences:
        assert world.record("contact_preferences", ANN, **preferences).outcome is Outcome.ACCEPTED
    return world.day(21, time(9, 0))


def theirs(world: World) -> list[Message]:
    """Give the messages to the person."""
    return [one for one in world.episode.messages if one.recipient == "patient"]


def ends(world: World) -> list[tuple[str, str]]:
    """Give what became of the messages to the person, and why."""
    return [(one.status, one.reason) for one in theirs(world)]


def seen(world: World) -> View:
    """See the episode as it is."""
    return View(world.compiled, world.episode, Pending(), world.now, local_day(world.now, world.episode.zone))


def _visit(world: World) -> None:
    reassess(world)


def _hold(world: World) -> None:
    world.move("hold", ANN, reason="travel", until=on(60))


def _concern(world: World) -> None:
    raise_concern(world)


def _decline(world: World) -> None:
    world.move("decline", ANN, reason="no_longer_wanted", risk_told=True)


def _death(world: World) -> None:
    world.move("died", ANN, source="family", died_on=on(20))


def _no(world: World) -> None:
    world.record("contact_preferences", ANN, contact_consent=["none"])


def _withdrawn(world: World) -> None:
    world.do(ANN, Kind.CORRECT, {"record": world.episode.records[0].id, "contact_consent": False})


def _stop(world: World) -> None:
    world.do(WORKER, Kind.OPT_OUT, {"channel": "email", "how": "stop_reply"})


def _stop_all(world: World) -> None:
    world.do(WORKER, Kind.OPT_OUT, {"channel": "all", "how": "unsubscribe"})


def _later(world: World) -> None:
    item = next(one for one in world.episode.due_items if one.id == theirs(world)[-1].due_item)
    world.do(ANN, Kind.SNOOZE, {"due_item": item.id, "until": on(23), "reason": "travel"})


def _moved(world: World) -> None:
    """The therapy began later than was written down: so does its window."""
    record = world.episode.stays[-1].record
    assert record is not None
    world.do(RAVI, Kind.CORRECT, {"record": record, "therapy_start": on(7)})


STOPS: dict[str, tuple[Callable[[World], None], tuple[str, str]]] = {
    "a visit": (_visit, ("cancelled", "done")),
    "a hold": (_hold, ("cancelled", "on_hold")),
    "a concern": (_concern, ("cancelled", "on_hold")),
    "leaving the pathway": (_decline, ("cancelled", "closed")),
    "death": (_death, ("cancelled", "deceased")),
    "a no to messages": (_no, ("suppressed", "no_consent")),
    "a no at the desk": (_withdrawn, ("suppressed", "no_consent")),
    "a STOP reply": (_stop, ("suppressed", "opted_out")),
    "a no to every way": (_stop_all, ("suppressed", "opted_out")),
    "a reminder put off": (_later, ("cancelled", "snoozed")),
    "a later date": (_moved, ("cancelled", "moved")),
}


@pytest.mark.parametrize("what", STOPS)
def test_what_is_queued_stops(what: str) -> None:
    """A visit, a pause, the end, a no, another date: the reminder does not go, and the reason is kept with it."""
    act, end = STOPS[what]
    world = reminded()
    assert ends(world) == [("queued", "")]

    act(world)

    assert world.decisions[-1][1].outcome is Outcome.ACCEPTED, world.decisions[-1][1].problem
    assert ends(world) == [end]


@pytest.mark.parametrize("what", [what for what in STOPS if what != "a later date"])
def test_what_was_missed_at_the_commit_is_found_when_it_is_sent(what: str) -> None:
    """Were it still queued by some fault, asking again before sending would end it for the same reason."""
    act, end = STOPS[what]
    world = reminded()
    message = theirs(world)[-1]

    act(world)

    assert may_send(world.compiled, world.episode, message, Contact(), world.now) == End(*end)


def test_staff_are_not_called_about_work_that_is_done() -> None:
    """The visit came before the coordinator was told that it is overdue."""
    world = episode_in("self_care").day(29)
    late = next(one for one in world.episode.messages if one.recipient == "coordinator" and "reassess" in one.id)
    assert late.status == "queued"

    reassess(world)

    after = next(one for one in world.episode.messages if one.id == late.id)
    assert (after.status, after.reason) == ("cancelled", "done")


def test_a_death_in_another_episode_stops_what_is_queued_here() -> None:
    """The person died in the other episode: this one asks again before it sends, and sends nothing."""
    world = reminded()
    other = episode_in("self_care")
    other.move("died", ANN, source="family", died_on=on(0))
    message = theirs(world)[-1]
    world.episode = replace(world.episode, person=replace(world.episode.person, deceased=other.episode.person.deceased))

    assert may_send(world.compiled, world.episode, message, Contact(), world.now) == End("cancelled", "deceased")


def test_a_stop_in_one_episode_counts_in_all() -> None:
    """A person answers STOP once, not once an episode."""
    world, other = reminded(), episode_in("self_care")
    other.do(WORKER, Kind.OPT_OUT, {"channel": "all", "how": "stop_reply"})
    said = tuple(replace(one, episode="e2") for one in other.episode.person.records)
    person = replace(world.episode.person, records=(*world.episode.person.records, *said))
    world.episode = replace(world.episode, person=person)

    verdict = may_send(world.compiled, world.episode, theirs(world)[-1], Contact(), world.now)

    assert verdict == End("suppressed", "opted_out")


# --- the way the person wants ----------------------------------------------------------------------------------------


def test_a_stop_to_one_way_moves_what_is_queued_to_the_next() -> None:
    """No more texts, please: the reminder goes by e-mail instead, and the next ones, too."""
    world = reminded(channels=["sms", "email"])

    world.do(WORKER, Kind.OPT_OUT, {"channel": "sms", "how": "stop_reply"})

    assert [(one.channel, one.status) for one in theirs(world)] == [("sms", "suppressed"), ("email", "queued")]
    assert theirs(world)[1].follows == theirs(world)[0].id
    world.day(26, time(9, 30))
    assert theirs(world)[-1].channel == "email"


def test_a_stop_keeps_everything_else_the_person_said() -> None:
    """Zone, language, hours and earlier noes stand; the record says how they said it."""
    world = reminded(channels=["sms", "email"], opted_out=["letter"], zone="America/New_York", language="de")

    world.do(WORKER, Kind.OPT_OUT, {"channel": "sms", "how": "stop_reply"})

    record = world.episode.records[-1]
    assert record.form == "contact_preferences"
    assert record.values == {
        "channels": ["sms", "email"],
        "opted_out": ["letter", "sms"],
        "zone": "America/New_York",
        "language": "de",
        "how": "stop_reply",
    }


@pytest.mark.parametrize("place", ["on_hold", "closed_discharged", "closed_deceased", "further_evaluation"])
def test_a_stop_is_heard_wherever_the_person_is(place: str) -> None:
    """On hold, after the end: nobody's leave is needed to stop."""
    world = episode_in(place)

    decision = world.do(WORKER, Kind.OPT_OUT, {"channel": "all", "how": "unsubscribe"})

    assert decision.outcome is Outcome.ACCEPTED, decision.problem
    assert decision.state == place


@pytest.mark.parametrize(
    "values",
    [{}, {"channel": "sms"}, {"channel": "pigeon", "how": "asked"}, {"channel": "sms", "how": "shouted"}],
)
def test_a_stop_that_says_nothing_is_not_kept(values: dict[str, Json]) -> None:
    """Which way, and how they said so: without both it cannot be read."""
    assert reminded().do(WORKER, Kind.OPT_OUT, values).outcome is Outcome.INVALID


def test_a_yes_again_is_a_yes_of_the_person() -> None:
    """Who stopped may start again, by saying so to somebody."""
    world = reminded()
    world.do(WORKER, Kind.OPT_OUT, {"channel": "all", "how": "stop_reply"})
    assert ways(seen(world)) == ()

    world.record("contact_preferences", ANN, opted_out=["none"], how="asked")

    assert ways(seen(world)) == ("email",)


def test_preferences_win_over_the_registration() -> None:
    """What was said later and for all episodes counts before what was ticked at the door."""
    world = episode_in("self_care")
    assert consents(seen(world), "visit")

    world.record("contact_preferences", ANN, contact_consent=["none"])
    assert not consents(seen(world), "visit")

    world.record("contact_preferences", ANN, contact_consent=["visit"], channels=["sms"])
    assert consents(seen(world), "visit")
    assert ways(seen(world)) == ("sms",)


def test_a_later_no_at_the_door_counts() -> None:
    """Preferences said yes; in registering another problem the person said no: the no is the newer word."""
    world = episode_in("self_care")
    world.record("contact_preferences", ANN, contact_consent=["visit"])
    world.now += timedelta(days=1)

    world.do(ANN, Kind.CORRECT, {"record": world.episode.records[0].id, "contact_consent": False})

    assert not consents(seen(world), "visit")


def test_an_answer_that_is_not_repeated_stands() -> None:
    """Changing the language does not undo a no to text messages."""
    world = reminded(channels=["sms", "email"], opted_out=["sms"])

    world.record("contact_preferences", ANN, language="de")

    assert ways(seen(world)) == ("email",)
    assert language(seen(world)) == "de"


def test_another_language_counts_from_now_on() -> None:
    """What is queued already goes as it was written; the next one is in the new language."""
    world = reminded()
    world.record("contact_preferences", ANN, language="de")

    world.day(26, time(9, 30))

    assert [one.language for one in theirs(world)] == ["en", "de"]


def test_the_order_of_ways_is_the_persons_own() -> None:
    """Text first, then e-mail: the order is part of the answer."""
    world = reminded(channels=["sms", "letter", "email"])

    assert ways(seen(world)) == ("sms", "letter", "email")


def test_a_person_who_named_no_way_is_written_to_as_the_site_does() -> None:
    """Consent without a way: the default one, and no error."""
    world = World()
    world.do(ANN, Kind.REGISTER, answers(contact_channel=None))

    assert ways(seen(world)) == ("console",)


def test_an_hour_that_is_none_is_refused() -> None:
    """Preferences are read as strictly as everything else."""
    world = episode_in("self_care")

    for wrong in ({"quiet_from": "late"}, {"zone": "Mars/Olympus"}, {"zone": 1}, {"quiet_until": 8}):
        assert world.record("contact_preferences", ANN, **wrong).outcome is Outcome.INVALID


# --- no job moves a clinical state ----------------------------------------------------------------------------------

PLACES = tuple(shipped().states)


@pytest.mark.parametrize("place", PLACES)
def test_no_job_moves_a_clinical_state(place: str) -> None:
    """Every command there is, given by a job, in every state: what is accepted leaves the state as it is."""
    start = episode_in(place)
    names = {one.name for one in start.compiled.pathway.transitions.values()}
    tried: list[tuple[Kind, Mapping[str, Json]]] = [
        *((Kind.MOVE, {"transition": name, "to": to}) for name in names for to in (None, "self_care")),
        *((Kind.RECORD, {"form": form}) for form in start.compiled.pathway.forms),
        (Kind.RECORD, {"form": "red_flag_screen", "chest_pattern": "present"}),
        *((kind, {"form": "self_management"}) for kind in (Kind.PLAN, Kind.START, Kind.STOP)),
        (Kind.CONTACT, {"channel": "telephone", "result": "reached"}),
        (Kind.ASSIGN, {"owner": "worker"}),
        (Kind.CORRECT, {"record": start.episode.records[0].id, "region": "knee"}),
        *((Kind.OPT_OUT, {"channel": channel, "how": "stop_reply"}) for channel in ("all", "sms")),
        *((Kind.DELIVER, {"message": one.id, "result": "accepted"}) for one in start.episode.messages),
        *((Kind.RESEND, {"message": one.id}) for one in start.episode.messages),
        *((Kind.SNOOZE, {"due_item": one.id, "until": on(1), "reason": "x"}) for one in start.episode.due_items),
    ]
    tried += [(kind, {}) for kind in Kind]
    refused = 0
    for kind, values in tried:
        world = episode_in(place)
        decision = world.do(WORKER, kind, dict(values))
        refused += decision.outcome is Outcome.REFUSED
        assert world.episode.state == place, (kind, values)
        assert decision.transition is None or decision.outcome is Outcome.REFUSED
    assert refused > len(names)


@pytest.mark.parametrize("place", PLACES)
def test_a_job_may_neither_move_nor_sign_for_anybody(place: str) -> None:
    """Not even a concern: who has one is a person. And nobody's request is approved by a machine."""
    world = episode_in(place)

    for name in {one.name for one in world.compiled.pathway.transitions.values() if one.source}:
        decision = world.move(name, WORKER)
        assert decision.outcome in (Outcome.REFUSED, Outcome.INVALID), name
        assert decision.outcome is Outcome.INVALID or decision.failed == ("ROLE-01",), name
    assert all(Role.SERVICE not in one.roles for one in world.compiled.pathway.transitions.values())


def test_no_job_signs_off() -> None:
    """The second person is a person."""
    world = episode_in("assessed")
    asked = world.move("void", RAVI, reason="duplicate")
    assert asked.outcome is Outcome.NEEDS_SIGN_OFF, (asked.outcome, asked.problem, asked.failed)

    decision = world.do(WORKER, Kind.SIGN_OFF, {"answer": "yes"}, of=asked.command.id)

    assert (decision.outcome, world.episode.state) == (Outcome.REFUSED, asked.state_before)


def test_nobody_is_chased_after_the_end() -> None:
    """A closed episode owes nobody a call about a message."""
    world = reminded()
    world.do(WORKER, Kind.DELIVER, {"message": theirs(world)[-1].id, "result": "dead", "reason": "tries"})
    assert undelivered(seen(world))

    _decline(world)

    mine = [one.status for one in world.episode.due_items if one.kind == "message_undelivered"]
    assert mine == ["cancelled"]


def test_an_interim_visit_leaves_the_reminder() -> None:
    """A visit before the window fulfils nothing, so the reminder of the one that is owed goes."""
    world = episode_in("self_care").day(13)
    screened(world)
    world.record("reassessment", RAVI, **no_better())
    world.day(21, time(9, 0))

    assert ends(world) == [("queued", "")]
