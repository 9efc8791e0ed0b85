"""Whose word is enough: a policy file (C2SP tlog-policy) names logs, witnesses, groups of them, and the quorum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, verified_by
from stepcare.verifier.outcome import Unverifiable

NONE = "none"
TOLERANCE = 300  # seconds that the clock of a witness may go before ours
Group = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a checkpoint must carry: `groups` gives each group how many of which members it takes."""

    logs: tuple[Key, ...]
    witnesses: Mapping[str, Key]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a policy file; Unverifiable, with the line, for one that cannot be followed to the letter."""
        draft = _Draft()
        # Names are octets, whatever they mean: so each octet is a character here, and keys are UTF-8 again.
        lines = data.decode("latin-1").split("\n")
        if lines.pop():
            raise Unverifiable("The policy's last line has no end: it was cut.")
        for number, line in enumerate(lines, start=1):
            if any((char < " " and char != "\t") or char == "\x7f" for char in line):
                raise Unverifiable(f"The policy, line {number}, holds control characters.")
            # Not split(): it would part words at octets, too, that Latin-1 takes for spaces.
            words = [one for one in line.replace("\t", " ").split(" ") if one]
            if words and not words[0].startswith("#") and not draft.takes(words):
                raise Unverifiable(f"The policy, line {number}, is no line of a policy.")
        if draft.quorum is None:
            raise Unverifiable("The policy has no quorum line.")
        return cls(logs=tuple(draft.logs), witnesses=draft.witnesses, groups=draft.groups, quorum=draft.quorum)

    def satisfied(self, note: Note, at: int | None = None) -> bool:
        """Say whether one of the logs and enough witnesses signed, at `at` (POSIX seconds) or before; None: ever.

        A witness's clock may go before ours by the tolerance.
        Tampered when a signature of a key that is named fails.
        """
        origin = Checkpoint.parse(note.text).origin
        logs = [key for key in self.logs if key.name == origin]
        signed = not self.logs or bool(verified_by(note, logs))
        seen = {one.key: one.time for one in verified_by(note, self.witnesses.values())}
        # Who leaves the time out (nought) has not said when.
        counts = {key for key, time in seen.items() if time and (at is None or time <= at + TOLERANCE)}
        met = {name: key in counts for name, key in self.witnesses.items()}
        met[NONE] = True
        for name, (least, members) in self.groups.items():
            met[name] = sum(met[one] for one in members) >= least
        return signed and met[self.quorum]


class _Draft:
    """What of a policy has been read so far."""

    def __init__(self) -> None:
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._placed: set[str] = set()

    def takes(self, words: list[str]) -> bool:
        """Read one line; False when it is none."""
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                return self._log(_key(vkey))
            case ["witness", name, vkey, *url] if len(url) < 2 and self._is_new(name):
                return self._witness(name, _key(vkey))
            case ["group", name, many, *members] if members and self._is_new(name):
                return self._group(name, many, members)
            case ["quorum", name] if self.quorum is None and (name == NONE or self._is_known(name)):
                self.quorum = name
                return True
        return False

    def _is_known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _is_new(self, name: str) -> bool:
        return name != NONE and not self._is_known(name)

    def _log(self, key: Key) -> bool:
        fine = key.kind == ED25519 and all(key.public != one.public for one in self.logs)
        self.logs.append(key)
        return fine

    def _witness(self, name: str, key: Key) -> bool:
        fine = key.kind == COSIGNATURE and all(key.public != one.public for one in self.witnesses.values())
        self.witnesses[name] = key
        return fine

    def _group(self, name: str, many: str, members: list[str]) -> bool:
        numbers = {"any": 1, "all": len(members)} | {str(one): one for one in range(1, len(members) + 1)}
        free = all(self._is_known(one) and one not in self._placed for one in members)
        if many not in numbers or not free or len(set(members)) < len(members):
            return False
        self._placed.update(members)
        self.groups[name] = (numbers[many], tuple(members))
        return True


def _key(word: str) -> Key:
    try:
        return Key.parse(word.encode("latin-1").decode())
    except UnicodeDecodeError:
        raise Unverifiable("The policy has a key whose name is not UTF-8.") from None
