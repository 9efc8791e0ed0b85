"""How colleagues are reached and when they are away: in the vault only, and never printed whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import open_app
from storage.staff import Colleague, Staff
from tests.stepcare.conftest import ran

ADDRESS = "ann.canary@clinic.example"
NUMBER = "+49301234567"


def kept(site: Path, who: str = "ann") -> Colleague:
    """Give a colleague as the vault has them."""
    with open_app(site) as app:
        return Staff(app.database).find(who)


def test_an_address_is_kept_in_the_vault_and_shown_veiled(asked: Callable[..., Any], site: Path) -> None:
    """Enough to tell it from another, not enough to write to it; no file but the vault's holds it."""
    made = asked("user", "contact", "ann", f"email={ADDRESS}", f"sms={NUMBER}", "--order", "sms,email")
    shown = ran("user", "contact", "ann")

    assert dict(kept(site).contacts) == {"email": ADDRESS, "sms": NUMBER}
    assert kept(site).channels == ("sms", "email")
    assert made["contacts"] == {"email": "a…@clinic.example", "sms": "…567"}
    assert ADDRESS not in shown.stdout + shown.stderr
    assert NUMBER not in shown.stdout + shown.stderr
    holding = {file.name for file in site.rglob("*") if file.is_file() and ADDRESS.encode() in file.read_bytes()}
    assert all(name.startswith("vault") for name in holding)


def test_an_address_can_come_from_stdin(site: Path) -> None:
    """What stands on a command line can be seen by others on the machine."""
    found = ran("user", "contact", "ann", "email=-", stdin=f"{ADDRESS}\n")

    assert found.exit_code == 0
    assert kept(site).contacts["email"] == ADDRESS


def test_an_address_is_taken_away_by_writing_none(asked: Callable[..., Any], site: Path) -> None:
    """And its channel leaves the order with it."""
    asked("user", "contact", "ann", f"email={ADDRESS}", f"sms={NUMBER}", "--order", "sms,email")

    asked("user", "contact", "ann", "sms=")

    assert (dict(kept(site).contacts), kept(site).channels) == ({"email": ADDRESS}, ("email",))


def test_new_roles_leave_the_contacts_alone(asked: Callable[..., Any], site: Path) -> None:
    """`user add` says roles and teams; how somebody is reached is said elsewhere."""
    asked("user", "contact", "ann", f"email={ADDRESS}")

    asked("user", "add", "ann", "--role", "coordinator", "--role", "lead")

    assert kept(site).contacts["email"] == ADDRESS
    assert len(kept(site).roles) == 2


def test_a_dry_run_keeps_nothing(site: Path) -> None:
    """It says what would be."""
    assert ran("user", "contact", "ann", f"email={ADDRESS}", "--dry-run").exit_code == 0
    assert dict(kept(site).contacts) == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody", f"email={ADDRESS}"), 3, "user add"),
        (("ann", ADDRESS), 2, "channel=address"),
        (("ann", "email=ann canary@clinic.example"), 2, "one @"),
        (("ann", f"Email={ADDRESS}"), 2, "channel=address"),
        (("ann", "--order", "e mail"), 2, "channel"),
        (("ann", f"email={'a' * 300}@clinic.example"), 2, "254"),
    ],
)
def test_what_is_no_contact_says_what_to_write(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Errors help, and do not repeat an address."""
    found = ran("user", "contact", *words)

    assert found.exit_code == code
    assert said in found.stderr
    assert "canary@" not in found.stderr


def test_an_absence_is_a_decision_of_the_site(asked: Callable[..., Any], site: Path) -> None:
    """Who is away, until when, who hears in their stead: an entry, by whoever said it."""
    made = asked(
        "user", "away", "ann", "--cover", "otto", "--from", "2999-04-01", "--until", "2999-04-14", "--as", "lena:lead"
    )

    assert made["outcome"] == "accepted"
    with open_app(site) as app:
        (one,) = app.store.site().absences
    assert (one.who, one.cover) == ("ann", "otto")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ann", "--cover", "nobody", "--from", "2999-04-01", "--until", "2999-04-14"), 3, "user add"),
        (("ann", "--cover", "ann", "--from", "2999-04-01", "--until", "2999-04-14"), 2, "somebody else"),
        (("ann", "--cover", "otto", "--from", "2999-04-14", "--until", "2999-04-01"), 2, "ends after it began"),
        (("ann", "--cover", "otto", "--from", "next week", "--until", "2999-04-01"), 2, "YYYY-MM-DD"),
    ],
)
def test_an_absence_that_cannot_be_says_why(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Unknown cover, oneself as cover, the end before the beginning, no day."""
    found = ran("user", "away", *words, "--as", "lena:lead")

    assert found.exit_code == code
    assert said in found.stdout + found.stderr
