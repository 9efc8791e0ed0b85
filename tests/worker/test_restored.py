"""After a backup was restored nothing that may have been sent goes again before a person has looked."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine.model import Role
from stepcare.worker.restored import ReplayGuard
from storage.pump import Pump
from tests.storage.homes import Home
from tests.worker.clinic import DAY, MORNING, Clinic

RESTORED = MORNING + 21 * DAY + timedelta(hours=6)  # the first reminder fell due six hours ago


def published(monkeypatch: pytest.MonkeyPatch, size: int) -> Path:
    """Publish a log of this length."""
    monkeypatch.setattr("stepcare.worker.restored._published_size", lambda _: size)
    return Path("published")


def test_what_was_due_before_the_restore_becomes_unknown(clinic: Clinic) -> None:
    """The backup is older than the reminder: it was sent then, or not; nobody here can know."""
    episode = clinic.patient()
    clinic.clock.forward_to(RESTORED)
    worker = clinic.worker(restored=True)

    clinic.go(RESTORED + timedelta(hours=2), worker)

    held = clinic.messages(episode, recipient="patient")
    assert {(one.status, one.reason) for one in held} == {("unknown", "restored")}
    assert clinic.email.got == []


def test_what_comes_due_afterwards_goes(clinic: Clinic) -> None:
    """The guard holds what was due before, and nothing else."""
    episode = clinic.patient()
    worker = clinic.worker(restored=True)
    worker.once()

    clinic.go(MORNING + 22 * DAY, worker)

    assert {one.status for one in clinic.messages(episode, recipient="patient")} == {"accepted"}


def test_no_digest_goes_before_somebody_has_looked(clinic: Clinic) -> None:
    """This morning's was sent before the restore, or not; once the guard is lifted, it goes."""
    clinic.colleague("cora", Role.COORDINATOR, email="cora@clinic.example")
    clinic.patient()
    clinic.clock.forward_to(RESTORED)
    worker = clinic.worker(restored=True)
    worker.once()
    before = len(clinic.email.got)

    worker._digests()
    assert len(clinic.email.got) == before
    worker.replay.lift(clinic.clock())
    worker._digests()

    assert [parcel.key.partition("-")[0] for _, parcel in clinic.email.got[before:]] == ["digest"]


def test_it_holds_from_the_time_of_the_backup_on(clinic: Clinic) -> None:
    """Where an operator says when the backup was made, what was due before it is sent as usual."""
    episode = clinic.patient()
    while not clinic.messages(episode, status="queued", recipient="patient"):
        clinic.clock.forward_to(min(one.at for one in clinic.episode(episode).timers if one.state == "armed"))
        clinic.worker().firing.run()
    clinic.clock.forward_to(clinic.clock() + timedelta(hours=2))
    worker = clinic.worker(restored=True, since=clinic.clock() - timedelta(minutes=1))

    worker.once()

    assert {one.status for one in clinic.messages(episode, recipient="patient")} == {"accepted"}


def test_a_published_log_that_is_ahead_of_ours_raises_it(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is an older one than what was published; as long as it is not, nothing is held."""
    guard = ReplayGuard(clinic.app, Pump(clinic.database, "w1"))

    assert not guard.raise_if_restored(published(monkeypatch, 1), MORNING)
    assert not guard.is_up
    assert guard.raise_if_restored(published(monkeypatch, 50), MORNING)
    assert guard.is_up


def test_all_workers_see_it_until_it_is_lifted(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the database; lifted once, the same published log does not raise it again."""
    first, second = (ReplayGuard(clinic.app, Pump(clinic.database, name)) for name in ("w1", "w2"))
    folder = published(monkeypatch, 50)
    first.raise_if_restored(folder, MORNING)
    second.look()
    assert second.is_up

    assert second.lift(MORNING)

    first.look()
    assert not first.is_up
    assert not first.lift(MORNING)
    assert not first.raise_if_restored(folder, MORNING)


def test_a_backup_that_is_put_back_sends_nothing_twice(home: Home, clinic: Clinic, tmp_path: Path) -> None:
    """The real thing: a copy is made, reminders go out, the copy is put back, and nobody hears twice."""
    episode = clinic.patient()
    clinic.clock.forward_to(MORNING + 20 * DAY)
    clinic.worker().once()
    backup = _copied(clinic, home, tmp_path)
    clinic.go(RESTORED, clinic.worker())
    sent = list(clinic.email.keys)
    assert sent

    again = Clinic(backup, None, clinic.clock)  # type: ignore[arg-type]  # it is published already
    again.go(RESTORED + timedelta(hours=3), again.worker(restored=True))

    assert set(again.email.keys).isdisjoint(sent)
    assert again.messages(episode, status="unknown", reason="restored")
    again.close()


def _copied(clinic: Clinic, home: Home, tmp_path: Path) -> Home:
    with clinic.database.reading() as connection:
        connection.execute("SELECT 1")
    with clinic.database.writing() as connection:
        connection.execute("SELECT 1")
    return home.copy(tmp_path / "backup")
