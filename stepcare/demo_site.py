"""What happens in the demonstration beside the courses: numbers are set, desks are cleared, a colleague leaves."""

from collections.abc import Iterator, Mapping
from random import Random

from engine.model import Actor, DueItem, Episode, Json, Kind, Role
from stepcare.demo_chart import AFTERNOON, DESK, bo_leaves
from stepcare.demo_coverage import Coverage
from stepcare.demo_people import ADA, ANN, BO, LENA, MAIN, NORTH, OWEN, random_of
from stepcare.demo_stage import Act, Stage, Telling

Told = Telling[None]
CLEARED = 85  # of a hundred pieces of work on a desk

# What is on whose desk once a week, and what clears it.
DESKS: Mapping[Role, Mapping[str, Mapping[str, Json]]] = {
    Role.LEAD: {
        "deviation_review": {"form": "deviation_review", "verdict": "acceptable"},
        "adverse_event_review": {"form": "case_review", "decision": "stay"},
        "stagnation": {"form": "case_review", "decision": "stay"},
    },
    Role.ASSESSOR: {
        "chronicity_crossing": {"form": "chronicity_review", "decision": "nothing_changes"},
        "document_review": {"form": "document_review", "means": "nothing_new"},
        "nsaid_review": {"form": "drug_review", "decision": "stopped"},
        "muscle_relaxant_stop": {"form": "drug_review", "decision": "stopped"},
        "reason_owed": {"form": "reason_given", "reason": "clinical_judgement"},
    },
    Role.COORDINATOR: {
        "referral_attendance": {"form": "referral_attended", "attended": True},
        "lost_candidate": {"form": "case_review", "decision": "stay"},
    },
}


def sets_numbers(stage: Stage) -> Told:
    """The site sets how long people are observed: by two persons; an administrator may not."""
    yield stage.at(1, DESK)
    number: Mapping[str, Json] = {"name": "observe_min", "value": 20}
    yield (Act(by=ADA, kind=Kind.SET_PARAMETER, values=number),)
    (asked,) = yield (Act(by=OWEN, kind=Kind.SET_PARAMETER, values=number),)
    of = asked.decision.command.id
    yield (Act(by=OWEN, kind=Kind.SIGN_OFF, of=of, values={"answer": "yes"}),)
    yield (Act(by=LENA, kind=Kind.SIGN_OFF, of=of, values={"answer": "yes"}),)


def leaves(stage: Stage, coverage: Coverage) -> Told:
    """A coordinator leaves; ann takes over whatever is open, at one go."""
    yield stage.at(bo_leaves(stage.last_day), AFTERNOON)
    acts = tuple(
        Act(by=ANN, kind=Kind.ASSIGN, alias=alias, values={"owner": ANN.id})
        for alias, episode in sorted(stage.episodes.items())
        if episode.owner == BO.id and _is_open(episode)
    )
    answers = yield acts
    if len(answers) > 1:
        coverage.acts["bulk_assign"] += len(answers)


def _is_open(episode: Episode) -> bool:
    return not episode.state.startswith("closed") and episode.state != "voided"


def clears_desk(stage: Stage, role: Role, seed: int) -> Told:
    """Once a week somebody works off what is on the desk of a role, most of it."""
    rng = random_of(seed, "desk", role)
    for week in range(1, stage.last_day // 7 + 1):
        yield stage.at(week * 7, AFTERNOON)
        yield tuple(_cleared(stage, role, rng))


def _cleared(stage: Stage, role: Role, rng: Random) -> Iterator[Act]:
    now = stage.clock()
    for alias, episode in sorted(stage.episodes.items()):
        if not _is_open(episode):
            continue
        for item in episode.due_items:
            answer = DESKS[role].get(item.kind)
            if answer and item.status == "open" and item.opens_at <= now and rng.randrange(100) < CLEARED:
                yield _clears(alias, episode, role, item, answer)


def _clears(alias: str, episode: Episode, role: Role, item: DueItem, answer: Mapping[str, Json]) -> Act:
    team = NORTH if episode.team == NORTH.name else MAIN
    by: Mapping[Role, Actor] = {
        Role.LEAD: team.lead,
        Role.ASSESSOR: team.assessor,
        Role.COORDINATOR: team.coordinator,
    }
    who = LENA if item.kind == "lost_candidate" else by[role]
    return Act(by=who, kind=Kind.RECORD, alias=alias, values={**answer, "due_item": item.id})
