"""How far the log is sealed, and how far witnesses have seen it: what operators and alarms look at.

Read from the published folder alone. `checkpoint` is the latest; `witnessed`, beside it, is the latest that met the
policy, so that an outage shows as what it is: sealed, not witnessed, since then.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from stepcare.publish.durable import write_whole
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note
from stepcare.witness.policy import Policy

CHECKPOINT = "checkpoint"
WITNESSED = "witnessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A size of the log, and when it was reached, in POSIX seconds."""

    size: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How a log stands `now` (POSIX seconds).

    `witnessed` None: no quorum has ever seen it, or none that is known here. `asks` False: the policy asks for no
    witness; None: there was no policy to read. `missing` names the witnesses that the latest checkpoint lacks.
    """

    origin: str
    now: int
    sealed: Reach
    witnessed: Reach | None
    asks: bool | None
    missing: tuple[str, ...] = ()

    @property
    def sealed_age(self) -> int:
        """Give the seconds since the latest checkpoint was published."""
        return max(0, self.now - self.sealed.at)

    @property
    def witnessed_age(self) -> int | None:
        """Give the seconds since a quorum last saw the log; None: never."""
        return None if self.witnessed is None else max(0, self.now - self.witnessed.at)

    @property
    def is_witnessed(self) -> bool:
        """Say whether the latest checkpoint is one a quorum has seen."""
        return self.witnessed is not None and self.witnessed.size >= self.sealed.size

    def words(self) -> str:
        """Say it in a line."""
        sealed = f"{self.sealed.size} entries, {ago(self.sealed_age)}"
        if self.asks is False:
            return f"sealed: {sealed}; no witness is asked"
        age = self.witnessed_age
        if self.witnessed is None or age is None:
            return f"sealed, not witnessed: {sealed}; never witnessed{_missing(self.missing)}"
        if self.is_witnessed:
            return f"sealed and witnessed: {sealed}; seen by witnesses {ago(age)}"
        last = f"last witnessed: {self.witnessed.size} entries, {ago(age)}"
        return f"sealed, not witnessed: {sealed}; {last}{_missing(self.missing)}"


def state_of(published: Path, policy: Policy | None, now: int) -> LogState | None:
    """Say how a published log stands; None where nothing is published.

    With a policy, cosignatures are checked anew; without one (None) the sealer's word is taken, which is the file
    `witnessed` and its time. Raises NotVerified for a checkpoint that is none, or whose known signature is wrong.
    """
    latest = _read(published / CHECKPOINT)
    if latest is None:
        return None
    note, written = latest
    checkpoint = Checkpoint.parse(note.text)
    standing = policy.standing(note, now) if policy is not None else None
    return LogState(
        origin=checkpoint.origin,
        now=now,
        sealed=Reach(size=checkpoint.size, at=written),
        witnessed=_witnessed(published, policy, now, note),
        asks=policy.asks if policy is not None else None,
        missing=standing.missing if standing is not None else (),
    )


def keep_witnessed(published: Path, note: Note, policy: Policy, now: int) -> bool:
    """Keep a checkpoint as the latest that met the policy, if it does; the sealer calls this when it has published it."""
    if not policy.asks or policy.standing(note, now).since is None:
        return False
    write_whole(published / WITNESSED, note.bytes())
    return True


def _witnessed(published: Path, policy: Policy | None, now: int, latest: Note) -> Reach | None:
    before = _read(published / WITNESSED)
    if policy is None:
        return None if before is None else Reach(size=Checkpoint.parse(before[0].text).size, at=before[1])
    for note in (latest, *([before[0]] if before is not None else [])):
        since = policy.standing(note, now).since
        if policy.asks and since is not None:
            return Reach(size=Checkpoint.parse(note.text).size, at=since)
    return None


def _read(path: Path) -> tuple[Note, int] | None:
    try:
        with path.open("rb") as file:  # the time of the bytes that are read, also while new ones are put there
            return Note.parse(file.read()), int(os.fstat(file.fileno()).st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _missing(names: tuple[str, ...]) -> str:
    return f" (missing: {', '.join(names)})" if names else ""


def ago(seconds: int) -> str:
    """Say how long ago, in the two largest units that matter."""
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours} h {minutes} min ago" if hours < 48 else f"{hours // 24} days ago"
