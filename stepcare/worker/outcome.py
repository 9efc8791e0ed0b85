"""What the answers of channels come to: one word for the message, and whether it is tried again."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from stepcare.channels.backoff import wait_after
from stepcare.channels.port import OnUnknown, Result
from storage.claims import Try

TAKEN = ("delivered", "accepted")
NO_LANE, RESTING, CRASHED = "no_lane", "resting", "crashed"
NOT_BEGUN = (NO_LANE, RESTING)  # our own words for what never left: no lane was free, or the channel is left alone
# What a try's end as a row is as an entry.
RESULTS = {"accepted": "accepted", "delivered": "delivered", "permanent": "failed", "unknown": "unknown"}
REFERENCE = re.compile(r"[!-~]{1,200}")
Receiver = TypeVar("Receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a try: `again` None: it is over, and `result` and `reason` are what the entry says."""

    status: str
    result: str
    reason: str
    reference: str | None = None
    again: timedelta | None = None

    def deciding_last(self, found: Sequence[tuple[Receiver, Result]]) -> list[tuple[Receiver, Result]]:
        """Give each receiver with its answer, the one that decides about the message last."""
        fits = {self.status, "unknown", "temporary"} if self.again is not None else {self.status}
        alike = (at for at, (_, one) in enumerate(found) if one.status in fits and one.code == self.reason)
        deciding = next(alike, 0)
        return [one for at, one in enumerate(found) if at != deciding] + [found[deciding]]


def outcome_of(
    results: Sequence[Result], rules: Sequence[OnUnknown], *, tries: int, random: Callable[[], float]
) -> Outcome:
    """Give what the answers of all receivers come to: taken as soon as one of them has it.

    `rules` are those of the receivers' channels for what nobody knows. `tries` counts this one too; `random` spreads the
    next one.
    """
    taken = [one for status in TAKEN for one in results if one.status == status]
    if taken:
        best = taken[0]
        return Outcome(status=best.status, result=best.status, reason=best.code, reference=best.reference)
    unknown = [one for one in results if one.status == "unknown"]
    final = [one for one, rule in zip(results, rules, strict=True) if one in unknown and rule != "resend"]
    if final:
        return Outcome(status="unknown", result="unknown", reason=final[0].code)
    open_ = [one for one in results if one.status in ("temporary", "unknown")]
    if not open_:
        return Outcome(status="permanent", result="failed", reason=results[0].code)
    asked = max((one.retry_after for one in open_ if one.retry_after is not None), default=None)
    if all(one.code in NOT_BEGUN for one in open_):
        # Nothing was tried: it waits for its turn, and that counts for nothing.
        return Outcome(status="deferred", result="", reason=open_[0].code, again=asked or timedelta(0))
    code = next(one.code for one in open_ if one.code not in NOT_BEGUN)
    again = wait_after(tries, random, asked)
    if again is None:
        # What nobody knows stays so: a person who reads "dead" would take it for not sent.
        ended = "unknown" if unknown else "permanent"
        return Outcome(status=ended, result="unknown" if unknown else "dead", reason=code)
    return Outcome(status="temporary", result="", reason=code, again=again)


def said_by(tries: Sequence[Try], known: str) -> Outcome:
    """Give what an earlier lease found out and could not say any more: its last step of this status."""
    last = next((one for one in reversed(tries) if one.status == known), None)
    reason, reference = (last.detail, last.reference) if last is not None else ("", None)
    return Outcome(status=known, result=RESULTS[known], reason=reason, reference=reference)


def uncertain(tries: Sequence[Try], fence: int) -> str:
    """Give the code of an earlier try that may have reached somebody, empty where there is none.

    It is one whose end nobody knows, or one that was announced under an earlier lease and of which nothing was kept.
    """
    ended = {(one.fence, one.receiver) for one in tries if one.status != "sending"}
    for one in reversed(tries):
        if one.status == "unknown":
            return one.detail or CRASHED
        if one.status == "sending" and one.fence != fence and (one.fence, one.receiver) not in ended:
            return CRASHED
    return ""


def coded(reason: str) -> str:
    """Give a reason as an entry takes it: small letters, digits and . : _ -, 60 at most."""
    return re.sub(r"[^a-z0-9_.:-]", "_", reason.lower()).lstrip("_.:-")[:60]


def named(reference: str | None) -> str | None:
    """Give a receiver's own reference as an entry takes it; None for one that it does not take."""
    return reference if reference is not None and REFERENCE.fullmatch(reference) else None
