"""HTTP on the wire, bounded: no header without an end, nobody who holds a connection and says nothing."""

from asyncio import Transport
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BEFORE_HEADERS_END = 32 * 1024
HEADER_SECONDS = 15.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n"
    b"cache-control: no-store\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """The server's own protocol, which ends a connection whose headers grow too long or take too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin before the first request."""
        super().__init__(*args, **kwargs)
        self._heard = 0
        self._within_headers = True
        self._alarm: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in the class above
        """Wait for headers, but not for ever."""
        super().connection_made(transport)
        self._alarm = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._quiet()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the headers end; a body is measured by the application."""
        if self._within_headers:
            self._heard += len(data)
        super().data_received(data)
        if self._within_headers and self._heard > MOST_BEFORE_HEADERS_END and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Count from the next bytes on."""
        self._within_headers = True
        if self._alarm is None:
            self._alarm = self.loop.call_later(HEADER_SECONDS, self._too_slow)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._within_headers, self._heard = False, 0
        self._quiet()
        super().on_headers_complete()

    def _quiet(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _too_slow(self) -> None:
        self._alarm = None
        if not self.transport.is_closing():
            self.transport.close()
