"""DBOS: a workflow for each reminder, enqueued; its steps are the row and the line. On SQLite its file is set to WAL."""

import sys
from pathlib import Path

from dbos import DBOS

from tests.bench.peers.effect import Effects, in_wal, ready, wait

AT_ONCE = 1000
LOOKED_AT = 0.1


def main(what: str, address: str, lines: str, many: str) -> None:
    """Plan reminders, or work."""
    server = address.startswith("postgresql")
    own = address.replace("postgresql://", "postgresql+psycopg://", 1) if server else in_wal(Path(address) / "dbos.db")
    effects = Effects(address, lines)
    DBOS(
        config={
            "name": "bench", "system_database_url": own, "log_level": "ERROR", "run_admin_server": False,
            "application_version": "1", "executor_id": "bench",
        }
    )  # fmt: skip

    @DBOS.step()
    def row(key: str) -> None:
        effects.row(key)

    @DBOS.step()
    def line(key: str) -> None:
        effects.line(key)

    @DBOS.workflow()
    def remind(key: str) -> None:
        row(key)
        line(key)

    if what == "plan":
        DBOS.listen_queues(["another"])  # it only plans
        DBOS.launch()
        DBOS.register_queue("due", worker_concurrency=AT_ONCE, polling_interval_sec=LOOKED_AT)
        for number in range(int(many)):
            DBOS.enqueue_workflow("due", remind, f"k{number}")
        ready()
        wait()
    ready()
    wait()
    DBOS.launch()
    wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
