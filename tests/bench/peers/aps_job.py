"""APScheduler 3 with its job store: a job for each reminder, due at once, run by ten threads.

No misfire limit: with the usual one it drops what is a second late.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from tests.bench.peers.effect import Effects, in_wal, ready, wait

EFFECTS: list[Effects] = []


def remind(key: str) -> None:
    """Remind one person."""
    EFFECTS[0].both(key)


def main(what: str, address: str, lines: str, many: str) -> None:
    """Plan reminders, or work."""
    url = address.replace("postgresql://", "postgresql+psycopg://", 1)
    if url == address:
        url = in_wal(Path(address) / "jobs.db")
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=url)},
        executors={"default": ThreadPoolExecutor(10)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    EFFECTS.append(Effects(address, lines))
    scheduler.start(paused=True)
    if what == "plan":
        now = datetime.now(UTC)  # noqa: TID251 - a process of the peer's
        for number in range(int(many)):
            scheduler.add_job(
                "tests.bench.peers.aps_job:called", "date", run_date=now, args=[f"k{number}"], id=f"k{number}"
            )
    ready()
    wait()
    scheduler.resume()
    wait()


def called(key: str) -> None:
    """Remind one person, found by name as the job store keeps it."""
    sys.modules["__main__"].remind(key)  # type: ignore[attr-defined]  # this very module, under its other name


if __name__ == "__main__":
    main(*sys.argv[1:])
