"""What a channel is: it takes one parcel to one receiver, and says how that went without ever guessing.

A channel never raises for what the outside world does: every refusal, silence and break of the line is a `Result`.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

Status = Literal["accepted", "delivered", "temporary", "permanent", "unknown"]
OnUnknown = Literal["resend", "ask", "hand_over"]
ADDRESS = "address"
# Words of a code that speak of the channel, and not of the message: enough of them in a row, and it is left alone.
FAULTS = frozenset(
    {"unreachable", "silent", "broken_off", "late", "tls", "sign_in", "sender", "busy", "server", "redirect", "disk"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message on its way to one receiver.

    `key` is the same at each try of the same message: a receiver that knows it takes the message once. `to` is the
    address in the channel's own form (mail address, path, …); address and words stay out of every printed form.
    `unsubscribe` is the https address of the one-click page, None where the receiver is staff. `about` is the key of an
    earlier message that this one follows up, None for the first. `attempt` counts from 1.
    """

    key: str
    channel: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    language: str
    attempt: int = 1
    unsubscribe: str | None = field(default=None, repr=False)
    about: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one try went.

    accepted: the receiver took it over. delivered: it says that the person has it. temporary: certainly not taken, try
    again. permanent: certainly not taken, and never will be. unknown: it may have been taken; nobody can say.
    `code` begins with a word that `docs/channels.md` lists, and may go on with a colon and the digits of the answer; it holds nothing
    of the message or its receiver. `reference` is the receiver's own name for it.
    `retry_after` is how long the receiver asks to be left alone, None where it does not say.
    """

    status: Status
    code: str
    reference: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_about_the_address(self) -> bool:
        """Say whether the address itself was refused: somebody should ask the person for another one."""
        return self.status == "permanent" and self.code.partition(":")[0] == ADDRESS

    @property
    def is_about_the_channel(self) -> bool:
        """Say whether the channel failed, rather than this one message."""
        return self.status == "unknown" or (self.status == "temporary" and self.code.partition(":")[0] in FAULTS)


class Channel(Protocol):
    """One way out."""

    @property
    def name(self) -> str:
        """Give the name that messages and the pack know it by."""
        ...

    @property
    def on_unknown(self) -> OnUnknown:
        """Say what follows `unknown`: resend (once, with the same key), ask (look the key up), hand_over (to a person)."""
        ...

    @property
    def at_once(self) -> int:
        """Say how many may be under way together."""
        ...

    @property
    def deadline(self) -> float:
        """Say how long one `send` may take, in seconds; after that it may be given up as unknown."""
        ...

    def send(self, parcel: Parcel) -> Result:
        """Try once; safe to call from several threads."""
        ...

    def ask(self, parcel: Parcel) -> Result | None:
        """Say how an earlier try of this key went, None where that cannot be known."""
        ...

    def close(self) -> None:
        """Let go of lines and files; a channel may be used again afterwards."""
        ...


def accepted(code: str, reference: str | None = None) -> Result:
    """Say that the receiver took it over."""
    return Result(status="accepted", code=code, reference=reference)


def temporary(code: str, retry_after: timedelta | None = None) -> Result:
    """Say that it was certainly not taken this time."""
    return Result(status="temporary", code=code, retry_after=retry_after)


def permanent(code: str) -> Result:
    """Say that it was certainly not taken, and will not be."""
    return Result(status="permanent", code=code)


def unknown(code: str, reference: str | None = None) -> Result:
    """Say that it may have been taken; `reference` is the name it would bear there."""
    return Result(status="unknown", code=code, reference=reference)
