"""Asking a witness to cosign a checkpoint (C2SP tlog-witness, `add-checkpoint`).

What a witness answers is believed only as far as its key says so: a cosignature counts when it verifies over exactly
the text that was sent, and was made now. Everything else is an error with its meaning, and none of them is ours to
repair: what is asked may be asked again.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import StepcareError
from stepcare.verifier.note import Note, Signature, verified_by
from stepcare.verifier.outcome import NotVerified
from stepcare.witness.policy import TOLERANCE, Witness
from stepcare.witness.post import SECONDS, Ask, Reply, Silence, ask

MOST_HASHES = 63  # of a proof, says the protocol
SIZE_KIND = "text/x.tlog.size"
MOST_DIGITS = 19


class Unanswered(StepcareError):
    """A witness could not be reached, or gave nothing usable. It may be asked again later; nothing waits for it."""

    code = "unanswered"

    def __init__(self, witness: str, why: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.witness, self.why = witness, why
        super().__init__(f"Witness {witness} did not answer: {why}. It is asked again with the next checkpoint.")


class Declined(StepcareError):
    """A witness does not want to cosign this log: it does not know it, or not its key, or did not understand."""

    code = "declined"

    def __init__(self, witness: str, status: int, meaning: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.witness, self.status = witness, status
        super().__init__(f"Witness {witness} declined ({status}): {meaning}")


class OtherSize(StepcareError):
    """A witness has last cosigned another size than the proof begins at."""

    code = "other-size"

    def __init__(self, witness: str, size: int) -> None:
        """Keep the facts; the sentence is made from them."""
        self.witness, self.size = witness, size
        super().__init__(f"Witness {witness} has last cosigned size {size}: send it the proof from there.")


class Forked(StepcareError):
    """A witness has cosigned something that this checkpoint does not continue: evidence of a second history."""

    code = "forked"

    def __init__(self, witness: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.witness = witness
        super().__init__(
            f"Witness {witness} refused (422): this checkpoint does not continue what it has cosigned. "
            "Either the log was rewritten, or there are two logs of this name: keep both checkpoints."
        )


class Unacceptable(StepcareError):
    """A witness answered with a cosignature that does not count."""

    code = "unacceptable"

    def __init__(self, witness: str, why: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.witness, self.why = witness, why
        super().__init__(f"The cosignature of witness {witness} does not count: {why}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a witness is asked. `now`, in POSIX seconds, is what its time is held against."""

    now: int
    seconds: float = SECONDS
    ask: Ask = ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A cosignature that counts: its line in the note, and the time the witness says, in POSIX seconds."""

    signature: Signature
    time: int


def cosign(note: Note, old_size: int, proof: Sequence[bytes], witness: Witness, manner: Manner) -> Cosignature:
    """Have a witness cosign a checkpoint whose log it has last seen at `old_size` (0: never).

    Raises Unanswered, Declined, OtherSize, Forked or Unacceptable.
    """
    if witness.url is None:
        raise Unanswered(witness.name, "the policy gives no address for it")
    body = request_body(note, old_size, proof)
    try:
        reply = manner.ask(f"{witness.url}/add-checkpoint", body, manner.seconds)
    except Silence as silence:
        raise Unanswered(witness.name, str(silence)) from None
    if reply.status != 200:
        raise refusal(witness.name, reply)
    return _accepted(note, reply.body, witness, manner.now)


def request_body(note: Note, old_size: int, proof: Sequence[bytes]) -> bytes:
    """Write a request: the old size, the proof, an empty line, the checkpoint."""
    if len(proof) > MOST_HASHES:
        raise ValueError(f"A proof of {len(proof)} hashes: no log needs more than {MOST_HASHES}.")
    hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
    return f"old {old_size}\n{hashes}\n".encode() + note.bytes()


def refusal(name: str, reply: Reply) -> StepcareError:
    """Give what an answer other than 200 means."""
    if reply.status == 409:
        size = _size(reply)
        return OtherSize(name, size) if size is not None else Unanswered(name, "a conflict (409) without its size")
    if reply.status == 422:
        return Forked(name)
    meaning = {
        400: "it could not read the request, or the log is shorter than the proof begins: look at its log.",
        403: "it has another key for this log: give it the log's present key.",
        404: "it does not know this log, or its address is another one: have the log's origin and key added there.",
    }.get(reply.status)
    if meaning is not None:
        return Declined(name, reply.status, meaning)
    return Unanswered(name, f"it answered {reply.status}, which means nothing here")


def _size(reply: Reply) -> int | None:
    text = reply.body.removesuffix(b"\n")
    plain = text.isdigit() and len(text) <= MOST_DIGITS and (text == b"0" or text[0] != 0x30)
    return int(text) if plain and reply.kind == SIZE_KIND and reply.body.endswith(b"\n") else None


def _accepted(note: Note, body: bytes, witness: Witness, now: int) -> Cosignature:
    """Hold an answer to the witness's own key: others' lines are passed over, a wrong one of its own is not."""
    try:
        lines = Note.parse(note.text.encode() + b"\n" + body).signatures
        ours = [one for one in lines if (one.name, one.id) == (witness.key.name, witness.key.id)]
        found = [(one, verified_by(Note(text=note.text, signatures=(one,)), [witness.key])[0]) for one in ours]
    except (NotVerified, ValueError) as error:
        raise Unacceptable(witness.name, f"it does not verify over what was sent ({error})".rstrip(".")) from None
    if not found:
        raise Unacceptable(witness.name, "none of its lines is by the key in the policy")
    signature, seen = found[0]
    time = seen.time or 0
    if time > now + TOLERANCE:
        raise Unacceptable(witness.name, f"it is dated {time - now} s in the future: one of the two clocks is wrong")
    if time < now - TOLERANCE:
        raise Unacceptable(witness.name, f"it is {now - time} s old: an earlier one played again, or a clock is wrong")
    return Cosignature(signature=signature, time=time)


def seen_by(witness: Witness, origin: str, manner: Manner) -> Note | None:
    """Give the checkpoint a witness shows for a log, believed by nobody yet; None where it shows none.

    Not every witness has this reading side, so that nothing came back means nothing.
    """
    if witness.url is None:
        return None
    place = hashlib.sha256(origin.encode()).hexdigest()
    try:
        reply = manner.ask(f"{witness.url}/{place}/checkpoint", None, manner.seconds)
        return Note.parse(reply.body) if reply.status == 200 else None
    except (Silence, NotVerified, ValueError):
        return None
