"""Random people command random things from every state: what the oracle forbids never happens.

The oracle is typed here by hand, transition by role and by state, and is not read from the pack.
"""

import random
from collections import Counter
from functools import cache

from engine.model import Actor, Json, Kind, Outcome, Put, Request, Role
from tests.worlds import World
from tests.worlds_pathway import WAYS, better, episode_in, no_better, on, screen, today

C, A, P, L = Role.COORDINATOR, Role.ASSESSOR, Role.PROCEDURALIST, Role.LEAD
STEPS = {"self_care", "professional", "injection", "multidisciplinary"}
OPEN = STEPS | {"intake", "assessment", "maintenance", "further_evaluation", "on_hold"}
CLOSED = {
    "closed_resolved",
    "closed_discharged",
    "closed_declined",
    "closed_transferred",
    "closed_not_eligible",
    "closed_lost_to_follow_up",
}
ANYBODY = set(Role) - {Role.AUDITOR, Role.OUTSIDER}

# transition → (roles that may take it, states it may leave)
ORACLE: dict[str, tuple[set[Role], set[str]]] = {
    "start_assessment": ({C, A}, {"intake"}),
    "not_eligible": ({A}, {"intake", "assessment"}),
    "enter_step1": ({A}, {"assessment"}),
    "enter_step2_direct": ({A}, {"assessment"}),
    "enter_step3_direct": ({A}, {"assessment"}),
    "enter_step4_direct": ({A}, {"assessment"}),
    "step_up": ({A, P}, {"self_care", "professional", "injection"}),
    "repeat_injection": ({P}, {"injection"}),
    "step_down": ({A}, {"professional", "injection", "multidisciplinary"}),
    "respond": ({A, C}, STEPS),
    "relapse": ({A}, {"maintenance"}),
    "sustain": ({A, C}, {"maintenance"}),
    "raise_concern": (ANYBODY, OPEN),
    "evaluate_nonresponse": ({A}, STEPS),
    "clear_concern": ({A}, {"further_evaluation"}),
    "hold": ({C, A}, OPEN - {"on_hold"}),
    "resume": ({C, A}, {"on_hold"}),
    "decline": ({C, A}, OPEN),
    "discharge": ({A}, STEPS | {"maintenance", "further_evaluation", "on_hold"}),
    "transfer": ({C, A}, OPEN),
    "lost": ({C, A}, OPEN),
    "died": ({C, A}, OPEN | CLOSED),
    "void": ({A}, OPEN | CLOSED | {"closed_deceased"}),
    "reopen": ({A}, CLOSED),
    "undo_death": ({L}, {"closed_deceased"}),
}
ENDS = {"died", "void", "decline", "transfer", "lost", "not_eligible", "discharge"}
TWO_PEOPLE = {"enter_step3_direct", "enter_step4_direct", "void", "undo_death"}
PEOPLE = [
    Actor(id=f"{role}-{number}", role=role) for role in (C, A, P, L, Role.AUDITOR, Role.OUTSIDER) for number in (1, 2)
]
PLACES = sorted(WAYS)
WALKS, LENGTH = 120, 14


def answers(world: World, name: str, chance: random.Random) -> dict[str, Json]:
    """Give plausible answers for a move; some are left out, so that rules have something to say."""
    day = on(today(world))
    known: dict[str, dict[str, Json]] = {
        "not_eligible": {"reason": "other_cause", "goes_to": "clinic"},
        "raise_concern": {"urgency": chance.choice(["routine", "urgent", "emergency"]), "told": "ravi"},
        "clear_concern": {"outcome": "no_serious_cause", "result_on": day, "document": "letter"},
        "evaluate_nonresponse": {"tried": "all", "question": "why"},
        "hold": {"reason": "travel", "until": on(today(world) + chance.randint(-3, 100))},
        "decline": {"reason": "other_care", "risk_told": True},
        "transfer": {"receiver": "clinic", "accepted_on": day},
        "died": {"source": "family"},
        "void": {"reason": "test_entry"},
        "reopen": {"reason": "came_back"},
        "undo_death": {"proof": "a telephone call"},
        "sustain": {"summary": True},
        "discharge": {"sub_reason": "self_managing", "safety_net": True, "summary": True},
        "respond": {"relapse_plan": True, "next_contact": on(today(world) + 28), "preference": "agrees_with_plan"},
        "step_down": {"to": "self_care", "reason": "patient_preference", "preference": "wants_less"},
        "relapse": {"to": "self_care", "basis": "patient_report", "why": "worse", "preference": "wants_more"},
        "step_up": {"preference": "agrees_with_plan", "why": "as agreed", "manipulation_considered": "no"},
    }
    found = dict(known.get(name, {"preference": "agrees_with_plan"} if name.startswith("enter") else {}))
    if name == "step_up" and world.episode.state == "professional":
        found["to"] = chance.choice(["injection", "multidisciplinary"])
    if found and chance.random() < 0.15:
        found.pop(chance.choice(sorted(found)))
    return found


def one_act(world: World, chance: random.Random) -> None:
    """Let somebody do something: a record, a move, or an answer to what waits for a second person."""
    who, kind = chance.choice(PEOPLE), chance.random()
    waiting = [request for request in world.episode.requests if request.status == "open"]
    if waiting and kind < 0.35:
        world.do(who, Kind.SIGN_OFF, {"answer": chance.choice(["yes", "yes", "no"])}, of=chance.choice(waiting).id)
    elif kind < 0.5:
        forms: list[dict[str, Json]] = [
            {"form": "red_flag_screen", **screen(world.compiled)},
            {"form": "red_flag_screen", **screen(world.compiled, cord_signs=chance.choice(["present", "unknown"]))},
            {"form": "reassessment", **chance.choice([better, no_better])()},
            {"form": "contact", "channel": "telephone", "result": chance.choice(["reached", "no_answer"])},
        ]
        world.do(who, Kind.RECORD, chance.choice(forms))
    elif kind < 0.6:
        world.day(today(world) + chance.choice([0, 1, 13, 14, 28, 29]))
    else:
        legal = [name for name, (_, places) in ORACLE.items() if world.episode.state in places]
        going_on = [name for name in legal if name not in ENDS] if chance.random() < 0.85 else legal
        name = chance.choice(going_on or legal) if legal and chance.random() < 0.85 else chance.choice(sorted(ORACLE))
        roles = sorted(ORACLE[name][0])
        by = who if chance.random() < 0.3 else Actor(id=f"x-{chance.randint(1, 3)}", role=chance.choice(roles))
        world.do(by, Kind.MOVE, {"transition": name, **answers(world, name, chance)})


@cache
def walks() -> tuple[World, ...]:
    """Walk from every place, the same way every time."""
    found = []
    for number in range(WALKS):
        chance = random.Random(number)  # noqa: S311 - the same walks every time; nothing here is secret
        world = episode_in(PLACES[number % len(PLACES)])
        world.decisions.clear()
        for _ in range(LENGTH):
            one_act(world, chance)
        found.append(world)
    return tuple(found)


def test_no_move_is_accepted_that_the_oracle_forbids() -> None:
    """Whoever commands whatever: a state is left only by a transition, and by a role, that the table names."""
    for world in walks():
        for before, decision in world.decisions:
            if decision.command.kind is not Kind.MOVE or decision.outcome is not Outcome.ACCEPTED:
                continue
            roles, places = ORACLE[str(decision.command.values["transition"])]
            assert decision.command.actor.role in roles
            assert before.state in places


def test_two_person_moves_never_happen_by_one_command() -> None:
    """Voiding, undoing a death, beginning at step 3 or 4: never without another person's yes."""
    for world in walks():
        for before, decision in world.decisions:
            if decision.outcome is not Outcome.ACCEPTED:
                continue
            assert decision.command.values.get("transition") not in TWO_PEOPLE
            if decision.command.kind is Kind.SIGN_OFF:
                request = next(one for one in before.requests if one.id == decision.command.of)
                assert request.command.actor.id != decision.command.actor.id


def test_no_timer_moves_a_state_and_nothing_follows_the_end() -> None:
    """Firing never changes a state; a closed episode has no armed timer and nothing queued."""
    for world in walks():
        for _, decision in world.decisions:
            assert decision.command.kind is not Kind.FIRE or decision.state == decision.state_before
        if world.compiled.pathway.states[world.episode.state].kind in ("closed", "void"):
            patient = [m for m in world.episode.messages if m.status == "queued" and m.recipient == "patient"]
            assert not patient
            alarms = [t for t in world.episode.timers if t.state == "armed" and t.kind.startswith(("flag", "reassess"))]
            assert not alarms


def test_every_walk_is_decided_the_same_again() -> None:
    """The sum can be done again: the same facts, the same decision, for every command of every walk."""
    assert all(world.replayed() for world in walks())


def test_the_walks_go_everywhere() -> None:
    """A walk that is always refused shows nothing: at least three in ten commands go through, in every kind of state."""
    outcomes = Counter(decision.outcome for world in walks() for _, decision in world.decisions)
    taken = Counter(
        str(decision.taken)
        for world in walks()
        for _, decision in world.decisions
        if decision.command.kind is not Kind.FIRE and decision.taken
    )

    assert outcomes[Outcome.ACCEPTED] >= 0.3 * sum(outcomes.values())
    assert len(taken) >= 14


def test_requests_are_answered_once() -> None:
    """A request that was answered in any walk is never answered a second time."""
    for world in walks():
        closed = Counter(
            event.item.id
            for _, decision in world.decisions
            for event in decision.events
            if isinstance(event, Put)
            and isinstance(event.item, Request)
            and event.item.status in ("approved", "refused")
        )
        assert all(count == 1 for count in closed.values())
