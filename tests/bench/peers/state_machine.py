"""python-statemachine: load a row, fire one transition, change the row, add a line of history, commit."""

import sys
from itertools import count

from statemachine import State, StateMachine

from tests.bench.driven import Act, Order, drive, settle
from tests.bench.peers.rows import Rows

INSTANCES = 64


class Care(StateMachine):
    """Four states in a circle."""

    intake = State(initial=True)
    self_care = State()
    professional = State()
    maintenance = State()

    step = (
        intake.to(self_care)
        | self_care.to(professional)
        | professional.to(maintenance)
        | maintenance.to(self_care)
    )  # fmt: skip


def main(address: str) -> None:
    """Follow orders."""
    settle()
    Rows(address).begin_with(dict.fromkeys(range(INSTANCES), "intake"))
    connections: list[Rows] = []

    def prepare(order: Order) -> list[Act]:
        while len(connections) < order["threads"]:
            connections.append(Rows(address))
        return [one_of(connections[caller], caller) for caller in range(order["threads"])]

    def one_of(rows: Rows, first: int) -> Act:
        turns = count(first)

        def act() -> None:
            number = next(turns) * 17 % INSTANCES
            care = Care(start_value=rows.load(number))
            care.send("step")
            rows.keep(number, str(next(iter(care.configuration)).id), "step")

        return act

    drive(prepare)


if __name__ == "__main__":
    main(sys.argv[1])
