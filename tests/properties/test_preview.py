"""What is previewed is what then happens: thirty days ahead of people who went through the pathway at random."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from engine.deliver import Contact, Defer, End, counted_from, may_send
from engine.model import Json, Kind, Message, Outcome
from engine.preview import preview
from tests.properties.test_random_commands import walked
from tests.worlds import WORKER, World

AHEAD = timedelta(days=30)
SEEDS, LENGTH = range(500, 536), 14


def came(world: World, until: datetime) -> dict[str, tuple[str, str, datetime | None]]:
    """Let the worker work until an instant, by commands alone, and give what became of each message, and when it went."""
    waits: dict[str, datetime] = {}
    went: dict[str, datetime] = {}
    while True:
        armed = [one for one in world.episode.timers if one.state == "armed"]
        queued = [one for one in world.episode.messages if one.status == "queued"]
        instants = [(one.at, 0, one.id) for one in armed]
        instants += [(waits.get(one.id, one.not_before), 1, one.id) for one in queued]
        if not instants or min(instants)[0] > until:
            break
        at, _, id_ = min(instants)
        world.now = max(world.now, at)
        if any(one.id == id_ for one in armed):
            world.do(WORKER, Kind.FIRE, of=id_)
        else:
            _send(world, next(one for one in queued if one.id == id_), waits, went)
    return {one.id: (one.status, one.reason, went.get(one.id)) for one in world.episode.messages}


def _send(world: World, message: Message, waits: dict[str, datetime], went: dict[str, datetime]) -> None:
    episode, now = world.episode, world.now
    today, week = counted_from(world.compiled, episode, now)
    mine = [went[one.id] for one in episode.messages if one.recipient == "patient" and one.id in went]
    contact = Contact(sent_today=sum(at >= today for at in mine), sent_this_week=sum(at >= week for at in mine))
    verdict = may_send(world.compiled, episode, message, contact, now)
    if isinstance(verdict, Defer):
        waits[message.id] = verdict.until
        return
    values: dict[str, Json] = {"message": message.id, "result": "accepted", "contact": dict[str, Json](asdict(contact))}
    if isinstance(verdict, End):
        values |= {"result": verdict.status, "reason": verdict.reason}
    else:
        went[message.id] = now
    decision = world.do(WORKER, Kind.DELIVER, values)
    assert decision.outcome is Outcome.ACCEPTED, decision.problem


@pytest.mark.parametrize("seed", SEEDS)
def test_thirty_days_ahead_are_the_thirty_days_that_come(seed: int) -> None:
    """Every message that is previewed goes, at that very second, and none goes that was not; each end is foreseen."""
    world = walked(World(), seed, LENGTH, Counter())
    before = {one.id for one in world.episode.messages if one.status != "queued"}
    until = world.now + AHEAD

    planned = preview(world.compiled, world.episode, until, world.now)
    happened = came(world, until)

    foreseen = {one.message: (one.status, one.reason, one.sends_at) for one in planned if one.message}
    assert foreseen == {id_: end for id_, end in happened.items() if id_ not in before}


def test_what_is_previewed_is_worth_looking_at() -> None:
    """The courses that are compared have messages to people and to staff in them, and some that do not go."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        world = walked(World(), seed, LENGTH, Counter())
        for one in preview(world.compiled, world.episode, world.now + AHEAD, world.now):
            seen[one.status if one.recipient != "patient" else f"to the person: {one.status}"] += 1

    assert seen["accepted"] >= 20
    assert seen["to the person: accepted"] >= 5
