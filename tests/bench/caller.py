"""One process of ours that is driven: an open database, and so many callers at its door."""

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

from engine.model import Command
from stepcare.app import App, open_app, settle
from stepcare.log import configure_log
from tests.bench.driven import Act, Order, drive
from tests.bench.work import CLOCK, People, ask, calls, contacts, courses, present, steps

FASTEST = 6000  # decisions a second that must not wait for a person


def acts_of(app: App, prefix: str, order: Order, numbers: "count[int]") -> list[Act]:
    """Give one act for each caller, its people waiting."""
    callers = int(order["threads"])
    if order["work"] == "present":
        most = int(FASTEST * float(order["seconds"]) / callers) + 1
        found = present(app, most * callers)
        return [_act(app, calls(found[one::callers], f"{prefix}-{next(numbers)}")) for one in range(callers)]
    walk = steps() if order["work"] == "courses" else ()
    length = len(walk) or 21
    made: list[Act] = []
    for _ in range(callers):
        mine = f"{prefix}-{next(numbers)}"
        people = People(app, mine)
        people.bring(int(FASTEST * float(order["seconds"]) / callers / length) + 2)
        made.append(_act(app, courses(people, mine, walk) if walk else contacts(people, mine)))
    return made


def _act(app: App, asked: Iterator[tuple[Command, datetime]]) -> Act:
    def act() -> None:
        command, now = next(asked)
        ask(app, command, now)

    return act


def main(database: str, vault: str, name: str, number: str) -> None:
    """Open the database and follow orders."""
    configure_log("warning", "console", CLOCK)  # as `stepcare` is run where nobody asks for more
    numbers = count()
    with open_app(database, CLOCK, Path(vault) if vault else None) as app:
        for sha256 in app.store.site().pathways.values():
            app.engine.compiled(sha256)
        steps()
        settle(int(number))  # as the service does
        drive(lambda order: acts_of(app, f"{name}{number}", order, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
