"""Whose episodes somebody may see: those of their care teams; some roles see all. The command line and the API ask here."""

from engine.errors import Refused
from engine.model import Actor, Role

ALL_TEAMS = (Role.AUDITOR, Role.SERVICE)  # they see every episode; everybody else sees those of their care teams


def teams_of(actor: Actor | None, team: str | None) -> frozenset[str] | None:
    """Give the care teams a list shows: the one asked for, of those the reader belongs to; None: all."""
    if actor is None or actor.role in ALL_TEAMS:
        return None if team is None else frozenset({team})
    return actor.teams if team is None else actor.teams & {team}


def sees(actor: Actor, team: str) -> bool:
    """Say whether somebody may see episodes of a care team."""
    return actor.role in ALL_TEAMS or team in actor.teams


def require_seen(actor: Actor | None, episode: str, team: str) -> None:
    """Refuse to show an episode of another care team."""
    if actor is not None and not sees(actor, team):
        raise Refused(f"{actor.id} is not in care team {team!r} of episode {episode}: ask its lead to add you.")
