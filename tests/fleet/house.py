"""A house with one PostgreSQL server, two web processes and three workers, where things go wrong."""

import base64
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from engine.errors import Unavailable
from engine.model import Actor, Role
from stepcare.app import App, VirtualClock, assembled
from stepcare.publishing import publish
from storage.pump import Pump
from storage.staff import Colleague, Staff
from storage.tokens import Scope, Token, add_token, hash_of
from tests.fleet.calling import asked
from tests.fleet.processes import PATIENCE, Nursery, Process, nursery
from tests.fleet.receiver import Receiver, receiving
from tests.fleet.shared_clock import SharedClock
from tests.servers import Server
from tests.storage.homes import Cluster
from workflows.load import Loaded

BEGIN = datetime.fromisoformat("2026-03-02T09:00:00+00:00")  # a Monday, ten o'clock there
WEB, WORKERS = ("web1", "web2"), ("worker1", "worker2", "worker3")
OK = 200
AWAY = ("(unavailable)", "startup failed")  # what is said last by what was started while the database was away
SECRET = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
SIGNING = f"whsec_{base64.b64encode(bytes(32)).decode()}"
STAFF = {"ann": Role.COORDINATOR, "ravi": Role.ASSESSOR, "lena": Role.LEAD}
WAY = """
  {name}:
    kind: webhook
    url: {url}
    secrets: [{{environment: FLEET_SIGNING}}]
    seconds: 4
    connect_seconds: 2
    at_once: 2
    rate: {{per_minute: 60000, burst: 1000}}
    person_rate: {{per_minute: 6000, burst: 100}}"""
Figures = Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class House:
    """What runs, and what has been done to it: `harm` counts kills and freezes by what they hit."""

    server: Server
    home: Cluster
    clock: SharedClock
    receiver: Receiver
    room: Path
    tokens: Mapping[str, str]
    births: Nursery
    running: dict[str, Process] = field(default_factory=dict)
    harm: dict[str, int] = field(default_factory=dict)
    _thaws: list[threading.Timer] = field(default_factory=list)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    # --- its processes ------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a process by its name."""
        words = ["serve", "--no-worker", "--uds", str(self.socket(name))] if name in WEB else ["worker", "--id", name]
        environment = {
            "STEPCARE_DATABASE": self.home.address,
            "STEPCARE_VAULT": str(self.home.vault),
            "STEPCARE_CHANNELS": str(self.room / "channels.yaml"),
            "STEPCARE_PIN": "false",
            "STEPCARE_LOG_LEVEL": "warning",
            "FLEET_SIGNING": SIGNING,
        }
        self.running[name] = self.births.start(words, environment, self.room / f"{name}.log")

    def socket(self, name: str) -> Path:
        """Give the path at which a web process listens."""
        return self.room / f"{name}.s"

    def sockets(self) -> list[Path]:
        """Give those of all web processes."""
        return [self.socket(name) for name in WEB]

    def kill(self, name: str) -> None:
        """Kill a process where it stands, and start another under its name."""
        self._count(f"kill {name[:-1]}")
        with self._guard:
            self.running[name].ended_after(signal.SIGKILL)
            self.start(name)

    def supervise(self) -> None:
        """Start again what ended by itself, as a supervisor does: only a database that is away is a reason to end."""
        with self._guard:
            for name, process in list(self.running.items()):
                if process.is_gone:
                    said = (self.room / f"{name}.log").read_text()[-2000:]
                    assert any(why in said[-1000:] for why in AWAY), f"{name} ended: {said}"
                    self._count("ended by itself")
                    self.start(name)

    def freeze(self, name: str, seconds: float) -> None:
        """Stop a process in the middle of whatever it does, for so long; what else goes wrong does not wait for it."""
        self._count(f"freeze {name[:-1]}")
        process = self.running[name]
        process.sent(signal.SIGSTOP)
        thaw = threading.Timer(seconds, process.sent, (signal.SIGCONT,))
        thaw.start()
        self._thaws.append(thaw)

    def until_all_thaw(self) -> None:
        """Wait until every frozen process goes on, as if nothing had been."""
        for thaw in self._thaws:
            thaw.join()

    def restart_the_database(self, away: float = 0.0) -> None:
        """Stop the server without a word to anybody, and start it again after so many seconds."""
        self._count("restart database")
        crash(self.server)
        time.sleep(away)
        self.server.start()

    def stop(self) -> None:
        """End every process as an operator does; whatever was frozen thaws first."""
        for process in self.running.values():
            process.sent(signal.SIGCONT)
            process.sent(signal.SIGTERM)
        for process in self.running.values():
            process.ended_after(signal.SIGTERM)
        self.running.clear()

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        for thaw in self._thaws:
            thaw.cancel()
        for process in self.running.values():
            process.ended_after(signal.SIGKILL)

    def _count(self, what: str) -> None:
        self.harm[what] = self.harm.get(what, 0) + 1

    # --- what it says of itself ---------------------------------------------------------------------------------------

    def ready(self, name: str) -> int:
        """Ask a web process whether it can work; gives the status, 0 where nobody answers."""
        answer = asked(self.socket(name), "/readyz", {})
        return answer.status if answer is not None else 0

    def figures(self, name: str) -> Figures:
        """Give the figures of a web process, by name and labels; none where nobody answers."""
        answer = asked(self.socket(name), "/metrics", {"Authorization": f"Bearer {self.tokens['lena']}"})
        if answer is None or not answer.is_yes:
            return {}
        lines = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
        return {what: float(value) for what, _, value in lines}

    def until(self, holds: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Wait until something holds."""
        end = time.monotonic() + patience
        while not holds():
            self.supervise()
            assert time.monotonic() < end, f"Waited {patience} s: {what}"
            time.sleep(0.1)

    def until_it_stands(self) -> None:
        """Wait until both web processes are ready and three workers beat."""
        self.until(lambda: all(self.ready(name) == OK for name in WEB), "the web processes are ready")
        alive = "stepcare_workers"
        self.until(lambda: self.figures(WEB[0]).get(alive, 0) >= len(WORKERS), "three workers beat")

    # --- time ---------------------------------------------------------------------------------------------------------

    def let_pass(self, pump: Pump, until: datetime, patience: float) -> None:
        """Let time pass from one due instant to a little after the next, and end at `until`, when all is done."""
        end = time.monotonic() + patience
        last: tuple[datetime | None, float] = (None, 0.0)
        while True:
            assert time.monotonic() < end, f"Nothing more happens: due at {last[0]}, it is {self.clock()}"
            self.supervise()
            try:
                due, now = pump.next_due(), self.clock()
            except Unavailable:
                time.sleep(0.1)
                continue
            if due != last[0]:
                last = (due, time.monotonic())
            elif due is None or due > now:
                quiet = time.monotonic() - last[1]
                if due is None or due > until:
                    self.clock.go_to(max(until, self.clock()))
                    return
                if quiet > QUIET:
                    self.clock.go_to(due + LATE)
            time.sleep(0.1)


def crash(server: Server) -> None:
    """Stop a server as `pg_ctl -m immediate` does: it says nothing to anybody, and recovers when it starts."""
    process = server._process
    assert process is not None
    server._run("pg_ctl", "--pgdata", str(server.data), "--mode", "immediate", "--silent", "stop")
    process.wait(PATIENCE)


QUIET = 0.5  # seconds for which the next due instant must stand before time leaps there
LATE = timedelta(minutes=5)  # so much time passes beyond it: what is due soon after is done in one go


@contextmanager
def a_house(server: Server, pack: Loaded, room: Path, *, seed: int, trouble: float) -> Generator[House, None, None]:
    """Found a house, with nobody running in it yet; nobody is left at the end."""
    clock = SharedClock(room / "clock")
    clock.go_to(BEGIN)
    with ExitStack() as open_:
        receiver = open_.enter_context(receiving(seed, trouble))
        ways = "".join(WAY.format(name=name, url=receiver.url) for name in ("sms", "email"))
        (room / "channels.yaml").write_text(f"site_rate: {{per_minute: 60000, burst: 1000}}\nchannels:{ways}\n")
        home = Cluster.found(server, room / "vault")
        births = open_.enter_context(nursery(room / "clock"))
        house = House(
            server=server,
            home=home,
            clock=clock,
            receiver=receiver,
            room=room,
            tokens=_furnished(home, pack),
            births=births,
        )
        open_.callback(house.end)
        yield house


def _furnished(home: Cluster, pack: Loaded) -> dict[str, str]:
    """Publish the pathway and let colleagues in; gives the secrets of their tokens."""
    found: dict[str, str] = {}
    with opened(home, VirtualClock(BEGIN)) as app:
        publish(app, pack, Actor(id="olga", role=Role.PATHWAY_OWNER), "publish")
        for number, (name, role) in zip(count(), STAFF.items(), strict=False):
            address = {"email": f"{name}@clinic.example"}
            Staff(app.database).add(
                Colleague(id=name, roles=(role,), teams=("main",), contacts=address, channels=("email",))
            )
            add_token(
                app.database,
                Token(
                    id=f"{number:012x}",
                    secret_hash=hash_of(SECRET),
                    actor=name,
                    role=role,
                    scopes=frozenset(Scope),
                    created_at=BEGIN,
                    expires_at=BEGIN + timedelta(days=3650),
                ),
            )
            found[name] = f"sc_{number:012x}_{SECRET}"
    return found


@contextmanager
def opened(home: Cluster, clock: Callable[[], datetime]) -> Generator[App, None, None]:
    """Open the house's database in this process."""
    database = home.open()
    try:
        app = assembled(database, clock)
        try:
            yield app
        finally:
            app.writer.close()
    finally:
        database.close()
