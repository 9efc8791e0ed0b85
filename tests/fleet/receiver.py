"""Somebody who takes messages and writes down each post; a key is done once, as docs/channels.md asks of a receiver.

It takes its time, so that whoever posts can be killed meanwhile. Some posts go wrong, as often as it is told: the line
breaks after the message was taken, or the server is busy and takes nothing. What was taken is in `taken`; every post,
taken or not, is in `posts`.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

HOST = "127.0.0.1"
LONGEST = 0.3  # seconds for an answer


class Receiver:
    """What came. Threads share it. `trouble` is how many of all posts go wrong, from 0 to 1."""

    def __init__(self, seed: int, trouble: float) -> None:
        """Take messages from now on."""
        self._random, self.trouble = Random(seed), trouble  # noqa: S311 - no secret
        self._lock = threading.Lock()
        self.port = 0
        self.posts: Counter[str] = Counter()
        self.taken: dict[str, bytes] = {}
        self.otherwise: list[str] = []  # keys that came again with another body
        self.broken = 0

    @property
    def url(self) -> str:
        """Give its address."""
        return f"http://{HOST}:{self.port}/messages"

    def came(self, key: str, body: bytes) -> int:
        """Take a post; gives the status to answer with, 0: the line breaks."""
        with self._lock:
            self.posts[key] += 1
            fate = self._random.random() / self.trouble if self.trouble else 1.0
            if fate < 0.5:
                return 503
            known = self.taken.setdefault(key, body)
            if known != body:
                self.otherwise.append(key)
            if fate < 1.0:
                self.broken += 1
                return 0
            return 200 if self.posts[key] == 1 else 409

    def pause(self) -> None:
        """Take as long as it takes."""
        with self._lock:
            seconds = self._random.uniform(0, LONGEST)
        time.sleep(seconds)


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.receiver.came(self.headers["Idempotency-Key"], body)
        self.receiver.pause()
        if not status:
            self.close_connection = True
            self.connection.close()
            return
        answer = json.dumps({"id": f"m-{len(self.receiver.taken)}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: whoever posts may be killed at any moment."""


@contextmanager
def receiving(seed: int, trouble: float) -> Generator[Receiver, None, None]:
    """Take messages until the block is over."""
    receiver = Receiver(seed, trouble)
    with _Quiet((HOST, 0), type("Bound", (_Handler,), {"receiver": receiver})) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(5)
