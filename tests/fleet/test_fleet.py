"""Two web processes and three workers on one PostgreSQL: whatever is killed, frozen or restarted, nothing is lost."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from storage.pump import Pump
from tests.fleet.checks import DIGEST, wrong_in_the_house
from tests.fleet.desk import Desk
from tests.fleet.house import BEGIN, OK, WEB, WORKERS, House, a_house, opened
from tests.servers import Server
from workflows.load import Loaded

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DESKS = 3
SAMPLE = 10  # of the wishes, so many are sent again at the end
HARMS = ("kill worker", "freeze worker", "kill web", "restart database", "freeze web", "kill workers")
DAY = timedelta(days=1)
KEPT = 29 * DAY  # a key is kept for thirty days: after that the same wish is another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a house is to live through. `frozen`: for about so many seconds; `patience`: seconds for the whole."""

    patients: int
    until: timedelta
    frozen: float = 2
    emergencies: bool = False
    patience: float = 180


@contextmanager
def at_their_desks(house: House, random: Random, plan: Plan) -> Generator[list[Desk], None, None]:
    """Have people register patients, and then write down calls until the block is over."""
    stopped = threading.Event()
    desks = [
        Desk(
            name=f"desk{number}",
            sockets=house.sockets(),
            tokens=house.tokens,
            random=Random(random.random()),  # noqa: S311 - no secret
            stopped=stopped,
            clock=house.clock,
            emergencies=plan.emergencies,
        )
        for number in range(DESKS)
    ]

    def works(desk: Desk) -> None:
        desk.registers(plan.patients)
        desk.calls()

    threads = [threading.Thread(target=works, args=(desk,), daemon=True) for desk in desks]
    for one in threads:
        one.start()
    try:
        yield desks
    finally:
        stopped.set()
        for one in threads:
            one.join(120)


def do_harm(house: House, harm: str, random: Random, frozen: float) -> None:
    """Do one thing that goes wrong in a house; what is frozen stays so for about so many seconds."""
    web, worker = random.choice(WEB), random.choice(WORKERS)
    time.sleep(random.uniform(0, 0.4))
    if harm == "restart database":
        house.restart_the_database(random.uniform(0, 1))
    elif harm.startswith("freeze"):
        house.freeze(worker if harm == "freeze worker" else web, frozen * random.uniform(0.5, 1))
    elif harm == "kill workers":
        for name in random.sample(WORKERS, 2):
            house.kill(name)
    else:
        house.kill(worker if harm == "kill worker" else web)


def live_through(house: House, random: Random, plan: Plan) -> list[Desk]:
    """Let due work come until a day, things going wrong all the while; gives the desks, when all is quiet again."""
    for name in (*WEB, *WORKERS):
        house.start(name)
    house.until_it_stands()
    harms: list[str] = []
    over = threading.Event()

    def goes_wrong() -> None:
        while not over.is_set():
            harms[:] = harms or random.sample(HARMS, len(HARMS))
            do_harm(house, harms.pop(), random, plan.frozen)
            over.wait(random.uniform(0.5, 2))

    chaos = threading.Thread(target=goes_wrong, daemon=True)
    with at_their_desks(house, random, plan) as desks, opened(house.home, house.clock) as app:
        chaos.start()
        try:
            house.until(
                lambda: all(len(desk.episodes) == plan.patients or desk.broken for desk in desks),
                "all are registered",
                plan.patience,
            )
            house.let_pass(Pump(app.database, "test"), BEGIN + plan.until, plan.patience)
        finally:
            over.set()
            chaos.join(120)
            house.until_all_thaw()
    return desks


def settle(house: House) -> None:
    """Let half an hour pass in which nothing goes wrong, so that what was left is done and whoever died is forgotten."""
    house.receiver.trouble = 0.0
    with opened(house.home, house.clock) as app:
        house.until_it_stands()
        house.let_pass(Pump(app.database, "test"), house.clock() + timedelta(minutes=30), 300)
    house.until(lambda: says_all_is_well(house), f"health says so: {[house.figures(name) for name in WEB]}")


def says_all_is_well(house: House) -> bool:
    """Say whether every web process is ready, and tells of three workers who leave nothing lying."""
    lying = ("stepcare_timer_lag_seconds", "stepcare_message_lag_seconds", "stepcare_parked", "stepcare_clock_paused")
    for name in WEB:
        said = house.figures(name)
        if house.ready(name) != OK or said.get("stepcare_workers") != len(WORKERS):
            return False
        if any(said.get(one) != 0 for one in lying):
            return False
    return True


def wrong_after(house: House, desks: list[Desk]) -> list[str]:
    """Give everything that is wrong at the end."""
    acknowledged = [one for desk in desks for one in desk.acknowledged]
    known = [one for one in acknowledged if house.clock() - one.at < KEPT]
    again = known[:: max(1, len(known) // SAMPLE)]
    wrong = [text for desk in desks for text in desk.broken]
    wrong += [f"{one.key} was answered otherwise" for one in again if desks[0].asked_again(one) != one.entry]
    house.stop()
    with opened(house.home, house.clock) as app:
        return wrong + wrong_in_the_house(app, acknowledged, house.receiver)


def blind_to(house: House, desks: list[Desk]) -> list[str]:
    """Give what the checks would not see: a wish lost, a message lost, one sent twice without having been meant."""
    acknowledged, receiver = [one for desk in desks for one in desk.acknowledged], house.receiver
    key, body = next((key, body) for key, body in receiver.taken.items() if not key.startswith(DIGEST))
    blind = []
    with opened(house.home, house.clock) as app:
        if not wrong_in_the_house(app, [replace(acknowledged[0], entry=10**9), *acknowledged[1:]], receiver):
            blind.append("a lost wish")
        del receiver.taken[key]
        if not wrong_in_the_house(app, acknowledged, receiver):
            blind.append("a lost message")
        receiver.taken[key] = body
        receiver.posts[key] += 100
        if not wrong_in_the_house(app, acknowledged, receiver):
            blind.append("a message sent twice")
    return blind


def test_a_fleet_loses_nothing_and_sends_nothing_twice(server: Server, pack: Loaded, tmp_path: Path) -> None:
    """Three weeks until reminders are due, in a house where one thing after another is killed, frozen or restarted.

    At the end the server is gone once more: the web says so, and the same processes go on when it is back.
    """
    random = Random(5)  # noqa: S311 - no secret
    with a_house(server, pack, tmp_path, seed=5, trouble=0.3) as house:
        desks = live_through(house, random, Plan(patients=3, until=22 * DAY))
        house.until_it_stands()
        standing = dict(house.running)
        server.kill()
        assert [house.ready(name) for name in WEB] == [503, 503]
        server.start()
        settle(house)

        assert house.running == standing, "whoever runs outlives the server"
        assert wrong_after(house, desks) == []
        assert blind_to(house, desks) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_fleet_outlives_two_months(server: Server, pack: Loaded, tmp_path: Path, seed: int) -> None:
    """More patients, every rung of their ladders, and whoever is frozen stays so until others have long taken over."""
    plan = Plan(patients=8, until=60 * DAY, frozen=40, patience=1800)
    outlived(server, pack, tmp_path, plan, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 8))
def test_a_fleet_tells_of_emergencies_whatever_happens(server: Server, pack: Loaded, tmp_path: Path, seed: int) -> None:
    """Twelve emergencies, each told every hour to whoever must act, for the rest of the day."""
    plan = Plan(patients=4, until=timedelta(hours=8), frozen=5, emergencies=True, patience=1800)
    outlived(server, pack, tmp_path, plan, seed)


def outlived(server: Server, pack: Loaded, room: Path, plan: Plan, seed: int) -> None:
    """Live through a plan, and find nothing wrong."""
    random = Random(seed)  # noqa: S311 - no secret
    with a_house(server, pack, room, seed=seed, trouble=0.2) as house:
        desks = live_through(house, random, plan)
        settle(house)

        assert wrong_after(house, desks) == []
        assert len(house.receiver.taken) > 100
