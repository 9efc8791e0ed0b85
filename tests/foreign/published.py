"""Published logs for verifiers to look at: written with our own tile writer, without the sealer's waiting for the disk."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stepcare.publish.tiles import Edge, Growth
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note
from tests.witness.logs import ORIGIN, Pen

PEN = Pen.of(ORIGIN)
VKEY = str(PEN.key)


def an_entry(number: int, word: str = "entry") -> bytes:
    """Give an entry's bytes, of differing lengths; the first is empty."""
    return f'{{"idx":{number},"word":"{word}","filler":"{"x" * (number * 7 % 200)}"}}'.encode() if number else b""


@dataclass(slots=True)
class Shelf:
    """A log that grows, and can be put into a folder at any of its sizes on the way."""

    pen: Pen = field(default_factory=lambda: PEN)
    whole: dict[str, bytes] = field(default_factory=dict)
    growth: Growth = field(default_factory=lambda: Growth(Edge()))

    def add(self, entries: Iterable[bytes]) -> "Shelf":
        """Append entries."""
        self.whole.update(self.growth.add(entries))
        return self

    def note(self) -> Note:
        """Give the signed checkpoint of now."""
        edge = self.growth.edge()
        text = Checkpoint(origin=self.pen.key.name, size=edge.size, root=edge.root()).text()
        return Note(text=text, signatures=(self.pen.sign(text),))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Give everything that is published of it now."""
        yield from self.whole.items()
        yield from self.growth.edge().partials()
        yield "checkpoint", self.note().bytes()

    def put(self, folder: Path, like: Path | None = None) -> Path:
        """Write it into a folder; whole tiles that `like` has already are shared with it."""
        for name, data in self.files():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if like is not None and name in self.whole and (like / name).exists():
                os.link(like / name, path)
            else:
                path.write_bytes(data)
        return folder


def shelf(entries: Iterable[bytes], pen: Pen = PEN) -> Shelf:
    """Give a log of these entries."""
    return Shelf(pen=pen).add(entries)


def entries(count: int) -> list[bytes]:
    """Give that many entries."""
    return [an_entry(number) for number in range(count)]
