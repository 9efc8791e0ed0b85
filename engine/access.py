"""Who may ask for what: the whole table, asked in one place, default deny.

Two questions, both must be answered yes: may this role give this command, and does the person belong to the
episode's care team. Transitions, forms and rules' approvers narrow it further, in the pack.
"""

from collections.abc import Mapping

from engine.model import Actor, Episode, Kind, Role

COORDINATING = frozenset({Role.COORDINATOR, Role.ASSESSOR, Role.LEAD})
CLINICAL = frozenset({Role.ASSESSOR, Role.PROCEDURALIST, Role.LEAD})
CARING = COORDINATING | CLINICAL

MAY: Mapping[Kind, frozenset[Role]] = {
    Kind.REGISTER: COORDINATING,
    Kind.RECORD: CARING,
    # A move's own roles stand in the pack; only those who never change anything are stopped here, because a
    # concern may be raised by everybody else. No job moves a clinical state.
    Kind.MOVE: frozenset(Role) - {Role.AUDITOR, Role.OUTSIDER, Role.SERVICE},
    Kind.PLAN: CLINICAL,
    Kind.START: CLINICAL,
    Kind.STOP: CLINICAL,
    Kind.CONTACT: CARING,
    Kind.ASSIGN: COORDINATING,
    Kind.SNOOZE: COORDINATING,
    Kind.CORRECT: CARING,
    # Whose yes a request takes is written in the request; this says only who may be asked at all.
    Kind.SIGN_OFF: CLINICAL | {Role.PATHWAY_OWNER, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER},
    Kind.PUBLISH: frozenset({Role.PATHWAY_OWNER}),
    Kind.SET_PARAMETER: frozenset({Role.PATHWAY_OWNER, Role.ADMINISTRATOR, Role.LEAD}),
    Kind.FIRE: frozenset({Role.SERVICE}),
    Kind.DELIVER: frozenset({Role.SERVICE}),
    Kind.RESEND: COORDINATING,
    # The person themselves may say it outside (a STOP reply, an unsubscribe link): then it comes in without anybody.
    Kind.OPT_OUT: CARING | {Role.SERVICE},
    Kind.CLOCK: frozenset({Role.SERVICE}),
    Kind.ABSENCE: COORDINATING | {Role.ADMINISTRATOR},
    Kind.HOLD: frozenset({Role.PRIVACY_OFFICER}),
    Kind.RELEASE: frozenset({Role.PRIVACY_OFFICER}),
    Kind.ERASE: frozenset({Role.PRIVACY_OFFICER}),
    Kind.DESTROYED: frozenset({Role.SERVICE}),
    Kind.RETAIN: frozenset({Role.SERVICE, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER}),
    Kind.CENSUS: frozenset({Role.SERVICE}),
    Kind.LOG_KEY: frozenset({Role.ADMINISTRATOR}),
    Kind.VAULT_KEY: frozenset({Role.ADMINISTRATOR}),
}

READS: Mapping[str, frozenset[Role]] = {
    "episode": CARING | {Role.AUDITOR},
    "lists": CARING | {Role.AUDITOR},
    "log": frozenset({Role.AUDITOR, Role.LEAD, Role.PRIVACY_OFFICER}),
    "pathway": frozenset(Role) - {Role.OUTSIDER},
    "names": CARING,
    "access": frozenset({Role.AUDITOR, Role.PRIVACY_OFFICER}),  # who looked at whom
    "reviews": frozenset({Role.PRIVACY_OFFICER}),  # episodes that were opened by breaking the glass
    "subject": frozenset({Role.PRIVACY_OFFICER}),  # everything on one person, for that person
    "published": frozenset({Role.AUDITOR}),  # the tiles: every care team's entries at once
}

# Who may open an episode of another care team for a stated time, to read it; nobody may command it by that.
GLASS = CARING
# What each role looks at people's records for; the log of reads says it with every read.
PURPOSES: Mapping[Role, str] = {
    **dict.fromkeys(CARING, "treatment"),
    Role.AUDITOR: "audit",
    Role.PRIVACY_OFFICER: "privacy",
    Role.SERVICE: "operations",
}

# Roles that act without belonging to a team: the worker serves every episode, and a concern from outside the
# care team (pathway owner, privacy officer, administrator) must not be lost.
TEAMLESS = frozenset({Role.SERVICE})


def may_command(actor: Actor, kind: Kind) -> bool:
    """Say whether the actor's role may give this kind of command at all."""
    return actor.role in MAY.get(kind, frozenset())


def may_read(actor: Actor, what: str) -> bool:
    """Say whether the actor's role may read this kind of thing (a key of READS; unknown kinds: no)."""
    return actor.role in READS.get(what, frozenset())


def may_break_glass(actor: Actor) -> bool:
    """Say whether the actor's role may open an episode of another care team in need."""
    return actor.role in GLASS


def purpose_of(role: Role) -> str:
    """Give the coded purpose for which a role reads."""
    return PURPOSES.get(role, "administration")


def cares_for(actor: Actor, episode: Episode) -> bool:
    """Say whether the actor belongs to the episode's care team (the legitimate relationship)."""
    return actor.role in TEAMLESS or episode.team in actor.teams


def why_not(actor: Actor, kind: Kind, episode: Episode | None) -> str:
    """Give the reason this actor may not give this command, empty if they may."""
    if not may_command(actor, kind):
        allowed = ", ".join(sorted(MAY[kind])) if kind in MAY else "nobody"
        return f"As {actor.role} you may not {kind}: ask one of {allowed}."
    if episode is not None and episode.version > 0 and not cares_for(actor, episode):
        return f"{actor.id} is not in care team {episode.team!r} of episode {episode.id}: ask its lead to add you."
    return ""
