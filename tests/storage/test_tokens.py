"""Tokens as they are kept: whole, as hashes, taken back once and for ever; and whose an episode is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import NotFound
from engine.model import Role
from storage.sight import team_of, teams_of_episodes
from storage.tokens import Scope, Token, add_token, all_tokens, find_token, hash_of, revoke_token
from tests.storage.acts import NOW, Acts

TOKEN = Token(
    id="a1",
    secret_hash=hash_of("secret"),
    actor="ann",
    role=Role.COORDINATOR,
    scopes=frozenset({Scope.METRICS, Scope.READ}),
    created_at=NOW,
    expires_at=NOW + timedelta(days=30),
)


def test_a_token_comes_back_as_it_was_kept(acts: Acts) -> None:
    """Every member, in both kinds of database; the oldest first."""
    database = acts.store.database
    younger = replace(TOKEN, id="a0", created_at=NOW + timedelta(seconds=1), revoked_at=NOW + timedelta(days=1))
    add_token(database, TOKEN)
    add_token(database, younger)

    assert find_token(database, "a1") == TOKEN
    assert all_tokens(database) == [TOKEN, younger]
    assert find_token(database, "a2") is None


def test_a_secret_fits_its_own_token_alone() -> None:
    """Compared as hashes; half a character is no secret and no crash."""
    assert TOKEN.is_secret("secret")
    assert not TOKEN.is_secret("secret ")
    assert not TOKEN.is_secret("\ud800")
    assert "secret" not in repr(TOKEN).replace("secret_hash", "")


def test_a_token_is_taken_back_once(acts: Acts) -> None:
    """The first moment stays; an unknown one is not found."""
    database = acts.store.database
    add_token(database, TOKEN)

    first = revoke_token(database, "a1", NOW + timedelta(hours=1))
    again = revoke_token(database, "a1", NOW + timedelta(hours=2))
    kept = find_token(database, "a1")

    assert (first, again) == (True, False)
    assert kept is not None
    assert kept.revoked_at == NOW + timedelta(hours=1)
    with pytest.raises(NotFound, match="token list"):
        revoke_token(database, "a9", NOW)


def test_an_episode_belongs_to_its_care_team(acts: Acts) -> None:
    """Read from the clear columns; of what is not here nothing is said."""
    database = acts.store.database
    acts.register("e1", "p1")

    assert team_of(database, "e1") == "main"
    assert teams_of_episodes(database, ["e1", "e2", "e1"]) == {"e1": "main"}
    with pytest.raises(NotFound, match="episode list"):
        team_of(database, "e2")
