"""Receivers that write down what reached them, on the disk before they answer: what stands there has happened."""

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from stepcare.channels.port import OnUnknown, Parcel, Result, accepted, temporary, unknown

Reached = Callable[[str, str], None]  # a named step, and what it is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A channel. `honours`: a key it has is taken once.

    Of the tries, a share `flaky` fails without effect, and a share `silent` has its effect and stays unanswered.
    `slow` is how long a call lasts, in seconds.
    """

    name: str
    path: Path
    honours: bool = True
    on_unknown: OnUnknown = "hand_over"
    at_once: int = 2
    deadline: float = 5.0
    slow: float = 0.0
    flaky: float = 0.0
    silent: float = 0.0
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - no secret
    reached: Reached = lambda _, __: None
    stamp: Callable[[], str] = lambda: ""

    def send(self, parcel: Parcel) -> Result:
        """Take a parcel, and answer."""
        self.reached("call.open", parcel.key)
        time.sleep(self.slow)
        if self.random.random() < self.flaky:
            return temporary("server:500")
        self._keep(parcel)
        self.reached("call.taken", parcel.key)
        return unknown("silent") if self.random.random() < self.silent else accepted("taken", f"r-{parcel.key}")

    def ask(self, parcel: Parcel) -> Result:
        """Say whether it has a key."""
        return accepted("already") if parcel.key in keys_at(self.path) else temporary("not_there")

    def close(self) -> None:
        """Nothing is open."""

    def _keep(self, parcel: Parcel) -> None:
        line = json.dumps({"key": parcel.key, "to": parcel.to, "at": self.stamp(), "by": os.getpid()})
        with self.path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not self.honours or parcel.key not in keys_at(self.path):
                file.write(line.encode() + b"\n")


def lines_at(path: Path) -> list[dict[str, Any]]:
    """Give what reached a receiver, in order."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def keys_at(path: Path) -> Counter[str]:
    """Count how often each key had an effect."""
    return Counter(line["key"] for line in lines_at(path))
