"""What can go wrong, as one tree; each class keeps its facts and has a stable code.

StepcareError                 exit 1
├── InvalidInput              exit 2   the caller's data, not the caller's wish
│   ├── BadPack               exit 6   a pathway pack with findings
│   ├── ConditionError        exit 2   a condition that is none (condition_tree.py)
│   └── BadScenario           exit 2   a play file with findings
├── NotFound                  exit 3
├── Refused                   exit 4   by permission, before any rule is asked
├── Conflict                  exit 5
│   ├── StaleEpisode          exit 5
│   └── KeyReused             exit 5
├── Unavailable               exit 1   the database does not answer or cannot write now
│   └── NotNoted              exit 1   a read could not be noted, so nothing is shown
├── VerificationFailed        exit 6
└── Unverifiable              exit 7
    ├── KeyDestroyed          exit 7   the person's key is gone (storage/vault.py)
    └── Erased                exit 7   the person was erased, and by which entry

Messages say what happened, to what, why, and what to do now. They hold ids, never names or clinical text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

MOST_LISTED = 40


def near(word: str, known: Iterable[str]) -> str:
    """Suggest what may have been meant; where nothing is near, list what there is, unless that is too much."""
    there = sorted(known)
    close = get_close_matches(word[:60], there, 1, 0.55)
    if close:
        return f"Did you mean {close[0]}?"
    return f"There is {', '.join(there)}." if 0 < len(there) <= MOST_LISTED else ""


class StepcareError(Exception):
    """Any error Stepcare raises on purpose."""

    code = "internal"
    exit = 1


class InvalidInput(StepcareError):
    """The input cannot be what it claims to be: a wrong type, range, unit, name or time."""

    code = "invalid-input"
    exit = 2


class NotFound(StepcareError):
    """The thing asked for is not here."""

    code = "not-found"
    exit = 3

    def __init__(self, *, what: str, name: str, remedy: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.what, self.name, self.remedy = what, name, remedy
        super().__init__(f"No {what} {name!r} here: {remedy}")


class Refused(StepcareError):
    """Permission is missing; nothing was decided."""

    code = "refused"
    exit = 4


class Conflict(StepcareError):
    """The world moved on, or the same key came with another wish."""

    code = "conflict"
    exit = 5


class StaleEpisode(Conflict):
    """Someone else changed the episode after the caller read it."""

    code = "stale-episode"

    def __init__(self, *, episode: str, seen: int, current: int) -> None:
        """Keep the facts; the sentence is made from them."""
        self.episode, self.seen, self.current = episode, seen, current
        super().__init__(
            f"Episode {episode} is at version {current}, you decided on version {seen}: reload it and look again."
        )


class KeyReused(Conflict):
    """An idempotency key came back with another request body."""

    code = "key-reused"

    def __init__(self, *, key: str, entry: int) -> None:
        """Keep the facts; the sentence is made from them."""
        self.key, self.entry = key, entry
        super().__init__(
            f"Key {key!r} already stands for another request (entry {entry}): use a new key for a new wish."
        )


class Unavailable(StepcareError):
    """The database does not answer or cannot write now; what was asked may be asked again, with the same key."""

    code = "unavailable"


class NotNoted(Unavailable):
    """A read could not be noted in the log of reads, so nothing is shown."""

    def __init__(self, why: str) -> None:
        """Keep what the database said; the sentence is made from it."""
        self.why = why
        super().__init__(f"This read could not be noted in the log of reads, so nothing is shown: {why}")


class VerificationFailed(StepcareError):
    """What is stored is not what was written."""

    code = "verification-failed"
    exit = 6


class Unverifiable(StepcareError):
    """It can be neither confirmed nor denied: a key, version or part is missing."""

    code = "unverifiable"
    exit = 7


class Erased(Unverifiable):
    """The person was erased: what was sealed about them is closed for ever, and nothing new is sealed."""

    code = "erased"

    def __init__(self, *, person: str, entry: int | str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.person, self.entry = person, entry
        super().__init__(
            f"{person} was erased by entry {entry}: nothing sealed about them is readable, and nothing new is kept."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong in a pack or a scenario.

    `path` leads to the value (keys and positions); the loader turns it into file, line and column.
    `example` is a counter-example patient for gaps and overlaps, None elsewhere.
    """

    code: str
    message: str
    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0
    example: dict[str, str] | None = None

    @property
    def place(self) -> str:
        """`file:line:column`, as editors read it, or the path where no file is known."""
        return f"{self.file}:{self.line}:{self.column}" if self.file else "/".join(map(str, self.path))


class BadPack(InvalidInput):
    """A pathway pack cannot be used; every finding is kept, not the first."""

    code = "bad-pack"
    exit = 6

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the sentence lists them."""
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{f.place}: {f.code}: {f.message}" for f in self.findings))


class BadScenario(InvalidInput):
    """A play file cannot be read; every finding is kept, not the first."""

    code = "bad-scenario"

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the sentence lists them."""
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{f.place}: {f.code}: {f.message}" for f in self.findings))
