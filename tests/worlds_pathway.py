"""Episodes of the shipped pathway, brought to every state along the happy path by real commands.

`episode_in("professional")` gives a world whose episode stands there; each step of the way is a function of its
own, so that a test can leave the path where its story begins. Nothing here is written into an episode by hand.

The days: 0 assessment and step 1 · 14 step 2 · 28 step 3 · 42 step 4. Onset lies four weeks before day 0, so the
problem is subacute until day 56.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

from engine.compiled import Compiled
from engine.decision import Decision
from engine.model import Json, Kind, Outcome
from tests.worlds import ANN, LENA, PIA, START, World, compiled_shipped

ONSET = START - timedelta(days=28)


def on(day: int) -> str:
    """Give a day of the story as it is written in a form."""
    return (START + timedelta(days=day)).isoformat()


def today(world: World) -> int:
    """Give the number of the world's day."""
    return (world.now.date() - START).days


def went_through(decision: Decision) -> None:
    """Stop a test whose set-up was refused, and say by which rules."""
    failed = [(rule.id, rule.message) for rule in decision.rules if rule.id in decision.failed]
    assert decision.outcome is Outcome.ACCEPTED, f"{decision.outcome}: {decision.problem} {failed}"


def decided(world: World) -> Mapping[str, Json]:
    """Give the derived picture after the last decision that changed something."""
    return next(one.derived for _, one in reversed(world.decisions) if one.derived)


# --- what is recorded on the way --------------------------------------------------------------------------------------


def registration(**changes: Json) -> dict[str, Json]:
    """Give the answers of a registration."""
    return {
        "region": "upper_back",
        "problem": "both",
        "onset": ONSET.isoformat(),
        "contact_consent": True,
        "contact_channel": "email",
        **changes,
    }


def screen(compiled: Compiled, **changes: Json) -> dict[str, Json]:
    """Give a complete red-flag screen without findings."""
    return {**dict.fromkeys(compiled.pathway.red_flags, "absent"), **changes}


def findings(**changes: Json) -> dict[str, Json]:
    """Give the answers of a complete assessment."""
    return {
        "complete": True,
        "palpation": "points_found",
        "rom": [{"movement": "rotation", "side": "left", "finding": "limited"}],
        "associated_symptoms": ["none"],
        "affected_muscles": ["rhomboids", "trapezius_middle"],
        "nprs": 7,
        "psfs": {"lifting": 3, "desk work": 4},
        "function_goal": "carry a rucksack",
        "preference": "agrees_with_plan",
        **changes,
    }


def point(**changes: Json) -> dict[str, Json]:
    """Give the answers of a valid trigger point in the left rhomboids."""
    return {
        "muscle": "rhomboids",
        "side": "left",
        **dict.fromkeys(("taut_band", "hypersensitive_spot", "spot_in_band", "pain_elicited"), True),
        "palpation_pain": 7,
        "referred_pain": "yes",
        **changes,
    }


def self_care(**changes: Json) -> dict[str, Json]:
    """Give the answers of complete self-management."""
    return {
        "heat": "given",
        "heat_safe": True,
        "education": "given",
        "activity_modification": "given",
        "activities": [{"what": "sitting for hours"}],
        "self_massage": "given",
        **changes,
    }


def exercise(**changes: Json) -> dict[str, Json]:
    """Give the answers of a complete exercise programme."""
    return {
        "supervised": True,
        "individualised": True,
        "components": ["stretching", "strengthening"],
        "targets": [{"muscle": "rhomboids"}],
        **changes,
    }


def no_better(**changes: Json) -> dict[str, Json]:
    """Give the answers of a reassessment that shows no response."""
    return {
        "nprs": 7,
        "psfs": {"lifting": 3, "desk work": 4},
        "function_word": "unchanged",
        "pgic": "no_change",
        "preference": "agrees_with_plan",
        **changes,
    }


def better(**changes: Json) -> dict[str, Json]:
    """Give the answers of a reassessment on which everything has improved."""
    improved: dict[str, Json] = {"nprs": 3, "psfs": {"lifting": 8, "desk work": 8}}
    return no_better(**{**improved, "function_word": "improved", "pgic": "much_improved", **changes})


WHAT = {"technique": "injection", "agent": "lidocaine"}
LIDOCAINE: Mapping[str, Json] = {**WHAT, "concentration": "0.5", "concentration_unit": "percent"}
NOT_PRESENT = (
    *("infection", "bleeding_disorder", "anticoagulant", "aspirin", "acute_trauma", "malignancy_suspected"),
    *("widespread_or_latent", "diabetes", "thin_build"),
)
AGREED = ("pneumothorax_precaution", "return_advice", "consent_given", "consent_risks", "consent_withdrawable")


def session(world: World, *points: str, **changes: Json) -> dict[str, Json]:
    """Give the plan of a session of plain lidocaine, 0.5 percent, 1 mL at each point, everything answered."""
    day = on(today(world))
    sites: list[Json] = [{"point": one, "volume_ml": 1, "gauge": 27} for one in points or points_of(world)]
    return {
        **LIDOCAINE,
        "sites": sites,
        "antiseptic": "chlorhexidine",
        "latex_free": True,
        "weight_kg": 70,
        "weight_on": day,
        "dose_group": "usual_adult",
        **dict.fromkeys(NOT_PRESENT, False),
        "pregnancy": "not_possible",
        **dict.fromkeys(AGREED, True),
        "last_plan_on": on(0),
        "consent_on": day,
        "consent_version": "1",
        "performer": "pia",
        "privilege_until": on(300),
        **changes,
    }


def session_record(world: World, *points: str, **changes: Json) -> dict[str, Json]:
    """Give the record of the session that was planned, done as the pathway wants it."""
    day = on(today(world))
    sites: list[Json] = [
        {
            "point": one,
            "palpated_on": day,
            "needle_in_point": True,
            "aspiration": "no_blood",
            "volume_ml": 1,
            "gauge": 27,
        }
        for one in points or points_of(world)
    ]
    return {
        **LIDOCAINE,
        "sites": sites,
        "skin_prep": True,
        "sterile_technique": True,
        "observed_min": 20,
        "signs_checked": True,
        "adverse_events": ["none"],
        **changes,
    }


ALLERGIES = ("amide_anaesthetic", "steroid", "iodine", "chlorhexidine", "alcohol", "latex")
NO_ALLERGIES: Mapping[str, Json] = dict.fromkeys(ALLERGIES, False)


def points_of(world: World) -> tuple[str, ...]:
    """Name the recorded trigger points."""
    return tuple(record.id for record in world.episode.records if record.form == "trigger_point")


# --- the steps of the way -------------------------------------------------------------------------------------------------


def register(world: World, **changes: Json) -> None:
    """Register the episode."""
    went_through(world.do(ANN, Kind.REGISTER, registration(**changes)))


def start_assessment(world: World) -> None:
    """Begin the assessment."""
    went_through(world.move("start_assessment", ANN))


def assess(world: World, **changes: Json) -> None:
    """Record everything that is needed before a step: consent, screen, findings, one trigger point, self-care."""
    went_through(world.record("consent", given=True, text_version="1"))
    screened(world)
    went_through(world.record("assessment", **findings(**changes)))
    went_through(world.record("trigger_point", **point()))
    went_through(world.start("motor_control_exercise"))
    went_through(world.start("self_management", **self_care()))


def screened(world: World, **changes: Json) -> Decision:
    """Record a red-flag screen without findings."""
    decision = world.record("red_flag_screen", **screen(world.compiled, **changes))
    went_through(decision)
    return decision


def enter_step1(world: World) -> None:
    """Begin with self-care."""
    went_through(world.move("enter_step1", preference="agrees_with_plan"))


def reassess(world: World, **changes: Json) -> Decision:
    """Screen and reassess: no better, unless said otherwise."""
    screened(world)
    decision = world.record("reassessment", **no_better(**changes))
    went_through(decision)
    return decision


def step_up_to_professional(world: World) -> None:
    """Two weeks of self-care did not help: massage and exercise are added."""
    world.day(14)
    reassess(world)
    went_through(world.move("step_up", preference="agrees_with_plan"))
    went_through(world.start("exercise_programme", **exercise()))
    target: list[Json] = [{"point": points_of(world)[0]}]
    went_through(world.start("massage", technique="mtrp_compression", targets=target))


def step_up_to_injection(world: World) -> None:
    """Two weeks of professional care did not help either."""
    world.day(28)
    reassess(world)
    values: dict[str, Json] = {"to": "injection", "preference": "agrees_with_plan", "technique": "injection"}
    if decided(world)["chronicity"] == "chronic":
        values |= {"c1_acknowledged": True, "c1_patient_told": True}
    went_through(world.move("step_up", **values, manipulation_considered="no"))
    went_through(world.record("allergies", PIA, **NO_ALLERGIES))


def inject(world: World) -> None:
    """Plan one session and record it as done, on the same day."""
    screened(world)
    went_through(world.plan("injection_session", **session(world)))
    went_through(world.record("injection_record", PIA, **session_record(world)))


def step_up_to_multidisciplinary(world: World) -> None:
    """Injections did not help: a programme of several professions."""
    world.day(42)
    went_through(world.record("complexity", complex=True, why=["work"]))
    reassess(world)
    went_through(world.move("step_up", preference="agrees_with_plan"))


def respond(world: World) -> None:
    """The person is better: maintenance."""
    world.day(max(today(world), 14))
    reassess(world, **better())
    went_through(world.move("respond", ANN, relapse_plan=True, next_contact=on(today(world) + 28)))


def raise_concern(world: World, urgency: str = "urgent") -> None:
    """Somebody is worried."""
    day = on(today(world))
    went_through(
        world.move("raise_concern", ANN, urgency=urgency, told="ravi", told_on=day, flags=["systemic_illness"])
    )


def hold(world: World, days: int = 14) -> None:
    """The person travels."""
    went_through(world.move("hold", ANN, reason="travel", until=on(today(world) + days)))


def sign(world: World, by_request: Decision) -> Decision:
    """Give a second person's yes to what waits for it."""
    assert by_request.outcome is Outcome.NEEDS_SIGN_OFF, f"{by_request.outcome}: {by_request.failed}"
    decision = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=by_request.command.id)
    went_through(decision)
    return decision


def discharge(world: World) -> None:
    """End the episode after a response: nothing is owed any more."""
    values: dict[str, Json] = {"sub_reason": "self_managing", "safety_net": True, "summary": True}
    went_through(world.move("discharge", **values, evaluation="not_needed", evaluation_why="responded in step 1"))


def lose(world: World) -> None:
    """Nobody answers for four weeks after the reassessment was due."""
    world.day(57)
    for channel in ("telephone", "sms", "email"):
        went_through(world.do(ANN, Kind.CONTACT, {"channel": channel, "result": "no_answer"}))
    went_through(world.move("lost", ANN))


def sustain(world: World) -> None:
    """The improvement holds at the follow-up."""
    world.day(today(world) + 28)
    went_through(world.record("maintenance_review", ANN, nprs=2, holding=True, preference="agrees_with_plan"))
    went_through(world.move("sustain", ANN, summary=True))


def _closed(name: str, **values: Json) -> Callable[[World], None]:
    def close(world: World) -> None:
        went_through(world.move(name, **values))

    return close


def _void(world: World) -> None:
    sign(world, world.move("void", reason="test_entry"))


Step = Callable[[World], None]

# Where the path to a state begins, and the one step from there.
WAYS: Mapping[str, tuple[str | None, tuple[Step, ...]]] = {
    "intake": (None, ()),
    "assessment": ("intake", (start_assessment,)),
    "assessed": ("assessment", (assess,)),  # no state: everything before a step is recorded
    "self_care": ("assessed", (enter_step1,)),
    "professional": ("self_care", (step_up_to_professional,)),
    "injection": ("professional", (step_up_to_injection,)),
    "injected": ("injection", (inject,)),  # no state: one session was done
    "multidisciplinary": ("injected", (step_up_to_multidisciplinary,)),
    "maintenance": ("self_care", (respond,)),
    "further_evaluation": ("self_care", (raise_concern,)),
    "on_hold": ("self_care", (hold,)),
    "closed_resolved": ("maintenance", (sustain,)),
    "closed_discharged": ("maintenance", (discharge,)),
    "closed_declined": ("self_care", (_closed("decline", reason="cost", risk_told=True),)),
    "closed_transferred": ("self_care", (_closed("transfer", receiver="Spine centre", accepted_on=on(0)),)),
    "closed_not_eligible": ("assessment", (_closed("not_eligible", reason="other_cause", goes_to="GP"),)),
    "closed_lost_to_follow_up": ("self_care", (lose,)),
    "closed_deceased": ("self_care", (_closed("died", source="family"),)),
    "voided": ("self_care", (_void,)),
}


class _Key:
    """A compiled pathway as a key of the cache: by identity, as it cannot be hashed by content."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.compiled is self.compiled

    def __hash__(self) -> int:
        return id(self.compiled)


def episode_in(place: str, compiled: Compiled | None = None, *, onset: date = ONSET) -> World:
    """Give a world whose episode stands in this state (or is `assessed`, `injected`), on the shipped pathway.

    Set-ups are kept, so that the next test that begins there need not walk again.
    """
    world = _walked(place, _Key(compiled or compiled_shipped()), onset)
    return replace(world, decisions=list(world.decisions))


@lru_cache(maxsize=64)
def _walked(place: str, key: _Key, onset: date) -> World:
    before, steps = WAYS[place]
    if before is None:
        world = World(compiled=key.compiled)
        register(world, onset=onset.isoformat())
        return world
    world = episode_in(before, key.compiled, onset=onset)
    for step in steps:
        step(world)
    return world
