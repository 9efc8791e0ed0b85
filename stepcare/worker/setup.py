"""Putting a worker together from the settings, for a process of its own or beside one that serves."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import InvalidInput
from stepcare.app import App
from stepcare.channels.configured import configured
from stepcare.settings import Settings
from stepcare.worker.run import Plan, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of `worker`. `since` (ISO; '': nothing was said): hold what was due from then until now."""

    id: str = ""
    channels: Path | None = None
    since: str = ""


def steady() -> float:
    """Read a clock that nobody steps and that runs while the machine sleeps, where there is one; in seconds."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def worker_of(app: App, settings: Settings, asked: Asked) -> Worker:
    """Put a worker together; raises BadChannels for a file of channels that cannot be used."""
    file = asked.channels or settings.channels_file
    plan = Plan(
        id=asked.id,
        ways=configured(file, clock=app.clock, place=settings.messages_folder),
        published=published_of(settings),
        restored=bool(asked.since),
        since=_instant(asked.since) if asked.since else None,
    )
    return Worker(app, plan, monotonic=time.monotonic, steady=steady)


@contextmanager
def working(app: App, settings: Settings, asked: Asked | None = None) -> Generator[Worker, None, None]:
    """Work in threads of its own for as long as this block."""
    worker = worker_of(app, settings, asked or Asked())
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def published_of(settings: Settings) -> Path | None:
    """Give the folder of the published log, None where nobody says where it is."""
    try:
        return settings.published_folder
    except InvalidInput:
        return None


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is no time: write 2026-03-02T09:00:00Z, or a day.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
