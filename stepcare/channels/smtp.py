"""Mail over SMTP: each step has its deadline, and after the final dot nothing is called failed that may have arrived.

Until the final dot has left us, the server cannot have taken the message: whatever breaks before is temporary. From
then on only the server's own words count; without them the outcome is unknown.
"""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Literal

from stepcare.channels.mail import Mailbox, Sender, mail_of, message_id
from stepcare.channels.port import ADDRESS, OnUnknown, Parcel, Result, accepted, permanent, temporary, unknown
from stepcare.channels.smtp_replies import At, refusal
from stepcare.channels.watch import Watch, hung_up_after

IDLE_SECONDS = 20.0  # a line that was idle for longer is not trusted
BEGINS_WITH_DOT = re.compile(rb"(?m)^\.")
Step = Callable[[], tuple[int, bytes]]
BROKEN = (smtplib.SMTPException, OSError, ValueError, AttributeError)  # the last two: hung up between two steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The mail server that takes our mails, and how long each step with it may take, in seconds, and `seconds` all.

    tls: starttls (refused where the server does not offer it) | implicit | none (for a server on this machine).
    `user` empty: nobody signs in. `bounces` is where the server reports what it could not deliver; None: to the sender.
    """

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    context: ssl.SSLContext | None = field(default=None, repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bounces: Mailbox | None = None
    connect_seconds: float = 5.0
    command_seconds: float = 5.0
    text_seconds: float = 10.0
    seconds: float = 14.0


class _Failed(Exception):
    """The line could not be made ready; nothing of any message was said."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(result.code)


@dataclass(slots=True)
class _Line:
    """A line to the server. `over`: when this try's whole time is; both times are monotonic.

    `kept`: it carried a message before.
    """

    smtp: smtplib.SMTP
    over: float
    used_at: float = 0.0
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A channel of mails from `sender` through `server`. `clock` dates the mails, `monotonic` ages idle lines."""

    server: Server
    sender: Sender
    clock: Callable[[], datetime]
    name: str = "email"
    on_unknown: OnUnknown = "hand_over"  # a mail server knows no key: what may have arrived is a person's to judge
    at_once: int = 2
    monotonic: Callable[[], float] = monotonic
    _idle: list[_Line] = field(default_factory=list, repr=False)
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def deadline(self) -> float:
        """Give the time for all steps together, and a little for looking the name up."""
        return self.server.seconds + 1

    def send(self, parcel: Parcel) -> Result:
        """Try once, over a line that is there or a new one."""
        to = Mailbox.parse(parcel.to)
        if to is None:
            return permanent(f"{ADDRESS}:form")
        try:
            data = mail_of(parcel, to, self.sender, self.clock()).as_bytes()
        except ValueError:  # a line break in a header, or half a character
            return permanent("unsendable")
        reference = message_id(parcel.key, self.sender.mailbox.domain)
        over = self.monotonic() + self.server.seconds
        line = self._kept_line(over)
        if line is not None:
            result = self._over(line, to, data, reference)
            if result is not None:
                return result
        try:
            line = self._opened(over)
        except _Failed as failed:
            return failed.result
        return self._over(line, to, data, reference) or temporary("broken_off")

    def ask(self, parcel: Parcel) -> Result | None:
        """Say nothing: a mail server cannot be asked about a Message-ID."""
        del parcel
        return None

    def close(self) -> None:
        """Take leave of the server on every idle line."""
        with self._alone:
            lines = [*self._idle]
            self._idle.clear()
        for line in lines:
            with suppress(*BROKEN), hung_up_after(self.server.command_seconds, _socket(line)):
                line.smtp.docmd("QUIT")
            _drop(line.smtp)

    # --- lines --------------------------------------------------------------------------------------------------------

    def _kept_line(self, over: float) -> _Line | None:
        while True:
            with self._alone:
                if not self._idle:
                    return None
                line = self._idle.pop()
            if self.monotonic() - line.used_at < IDLE_SECONDS:
                line.kept, line.over = True, over
                return line
            _drop(line.smtp)

    def _keep(self, line: _Line) -> None:
        line.used_at = self.monotonic()
        with self._alone:
            if len(self._idle) < self.at_once:
                self._idle.append(line)
                return
        _drop(line.smtp)

    def _opened(self, over: float) -> _Line:
        """Connect, encrypt and sign in; raises _Failed, which is always temporary."""
        server = self.server
        limit = max(0.05, min(server.connect_seconds, over - self.monotonic()))  # 0 would mean: do not wait at all
        try:
            plain = socket.create_connection((server.host, server.port), timeout=limit)
        except OSError:
            raise _Failed(temporary("unreachable")) from None
        line = _Line(smtp=smtplib.SMTP(local_hostname=self.sender.mailbox.domain), over=over)
        line.smtp.sock = plain
        plain.settimeout(server.seconds + 1)  # the watch rings earlier; this one is for a watch that died
        try:
            self._made_ready(line)
        except BaseException:
            _drop(line.smtp)
            raise
        return line

    def _made_ready(self, line: _Line) -> None:
        server, smtp = self.server, line.smtp
        if server.tls == "implicit":
            self._encrypt(line)
        self._expect(line, "greeting", smtp.getreply, 220)
        self._expect(line, "greeting", smtp.ehlo, 250)
        if server.tls == "starttls":
            if not smtp.has_extn("starttls"):
                raise _Failed(temporary("tls:not_offered"))  # never in clear instead
            self._expect(line, "tls", lambda: smtp.docmd("STARTTLS"), 220)
            self._encrypt(line)
            self._expect(line, "greeting", smtp.ehlo, 250)
        if server.user:
            self._expect(line, "sign_in", lambda: _signed_in(smtp, server), 235)

    def _encrypt(self, line: _Line) -> None:
        """Encrypt the line; what came before in clear is forgotten (RFC 3207, 4.2), read ahead or not."""
        context, smtp = self.server.context or ssl.create_default_context(), line.smtp
        plain, smtp.file = _socket(line), None
        try:
            smtp.sock = encrypted = context.wrap_socket(
                plain, server_hostname=self.server.host, do_handshake_on_connect=False
            )
            with hung_up_after(self._limit(line, self.server.command_seconds), encrypted):
                encrypted.do_handshake()
        except (OSError, ValueError):  # ssl.SSLError is an OSError; ValueError: the name cannot be one of a certificate
            raise _Failed(temporary("tls")) from None
        smtp.esmtp_features = {}
        smtp.ehlo_resp = smtp.helo_resp = None

    def _expect(self, line: _Line, at: At, step: Step, wanted: int) -> None:
        """Take one step before any message; raises _Failed where the answer is not the wanted one."""
        code, said = self._answer(line, self.server.command_seconds, step)
        if code != wanted:
            raise _Failed(_refused(code, said, at))

    def _answer(self, line: _Line, seconds: float, step: Step) -> tuple[int, bytes]:
        """Take one step and give the server's answer; raises _Failed where none comes."""
        watch = Watch()
        try:
            with hung_up_after(self._limit(line, seconds), _socket(line)) as watch:
                found = step()
        except BROKEN:
            raise _Failed(temporary("silent" if watch.rang else "broken_off")) from None
        if watch.rang:
            raise _Failed(temporary("silent"))  # we hung up in the middle of an answer: half of one is none
        return found

    def _limit(self, line: _Line, seconds: float) -> float:
        """Give how long a step may take: what is left of the whole time, at the most."""
        return max(0.0, min(seconds, line.over - self.monotonic()))

    # --- one message --------------------------------------------------------------------------------------------------

    def _over(self, line: _Line, to: Mailbox, data: bytes, reference: str) -> Result | None:
        """Send over a line; None where a kept one was dead before the message began."""
        smtp, seconds = line.smtp, self.server.command_seconds
        if not (to.is_ascii and self._envelope.is_ascii) and not smtp.has_extn("smtputf8"):
            self._keep(line)
            return permanent(f"{ADDRESS}:smtputf8")
        options, asked = self._options(smtp, to, reference, len(data))
        try:
            code, said = self._answer(line, seconds, lambda: smtp.mail(str(self._envelope), options))
            if code == 421 and line.kept:
                _drop(smtp)
                return None
        except _Failed as failed:
            _drop(smtp)
            return None if line.kept else failed.result
        if code != 250:
            return self._after(line, _refused(code, said, "sender"))
        try:
            return self._after(line, self._named(line, str(to), asked) or self._text(line, data, reference))
        except _Failed as failed:
            return self._after(line, failed.result)

    @property
    def _envelope(self) -> Mailbox:
        return self.server.bounces or self.sender.mailbox

    def _options(self, smtp: smtplib.SMTP, to: Mailbox, reference: str, size: int) -> tuple[list[str], list[str]]:
        """Give what is asked with MAIL and with RCPT, as far as the server knows it."""
        options = [f"SIZE={size}"] if smtp.has_extn("size") else []
        if not (to.is_ascii and self._envelope.is_ascii):
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        if not smtp.has_extn("dsn"):
            return options, []
        # A report brings back the headers alone: the text need not travel a second time.
        return [*options, "RET=HDRS", f"ENVID={reference.strip('<>')}"], ["NOTIFY=FAILURE"]

    def _named(self, line: _Line, to: str, options: list[str]) -> Result | None:
        """Name the receiver and ask to send the text; None where the server awaits it."""
        seconds, smtp = self.server.command_seconds, line.smtp
        code, said = self._answer(line, seconds, lambda: smtp.rcpt(to, options))
        if code not in (250, 251):
            return _refused(code, said, "receiver")
        code, said = self._answer(line, seconds, lambda: smtp.docmd("DATA"))
        return None if code == 354 else _refused(code, said, "text")

    def _text(self, line: _Line, data: bytes, reference: str) -> Result:
        """Send the text, and the dot by itself: whether it left us decides between temporary and unknown."""
        seconds, smtp = self.server.text_seconds, line.smtp
        self._answer(line, seconds, lambda: _sent(smtp, BEGINS_WITH_DOT.sub(b"..", data)))
        try:
            code, said = self._answer(line, seconds, lambda: _sent(smtp, b".\r\n") and smtp.getreply())
        except _Failed as failed:
            return unknown(failed.result.code, reference)
        if 200 <= code < 300:
            return accepted(f"taken:{code}", reference)
        return refusal(code, said, "text") if 400 <= code < 600 else unknown("broken_off", reference)

    def _after(self, line: _Line, result: Result) -> Result:
        """Keep the line where it is as new; after a refusal the server is asked to forget what was said."""
        smtp = line.smtp
        is_gone = smtp.sock is None or result.code in ("silent", "broken_off") or ":421" in result.code
        try:
            if not is_gone and result.status != "accepted":
                self._expect(line, "sender", lambda: smtp.docmd("RSET"), 250)
        except _Failed:
            is_gone = True
        smtp.command_encoding = "ascii"
        if is_gone:
            _drop(smtp)
        else:
            self._keep(line)
        return result


def _refused(code: int, said: bytes, at: At) -> Result:
    """Give the result of a no before the final dot: what is no answer at all is temporary as well."""
    return refusal(code, said, at) if 400 <= code < 600 else temporary("broken_off")


def _signed_in(smtp: smtplib.SMTP, server: Server) -> tuple[int, bytes]:
    try:
        return smtp.login(server.user, server.password)
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
    except smtplib.SMTPNotSupportedError:
        return 504, b""


def _sent(smtp: smtplib.SMTP, data: bytes) -> tuple[int, bytes]:
    smtp.send(data)
    return 0, b""


def _socket(line: _Line) -> socket.socket:
    """Give the socket of a line; SMTPServerDisconnected where the library has closed it."""
    if line.smtp.sock is None:
        raise smtplib.SMTPServerDisconnected
    return line.smtp.sock


def _drop(smtp: smtplib.SMTP) -> None:
    with suppress(OSError):
        smtp.close()
