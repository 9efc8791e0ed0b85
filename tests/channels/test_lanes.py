"""One dead channel never delays another: breakers, waiting between tries, and lanes of their own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepcare.channels.backoff import MOST_TRIES, longest_wait, wait_after
from stepcare.channels.breaker import FAILURES, REST, Breaker
from stepcare.channels.lanes import Lanes
from stepcare.channels.port import OnUnknown, Parcel, Result, accepted, permanent, temporary, unknown
from tests.channels.conftest import PARCEL, a_parcel

DOWN, GREY, TAKEN = temporary("unreachable"), temporary("later:451:4.7.1"), accepted("taken:250")


class Seconds:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        """Begin anywhere."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the seconds."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """Give a clock."""
    return Seconds()


def opened(seconds: Seconds) -> Breaker:
    """Give a breaker that has just opened."""
    breaker = Breaker(seconds)
    for _ in range(FAILURES):
        breaker.heard(DOWN)
    assert breaker.state == "open"
    return breaker


def test_a_breaker_opens_after_five_failures_in_a_row(seconds: Seconds) -> None:
    """Four do not open it, and one success between them starts the count anew."""
    breaker = Breaker(seconds)
    states = []
    for result in (DOWN, DOWN, DOWN, DOWN, TAKEN, DOWN, DOWN, DOWN, DOWN, unknown("silent")):
        breaker.heard(result)
        states.append(breaker.state)

    assert states == ["closed"] * 9 + ["open"]
    assert not breaker.lets_through()
    assert breaker.seconds_left() == REST


def test_what_is_about_one_message_opens_no_breaker(seconds: Seconds) -> None:
    """Addresses that do not exist and greylisting show a channel that works."""
    breaker = Breaker(seconds)
    for result in (permanent("address:550:5.1.1"), GREY) * FAILURES:
        breaker.heard(result)

    assert breaker.state == "closed"


def test_after_the_rest_the_next_answer_decides(seconds: Seconds) -> None:
    """Half open: a success closes it, a failure opens it for twice as long."""
    good, bad = opened(seconds), opened(seconds)
    seconds.now += REST
    assert (good.state, bad.state) == ("half_open", "half_open")

    good.heard(TAKEN)
    bad.heard(DOWN)

    assert (good.state, good.seconds_left()) == ("closed", 0)
    assert (bad.state, bad.seconds_left()) == ("open", 2 * REST)


def test_calls_that_were_under_way_do_not_lengthen_the_rest(seconds: Seconds) -> None:
    """They were begun before it opened; and the rest is never longer than ten minutes."""
    breaker = opened(seconds)
    breaker.heard(DOWN)
    assert breaker.seconds_left() == REST

    for _ in range(20):
        seconds.now += 10_000
        breaker.heard(DOWN)
    assert breaker.seconds_left() == 600


# --- waiting between tries ----------------------------------------------------------------------------------------


def test_the_wait_doubles_from_half_a_minute_to_half_an_hour() -> None:
    """30 s, 1, 2, 4, 8, 16 min, then 30 min; after twelve tries there is no other."""
    waits = [longest_wait(attempt).total_seconds() for attempt in range(1, 9)]

    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800]
    assert wait_after(MOST_TRIES - 1, lambda: 0.5) == timedelta(minutes=15)
    assert wait_after(MOST_TRIES, lambda: 0.5) is None


@given(st.integers(1, MOST_TRIES - 1), st.floats(0, 1, exclude_max=True))
def test_the_wait_is_anything_up_to_the_longest(attempt: int, drawn: float) -> None:
    """Full jitter: what failed together does not come back together."""
    found = wait_after(attempt, lambda: drawn)

    assert found is not None
    assert timedelta(0) <= found <= longest_wait(attempt)


def test_who_asks_for_patience_gets_it() -> None:
    """Retry-After is the least; a longer wait of ours stands."""
    hour, blink = timedelta(hours=1), timedelta(seconds=1)

    assert wait_after(1, lambda: 0.5, hour) == hour
    assert wait_after(1, lambda: 0.5, blink) == timedelta(seconds=15)


# --- lanes --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Spoken:
    """A channel that does what it is told to."""

    name: str
    does: Callable[[Parcel], Result]
    at_once: int = 2
    deadline: float = 5.0
    on_unknown: OnUnknown = "hand_over"
    closed: int = 0
    began: list[str] = field(default_factory=list)

    def send(self, parcel: Parcel) -> Result:
        """Note it, and do it."""
        self.began.append(parcel.key)
        return self.does(parcel)

    def ask(self, parcel: Parcel) -> Result | None:
        """Know nothing."""
        del parcel
        return None

    def close(self) -> None:
        """Count."""
        self.closed += 1


@contextmanager
def running(*channels: Spoken) -> Iterator[Lanes]:
    """Open lanes, and close them at the end."""
    lanes = Lanes({one.name: one for one in channels})
    try:
        yield lanes
    finally:
        lanes.close()


def test_a_dead_channel_does_not_delay_another() -> None:
    """All lanes of one hang; a hundred messages go through the other all the same."""
    over = threading.Event()
    dead = Spoken("dead", lambda _: temporary("silent") if over.wait(10) else DOWN)
    alive = Spoken("alive", lambda _: TAKEN)
    with running(dead, alive) as lanes:
        stuck = [lanes.send(a_parcel(channel="dead", key=f"d{number}")) for number in range(3)]
        found = []
        for number in range(100):
            future = lanes.send(a_parcel(channel="alive", key=f"a{number}"))
            assert future is not None
            found.append(future.result(5).status)
        waits = [one is not None and not one.done() for one in stuck]
        over.set()

    assert found == ["accepted"] * 100
    assert waits == [True, True, False]  # two lanes; the third was not taken
    assert stuck[2] is None


def test_a_call_that_outlives_its_deadline_is_given_up_as_unknown() -> None:
    """Its lane is free again, and what it says later changes nothing."""
    over = threading.Event()
    slow = Spoken("slow", lambda parcel: TAKEN if parcel.key == "quick" or over.wait(10) else DOWN, 1, deadline=0.2)
    with running(slow) as lanes:
        first = lanes.send(a_parcel(channel="slow", key="slow"))
        assert first is not None
        given_up = first.result(5)
        second = lanes.send(a_parcel(channel="slow", key="quick"))
        assert second is not None
        quick = second.result(5)
        over.set()

    assert (given_up.status, given_up.code, quick.status) == ("unknown", "late", "accepted")
    assert first.result() is given_up


def test_threads_left_behind_are_bounded() -> None:
    """A channel that always hangs gets twice its lanes and no more, until some return."""
    over, ends = threading.Event(), list[threading.Thread]()

    def hangs(_: Parcel) -> Result:
        ends.append(threading.current_thread())
        over.wait(10)
        return TAKEN

    dead = Spoken("dead", hangs, 2, deadline=0.1)
    with running(dead) as lanes:
        results = []
        for number in range(4):
            future = lanes.send(a_parcel(channel="dead", key=str(number)))
            assert future is not None
            results.append(future.result(5).status)
        full = lanes.free("dead"), lanes.send(a_parcel(channel="dead", key="5"))
        over.set()
        for thread in ends:
            thread.join(5)
        free = lanes.free("dead")

    assert results == ["unknown"] * 4
    assert (full, free) == ((0, None), 2)


def test_a_channel_that_raises_has_broken_its_word() -> None:
    """Whether the message was taken nobody knows; and the words of the error are not told."""

    def breaks(parcel: Parcel) -> Result:
        raise RuntimeError(f"could not send to {parcel.to}")

    with running(Spoken("odd", breaks)) as lanes:
        future = lanes.send(a_parcel(channel="odd"))
        assert future is not None
        result = future.result(5)

    assert (result.status, result.code) == ("unknown", "raised")


def test_at_the_end_nothing_stays_open() -> None:
    """What is under way is given up as unknown, nothing more is taken, and the channels let go of their lines."""
    over = threading.Event()
    slow = Spoken("slow", lambda _: TAKEN if over.wait(10) else DOWN)
    with running(slow) as lanes:
        future = lanes.send(a_parcel(channel="slow"))
    after = lanes.send(a_parcel(channel="slow"))
    over.set()

    assert future is not None
    assert (future.result(0).status, after, slow.closed) == ("unknown", None, 1)
    assert PARCEL.key in slow.began
