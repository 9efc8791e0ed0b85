"""Courses lived in a database of their own, with what the door itself said after every entry, to compare with later."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from engine.decision import Decision
from engine.errors import NotFound
from engine.model import Actor, Command, Episode, Json, Kind, Outcome, Role
from stepcare.app import VirtualClock, pass_time, temporary_app, wall_clock
from stepcare.log import configure_log
from stepcare.past import Past, past_of
from stepcare.play import OWNER
from stepcare.publishing import proved_pack, publish
from stepcare.shown import episode_json
from storage.vault import Details
from tests.properties.test_random_commands import Real
from tests.properties.walks import Walk
from tests.worlds import ANN, RAVI, ZONE, World
from tests.worlds_pathway import assess, enter_step1, no_better, register, screen, start_assessment, went_through

SECOND = timedelta(seconds=1)
OWEN = Actor(id="owen", role=Role.PATHWAY_OWNER)
Row = dict[str, Json]


class Lived(Real):
    """A world behind the door; each command comes a second after the last one, and what is then is remembered."""

    seen: dict[datetime, tuple[Episode, Row]]

    def to(self, instant: datetime) -> None:
        """Let time pass, remembering what each timer left."""
        for _ in pass_time(self.app, self.clock, max(instant, self.clock())):
            self.count += 1
            self.remember()
        self.now = max(self.now, instant)
        if self.episode.version:
            self.episode = self.app.store.episode(self.episode.id)

    def do(
        self,
        by: Actor,
        kind: Kind,
        values: dict[str, Json] | None = None,
        *,
        of: str | None = None,
        override: dict[str, str] | None = None,
        occurred: datetime | None = None,
    ) -> Decision:
        """Give a command at the door, a second later than the last."""
        self.now = max(self.now, self.clock()) + SECOND
        self.clock.forward_to(self.now)
        decision = super().do(by, kind, values, of=of, override=override, occurred=occurred)
        self.remember()
        return decision

    def remember(self) -> None:
        """Remember what the store says is now."""
        try:
            episode = self.app.store.episode(self.episode.id)
        except NotFound:
            return
        compiled = self.app.engine.compiled(episode.pathway)
        self.seen[self.clock()] = (episode, episode_json(episode, compiled, self.clock()))

    def set(self, name: str, value: Json) -> None:
        """Set one of the site's numbers."""
        self.count += 1
        self.clock.forward_to(self.clock() + SECOND)
        values: Row = {"name": name, "value": value}
        answer = self.app.engine.handle(
            Command(id=f"c{self.count}", kind=Kind.SET_PARAMETER, actor=OWEN, values=values)
        )
        assert answer.decision.outcome is Outcome.ACCEPTED

    def past(self) -> Past:
        """Read the past anew."""
        return past_of(self.app, self.episode.id)


@contextmanager
def lived(directory: Path) -> Generator[Lived, None, None]:
    """Make a site with the shipped pathway, and a world in it where nothing has happened yet."""
    configure_log("warning", "console", wall_clock)
    clock = VirtualClock(World().now)
    with temporary_app(clock, ZONE, str(directory)) as app:
        publish(app, proved_pack("mid_upper_back"), OWNER, "publish")
        app.vault.add_person("p1", Details(name="Alva Ludens"), clock())
        world = Lived()
        world.app, world.clock, world.seen = app, clock, {}
        yield world


def walk(world: Lived, seed: int, length: int) -> None:
    """Live a random course; half-way the site sets one of its numbers."""
    acts = Walk(world, Random(seed), Counter())  # noqa: S311 - the same walks every time
    acts.begin()
    for count in range(length):
        acts.act()
        if count == length // 2:
            world.set("payer_profile", "us_lcd")


def corrected(world: Lived) -> dict[str, Decision]:
    """Live a course with a paper visit entered late, a step up on a wrong score, and its correction.

    Day 0 registered, 1 assessed, in self-care, 19 a call; the visit of day 18 is entered on day 20, on day 22 corrected.
    """
    register(world)
    world.day(1)
    start_assessment(world)
    assess(world)
    enter_step1(world)
    world.day(18)
    visit = world.now
    world.day(19)
    went_through(world.do(ANN, Kind.CONTACT, {"channel": "telephone", "result": "no_answer"}))
    world.day(20)
    screened = world.do(RAVI, Kind.RECORD, {"form": "red_flag_screen", **screen(world.compiled)}, occurred=visit)
    wrong = world.do(RAVI, Kind.RECORD, {"form": "reassessment", **no_better()}, occurred=visit)
    moved = world.move("step_up", to="professional", preference="agrees_with_plan")
    world.day(22)
    values: Row = {"record": wrong.command.id, "nprs": 2, "pgic": "much_improved", "function_word": "improved"}
    right = world.do(RAVI, Kind.CORRECT, values)
    for decision in (screened, wrong, moved, right):
        went_through(decision)
    return {"screened": screened, "wrong": wrong, "moved": moved, "right": right}
