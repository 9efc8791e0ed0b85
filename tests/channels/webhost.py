"""A service on loopback that takes webhooks, and answers as it is told to."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


@dataclass(slots=True)
class Service:
    """What came, and how it is answered. `answer` gets the request and writes the whole answer itself."""

    answer: "Callable[[Handler, Service], None]"
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        """Give its address."""
        return f"http://{HOST}:{self.port}/messages"

    def bodies(self) -> list[Any]:
        """Give what came as JSON."""
        return [json.loads(body) for _, body in self.came]


class Handler(BaseHTTPRequestHandler):
    """Reads a request whole, notes it, and answers."""

    service: Service

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.service.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.service.answer(self, self.service)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    """Breaks off without a word where the other side does."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: breaking off is what these tests are about."""


def says(status: int, body: bytes = b"", **headers: str) -> "Callable[[Handler, Service], None]":
    """Answer so; header names are written with underscores."""

    def answer(handler: Handler, _: Service) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hangs(handler: Handler, service: Service) -> None:
    """Take the message, and answer 200 when nobody waits any more."""
    service.over.wait(5)
    says(200)(handler, service)


def hangs_up(handler: Handler, _: Service) -> None:
    """Take the message, and break off."""
    handler.close_connection = True
    handler.connection.close()


def drips(handler: Handler, service: Service) -> None:
    """Answer a byte at a time."""
    for byte in b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if service.over.wait(0.1):
            return


@contextmanager
def a_service(answer: "Callable[[Handler, Service], None]", context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Serve until the block is over; `context`: encrypted."""
    service = Service(answer=answer)
    handler = type("Bound", (Handler,), {"service": service})
    with Quiet((HOST, 0), handler) as server:
        service.port = server.server_address[1]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.over.set()
            server.shutdown()
            thread.join(5)
