"""Handing over: the channels, a breaker before each, lanes of their own, and the buckets that spread what goes out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from engine.model import Episode, Message
from stepcare.channels.breaker import Breaker
from stepcare.channels.configured import Configured
from stepcare.channels.lanes import Lanes
from stepcare.channels.opting_out import Declined
from stepcare.channels.port import OnUnknown, Parcel, Result, temporary, unknown
from stepcare.channels.rates import Rate, Rates
from stepcare.worker.outcome import NO_LANE, RESTING
from stepcare.worker.receivers import Receiver
from storage.pump import Pump

log = structlog.get_logger("stepcare.worker")

LONGEST_WAIT = 3600.0
LANE_WAIT = 5.0  # seconds that one waits for a free lane; a lease outlives that and the longest call
LANE_AGAIN = timedelta(seconds=1)
COLLEAGUE = Rate(per_second=0.2, burst=20)  # one colleague, on whatever way: past that a list is the better place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A bucket is empty for so many seconds. `holds_up_all`: not only this receiver's."""

    seconds: float
    holds_up_all: bool


class Post:
    """The ways out of one worker. Its threads share it."""

    def __init__(self, ways: Configured, pump: Pump, monotonic: Callable[[], float]) -> None:
        """Send through these channels, no faster than they say."""
        self.channels, self._ways, self._pump = ways.channels, ways, pump
        self._breakers = {name: Breaker(monotonic) for name in ways.channels}
        self._lanes = Lanes(ways.channels)

    def is_open(self, name: str) -> bool:
        """Say whether a channel may be tried now, by its breaker."""
        return self._breakers[name].lets_through()

    def deadline_of(self, name: str) -> float:
        """Give the longest that a call may take, in seconds."""
        return self.channels[name].deadline

    def rule_of(self, name: str) -> OnUnknown:
        """Give what is done where nobody knows what became of a message."""
        return self.channels[name].on_unknown

    def wait_for(self, receiver: Receiver, person: str, now: datetime) -> Wait | None:
        """Take a token from each bucket; None: taken, it may go. `person` is the patient's reference."""
        rates = self._ways.rates.get(receiver.channel, Rates())
        theirs = COLLEAGUE if receiver.id else rates.person
        for key, rate, all_ in (
            (f"person:{receiver.id or person}", theirs, False),
            (f"channel:{receiver.channel}", rates.channel, True),
            ("site", self._ways.site_rate, True),
        ):
            seconds = self._pump.take(key, rate.per_second, rate.burst, now)
            if seconds:
                return Wait(seconds=min(seconds, LONGEST_WAIT), holds_up_all=all_)
        return None

    def send(self, parcel: Parcel) -> Result:
        """Try once, on the channel's own lane; gives its answer, or what takes its place when it is over its deadline.

        Where all lanes are taken it waits for its turn; where none becomes free, or the channel is left alone, nothing
        was begun (`NOT_BEGUN`). What nobody knows is asked about at once, where the channel can be asked.
        """
        name, breaker = parcel.channel, self._breakers[parcel.channel]
        if not breaker.lets_through():
            return temporary(RESTING, timedelta(seconds=breaker.seconds_left()))
        future = self._lanes.send(parcel, LANE_WAIT)
        if future is None:
            return temporary(NO_LANE, LANE_AGAIN)
        result = future.result()
        breaker.heard(result)
        if result.status == "unknown" and self.rule_of(name) == "ask":
            return self.ask(parcel) or result
        return result

    def ask(self, parcel: Parcel) -> Result | None:
        """Ask what became of an earlier try of this parcel, None where that cannot be known."""
        try:
            return self.channels[parcel.channel].ask(parcel)
        except Exception as error:  # noqa: BLE001 - it broke its word, and has told nothing
            log.warning("channel raised", kind=parcel.channel, error=type(error).__name__)
            return None

    def after_a_crash(self, parcel: Parcel) -> Result:
        """Say what is known of a try that a crash cut off: temporary where it may be made again under the same key."""
        match self.rule_of(parcel.channel):
            case "resend":
                return temporary("crashed")
            case "ask":
                return self.ask(parcel) or unknown("crashed")
            case _:
                return unknown("crashed")

    def unsubscribe(self, episode: Episode, message: Message) -> str | None:
        """Give the address where a person says no more to messages like this one; None where there is none."""
        if self._ways.one_click is None:
            return None
        declined = Declined(person=episode.person.id, channel=message.channel, category=message.category)
        return self._ways.one_click.link(declined)

    def breakers(self) -> dict[str, bool]:
        """Say of each channel whether nothing is sent there for now."""
        return {name: not one.lets_through() for name, one in self._breakers.items()}

    def close(self) -> None:
        """Take nothing more, and let go of every channel's lines."""
        self._lanes.close()
