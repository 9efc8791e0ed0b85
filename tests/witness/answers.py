"""What a witness answers to what, as a table: for the small one of these tests and for one that others wrote."""

from engine.errors import StepcareError
from stepcare.witness.client import Cosignature, Declined, Forked, Manner, OtherSize, cosign
from stepcare.witness.policy import Witness
from tests.witness.logs import Ledger

# What is sent to a witness that has cosigned size 5 of a log of 9: (whose, old, new, proof) and what it is called.
Sent = tuple[str, int, int, str]
TABLE: dict[str, tuple[Sent, type[StepcareError]]] = {
    "the same request again": (("log", 0, 5, "right"), OtherSize),
    "from another size": (("log", 3, 9, "right"), OtherSize),
    "a shorter log, from where it was": (("log", 5, 4, "none"), Declined),
    "a shorter log, from its own size": (("log", 4, 4, "none"), OtherSize),
    "a stale view of nothing known": (("log", 0, 3, "none"), OtherSize),
    "the same size, another root": (("fork", 5, 5, "none"), Forked),
    "a fork": (("fork", 5, 9, "right"), Forked),
    "a bad proof": (("log", 5, 9, "flipped"), Forked),
    "no proof": (("log", 5, 9, "none"), Forked),
    "a proof too long": (("log", 5, 9, "longer"), Forked),
}


def send(log: Ledger, what: Sent, witness: Witness, manner: Manner) -> Cosignature:
    """Send one row of the table; the witness has cosigned size 5 of `log`, which has 9."""
    whose, old, new, proof = what
    sent = log if whose == "log" else log.forked(4)
    right = sent.prove(old, new) if 0 < old < new else []
    hashes = {
        "right": right,
        "none": [],
        "flipped": [bytes([right[0][0] ^ 1]) + right[0][1:], *right[1:]] if right else [],
        "longer": [*right, bytes(32)],
    }[proof]
    return cosign(sent.note(new), old, hashes, witness, manner)
