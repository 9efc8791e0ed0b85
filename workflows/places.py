"""Where things stand in a file, so that every finding can point at its line and column."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from engine.errors import Finding
from engine.model import Json

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands, counted from 1 as editors do.

    `text`: the column of the first character of a text that stands on one line exactly as it reads, so that an
    offset into it is a column; None where escapes, folding or several lines come between.
    """

    file: str
    line: int
    column: int
    text: int | None = None

    def __str__(self) -> str:
        """Give `file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Places:
    """The place of every value and every key, by the keys and positions that lead to it."""

    values: dict[Keys, Place] = field(default_factory=dict)
    keys: dict[Keys, Place] = field(default_factory=dict)

    def of(self, path: Keys) -> Place | None:
        """Give the place of a value, else of the nearest thing that encloses it."""
        for length in range(len(path), -1, -1):
            if (place := self.values.get(path[:length])) is not None:
                return place
        return None

    def of_key(self, path: Keys) -> Place | None:
        """Give the place of the key itself, else of what encloses it."""
        return self.keys.get(path) or self.of(path)

    def resolve(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Add file, line and column to findings that have only a path.

        A finding that brings a column without a file counts characters (from 1) inside the text at its path.
        """
        return tuple(self._placed(finding) for finding in findings)

    def _placed(self, finding: Finding) -> Finding:
        place = self.of(finding.path)
        if finding.file or place is None:
            return finding
        column = place.column
        if finding.column > 0 and place.text is not None and finding.path in self.values:
            column = place.text + finding.column - 1
        return replace(finding, file=place.file, line=place.line, column=column)


def found(value: Json) -> str:
    """Say in words what kind of thing a value is, shortened."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int():
            return f"the number {value}"
        case str():
            return f"the text {value[:40]!r}{'…' if len(value) > 40 else ''}"
        case list():
            return "a list"
    return "a mapping"
