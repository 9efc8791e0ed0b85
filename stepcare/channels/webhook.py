"""A signed webhook: one POST a message, with an Idempotency-Key, to a service that sends it on.

Until the last byte of the request has left us, the service cannot have acted on it: what breaks before is temporary.
After that only its answer counts; where none comes, the outcome is unknown, and the same key may be sent again.
"""

import json
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from urllib.parse import urlsplit

from stepcare.channels.port import ADDRESS, OnUnknown, Parcel, Result, accepted, permanent, temporary, unknown
from stepcare.channels.signing import signed
from stepcare.channels.watch import Watch, hung_up_after

LARGEST = 64 * 1024  # bytes of an answer that are read
LONGEST_WAIT = timedelta(hours=6)  # a receiver that asks for more is not believed
KEY = re.compile(r"[!-~]{1,255}")
REFERENCE = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
BROKEN = (OSError, HTTPException, ValueError, AttributeError)  # the last two: hung up between two steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A channel to the service at `url`. `secrets` sign, the newest first; `clock` dates the signatures.

    `connect_seconds` is for the line and again for its encryption, `seconds` for everything together.
    """

    url: str = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)
    clock: Callable[[], datetime]
    name: str = "webhook"
    on_unknown: OnUnknown = "resend"
    at_once: int = 4
    context: ssl.SSLContext | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    seconds: float = 14.0
    monotonic: Callable[[], float] = monotonic

    @property
    def deadline(self) -> float:
        """Give the time for all steps together, and a little for looking the name up."""
        return self.seconds + 1

    def send(self, parcel: Parcel) -> Result:
        """Post the message."""
        if not KEY.fullmatch(parcel.key):
            return permanent("unsendable")
        try:
            body = _body(parcel)
        except UnicodeEncodeError:  # half a character
            return permanent("unsendable")
        over, connection = self.monotonic() + self.seconds, self._connection()
        try:
            return self._connected(connection) or self._posted(connection, parcel.key, body, over)
        finally:
            with suppress(OSError):
                connection.close()

    def ask(self, parcel: Parcel) -> Result | None:
        """Say nothing: asking is sending again, with the same key."""
        del parcel
        return None

    def close(self) -> None:
        """Do nothing: each message has its own line."""

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        # TLS is begun by hand, under a watch: a server that says nothing must not hold the line.
        return HTTPConnection(
            host, port or (443 if parts.scheme == "https" else 80), timeout=min(self.connect_seconds, self.seconds)
        )

    def _connected(self, connection: HTTPConnection) -> Result | None:
        """Open the line; None: it stands."""
        try:
            connection.connect()
        except (OSError, ValueError):
            return temporary("unreachable")
        parts = urlsplit(self.url)
        if parts.scheme != "https":
            return None
        context = self.context or ssl.create_default_context()
        try:
            line = context.wrap_socket(connection.sock, server_hostname=parts.hostname, do_handshake_on_connect=False)
            connection.sock = line
            with hung_up_after(self.connect_seconds, line):
                line.do_handshake()
        except (OSError, ValueError):
            return temporary("tls")
        return None

    def _posted(self, connection: HTTPConnection, key: str, body: bytes, over: float) -> Result:
        line, was_sent = connection.sock, False
        line.settimeout(self.seconds + 1)  # the watch rings earlier; this one is for a watch that died
        watch = Watch()
        try:
            with hung_up_after(max(0.0, over - self.monotonic()), line) as watch:
                self._say(connection, key, body)
                was_sent = True
                with connection.getresponse() as answer:
                    return self._meaning(answer)
        except BROKEN as error:
            code = "silent" if watch.rang or isinstance(error, TimeoutError) else "broken_off"
            return unknown(code) if was_sent else temporary(code)

    def _say(self, connection: HTTPConnection, key: str, body: bytes) -> None:
        parts = urlsplit(self.url)
        connection.putrequest("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "stepcare",
            "Connection": "close",
            "Idempotency-Key": key,
            **signed(self.secrets, key, body, self.clock()),
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)

    def _meaning(self, answer: HTTPResponse) -> Result:
        """Say what an answer means: its status decides, its body gives a reference at most."""
        status = answer.status
        if 200 <= status < 300:
            return accepted(f"taken:{status}", _reference(answer))
        if status == 409:
            return accepted("already:409", _reference(answer))
        if 300 <= status < 400:
            return temporary(f"redirect:{status}")  # never followed: it would carry the address to somebody unnamed
        if status in (429, 503):
            return temporary(f"busy:{status}", retry_after(answer.getheader("Retry-After"), self.clock()))
        if status in (408, 425) or 500 <= status < 600:
            return temporary(f"server:{status}", retry_after(answer.getheader("Retry-After"), self.clock()))
        if status == 410:
            return permanent(f"{ADDRESS}:410")
        return permanent(f"refused:{status}") if 400 <= status < 500 else unknown("broken_off")


def retry_after(said: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After, seconds or a date; None where there is none, or it lies in the past. At most six hours."""
    text = (said or "").strip()
    if text.isascii() and text.isdigit():
        return min(LONGEST_WAIT, timedelta(seconds=int(text[:9])))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = at.replace(tzinfo=at.tzinfo or UTC) - now
    return min(LONGEST_WAIT, wait) if wait > timedelta(0) else None


def _body(parcel: Parcel) -> bytes:
    """Write the body: the same bytes at every try, because receivers compare them under one key."""
    said = {
        "key": parcel.key,
        "channel": parcel.channel,
        "to": parcel.to,
        "subject": parcel.subject,
        "text": parcel.text,
        "language": parcel.language,
        "unsubscribe": parcel.unsubscribe,
        "about": parcel.about,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _reference(answer: HTTPResponse) -> str | None:
    """Give the `id` of the answer's JSON, None where there is no sound one; that the message was taken stands anyway."""
    try:
        body = answer.read(LARGEST + 1)
        found = json.loads(body) if len(body) <= LARGEST else None
    except (*BROKEN, RecursionError):
        return None
    said = found.get("id") if isinstance(found, dict) else None
    return said if isinstance(said, str) and REFERENCE.fullmatch(said) else None


def secure(url: str) -> bool:
    """Say whether a message may be posted there: encrypted, or to this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here(parts.hostname)))


def is_here(host: str | None) -> bool:
    """Say whether a host is this machine."""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host or ""))
