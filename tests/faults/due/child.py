"""A worker as a process of its own: the product's, on a clock and with receivers of the test's, to be killed.

`main` forks one for each order that comes as a line of JSON, because a fresh interpreter takes longer to start than to
kill.
"""

import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import structlog

import stepcare.worker.run
from engine.audit import instant
from engine.errors import StepcareError
from stepcare.app import App, Clock, CorrectedClock, open_app
from stepcare.channels.configured import Configured
from stepcare.channels.port import Channel, OnUnknown
from stepcare.channels.rates import Rate, Rates
from stepcare.channels.webhook import Webhook
from stepcare.worker.run import Plan, Worker
from tests.faults.due.dial import Dial, let_the_scheduler_read
from tests.faults.due.points import Points
from tests.faults.due.receiver import Receiver
from tests.faults.load import Record

FAST = Rate(per_second=1e6, burst=1_000_000)
LOOK = 0.05
SECRET = b"0123456789abcdef0123456789abcdef"
# Due now, or held by somebody: what waits on purpose (a lease of nobody's, an instant to come) is not left undone.
LEFT = (
    "SELECT (SELECT count(*) FROM timer WHERE state = 'armed' AND parked IS NULL AND (lease_owner IS NOT NULL OR "
    "(at <= :now AND (lease_until IS NULL OR lease_until <= :now)))) + (SELECT count(*) FROM message WHERE "
    "status = 'queued' AND parked IS NULL AND (lease_owner IS NOT NULL OR coalesce(try_at, not_before) <= :now))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is to do.

    `point`, `at`, `act`, `about`, `lasting`: see `Points`. `at_once`: calls to a receiver at the same time.
    `received` is the receivers' file, `url` a service that takes
    webhooks in its place ('': none). `drains`: it ends when nothing is left to do; else when it is told to (SIGTERM).
    `drift` seconds: the database server's clock is so far ahead of this machine's (None: there is only one clock).
    """

    where: str
    vault: str
    record: str
    dial: str
    received: str
    name: str = "w"
    point: str = ""
    at: int = 1
    act: str = "kill"
    about: str = ""
    lasting: bool = False
    honours: bool = True
    at_once: int = 2
    on_unknown: OnUnknown = "resend"
    slow: float = 0.0
    flaky: float = 0.0
    silent: float = 0.0
    url: str = ""
    drains: bool = True
    restored: bool = False
    lease: float = 30.0
    drift: float | None = None
    unfenced: bool = False
    per_second: float = 0.0


def left(app: App) -> int:
    """Count what is due or held."""
    return int(app.database.look(LEFT, {"now": instant(app.clock())})[0])


def run(job: Job) -> None:
    """Work until there is nothing left, or until told to stop."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    record, stop, dial = Record(Path(job.record)), threading.Event(), Dial(Path(job.dial))
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    points = Points(record, name=job.point, at=job.at, act=job.act, about=job.about, lasting=job.lasting)
    hurry(job)
    let_the_scheduler_read(dial)
    vars(stepcare.worker.run)["wall_clock"] = dial
    vars(stepcare.worker.run)["Pump"] = points.pump()
    points.wire_store()
    if job.unfenced:
        unfence()
    with open_app(job.where, clock_of(job, dial), Path(job.vault)) as app:
        points.writing = app.database.lock
        worker = Worker(app, plan_of(job, dial, points), monotonic=dial.steady, steady=dial.steady)
        worker.start()
        record.say("ready")
        quiet = 0
        while not stop.wait(LOOK) and (not job.drains or quiet < 2):
            quiet = quiet + 1 if job.drains and nothing_left(app) else 0
        record.say("stopping", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        worker.stop()
        record.say("closing", time.process_time())
    record.say("closed")


def nothing_left(app: App) -> bool:
    """Say whether all is done; a database that does not answer says nothing."""
    try:
        return not left(app)
    except StepcareError:
        return False


def hurry(job: Job) -> None:
    """Let the worker's clock tick fast, so that a test is short."""
    settings = vars(stepcare.worker.run)
    assert {"TICK", "BEAT", "LEASE", "MARGIN", "SWEEP", "MINUTE"} <= set(settings)
    settings["TICK"], settings["BEAT"] = timedelta(seconds=0.1), timedelta(seconds=0.2)
    settings["LEASE"], settings["MARGIN"] = timedelta(seconds=job.lease), timedelta(seconds=0)
    settings["SWEEP"], settings["MINUTE"] = timedelta(seconds=1), timedelta(hours=1)


def unfence() -> None:
    """Take the fence away: whoever once held a row may go on, whoever has it now."""
    from storage import statements_pump as sql  # noqa: PLC0415 - for the control alone

    for name in ("INTEND", "KNOWN", "AGAIN"):
        said = vars(sql)[name]
        without = said.replace("message.fence = :seen", ":seen = :seen").replace(
            "message.lease_owner = :worker", ":worker = :worker"
        )
        assert without != said, said
        vars(sql)[name] = without.replace("message.lease_until > :now", ":now = :now")
    vars(stepcare.worker.run)["Leases"].holds = lambda *_: True


def clock_of(job: Job, dial: Dial) -> Clock:
    """Give the worker's clock: this machine's, or one that is put right by a server's."""
    if job.drift is None:
        return dial
    ahead = timedelta(seconds=job.drift)
    vars(stepcare.worker.run)["server_time"] = lambda _: dial() + ahead
    return CorrectedClock(dial)


def plan_of(job: Job, dial: Dial, points: Points) -> Plan:
    """Put the ways out together."""
    ways: dict[str, Channel] = {
        name: Receiver(
            name=name,
            path=Path(job.received),
            honours=job.honours,
            at_once=job.at_once,
            on_unknown=job.on_unknown,
            slow=job.slow,
            flaky=job.flaky,
            silent=job.silent,
            random=Random(f"{job.record}{name}"),  # noqa: S311 - no secret
            reached=points.reached,
            stamp=lambda: dial().isoformat(),
        )
        for name in ("email", "console")
    }
    if job.url:
        ways["email"] = Webhook(
            url=job.url, secrets=(SECRET,), clock=dial, name="email", connect_seconds=1.0, seconds=2.0
        )
    rate = Rate(per_second=job.per_second, burst=5) if job.per_second else FAST
    rates = {name: Rates(channel=rate, person=FAST) for name in ways}
    return Plan(ways=Configured(channels=ways, rates=rates, site_rate=FAST), id=job.name, restored=job.restored)


def main() -> None:
    """Fork one process for each order, and say its number; end with the orders."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has died is buried at once
    for line in sys.stdin:
        _, job = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status: int = 1
            with suppress(BaseException):
                status = _done(job)
            os._exit(status)
        print(child, flush=True)  # noqa: T201 - a program's answer


def _done(job: dict[str, Any]) -> int:
    try:
        run(Job(**job))
    except BaseException as error:
        Record(Path(job["record"])).say("broken", repr(error))
        raise
    return 0


if __name__ == "__main__":
    main()
