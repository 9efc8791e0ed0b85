"""Checkpoints (C2SP tlog-checkpoint): how long a log is and what its root is, in three lines under a signature."""

from dataclasses import dataclass
from typing import Self

from stepcare.verifier.outcome import Tampered
from stepcare.verifier.plain import base64_of, from_base64, from_number
from stepcare.verifier.tree import EMPTY, HASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The log `origin` had `size` entries, and their tree had this root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint's note; Tampered when it is none.

        Further lines, which the format allows but advises against, are refused: our logs never write any.
        """
        origin, size, root = _lines(text)
        number, data = from_number(size), from_base64(root)
        if not origin or number is None or data is None or len(data) != HASH:
            raise Tampered("This is no checkpoint: an origin, a number of entries and a root are due.")
        if not number and data != EMPTY:
            raise Tampered("This is no checkpoint: the root of an empty log is another one.")
        return cls(origin=origin, size=number, root=data)

    def text(self) -> str:
        """Write the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Tampered("This is no checkpoint: it has three lines, each with its end.")
    return lines[:3]
