"""Random people command random things: what the oracle forbids never happens, whoever asks for whatever.

The oracle (`oracle.py`) is typed by hand, transition by role, by state, and is not read from the pathway. The walks
(`walks.py`) are biased to what may be done, so that each transition is taken often; the same seeds every time.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.decision import Decision
from engine.model import Actor, Command, Episode, Flag, Json, Kind, Outcome, Override, Role
from engine.pathway import Pathway
from stepcare.app import App, VirtualClock, pass_time, temporary_app, wall_clock
from stepcare.log import configure_log
from stepcare.play import OWNER
from stepcare.publishing import proved_pack, publish
from stepcare.replay import Replay
from storage.vault import Details
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.properties.oracle import MAY, QUESTIONS, against, moved
from tests.properties.walks import Walk
from tests.worlds import ZONE, World, compiled, shipped

WALKS, LENGTH = 200, 26
REAL_WALKS, REAL_LENGTH = 6, 24


def walked(world: World, seed: int, length: int, taken: Counter[str]) -> World:
    """Walk so many acts, counting the transitions that were taken."""
    walk = Walk(world, Random(seed), taken)  # noqa: S311 - the same walks every time; nothing here is secret
    walk.begin()
    done = 0
    for _ in range(length):
        walk.act()
        for _, decision in world.decisions[done:]:
            move = moved(decision)
            taken.update([move.transition] if move else [])
        done = len(world.decisions)
    return world


@cache
def walks() -> tuple[tuple[World, ...], Counter[str]]:
    """Walk all walks, each with another person."""
    taken: Counter[str] = Counter()
    return tuple(walked(World(), seed, LENGTH, taken) for seed in range(WALKS)), taken


def steps(world: World) -> list[tuple[Episode, Decision, Episode]]:
    """Give each decision with the episode before and after it."""
    afters = [before for before, _ in world.decisions[1:]] + [world.episode]
    return [(before, decision, after) for (before, decision), after in zip(world.decisions, afters, strict=True)]


# --- the oracle -----------------------------------------------------------------------------------------------------


def test_nothing_happens_that_the_oracle_forbids() -> None:
    """Moves, roles, second persons, unknown answers, red flags, timers, the end: every decision of every walk."""
    wrong = [
        f"walk {number}, {decision.command.id} ({decision.command.kind} {dict(decision.command.values)}): {why}"
        for number, world in enumerate(walks()[0])
        for before, decision, after in steps(world)
        for why in against(before, decision, after)
    ]

    assert wrong == []


def test_the_walks_go_everywhere() -> None:
    """A walk that is always refused shows nothing: three in ten moves go through, every transition is taken often."""
    found, taken = walks()
    people = [one for world in found for _, one in world.decisions if one.command.kind is not Kind.FIRE]
    moves = [one for one in people if one.command.kind in (Kind.MOVE, Kind.PLAN, Kind.SIGN_OFF)]

    for asked in (people, moves):
        outcomes = Counter(one.outcome for one in asked)
        assert outcomes[Outcome.ACCEPTED] >= 0.3 * len(asked)
        assert outcomes[Outcome.REFUSED] >= 0.1 * len(asked)
    assert {key: taken[key] for key in MAY if taken[key] < 20} == {}


def test_questions_are_left_open_often() -> None:
    """Each question that has to be answered before an injection was left open in some walk, and that was refused."""
    plans = [one for world in walks()[0] for _, one in world.decisions if one.command.kind is Kind.PLAN]
    whole = [one for one in plans if all(one.command.values.get(question) is not None for question in QUESTIONS)]
    left_open = Counter(question for one in plans for question in QUESTIONS if one.command.values.get(question) is None)

    assert sum(one.outcome is Outcome.ACCEPTED for one in whole) >= 20
    assert set(left_open) == set(QUESTIONS)


def test_every_kind_of_sign_off_is_tried() -> None:
    """Answered by the requester, by the wrong role, too late and twice: all of them were tried, and refused."""
    refused = Counter(
        rule
        for world in walks()[0]
        for _, decision in world.decisions
        if decision.command.kind is Kind.SIGN_OFF and decision.outcome is Outcome.REFUSED
        for rule in decision.failed
    )

    assert min(refused[rule] for rule in ("SIGN-01", "SIGN-02", "ROLE-01")) >= 5


def test_every_walk_is_decided_the_same_again() -> None:
    """The sum can be done again: the same facts, the same decision, for every command and every timer."""
    assert [number for number, world in enumerate(walks()[0]) if not world.replayed()] == []


@pytest.mark.parametrize("forbidden", ["role", "source", "flag", "alone"])
def test_the_oracle_would_notice(forbidden: str) -> None:
    """An oracle that never objects shows nothing: a decision made wrong on purpose is objected to."""
    world = next(world for world in walks()[0] if any(_took(d, "T9") for _, d in world.decisions))
    before, decision, after = next(one for one in steps(world) if _took(one[1], "T9"))
    assert list(against(before, decision, after)) == []

    wrong = _made_wrong(before, decision, forbidden)

    assert list(against(*wrong, after))


def _took(decision: Decision, key: str) -> bool:
    move = moved(decision)
    return move is not None and move.transition == key and decision.command.kind is Kind.MOVE


def _made_wrong(before: Episode, decision: Decision, what: str) -> tuple[Episode, Decision]:
    move = moved(decision)
    assert move is not None
    command, events = decision.command, decision.events
    if what == "role":
        command = replace(command, actor=replace(command.actor, role=Role.COORDINATOR))
    elif what == "flag":
        flag = Flag(id="f", item="cord_signs", urgency="emergency", opened_at=decision.now, record="r")
        before = replace(before, flags=(flag,))
    else:
        other = replace(move, source="intake") if what == "source" else replace(move, transition="T6")
        events = tuple(other if event is move else event for event in events)
    return before, replace(decision, command=command, events=events)


def loosened(what: str) -> Pathway:
    """Give the shipped pathway with one thing let go."""
    pathway = shipped()
    transitions, rules, states = dict(pathway.transitions), list(pathway.rules), dict(pathway.states)
    match what:
        case "anybody may pause":
            transitions["T20"] = transitions["T20"].model_copy(update={"roles": tuple(Role)})
        case "one person voids":
            transitions["T27"] = transitions["T27"].model_copy(update={"second": None})
        case "red flags stop nothing":
            rules = [rule for rule in rules if rule.id != "RF-03"]
        case "consent is not asked":
            rules = [rule for rule in rules if rule.id != "CON-01"]
        case "not answered is no infection":
            rules = [one.model_copy(update={"on_unknown": "pass"}) if one.id == "INJ-04" else one for one in rules]
        case _:
            states = {name: state.model_copy(update={"silent": False}) for name, state in states.items()}
    changes = {"transitions": transitions, "rules": tuple(rules), "states": states}
    return pathway.model_copy(update=changes)


LOOSENED = {
    "anybody may pause": "took T20",
    "one person voids": "one person alone took T27",
    "red flags stop nothing": "red flags open",
    "consent is not asked": "without consent",
    "not answered is no infection": "INJ-04 passed on something unknown",
    "death stops nothing": "goes on in closed_deceased",
}


@pytest.mark.parametrize("what", LOOSENED)
def test_the_walks_find_what_a_loosened_pathway_lets_through(what: str) -> None:
    """The same walks through a pathway with one rule let go: the oracle objects, and says to what."""
    compiled_loose, taken = compiled(loosened(what)), Counter[str]()

    found = (
        why
        for seed in range(WALKS)
        for one in steps(walked(World(compiled=compiled_loose), seed, LENGTH, taken))
        for why in against(*one)
    )

    assert LOOSENED[what] in next(found, "nothing")


# --- through the real door ------------------------------------------------------------------------------------------


class Real(World):
    """The same world behind the door: commands go to the engine, timers fire the worker's way, all in one database."""

    app: App
    clock: VirtualClock

    def to(self, instant: datetime) -> None:
        """Let time pass in the database."""
        for answer in pass_time(self.app, self.clock, instant):
            assert answer.decision.state == answer.decision.state_before
            self.count += 1
        self.now = max(self.now, instant)
        if self.episode.version:
            self.episode = self.app.store.episode(self.episode.id)

    def do(
        self,
        by: Actor,
        kind: Kind,
        values: dict[str, Json] | None = None,
        *,
        of: str | None = None,
        override: dict[str, str] | None = None,
        occurred: datetime | None = None,
    ) -> Decision:
        """Give a command at the door."""
        self.count += 1
        person: dict[str, Json] = {"patient": self.episode.person.id} if kind is Kind.REGISTER else {}
        command = Command(
            id=f"c{self.count}",
            kind=kind,
            actor=by,
            episode=self.episode.id,
            values={**(values or {}), **person},
            of=of,
            occurred_at=occurred,
            overrides=tuple(Override(rule=rule, reason=reason) for rule, reason in (override or {}).items()),
        )
        answer = self.app.engine.handle(command)
        assert isinstance(answer.after, Episode)
        self.decisions.append((self.episode, answer.decision))
        self.episode = answer.after
        return answer.decision


@pytest.mark.parametrize("seed", range(REAL_WALKS))
def test_the_real_door_answers_the_same_and_its_log_holds(seed: int, tmp_path: Path) -> None:
    """Engine, store and worker give what the pure functions give; the log verifies, replays, and folds to the rows."""
    configure_log("warning", "console", wall_clock)
    pure = walked(World(), seed, REAL_LENGTH, Counter())
    clock = VirtualClock(pure.decisions[0][1].now)
    with temporary_app(clock, ZONE, str(tmp_path)) as app:
        publish(app, proved_pack("mid_upper_back"), OWNER, "publish")
        app.vault.add_person("p1", Details(name="Alva Ludens"), clock())
        real = Real()
        real.app, real.clock = app, clock
        walked(real, seed, REAL_LENGTH, Counter())
        answered = [told(decision) for _, decision in real.decisions]
        faults = [*log_faults(app)]

    people = [decision for _, decision in pure.decisions if decision.command.kind is not Kind.FIRE]
    assert answered == [told(decision) for decision in people]
    assert [*differing(real.episode, pure.episode)] == []
    assert faults == []


def told(decision: Decision) -> tuple[Json, ...]:
    """Give what a decision came to."""
    return (decision.command.kind.value, decision.outcome.value, decision.state, *decision.failed, *decision.prompts)


def differing(one: Episode, other: Episode) -> Iterator[str]:
    """Name the parts in which two episodes differ, but for what names the pathway's hash or a timer's own command."""
    if one.stays != other.stays:
        yield "stays"
    for part in ("records", "treatments", "flags", "due_items", "timers", "messages", "requests", "deviations"):
        if parts_of(one, part) != parts_of(other, part):
            yield part
    if (one.state, one.version, one.return_to) != (other.state, other.version, other.return_to):
        yield "where it is"


def parts_of(episode: Episode, part: str) -> dict[str, Any]:
    """Give one shelf of an episode by id."""
    found = {one.id: one for one in getattr(episode, part)}
    if part == "requests":
        return {key: (one.status, one.rules, one.opened_at) for key, one in found.items()}
    if part == "due_items":
        return {key: replace(one, closed_by=None) for key, one in found.items()}
    return found


def log_faults(app: App) -> Iterator[str]:
    """Say where the log is not what was written, or an entry would be decided otherwise."""
    report = verify_log(app.database, opener_of(app.database))
    if report.verdict is not Verdict.VERIFIED:
        yield f"{report.verdict}: {[fault.reason for fault in report.faults]}"
    for one in Replay(store=app.store).every():
        if one.lost or one.differences:
            yield f"entry {one.index}: {one.lost or one.differences}"
