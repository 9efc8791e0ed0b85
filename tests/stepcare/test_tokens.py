"""`stepcare token`: made for a colleague, shown once, kept as a hash, taken back."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import open_app
from storage.tokens import find_token, hash_of
from tests.stepcare.conftest import Run


def test_a_secret_is_shown_once_and_kept_as_a_hash(asked: Callable[..., Any], run: Run, site: Path) -> None:
    """256 random bits; no file of the site holds them, and the list does not either."""
    made = asked("token", "add", "--for", "ann", "--scope", "read", "--scope", "write")
    listed = run("token", "list", "--output", "json").stdout

    found = re.fullmatch(r"sc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", made["token"])
    assert found is not None
    with open_app(site) as app:
        kept = find_token(app.database, found[1])
    assert kept is not None
    assert kept.secret_hash == hash_of(found[2])
    assert found[1] in listed
    assert found[2] not in listed
    assert kept.secret_hash not in listed
    assert not [file for file in site.iterdir() if file.is_file() and found[2].encode() in file.read_bytes()]


def test_two_tokens_are_two_secrets(asked: Callable[..., Any]) -> None:
    """Each is made anew."""
    first, second = (asked("token", "add", "--for", "ann")["token"] for _ in range(2))

    assert first != second


def test_a_token_reads_for_thirty_days_unless_more_is_said(asked: Callable[..., Any]) -> None:
    """The least that is useful: reading alone, and not for ever."""
    made = asked("token", "add", "--for", "ann")

    assert (made["scopes"], made["role"], made["status"]) == (["read"], "coordinator", "valid")
    assert made["expires_at"][:10] > made["created_at"][:10]


def test_one_of_several_roles_is_named(asked: Callable[..., Any], run: Run) -> None:
    """Lena is lead and assessor: a token is for one of them."""
    assert asked("token", "add", "--for", "lena", "--role", "lead")["role"] == "lead"
    assert run("token", "add", "--for", "lena").exit_code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--for", "nobody"), 3, "user"),
        (("--for", "ann", "--role", "lead"), 4, "does not act as"),
        (("--for", "ann", "--scope", "everything"), 2, "read"),
        (("--for", "ann", "--days", "0"), 2, "366"),
        (("--for", "ann", "--days", "367"), 2, "366"),
    ],
)
def test_a_token_is_for_somebody_in_a_role_they_hold(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    """Colleagues of the register, in their roles, for a known scope, for at most a year."""
    found = run("token", "add", *words)

    assert found.exit_code == code, found.stderr
    assert said in found.stderr


def test_a_revoked_token_stays_revoked(asked: Callable[..., Any], run: Run) -> None:
    """Doing it again changes nothing; the list says so; an unknown one is not found."""
    made = asked("token", "add", "--for", "ann")

    first = asked("token", "revoke", made["id"])
    again = asked("token", "revoke", made["id"])

    assert (first["changed"], again["changed"]) == (True, False)
    (listed,) = asked("token", "list")
    assert listed["status"] == "revoked"
    assert run("token", "revoke", "unknown").exit_code == 3


def test_a_dry_run_makes_and_takes_nothing(asked: Callable[..., Any], run: Run) -> None:
    """It says what would be done."""
    made = asked("token", "add", "--for", "ann")

    assert run("token", "add", "--for", "ann", "--dry-run").exit_code == 0
    assert run("token", "revoke", made["id"], "--dry-run").exit_code == 0
    (listed,) = asked("token", "list")
    assert (listed["id"], listed["status"]) == (made["id"], "valid")
