"""A worker as it really runs: threads of its own, hints, heartbeat, a stop that loses nothing; and the commands."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from typer.testing import CliRunner

from engine.model import Kind, Role
from stepcare.app import CorrectedClock, assembled
from stepcare.cli import app as command_line
from stepcare.worker.run import Plan, Worker
from stepcare.worker.setup import steady
from storage.pump import Pump
from storage.pump_figures import counters
from tests.storage.homes import Home
from tests.worker.clinic import ANN, Clinic
from workflows.load import Loaded

PATIENCE = 60.0


class Living:
    """A clinic on the real clock, and a worker that runs in it."""

    def __init__(self, home: Home, pack: Loaded) -> None:
        """Open it."""
        self.clinic = Clinic(home, pack)
        self.clinic.app = assembled(self.clinic.database, CorrectedClock())
        self.clinic.clock = self.clinic.app.clock  # type: ignore[assignment]  # it goes by itself
        self.came = threading.Event()
        for one in (self.clinic.email, self.clinic.console, self.clinic.sms):
            one.before = lambda _: self.came.set()
        made = self.clinic.worker()
        plan = Plan(ways=made._plan.ways, id="living")
        self.worker = Worker(self.clinic.app, plan, monotonic=monotonic, steady=steady)


@pytest.fixture
def living(any_home: Home, pack: Loaded) -> Iterator[Living]:
    """Give a clinic with a worker that has begun."""
    made = Living(any_home, pack)
    made.worker.start()
    yield made
    made.worker.stop()
    made.clinic.close()


def test_what_falls_due_is_done_without_anybody_asking(living: Living) -> None:
    """An emergency flag calls the clinicians at once: it fires and is delivered while we wait."""
    clinic = living.clinic
    clinic.colleague("lena", Role.LEAD, email="lena@clinic.example")
    clinic.patient()
    clinic.do(ANN, Kind.MOVE, "e1", {"transition": "raise_concern", "flags": ["cord_signs"]})

    assert living.came.wait(PATIENCE)


def test_a_living_worker_beats(living: Living) -> None:
    """Its heartbeat is a row that anybody can read."""
    seen = {one.id for one in living.worker.pump.workers()}

    assert living.worker.id in seen
    assert "replay_guard" not in counters(living.clinic.database)


def test_a_stopped_worker_holds_nothing(any_home: Home, pack: Loaded) -> None:
    """After the stop there is no lease left, and another worker goes on."""
    made = Living(any_home, pack)
    made.worker.start()
    made.clinic.patient()
    made.worker.stop()

    now = made.clinic.clock()
    found = Pump(made.clinic.database, "another").claim_messages(now + timedelta(days=400))
    assert all(not one.resumed for one in found)
    made.clinic.close()


def test_workers_have_names_of_their_own(clinic: Clinic) -> None:
    """A restart under the same name is another worker: what the first one held is not its own."""
    first, second = clinic.worker(), clinic.worker()

    assert first.id != second.id


# --- commands -------------------------------------------------------------------------------------------------------


def ran(*words: str) -> "list[dict[str, object]]":
    """Run a command that must succeed; gives its JSON."""
    result = CliRunner().invoke(command_line, [*words, "--output", "json"], prog_name="stepcare")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]  # it is compared at once


@pytest.fixture
def place(home: Home, pack: Loaded, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory with somebody whose emergency nobody was told of yet."""
    made = Living(home, pack)
    made.clinic.patient()
    made.clinic.do(ANN, Kind.MOVE, "e1", {"transition": "raise_concern", "flags": ["cord_signs"]})
    made.clinic.close()
    monkeypatch.setenv("STEPCARE_DATABASE", home.address)
    return home.vault


def test_due_run_fires_and_delivers_what_is_due(place: Path) -> None:
    """`due run` says how many timers and messages came to what; a second one finds nothing."""
    first = {str(one["what"]): one["count"] for one in ran("due", "run")}

    assert first["fired"]
    assert first["message_accepted"]
    assert ran("due", "run") == []


def test_a_dry_run_sends_nothing(place: Path) -> None:
    """`due run --dry-run` says how much is due, and leaves it so."""
    before = ran("due", "run", "--dry-run")

    assert {str(one["what"]) for one in before} == {"timer_due"}
    assert ran("due", "run", "--dry-run") == before


def test_worker_once_does_the_same(place: Path) -> None:
    """`worker --once` works once, and ends."""
    assert {str(one["what"]) for one in ran("worker", "--once", "--id", "w1")} >= {"fired", "message_accepted"}


def test_the_guard_after_a_restore_is_raised_and_lifted_by_commands(place: Path) -> None:
    """`worker --replay-guard SINCE` holds what may have gone; `due guard lift` lets messages go again."""
    held = {str(one["what"]): one["count"] for one in ran("worker", "--once", "--replay-guard", "2020-01-01")}

    assert held["message_unknown"]
    assert ran("due", "guard", "lift") == {"lifted": True}  # type: ignore[comparison-overlap]  # one thing, no list
    assert ran("due", "guard", "lift") == {"lifted": False}  # type: ignore[comparison-overlap]


def test_a_time_that_is_none_is_refused(place: Path) -> None:
    """`--replay-guard yesterday` says what to write instead."""
    result = CliRunner().invoke(command_line, ["worker", "--once", "--replay-guard", "yesterday"])

    assert result.exit_code == 2
    assert "2026-03-02T09:00:00Z" in result.output
