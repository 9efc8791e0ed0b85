"""Asking a web process over its unix socket, whatever state it is in."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from engine.model import Json

SECONDS = 5.0  # after which a process that does not answer is taken for dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer: `row` is its JSON, empty where it is none."""

    status: int
    text: str
    row: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_yes(self) -> bool:
        """Say whether it was done."""
        return 200 <= self.status < 300


class _Line(HTTPConnection):
    def __init__(self, place: Path) -> None:
        super().__init__("stepcare", timeout=SECONDS)
        self._place = place

    def connect(self) -> None:
        """Open the line; nothing stays open where nobody listens."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(SECONDS)
        try:
            line.connect(str(self._place))
        except OSError:
            line.close()
            raise
        self.sock = line


def asked(place: Path, path: str, headers: Mapping[str, str], body: Mapping[str, Json] | None = None) -> Said | None:
    """Ask the process at a socket: GET, or POST with a body; None where no whole answer came."""
    line = _Line(place)
    try:
        if body is None:
            line.request("GET", path, headers=dict(headers))
        else:
            line.request("POST", path, json.dumps(body), {**headers, "Content-Type": "application/json"})
        with line.getresponse() as answer:
            text = answer.read().decode()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return Said(status=answer.status, text=text, row=json.loads(text) if is_json else {})
    except (OSError, HTTPException):
        return None
    finally:
        line.close()
