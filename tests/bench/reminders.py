"""Episodes with due work, made by the product's own commands on the shipped pathway.

`bring_to_self_care`: on day 21 each person is due one reminder. `flag` raises an emergency flag on each at an instant of
its own: the flag's first call is due at that very instant, to the microsecond.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.model import Actor, Command, Json, Kind, Outcome, Role
from stepcare.app import App, VirtualClock, open_app
from storage.connection import Connection
from storage.staff import Colleague, Staff
from storage.vault import Details
from storage.verify import verify_log
from storage.walk import opener_of
from tests.bench.sites import Place
from tests.bench.work import ANN, CLOCK, ask
from tests.servers import Server
from tests.worker.clinic import COURSE, MORNING

RAVI = Actor(id="ravi", role=Role.ASSESSOR, teams=ANN.teams)
TEAMS = [f"team-{number:03}" for number in range(200)]  # so many that nobody hears more at once than a person may
ZOE = Actor(id="zoe", role=Role.COORDINATOR, teams=frozenset(TEAMS))
REMINDING = MORNING + timedelta(days=21, hours=2)  # every reminder is due, and may go at once: no quiet hour, no jitter
BATCH = 100
CALLERS = 16
ONSET = timedelta(days=49)  # before the registration: no class changes while anything is measured
CONSENT: dict[str, Json] = {"contact_consent": True, "contact_channel": "email"}
NOT_ONCE = "The figures are worthless: {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An entry of a fired timer: its place in the log, whose it is, which timer."""

    index: int
    episode: str
    timer: str


def refs(prefix: str, many: int) -> list[str]:
    """Name so many episodes."""
    return [f"{prefix}-{number:06}" for number in range(many)]


def bring_to_self_care(place: Place, many: int) -> None:
    """Register so many people who agreed to messages, and start self-care with each, on one Monday morning."""
    about: dict[str, Json] = {"region": "upper_back", "problem": "both", "onset": "2026-01-12", **CONSENT}
    with open_app(place.database, VirtualClock(MORNING), place.vault) as app:
        episodes = refs("r", many)
        register(app, episodes, about)
        for by, kind, values in COURSE:
            actor = ANN if by == "ann" else RAVI
            _each(app, [_command(app, actor, kind, one, values) for one in episodes])


def register(
    app: App, episodes: Sequence[str], about: Mapping[str, Json], teams: Mapping[str, str] | None = None
) -> None:
    """Register a person in each of these episodes, a hundred to a commit; `teams`: whose, None: the usual one's."""
    people = [
        (f"p-{one}", Details(name="Alva Ludens", contacts={"email": f"{one}@clinic.example"})) for one in episodes
    ]
    app.vault.add_people(people, app.clock())
    commands = []
    for one in episodes:
        values: dict[str, Json] = {**about, "patient": f"p-{one}"}
        if teams is not None:
            values["team"] = teams[one]
        commands.append(_command(app, ANN if teams is None else ZOE, Kind.REGISTER, one, values))
    _each(app, commands)


def register_now(app: App, episodes: Sequence[str], now: datetime) -> None:
    """Register a person in each of these episodes, none of whose timers comes within days; each team has its clinician."""
    CLOCK.now = now
    staff = Staff(app.database)
    for team in TEAMS:
        me = f"ravi-{team}"
        staff.add(Colleague(id=me, roles=(Role.ASSESSOR,), teams=(team,), contacts={"file": me}, channels=("file",)))
    onset = (now - ONSET).date().isoformat()
    for first in range(0, len(episodes), len(TEAMS)):
        some = episodes[first : first + len(TEAMS)]
        register(
            app, some, {"region": "upper_back", "problem": "both", "onset": onset}, dict(zip(some, TEAMS, strict=False))
        )


def flag(app: App, when: Mapping[str, datetime]) -> None:
    """Raise an emergency flag on each episode at its instant; `app` keeps `CLOCK`'s time."""

    def raise_it(one: tuple[str, datetime]) -> None:
        episode, at = one
        values: dict[str, Json] = {"transition": "raise_concern", "urgency": "emergency", "told": "ravi"}
        values |= {"told_on": at.date().isoformat(), "flags": ["systemic_illness"]}
        ask(app, _command(app, ZOE, Kind.MOVE, episode, values), at)

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(raise_it, when.items()))


def _command(app: App, actor: Actor, kind: Kind, episode: str, values: Mapping[str, Json]) -> Command:
    return Command(id=app.make_id(), kind=kind, actor=actor, episode=episode, values=dict(values))


def _each(app: App, commands: Sequence[Command]) -> None:
    for first in range(0, len(commands), BATCH):
        for answer in app.engine.handle_each(commands[first : first + BATCH]):
            if isinstance(answer, Exception):
                raise answer
            if answer.decision.outcome is not Outcome.ACCEPTED:
                raise RuntimeError(
                    f"{answer.decision.command.kind}: {answer.decision.problem} {answer.decision.failed}"
                )


# --- copies, and what came of them ----------------------------------------------------------------------------------


def copy_of(place: Place, server: Server | None, folder: Path) -> Place:
    """Copy a site that nobody has open."""
    if place.vault is None:
        return Place(database=str(shutil.copytree(place.database, folder)))
    assert server is not None
    return Place(database=server.fresh_database(place.database), vault=Path(shutil.copytree(place.vault, folder)))


def fired(connection: Connection, since: int) -> list[Shown]:
    """Give the entries of fired timers from this place of the log on, in order."""
    found = connection.execute("SELECT idx, entry FROM audit_entry WHERE idx >= :since ORDER BY idx", {"since": since})
    entries = [(index, json.loads(bytes(entry))) for index, entry in found.fetchall()]
    return [
        Shown(index=index, episode=one["ep"], timer=one["trigger"])
        for index, one in entries
        if one["type"] == "timer.fired"
    ]


def length(app: App) -> int:
    """Give the length of the log."""
    with app.database.reading() as connection:
        return int(connection.execute("SELECT n FROM audit_head").fetchone()[0])


def once_each(place: Place, since: int, many: int) -> str:
    """Hold that so many timers have fired, each with one entry, and that the log verifies; says so, or ends the run."""
    with open_app(place.database, CLOCK, place.vault) as app:
        with app.database.reading() as connection:
            counted = Counter((one.episode, one.timer) for one in fired(connection, since))
            left = connection.execute("SELECT count(*) FROM timer WHERE lease_owner IS NOT NULL AND state = 'armed'")
            leased = left.fetchone()[0]
        faults = verify_log(app.database, opener_of(app.database)).faults
    twice = sum(number > 1 for number in counted.values())
    if len(counted) != many or twice or faults or leased:
        said = f"{len(counted)} of {many} timers fired, {twice} twice, {leased} left leased, faults: {faults[:2]}"
        raise SystemExit(NOT_ONCE.format(said))
    return f"{many:,} timers, one entry each; the log verifies"


def lateness(
    seen: Sequence[tuple[int, datetime]], entries: Sequence[Shown], due: Mapping[str, datetime]
) -> list[float]:
    """Give by how many seconds each entry's commit was seen after its timer's instant, from the least late.

    `seen`: at which instants the log was how long.
    """
    found, position = [], 0
    for one in entries:
        while seen[position][0] <= one.index:
            position += 1
        if one.episode in due:
            found.append((seen[position][1] - due[one.episode]).total_seconds())
    return sorted(found)
