"""Apprise as a channel: the many services it knows, where mail and webhooks are not enough. An extra of its own.

It says less than we would like: whether a service refused or broke off is one answer to it. So one message goes to one
receiver a call, its own retries are off, and its wait for an answer is longer than the whole call may take: what hangs
comes back as a time-out, which is unknown, and what comes back as failed was not taken.
"""

import importlib
import logging
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from engine.errors import InvalidInput
from stepcare.channels.port import OnUnknown, Parcel, Result, accepted, permanent, temporary, unknown

TARGET = "{to}"


def loaded() -> Any:
    """Load Apprise, kept from saying addresses in its own log; InvalidInput where it is not installed."""
    try:
        found: Any = importlib.import_module("apprise")
    except ImportError:
        raise InvalidInput(
            "A channel of kind apprise needs the extra of that name: install stepcare[apprise], or take another kind."
        ) from None
    quiet = logging.getLogger("apprise")
    quiet.handlers, quiet.propagate = [logging.NullHandler()], False
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Apprise:
    """A channel through Apprise. `url` is its address of the service, with `{to}` where the receiver's stands."""

    url: str = field(repr=False)
    name: str
    on_unknown: OnUnknown = "hand_over"
    at_once: int = 2
    seconds: float = 12.0
    library: Any = field(default_factory=loaded, repr=False)

    @property
    def deadline(self) -> float:
        """Give the time for a call, and a little for beginning it."""
        return self.seconds + 3.0

    def send(self, parcel: Parcel) -> Result:
        """Notify one receiver."""
        found = self.library.Apprise.instantiate(self.url.replace(TARGET, quote(parcel.to, safe="")))
        if found is None:
            return permanent("unsendable")  # no address of that service
        found.retry, found.optional = 0, False  # an optional one would call its failure a success
        if len(found) != 1:
            return permanent("unsendable")  # more than one receiver is hidden in it
        found.socket_connect_timeout = min(5.0, self.seconds)
        found.socket_read_timeout = 2 * self.seconds
        sender = self.library.Apprise()
        sender.add(found)
        said = sender.notify(
            body=parcel.text, title=parcel.subject, body_format=self.library.NotifyFormat.TEXT, timeout=self.seconds
        )
        match said.status.name:
            case "SUCCESS":
                return accepted("taken")
            case "FAILURE":
                return temporary("server")
            case "NOMATCH":
                return permanent("unsendable")
        return unknown("silent")

    def ask(self, parcel: Parcel) -> Result | None:
        """Say nothing: Apprise keeps no account of what it sent."""
        del parcel
        return None

    def close(self) -> None:
        """Do nothing: each message has its own line."""
