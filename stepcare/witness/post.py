"""One request to a witness, and an answer of bounded size in bounded time, or none: whatever the other side does."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

LARGEST = 64 * 1024  # bytes of an answer; a cosignature line has under two hundred
SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered. `kind` is the content type without its parameters."""

    status: int
    kind: str
    body: bytes


Ask = Callable[[str, bytes | None, float], Reply]


class Silence(Exception):
    """Nothing usable came back in time; the message says what happened."""


def ask(url: str, body: bytes | None, seconds: float = SECONDS) -> Reply:
    """Post `body` to `url`, or get `url` where there is none; raises Silence.

    A time-out per read would let the other side feed us a byte at a time for ever, so a watch closes the connection
    when the whole time is over.
    """
    parts = urlsplit(url)
    over = monotonic() + seconds
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, seconds)
    watch = None
    try:
        connection.connect()
        # The library lets go of the socket before the answer is read: the watch holds it for itself.
        watch = threading.Timer(max(0.0, over - monotonic()), _hang_up, (connection.sock,))
        watch.daemon = True
        watch.start()
        connection.request("GET" if body is None else "POST", parts.path, body, _headers(body))
        with connection.getresponse() as answer:
            read = answer.read(LARGEST + 1)
            kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            status = answer.status
    except (OSError, HTTPException, ValueError, AttributeError) as error:
        # ValueError, AttributeError: the watch has shut the socket between two steps of the library.
        late = isinstance(error, TimeoutError) or monotonic() >= over
        raise Silence(f"no answer within {seconds:g} s" if late else _why(error)) from None
    finally:
        if watch is not None:
            watch.cancel()
        connection.close()
    if monotonic() >= over:
        raise Silence(f"no answer within {seconds:g} s")
    if len(read) > LARGEST:
        raise Silence(f"an answer of more than {LARGEST} bytes")
    return Reply(status=status, kind=kind, body=read)


def _connection(scheme: str, host: str, port: int | None, seconds: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=seconds)


def _headers(body: bytes | None) -> dict[str, str]:
    said = {"User-Agent": "stepcare", "Connection": "close"}
    return said if body is None else {**said, "Content-Type": "text/plain; charset=utf-8"}


def _hang_up(connected: socket.socket) -> None:
    """Wake whoever reads: closing alone would leave them waiting."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return said or type(error).__name__
