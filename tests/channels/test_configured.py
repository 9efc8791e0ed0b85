"""The file of channels: what it may say, where its secrets are, and that every mistake is named with its place."""

import base64
import builtins
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidInput
from stepcare.channels.configured import BadChannels, Configured, channels_from, configured
from stepcare.channels.files import File
from stepcare.channels.port import FAULTS
from stepcare.channels.settings import Shape
from stepcare.channels.smtp import Smtp
from stepcare.channels.smtp_replies import BARE, WORDS
from stepcare.channels.webhook import Webhook
from tests.channels.conftest import NOW, PARCEL

EXAMPLE = Path(__file__).parents[2] / "deploy" / "channels.example.yaml"
IN_THE_ENVIRONMENT = {"SMTP_PASSWORD": "s3cret"}
KEY = bytes(range(32))
TEXT = "whsec_" + base64.b64encode(KEY).decode()
SMTP = """\
channels:
  email:
    kind: smtp
    host: smtp.example.org
    sender: clinic@clinic.example
"""


def read(folder: Path, text: str, **environ: str) -> Configured:
    """Read a file of channels."""
    path = folder / "channels.yaml"
    path.write_text(text)
    return configured(path, clock=lambda: NOW, environ=environ)


def secret(folder: Path, name: str, text: str = TEXT) -> Path:
    """Keep a secret as its owner would."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    path.write_text(text)
    return path


def test_the_example_is_one(tmp_path: Path) -> None:
    """What lies in deploy/ can be used as it is, once its secrets are there."""
    for name in ("smtp-password", "sms-signing", "sms-receipts", "unsubscribe"):
        secret(tmp_path, f"secrets/{name}")

    found = read(tmp_path, EXAMPLE.read_text())

    assert sorted(found.channels) == ["console", "email", "letter", "sms"]
    assert {name: one.on_unknown for name, one in found.channels.items()} == {
        "console": "resend", "email": "hand_over", "letter": "ask", "sms": "resend",
    }  # fmt: skip
    assert (found.rates["email"].channel.per_second, found.rates["email"].person.burst) == (2, 2)
    assert (found.site_rate.per_second, found.receipts) == (10, {"sms": (KEY,)})
    assert found.one_click is not None
    assert found.one_click.address == "https://clinic.example"
    mail = found.channels["email"]
    assert isinstance(mail, Smtp)
    assert (mail.server.password, mail.server.tls) == (TEXT, "starttls")
    assert isinstance(found.channels["sms"], Webhook)
    assert TEXT not in repr(found)


def test_without_a_file_messages_are_written_down(tmp_path: Path) -> None:
    """The console, and a file in the data directory where there is one; nothing is sent to anybody."""
    there, nowhere = channels_from(None, place=tmp_path), channels_from(None)

    assert (sorted(there), sorted(nowhere)) == (["console", "file"], ["console"])
    assert isinstance(there["file"], File)
    assert there["file"].path.parent == tmp_path


def test_a_secret_is_in_a_file_of_its_owner_or_in_the_environment(tmp_path: Path) -> None:
    """Relative to the file of channels; read once."""
    secret(tmp_path, "pw", "s3cret\n")
    signed_in = SMTP + "    user: clinic\n    password: "

    found = [
        read(tmp_path, signed_in + "{file: pw}\n").channels["email"],
        read(tmp_path, signed_in + "{environment: SMTP_PASSWORD}\n", **IN_THE_ENVIRONMENT).channels["email"],
    ]

    assert [one.server.password for one in found if isinstance(one, Smtp)] == ["s3cret", "s3cret"]


WRONG: dict[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "no channels": ("channels: {}\n", "1:1: dictionary should have at least 1 item"),
    "a word unknown": (SMTP + "    colour: red\n", "6:13: there is no word 'colour' here"),
    "no host": ("channels:\n  email:\n    kind: smtp\n    sender: a@b.example\n", "'host' is missing here"),
    "a kind unknown": ("channels:\n  email:\n    kind: pigeon\n", "2:3: input tag"),
    "a port too high": (SMTP + "    port: 70000\n", "6:11: input should be less than or equal to 65535"),
    "a sender that is none": (SMTP.replace("clinic@clinic.example", "clinic"), "5:13: this is no mail address"),
    "in clear over the net": (SMTP + "    tls: none\n", "6:10: only a server on this machine"),
    "no password": (SMTP + "    user: clinic\n", "6:11: whoever signs in needs a password"),
    "a password in clear": (SMTP + "    user: clinic\n    password: s3cret\n", "7:15"),
    "a password nowhere": (SMTP + "    user: clinic\n    password: {file: none}\n", "none cannot be read"),
    "one open to others": (SMTP + "    user: clinic\n    password: {file: open}\n", "run chmod 600"),
    "one in our settings": (SMTP + "    user: x\n    password: {environment: STEPCARE_PW}\n", "another name"),
    "one not set": (SMTP + "    user: x\n    password: {environment: PW}\n", "is empty or not there"),
    "two places": (SMTP + "    user: x\n    password: {environment: PW, file: pw}\n", "either a file or"),
    "http": (
        "channels:\n  sms:\n    kind: webhook\n    url: http://sms.example\n    secrets: [{file: good}]\n",
        "4:10: messages go to https addresses only",
    ),
    "a short secret": (
        "channels:\n  sms:\n    kind: webhook\n    url: https://sms.example\n    secrets: [{file: short}]\n",
        "5:15: the secret must be whsec_",
    ),
    "no secret": (
        "channels:\n  sms:\n    kind: webhook\n    url: https://sms.example\n    secrets: []\n",
        "5:5: list should have at least 1 item",
    ),
    "apprise without a place": (
        "channels:\n  chat:\n    kind: apprise\n    url: {file: good}\n",
        "4:5: the address must hold {to} once",
    ),
    "certificates that are none": (SMTP + "    trust: good\n", "6:12: this file of certificates cannot be read"),
    "twice the same": (SMTP + "    host: other.example\n", "6:5"),
    "unsubscribing in clear": (
        SMTP + "unsubscribe: {address: 'http://c.example', key: {file: good}}\n",
        "6:24: string should match",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """File, line and column, and what to do; never the secret itself."""
    secret(tmp_path, "good")
    secret(tmp_path, "short", "whsec_AAAA")
    secret(tmp_path, "open").chmod(0o640)

    with pytest.raises(BadChannels) as error:
        read(tmp_path, text)

    assert said in str(error.value)
    assert all(f"{tmp_path}/channels.yaml:" in one.place for one in error.value.findings)
    assert "s3cret" not in str(error.value)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    """Three wrong things, three findings."""
    text = SMTP.replace("clinic@clinic.example", "clinic") + "    tls: none\n    user: clinic\n"

    with pytest.raises(BadChannels) as error:
        read(tmp_path, text)

    assert len(error.value.findings) == 3


# --- Apprise ------------------------------------------------------------------------------------------------------


class Spoken:
    """Stands in for the library where what it says matters, and not how it sends."""

    def __init__(self, status: str) -> None:
        """Say this."""
        self.status, self.asked = status, list[dict[str, Any]]()
        self.NotifyFormat = type("Formats", (), {"TEXT": "text"})
        outer = self

        class Sender:
            @staticmethod
            def instantiate(url: str) -> Any:
                outer.asked.append({"url": url})
                return type("Target", (), {"__len__": lambda _: 1})()

            def add(self, target: Any) -> None:
                outer.asked[-1]["target"] = target

            def notify(self, **said: Any) -> Any:
                outer.asked[-1] |= said
                return type("Said", (), {"status": type("Status", (), {"name": outer.status})})

        self.Apprise = Sender


def through(status: str) -> tuple[Any, Spoken]:
    """Send the parcel through a library that says this."""
    apprise = importlib.import_module("stepcare.channels.apprise_extra")
    library = Spoken(status)
    channel = apprise.Apprise(url="json://here/{to}?x=1", name="chat", seconds=7, library=library)
    return channel.send(PARCEL), library


def test_what_the_library_says_has_one_meaning() -> None:
    """Its time-out is unknown: it may have been taken."""
    found = {name: through(name)[0].status for name in ("SUCCESS", "FAILURE", "TIMEOUT", "PARTIAL", "NOMATCH")}

    assert found == {
        "SUCCESS": "accepted", "FAILURE": "temporary", "TIMEOUT": "unknown", "PARTIAL": "unknown",
        "NOMATCH": "permanent",
    }  # fmt: skip


def test_one_receiver_a_call_and_no_tries_of_its_own() -> None:
    """The address stands quoted in the service's, so that it can say nothing else; the wait outlasts the call."""
    _, library = through("SUCCESS")

    asked = library.asked[0]
    assert asked["url"] == "json://here/zelda.canary%40example.org?x=1"
    assert (asked["target"].retry, asked["target"].optional, asked["timeout"]) == (0, False, 7)
    assert asked["target"].socket_read_timeout > asked["timeout"]


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At the start, with the place in the file, and not with the first message."""
    secret(tmp_path, "url", "json://here/{to}")
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "apprise":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(importlib, "import_module", missing)

    with pytest.raises(InvalidInput, match=r"install stepcare\[apprise\]"):
        read(tmp_path, "channels:\n  chat:\n    kind: apprise\n    url: {file: url}\n")


# --- the page -----------------------------------------------------------------------------------------------------

PAGE = (EXAMPLE.parents[1] / "docs" / "channels.md").read_text()


def test_the_page_explains_every_word_of_the_file() -> None:
    """What a channel may say stands in docs/channels.md, each word of it."""
    shapes: list[type[Shape]] = [*Shape.__subclasses__()]
    for one in shapes:
        shapes += one.__subclasses__()
    words = {word for one in shapes for word in one.model_fields}

    assert sorted(word for word in words - {"channels"} if f"`{word}`" not in PAGE and f"{{{word}:" not in PAGE) == []


def test_the_page_names_every_word_of_a_code() -> None:
    """So that whoever reads a code finds what it means; those against the channel are in their rows."""
    said = {word for line in PAGE.splitlines() if line.endswith("| yes |") for word in re.findall(r"`(\w+)`", line)}
    source = "".join(path.read_text() for path in (EXAMPLE.parents[1] / "stepcare" / "channels").glob("*.py"))
    made = re.findall(r"(?:accepted|temporary|permanent|unknown)\(\s*f?\"([a-z_]+)", source)

    assert said == FAULTS | {"raised"}
    assert {word for word in {*made, *WORDS.values(), *BARE.values()} if f"`{word}`" not in PAGE} == set()
