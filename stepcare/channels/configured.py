"""The channels of this site, from a file of YAML; every mistake in it with its line and column.

The file names hosts, addresses of our own, rates; it never holds a secret. `docs/channels.md` explains its words.
"""

import os
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.errors import Finding, InvalidInput
from stepcare.app import Clock, wall_clock
from stepcare.channels.apprise_extra import TARGET, Apprise
from stepcare.channels.console import Console
from stepcare.channels.files import File
from stepcare.channels.mail import Mailbox, Sender
from stepcare.channels.opting_out import KEY_BYTES, OneClick
from stepcare.channels.port import Channel
from stepcare.channels.rates import Rate, Rates
from stepcare.channels.secrets import NoSecret, secret_of
from stepcare.channels.settings import (
    AppriseShape,
    ChannelShape,
    ConsoleShape,
    FileOfChannels,
    FileShape,
    RateShape,
    SecretShape,
    SmtpShape,
    WebhookShape,
)
from stepcare.channels.signing import SHORTEST_SECRET, secret_from
from stepcare.channels.smtp import Server, Smtp
from stepcare.channels.webhook import Webhook, is_here, secure
from workflows.places import Keys, Places
from workflows.yaml_source import read_yaml

OUTBOX = "messages.jsonl"
OURS = "STEPCARE_"
KINDS = ("console", "file", "smtp", "webhook", "apprise")


class BadChannels(InvalidInput):
    """The file of channels cannot be used; `findings` say why, each with its place."""

    code = "bad-channels"

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the sentence lists them."""
        self.findings = tuple(findings)
        said = "\n".join(f"{one.place}: {one.message}" for one in self.findings)
        super().__init__(f"The file of channels cannot be used:\n{said}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """All that the file says. `receipts`: by which secrets each channel's provider signs what it reports.

    `one_click` None: no message offers an address for opting out.
    """

    channels: Mapping[str, Channel]
    rates: Mapping[str, Rates]
    site_rate: Rate = field(default_factory=lambda: Rate(per_second=20, burst=40))
    receipts: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    one_click: OneClick | None = None


def configured(
    path: Path | None,
    *,
    clock: Clock = wall_clock,
    environ: Mapping[str, str] = os.environ,
    place: Path | None = None,
) -> Configured:
    """Read the file; without one there is the console, and a file of messages in the folder `place` if it is given.

    Nothing is connected to: whether a server answers is found out by sending. Raises BadChannels.
    """
    if path is None:
        usual: dict[str, Channel] = {"console": Console(stream=sys.stderr)}
        if place is not None:
            usual["file"] = File(path=place / OUTBOX)
        return Configured(channels=usual, rates={name: Rates() for name in usual})
    source = read_yaml(path)
    if source.findings:
        raise BadChannels(source.findings)
    try:
        shape = FileOfChannels.model_validate(source.data)
    except ValidationError as error:
        raise BadChannels(source.places.resolve(_misfits(error))) from None
    return _Maker(source.places, clock, environ, path.parent).made(shape)


def channels_from(
    path: Path | None,
    *,
    clock: Clock = wall_clock,
    environ: Mapping[str, str] = os.environ,
    place: Path | None = None,
) -> Mapping[str, Channel]:
    """Give the channels alone, by name; raises BadChannels."""
    return configured(path, clock=clock, environ=environ, place=place).channels


class _Maker:
    """Makes what a file says, and collects what is wrong with it."""

    def __init__(self, places: Places, clock: Clock, environ: Mapping[str, str], folder: Path) -> None:
        self._places, self._clock, self._environ, self._folder = places, clock, environ, folder
        self._findings: list[Finding] = []

    def made(self, shape: FileOfChannels) -> Configured:
        """Make everything; raises BadChannels where something is wrong."""
        channels = {name: self._channel(name, one) for name, one in shape.channels.items()}
        receipts = {
            name: (self._signing(one.receipts, ("channels", name, "receipts")),)
            for name, one in shape.channels.items()
            if one.receipts is not None
        }
        one_click = None
        if shape.unsubscribe is not None:
            key = self._signing(shape.unsubscribe.key, ("unsubscribe", "key"))
            if key and len(key) not in KEY_BYTES:
                self._find(("unsubscribe", "key"), f"the key must have {' or '.join(map(str, KEY_BYTES))} bytes")
            elif key:
                one_click = OneClick(address=shape.unsubscribe.address.rstrip("/"), key=key)
        if self._findings:
            raise BadChannels(self._findings)
        return Configured(
            channels={name: one for name, one in channels.items() if one is not None},
            rates={name: _rates(one) for name, one in shape.channels.items()},
            receipts=receipts,
            one_click=one_click,
            **({"site_rate": _rate(shape.site_rate)} if shape.site_rate is not None else {}),
        )

    def _channel(self, name: str, shape: ChannelShape) -> Channel | None:
        at: Keys = ("channels", name)
        match shape:
            case ConsoleShape():
                return Console(stream=sys.stderr, words=shape.words, **_common(name, shape))
            case FileShape():
                return File(path=self._folder / shape.path, **_common(name, shape))
            case SmtpShape():
                return self._smtp(name, shape, at)
            case WebhookShape():
                return self._webhook(name, shape, at)
            case AppriseShape():
                return self._apprise(name, shape, at)
        return None

    def _smtp(self, name: str, shape: SmtpShape, at: Keys) -> Channel | None:
        sender, reply_to = self._mailbox(shape.sender, (*at, "sender")), None
        bounces = self._mailbox(shape.bounces, (*at, "bounces")) if shape.bounces else None
        if shape.reply_to:
            reply_to = self._mailbox(shape.reply_to, (*at, "reply_to"))
        if shape.tls == "none" and not is_here(shape.host):
            self._find(
                (*at, "tls"), "only a server on this machine may be spoken to in clear: use starttls or implicit"
            )
        if shape.user and shape.password is None:
            self._find((*at, "user"), "whoever signs in needs a password: name where it is")
        password = self._secret(shape.password, (*at, "password")) if shape.password is not None else ""
        context = self._context(shape.trust, (*at, "trust"))
        if sender is None:
            return None
        server = Server(
            host=shape.host,
            port=shape.port,
            tls=shape.tls,
            context=context,
            user=shape.user,
            password=password,
            bounces=bounces,
            connect_seconds=shape.connect_seconds,
            command_seconds=shape.command_seconds,
            text_seconds=shape.text_seconds,
            seconds=shape.seconds,
        )
        from_ = Sender(mailbox=sender, name=shape.sender_name, reply_to=reply_to)
        return Smtp(server=server, sender=from_, clock=self._clock, **_common(name, shape))

    def _webhook(self, name: str, shape: WebhookShape, at: Keys) -> Channel | None:
        if bool(shape.url) == (shape.url_secret is not None):
            self._find(at, "give either url or url_secret")
            return None
        key = "url" if shape.url else "url_secret"
        url = shape.url or self._secret(shape.url_secret, (*at, key))
        if url and not secure(url):
            self._find((*at, key), "messages go to https addresses only, or to this very machine")
        found = [self._signing(one, (*at, "secrets", position)) for position, one in enumerate(shape.secrets)]
        return Webhook(
            url=url,
            secrets=tuple(found),
            clock=self._clock,
            context=self._context(shape.trust, (*at, "trust")),
            connect_seconds=shape.connect_seconds,
            seconds=shape.seconds,
            **_common(name, shape),
        )

    def _apprise(self, name: str, shape: AppriseShape, at: Keys) -> Channel | None:
        url = self._secret(shape.url, (*at, "url"))
        if url and url.count(TARGET) != 1:
            self._find((*at, "url"), f"the address must hold {TARGET} once, where the receiver's stands")
        try:
            return Apprise(url=url, seconds=shape.seconds, **_common(name, shape))
        except InvalidInput as error:
            self._find((*at, "kind"), str(error))
            return None

    # --- parts --------------------------------------------------------------------------------------------------------

    def _find(self, at: Keys, message: str) -> None:
        self._findings += self._places.resolve([Finding(code="bad-channels", message=message, path=at)])

    def _mailbox(self, text: str, at: Keys) -> Mailbox | None:
        found = Mailbox.parse(text)
        if found is None:
            self._find(at, "this is no mail address, like clinic@example.org")
        return found

    def _secret(self, shape: SecretShape | None, at: Keys) -> str:
        if shape is None:
            return ""
        if shape.environment.startswith(OURS):
            self._find(at, f"names that begin with {OURS} are settings: give the variable another name")
            return ""
        try:
            return secret_of(shape.file, shape.environment, self._environ, self._folder)
        except NoSecret as error:
            self._find(at, str(error))
            return ""

    def _signing(self, shape: SecretShape, at: Keys) -> bytes:
        text = self._secret(shape, at)
        found = secret_from(text) if text else b""
        if found is None:
            self._find(at, f"the secret must be whsec_ and at least {SHORTEST_SECRET} bytes in base64")
        return found or b""

    def _context(self, trust: str, at: Keys) -> ssl.SSLContext | None:
        """Give what TLS trusts; None: the machine's own authorities, looked up when they are needed."""
        if not trust:
            return None
        try:
            return ssl.create_default_context(cafile=str(self._folder / trust))
        except (OSError, ValueError):
            self._find(at, "this file of certificates cannot be read")
            return None


def _common(name: str, shape: ChannelShape) -> dict[str, Any]:
    said: dict[str, Any] = {"name": name}
    if shape.on_unknown is not None:
        said["on_unknown"] = shape.on_unknown
    if shape.at_once is not None:
        said["at_once"] = shape.at_once
    return said


def _rate(shape: RateShape) -> Rate:
    return Rate(per_second=shape.per_minute / 60, burst=shape.burst)


def _rates(shape: ChannelShape) -> Rates:
    usual = Rates()
    return Rates(
        channel=_rate(shape.rate) if shape.rate is not None else usual.channel,
        person=_rate(shape.person_rate) if shape.person_rate is not None else usual.person,
    )


def _misfits(error: ValidationError) -> Iterator[Finding]:
    """Say each complaint of the validator; the value itself may be a secret that was put there by mistake."""
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        # The validator puts the kind of channel it tried into the path; it is no key of the file.
        at = tuple(part for position, part in enumerate(one["loc"]) if not (position == 2 and part in KINDS))
        word = repr(str(at[-1])[:40]) if at else ""
        said = {"extra_forbidden": f"there is no word {word} here", "missing": f"{word} is missing here"}
        message = said.get(one["type"], one["msg"])
        yield Finding(code="bad-channels", message=message[:1].lower() + message[1:], path=at)
