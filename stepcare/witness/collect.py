"""Collecting cosignatures for a checkpoint: every witness at once, none of them waited for longer than agreed.

Nothing here stops a seal. Who did not answer is reported; who saw another history is evidence, and kept.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from time import monotonic

from engine.errors import StepcareError
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import MOST_SIGNATURES, Note, Signature
from stepcare.witness.client import (
    Cosignature,
    Declined,
    Forked,
    Manner,
    OtherSize,
    Unacceptable,
    Unanswered,
    cosign,
    seen_by,
)
from stepcare.witness.kept import Accusation, Kept
from stepcare.witness.policy import Policy, Standing, Witness

Prove = Callable[[int, int], list[bytes]]
TRIES = 4  # another sealer of the same log may change a witness's size under our hands
GRACE = 1.0  # seconds beyond the witness's own time, for threads to say that it is over


class Said(StrEnum):
    """What became of asking one witness."""

    COSIGNED = "cosigned"
    UNANSWERED = "unanswered"
    DECLINED = "declined"
    AHEAD = "ahead"  # it has cosigned more than this log has: a restored backup, or another sealer
    FORKED = "forked"
    UNACCEPTABLE = "unacceptable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one witness said. `time` as it says, in POSIX seconds; `size` is the one it is at; None: it did not say."""

    witness: str
    said: Said
    detail: str = ""
    time: int | None = None
    size: int | None = None
    signature: Signature | None = None
    seen: Note | None = None

    @property
    def is_evidence(self) -> bool:
        """Say whether it speaks of another history than ours."""
        return self.said in {Said.AHEAD, Said.FORKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The checkpoint with what was collected, in the policy's order, and how it now stands with the policy.

    `evidence`: the files written because a witness saw another history.
    """

    note: Note
    answers: tuple[Answer, ...]
    standing: Standing
    evidence: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every witness is asked: the checkpoint, who proves its continuity, and what is remembered of each."""

    note: Note
    checkpoint: Checkpoint
    prove: Prove
    manner: Manner
    kept: Kept = field(default_factory=Kept)


def collect(note: Note, prove: Prove, policy: Policy, manner: Manner, folder: Path | None = None) -> Collected:
    """Have every witness of the policy that has an address cosign a checkpoint; never raises for what they answer.

    `prove(old, new)` gives the consistency proof between two sizes; both the same: no hashes. `folder` is the sealer's own: what each witness has
    last cosigned is remembered there, and evidence is kept; None: nothing is. Cosignatures that the note already
    carries stay. The answer comes after the manner's seconds and a little, whatever the witnesses do.
    """
    kept = Kept(folder=folder)
    asked = Asked(note=note, checkpoint=Checkpoint.parse(note.text), prove=prove, manner=manner, kept=kept)
    answers = tuple(_in_order(policy, _all_at_once(asked, policy)))
    signatures = [one.signature for one in answers if one.signature is not None]
    whole = with_signatures(note, signatures)
    evidence: list[Path] = []
    for answer in answers:
        witness = next(one for one in policy.witnesses if one.name == answer.witness)
        if answer.signature is not None:
            kept.remember(witness, Note(text=note.text, signatures=(*note.signatures, answer.signature)))
        elif answer.is_evidence:
            evidence += kept.evidence(witness, _accusation(asked, answer))
    standing = policy.standing(whole, manner.now)
    return Collected(note=whole, answers=answers, standing=standing, evidence=tuple(evidence))


def with_signatures(note: Note, new: list[Signature]) -> Note:
    """Give the note with these signature lines, each in the place of an earlier one by the same key.

    A note that nobody can read would stop the log: beyond what readers take, earlier cosignatures go first, then new
    ones, never the log's own.
    """
    ours = {(one.name, one.id) for one in new}
    rest = [one for one in note.signatures if (one.name, one.id) not in ours]
    origin = note.text.partition("\n")[0]
    own = [one for one in rest if one.name == origin]
    earlier = [one for one in rest if one.name != origin]
    return Note(text=note.text, signatures=(*own, *new, *earlier)[:MOST_SIGNATURES])


def _all_at_once(asked: Asked, policy: Policy) -> Iterator[Answer]:
    """Ask in threads that nobody waits for at the end: a resolver that hangs must not hold the sealer up."""
    done: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    waiting = {one.name for one in policy.witnesses if one.url is not None}
    for witness in policy.witnesses:
        if witness.url is not None:
            threading.Thread(target=_into, args=(done, asked, witness), daemon=True).start()
    over = monotonic() + asked.manner.seconds + GRACE
    while waiting:
        try:
            answer = done.get(timeout=max(0.0, over - monotonic()))
        except queue.Empty:
            for name in waiting:
                late = Unanswered(name, f"no answer within {asked.manner.seconds:g} s")
                yield Answer(witness=name, said=Said.UNANSWERED, detail=str(late))
            return
        waiting.discard(answer.witness)
        yield answer


def _in_order(policy: Policy, answers: Iterator[Answer]) -> Iterator[Answer]:
    found = {one.witness: one for one in answers}
    return (found[one.name] for one in policy.witnesses if one.name in found)


def _into(done: "queue.SimpleQueue[Answer]", asked: Asked, witness: Witness) -> None:
    try:
        done.put(_asked_one(asked, witness))
    except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the fault is this witness's answer
        done.put(Answer(witness=witness.name, said=Said.UNANSWERED, detail=f"Asking failed: {type(error).__name__}."))


def _asked_one(asked: Asked, witness: Witness) -> Answer:
    """Ask one witness, from the size it was last at; where it says another, from there."""
    over = monotonic() + asked.manner.seconds
    size = asked.kept.size(witness, asked.checkpoint)
    for _ in range(TRIES):
        manner = replace(asked.manner, seconds=max(0.001, over - monotonic()))
        try:
            made = cosign(asked.note, size, _proof(asked, size), witness, manner)
        except OtherSize as other:
            if other.size > asked.checkpoint.size:
                return _ahead(asked, witness, other.size)
            size = other.size
        except Forked as forked:
            seen = seen_by(witness, asked.checkpoint.origin, manner)
            return Answer(witness=witness.name, said=Said.FORKED, detail=str(forked), size=size, seen=seen)
        except StepcareError as error:
            return Answer(witness=witness.name, said=_kind(error), detail=str(error))
        else:
            return _cosigned(asked, witness, made)
    detail = f"Witness {witness.name} changed its size {TRIES} times: another sealer of this log is at work."
    return Answer(witness=witness.name, said=Said.UNANSWERED, detail=detail, size=size)


def _proof(asked: Asked, size: int) -> list[bytes]:
    """Everything continues an empty log: there is nothing to prove."""
    return asked.prove(size, asked.checkpoint.size) if size else []


def _cosigned(asked: Asked, witness: Witness, made: Cosignature) -> Answer:
    return Answer(
        witness=witness.name,
        said=Said.COSIGNED,
        time=made.time,
        size=asked.checkpoint.size,
        signature=made.signature,
    )


def _ahead(asked: Asked, witness: Witness, size: int) -> Answer:
    detail = (
        f"Witness {witness.name} has cosigned size {size}, this log has {asked.checkpoint.size} entries: it was "
        "restored from an older backup, or another sealer runs. Do not go on before it is known which."
    )
    seen = seen_by(witness, asked.checkpoint.origin, asked.manner)
    return Answer(witness=witness.name, said=Said.AHEAD, detail=detail, size=size, seen=seen)


def _accusation(asked: Asked, answer: Answer) -> Accusation:
    return Accusation(
        at=asked.manner.now,
        said=answer.said.value,
        detail=answer.detail,
        ours=asked.note,
        size=answer.size,
        seen=answer.seen,
    )


def _kind(error: StepcareError) -> Said:
    if isinstance(error, Declined):
        return Said.DECLINED
    return Said.UNACCEPTABLE if isinstance(error, Unacceptable) else Said.UNANSWERED
