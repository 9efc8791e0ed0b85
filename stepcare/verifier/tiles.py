"""Where the published log keeps what (C2SP tlog-tiles), and how entries lie in a bundle."""

from collections.abc import Iterable

from stepcare.verifier.outcome import Tampered
from stepcare.verifier.tree import HASH

TILE = 256
LARGEST_ENTRY = 65_535


class Broken(Tampered):
    """A tile or a bundle that is not whole; `parts`: what of it can be read, from its beginning on."""

    def __init__(self, message: str, parts: list[bytes]) -> None:
        """Keep what can be read."""
        super().__init__(message)
        self.parts = parts


def tile_path(level: int, index: int, width: int = TILE) -> str:
    """Give the path of a tile of hashes; level 0 holds the leaves."""
    return f"tile/{level}/{_place(index, width)}"


def entries_path(index: int, width: int = TILE) -> str:
    """Give the path of the bundle of entries that belongs to tile `index` of level 0."""
    return f"tile/entries/{_place(index, width)}"


def _place(index: int, width: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return path if width == TILE else f"{path}.p/{width}"


def entries_in(data: bytes) -> list[bytes]:
    """Read the entries of a bundle; Broken, which is Tampered, when its lengths do not add up."""
    found: list[bytes] = []
    at, size = 0, len(data)
    while at < size:
        start = at + 2
        end = start + (data[at] << 8 | data[at + 1]) if start <= size else start
        if end > size:
            raise Broken("The bundle of entries ends within an entry: it was cut or changed.", found)
        found.append(data[start:end])
        at = end
    return found


def hashes_in(data: bytes) -> list[bytes]:
    """Read the hashes of a tile, as far as they are whole."""
    return [data[at : at + HASH] for at in range(0, len(data) - HASH + 1, HASH)]


def bundle_of(entries: Iterable[bytes]) -> bytes:
    """Write entries as a bundle; ValueError for an entry of more than 65,535 bytes."""
    parts = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise ValueError(f"An entry has {len(entry)} bytes, a bundle counts up to {LARGEST_ENTRY}.")
        parts += [len(entry).to_bytes(2), entry]
    return b"".join(parts)
