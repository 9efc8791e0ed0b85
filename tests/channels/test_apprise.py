"""The real library, where it is installed: a service on loopback gets the message once, and a silent one is unknown."""

import pytest

from stepcare.channels.apprise_extra import Apprise
from tests.channels.conftest import PARCEL, a_parcel
from tests.channels.webhost import a_service, hangs, says

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated"),  # what the library loads is its own
]


def test_a_message_goes_through_the_library() -> None:
    """Once, with the receiver's address in its place."""
    with a_service(says(200)) as service:
        channel = Apprise(url=f"json://127.0.0.1:{service.port}/{{to}}", name="chat", seconds=5)

        result = channel.send(PARCEL)

    assert (result.status, len(service.came)) == ("accepted", 1)
    assert PARCEL.text.split()[0] in service.bodies()[0]["message"]


def test_a_refusal_is_tried_again_later_and_not_by_the_library() -> None:
    """One request, whatever a retry in the address asks for."""
    with a_service(says(500)) as service:
        channel = Apprise(url=f"json://127.0.0.1:{service.port}/{{to}}?retry=3", name="chat", seconds=5)

        result = channel.send(PARCEL)

    assert (result.status, len(service.came)) == ("temporary", 1)


def test_silence_is_unknown() -> None:
    """The service has it, and does not answer in time."""
    with a_service(hangs) as service:
        channel = Apprise(url=f"json://127.0.0.1:{service.port}/{{to}}", name="chat", seconds=0.5)

        result = channel.send(a_parcel())

    assert (result.status, result.code) == ("unknown", "silent")
