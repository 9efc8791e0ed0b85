"""Stage two: what is queued is handed to its channel, once everything that could forbid it has been asked again.

For each message: a lease; the episode as it is now, and may it go; a token from each bucket; the intent, durable,
only while the lease, the message and the episode's version still stand; the call, outside any transaction; the outcome
as a row, then as an entry. Whatever instruction a process dies at, the next worker finds what was meant and what came
of it: nothing is lost, and where a receiver knows the key nothing comes twice. Where it does not, a crash between
intent and outcome is said as what it is: unknown, and a person decides.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

import structlog

from engine.deliver import Contact, Defer, End, Send, Verdict, counted_from, may_send
from engine.errors import Erased, InvalidInput, NotFound, Unverifiable
from engine.model import Episode, Message
from engine.reach import PATIENT, STAFF
from engine.service import Answer
from stepcare.app import App
from stepcare.channels.port import Parcel, Result
from stepcare.lateness import DELIVER, lateness_counts
from stepcare.worker.firing import code_of
from stepcare.worker.leases import Leases
from stepcare.worker.outcome import CRASHED, NO_LANE, outcome_of, said_by, uncertain
from stepcare.worker.recalled import say_recalled
from stepcare.worker.receivers import Receiver, receivers_of
from stepcare.worker.saying import AWAY, Delivered, Saying, Word
from stepcare.worker.sending import LANE_AGAIN, LANE_WAIT, Post
from storage.claims import ClaimedMessage
from storage.pump import Pump

log = structlog.get_logger("stepcare.worker")

BATCH = 20
STAFF_LANES = 4
LOOKS = 5  # at an episode that others write to, before it is left for later
MOST_CRASHES = 5
SUSPECT = 3  # claims from which on a message that nobody reported on is tried alone
SOON, LATER = timedelta(seconds=5), timedelta(minutes=5)
GONE = (Erased, NotFound, Unverifiable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a pass works with. `now` gives None while the clock is not to be trusted; `breathe` waits, True: stop.

    `restored` says whether a message may have been sent before a backup was restored. `text` gives subject and text.
    """

    app: App
    pump: Pump
    post: Post
    leases: Leases
    now: Callable[[], datetime | None]
    monotonic: Callable[[], float]
    text: Callable[[Episode, Message, datetime], tuple[str, str]]
    breathe: Callable[[float], bool] = lambda _: False
    restored: Callable[[Episode, Message], bool] = lambda _, __: False
    random: Callable[[], float] = SystemRandom().random
    via: str = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A claimed message with its episode, as they were looked at together; who would get it; and how it stands."""

    claim: ClaimedMessage
    episode: Episode
    message: Message
    receivers: Sequence[Receiver]
    contact: Contact
    verdict: Verdict


class Delivering:
    """Delivers what is queued, channel by channel."""

    def __init__(self, means: Means) -> None:
        """Work with these means."""
        self._means, self._pump, self._app = means, means.pump, means.app
        self._saying = Saying(means.app, means.via, means.breathe)

    def ways(self) -> tuple[str, ...]:
        """Give what `run` may be called with: each channel, and staff, who are reached by several."""
        return (*self._means.post.channels, STAFF)

    def run(self, name: str) -> Delivered:
        """Deliver through one channel, or to staff, until nothing more can go now."""
        done, post = Delivered(), self._means.post
        at_once = STAFF_LANES if name == STAFF else max(1, post.channels[name].at_once)
        with ThreadPoolExecutor(at_once, thread_name_prefix=f"for-{name}") as lanes:
            while not done.wait and (name == STAFF or post.is_open(name)):
                if not self._batch((name,), lanes, done) or self._means.breathe(0):
                    break
        self._tell(done)
        return done

    def sweep(self) -> Delivered:
        """Look after messages of channels that this worker does not have: what has expired ends, the rest waits."""
        done = Delivered()
        with ThreadPoolExecutor(1) as lanes:
            while self._batch(None, lanes, done) and not self._means.breathe(0):
                pass
        self._tell(done)
        return done

    def recalled(self) -> Delivered:
        """Say of what was taken back on its way, and of which nobody is left to say it, what became of it."""
        now = self._means.now()
        done = say_recalled(self._pump, self._saying, now) if now is not None else Delivered()
        self._tell(done)
        return done

    def _batch(self, names: Sequence[str] | None, lanes: ThreadPoolExecutor, done: Delivered) -> bool:
        """Handle one batch; False: there is no more for now."""
        now, asked_at = self._means.now(), self._means.monotonic()
        if now is None:
            return False
        claimed = self._pump.claim_messages(now, BATCH, names)
        for one in claimed:
            self._means.leases.took(_key(one), asked_at)
        try:
            list(lanes.map(lambda one: self._safely(one, done), self._sorted_out(claimed)))
            self._say_each(done)
        finally:
            for one in claimed:
                self._means.leases.done(_key(one))
        return bool(claimed)

    def _sorted_out(self, claimed: list[ClaimedMessage]) -> list[ClaimedMessage]:
        """Give those to handle now: all, or a single one that may have brought earlier workers down."""
        if len(claimed) > 1:
            suspect = next((one for one in claimed if one.attempt >= SUSPECT and self._crashes(one) > 1), None)
            if suspect is not None:
                for one in claimed:
                    if one is not suspect:
                        self._pump.release(one)
                return [suspect]
        return claimed

    def _crashes(self, one: ClaimedMessage) -> int:
        """Count the claims that nobody reported on, this one not among them."""
        tried = {step.fence for step in self._pump.tries(one.episode, one.id) if step.status == "temporary"}
        return one.attempt - 1 - len(tried)

    # --- one message ----------------------------------------------------------------------------------------------

    def _safely(self, one: ClaimedMessage, done: Delivered) -> None:
        try:
            self._handle(one, done)
        except Exception as error:  # noqa: BLE001 - one that cannot be handled must not hold up the others
            self._broke_off(one, error, done)

    def _broke_off(self, one: ClaimedMessage, error: Exception, done: Delivered) -> None:
        if isinstance(error, AWAY):
            done.held_up(SOON.total_seconds())
            self._let_go(one, SOON)
        elif isinstance(error, GONE):
            self._park(one, code_of(error), done)
        else:
            log.warning("not delivered", episode=one.episode, error=type(error).__name__)
            if one.attempt > MOST_CRASHES:
                self._park(one, f"unreadable:{code_of(error)}", done)
            else:
                self._let_go(one, LATER, code_of(error))

    def _handle(self, one: ClaimedMessage, done: Delivered) -> None:
        app, now = self._app, self._means.now()
        if now is None or self._means.breathe(0):
            self._pump.release(one)  # not the time to begin anything
            return
        episode = app.store.episode(one.episode)
        message = next((found for found in episode.messages if found.id == one.id), None)
        if message is None:
            self._park(one, "not_in_the_log", done)
        elif message.status != "queued":
            self._ended_already(one, done)
        elif one.attempt > MOST_CRASHES and self._crashes(one) > MOST_CRASHES:
            self._say(one, "dead", "crashed", done)
        elif self._means.restored(episode, message):
            self._say(one, "unknown", "restored", done)
        elif one.known is not None:
            said = said_by(self._pump.tries(one.episode, one.id), one.known)
            self._say(one, said.result, said.reason, done, reference=said.reference)
        else:
            self._decided(self._looked(one, episode, message, now), now, done)

    def _ended_already(self, one: ClaimedMessage, done: Delivered) -> None:
        """Let go of what somebody has just ended; where the row goes on saying otherwise, the two have drifted apart."""
        if one.attempt > MOST_CRASHES:
            self._park(one, "drift", done)
        else:
            self._let_go(one, SOON, "drift")

    def _looked(self, one: ClaimedMessage, episode: Episode, message: Message, now: datetime) -> _Looked:
        app, channels = self._app, self._means.post.channels
        compiled = app.engine.compiled(episode.pathway)
        receivers = receivers_of(app, episode, message, channels, now)
        today = week = 0
        if message.recipient == PATIENT:
            day, seven = counted_from(compiled, episode, now)
            today, week = (self._pump.sent_to(episode.person.id, since) for since in (day, seven))
        contact = Contact(has_address=bool(receivers), sent_today=today, sent_this_week=week)
        verdict = may_send(compiled, episode, message, contact, now)
        return _Looked(
            claim=one, episode=episode, message=message, receivers=receivers, contact=contact, verdict=verdict
        )

    def _decided(self, looked: _Looked, now: datetime, done: Delivered) -> None:
        one, verdict = looked.claim, looked.verdict
        here = looked.message.channel in self.ways()
        if one.resumed and (not here or not self._may_go_again(looked, now, done)):
            if not here:
                self._let_go(one, LATER, "no_channel")
            return
        match verdict:
            case End() if one.attempt > 1 and (code := uncertain(self._pump.tries(one.episode, one.id), one.fence)):
                self._unknown(looked, now, code, done)  # it must not go again, and may have gone
            case End(status=status, reason=reason):
                done.to_say(Word(claim=one, result=status, reason=reason, contact=looked.contact))
            case Defer(until=until, why=why):
                self._pump.attempted(one, now, "deferred", detail=why, try_at=until)
                done.add("deferred")
            case _ if not here:
                self._let_go(one, LATER, "no_channel")
            case _:
                self._send(looked, now, done)

    def _may_go_again(self, looked: _Looked, now: datetime, done: Delivered) -> bool:
        """Find out about a try that a crash cut off; True: it may be made once more, under the same keys."""
        post = self._means.post
        found = [(one, post.after_a_crash(self._parcel(looked, one, now))) for one in looked.receivers]
        if not found:
            self._unknown(looked, now, CRASHED, done)
            return False
        if all(result.status == "temporary" for _, result in found):
            return True
        self._came_back(looked, found, now, done)
        return False

    def _unknown(self, looked: _Looked, now: datetime, code: str, done: Delivered) -> None:
        if self._pump.attempted(looked.claim, now, "unknown", detail=code):
            self._say(looked.claim, "unknown", code, done)

    # --- sending --------------------------------------------------------------------------------------------------

    def _send(self, looked: _Looked, now: datetime, done: Delivered) -> None:
        one, post, person = looked.claim, self._means.post, looked.episode.person.id
        if not all(self._still_holds(one, receiver) for receiver in looked.receivers):
            self._pump.release(one)  # it waited too long for its turn: nothing was begun, it is claimed anew
            return
        for receiver in looked.receivers:
            wait = post.wait_for(receiver, person, now)
            if wait is not None:
                self._pump.release(one, try_at=now + timedelta(seconds=wait.seconds))
                if wait.holds_up_all:
                    done.held_up(wait.seconds)
                return
        try:
            parcels = [(receiver, self._parcel(looked, receiver, now)) for receiver in looked.receivers]
        except (NotFound, InvalidInput):  # a template that is not there, or a place in it that nothing fills
            self._say(one, "dead", "no_template", done)
            return
        found: list[tuple[Receiver, Result]] = []
        for receiver, parcel in parcels:
            # The intent is the last word of the database; the look at the monotonic clock that of this process: one
            # that was frozen in between has lost its lease, and whoever has it now decides.
            late = found and not self._still_holds(one, receiver)  # what the others answered must still be kept
            if late or not self._intended(looked, receiver):
                break
            if not self._still_holds(one, receiver):
                done.add("fenced")
                return
            found.append((receiver, post.send(parcel)))
        if found:
            done.took(now - one.not_before)
            self._came_back(looked, found, self._app.clock(), done)
        else:
            self._pump.release(one)  # the episode has moved on: it is looked at anew

    def _still_holds(self, one: ClaimedMessage, receiver: Receiver) -> bool:
        """Say whether the lease outlives the wait for a lane and the longest call."""
        margin = self._means.post.deadline_of(receiver.channel) + LANE_WAIT
        return self._means.leases.holds(_key(one), self._means.monotonic(), margin)

    def _intended(self, looked: _Looked, receiver: Receiver) -> bool:
        """Keep the intent, unless what was looked at has changed, in the episode or in another of the person's.

        Where it has, it is looked at again: another message of the same episode that was just sent changes nothing.
        """
        one = looked.claim
        for _ in range(LOOKS):
            at, version = self._app.clock(), looked.episode.version
            person = looked.episode.person.version
            if self._pump.intend(one, at, version, receiver.id, receiver.channel, person_version=person):
                return True
            episode = self._app.store.episode(one.episode)
            message = next((found for found in episode.messages if found.id == one.id), looked.message)
            looked = self._looked(one, episode, message, at)
            if not isinstance(looked.verdict, Send):
                return False
        return False

    def _parcel(self, looked: _Looked, receiver: Receiver, now: datetime) -> Parcel:
        subject, text = self._means.text(looked.episode, looked.message, now)
        mine = looked.message.recipient == PATIENT
        return Parcel(
            key=receiver.key_of(looked.message),
            channel=receiver.channel,
            to=receiver.to,
            subject=subject,
            text=text,
            language=looked.message.language,
            attempt=looked.claim.attempt,
            unsubscribe=self._means.post.unsubscribe(looked.episode, looked.message) if mine else None,
            about=looked.message.follows,
        )

    def _came_back(
        self, looked: _Looked, found: Sequence[tuple[Receiver, Result]], now: datetime, done: Delivered
    ) -> None:
        """Keep what the channel said: each receiver's answer as a row, and what they come to as an entry."""
        one = looked.claim
        outcome = outcome_of(
            [result for _, result in found],
            [self._means.post.rule_of(receiver.channel) for receiver, _ in found],
            tries=one.attempt,
            random=self._means.random,
        )
        *others, (receiver, result) = outcome.deciding_last(found)
        if result.status == "unknown" != outcome.status:  # it goes again, but that it may have arrived is not forgotten
            others.append((receiver, result))
        for other, answer in others:
            self._pump.attempted(
                one, now, answer.status, answer.reference, answer.code, other.id, channel=other.channel, beside=True
            )
        try_at = now + outcome.again if outcome.again is not None else None
        mine = self._pump.attempted(
            one, now, outcome.status, result.reference, result.code, receiver.id, try_at, receiver.channel
        )
        if not mine:
            done.add("fenced")
        elif outcome.status == "deferred":
            done.add("deferred")
            if result.code == NO_LANE:
                done.held_up(LANE_AGAIN.total_seconds())
        elif outcome.again is not None:
            done.add("retried")
        else:
            self._say(one, outcome.result, outcome.reason, done, reference=outcome.reference)

    # --- what is said ---------------------------------------------------------------------------------------------

    def _say(
        self, one: ClaimedMessage, result: str, reason: str, done: Delivered, *, reference: str | None = None
    ) -> None:
        """Say what became of a message, as an entry. Where it cannot be said now, the next lease says it."""
        word = Word(claim=one, result=result, reason=reason, reference=reference)
        self._answered(word, self._saying.say(word), done)

    def _say_each(self, done: Delivered) -> None:
        """Say what was decided without sending anything, in as few commits as it takes."""
        words = done.to_say_now()
        for word, answer in zip(words, self._saying.say_each(words), strict=True):
            if isinstance(answer, Exception):
                self._broke_off(word.claim, answer, done)
            else:
                self._answered(word, answer, done)

    def _answered(self, word: Word, answer: Answer, done: Delivered) -> None:
        if answer.entry is None:
            log.warning("not said", episode=word.claim.episode, code=word.result)
            self._let_go(word.claim, SOON, "stale")
        else:
            done.add(word.result)

    def _let_go(self, one: ClaimedMessage, wait: timedelta, error: str = "") -> None:
        try:
            self._pump.release(one, try_at=self._app.clock() + wait, error=error)
        except AWAY as away:  # its lease runs out by itself
            log.warning("not released", episode=one.episode, error=type(away).__name__)

    def _park(self, one: ClaimedMessage, why: str, done: Delivered) -> None:
        self._pump.park("message", one.episode, one.id, why, self._app.clock())
        done.add("parked")
        log.error("parked", episode=one.episode, code=why)

    def _tell(self, done: Delivered) -> None:
        if done.counts:
            counts = {f"message_{name}": number for name, number in done.counts.items() if name != "parked"}
            self._pump.count(**counts, **lateness_counts(DELIVER, done.late))
            log.info("delivered", count=sum(done.counts.values()))


def _key(one: ClaimedMessage) -> tuple[str, str, int]:
    return one.episode, one.id, one.fence
