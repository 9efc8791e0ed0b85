"""Who signed a checkpoint, and whether the log still agrees with the checkpoints that were kept elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, verified_by
from stepcare.verifier.outcome import NotVerified, Tampered, Unverifiable
from stepcare.verifier.policy import Policy
from stepcare.verifier.report import Report

NO_KEY = "who signed the checkpoint: no key of the log was given (--vkey)"
NO_KEPT = (
    "whether the whole log was written anew, or its end cut off: no checkpoint kept elsewhere was given (--checkpoint)"
)
NO_POLICY = "whether witnesses saw the checkpoint: no policy was given (--policy)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose keys are believed. `policy` None: witnesses are not asked for."""

    keys: tuple[Key, ...] = ()
    policy: Policy | None = None

    @property
    def all(self) -> tuple[Key, ...]:
        """Give every key there is, those of the policy among them, each once."""
        policy = () if self.policy is None else (*self.policy.logs, *self.policy.witnesses.values())
        return tuple(dict.fromkeys((*self.keys, *policy)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint that was kept elsewhere; `name` is what the report calls it."""

    name: str
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, name: str, data: bytes) -> "Kept":
        """Read it; Unverifiable when these bytes are none: then nothing can be compared with it."""
        try:
            note = Note.parse(data)
            return cls(name=name, note=note, checkpoint=Checkpoint.parse(note.text))
        except Tampered as error:
            raise Unverifiable(f"The kept checkpoint {name} cannot be read: {error}") from None


def check_signed(note: Note, checkpoint: Checkpoint, trust: Trust, report: Report) -> None:
    """Check who signed the log's checkpoint."""
    try:
        seen = verified_by(note, trust.all)
        if not any(key.kind == ED25519 for key in trust.all):
            report.skip(NO_KEY)
        elif any(one.key.kind == ED25519 and one.key.name == checkpoint.origin for one in seen):
            report.count("signatures")
        else:
            report.add(Unverifiable(f"The checkpoint of {checkpoint.origin} is signed by none of the keys given."))
        report.anchored |= any(one.key.kind == COSIGNATURE or one.key.name == checkpoint.origin for one in seen)
        report.count("cosignatures", sum(one.key.kind == COSIGNATURE for one in seen))
        if trust.policy is None:
            report.skip(NO_POLICY)
        elif not trust.policy.satisfied(note):
            report.add(Unverifiable("The checkpoint does not have the signatures that the policy asks for."))
    except Tampered as error:
        report.add(Tampered(f"The checkpoint: {error}"))


def check_kept(kept: Sequence[Kept], origin: str | None, trust: Trust, report: Report) -> list[Kept]:
    """Check the kept checkpoints by themselves; gives those that the log can be held against."""
    if not kept:
        report.skip(NO_KEPT)
    fine = []
    for one in kept:
        try:
            _check_one(one, origin, trust, report)
        except NotVerified as error:
            report.add(error)
        else:
            fine.append(one)
    return fine


def _check_one(kept: Kept, origin: str | None, trust: Trust, report: Report) -> None:
    name, said = kept.name, kept.checkpoint
    if origin is not None and said.origin != origin:
        raise Unverifiable(f"The kept checkpoint {name} is of {said.origin}, this log is {origin}.")
    try:
        seen = verified_by(kept.note, trust.all)
    except Tampered as error:
        raise Tampered(f"The kept checkpoint {name}: {error}") from None
    if not any(key.kind == ED25519 for key in trust.all):
        report.skip("who signed the kept checkpoints: no key of the log was given (--vkey)")
    elif not any(one.key.kind == ED25519 and one.key.name == said.origin for one in seen):
        raise Unverifiable(f"The kept checkpoint {name} is signed by none of the keys given.")
    else:
        report.count("signatures")


def compare(kept: Iterable[Kept], size: int, roots: Mapping[int, bytes], report: Report) -> None:
    """Hold the log's roots, by size, against the kept checkpoints."""
    for one in kept:
        name, said = one.name, one.checkpoint
        if not said.size:
            report.skip(f"the kept checkpoint {name}: it speaks of an empty log, which every log continues")
        elif said.size > size:
            cut = f"The log has {size} entries, and had {said.size} when the checkpoint {name} was kept"
            report.add(Tampered(f"{cut}: its end was cut off."), index=size)
        elif said.size not in roots:
            report.add(Unverifiable(f"The log cannot be followed to entry {said.size}, where {name} was kept."))
        elif roots[said.size] == said.root:
            report.count("kept checkpoints")
            report.anchored = True
        elif said.size == size:
            both = f"The checkpoint {name} is of the same size, {size}, and has another root"
            report.add(Tampered(f"{both}: there are two logs. Keep both."))
        else:
            which = f"The first {said.size} entries are not those the checkpoint {name} speaks of"
            report.add(Tampered(f"{which}: the log was written anew. Keep both."))


def check_seen(seen: Kept, checkpoint: Checkpoint, trust: Trust, report: Report) -> bool:
    """Check the checkpoint in the file `witnessed` by itself; False where the log cannot be held against it."""
    said = seen.checkpoint
    try:
        if said.origin != checkpoint.origin:
            raise Tampered(f"it is of {said.origin}, this log is {checkpoint.origin}.")
        signed = verified_by(seen.note, trust.all)
        if said.size > checkpoint.size:
            # The sealer writes it a moment before the checkpoint.
            ahead = f"it speaks of {said.size} entries, the checkpoint of {checkpoint.size} only"
            raise Unverifiable(f"{ahead}: look again after the next seal; if it stays, an older one was put back.")
        if any(key.kind == ED25519 for key in trust.all) and not any(one.key.name == said.origin for one in signed):
            raise Unverifiable("it is signed by none of the keys given.")
    except NotVerified as error:
        report.add(type(error)(f"The file {seen.name}: {error}"))
        return False
    return True


def compare_seen(seen: Kept, roots: Mapping[int, bytes], report: Report) -> None:
    """Hold the log's roots, by size, against what witnesses saw; it lies with the log, so it anchors nothing."""
    name, said = seen.name, seen.checkpoint
    if said.size not in roots:
        report.add(Unverifiable(f"The log cannot be followed to entry {said.size}, of which the file {name} speaks."))
    elif roots[said.size] == said.root:
        report.count("witnessed checkpoints")
    else:
        which = f"The first {said.size} entries are not those that witnesses saw, by the file {name}"
        report.add(Tampered(f"{which}: the log was written anew. Keep both."))
