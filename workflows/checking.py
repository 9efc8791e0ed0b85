"""Reading plain data key by key: what is wrong is noted with its place, and reading goes on with the rest."""

from collections.abc import Mapping, Sequence

from engine.errors import Finding
from engine.model import Json
from workflows.places import Keys, Place, found
from workflows.shape import near
from workflows.yaml_source import Source


class Checking:
    """The findings about one file. `prefix` begins their codes: `play` gives `play-missing`."""

    def __init__(self, source: Source, prefix: str) -> None:
        """Begin without findings of its own; those of the source stay with the source."""
        self.source, self.prefix = source, prefix
        self.findings: list[Finding] = []

    def find(self, path: Keys, code: str, message: str) -> None:
        """Note something wrong with a value."""
        self._note(self.source.places.of(path), path, code, message)

    def find_key(self, path: Keys, code: str, message: str) -> None:
        """Note something wrong with a key itself."""
        self._note(self.source.places.of_key(path), path, code, message)

    def _note(self, place: Place | None, path: Keys, code: str, message: str) -> None:
        at = place or Place(file=self.source.file, line=1, column=1)
        self.findings.append(
            Finding(
                code=f"{self.prefix}-{code}", message=message, path=path, file=at.file, line=at.line, column=at.column
            )
        )

    def unknown(self, data: Mapping[str, Json], path: Keys, known: Sequence[str]) -> None:
        """Note every key that is not one of those known."""
        for key in data:
            if key not in known:
                self.find_key((*path, key), "unknown-key", f"{key[:60]!r} is not known here: {near(key, known)}")

    def text(self, data: Mapping[str, Json], path: Keys, key: str) -> str | None:
        """Give a text, None where there is none."""
        value = data.get(key)
        if value is None or isinstance(value, str):
            return value
        hint = ": put it in quotes if it is text" if isinstance(value, (bool, int)) else ""
        self.find((*path, key), "value", f"expected text, found {found(value)}{hint}")
        return None

    def needed_text(self, data: Mapping[str, Json], path: Keys, key: str) -> str:
        """Give a text that must be there, empty where it is not."""
        if data.get(key) in (None, ""):
            self.find((*path, key) if key in data else path, "missing", f"`{key}` is missing")
            return ""
        return self.text(data, path, key) or ""

    def mapping(self, data: Mapping[str, Json], path: Keys, key: str) -> Mapping[str, Json]:
        """Give a mapping, empty where there is none."""
        value = data.get(key)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.find((*path, key), "value", f"expected a mapping, found {found(value)}")
        return {}

    def listed(self, data: Mapping[str, Json], path: Keys, key: str) -> list[Json]:
        """Give a list, empty where there is none."""
        value = data.get(key)
        if isinstance(value, list):
            return value
        if value is not None:
            self.find((*path, key), "value", f"expected a list, found {found(value)}")
        return []
