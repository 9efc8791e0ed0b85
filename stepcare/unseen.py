"""What somebody is told who gives a command about an episode they may not see; the command line and the API ask here."""

from typing import Any

from engine.access import may_read
from engine.model import Actor, Episode
from engine.service import Answer
from stepcare.answers import Row
from stepcare.sight import sees

PERMISSION = "ROLE-01"  # what a refusal by role or care team is called in a decision
# What somebody is told who may ask something of an episode (raise a concern, say) without belonging to its care team.
OUTSIDE = frozenset(
    {
        *("at", "by", "role", "command", "asked", "id", "episode", "occurred_at", "outcome", "transition", "taken"),
        *("failed", "problem", "entry", "repeated"),
    }
)


def sees_answer(actor: Actor, answer: Answer) -> bool:
    """Say whether somebody may read the episode an answer is about."""
    before = answer.before
    if not isinstance(before, Episode) or not before.version:
        return True  # the site's, or an episode that was not there before
    return may_read(actor, "episode") and sees(actor, before.team)


def unseen(row: Row) -> Row:
    """Give what came of it, and nothing of how the person is."""
    rules: Any = row["rules"]
    return {
        **{name: value for name, value in row.items() if name in OUTSIDE},
        "rules": [rule for rule in rules if rule["id"] == PERMISSION],
    }
