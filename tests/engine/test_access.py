"""Who may ask for what: the whole table, default deny, the care team included."""

import pytest

from engine.access import MAY, READS, cares_for, may_command, may_read, why_not
from engine.model import Actor, Episode, Kind, Person, Role

# The table once more, typed by hand as the oracle: c(oordinator) a(ssessor) p(roceduralist) l(ead) o(wner of
# pathways) d (administrator) s(ervice). Whoever is not named may not.
ORACLE = {
    Kind.REGISTER: "cal",
    Kind.RECORD: "capl",
    Kind.MOVE: "caplodr",  # and no job: it fires, delivers and notes, and moves nobody
    Kind.PLAN: "apl",
    Kind.START: "apl",
    Kind.STOP: "apl",
    Kind.CONTACT: "capl",
    Kind.ASSIGN: "cal",
    Kind.SNOOZE: "cal",
    Kind.CORRECT: "capl",
    Kind.SIGN_OFF: "aplodr",
    Kind.PUBLISH: "o",
    Kind.SET_PARAMETER: "old",
    Kind.FIRE: "s",
    Kind.DELIVER: "s",
    Kind.RESEND: "cal",
    Kind.OPT_OUT: "capls",
    Kind.CLOCK: "s",
    Kind.ABSENCE: "cald",
    Kind.HOLD: "r",
    Kind.RELEASE: "r",
    Kind.ERASE: "r",
    Kind.DESTROYED: "s",
    Kind.RETAIN: "sdr",
    Kind.CENSUS: "s",
    Kind.LOG_KEY: "d",
    Kind.VAULT_KEY: "d",
}
LETTERS = {
    "c": Role.COORDINATOR,
    "a": Role.ASSESSOR,
    "p": Role.PROCEDURALIST,
    "l": Role.LEAD,
    "o": Role.PATHWAY_OWNER,
    "r": Role.PRIVACY_OFFICER,
    "d": Role.ADMINISTRATOR,
    "s": Role.SERVICE,
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_what_the_table_says_and_nothing_else(kind: Kind, role: Role) -> None:
    """Every role against every command: the auditor and the outsider change nothing, ever."""
    allowed = {LETTERS[letter] for letter in ORACLE[kind]}

    assert may_command(Actor(id="x", role=role), kind) is (role in allowed)


def test_every_command_has_a_row() -> None:
    """A new command is closed to everybody until somebody writes its row."""
    assert set(MAY) == set(Kind) == set(ORACLE)


def test_what_is_not_in_the_read_table_nobody_reads() -> None:
    """An unknown thing is read by nobody; the outsider reads nothing."""
    lead, outsider = Actor(id="l", role=Role.LEAD), Actor(id="o", role=Role.OUTSIDER)

    assert not may_read(lead, "everything")
    assert may_read(lead, "log")
    assert not any(may_read(outsider, what) for what in READS)


def test_a_coordinator_of_another_team_is_told_whom_to_ask() -> None:
    """Belonging to the care team is part of the table, not a courtesy."""
    episode = Episode(id="e1", person=Person(id="p1"), team="north", version=3)
    stranger = Actor(id="ann", role=Role.COORDINATOR, teams=frozenset({"south"}))

    assert not cares_for(stranger, episode)
    assert "ask its lead" in why_not(stranger, Kind.ASSIGN, episode)


def test_the_worker_serves_every_team() -> None:
    """A timer fires whoever cares for the episode."""
    episode = Episode(id="e1", person=Person(id="p1"), team="north", version=3)

    assert why_not(Actor(id="worker", role=Role.SERVICE), Kind.FIRE, episode) == ""


def test_a_refusal_by_role_names_who_may() -> None:
    """Nobody is sent away without being told whom to ask."""
    assert "pathway_owner" in why_not(Actor(id="ann", role=Role.COORDINATOR), Kind.PUBLISH, None)
