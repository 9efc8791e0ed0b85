"""What may happen, typed by hand from the clinical requirements: nothing here is read from the pathway's files.

`allowed` holds one decision against it and says what happened that must not: who moved from where to where, who
signed off whose request, what was let pass unanswered, what went on after the end.
"""

from collections.abc import Iterator
from datetime import timedelta

from engine.decision import Decision, Moved, Put
from engine.model import Command, Episode, Kind, Level, Outcome, Record, Request, Role

C, A, P, L = Role.COORDINATOR, Role.ASSESSOR, Role.PROCEDURALIST, Role.LEAD
ANYONE = frozenset({C, A, P, L, Role.PATHWAY_OWNER, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR})

STEPS = ("self_care", "professional", "injection", "multidisciplinary")
OPEN = ("intake", "assessment", *STEPS, "maintenance", "further_evaluation", "on_hold")
ENDED = (
    *("closed_resolved", "closed_discharged", "closed_declined", "closed_transferred"),
    *("closed_not_eligible", "closed_lost_to_follow_up"),
)
DEAD = "closed_deceased"


def _edges(sources: tuple[str, ...], targets: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    return frozenset((source, target) for source in sources for target in targets if source != target)


# Transition → who may take it, from where to where.
MAY: dict[str, tuple[frozenset[Role], frozenset[tuple[str, str]]]] = {
    "T1": (frozenset({C}), _edges(("",), ("intake",))),
    "T2": (frozenset({C, A}), _edges(("intake",), ("assessment",))),
    "T3": (frozenset({A}), _edges(("intake", "assessment"), ("closed_not_eligible",))),
    "T4": (frozenset({A}), _edges(("assessment",), ("self_care",))),
    "T5": (frozenset({A}), _edges(("assessment",), ("professional",))),
    "T6": (frozenset({A}), _edges(("assessment",), ("injection",))),
    "T7": (frozenset({A}), _edges(("assessment",), ("multidisciplinary",))),
    "T8": (frozenset({A}), _edges(("self_care",), ("professional",))),
    "T9": (frozenset({A, P}), _edges(("professional",), ("injection",))),
    "T10": (frozenset({A}), _edges(("professional",), ("multidisciplinary",))),
    "T11": (frozenset({A}), _edges(("injection",), ("multidisciplinary",))),
    "T12": (frozenset({P}), frozenset({("injection", "injection")})),
    "T13": (
        frozenset({A}),
        _edges(("multidisciplinary",), STEPS[:3]) | _edges(("injection",), STEPS[:2]) | _edges(STEPS[1:2], STEPS[:1]),
    ),
    "T14": (frozenset({A, C}), _edges(STEPS, ("maintenance",))),
    "T15": (frozenset({A}), _edges(("maintenance",), STEPS)),
    "T16": (frozenset({A, C}), _edges(("maintenance",), ("closed_resolved",))),
    "T17": (ANYONE, _edges(OPEN, ("further_evaluation",))),
    "T18": (frozenset({A}), _edges(STEPS, ("further_evaluation",))),
    "T19": (frozenset({A}), _edges(("further_evaluation",), OPEN)),
    "T20": (frozenset({C, A}), _edges(OPEN, ("on_hold",))),
    "T21": (frozenset({C, A}), _edges(("on_hold",), OPEN)),
    "T22": (frozenset({C, A}), _edges(OPEN, ("closed_declined",))),
    "T23": (
        frozenset({A}),
        _edges((*STEPS, "maintenance", "further_evaluation", "on_hold"), ("closed_discharged",)),
    ),
    "T24": (frozenset({C, A}), _edges(OPEN, ("closed_transferred",))),
    "T25": (frozenset({C, A}), _edges(OPEN, ("closed_lost_to_follow_up",))),
    "T26": (frozenset({C, A}), _edges((*OPEN, *ENDED), (DEAD,))),
    "T27": (frozenset({A}), _edges((*OPEN, *ENDED, DEAD), ("voided",))),
    "T28": (frozenset({A}), _edges(ENDED, ("assessment",))),
    "T29": (frozenset({L}), _edges((DEAD,), ("assessment",))),
}
# The names people use. Four step-ups share one.
NAMES = dict(
    zip(
        MAY,
        (
            *("register", "start_assessment", "not_eligible"),
            *("enter_step1", "enter_step2_direct", "enter_step3_direct", "enter_step4_direct"),
            *("step_up", "step_up", "step_up", "step_up", "repeat_injection", "step_down"),
            *("respond", "relapse", "sustain", "raise_concern", "evaluate_nonresponse", "clear_concern"),
            *("hold", "resume", "decline", "discharge", "transfer", "lost", "died", "void", "reopen", "undo_death"),
        ),
        strict=True,
    )
)

ALWAYS_TWO = {"T6", "T7", "T27", "T29"}
MAY_SIGN = {A, L}
SIGN_WITHIN = timedelta(hours=72)
# With a red flag open no step begins and nothing is injected.
FROZEN = {"T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T15"}
SCREENED = FROZEN - {"T12"}
SCREEN_FRESH = timedelta(days=28)
SCREEN = (
    *("cord_signs", "saddle_anaesthesia", "chest_pattern", "worst_headache", "significant_trauma"),
    *("systemic_illness", "non_mechanical_pain", "structural_deformity", "abdominal_pattern", "shingles_rash"),
    *("inflammatory_pattern", "unchanged_despite_treatment", "cancer_history", "immunosuppression"),
    *("recent_infection", "age_at_onset"),
)
# What has to be answered in the plan of an injection, before anybody may let it pass.
QUESTIONS = (
    *("infection", "bleeding_disorder", "anticoagulant", "aspirin", "acute_trauma", "malignancy_suspected"),
    *("widespread_or_latent", "pregnancy", "dose_group", "weight_kg", "weight_on", "consent_given", "consent_on"),
    *("consent_risks", "consent_withdrawable", "consent_version", "performer", "privilege_until"),
)
# Rules that stay silent on what is unknown because another one asks: no score yet (RESP-01, PATH-05), the NSAID
# questions (RX-01).
ASKED_ELSEWHERE = {"INS-02", "RX-10", "RX-11", "RX-12", "RX-16"}

# What goes on after the end. After death only looking back at what was done; else also what safety asks for.
LOOKING_BACK = {"deviation_review", "reason_owed", "adverse_event_review", "document_review"}
AFTERCARE = LOOKING_BACK | {"injection_contact", "glucose_check", "muscle_relaxant_stop", "nsaid_review"}
AFTERCARE |= {"referral_acceptance", "referral_attendance"}


def moved(decision: Decision) -> Moved | None:
    """Give the move a decision made, if it made one."""
    return next((event for event in decision.events if isinstance(event, Moved)), None)


def wished(before: Episode, decision: Decision) -> Command:
    """Give the command that was carried out: that of the request, where somebody signed it off."""
    if decision.command.kind is not Kind.SIGN_OFF:
        return decision.command
    found = next((one for one in before.requests if one.id == decision.command.of), None)
    return found.command if found else decision.command


def against(before: Episode, decision: Decision, after: Episode) -> Iterator[str]:
    """Say everything in a decision that must not happen."""
    move = moved(decision)
    if decision.outcome is not Outcome.ACCEPTED:
        changed = [one for one in decision.events if not (isinstance(one, Put) and isinstance(one.item, Request))]
        if changed or after.state != before.state:
            yield f"{decision.outcome} changed something"
    elif move is None:
        if after.state != before.state:
            yield "the state changed without a move"
    else:
        yield from _move_against(before, decision, move)
    yield from _sign_off_against(before, decision)
    yield from _unknown_against(before, decision)
    yield from _end_against(before, after)


def _move_against(before: Episode, decision: Decision, move: Moved) -> Iterator[str]:
    roles, edges = MAY[move.transition]
    wish = wished(before, decision)
    if decision.command.kind is Kind.FIRE:
        yield f"a timer took {move.transition}"
    if wish.actor.role not in roles:
        yield f"a {wish.actor.role} took {move.transition}"
    if (move.source, move.target) not in edges or move.source != before.state:
        yield f"{move.transition} led from {move.source} (was {before.state}) to {move.target}"
    open_flags = [flag for flag in before.flags if flag.cleared_at is None]
    if move.transition in FROZEN and open_flags:
        yield f"{move.transition} with {len(open_flags)} red flags open"
    serious = any(flag.urgency in ("urgent", "emergency") for flag in open_flags)
    two = move.transition in ALWAYS_TWO or (move.transition == "T19" and serious)
    if two and decision.command.kind is not Kind.SIGN_OFF:
        yield f"one person alone took {move.transition}"
    if move.transition in SCREENED:
        yield from _screen_against(before, decision, move)


def _screen_against(before: Episode, decision: Decision, move: Moved) -> Iterator[str]:
    screen, consent = _latest(before, "red_flag_screen"), _latest(before, "consent")
    if screen is None or any(screen.values.get(item) is None for item in SCREEN):
        yield f"{move.transition} without a complete red-flag screen"
    elif decision.now - screen.occurred_at > SCREEN_FRESH + timedelta(days=1):
        yield f"{move.transition} on a red-flag screen of {screen.occurred_at}"
    if consent is None or consent.values.get("given") is not True:
        yield f"{move.transition} without consent"


def _latest(episode: Episode, form: str) -> Record | None:
    found = [one for one in episode.records if one.form == form and one.superseded_by is None]
    return max(found, key=lambda one: (one.occurred_at, one.version), default=None)


def _sign_off_against(before: Episode, decision: Decision) -> Iterator[str]:
    """Another person, of the right role, once, within 72 hours; and nobody else lifts a hard stop."""
    signed = decision.command.kind is Kind.SIGN_OFF and decision.outcome is Outcome.ACCEPTED
    if signed:
        request = next(one for one in before.requests if one.id == decision.command.of)
        if request.status != "open" or decision.now - request.opened_at > SIGN_WITHIN:
            yield f"a request that was {request.status}, opened at {request.opened_at}, was answered"
        if decision.command.actor.id == request.command.actor.id:
            yield "somebody signed off their own request"
        if decision.command.actor.role not in MAY_SIGN:
            yield f"a {decision.command.actor.role} signed off"
    if decision.outcome is Outcome.ACCEPTED and wished(before, decision).kind in (Kind.MOVE, Kind.PLAN, Kind.START):
        for rule in decision.rules:
            hard = rule.level in (Level.HS2, Level.HSX) and rule.value is False
            if hard and not (signed and rule.level is Level.HS2 and rule.signed_off):
                yield f"{rule.id} ({rule.level}) did not hold"


def _unknown_against(before: Episode, decision: Decision) -> Iterator[str]:
    """What was not answered is not no: no hard stop passes on it, and no plan of an injection without its answers."""
    wish = wished(before, decision)
    if decision.outcome is not Outcome.ACCEPTED or wish.kind not in (Kind.MOVE, Kind.PLAN, Kind.START):
        return
    for rule in decision.rules:
        hard = rule.level in (Level.HS2, Level.HSX)
        if hard and rule.value is None and rule.satisfied and rule.id not in ASKED_ELSEWHERE:
            yield f"{rule.id} passed on something unknown"
    planned = wish.values.get("form") == "injection_session" and wish.kind is Kind.PLAN
    if planned or wish.values.get("transition") == NAMES["T12"]:
        reasons = {one.rule for one in wish.overrides}
        open_questions = [one for one in QUESTIONS if wish.values.get(one) is None]
        if open_questions and not reasons:
            yield f"an injection was planned, not answered: {open_questions}"


def _end_against(before: Episode, after: Episode) -> Iterator[str]:
    """Nothing goes to the person after the end, and after death only looking back goes on."""
    if after.state in OPEN or not after.state:
        return
    queued = [message for message in after.messages if message.status == "queued"]
    goes_on = LOOKING_BACK if after.state in (DEAD, "voided") else AFTERCARE
    if before.state != after.state and queued:
        yield f"{len(queued)} messages survived {after.state}"
    if any(message.recipient == "patient" for message in queued):
        yield f"a message to the person in {after.state}"
    armed = {timer.kind for timer in after.timers if timer.state == "armed"}
    about = {str(message.due_item).partition(":")[0] for message in queued}
    if not armed | about <= goes_on:
        yield f"{armed | about} goes on in {after.state}"
