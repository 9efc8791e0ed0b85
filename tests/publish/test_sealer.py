"""When the sealer seals: some seconds after a decision, at many at once, hourly; and what it survives."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Conflict, Unavailable, VerificationFailed
from stepcare.publish.seal import Sealed, Sealer
from stepcare.publish.sealer import Cadence, run
from tests.publish.logs import Memory, Moment, made, sealer


@dataclass(slots=True)
class Day:
    """Time that passes by being waited for; at some seconds something happens, at the end it is time to stop."""

    end: float
    happens: dict[int, Callable[[], None]] = field(default_factory=dict)
    now: float = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Let a second pass."""
        self.now += timeout or 0
        self.happens.pop(int(self.now), lambda: None)()
        return self.now >= self.end


def told(one: Sealer, day: Day) -> list[tuple[int, str, int]]:
    """Run a sealer through a day; gives (second, what it did, size)."""
    found: list[tuple[int, str, int]] = []

    def listening(name: str, do: Callable[[], Sealed]) -> Callable[[], Sealed]:
        def doing() -> Sealed:
            done = do()
            if name == "renew" or done.new:
                found.append((int(day.now), name, done.size))
            return done

        return doing

    class Heard:
        waiting = one.waiting
        seal = staticmethod(listening("seal", one.seal))
        renew = staticmethod(listening("renew", one.renew))

    heard: Any = Heard()
    run({"decisions": heard}, Cadence(every=5, heartbeat=100), lambda: day.now, day)
    return found


def test_it_seals_some_seconds_after_a_decision(tmp_path: Path) -> None:
    """What is there at the start is sealed at once; a new entry 5 seconds after it was seen, together with those between."""
    memory = Memory(made(3))
    day = Day(40, {10: lambda: memory.add(made(4)[3:]), 12: lambda: memory.add(made(6)[4:])})

    assert told(sealer(memory, tmp_path), day) == [(0, "seal", 3), (15, "seal", 6)]


def test_it_seals_at_once_at_256(tmp_path: Path) -> None:
    """When a tile's worth waits, it does not wait for the seconds."""
    memory = Memory(made(3))
    day = Day(30, {10: lambda: memory.add(made(300)[3:])})

    assert told(sealer(memory, tmp_path), day) == [(0, "seal", 3), (10, "seal", 300)]


def test_it_shows_that_it_lives(tmp_path: Path) -> None:
    """Without decisions the checkpoint is published anew, so that an old one means that something is wrong."""
    memory = Memory(made(3))

    assert told(sealer(memory, tmp_path), Day(210)) == [(0, "seal", 3), (100, "renew", 3), (200, "renew", 3)]


def test_it_waits_for_a_database_that_does_not_answer(tmp_path: Path) -> None:
    """A restart of the database is survived: sealed as soon as it answers again."""
    memory = Memory(made(3))

    class Down(Memory):
        @contextmanager
        def moment(self) -> Generator[Moment, None, None]:
            if day.now < 7:
                raise Unavailable("The database does not answer.")
            yield Moment(memory)

    day = Day(10)

    assert told(sealer(Down([]), tmp_path), day) == [(7, "seal", 3)]


def test_it_ends_when_the_log_is_not_what_was_signed(tmp_path: Path) -> None:
    """A backup restored under a running sealer: it stops, instead of trying again for ever or signing."""
    memory = Memory(made(300))

    def restore() -> None:
        memory.frontier = Memory(made(200)).frontier

    with pytest.raises(Conflict, match="older backup"):
        told(sealer(memory, tmp_path), Day(60, {10: restore}))

    def change() -> None:
        memory.add(made(301)[300:])
        memory.entries[300] = b"changed"

    memory = Memory(made(300))
    with pytest.raises(VerificationFailed, match="Entry 300"):
        told(sealer(memory, tmp_path / "other"), Day(60, {10: change}))
