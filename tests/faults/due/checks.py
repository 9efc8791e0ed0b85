"""What must hold of due work after any accident.

Timers are conserved: each that was ever armed is armed, fired, stale, cancelled or expired, and came to an end once.
Messages had the effect their entries say: once for each key at a receiver that knows keys, at most once more for each
crash at one that does not. The log verifies, and replays to the same. Nobody holds anything.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from engine.audit import instant
from engine.decision import Decision, Put
from engine.model import Episode, Kind, Message, Outcome, Timer
from stepcare.app import App
from stepcare.replay import Redone, Replay
from tests.faults.checks import unverified
from tests.faults.due.child import left
from tests.faults.due.receiver import keys_at

STATES = {"armed", "fired", "stale", "cancelled", "expired"}
TAKEN = {"accepted", "delivered"}
UNSENT = {"queued", "expired", "cancelled", "suppressed"}
LANES = 6  # of one worker: so many messages may be under way when it dies
HELD = (
    "SELECT (SELECT count(*) FROM timer WHERE state = 'armed' AND lease_owner IS NOT NULL) + "
    "(SELECT count(*) FROM message WHERE status = 'queued' AND lease_owner IS NOT NULL AND lease_until > :now)"
)
PARKED = "SELECT episode_id, id FROM {} WHERE parked IS NOT NULL"


@dataclass(slots=True)
class Told:
    """What the log tells: timers that were ever armed, and how often each came to an end by firing."""

    armed: set[tuple[str, str]] = field(default_factory=set)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def hear(self, one: Redone) -> None:
        """Take in an entry."""
        if one.differences or one.lost:
            self.wrong.append(f"entry {one.index} replays otherwise: {one.differences or one.lost}")
        decision = one.kept.decision if one.kept is not None else None
        if decision is None or decision.command.episode is None:
            return
        items = [event.item for event in decision.events if isinstance(event, Put)]
        about = decision.command.episode
        self.armed |= {(about, item.id) for item in items if isinstance(item, Timer) and item.state == "armed"}
        if decision.command.kind is Kind.FIRE and decision.outcome is Outcome.ACCEPTED:
            # One that finds it fired already is kept as stale, and changes nothing.
            self.ended.update((about, one.id) for one in items if isinstance(one, Timer) and _ends(one, decision))


def _ends(timer: Timer, decision: Decision) -> bool:
    return timer.id == decision.command.of and timer.state != "armed"


def wrong_in(app: App, received: Path, *, crashes: int, honours: bool = True) -> list[str]:
    """Give everything that is wrong; nothing: all is as it must be."""
    told = Told()
    for one in Replay(store=app.store).every():
        told.hear(one)
    episodes = [app.store.episode(name) for name in sorted({about for about, _ in told.armed})]
    return [
        *unverified(app),
        *told.wrong,
        *not_conserved(app, told, episodes),
        *misdelivered(episodes, keys_at(received), crashes, honours=honours),
        *still_held(app),
    ]


def not_conserved(app: App, told: Told, episodes: list[Episode]) -> Iterator[str]:
    """Give timers that were lost, made from nothing, fired twice or left lying."""
    there = {(one.id, timer.id): timer for one in episodes for timer in one.timers}
    if set(there) != told.armed:
        yield f"timers armed and not there, or the other way round: {sorted(set(there) ^ told.armed)[:5]}"
    states = Counter(timer.state for timer in there.values())
    if set(states) - STATES or sum(states.values()) != len(told.armed):
        yield f"{len(told.armed)} timers were armed, and came to {dict(states)}"
    twice = [one for one, number in told.ended.items() if number > 1]
    if twice:
        yield f"fired twice: {twice[:5]}"
    aside, late = parked(app, "timer"), app.clock() - timedelta(minutes=1)
    lying = [key for key, one in there.items() if one.state == "armed" and one.at <= late and key not in aside]
    if lying:
        yield f"left lying: {lying[:5]}"


def misdelivered(episodes: list[Episode], effects: Counter[str], crashes: int, *, honours: bool) -> Iterator[str]:
    """Give messages that had another effect than their entries say."""
    messages = {one.id: one for episode in episodes for one in episode.messages}
    of_message: dict[str, Counter[str]] = {name: Counter() for name in messages}
    for key, number in effects.items():
        if key.startswith("digest-"):  # numbers for a colleague, decided by nobody
            if number > 1 and (honours or number > 1 + crashes):
                yield f"{key} came {number} times"
            continue
        about = next((name for name in (key, key.rpartition(":")[0]) if name in messages), None)
        if about is None:
            yield f"{key} had an effect, and nobody decided it"
        else:
            of_message[about][key] += number
    for name, message in messages.items():
        yield from _one(message, of_message[name], crashes, honours=honours)
    again = sum(number - 1 for number in effects.values())
    if again > crashes * LANES:
        yield f"{again} effects more than once, after {crashes} crashes"
    nobody_knows = sum(one.status == "unknown" for one in messages.values())
    if nobody_knows > crashes * LANES:
        yield f"{nobody_knows} messages of which nobody knows, after {crashes} crashes"


def _one(message: Message, effects: Counter[str], crashes: int, *, honours: bool) -> Iterator[str]:
    most = max(effects.values(), default=0)
    if most > 1 and (honours or most > 1 + crashes):
        yield f"{message.id} had its effect {most} times, after {crashes} crashes"
    if message.status in TAKEN and not effects:
        yield f"{message.id} is {message.status}, and nobody got it"
    if message.status in UNSENT and effects:
        yield f"{message.id} is {message.status} ({message.reason}), and was sent"


def still_held(app: App) -> Iterator[str]:
    """Give what is due and not done, and what somebody holds who is gone."""
    undone = left(app)
    if undone:
        yield f"{undone} left undone"
    held = int(app.database.look(HELD, {"now": instant(app.clock())})[0])
    if held:
        yield f"{held} held by nobody who lives"


def parked(app: App, table: str) -> set[tuple[str, str]]:
    """Give the rows that were put aside."""
    with app.database.reading() as connection:
        return {(row[0], row[1]) for row in connection.execute(PARKED.format(table), {}).fetchall()}
