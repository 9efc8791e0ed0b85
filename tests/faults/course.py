"""The lives of the episodes that the fault tests drive: every command follows from its idempotency key alone.

A key is `lane:episode:step`. Whoever knows a key can send the same request again, in another process, after a crash:
that is what an idempotency key is for. Each step leaves exactly one entry, so an episode's version counts its keys.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from engine.codec import digest_of, from_json, to_json
from engine.model import Command, Kind
from engine.service import Answer

CALLS = 6  # telephone calls after the last step


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One life as commands, and the time it stands at. `steps` are about nobody yet."""

    now: datetime
    steps: tuple[Command, ...]

    def command(self, key: str, id_: str) -> Command:
        """Give the request of a key, under a fresh id."""
        lane, number, step = key.split(":")
        found = self.steps[int(step)]
        episode, person = f"e-{lane}-{number}", f"p-{lane}-{number}"
        values = {**found.values, "patient": person} if found.kind is Kind.REGISTER else found.values
        return replace(found, id=id_, episode=episode, values=values, key=key)

    def keys(self, lane: str, episodes: int) -> list[str]:
        """Give a lane's keys in their order."""
        return [f"{lane}:{number}:{step}" for number in range(episodes) for step in range(len(self.steps))]

    def to_file(self, path: Path) -> None:
        """Write it, so that the process that is going to be killed need not load the pack."""
        path.write_text(json.dumps({"now": self.now.isoformat(), "steps": [to_json(one) for one in self.steps]}))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read it."""
        found = json.loads(path.read_text())
        steps = tuple(from_json(Command, one) for one in found["steps"])
        return cls(now=datetime.fromisoformat(found["now"]), steps=steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked:
    """One acknowledged answer, as its caller saw it."""

    key: str
    episode: str
    entry: int
    version: int
    outcome: str
    digest: str

    @classmethod
    def of(cls, key: str, answer: Answer) -> Self:
        """Read an answer that was kept."""
        assert answer.entry is not None, f"{key}: {answer.decision.problem}"
        decision = answer.decision
        return cls(
            key=key,
            episode=str(decision.command.episode),
            entry=answer.entry,
            version=answer.after.version,
            outcome=decision.outcome.value,
            digest=digest_of(decision),
        )

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read one that was written by the loading process."""
        return cls(**found)


def person_of(key: str) -> str:
    """Give the person of a key's episode."""
    lane, number, _ = key.split(":")
    return f"p-{lane}-{number}"


def begins(key: str) -> bool:
    """Say whether a key registers an episode."""
    return key.endswith(":0")
