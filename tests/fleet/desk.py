"""People at their desks: they register patients and write down calls, through whichever web process answers.

Each wish has its idempotency key. Where nobody answers, it is sent again with it, to another process, until it is
acknowledged: so every wish is kept once, whoever dies meanwhile.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from engine.model import Json, Kind
from tests.fleet.calling import Said, asked
from tests.worker.clinic import COURSE

HERE = "/api/v1/episodes"
AGAIN = {409, 412, 429, 502, 503, 504}  # what is worth sending again, with the same key
CALL: dict[str, Json] = {"channel": "telephone", "result": "no_answer"}
EMERGENCY: dict[str, Json] = {
    "kind": Kind.MOVE.value,
    "values": {"transition": "raise_concern", "flags": ["cord_signs"]},
}
REGISTRATION: dict[str, Json] = {
    "region": "upper_back",
    "problem": "both",
    "onset": "2026-01-12",
    "contact_consent": True,
    "contact_channel": "sms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What a wish was answered, and when by the fleet's clock."""

    at: datetime
    key: str
    actor: str
    path: str
    body: Mapping[str, Json]
    episode: str
    entry: int


@dataclass(slots=True, kw_only=True)
class Desk:
    """One person's desk: `sockets` are the web processes', `tokens` the secrets by actor."""

    name: str
    sockets: Sequence[Path]
    tokens: Mapping[str, str]
    random: Random
    stopped: threading.Event
    clock: Callable[[], datetime]
    emergencies: bool = False
    acknowledged: list[Acknowledged] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
    again: int = 0
    _keys: Any = field(default_factory=count)

    def registers(self, patients: int) -> None:
        """Register so many patients, and bring each as far as self-care; `emergencies`: and call an emergency."""
        for number in range(patients):
            person: dict[str, Json] = {
                "name": f"Alva Canary {self.name} {number}",
                "contacts": {"sms": f"+49{self.name[-1]}{number:08}"},
            }
            values: dict[str, Json] = {"person": person, "values": REGISTRATION}
            first = self.wish("ann", HERE, values)
            if first is None:
                return
            for by, kind, said in COURSE:
                self.wish(by, f"{HERE}/{first.episode}/commands", {"kind": kind.value, "values": said})
            if self.emergencies:
                self.wish("ann", f"{HERE}/{first.episode}/commands", EMERGENCY)
            self.episodes.append(first.episode)

    def calls(self) -> None:
        """Write down calls nobody answered, until it is enough."""
        while not self.stopped.wait(self.random.uniform(0.2, 0.6)) and self.episodes:
            path = f"{HERE}/{self.random.choice(self.episodes)}/commands"
            self.wish("ann", path, {"kind": Kind.CONTACT.value, "values": CALL})

    def wish(self, actor: str, path: str, body: Mapping[str, Json]) -> Acknowledged | None:
        """Send a wish until it is acknowledged; None where that never came, which `broken` says."""
        key = f"{self.name}-{next(self._keys)}"
        for _ in range(200):
            answer = self._sent(actor, path, body, key)
            if answer is None or answer.status in AGAIN:
                self.again += 1
                self.stopped.wait(0.05)  # while people stop, they still wait for their last answer
                continue
            episode, entry = answer.row.get("episode"), answer.row.get("entry")
            if answer.is_yes and isinstance(episode, str) and isinstance(entry, int):
                found = Acknowledged(
                    at=self.clock(), key=key, actor=actor, path=path, body=body, episode=episode, entry=entry
                )
                self.acknowledged.append(found)
                return found
            self.broken.append(f"{key}: {answer.status} {answer.text}")
            return None
        self.broken.append(f"{key}: never answered")
        return None

    def asked_again(self, one: Acknowledged) -> int | None:
        """Send an acknowledged wish once more; gives the entry of the answer."""
        while (answer := self._sent(one.actor, one.path, one.body, one.key)) is None:
            pass
        found = answer.row.get("entry")
        return found if isinstance(found, int) else None

    def _sent(self, actor: str, path: str, body: Mapping[str, Json], key: str) -> Said | None:
        about = {"Authorization": f"Bearer {self.tokens[actor]}", "Idempotency-Key": key}
        return asked(
            self.random.choice(self.sockets), path, about if path == HERE else {**about, "If-Match": "*"}, body
        )
