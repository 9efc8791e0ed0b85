"""Opening the database a command is about, and finding out as whom it is given."""

import os
import pwd
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.access import READS, may_read
from engine.errors import InvalidInput, Refused
from engine.model import Actor, Role
from stepcare.app import App, open_app, wall_clock
from stepcare.log import configure_log
from stepcare.options import Options
from stepcare.settings import Settings, read_settings
from storage.staff import Colleague, Staff

SAY_WHO = "Say who asks: --as ACTOR, or STEPCARE_ACTOR; `stepcare user add` adds one."


@dataclass(slots=True)
class Seat:
    """Who sits at the desk, as far as was said, and what the log of reads was told of it already."""

    actor: Actor | None = None
    opening: int | None = None
    request: str = ""
    noted: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An open database, with the settings and options it was opened by, and who sits there."""

    app: App
    options: Options
    settings: Settings
    seat: Seat = field(default_factory=Seat)

    @property
    def staff(self) -> Staff:
        """Who may act here."""
        return Staff(self.app.database)


def settings_of(options: Options) -> Settings:
    """Read the settings under the global options, and send the log to stderr."""
    settings = read_settings(os.environ, options.data)
    configure_log(settings.log_level, settings.log_format, wall_clock)
    return settings


@contextmanager
def opened(options: Options) -> Generator[Desk, None, None]:
    """Open the database the options name; it is closed at the end."""
    settings = settings_of(options)
    with open_app(settings.database, vault=settings.vault_directory) as app:
        yield Desk(app=app, options=options, settings=settings)


def actor_of(desk: Desk) -> Actor:
    """Give who acts; one who holds several roles says as which (`ann:lead`), because each command has one."""
    said = desk.options.actor or desk.settings.actor
    if not said:
        raise InvalidInput(SAY_WHO)
    colleague, role = _colleague(desk, said)
    if role is None and len(colleague.roles) > 1:
        ways = " or ".join(f"--as {colleague.id}:{one}" for one in colleague.roles)
        raise InvalidInput(f"{colleague.id} holds several roles and acts in one at a time: say {ways}.")
    desk.seat.actor = _as(colleague, role or colleague.roles[0])
    return desk.seat.actor


def reader_of(desk: Desk, what: str) -> Actor | None:
    """Give who reads, None where nobody said; raises Refused for a role that may not read this kind of thing.

    Whoever can open the directory and its key can read it in any case, so a name is not demanded; where one is
    given, it is held to its roles and care teams.
    """
    said = desk.options.actor or desk.settings.actor
    if not said:
        return None
    colleague, role = _colleague(desk, said)
    for one in colleague.roles if role is None else (role,):
        actor = _as(colleague, one)
        if may_read(actor, what):
            desk.seat.actor = actor
            return actor
    allowed = ", ".join(sorted(READS.get(what, ())))
    raise Refused(f"{said} may not read {what}: ask one of {allowed}.")


def os_user() -> str:
    """Give the operating-system user behind the command, whatever the environment says."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def _colleague(desk: Desk, said: str) -> tuple[Colleague, Role | None]:
    name, _, role = said.partition(":")
    colleague = desk.staff.find(name)
    if not role:
        return colleague, None
    held = {one.value: one for one in colleague.roles}
    if role not in held:
        raise Refused(f"{name} does not act as {role}: {name} is {', '.join(held)}.")
    return colleague, held[role]


def _as(colleague: Colleague, role: Role) -> Actor:
    return Actor(id=colleague.id, role=role, teams=frozenset(colleague.teams))
