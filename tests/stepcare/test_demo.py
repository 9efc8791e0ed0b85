"""The demonstration: invented people through the real door, everything reached, the same story for the same seed."""

import json
import re
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.errors import Conflict
from engine.model import Episode
from stepcare.app import wall_clock
from stepcare.cli import app as command_line
from stepcare.demo import MARK, PATHWAY, Played, Plot, _made_room, played
from stepcare.demo_characters import CHARACTERS
from stepcare.demo_chart import clinic_day
from stepcare.demo_people import colleagues, invented, random_of
from stepcare.demo_response import FATES, NONE, RELIEF, STRONG, WORSE, Healing
from stepcare.demo_summary import Told, summed_up
from stepcare.desk.opened import Desk
from stepcare.log import configure_log
from stepcare.options import Options
from stepcare.publishing import proved_pack
from stepcare.settings import Settings
from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.kept import Trust
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import Outcome
from storage.queries import DueFilter, due_list, episodes_by_state
from workflows.load import Loaded

LAST = date(2026, 6, 30)
SUMMARY = {
    *("episodes", "days", "seed", "ends", "database", "episodes_by_state", "due", "overdue", "answers", "refusals"),
    *(
        "overrides",
        "deviations",
        "timers",
        "messages",
        "coverage",
        "digest",
        "log",
        "verify",
        "replay",
        "sound",
        "next",
    ),
}
ACTS = {
    *("sign_off_yes", "sign_off_no", "sign_off_void", "sign_off_expired", "sign_off_own_refused", "override"),
    *("deviation", "late_entry", "correction", "correction_with_dependents", "void", "reopen", "hold", "resume"),
    *("concern", "concern_return", "bulk_assign", "snooze", "parameter_by_two", "idempotent_repeat"),
    *("refusal_by_role", "timer"),
}


def plot(episodes: int, days: int, seed: int = 1) -> Plot:
    """Give the terms of a story that ends on a summer's evening."""
    return Plot(episodes=episodes, days=days, seed=seed, last=LAST, zone="Europe/Berlin")


def nothing() -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def pack() -> Loaded:
    """Give the shipped pathway, proved once."""
    configure_log("warning", "console", wall_clock)
    return proved_pack(PATHWAY)


@pytest.fixture(scope="module")
def whole(pack: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Give the story of all characters and a few of the drawn, over the days it is told by default."""
    configure_log("warning", "console", wall_clock)
    with played(plot(len(CHARACTERS) + 8, 180), pack, tmp_path_factory.mktemp("demo") / "data", nothing) as story:
        yield story


@pytest.fixture(scope="module")
def summary(whole: Played) -> dict[str, object]:
    """Give its summary, as `--output json` writes it."""
    desk = Desk(app=whole.app, options=Options(), settings=Settings())
    terms = whole.plot
    told = Told(episodes=terms.episodes, days=terms.days, seed=terms.seed, ends=terms.ends, coverage=whole.coverage)
    return dict(json.loads(json.dumps(summed_up(desk, told))))


# --- what is reached ------------------------------------------------------------------------------------------------


def test_everything_is_reached(whole: Played) -> None:
    """Every state, every transition, every level of rule and every act that the demonstration promises is reached."""
    parts = whole.coverage.parts()

    assert whole.coverage.missing() == []
    assert (len(parts["states"]), len(parts["transitions"])) == (17, 29)
    assert set(parts["levels"]) == {"FORM", "INFO", "SS", "HS2", "HSx"}
    assert set(parts["acts"]) == ACTS


@pytest.mark.long
def test_everything_is_reached_by_default(pack: Loaded, tmp_path: Path) -> None:
    """The caseload that `stepcare demo` tells without being asked for another reaches everything, too."""
    with played(plot(200, 180), pack, tmp_path / "data", nothing) as story:
        assert story.coverage.missing() == []


def test_what_is_counted_is_what_is_kept(whole: Played) -> None:
    """Coverage counts answers of the door; the lists, made from the rows, count the same episodes."""
    states = episodes_by_state(whole.app.database)

    assert sum(states.values()) == whole.plot.episodes
    assert states == {
        name: sum(episode.state == name for episode in whole.stage.episodes.values())
        for name in {episode.state for episode in whole.stage.episodes.values()}
    }


def test_what_is_not_reached_is_said(pack: Loaded, tmp_path: Path) -> None:
    """A story too short to reach something names it instead of passing over it."""
    with played(plot(1, 3), pack, tmp_path / "data", nothing) as story:
        missing = story.coverage.missing()

    assert "transitions T29" in missing
    assert "states closed_deceased" in missing
    assert "transitions T1" not in missing


def test_the_log_verifies_and_is_decided_the_same_again(summary: dict[str, object]) -> None:
    """Everything the demonstration wrote verifies from its bytes, and every entry is decided the same again."""
    verify, again = summary["verify"], summary["replay"]

    assert isinstance(verify, dict)
    assert isinstance(again, dict)
    assert (verify["verdict"], verify["faults"]) == ("verified", [])
    assert (again["same"], again["different"], again["lost"]) == (again["entries"], 0, [])
    assert summary["sound"] is True


def test_the_summary_is_a_contract(summary: dict[str, object]) -> None:
    """Other programs read the summary: its parts and those of the coverage have these names, and no other."""
    coverage = summary["coverage"]

    assert set(summary) == SUMMARY
    assert isinstance(coverage, dict)
    assert set(coverage) == {"states", "transitions", "levels", "acts", "missing"}


def test_the_caseload_looks_alive(whole: Played) -> None:
    """At the end people stand in several steps, work is overdue, a hold has ended, flags are open, a request waits."""
    episodes = list(whole.stage.episodes.values())
    kinds = {
        line.item.kind for line in due_list(whole.app.database, whole.plot.ends, DueFilter(priorities={}, limit=500))
    }

    assert {"self_care", "injection", "maintenance", "on_hold", "further_evaluation"} <= {one.state for one in episodes}
    assert {"hold_end", "flag_urgent", "reassessment"} <= kinds
    assert any(_waits(one) for one in episodes)


def _waits(episode: Episode) -> bool:
    return any(request.status == "open" for request in episode.requests)


# --- the same again ---------------------------------------------------------------------------------------------------


def told_again(pack: Loaded, directory: Path, seed: int) -> tuple[str, dict[str, str]]:
    """Tell a short story; give its digest and its references."""
    with played(plot(8, 40, seed), pack, directory, nothing) as story:
        return story.coverage.digest(), dict(story.stage.refs)


def test_the_same_seed_tells_the_same_story(pack: Loaded, tmp_path: Path) -> None:
    """Same seed: the same commands, outcomes, states, failed rules and due items, in the same order.

    References are never made from the seed: whoever knows it knows nothing that points at a person.
    """
    one, refs = told_again(pack, tmp_path / "one", 5)
    other, others = told_again(pack, tmp_path / "other", 5)

    assert one == other
    assert refs.keys() == others.keys()
    assert set(refs.values()).isdisjoint(others.values())


def test_another_seed_tells_another_story(pack: Loaded, tmp_path: Path) -> None:
    """The dice decide."""
    assert told_again(pack, tmp_path / "one", 5)[0] != told_again(pack, tmp_path / "another", 6)[0]


# --- people and how they fare -----------------------------------------------------------------------------------------


def test_everybody_is_plainly_invented() -> None:
    """No name in the demonstration can be taken for a real person's, and no address leads anywhere."""
    families = re.compile(r"Beispiels|Erfunden|Exemplar|Fictiv|Imaginov|Inventad|Mustermoor|Samplewright")
    people = [invented(f"E{number}", random_of(number), LAST) for number in range(50)]

    assert all(families.search(one.name) for one in people)
    assert all(address.endswith("@example.org") for one in people for address in one.contacts.values())
    assert all(families.search(one.name) for one in colleagues())


def healing(fate: str, seed: int = 3) -> Healing:
    """Give somebody with a bad back and a dealt fate, on the first day of self-care."""
    found = Healing.of(("desk work", "swimming"), random_of(seed))
    found.begin("self_care", LAST, fate)
    return found


def test_the_response_model_does_what_it_declares() -> None:
    """Relief begins at nothing, grows to what was dealt, stays there; a worse fate makes it worse."""
    for fate in (STRONG, NONE, WORSE):
        one = healing(fate)
        low, high = RELIEF[fate]

        assert one.relief_on(LAST) == 0
        assert low <= one.relief_on(LAST + timedelta(days=60)) <= high
    assert healing(WORSE).relief_on(LAST + timedelta(days=20)) < 0


def test_scores_stay_on_their_scales() -> None:
    """Whatever is dealt, pain and function are whole numbers from 0 to 10."""
    for seed in range(40):
        one = healing(tuple(RELIEF)[seed % 4], seed)
        for step in FATES:
            one.begin(step, one.since + timedelta(days=30))
            scores = one.reassessed(one.since + timedelta(days=seed))
            pain, function = scores["nprs"], scores["psfs"]

            assert isinstance(pain, int)
            assert 0 <= pain <= 10
            assert isinstance(function, dict)
            assert all(isinstance(value, int) and 0 <= value <= 10 for value in function.values())


def test_the_same_dice_deal_the_same_life() -> None:
    """A life depends on its own dice alone."""
    days = [LAST + timedelta(days=number) for number in (5, 15, 30)]

    assert [healing(STRONG, 8).reassessed(day) for day in days] == [healing(STRONG, 8).reassessed(day) for day in days]


@pytest.mark.parametrize(("day", "clinic"), [(0, 1), (1, 1), (2, 3), (3, 3), (4, 8), (6, 8)])
def test_visits_are_on_clinic_days(day: int, clinic: int) -> None:
    """There are two clinics a week, counted from the first day, so that the calendar does not change the story."""
    assert clinic_day(day) == clinic


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_directory_with_something_else_is_refused(tmp_path: Path) -> None:
    """The demonstration replaces an earlier one; anything else it leaves as it is and asks for another directory."""
    (tmp_path / "stepcare.db").write_text("precious")

    with pytest.raises(Conflict, match="name a new directory"):
        _made_room(tmp_path)
    assert (tmp_path / "stepcare.db").read_text() == "precious"


def test_an_earlier_demonstration_is_replaced(tmp_path: Path) -> None:
    """What an earlier demonstration left is gone, what somebody else put beside it stays."""
    _made_room(tmp_path / "demo")
    (tmp_path / "demo" / "vault.key").write_text(secrets.token_hex())
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    for folder in ("published", "sealer"):  # of another log: its sealer would refuse to sign the new one
        (tmp_path / "demo" / folder).mkdir()
        (tmp_path / "demo" / folder / "signed").write_text("old")
    _made_room(tmp_path / "demo")

    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [MARK, "notes.txt"]


def test_the_command_says_what_to_type_next(tmp_path: Path) -> None:
    """The summary ends with commands that work on the database it leaves, with real references in them."""
    data = tmp_path / "demo"
    asked = ["--data", str(data), "--output", "json", "demo", "--episodes", "3", "--days", "40", "--no-serve"]
    told = CliRunner().invoke(command_line, asked)
    summary = json.loads(told.stdout)
    lines = [one["type"].removeprefix("stepcare ").split() for one in summary["next"]]

    assert told.exit_code == 0, told.stderr
    assert json.loads((data / MARK).read_text()) == summary
    assert any(line[2:4] == ["episode", "why"] for line in lines)
    for line in lines:
        assert CliRunner().invoke(command_line, line).exit_code == 0, line


def test_the_demonstrations_log_is_sealed_and_verifies(tmp_path: Path) -> None:
    """Told twice into one directory: each time the sealer publishes the new log whole, and the verifier accepts it."""
    data = tmp_path / "demo"
    for seed in ("1", "2"):
        asked = ["--data", str(data), "demo", "--episodes", "2", "--days", "20", "--seed", seed, "--no-serve"]
        told = CliRunner().invoke(command_line, asked)
        report = check(data / "published", Asked(trust=Trust(keys=(Key.parse((data / "sealer/vkey").read_text()),))))

        assert told.exit_code == 0, told.stderr
        assert "The log is sealed" in told.stderr
        assert (report.outcome, report.entries > 0) == (Outcome.VERIFIED, True)


def test_the_summary_for_people_names_the_parts(tmp_path: Path) -> None:
    """People read how many, what is owed, what was reached, whether the log holds, and what to type next."""
    asked = ["--data", str(tmp_path / "demo"), "demo", "--episodes", "2", "--days", "20", "--no-serve"]
    told = CliRunner().invoke(command_line, asked)

    assert told.exit_code == 0, told.stderr
    for part in (
        "Episodes: 2",
        "due,",
        "Coverage",
        "States:",
        "Not reached",
        "verify: verified",
        "replay:",
        "What to type",
    ):
        assert part in told.stdout
