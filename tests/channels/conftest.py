"""Parcels with a canary in everything that must not show, and a certificate for loopback."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stepcare.channels.mail import Mailbox, Sender
from stepcare.channels.port import Parcel
from stepcare.channels.smtp import Server, Smtp
from tests.channels.mailhost import HOST, Certificate, make_certificate
from tests.worlds import utc

NOW = utc(2026, 3, 2, 9)
CANARIES = ("zelda.canary", "Wren-Canary", "finch canary")  # address, subject, text
PARCEL = Parcel(
    key="ep1:triage@0:patient:email",
    channel="email",
    to="zelda.canary@example.org",
    subject="Your next visit Wren-Canary",
    text="Please call the clinic, finch canary.\n.A line that begins with a dot\n",
    language="en",
)


def a_parcel(**more: Any) -> Parcel:
    """Give the parcel, changed."""
    return replace(PARCEL, **more)


def mailbox(text: str) -> Mailbox:
    """Give an address that is one."""
    found = Mailbox.parse(text)
    assert found is not None
    return found


SENDER = Sender(mailbox=mailbox("clinic@clinic.example"), name="Die Klinik für Rücken")


OPENED: list[Smtp] = []


def mailing(port: int, seconds: float = 0.3, whole: float = 14, **more: Any) -> Smtp:
    """Give a channel to a server on loopback; each step has `seconds`, all together `whole`."""
    server = Server(
        host=HOST,
        port=port,
        **{"tls": "none", **more},
        connect_seconds=seconds,
        command_seconds=seconds,
        text_seconds=seconds,
        seconds=whole,
    )
    channel = Smtp(server=server, sender=SENDER, clock=lambda: NOW)
    OPENED.append(channel)
    return channel


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Make a certificate once."""
    folder: Path = tmp_path_factory.mktemp("tls")
    return make_certificate(folder)


@pytest.fixture(autouse=True)
def nothing_shows(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Any:
    """Whatever a test does, no address, subject or text gets into a log or onto the terminal."""
    yield
    while OPENED:
        OPENED.pop().close()
    shown = caplog.text + "".join(capfd.readouterr())
    assert not [canary for canary in CANARIES if canary in shown]
