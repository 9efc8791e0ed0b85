"""What was signed last, kept by the sealer alone: the store that a restored backup is held against.

It must never be changed by hand, nor restored from a backup: whoever signs two histories of one log has broken the
promise that makes the log worth keeping.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Conflict
from stepcare.publish.durable import ensure_folder, write_whole
from stepcare.publish.folder import Stated, stated_in
from stepcare.verifier.note import Note

PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Guard:
    """The file of the last signed checkpoint of one log."""

    path: Path

    @contextmanager
    def held(self) -> Generator[None, None, None]:
        """Hold the log for this process while it seals; Conflict where another one does."""
        ensure_folder(self.path.parent, PRIVATE)
        descriptor = os.open(
            self.path.with_name(f"{self.path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"Another sealer is at work with {self.path}: one is enough, stop the other.") from None
            yield
        finally:
            os.close(descriptor)

    def last(self) -> Stated | None:
        """Give the last signed checkpoint, None before the first."""
        return stated_in(self.path)

    def swap(self, old: Stated | None, new: Note) -> None:
        """Put a newly signed checkpoint in place of the last; Conflict where that is not `old` any more."""
        last = self.last()
        if (last and last.note.text) != (old and old.note.text):
            raise Conflict(
                f"{self.path} was changed while a checkpoint was signed: another sealer is at work, stop it."
            )
        write_whole(self.path, new.bytes(), 0o600)
