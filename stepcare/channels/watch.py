"""A watch over a socket: when the time is over it hangs up, whoever still waits for the other side.

A time-out of the socket holds for one read only, so that a byte a second keeps the line for ever.
"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(slots=True)
class Watch:
    """Whether the time was over."""

    rang: bool = False


@contextmanager
def hung_up_after(seconds: float, line: socket.socket) -> Generator[Watch, None, None]:
    """Hang up `line` when this block takes longer than `seconds`; whoever reads or writes it then meets its end."""
    watch = Watch()

    def ring() -> None:
        watch.rang = True
        with suppress(OSError):
            # The plain socket's own way: that of a TLS socket would drop the encryption and read on in clear.
            socket.socket.shutdown(line, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
