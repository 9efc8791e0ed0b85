"""The sealer's loop: when to seal which log, and what it survives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from engine.errors import Unavailable
from stepcare.publish.seal import Sealed, Sealer

log = structlog.get_logger("stepcare.sealer")


class Stop(Protocol):
    """Says when to stop; `threading.Event` is one."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait so many seconds; give True as soon as it is time to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """When to seal: so many seconds after the first new entry, or at so many; else a heartbeat. All in seconds."""

    every: float = 5.0
    most: int = 256
    heartbeat: float = 3600.0
    look: float = 1.0


@dataclass(slots=True)
class _Rhythm:
    """Where one log stands: since when something waits (None: nothing does), and when it was last published."""

    sealed_at: float
    since: float | None = None


def run(sealers: Mapping[str, Sealer], cadence: Cadence, monotonic: Callable[[], float], stop: Stop) -> None:
    """Seal until told to stop; what was begun is finished first.

    A database or disk that does not answer is waited for. Anything that says the log is not what was signed ends it.
    """
    rhythms: dict[str, _Rhythm] = {}
    while True:
        for name, sealer in sealers.items():
            try:
                _step(name, sealer, cadence, monotonic, rhythms)
            except (Unavailable, OSError) as error:
                log.warning("waiting", kind=name, error=str(error))
        if stop.wait(cadence.look):
            return


def _step(
    name: str, sealer: Sealer, cadence: Cadence, monotonic: Callable[[], float], rhythms: dict[str, _Rhythm]
) -> None:
    rhythm = rhythms.get(name)
    if rhythm is None:  # finish what an earlier process may have begun
        _told(name, sealer.seal())
        rhythms[name] = _Rhythm(sealed_at=monotonic())
        return
    waiting, now = sealer.waiting(), monotonic()
    if waiting and rhythm.since is None:
        rhythm.since = now
    if waiting < 0 or waiting >= cadence.most or (rhythm.since is not None and now - rhythm.since >= cadence.every):
        _told(name, sealer.seal())
    elif not waiting and now - rhythm.sealed_at >= cadence.heartbeat:
        _told(name, sealer.renew())
    else:
        return
    rhythm.since, rhythm.sealed_at = None, now


def _told(name: str, sealed: Sealed) -> None:
    if sealed.new:
        log.info("sealed", kind=name, entry=sealed.size, count=sealed.new)
