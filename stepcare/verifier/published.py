"""A published log as it lies in a folder: a checkpoint, tiles of hashes, bundles of entries (C2SP tlog-tiles)."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stepcare.verifier.outcome import Absent, Unverifiable
from stepcare.verifier.tiles import TILE, Broken, bundle_of, entries_in, entries_path, hashes_in, tile_path
from stepcare.verifier.tree import HASH

CHECKPOINT = "checkpoint"
WITNESSED = "witnessed"
ACCESS = "access"
LARGEST_CHECKPOINT = 1_000_000
_WIDTH = re.compile(r"[1-9][0-9]{0,2}")

Older = tuple[str, int | None]
"""A narrower version, and the place of the first part that is another in it; None: it is the beginning of the later."""


class Published:
    """Reads the folder; remembers which files belong to the log, so that the others can be named."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; Absent where no log is, Unverifiable where one is without its checkpoint."""
        self.folder = folder
        self.seen: set[str] = {CHECKPOINT}
        if not (folder / CHECKPOINT).is_file():
            if (folder / "tile").is_dir():
                raise Unverifiable("The published log has no checkpoint: get the folder again, whole.")
            raise Absent("There is no published log in this folder: it has no checkpoint and no tiles.")

    def checkpoint(self) -> bytes:
        """Give the checkpoint's note."""
        return self._read(CHECKPOINT) or b""

    def witnessed(self) -> bytes | None:
        """Give the latest checkpoint that met the sealer's policy; None: there is none."""
        return self._read(WITNESSED)

    def tile(self, level: int, index: int, width: int) -> list[bytes] | None:
        """Give so many hashes of a tile; None: it is not there. Broken when it is not whole."""
        whole = self._either(tile_path(level, index, width), tile_path(level, index))
        if whole is None:
            return None
        path, data = whole
        hashes = hashes_in(data)
        due = TILE if path == tile_path(level, index) else width
        if len(data) != due * HASH:
            raise Broken(f"Tile {path} has {len(data)} bytes, {due * HASH} are due: it was cut or changed.", hashes)
        return hashes[:width]

    def bundle(self, index: int, width: int) -> list[bytes] | None:
        """Give so many entries of a bundle; None: it is not there. Broken when it is not whole."""
        whole = self._either(entries_path(index, width), entries_path(index))
        if whole is None:
            return None
        path, data = whole
        entries = entries_in(data)
        due = TILE if path == entries_path(index) else width
        if len(entries) != due:
            message = f"Bundle {path} holds {len(entries)} entries, {due} are due: it was cut or changed."
            raise Broken(message, entries)
        return entries[:width]

    def older_tiles(self, level: int, index: int, hashes: Sequence[bytes]) -> Iterator[Older]:
        """Hold every narrower version of this tile against it."""
        for path, width in self._older(tile_path(level, index), len(hashes)):
            data = self._read(path)
            if data is not None:
                same = data == b"".join(hashes[:width])
                yield f"Tile {path}", None if same else first_other(hashes_in(data), hashes[:width])

    def older_bundles(self, index: int, entries: Sequence[bytes]) -> Iterator[Older]:
        """Hold every narrower version of this bundle against it."""
        for path, width in self._older(entries_path(index), len(entries)):
            data = self._read(path)
            if data is not None:
                same = data == bundle_of(entries[:width])
                yield f"Bundle {path}", None if same else first_other(_parts(data), entries[:width])

    def strays(self) -> int:
        """Count the files that are not part of the log of this size."""
        count = 0
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if not name.startswith(f"{ACCESS}/") and path.is_file() and name not in self.seen:
                count += 1
        return count

    def _older(self, path: str, width: int) -> list[tuple[str, int]]:
        folder = self.folder / f"{path}.p"
        if not folder.is_dir():
            return []
        widths = sorted(int(one.name) for one in folder.iterdir() if _WIDTH.fullmatch(one.name))
        return [(f"{path}.p/{one}", one) for one in widths if one <= width and one < TILE]

    def _either(self, *paths: str) -> tuple[str, bytes] | None:
        """Give the first of these files that is there: a partial one may be gone once the full one is."""
        for path in paths:
            data = self._read(path)
            if data is not None:
                return path, data
        return None

    def _read(self, path: str) -> bytes | None:
        file = self.folder / path
        try:
            data = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unverifiable(f"{path} cannot be read ({error.strerror}): get the folder again, whole.") from None
        self.seen.add(path)
        return data


def first_other(found: Sequence[bytes], due: Sequence[bytes]) -> int:
    """Give the place of the first that differs, or else of the first that only one of the two has."""
    pairs = enumerate(zip(found, due, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(found), len(due)))


def _parts(data: bytes) -> list[bytes]:
    try:
        return entries_in(data)
    except Broken as error:
        return error.parts
