"""Procrastinate: a deferred task for each reminder, ten at once."""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import procrastinate

from tests.bench.peers.effect import Effects, ready, wait


def main(what: str, address: str, lines: str, many: str) -> None:
    """Plan reminders, or work."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    effects = Effects(address, lines)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=address))

    @app.task(name="remind")
    def remind(key: str) -> None:
        effects.both(key)

    asyncio.run(_planned(app, remind, int(many)) if what == "plan" else _worked(app))


async def _planned(app: procrastinate.App, remind: Any, many: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        later = remind.configure(schedule_at=datetime.now(UTC))  # noqa: TID251 - a process of the peer's
        await later.batch_defer_async(*({"key": f"k{number}"} for number in range(many)))
    ready()
    wait()


async def _worked(app: procrastinate.App) -> None:
    async with app.open_async():
        ready()
        await asyncio.to_thread(wait)
        ending = asyncio.create_task(asyncio.to_thread(wait))
        await app.run_worker_async(
            concurrency=10, wait=True, fetch_job_polling_interval=0.1, install_signal_handlers=False
        )
        await ending


if __name__ == "__main__":
    main(*sys.argv[1:])
