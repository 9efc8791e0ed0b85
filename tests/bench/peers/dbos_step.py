"""DBOS: one workflow with one transaction of its datasource, which changes a row and adds a line of history.

On SQLite its files are switched to WAL first, which is faster than what it makes by itself.
"""

import sqlite3
import sys
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource

from tests.bench.driven import Act, Order, drive, settle

INSTANCES = 64
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS instance (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS history (instance INTEGER NOT NULL, what TEXT NOT NULL)",
)
STEP = sa.text("UPDATE instance SET version = version + 1 WHERE id = :id")
TOLD = sa.text("INSERT INTO history VALUES (:id, 'step')")


def addresses(address: str) -> tuple[str, str]:
    """Give where its own tables are, and where ours."""
    if address.startswith("postgresql"):
        said = address.replace("postgresql://", "postgresql+psycopg://", 1)
        return said, said
    files = [Path(address) / name for name in ("dbos.sqlite", "data.sqlite")]
    for file in files:
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    return f"sqlite:///{files[0]}", f"sqlite:///{files[1]}"


def main(address: str) -> None:
    """Follow orders."""
    settle()
    own, ours = addresses(address)
    DBOS(config={"name": "bench", "system_database_url": own, "log_level": "ERROR", "run_admin_server": False})
    data = SQLAlchemyDatasource.create(ours)

    @data.transaction()
    def change(number: int) -> None:
        session = data.sql_session()
        session.execute(STEP, {"id": number})
        session.execute(TOLD, {"id": number})

    @DBOS.workflow()
    def step(number: int) -> None:
        change(number)

    with data.engine.begin() as connection:
        for statement in SCHEMA:
            connection.execute(sa.text(statement))
        made = sa.text("INSERT INTO instance VALUES (:id, 0) ON CONFLICT DO NOTHING")
        connection.execute(made, [{"id": number} for number in range(INSTANCES)])
    DBOS.launch()

    def prepare(order: Order) -> list[Act]:
        return [one_of(count(caller)) for caller in range(order["threads"])]

    def one_of(turns: "count[int]") -> Act:
        return lambda: step(next(turns) * 17 % INSTANCES)

    drive(prepare)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
