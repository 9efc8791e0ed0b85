"""A site where people can be erased: the real door over a database of either kind, and a cast who may."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from engine.model import Actor, Command, Json, Kind, Outcome, Role
from engine.service import Answer
from stepcare.app import App, VirtualClock, assembled
from stepcare.publishing import proved_pack, publish
from stepcare.registering import registered
from storage.refs import new_ref
from storage.vault import Details
from tests.storage.homes import Home
from workflows.load import Loaded

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OLGA = Actor(id="olga", role=Role.PATHWAY_OWNER)
ANN = Actor(id="ann", role=Role.COORDINATOR)
RAVI = Actor(id="ravi", role=Role.ASSESSOR)
LENA = Actor(id="lena", role=Role.LEAD)
PETRA = Actor(id="petra", role=Role.PRIVACY_OFFICER)
PETRA_AS_LEAD = Actor(id="petra", role=Role.LEAD)
ADAM = Actor(id="adam", role=Role.ADMINISTRATOR)
WORKER = Actor(id="worker", role=Role.SERVICE)


@dataclass(slots=True)
class Site:
    """An open site and its clock."""

    app: App
    clock: VirtualClock
    people: list[str] = field(default_factory=list)

    def ask(self, by: Actor, kind: Kind, of: str | None = None, /, **values: Json) -> Answer:
        """Give one command for the site."""
        return self.app.engine.handle(Command(id=self.app.make_id(), kind=kind, actor=by, values=values, of=of))

    def about(self, by: Actor, kind: Kind, episode: str, key: str | None = None, /, **values: Json) -> Answer:
        """Give one command for an episode."""
        command = Command(id=self.app.make_id(), kind=kind, actor=by, episode=episode, values=values, key=key)
        return self.app.engine.handle(command)

    def register(self, details: Details, *, key: str | None = None, **values: Json) -> tuple[str, str]:
        """Register an episode of somebody new: (person, episode)."""
        person, episode = new_ref("p", secrets.token_bytes), new_ref("e", secrets.token_bytes)
        said = {"region": "upper_back", "problem": "back_pain", "onset": "2026-01-12", **values, "patient": person}
        command = Command(id=self.app.make_id(), kind=Kind.REGISTER, actor=ANN, episode=episode, values=said, key=key)
        answer = registered(self.app, command, details, keep=True)
        assert answer.decision.outcome is Outcome.ACCEPTED, answer.decision.problem
        self.people.append(person)
        return person, episode

    def close(self, episode: str) -> None:
        """Close an episode: the person declines."""
        found = self.about(ANN, Kind.MOVE, episode, transition="decline", reason="cost", risk_told=True)
        assert found.decision.outcome is Outcome.ACCEPTED, (found.decision.problem, found.decision.failed)

    def erase(self, person: str) -> Answer:
        """Erase a person: the privacy officer asks, the lead approves."""
        asked = self.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")
        assert asked.decision.outcome is Outcome.NEEDS_SIGN_OFF, (asked.decision.problem, asked.decision.failed)
        answer = self.ask(LENA, Kind.SIGN_OFF, asked.decision.command.id, answer="yes")
        assert answer.decision.outcome is Outcome.ACCEPTED, (answer.decision.problem, answer.decision.failed)
        return answer


@cache
def proved() -> Loaded:
    """Prove the shipped pack once."""
    return proved_pack("mid_upper_back")


@contextmanager
def site_at(home: Home) -> Iterator[Site]:
    """Open a home as a site with the shipped pathway in force."""
    clock = VirtualClock(START)
    database = home.open()
    try:
        app = assembled(database, clock)
        if not app.store.site().pathways:
            publish(app, proved(), OLGA, app.make_id())
        yield Site(app=app, clock=clock)
        app.writer.close()
    finally:
        database.close()
