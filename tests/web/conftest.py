"""A house with its door open: a site with a cast of every role, served in this process, and ways to ask it."""

import base64
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.model import Actor, Json, Role
from stepcare.app import App, open_app, temporary_app
from stepcare.publish.folder import Folder
from stepcare.publish.guard import Guard
from stepcare.publish.seal import Sealer
from stepcare.publish.signer import FileSigner
from stepcare.publish.skey import PrivateKey
from stepcare.publishing import publish
from stepcare.web.api import Web
from storage.published import Source
from storage.staff import Colleague, Staff
from storage.tokens import Scope, Token, add_token, hash_of
from tests.worlds import PACK, utc
from workflows.load import load_pack

START = utc(2026, 3, 2, 9)
ALL = frozenset(Scope)
SECRET = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
CAST: dict[str, tuple[Role, ...]] = {
    "ann": (Role.COORDINATOR,),
    "ravi": (Role.ASSESSOR,),
    "pia": (Role.PROCEDURALIST,),
    "lena": (Role.LEAD, Role.ASSESSOR),
    "olga": (Role.PATHWAY_OWNER,),
    "aziz": (Role.AUDITOR,),
    "priya": (Role.PRIVACY_OFFICER,),
    "adam": (Role.ADMINISTRATOR,),
    "sam": (Role.SERVICE,),
    "oscar": (Role.OUTSIDER,),
    "otto": (Role.COORDINATOR,),
    "zoe": (Role.LEAD,),
}
TEAMS = {"otto": "other", "zoe": "other"}
REGISTRATION: dict[str, Json] = {
    "region": "upper_back",
    "onset": "2026-01-12",
    "contact_consent": True,
    "contact_channel": "email",
}
CALLED: dict[str, Json] = {"kind": "contact", "values": {"channel": "telephone", "result": "reached"}}


class Clock:
    """A clock that stands until it is moved; `seconds` is the one that only measures."""

    def __init__(self) -> None:
        """Stand at the start."""
        self.now, self.seconds = START, 0.0

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now

    def monotonic(self) -> float:
        """Give the seconds."""
        return self.seconds

    def forward(self, **by: float) -> None:
        """Let time pass on both."""
        self.now += timedelta(**by)
        self.seconds += timedelta(**by).total_seconds()


class Client:
    """A client of an application in this process: its own loop in a thread, and no socket."""

    def __init__(self, web: Web, portal: BlockingPortal) -> None:
        """Send to `web`, in the loop of `portal`."""
        self._portal = portal
        self._inner = httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://stepcare")

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Send a request and wait for its response."""
        return self._portal.call(partial(self._inner.request, method, path, **sent))

    def forget(self) -> None:
        """Forget the cookies of whoever asked before."""
        self._inner.cookies.clear()

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something in the same loop."""
        self._portal.call(work)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        """Send a POST."""
        return self.request("POST", path, **sent)


@dataclass(slots=True)
class House:
    """The service, whoever asks, and what was made so far."""

    client: Client
    app: App
    clock: Clock
    web: Web
    _tokens: dict[tuple[str, str, frozenset[Scope]], str] = field(default_factory=dict)
    _number: "count[int]" = field(default_factory=count)

    def token(self, who: str, scopes: frozenset[Scope] = ALL, *, days: int = 300) -> str:
        """Give a token of a colleague in their first role (or `who:role`), made once."""
        name, _, role = who.partition(":")
        known = self._tokens.get((who, str(days), scopes))
        if known is not None:
            return known
        id_ = f"{next(self._number):012x}"
        token = Token(
            id=id_,
            secret_hash=hash_of(SECRET),
            actor=name,
            role=Role(role) if role else CAST[name][0],
            scopes=scopes,
            created_at=self.clock(),
            expires_at=self.clock() + timedelta(days=days),
        )
        add_token(self.app.database, token)
        return self._tokens.setdefault((who, str(days), scopes), f"sc_{id_}_{SECRET}")

    def ask(self, who: str | None, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(who)}")
        return self.client.request(method, path, json=body, headers=sent)

    def get(self, who: str | None, path: str, **headers: str) -> httpx.Response:
        """Read."""
        return self.ask(who, "GET", path, **headers)

    def post(self, who: str | None, path: str, body: Any, **headers: str) -> httpx.Response:
        """Command, with a fresh key unless one is given."""
        headers.setdefault("Idempotency_Key", f"key-{next(self._number)}")
        return self.ask(who, "POST", path, body, **headers)

    def command(self, who: str, episode: str, body: Any, **headers: str) -> httpx.Response:
        """Give an episode a command on whatever version is current."""
        headers.setdefault("If_Match", "*")
        return self.post(who, f"/api/v1/episodes/{episode}/commands", body, **headers)

    def register(self, who: str = "ann", name: str = "Alva Ludens", **more: Any) -> str:
        """Register an episode of somebody new."""
        body = {"person": {"name": name}, "values": REGISTRATION, **more}
        found = self.post(who, "/api/v1/episodes", body)
        assert found.status_code == 201, found.text
        return str(found.json()["episode"])


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a site once: reading and proving the pack takes a moment."""
    place = tmp_path_factory.mktemp("web") / "data"
    place.mkdir(mode=0o700)
    with temporary_app(Clock(), "Europe/Berlin", str(place)) as app:
        for who, roles in CAST.items():
            Staff(app.database).add(Colleague(id=who, roles=roles, teams=(TEAMS.get(who, "main"),)))
        publish(app, load_pack(PACK), Actor(id="olga", role=Role.PATHWAY_OWNER), "p0")
    seal(place)
    return place


def seal(place: Path) -> None:
    """Seal the log, as the sealer's process would."""
    source = Source(place)
    with source.moment() as moment:
        key = PrivateKey.make(moment.origin, os.urandom)
    guard = Guard(place / "sealer" / "signed")
    Sealer(source=source, folder=Folder(place / "published"), guard=guard, signers=(FileSigner(key),)).seal()
    source.close()


def served(place: Path) -> Iterator[House]:
    """Serve a site in this process."""
    clock = Clock()
    web = Web(
        lambda: open_app(place, clock), random=os.urandom, monotonic=clock.monotonic, published=place / "published"
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(web.living()):
        yield House(Client(web, portal), web.service().app, clock, web)


@pytest.fixture(scope="module")
def house(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a house that the tests of a module share: each makes its own episodes, none moves the clock."""
    yield from served(shutil.copytree(ready, tmp_path_factory.mktemp("shared") / "data"))


@pytest.fixture
def own_house(ready: Path, tmp_path: Path) -> Iterator[House]:
    """Give a house of this test's own, to move the clock and change the staff."""
    yield from served(shutil.copytree(ready, tmp_path / "data"))


@pytest.fixture
def episode(house: House) -> str:
    """Register an episode of care team main."""
    return house.register()
