"""Several commands at once: each is decided by itself, those of different episodes share a commit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import KeyReused, NotFound, StaleEpisode, StepcareError
from engine.model import Actor, Command, Json, Kind, Outcome, Role
from engine.service import Answer, Applied, Change
from stepcare.app import App, VirtualClock, temporary_app, wall_clock
from stepcare.log import configure_log
from stepcare.publishing import proved_pack, publish
from storage.vault import Details
from tests.worlds import ANN, OLGA
from tests.worlds_pathway import registration
from workflows.load import Loaded

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OWEN = Actor(id="owen", role=Role.PATHWAY_OWNER)
Site = tuple[App, VirtualClock]


@pytest.fixture(scope="module")
def pack() -> Loaded:
    """Give the shipped pathway, proved once."""
    return proved_pack("mid_upper_back")


@pytest.fixture
def site(pack: Loaded, tmp_path: Path) -> Iterator[Site]:
    """Give a site with the pathway in force and three episodes in intake: e0, e1, e2."""
    configure_log("warning", "console", wall_clock)
    clock = VirtualClock(BEGIN)
    with temporary_app(clock, "Europe/Berlin", str(tmp_path / "data")) as app:
        publish(app, pack, OWEN, app.make_id())
        for number in range(3):
            app.vault.add_person(f"p{number}", Details(name="Nobody Beispielsen"), clock())
        answers = app.engine.handle_each([_registers(app, number) for number in range(3)])
        assert [_outcome(one) for one in answers] == ["accepted"] * 3
        yield app, clock


def _registers(app: App, number: int) -> Command:
    values = {**registration(), "patient": f"p{number}"}
    return Command(id=app.make_id(), kind=Kind.REGISTER, actor=ANN, episode=f"e{number}", values=values)


def assigns(app: App, episode: str, owner: str = "bo", **more: object) -> Command:
    """Give an episode to somebody."""
    values: dict[str, Json] = {"owner": owner}
    return Command(id=app.make_id(), kind=Kind.ASSIGN, actor=ANN, episode=episode, values=values, **more)  # type: ignore[arg-type]  # any field of a command


def _outcome(answer: Answer | Exception) -> str:
    return type(answer).__name__ if isinstance(answer, Exception) else answer.decision.outcome.value


def test_one_that_fails_leaves_the_others_untouched(site: Site) -> None:
    """An episode that is not here, one that may not be given away by this role, and two that may."""
    app, _ = site
    outsider = Command(id=app.make_id(), kind=Kind.ASSIGN, actor=OLGA, episode="e1", values={"owner": "olga"})

    answers = app.engine.handle_each([assigns(app, "e0"), outsider, assigns(app, "e9"), assigns(app, "e2")])

    assert [_outcome(one) for one in answers] == ["accepted", "refused", "NotFound", "accepted"]
    assert isinstance(answers[2], NotFound)
    assert [app.store.episode(one).owner for one in ("e0", "e1", "e2")] == ["bo", None, "bo"]


def test_several_about_one_episode_are_done_in_their_order(site: Site) -> None:
    """The second sees what the first has changed."""
    app, _ = site
    commands = [
        assigns(app, "e0", "bo"),
        assigns(app, "e1", "bo"),
        assigns(app, "e0", "ann"),
        assigns(app, "e0", "nina"),
    ]

    answers = app.engine.handle_each(commands)

    assert [_outcome(one) for one in answers] == ["accepted"] * 4
    assert app.store.episode("e0").owner == "nina"
    entries = [one.entry for one in answers if isinstance(one, Answer) and one.entry is not None]
    assert entries == sorted(entries)


def test_what_is_invalid_leaves_no_entry(site: Site) -> None:
    """Malformed input is answered and not kept; its neighbours are."""
    app, _ = site
    empty = Command(id=app.make_id(), kind=Kind.ASSIGN, actor=ANN, episode="e0")

    answers = app.engine.handle_each([empty, assigns(app, "e1")])

    assert [_outcome(one) for one in answers] == ["invalid", "accepted"]
    assert isinstance(answers[0], Answer)
    assert answers[0].entry is None


def test_a_key_counts_inside_one_sending_too(site: Site) -> None:
    """The same twice under one key is done once; another wish under the same key is refused."""
    app, _ = site
    commands = [assigns(app, "e0", key="k"), assigns(app, "e0", key="k"), assigns(app, "e1", key="k")]

    first, again, other = app.engine.handle_each(commands)

    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert (again.repeated, again.entry) == (True, first.entry)
    assert isinstance(other, KeyReused)


def test_a_repeated_answer_is_the_first_one(site: Site) -> None:
    """Whoever asks again under the same key hears exactly what was told: every rule, clause, value and word."""
    app, _ = site
    values: dict[str, Json] = {"transition": "T8"}
    asked = Command(id=app.make_id(), kind=Kind.MOVE, actor=ANN, episode="e0", values=values, key="k")

    first = app.engine.handle(asked)
    again = app.engine.handle(replace(asked, id=app.make_id()))

    assert any(clause.inputs for rule in first.decision.rules for clause in rule.clauses)
    assert (again.repeated, again.entry, again.decision) == (True, first.entry, first.decision)


Apply = Callable[[Sequence[Change]], Sequence[Applied]]


def stale_first(apply: Apply, episode: str) -> Apply:
    """Let the first change of an episode lose a race."""
    lost: list[str] = []

    def applied(changes: Sequence[Change]) -> Sequence[Applied]:
        losing = [one for one in changes if one.command.episode == episode and not lost]
        if not losing:
            return apply(changes)
        lost.append(episode)
        kept = iter(apply([one for one in changes if one not in losing]))
        error = StaleEpisode(episode=episode, seen=1, current=2)
        return [Applied(index=None, error=error) if one in losing else next(kept) for one in changes]

    return applied


def test_a_lost_race_is_decided_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was faster: it is decided again on what is there now; the others are kept already."""
    app, _ = site
    monkeypatch.setattr(app.store, "apply", stale_first(app.store.apply, "e1"))

    answers = app.engine.handle_each([assigns(app, "e0"), assigns(app, "e1"), assigns(app, "e2")])

    assert [_outcome(one) for one in answers] == ["accepted"] * 3
    assert {app.store.episode(one).owner for one in ("e0", "e1", "e2")} == {"bo"}


def test_a_lost_race_on_a_stated_version_is_the_callers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who said on which version they decided, is told that it is no longer the present one."""
    app, _ = site
    monkeypatch.setattr(app.store, "apply", stale_first(app.store.apply, "e1"))
    version = app.store.episode("e1").version

    (answer,) = app.engine.handle_each([assigns(app, "e1", version=version)])

    assert isinstance(answer, StaleEpisode)
    assert app.store.episode("e1").owner is None


def test_a_second_failure_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second try fails too, that is the answer, and nothing is raised over the others."""
    app, _ = site
    apply = stale_first(app.store.apply, "e1")

    def broken(changes: Sequence[Change]) -> Sequence[Applied]:
        if [one.command.episode for one in changes] == ["e1"]:
            return [Applied(index=None, error=StepcareError("The disk is full: make room."))]
        return apply(changes)

    monkeypatch.setattr(app.store, "apply", broken)

    answers = app.engine.handle_each([assigns(app, "e0"), assigns(app, "e1")])

    assert [_outcome(one) for one in answers] == ["accepted", "StepcareError"]


def test_timers_of_one_instant_fire_together(site: Site) -> None:
    """Three referrals wait to be triaged; the morning after, three timers fire, each with an entry of its own."""
    app, clock = site
    clock.forward_to(BEGIN + timedelta(days=9))

    fired = app.engine.fire_due(app.make_id)

    assert [one.decision.outcome for one in fired] == [Outcome.ACCEPTED] * 3
    assert {one.decision.command.episode for one in fired} == {"e0", "e1", "e2"}
    assert len({one.entry for one in fired}) == 3


def test_a_timer_that_cannot_be_kept_is_not_passed_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker hears of it; the timer is still armed."""
    app, clock = site
    clock.forward_to(BEGIN + timedelta(days=9))
    full = StepcareError("The disk is full: make room.")
    monkeypatch.setattr(app.store, "apply", lambda changes: [Applied(index=None, error=full) for _ in changes])

    with pytest.raises(StepcareError, match="make room"):
        app.engine.fire_due(app.make_id)
    assert len(app.store.due_timers(clock(), 10)) == 3
