"""Mail servers on loopback: one that misbehaves at a step of our choosing, and one that other people wrote."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.worlds import utc

HOST = "127.0.0.1"
# What is answered where nothing else is said. `dot` is the answer to the whole text.
USUAL: Mapping[str, bytes] = {
    "greeting": b"220 mail.example ESMTP",
    "EHLO": b"250-mail.example\r\n250-8BITMIME\r\n250 SIZE 100000",
    "MAIL": b"250 2.1.0 ok",
    "RCPT": b"250 2.1.5 ok",
    "DATA": b"354 go on",
    "dot": b"250 2.0.0 taken",
    "RSET": b"250 ok",
    "QUIT": b"221 bye",
}


@dataclass(slots=True)
class Odd:
    """A server that does at some steps what `moods` says: a reply of its own, or one of drop, hang, drip.

    `taken` are the texts it took over, `lines` all commands of all connections, `connections` how many there were.
    """

    moods: dict[str, bytes | str] = field(default_factory=dict)
    taken: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    context: ssl.SSLContext | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def talk(self, line: socket.socket) -> None:
        """Serve one connection, encrypted from the first byte where there is a context."""
        with suppress(OSError):
            if self.context is None:
                self._talk(line)
                return
            with line, self.context.wrap_socket(line, server_side=True) as encrypted:
                self._talk(encrypted)

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as said:
            if not self._answer(line, "greeting"):
                return
            for command in said:
                self.lines.append(command.decode("latin-1").strip())
                step = command[:4].decode("latin-1").upper()
                if not self._answer(line, step) or step == "QUIT":
                    return
                goes_on = self.moods.get("DATA") is None
                if step == "DATA" and goes_on and not self._text(line, said):
                    return

    def _text(self, line: socket.socket, said: Any) -> bool:
        text = b""
        for row in said:
            if self.moods.get("text") == "drop":
                return False
            if row == b".\r\n":
                self.taken.append(text)
                return self._answer(line, "dot")
            text += row
        return False

    def _answer(self, line: socket.socket, step: str) -> bool:
        """Answer a step; False: the connection is over."""
        mood = self.moods.get(step, USUAL.get(step, b"500 what?"))
        match mood:
            case "drop":
                return False
            case "hang":
                self.over.wait()
                return False
            case "drip":
                for byte in USUAL[step]:
                    line.sendall(bytes([byte]))
                    if self.over.wait(0.1):
                        break
                return False
        assert isinstance(mood, bytes)
        line.sendall(mood + b"\r\n")
        return not mood.startswith(b"421")


@contextmanager
def an_odd_server(**moods: bytes | str) -> Iterator[Odd]:
    """Serve on a port of its own until the block is over."""
    odd, threads = Odd(moods=moods), list[threading.Thread]()
    with socket.create_server((HOST, 0)) as listening:
        odd.port = listening.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                if odd.over.is_set():
                    line.close()
                    return
                odd.connections += 1
                threads.append(threading.Thread(target=odd.talk, args=(line,), daemon=True))
                threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield odd
        finally:
            odd.over.set()
            with suppress(OSError), socket.create_connection((HOST, odd.port)):
                pass  # wakes whoever accepts
            accepting.join(5)


class Box:
    """What the server of other people took over, and the codes it refuses with where it is told to."""

    def __init__(self) -> None:
        """Take everything."""
        self.mails: list[Envelope] = []
        self.refuses: dict[str, str] = {}  # address → reply
        self.refuses_text = ""

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802
        """Take an address, or not."""
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a text, or not."""
        if self.refuses_text:
            return self.refuses_text
        self.mails.append(envelope)
        return "250 taken"


@contextmanager
def a_server(box: Box, **options: Any) -> Iterator[int]:
    """Serve with aiosmtpd; gives the port."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname=HOST, port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of 127.0.0.1 that nobody but its maker trusts."""

    file: Path

    def serving(self) -> ssl.SSLContext:
        """Give what a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context

    def trusting(self) -> ssl.SSLContext:
        """Give what a client trusts."""
        return ssl.create_default_context(cafile=self.file)


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate that holds for a hundred years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    start = utc(2020, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "loopback.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return Certificate(file=file)
