"""What became of messages, said as entries: one at once, or several in one commit; a lost race is run again.

An entry that cannot be said is no harm to the message: its outcome is a row by then, and the next lease says it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from engine.deliver import Contact
from engine.errors import Conflict, StaleEpisode, Unavailable
from engine.model import Command, Json, Kind
from engine.service import Answer
from stepcare.app import App
from stepcare.worker.firing import SERVICE
from stepcare.worker.outcome import coded, named
from storage.claims import ClaimedMessage

AGAIN_AFTER = (0.02, 0.1, 0.3, 1.0)  # seconds; whoever else writes to the episode is through by then
# Nothing is wrong with the message: it is for another time.
AWAY = (Conflict, Unavailable, StaleEpisode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is to be said of a claimed message. `contact`: what was known of the person, where that decided."""

    claim: ClaimedMessage
    result: str
    reason: str = ""
    reference: str | None = None
    contact: Contact | None = None

    @property
    def values(self) -> dict[str, Json]:
        """Give it as a command takes it."""
        found: dict[str, Json] = {"message": self.claim.id, "result": self.result, "reason": coded(self.reason)}
        if named(self.reference) is not None:
            found["reference"] = self.reference
        if self.contact is not None:
            found["contact"] = {
                "has_address": self.contact.has_address,
                "sent_today": self.contact.sent_today,
                "sent_this_week": self.contact.sent_this_week,
            }
        return found


@dataclass(slots=True)
class Delivered:
    """What one pass did: messages by what became of them; `wait` is how long the buckets ask for, in seconds.

    `unsaid` is what was decided without sending, and is said together at the end of the batch.
    """

    counts: dict[str, int] = field(default_factory=dict)
    late: list[timedelta] = field(default_factory=list)
    wait: float = 0.0
    unsaid: list[Word] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, what: str) -> None:
        """Count one."""
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def took(self, late: timedelta) -> None:
        """Note that one was handed over, so late."""
        with self._lock:
            self.late.append(late)

    def held_up(self, seconds: float) -> None:
        """Note that a bucket or a lane has nothing to give for so long."""
        with self._lock:
            self.wait = max(self.wait, seconds)

    def to_say(self, word: Word) -> None:
        """Have something said at the end of the batch."""
        with self._lock:
            self.unsaid.append(word)

    def to_say_now(self) -> list[Word]:
        """Give what is to be said, each once."""
        with self._lock:
            found, self.unsaid = self.unsaid, []
            return found


class Saying:
    """Says what became of messages. Threads may share it."""

    def __init__(self, app: App, via: str, breathe: Callable[[float], bool]) -> None:
        """Say it through the door of `app`; `breathe` waits so many seconds, True: stop."""
        self._app, self._via, self._breathe = app, via, breathe

    def say(self, word: Word) -> Answer:
        """Say it now. Raises Conflict where others write to the episode all the time, and what the door raises."""
        return self._run_again(self._command(word))

    def say_each(self, words: Sequence[Word]) -> list[Answer | Exception]:
        """Say several, each for itself, in one commit where they are about different episodes."""
        commands = [self._command(word) for word in words]
        try:
            answers = self._app.engine.handle_each(commands)
        except Exception:  # noqa: BLE001 - one of them is poison: each by itself says which
            return [self._tried(command) for command in commands]
        return [
            self._tried(command) if isinstance(answer, Conflict) else answer
            for command, answer in zip(commands, answers, strict=True)
        ]

    def _tried(self, command: Command) -> Answer | Exception:
        try:
            return self._run_again(command)
        except Exception as error:  # noqa: BLE001 - said to whoever asked, who knows what to do with the message
            return error

    def _run_again(self, command: Command) -> Answer:
        for wait in AGAIN_AFTER:
            try:
                return self._app.engine.handle(command)
            except Conflict:  # a stale episode is one, too
                if self._breathe(wait):
                    break
        return self._app.engine.handle(command)

    def _command(self, word: Word) -> Command:
        return Command(
            id=self._app.make_id(),
            kind=Kind.DELIVER,
            actor=SERVICE,
            episode=word.claim.episode,
            values=word.values,
            via=self._via,
        )
