"""What the sealer's folder remembers of its witnesses: what each last cosigned, and evidence of another history.

`witnessed/` holds, for each log and witness, the last checkpoint it cosigned: the size it is asked from, and the other
half of the evidence should it ever refuse. `evidence/` is only ever added to.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from engine.model import Json
from stepcare.publish.durable import ensure_folder, write_whole
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note, verified_by
from stepcare.verifier.outcome import NotVerified
from stepcare.witness.policy import Witness

OWN, OWN_FILE = 0o700, 0o600  # nobody but the sealer
MOST_EVIDENCE = 300  # files; the first ones matter, and a fork that lasts must not fill the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The sealer's folder, as far as witnesses go; None: nothing is remembered."""

    folder: Path | None = None

    def size(self, witness: Witness, checkpoint: Checkpoint) -> int:
        """Give the size a witness was last at, as far as is remembered and this checkpoint reaches; else 0.

        It is a guess that saves a question: a witness that is elsewhere says so.
        """
        note = self.last(witness, checkpoint.origin)
        size = Checkpoint.parse(note.text).size if note is not None else 0
        return size if size <= checkpoint.size else 0

    def last(self, witness: Witness, origin: str) -> Note | None:
        """Give the last checkpoint of a log that a witness cosigned; None where none is remembered, or it is spoilt."""
        if self.folder is None:
            return None
        try:
            note = Note.parse(self._place(witness, origin).read_bytes())
            there = bool(verified_by(note, [witness.key])) and Checkpoint.parse(note.text).origin == origin
        except (OSError, NotVerified, ValueError):
            return None
        return note if there else None

    def remember(self, witness: Witness, note: Note) -> None:
        """Remember what a witness has just cosigned."""
        if self.folder is not None:
            place = self._place(witness, Checkpoint.parse(note.text).origin)
            ensure_folder(place.parent, OWN)
            write_whole(place, note.bytes(), OWN_FILE)

    def evidence(self, witness: Witness, accusation: "Accusation") -> list[Path]:
        """Keep our checkpoint, theirs and what was said; gives the files, none where these are kept already."""
        if self.folder is None:
            return []
        folder = self.folder / "evidence"
        ensure_folder(folder, OWN)
        ours = Checkpoint.parse(accusation.ours.text)
        stem = f"{_short(ours.origin)}-{witness.key.id.hex()}-{accusation.said}-{ours.size}-{ours.root.hex()[:16]}"
        if (folder / f"{stem}.json").exists() or sum(1 for _ in folder.iterdir()) >= MOST_EVIDENCE:
            return []
        files = {f"{stem}.ours": accusation.ours.bytes()}
        last = self.last(witness, ours.origin)
        if accusation.seen is not None:
            files[f"{stem}.theirs"] = accusation.seen.bytes()
        if last is not None:
            files[f"{stem}.last"] = last.bytes()
        files[f"{stem}.json"] = json.dumps(accusation.words(witness), indent=2, ensure_ascii=True).encode() + b"\n"
        for name, data in files.items():
            write_whole(folder / name, data, OWN_FILE)
        return [folder / name for name in files]

    def _place(self, witness: Witness, origin: str) -> Path:
        assert self.folder is not None  # noqa: S101 - asked for by those who have looked
        return self.folder / "witnessed" / f"{_short(origin)}-{witness.key.id.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accusation:
    """What is held against what: our checkpoint, the one the witness shows (None: it shows none), and its words."""

    at: int
    said: str
    detail: str
    ours: Note
    size: int | None
    seen: Note | None

    def words(self, witness: Witness) -> dict[str, Json]:
        """Give it as JSON, with what is in which file."""
        return {
            "witness": witness.name,
            "key": str(witness.key),
            "url": witness.url,
            "at": self.at,
            "said": self.said,
            "detail": self.detail,
            "witness_size": self.size,
            ".ours": "the checkpoint that was sent",
            ".theirs": "the checkpoint the witness shows for this log, if it shows one",
            ".last": "the last checkpoint it cosigned for us, if it ever did",
        }


def _short(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()[:16]
