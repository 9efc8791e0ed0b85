"""How the due work goes, as an operator reads it: what is late, what waits, who works, what was done, what comes."""

import json
from datetime import timedelta

from stepcare.due_stats import ALIVE, due_stats, stats_json
from stepcare.lateness import BOUNDS, DELIVER, FIRE, histogram, lateness_counts
from tests.stepcare.conftest import Run
from tests.worker.clinic import DAY, Clinic

SECONDS = [timedelta(seconds=one) for one in (0.01, 0.3, 45, 7200, 10**9)]


def test_an_idle_clinic_says_so_kindly(typed: Run) -> None:
    """Where nothing is due and nobody works, each part says what that means and what to start."""
    result = typed("due", "stats")

    assert result.exit_code == 0, result.stderr
    for part in (
        "not at all",
        "No worker was ever here: start `stepcare worker`",
        "everything that was due is done",
        "nothing yet",
        "no timer falls due",
    ):
        assert part in result.stdout


def test_what_is_due_and_not_done_is_counted_by_kind_and_age(clinic: Clinic) -> None:
    """Three weeks without a worker: the first reminder is a day late, and nothing else is lost from sight."""
    clinic.patient()
    clinic.clock.forward_to(clinic.clock() + 22 * DAY)

    found = due_stats(clinic.database, clinic.clock())

    assert {(one.table, one.kind, one.age) for one in found.waiting} == {("timer", "reassessment", "older")}
    assert found.lag["timer"] > DAY
    assert found.lag["message"] == timedelta(0)
    assert found.silence is None
    assert found.alive == ()


def test_what_was_done_is_counted_with_how_late_it_was(clinic: Clinic) -> None:
    """After six weeks with a worker every timer and message is counted once, in its stage, by what became of it."""
    clinic.patient()
    clinic.go(clinic.clock() + 42 * DAY, clinic.worker())

    found = due_stats(clinic.database, clinic.clock())

    fired = [one for one in clinic.episode().timers if one.state == "fired"]
    assert found.events["fire"] == {"fired": len(fired)}
    assert found.events["deliver"] == {"accepted": len(clinic.messages(status="accepted"))}
    for stage, number in ((FIRE, len(fired)), (DELIVER, len(clinic.messages()))):
        assert histogram(stage, found.counts)[0][-1] == ("+Inf", number)


def test_a_silent_worker_is_told_from_a_living_one(clinic: Clinic) -> None:
    """Whoever was heard of within the last minute is alive."""
    clinic.worker()._beat()
    alive = due_stats(clinic.database, clinic.clock())
    clinic.clock.forward_to(clinic.clock() + ALIVE + timedelta(seconds=1))
    gone = due_stats(clinic.database, clinic.clock())

    assert (len(alive.alive), len(gone.alive)) == (1, 0)
    assert gone.silence == ALIVE + timedelta(seconds=1)
    assert [one["alive"] for one in stats_json(gone)["workers"]] == [False]  # type: ignore[union-attr, call-overload, index]


def test_the_next_day_is_foretold_by_the_hour(clinic: Clinic) -> None:
    """An operator sees in the evening what the morning brings."""
    clinic.patient()
    clinic.clock.forward_to(clinic.clock() + 20 * DAY)

    found = due_stats(clinic.database, clinic.clock())

    assert [(one.kind, one.count) for one in found.coming] == [("reassessment", 1)]
    assert clinic.clock() < found.coming[0].hour <= clinic.clock() + DAY


def test_what_needs_somebody_is_counted(clinic: Clinic) -> None:
    """Put aside, or held after a restore: it is said, with the command that helps."""
    clinic.patient()
    timer = next(one for one in clinic.episode().timers if one.state == "armed")
    worker = clinic.worker()
    worker.pump.park("timer", "e1", timer.id, "unknown_kind", clinic.clock())
    worker.replay.raise_for(None, clinic.clock())

    found = due_stats(clinic.database, clinic.clock())

    assert found.parked == 1
    assert found.is_set("replay_guard")


def test_the_figures_come_as_json_too(clinic: Clinic, typed: Run) -> None:
    """Programs read the same numbers; there is no name and no reference among them."""
    episode = clinic.patient()
    clinic.go(clinic.clock() + 42 * DAY, clinic.worker())

    result = typed("due", "stats", "--output", "json")

    told = json.loads(result.stdout)
    assert told["counts"]["fire"]["fired"] > 0
    assert told["lateness"]["fire"]["count"] == told["counts"]["fire"]["fired"]
    assert f'"{episode}' not in result.stdout
    assert "Alva" not in result.stdout


# --- lateness -----------------------------------------------------------------------------------------------------


def test_lateness_is_counted_as_prometheus_counts_it() -> None:
    """Each bound holds everything up to it; a stray year does not drown the sum."""
    buckets, total = histogram(FIRE, lateness_counts(FIRE, SECONDS))

    assert [number for _, number in buckets] == sorted(number for _, number in buckets)
    assert dict(buckets)["0.02"] == 1
    assert dict(buckets)["0.5"] == 2
    assert dict(buckets)["60"] == 3
    assert dict(buckets)["+Inf"] == 5
    assert total == 0.01 + 0.3 + 45 + 7200 + 366 * 86400


def test_stages_are_counted_apart() -> None:
    """What fires late and what is delivered late are two questions; nothing done is nothing to add."""
    counts = lateness_counts(FIRE, SECONDS) | lateness_counts(DELIVER, [])

    assert histogram(DELIVER, counts) == ([*((f"{bound:g}", 0.0) for bound in BOUNDS), ("+Inf", 0.0)], 0.0)


def test_early_is_on_time() -> None:
    """A clock that runs a little ahead makes nothing late."""
    assert lateness_counts(FIRE, [timedelta(seconds=-3)])["late_fire_ms"] == 0
