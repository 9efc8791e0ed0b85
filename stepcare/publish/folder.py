"""The folder of a published log, exactly as it is served: immutable tiles, and the one file that changes, `checkpoint`."""

from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import VerificationFailed
from stepcare.publish.durable import ensure_folder, sync_folder, write_new, write_whole
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note
from stepcare.verifier.outcome import NotVerified
from stepcare.verifier.tiles import TILE, entries_in, entries_path, tile_path

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A checkpoint that was signed: the note, and what it states."""

    note: Note
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """Give the number of entries."""
        return self.checkpoint.size


def stated_in(path: Path) -> Stated | None:
    """Read a kept checkpoint, None where there is none; VerificationFailed where the file is something else."""
    try:
        note = Note.parse(path.read_bytes())
        return Stated(note=note, checkpoint=Checkpoint.parse(note.text))
    except FileNotFoundError:
        return None
    except NotVerified as error:
        raise VerificationFailed(
            f"{path} holds no checkpoint ({error}) Restore it from a copy that was handed to somebody else."
        ) from None


@dataclass(frozen=True, slots=True)
class Folder:
    """One published log; `path` need not be there yet. What was `put` is on the disk after `settle`."""

    path: Path
    _touched: set[Path] = field(default_factory=set, compare=False)

    def checkpoint(self) -> Stated | None:
        """Give the published checkpoint, None before the first."""
        return stated_in(self.path / CHECKPOINT)

    def publish(self, note: Note) -> None:
        """Put a checkpoint in place of the last one; all it speaks of must be there."""
        ensure_folder(self.path)
        write_whole(self.path / CHECKPOINT, note.bytes())

    def put(self, name: str, data: bytes) -> None:
        """Put an immutable file; VerificationFailed where another one has the place."""
        path = self.path / name
        self._touched.add(path.parent)  # also for a file that is there: whoever wrote it may have died before settling
        if not path.exists():
            ensure_folder(path.parent)
            try:
                write_new(path, data, settled=False)
            except FileExistsError:
                pass  # put there in between: it is compared like any other
            else:
                return
        if path.read_bytes() != data:
            raise VerificationFailed(
                f"{path} is there with other content than the database gives, and published files never change: keep "
                "both, and find out which of the two was changed. Only a file beyond the last signed checkpoint may be "
                "removed."
            )

    def settle(self) -> None:
        """Have every file that was put on the disk under its name."""
        for path in tuple(self._touched):
            sync_folder(path)
            self._touched.discard(path)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Give the hashes of a tile; of a whole one where the partial one is gone. FileNotFoundError: neither."""
        hashes = self._read(tile_path(level, index, width), tile_path(level, index))[: 32 * width]
        if len(hashes) != 32 * width:
            raise VerificationFailed(f"{self.path / tile_path(level, index, width)} is too short: verify the log.")
        return hashes

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Give the entries of a bundle, like `tile`."""
        data = self._read(entries_path(index, width), entries_path(index))
        try:
            found = entries_in(data)[:width]
        except NotVerified as error:
            raise VerificationFailed(str(error)) from None
        if len(found) != width:
            raise VerificationFailed(f"{self.path / entries_path(index, width)} is too short: verify the log.")
        return found

    def _read(self, name: str, whole: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return (self.path / whole).read_bytes()

    def prune(self, first: int, end: int) -> None:
        """Remove the partial tiles of those that became whole between two sizes of the log."""
        self._prune("entries", first, end)
        level = 0
        while end >> 8 * level:
            self._prune(str(level), first >> 8 * level, end >> 8 * level)
            level += 1

    def _prune(self, level: str, first: int, end: int) -> None:
        for index in range(first // TILE, end // TILE):
            whole = self.path / tile_path(0, index).replace("tile/0/", f"tile/{level}/", 1)
            partial = whole.with_name(f"{whole.name}.p")
            if whole.is_file() and partial.is_dir():
                for file in partial.iterdir():
                    file.unlink()
                partial.rmdir()
