"""The door of a server: the same keys, asked over a unix socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from engine.codec import digest_of
from engine.errors import Conflict, Unavailable
from engine.model import Command
from tests.faults.course import Acked, Course, begins

HERE = "/api/v1/episodes"
SAID = ("id", "episode", "outcome", "state_before", "state", "failed", "prompts", "records", "timers", "due_items")


@dataclass(slots=True)
class Served:
    """A client of one lane. `tokens` are the secrets by actor. The server names the episodes."""

    socket: str
    tokens: Mapping[str, str]
    course: Course
    _episodes: dict[str, str] = field(default_factory=dict)
    _client: httpx.Client | None = None

    def send(self, key: str) -> Acked:
        """Ask; Unavailable where nobody answers, so that it can be asked again."""
        command = self.course.command(key, "")
        whose = key.rpartition(":")[0]
        path = HERE if begins(key) else f"{HERE}/{self._episodes[whose]}/commands"
        response = self._post(path, self._body(key, command), self._headers(key, command))
        row = response.json()
        if "entry" not in row or row["entry"] is None:
            raise Conflict(f"{response.status_code} {row}")
        self._episodes.setdefault(whose, row["episode"])
        return Acked(
            key=key,
            episode=row["episode"],
            entry=row["entry"],
            version=int(response.headers["etag"].strip('"')),
            outcome=row["outcome"],
            digest=digest_of({name: row.get(name) for name in SAID}),
        )

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        if self._client is None:
            self._client = httpx.Client(transport=httpx.HTTPTransport(uds=self.socket), base_url="http://stepcare")
        try:
            response = self._client.post(path, json=body, headers=headers, timeout=20)
        except httpx.TransportError as error:
            self._client.close()
            self._client = None
            raise Unavailable(f"Nobody answers ({error!r}).") from None
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise Unavailable(f"{response.text}")
        return response

    def _body(self, key: str, command: Command) -> dict[str, Any]:
        if not begins(key):
            return {"kind": command.kind.value, "values": dict(command.values)}
        values = {name: value for name, value in command.values.items() if name != "patient"}
        return {"person": {"name": f"Ánna Canary {key}"}, "values": values}

    def _headers(self, key: str, command: Command) -> dict[str, str]:
        about = {"Authorization": f"Bearer {self.tokens[command.actor.id]}", "Idempotency-Key": key}
        return about if begins(key) else {**about, "If-Match": "*"}
