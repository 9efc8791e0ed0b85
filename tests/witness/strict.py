"""A small witness on loopback that does what C2SP tlog-witness says, to the letter; and ways for it to misbehave."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Key, Note, verified_by
from stepcare.verifier.outcome import Tampered
from stepcare.verifier.plain import from_base64, from_number
from stepcare.verifier.tree import EMPTY, verify_consistency
from stepcare.witness.policy import Witness
from tests.witness.logs import NOW, Pen

Said = tuple[int, str, bytes]  # status, content type, body
Mood = Callable[["StrictWitness", BaseHTTPRequestHandler, bytes], Said | None]
PLAIN = "text/plain; charset=utf-8"


@dataclass(slots=True)
class StrictWitness:
    """Its key, the logs it knows, and the latest checkpoint of each that it has cosigned.

    `mood` may answer in its place; giving None means that it has, or never will. `shows`: it has the reading side.
    """

    pen: Pen
    logs: dict[str, list[Key]]
    now: int = NOW
    mood: Mood | None = None
    shows: bool = False
    port: int = 0
    latest: dict[str, Note] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def witness(self) -> Witness:
        """Give it as a policy names it."""
        name = self.pen.key.name.partition(".")[0]
        return Witness(name=name, key=self.pen.key, url=f"http://127.0.0.1:{self.port}/w")

    def size(self, origin: str) -> int:
        """Give the size it has last cosigned, 0 where it never has."""
        return Checkpoint.parse(self.latest[origin].text).size if origin in self.latest else 0

    def cosigned(self, text: str, at: int | None = None) -> bytes:
        """Cosign a text."""
        return self.pen.sign(text, self.now if at is None else at).line().encode()

    def add_checkpoint(self, body: bytes) -> Said:
        """Answer a request, in the order of the protocol."""
        asked = read_request(body)
        if asked is None:
            return 400, PLAIN, b"malformed\n"
        old, proof, note = asked
        lines = note.text.split("\n")
        keys = self.logs.get(lines[0])
        if keys is None:
            return 404, PLAIN, b"unknown log\n"
        try:
            trusted = verified_by(note, keys)
        except Tampered:
            trusted = ()
        if not trusted:
            return 403, PLAIN, b"not signed by a key of this log\n"
        size, root = from_number(lines[1]), from_base64(lines[2])
        if size is None or root is None or old > size:
            return 400, PLAIN, b"the old size is larger\n"
        with self.lock:  # comparing and keeping are one step
            latest = self.size(lines[0])
            if old != latest:
                return 409, "text/x.tlog.size", f"{latest}\n".encode()
            if not self._continues(lines[0], (old, size), root, proof):
                return 422, PLAIN, b"not a continuation\n"
            made = self.cosigned(note.text)
            self.latest[lines[0]] = Note.parse(note.bytes() + made)
        return 200, PLAIN, made

    def _continues(self, origin: str, sizes: tuple[int, int], root: bytes, proof: list[bytes]) -> bool:
        old, size = sizes
        if size == 0 and root != EMPTY:
            return False
        if old == 0:
            return not proof
        before = Checkpoint.parse(self.latest[origin].text).root
        try:
            verify_consistency(old, size, proof, before, root)
        except Tampered:
            return False
        return True


def read_request(body: bytes) -> tuple[int, list[bytes], Note] | None:
    """Read a request strictly; None where it is malformed."""
    head, gap, rest = body.partition(b"\n\n")
    first, *hashes = head.decode("ascii", "replace").split("\n")
    old = from_number(first.removeprefix("old "))
    proof = [from_base64(one) for one in hashes]
    if not gap or not first.startswith("old ") or old is None or len(proof) > 63:
        return None
    if any(one is None or len(one) != 32 for one in proof):
        return None
    try:
        note = Note.parse(rest)
    except Tampered:
        return None
    return (old, [one for one in proof if one is not None], note) if note.text.count("\n") >= 3 else None


@contextmanager
def serving(witness: StrictWitness) -> Iterator[StrictWitness]:
    """Let a witness listen on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            witness.requests.append(body)
            if self.path != "/w/add-checkpoint":
                _answer(self, (404, PLAIN, b"no such place\n"))
                return
            said = witness.mood(witness, self, body) if witness.mood else witness.add_checkpoint(body)
            if said is not None:
                _answer(self, said)

        def do_GET(self) -> None:
            shown = next(iter(witness.latest.values()), None) if witness.shows else None
            _answer(self, (200, PLAIN, shown.bytes()) if shown is not None else (404, PLAIN, b""))

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    witness.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield witness
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, said: Said) -> None:
    status, kind, body = said
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


# --- ways to misbehave --------------------------------------------------------------------------------------------


def saying(status: int, body: bytes = b"", kind: str = PLAIN) -> Mood:
    """Always answer the same."""
    return lambda *_: (status, kind, body)


def hangs(_: StrictWitness, handler: BaseHTTPRequestHandler, __: bytes) -> None:
    """Take the request and never answer."""
    handler.connection.settimeout(20)
    try:
        handler.rfile.read(1)
    except OSError:
        return


def hangs_up(_: StrictWitness, handler: BaseHTTPRequestHandler, __: bytes) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def drips(_: StrictWitness, handler: BaseHTTPRequestHandler, __: bytes) -> None:
    """Answer a byte at a time, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "60000")
    handler.end_headers()
    try:
        for _number in range(400):
            handler.wfile.write(b"x")
            time.sleep(0.05)
    except OSError:
        return


def stalls_in_the_headers(_: StrictWitness, handler: BaseHTTPRequestHandler, __: bytes) -> None:
    """Send headers without end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(400):
            handler.wfile.write(f"X-{number}: y\r\n".encode())
            time.sleep(0.05)
    except OSError:
        return


def dated(seconds: int) -> Mood:
    """Cosign, with a clock that is wrong by so many seconds."""

    def answer(witness: StrictWitness, _: BaseHTTPRequestHandler, body: bytes) -> Said:
        text = Note.parse(body.partition(b"\n\n")[2]).text
        return 200, PLAIN, witness.cosigned(text, witness.now + seconds)

    return answer


def signing_something_else(witness: StrictWitness, _: BaseHTTPRequestHandler, __: bytes) -> Said:
    """Cosign another text than the one that was sent."""
    return 200, PLAIN, witness.cosigned("other.example/log\n1\n" + "A" * 43 + "=\n")


def signing_as(pen: Pen) -> Mood:
    """Cosign with a key that is not in the policy."""

    def answer(witness: StrictWitness, _: BaseHTTPRequestHandler, body: bytes) -> Said:
        text = Note.parse(body.partition(b"\n\n")[2]).text
        return 200, PLAIN, pen.sign(text, witness.now).line().encode()

    return answer
