"""What was taken back while it was on its way, and whose worker is gone: it is said, not left to look unsent.

A person saw "taken back before it was sent" although it may have left. Where the earlier lease kept what the channel
said, that is said; where it only meant to send, nobody knows. Nothing is ever sent from here.
"""

from datetime import datetime

import structlog

from engine.errors import Erased, NotFound, Unverifiable
from stepcare.worker.firing import code_of
from stepcare.worker.outcome import said_by
from stepcare.worker.saying import AWAY, Delivered, Saying, Word
from storage.claims import ClaimedMessage
from storage.pump import Pump

log = structlog.get_logger("stepcare.worker")

MOST_CRASHES = 5
GONE = (Erased, NotFound, Unverifiable)


def say_recalled(pump: Pump, saying: Saying, now: datetime) -> Delivered:
    """Say what became of every message that was taken back on its way and that nobody holds any more."""
    done = Delivered()
    while claimed := pump.claim_recalled(now):
        for one in claimed:
            try:
                _said(pump, saying, one, now, done)
            except AWAY:  # it is tried again when the lease is over
                log.warning("not said", episode=one.episode, code="recalled")
            except GONE:
                _let_go(pump, one, now)
            except Exception as error:  # noqa: BLE001 - one that cannot be said must not hold up the others
                log.error("not said", episode=one.episode, code=code_of(error))  # noqa: TRY400 - its words may be anybody's
                if one.attempt > MOST_CRASHES:
                    _let_go(pump, one, now)
    return done


def _said(pump: Pump, saying: Saying, one: ClaimedMessage, now: datetime, done: Delivered) -> None:
    if one.known == "permanent":
        _let_go(pump, one, now)  # the channel never took it: taken back is the truth
        return
    if one.known is None:
        pump.attempted(one, now, "unknown", detail="crashed")
        word = Word(claim=one, result="unknown", reason="crashed")
    else:
        told = said_by(pump.tries(one.episode, one.id), one.known)
        word = Word(claim=one, result=told.result, reason=told.reason, reference=told.reference)
    if saying.say(word).entry is None:
        _let_go(pump, one, now)  # an entry says it already
    else:
        done.add(word.result)


def _let_go(pump: Pump, one: ClaimedMessage, now: datetime) -> None:
    pump.attempted(one, now, "deferred", detail="recalled")
