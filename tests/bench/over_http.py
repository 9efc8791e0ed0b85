"""The same door over HTTP, in turns with an endpoint that does nothing, both on loopback with wrk on the same cores."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from engine.model import Actor, Command, Json, Kind, Role
from stepcare.app import open_app, wall_clock
from storage.tokens import Scope, Token, add_token, hash_of
from storage.vault import Details
from tests.bench.figures import Figure, Section, middle, ratios, spread, unmeasured
from tests.bench.fleet import ROOT
from tests.bench.noop import ANSWER
from tests.bench.sites import Place, Start, on_postgres, on_sqlite
from tests.servers import NoServer

ROUNDS = 3
SECONDS = 2
CONNECTIONS = 16
EPISODES = 800
FLOOR, SLOWEST = 0.35, 3.0
SERVING = re.compile(r"serving on (http://\S+?),")
START_SECONDS = 30
MOST_WARMING = 10
RUNS = count()
TITLE = "Over HTTP"
NOTES = (
    f"`wrk -t1 -c{CONNECTIONS}` sends contacts on {EPISODES:,} episodes, each under a fresh key, and shares the machine "
    "with the service. The endpoint that does nothing is a `def` too, reads the same body, checks it, answers with as "
    "much JSON, and is served by as many processes with the same settings; both take turns."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What wrk saw: requests a second, milliseconds, answers that were no success, and connections that broke."""

    rate: float
    p50: float
    p99: float
    refused: int
    broken: int

    @property
    def errors(self) -> int:
        """Give all that went wrong."""
        return self.refused + self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is sent: the episodes' references in a file, and the token."""

    ids: Path
    token: str


def over_http(start: Start, folder: Path) -> Section:
    """Measure one process, two on one SQLite file, four on PostgreSQL."""
    if shutil.which("wrk") is None:
        missing = unmeasured(
            "commands over HTTP", "there is no wrk: install it (Debian: apt-get install wrk)", f"≥ {FLOOR} ×"
        )
        return Section(title=TITLE, notes=NOTES, figures=[missing])
    sqlite = on_sqlite(folder / "site")
    found = [
        *_turns(sqlite, 1, "one process, SQLite", folder / "one"),
        *_turns(sqlite, 2, "two processes, one SQLite file", folder / "two"),
    ]
    who = "four processes, PostgreSQL"
    try:
        found += _turns(on_postgres(start(), folder / "vault"), 4, who, folder / "four")
    except NoServer as missing_server:
        found.append(unmeasured(who, missing_server, f"≥ {FLOOR} ×"))
    return Section(title=TITLE, notes=NOTES, figures=found)


def _turns(place: Place, workers: int, who: str, folder: Path) -> list[Figure]:
    folder.mkdir()
    asked = prepared(place, folder)
    with ExitStack() as stack:
        words = [sys.executable, "-m", "stepcare", "serve", "--port", "0", "--workers", str(workers)]
        ours = stack.enter_context(serving(words, place.settings, folder / "ours.log"))
        (folder / "answer.json").write_text(json.dumps(_answer(ours, asked)), encoding="utf-8")
        words = [sys.executable, "-m", "tests.bench.noop", str(workers)]
        noop = stack.enter_context(serving(words, {ANSWER: str(folder / "answer.json")}, folder / "noop.log"))
        for address in (ours, noop):
            _warm(address, asked, workers)
        theirs, mine = [], []
        for _ in range(ROUNDS):
            theirs.append(_wrk(noop, asked, SECONDS))
            mine.append(_wrk(ours, asked, SECONDS))
    return list(_figures(who, mine, theirs))


def _figures(who: str, mine: list[Served], theirs: list[Served]) -> Iterator[Figure]:
    failed = sum(one.errors for one in theirs)
    if failed:
        raise SystemExit(f"The endpoint that does nothing failed {failed} times: its figures are worth nothing.")
    yield Figure(
        what=f"{who}: nothing at all",
        measured=f"{middle([one.rate for one in theirs]):,.0f}/s",
        beside=f"p50 {middle([one.p50 for one in theirs]):.1f} ms, p99 {middle([one.p99 for one in theirs]):.1f} ms",
    )
    found = ratios([one.rate for one in mine], [one.rate for one in theirs])
    yield Figure(
        what=f"{who}: commands",
        measured=f"{middle([one.rate for one in mine]):,.0f}/s",
        beside=f"**{middle(found):.2f} ×** ({spread(found)}); p50 {middle([one.p50 for one in mine]):.1f} ms",
        floor=f"≥ {FLOOR} ×",
        held=middle(found) >= FLOOR,
    )
    slower = ratios([one.p99 for one in mine], [one.p99 for one in theirs])
    yield Figure(
        what=f"{who}: p99",
        measured=f"{middle([one.p99 for one in mine]):.1f} ms",
        beside=f"{middle(slower):.1f} × that of nothing ({spread(slower, '.1f')})",
        floor=f"≤ {SLOWEST:.0f} ×",
        held=middle(slower) <= SLOWEST,
    )
    errors = sum(one.errors for one in mine)
    yield Figure(
        what=f"{who}: answers that are no success",
        measured=str(errors),
        beside=f"{sum(one.broken for one in mine)} of them broken connections" if errors else "",
        floor="0",
        held=errors == 0,
    )


# --- what is asked --------------------------------------------------------------------------------------------------


def prepared(place: Place, folder: Path) -> Asked:
    """Register the episodes, and make a token."""
    ids = [f"e-{folder.name}-{number}" for number in range(EPISODES)]
    secret = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    actor = Actor(id="ann", role=Role.COORDINATOR, teams=frozenset({"main"}))
    with open_app(place.database, wall_clock, place.vault) as app:
        app.vault.add_people([(f"p-{one}", Details(name="Alva Ludens")) for one in ids], app.clock())
        about: dict[str, Json] = {"region": "upper_back", "onset": "2026-01-12"}
        for answer in app.engine.handle_each(
            [
                Command(
                    id=f"{one}-0", kind=Kind.REGISTER, actor=actor, episode=one, values={**about, "patient": f"p-{one}"}
                )
                for one in ids
            ]
        ):
            if isinstance(answer, Exception):
                raise answer
        token = Token(
            id=os.urandom(6).hex(),
            secret_hash=hash_of(secret),
            actor="ann",
            role=Role.COORDINATOR,
            scopes=frozenset(Scope),
            created_at=app.clock(),
            expires_at=app.clock() + timedelta(days=1),
        )
        add_token(app.database, token)
    file = folder / "episodes"
    file.write_text("\n".join(ids), encoding="utf-8")
    return Asked(ids=file, token=f"sc_{token.id}_{secret}")


def _answer(address: str, asked: Asked) -> Json:
    """Give what the service says to one such request, for the other one to say as much."""
    episode = asked.ids.read_text(encoding="utf-8").partition("\n")[0]
    body = b'{"kind":"contact","values":{"channel":"telephone","result":"no_answer"}}'
    headers = {
        "Authorization": f"Bearer {asked.token}",
        "Content-Type": "application/json",
        "If-Match": "*",
        "Idempotency-Key": f"first-{asked.ids.parent.name}",
    }
    sent = urllib.request.Request(f"{address}/api/v1/episodes/{episode}/commands", body, headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(sent, timeout=START_SECONDS) as answer:  # noqa: S310 - loopback
        found: Json = json.loads(answer.read())
    return found


def _warm(address: str, asked: Asked, workers: int) -> None:
    """Wait until every process serves: the rate no longer grows."""
    time.sleep(workers)
    before = 0.0
    for _ in range(MOST_WARMING):
        rate = _wrk(address, asked, 1).rate
        if rate and rate < before * 1.1:
            return
        before = rate


def _wrk(address: str, asked: Asked, seconds: int) -> Served:
    words: list[str | Path] = [
        "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", Path(__file__).with_name("commands.lua"),
        address, "--", asked.ids, asked.token, f"run-{next(RUNS)}",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - a found program
    said = json.loads(done.stdout.splitlines()[-1])
    return Served(
        rate=said["requests"] / said["us"] * 1e6,
        p50=said["p50"] / 1e3,
        p99=said["p99"] / 1e3,
        refused=said["status"],
        broken=said["other"],
    )


@contextmanager
def serving(words: list[str], settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """Start a service, give its address once it is told, and stop it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
    with log.open("wb") as out:
        process = subprocess.Popen(words, stderr=out, cwd=ROOT, env={**environment, **settings})  # noqa: S603 - our own program
    try:
        end = time.monotonic() + START_SECONDS
        while (found := SERVING.search(log.read_text(encoding="utf-8"))) is None:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{' '.join(words)} does not serve: {log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.05)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
