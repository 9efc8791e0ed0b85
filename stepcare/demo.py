"""`stepcare demo`: a caseload of invented people, played through the real pathway, and what came of it.

The story ends the evening before it is told, so that the worklist of this morning is real. Everything is asked for
through the door everybody uses; nothing is written past it. The same seed tells the same story: who came, what was
asked, decided and owed, counted in days. References, keys and salts are never made from the seed.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from shutil import rmtree

import typer

from engine.errors import Conflict, StepcareError
from engine.model import Outcome, Role
from engine.time import at_local, local_day
from stepcare.app import App, VirtualClock, migrate_app, open_app, wall_clock
from stepcare.demo_characters import CHARACTERS, Character
from stepcare.demo_chart import DESK, Chart
from stepcare.demo_course import course
from stepcare.demo_coverage import Coverage
from stepcare.demo_people import MAIN, OWEN, Invented, colleagues, invented, random_of
from stepcare.demo_site import clears_desk, leaves, sets_numbers
from stepcare.demo_stage import Stage
from stepcare.demo_summary import Told, show, summed_up
from stepcare.desk.opened import Desk
from stepcare.log import configure_log
from stepcare.options import Options
from stepcare.publishing import proved_pack, publish
from stepcare.render import Step, json_text, note, progress
from stepcare.settings import DEMONSTRATED, read_settings
from storage.sqlite import Files
from storage.staff import Staff
from workflows.load import Loaded

PATHWAY = "mid_upper_back"
DIRECTORY = "var/demo"
HOST = "127.0.0.1"
MARK = DEMONSTRATED  # what an earlier demonstration left there may be replaced; nothing else may
LEFT_BEHIND = (
    *("stepcare.db", "stepcare.db-wal", "stepcare.db-shm", "vault.db", "vault.db-wal", "vault.db-shm"),
    *("vault.db-journal", "vault.key", "writer.lock", "search.sqlite", "search.sqlite-wal", "search.sqlite-shm"),
)
SEALED = ("published", "sealer")  # folders of the sealer's, which goes with the log they belong to
NOT_SOUND = 6
ENDS = time(18)
QUIET_END = 3  # days before the end in which nobody new comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What is told: how many episodes, over how many days, by which dice, ending on the evening of `last`."""

    episodes: int
    days: int
    seed: int
    last: date
    zone: str

    @property
    def first(self) -> date:
        """Give the first day."""
        return self.last - timedelta(days=self.days)

    @property
    def ends(self) -> datetime:
        """Give the instant at which it ends."""
        return at_local(self.last, ENDS, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the pages are served: on this machine's port, or on a unix socket."""

    port: int
    uds: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A story that was told: the database it left open, and what was reached."""

    plot: Plot
    app: App
    stage: Stage
    coverage: Coverage


@contextmanager
def played(plot: Plot, pack: Loaded, directory: Path, tick: Step) -> Generator[Played, None, None]:
    """Play a story with a proved pack into a fresh database; `tick` is called once a day."""
    clock = VirtualClock(at_local(plot.first, time(7), plot.zone))
    migrate_app(directory, plot.zone, clock)
    with open_app(directory, clock) as app:
        _staffed(app, pack)
        coverage = Coverage(pathway=pack.pathway, first=plot.first)
        stage = Stage(
            app=app,
            clock=clock,
            random=os.urandom,
            pathway=pack.pathway,
            zone=plot.zone,
            first=plot.first,
            ends=plot.ends,
            audience=coverage.hear,
        )
        _cast(stage, plot, coverage)
        stage.play(tick)
        yield Played(plot=plot, app=app, stage=stage, coverage=coverage)


def _staffed(app: App, pack: Loaded) -> None:
    """Put colleagues into the register and the pathway in force, before the first person comes."""
    staff = Staff(app.database)
    for colleague in colleagues():
        staff.add(colleague)
    answer = publish(app, pack, OWEN, app.make_id())
    if answer.decision.outcome is not Outcome.ACCEPTED:
        raise StepcareError(f"{PATHWAY} could not be published: {answer.decision.problem or answer.decision.failed}.")


def _cast(stage: Stage, plot: Plot, coverage: Coverage) -> None:
    """Let every telling begin on its day: the characters first, then the drawn, then what goes on beside them."""
    people: dict[str, tuple[str, Invented]] = {}
    for number in range(plot.episodes):
        alias = f"E{number + 1:03}"
        character = CHARACTERS[number] if number < len(CHARACTERS) else None
        rng = random_of(plot.seed, alias, "person")
        day = _begins(character, rng, plot.days)
        person = invented(alias, rng, plot.first + timedelta(days=day))
        if character is None:
            chart = Chart.of(stage, alias, person, plot.seed)
            stage.begin(course(chart), stage.at(day, DESK))
            continue
        patient, person = _known(character, alias, person, people)
        person = replace(person, onset=plot.first + timedelta(days=day - character.onset))
        people[character.name] = (patient, person)
        chart = Chart.of(stage, alias, person, plot.seed)
        chart.patient = patient
        stage.begin(character.tell(chart), stage.at(day, DESK))
    stage.begin(sets_numbers(stage), stage.at(0, DESK))
    stage.begin(leaves(stage, coverage), stage.at(0, DESK))
    for role in (Role.LEAD, Role.ASSESSOR, Role.COORDINATOR):
        stage.begin(clears_desk(stage, role, plot.seed), stage.at(0, DESK))


def _begins(character: Character | None, rng: Random, days: int) -> int:
    if character is not None:
        return character.day if character.day >= 0 else max(days + character.day, 0)
    return rng.randrange(max(days - QUIET_END, 1))


def _known(
    character: Character, alias: str, person: Invented, people: Mapping[str, tuple[str, Invented]]
) -> tuple[str, Invented]:
    """Give who the character is: somebody new, or somebody who has an episode already."""
    known = people.get(character.same_as or "")
    if known is None:
        return alias, replace(person, region="upper_back", consents=True, team=MAIN)
    patient, same = known
    return patient, replace(same, region="mid_back" if character.elsewhere else same.region)


# --- the command --------------------------------------------------------------------------------------------------


def run(options: Options, *, episodes: int, days: int, seed: int, at: Place | None) -> None:
    """Play the demonstration, sum it up, and serve its pages (`at` None: not); exits 6 where the log does not verify."""
    settings = read_settings(os.environ, options.data or os.environ.get("STEPCARE_DATABASE") or DIRECTORY)
    configure_log("warning", "console", wall_clock)
    pack = proved_pack(PATHWAY)
    directory = _made_room(Files.of(settings.database).directory)
    last = local_day(wall_clock(), settings.zone) - timedelta(days=1)
    plot = Plot(episodes=episodes, days=days, seed=seed, last=last, zone=settings.zone)
    with ExitStack() as open_:
        with progress(f"Playing {days} days", days) as tick:
            story = open_.enter_context(played(plot, pack, directory, tick))
        sealing = open_.enter_context(sealer(directory))
        desk = Desk(app=story.app, options=options, settings=settings)
        told = Told(episodes=episodes, days=days, seed=seed, ends=plot.ends, coverage=story.coverage)
        summary = summed_up(desk, told)
        is_sealed = sealing.wait() == 0
    (directory / MARK).write_text(json_text(summary), encoding="utf-8")
    show(options.output, summary)
    note(
        f"The log is {'sealed' if is_sealed else 'NOT sealed'}: what others can verify lies in {directory / 'published'}."
    )
    if not summary["sound"] or not is_sealed:
        raise typer.Exit(NOT_SOUND)
    if at is not None:
        _serve(directory, at)


def _serve(directory: Path, at: Place) -> None:
    """Serve the pages of what was played, its due work and its sealer beside them, until somebody stops it."""
    from stepcare.web.server import Address, serve  # noqa: PLC0415 - only who is served pays for loading it

    os.environ.update(STEPCARE_DEMONSTRATION="true", STEPCARE_LOG_LEVEL="warning", STEPCARE_LOG_FORMAT="console")
    address = Address(host=HOST, port=at.port, uds=at.uds)
    note(f"Open {address.said} and choose whom to be: everybody in it is invented.")
    with sealer(directory, "run") as sealing:
        try:
            serve(address, str(directory), 1)
        finally:
            sealing.terminate()


def sealer(directory: Path, how: str = "once") -> "subprocess.Popen[bytes]":
    """Start the sealer on what was played: a process of its own, because the one that decides never holds the log's key."""
    own = {"STEPCARE_PUBLISHED": str(directory / "published"), "STEPCARE_SEALER": str(directory / "sealer")}
    command = [sys.executable, "-m", "stepcare", "--data", str(directory), "sealer", how]
    command += ["--make-key"] if how == "once" else []
    return subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.DEVNULL)  # noqa: S603 - ourselves


def _made_room(directory: Path) -> Path:
    """Give an empty directory; what an earlier demonstration left there goes, anything else stays and is refused."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).is_file():
            raise Conflict(f"{directory} is not empty and holds no demonstration: name a new directory with --data.")
        for name in LEFT_BEHIND:
            (directory / name).unlink(missing_ok=True)
        for name in SEALED:
            rmtree(directory / name, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / MARK).write_text("{}", encoding="utf-8")
    return directory
