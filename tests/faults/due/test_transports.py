"""A service that misbehaves in every way between its socket and its answer: each message had its effect once."""

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from tests.channels.webhost import Handler, Service, a_service, hangs, hangs_up, says
from tests.faults.due.receiver import keys_at
from tests.faults.due.ward import OVER, REMIND, SENT, STAGES, Ward
from tests.storage.homes import KINDS

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 9))]
NEXT_TRY = timedelta(minutes=31)  # the longest wait between two tries
REMEDIES = 12
Answer = Callable[[Handler, Service], None]
# Before any effect; and after it, the last three of which never tell.
REFUSALS: tuple[Answer, ...] = (
    says(500),
    says(503),
    says(429, Retry_After="7"),
    says(302, Location="http://x.example"),
)
SILENCES: tuple[Answer, ...] = (hangs_up, hangs, says(500), says(200, b'{"id": "r1"}'))


class Moody:
    """A service that honours keys, and misbehaves at the first tries of each."""

    def __init__(self, ward: Ward, seed: int) -> None:
        """Write down in the ward's own file what had an effect."""
        self._ward, self._seed = ward, seed
        self._tries: dict[str, int] = {}

    def __call__(self, handler: Handler, service: Service) -> None:
        """Take a request."""
        headers, body = service.came[-1]
        key = json.loads(body)["key"]
        assert "idempotency-key" in headers
        number = self._tries[key] = self._tries.get(key, 0) + 1
        random = Random(f"{self._seed}{key}{number}")  # noqa: S311 - no secret
        if number == 1 and random.random() < 0.5:
            random.choice(REFUSALS)(handler, service)
            return
        self.take(key)
        (random.choice(SILENCES) if number <= 2 else says(200))(handler, service)

    def take(self, key: str) -> None:
        """Let a key have its effect, once."""
        if key not in keys_at(self._ward.received):
            with self._ward.received.open("a") as file:
                file.write(json.dumps({"key": key, "at": self._ward.dial().isoformat()}) + "\n")


def queued(ward: Ward) -> bool:
    """Say whether a message of the first people waits for another try."""
    with ward.opened() as app:
        episodes = [app.store.episode(f"e{number}") for number in range(1, 7)]
    return any(one.status == "queued" and one.not_before <= ward.dial() for each in episodes for one in each.messages)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_service_that_misbehaves_gets_each_message_once(ward_of: Callable[..., Ward], kind: str, seed: int) -> None:
    """Refused, asked to wait, redirected, taken without an answer: tried again under the same key until it is said."""
    ward = ward_of(kind)
    with a_service(Moody(ward, seed)) as service:
        for stage in STAGES:
            ward.dial.go(stage)
            ward.drained(url=service.url)
            tries = 0
            while queued(ward):
                ward.dial.pass_(NEXT_TRY)
                ward.drained(url=service.url)
                tries += 1
                assert tries < REMEDIES

    assert keys_at(ward.received)
    ward.check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_killed_while_its_line_is_open_repeats_nothing(ward_of: Callable[..., Ward], kind: str) -> None:
    """The service kills its caller with the request in its hands: before it takes it, or after, and never answers."""
    ward = ward_of(kind)
    moody, pids, deaths = Moody(ward, 0), list[int](), list[str]()

    def kills(handler: Handler, service: Service) -> None:
        key = json.loads(service.came[-1][1])["key"]
        if deaths.count(key) < 1 and len(deaths) < 4:
            deaths.append(key)
            if len(deaths) % 2:
                moody.take(key)
            os.kill(pids[-1], signal.SIGKILL)
            return
        moody.take(key)
        says(200)(handler, service)

    with a_service(kills) as service:
        for stage in STAGES:
            ward.dial.go(stage)
            for _ in range(4):
                working = ward.start(url=service.url)
                pids.append(working.pid)
                if not ward.lost(working):
                    break
            ward.dial.pass_(OVER)

    assert len(deaths) == 4
    ward.check()


@pytest.mark.parametrize("how", ["silence", "crash"])
def test_what_nobody_knows_is_not_said_to_be_unsent(ward_of: Callable[..., Ward], how: str) -> None:
    """Taken without an answer, or by a worker that died there, and expired before it went again: it may have gone."""
    ward = ward_of("sqlite")
    ward.dial.go(REMIND)
    ward.drained()
    ward.dial.go(SENT)
    if how == "silence":
        ward.drained(silent=1.0)
        ward.crashes += 1  # so many may be unknown
    else:
        assert ward.lost(ward.start(point="call.taken"))
        ward.drained(flaky=1.0)
    ward.dial.pass_(timedelta(days=3))
    ward.drained()

    assert keys_at(ward.received)
    ward.check()
