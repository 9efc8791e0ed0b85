"""`due bounce` and `channels check`: what comes back by mail, and a file of channels before anybody relies on it."""

import json
from pathlib import Path

import pytest

from stepcare.channels.smtp import Smtp
from stepcare.desk.outside import MOST_BYTES, SAID
from tests.channels.test_configured import EXAMPLE, SMTP, TEXT, secret
from tests.channels.test_inbound import SENT, a_sent_message, declined, house, ready
from tests.stepcare.conftest import ran
from tests.web.conftest import House

__all__ = ["house", "ready"]
STOP, ASKS = (f"In-Reply-To: {SENT}\r\n\r\n{text}\r\n" for text in ("Stop!", "May I come later?"))
FOREIGN = f"In-Reply-To: <{'0' * 40}@clinic.example>\r\n\r\nSTOP\r\n"


@pytest.fixture
def sent(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the settings at a house from which a message has gone out; gives its episode."""
    monkeypatch.setenv("STEPCARE_DATABASE", str(tmp_path / "data"))
    return a_sent_message(house)[0]


def test_a_mail_that_came_back_is_acted_on_from_the_command_line(house: House, sent: str) -> None:
    """Exit 0 where it is done; 3 where somebody has to read it, so that a mail server keeps it."""
    found = [ran("due", "bounce", stdin=mail) for mail in (STOP, STOP, FOREIGN, ASKS)]

    assert [(one.stdout, one.exit_code) for one in found] == [
        ("kept\n", 0), ("known\n", 0), ("not_ours\n", 3), ("nothing\n", 3)
    ]  # fmt: skip
    assert [one.stderr.strip() for one in found] == [SAID[one.stdout.strip()][0] for one in found]
    assert [one["opted_out"] for one in declined(house.app.store.episode(sent))] == [["email"]]


def test_a_mail_to_another_channel_s_mailbox_is_not_ours(sent: str) -> None:
    """References are the channel's own."""
    found = ran("due", "bounce", "--channel", "post", "--output", "json", stdin=STOP)

    assert sent
    assert (json.loads(found.stdout), found.exit_code) == ({"status": "not_ours"}, 3)


def test_a_no_that_cannot_be_kept_ends_as_not_carried_out(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4: a person has to record it by hand."""
    monkeypatch.setattr("stepcare.channels.reported._about", lambda *_: [])

    found = ran("due", "bounce", stdin=STOP)

    assert sent
    assert (found.stdout, found.exit_code) == ("not_kept\n", 4)


@pytest.mark.parametrize(
    ("words", "data", "said"),
    [(("--dry-run",), STOP, "leave --dry-run out"), ((), "x" * (MOST_BYTES + 1), "read it yourself")],
)
def test_what_is_no_mail_to_take_is_refused(sent: str, words: tuple[str, ...], data: str, said: str) -> None:
    """Nothing is decided halfway, and nothing endless is read."""
    found = ran("due", "bounce", *words, stdin=data)

    assert sent
    assert found.exit_code == 2
    assert said in found.stderr


def test_a_file_of_channels_can_be_looked_over(tmp_path: Path) -> None:
    """What each channel does, and nothing secret: no address, no key, no password."""
    for name in ("smtp-password", "sms-signing", "sms-receipts", "unsubscribe"):
        secret(tmp_path, f"secrets/{name}")
    file = tmp_path / "channels.yaml"
    file.write_text(EXAMPLE.read_text())

    told = ran("channels", "check", str(file))
    found = json.loads(ran("channels", "check", str(file), "--output", "json").stdout)

    assert told.exit_code == 0, told.stderr
    assert [(one["name"], one["kind"], one["receipts"]) for one in found["channels"]] == [
        ("console", "console", False), ("email", "smtp", False), ("letter", "file", False), ("sms", "webhook", True)
    ]  # fmt: skip
    assert (found["unsubscribe"], found["site_per_minute"]) == (True, "600")
    assert "email (smtp): 2 at once, 120 a minute (10 at once), to one person 2; unknown: hand_over" in told.stdout
    for hidden in (TEXT, TEXT[6:], "sms.example.org", "smtp.example.org"):
        assert hidden not in told.stdout
        assert hidden not in json.dumps(found)


def test_every_mistake_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, line and column, for people and programs; the file is that of the settings where none is named."""
    file = tmp_path / "channels.yaml"
    file.write_text(SMTP.replace("host:", "hots:"))
    monkeypatch.setenv("STEPCARE_CHANNELS", str(file))

    told = ran("channels", "check")
    found = json.loads(ran("channels", "check", "--output", "json").stderr)

    assert told.exit_code == found["exit"] == 2
    assert f"{file}:2:3: 'host' is missing here" in told.stderr
    assert f"{file}:4:11: there is no word 'hots' here" in told.stderr
    assert found["code"] == "bad-channels"
    assert sorted((one["line"], one["column"]) for one in found["findings"]) == [(2, 3), (4, 11)]


def test_without_a_file_messages_are_written_down() -> None:
    """And that is said; nothing was opened for it."""
    assert "nothing is sent, messages are written down" in ran("channels", "check").stdout


def test_a_check_lets_go_of_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is left open."""
    file, closed = tmp_path / "channels.yaml", list[str]()
    file.write_text(SMTP)
    monkeypatch.setattr(Smtp, "close", lambda one: closed.append(one.name))

    assert ran("channels", "check", str(file)).exit_code == 0
    assert closed == ["email"]
