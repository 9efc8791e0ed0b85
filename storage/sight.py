"""Whose an episode is: the care teams of episodes, from the clear columns, without opening anything."""

from collections.abc import Iterable

from engine.errors import NotFound
from storage.database import Database

TEAM = "SELECT team FROM episode WHERE id = :id"
WHOSE = "SELECT team, person_ref FROM episode WHERE id = :id"
OF_TEAM = "SELECT id FROM episode WHERE team = :team"


def team_of(database: Database, episode: str) -> str:
    """Give the care team of one episode; raises NotFound."""
    found = teams_of_episodes(database, (episode,)).get(episode)
    if found is None:
        raise NotFound(what="episode", name=episode[:40], remedy="`stepcare episode list` shows those that are here")
    return found


def whose(database: Database, episode: str) -> tuple[str, str]:
    """Give the care team of one episode, and the person it is of; raises NotFound."""
    found = database.look(WHOSE, {"id": episode})
    if found is None:
        raise NotFound(what="episode", name=episode[:40], remedy="`stepcare episode list` shows those that are here")
    return str(found[0]), str(found[1])


def teams_of_episodes(database: Database, episodes: Iterable[str]) -> dict[str, str]:
    """Give the care team of each episode that is here."""
    found: dict[str, str] = {}
    with database.reading() as connection:
        for episode in dict.fromkeys(episodes):
            row = connection.execute(TEAM, {"id": episode}).fetchone()
            if row is not None:
                found[episode] = row[0]
    return found


def episodes_of_teams(database: Database, teams: Iterable[str]) -> list[str]:
    """Give every episode of these care teams."""
    with database.reading() as connection:
        return [row[0] for team in sorted(set(teams)) for row in connection.execute(OF_TEAM, {"team": team}).fetchall()]
