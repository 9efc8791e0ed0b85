"""Signing in to the pages: who it is, for how long, and where a form may come from."""

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from engine.model import Role
from stepcare.cli import app as command_line
from storage.passwords import TRIES, Passwords
from storage.sessions import IDLE, LONGEST
from storage.staff import Colleague, Staff
from tests.web.browser import PASSWORD, Browser, hidden_of, signed_in, words_of
from tests.web.conftest import House


def test_whoever_is_not_signed_in_is_asked_to_and_sent_on_afterwards(house: House) -> None:
    """A shared address of a worklist works for whoever signs in first."""
    browser = Browser(house)
    sent = browser.get("/caseload?state=intake")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?back=/caseload%3Fstate%3Dintake")
    page = browser.get(sent.headers["location"])
    Passwords(house.app.database).keep("ann", PASSWORD)
    done = browser.fill(page, "/sign-in", who="ann", password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/caseload?state=intake")
    assert browser.get("/caseload?state=intake").status_code == 200


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site_after_signing_in(house: House, back: str) -> None:
    """An address that leads away is not followed."""
    Passwords(house.app.database).keep("ann", PASSWORD)
    done = Browser(house).post("/sign-in", {"who": "ann", "password": PASSWORD, "back": back})
    assert done.headers["location"] == "/worklist"


@pytest.mark.parametrize(("who", "password"), [("ann", "not this one at all"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_are_answered_alike(house: House, who: str, password: str) -> None:
    """Whoever tries names learns nothing; what was typed as a password never comes back."""
    Passwords(house.app.database).keep("ann", PASSWORD)
    answer = Browser(house).post("/sign-in", {"who": who, "password": password})
    assert answer.status_code == 401
    assert "Name and password do not fit together" in words_of(answer)
    assert not password or password not in answer.text
    assert "set-cookie" not in answer.headers


def test_a_name_is_tried_a_few_times_only(own_house: House) -> None:
    """After that even the right password waits a quarter of an hour."""
    Passwords(own_house.app.database).keep("ann", PASSWORD)
    browser = Browser(own_house)
    for _ in range(TRIES):
        assert browser.post("/sign-in", {"who": "ann", "password": "wrong, wrong, wrong"}).status_code == 401
    assert browser.post("/sign-in", {"who": "ann", "password": PASSWORD}).status_code == 401
    own_house.clock.forward(minutes=16)
    assert browser.post("/sign-in", {"who": "ann", "password": PASSWORD}).status_code == 303


def test_a_password_is_kept_as_argon2id_only(house: House) -> None:
    """Neither the database nor the vault holds the word itself."""
    Passwords(house.app.database).keep("pia", PASSWORD)
    vault = house.app.database.backend.vault
    files = b"".join(path.read_bytes() for path in sorted(vault.parent.glob(f"{vault.name}*")))
    assert b"$argon2id$" in files
    assert PASSWORD.encode() not in files


def test_a_session_ends_when_nobody_uses_it(own_house: House) -> None:
    """A screen left alone over lunch shows nobody's data."""
    browser = signed_in(own_house, "ann")
    for _ in range(4):
        own_house.clock.forward(seconds=(IDLE - timedelta(minutes=1)).total_seconds())
        assert browser.get("/worklist").status_code == 200
    own_house.clock.forward(seconds=(IDLE + timedelta(minutes=2)).total_seconds())
    assert browser.get("/worklist").status_code == 303


def test_a_session_ends_after_a_working_day_however_busy(own_house: House) -> None:
    """Whoever works on signs in anew."""
    browser = signed_in(own_house, "ann")
    steps = int(LONGEST / timedelta(minutes=20))
    for _ in range(steps):
        own_house.clock.forward(minutes=20)
        assert browser.get("/caseload").status_code == 200
    own_house.clock.forward(minutes=1)
    assert browser.get("/caseload").status_code == 303


def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    """A copied cookie is worth nothing afterwards."""
    browser = signed_in(house, "ann")
    copied = dict(browser.cookies)
    page = browser.get("/worklist")
    assert browser.fill(page, "/sign-out").status_code == 303
    assert Browser(house, copied).get("/worklist").status_code == 303


def test_a_role_that_was_taken_away_ends_the_session(own_house: House) -> None:
    """What counts is the register of colleagues as it is now."""
    browser = signed_in(own_house, "lena", "lead")
    assert browser.get("/worklist").status_code == 200
    Staff(own_house.app.database).add(Colleague(id="lena", roles=(Role.ASSESSOR,), teams=("main",)))
    assert browser.get("/worklist").status_code == 303


def test_the_cookie_cannot_be_read_by_a_script_nor_sent_from_elsewhere(house: House) -> None:
    """HttpOnly and SameSite always, Secure wherever the browser came over TLS."""
    Passwords(house.app.database).keep("ann", PASSWORD)
    form = {"who": "ann", "password": PASSWORD}
    plain = Browser(house).post("/sign-in", form).headers["set-cookie"]
    behind = Browser(house).post("/sign-in", form, X_Forwarded_Proto="https").headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" in behind


@pytest.mark.parametrize(
    "headers", [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "https://evil.example"}]
)
def test_a_form_from_another_site_is_not_taken(house: House, headers: dict[str, str]) -> None:
    """Whatever it holds."""
    browser = signed_in(house, "ann")
    csrf = hidden_of(browser.get("/worklist"))["csrf"]
    assert browser.post("/sign-out", {"csrf": csrf}, **headers).status_code == 403
    assert browser.get("/worklist").status_code == 200


def test_a_form_without_its_sessions_own_word_is_not_taken(house: House) -> None:
    """Nor with another session's."""
    ann, ravi = signed_in(house, "ann"), signed_in(house, "ravi")
    theirs = hidden_of(ravi.get("/worklist"))["csrf"]
    for form in ({"csrf": ""}, {"csrf": theirs}):
        assert ann.post("/sign-out", form).status_code == 403
    assert ann.get("/worklist").status_code == 200


def test_without_a_demonstration_nobody_signs_in_by_a_click(house: House) -> None:
    """And the page does not list who is here."""
    answer = Browser(house).post("/sign-in", {"who": "adam"})
    assert answer.status_code == 401
    assert "Be adam" not in Browser(house).get("/sign-in").text


def test_an_administrator_sets_a_password_and_whoever_was_signed_in_is_signed_out(own_house: House) -> None:
    """Whoever knew the old one is out at once."""
    browser = signed_in(own_house, "ann")
    place = str(own_house.app.database.backend.vault.parent)
    asked = ["--data", place, "--as", "adam", "user", "password", "ann"]
    told = CliRunner().invoke(command_line, asked, input="another short sentence\n")
    assert told.exit_code == 0, told.stderr
    assert "another short sentence" not in told.stdout + told.stderr
    assert browser.get("/worklist").status_code == 303
    again = Browser(own_house).post("/sign-in", {"who": "ann", "password": "another short sentence"})
    assert again.status_code == 303
    refused = CliRunner().invoke(command_line, [*asked[:3], "ravi", *asked[4:]], input="my own idea of it\n")
    short = CliRunner().invoke(command_line, asked, input="short\n")
    assert (refused.exit_code, short.exit_code) == (4, 2)
