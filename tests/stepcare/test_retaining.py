"""A retention run and the sealer: whatever the run takes away, the sealer goes on, and the published log still verifies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stepcare.app import App, open_app, wall_clock
from stepcare.custody import due_by_retention
from stepcare.retaining import READS, only_sealed, sealed_reads
from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.kept import Trust
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import Outcome
from storage.access import Read, note_read
from storage.access_verify import verify_access
from tests.stepcare.conftest import Run

Ask = Callable[..., Any]
KEPT = 2192  # days that reads are kept


@contextmanager
def at(site: Path, now: datetime) -> Iterator[App]:
    """Open the site at a moment."""
    with open_app(site, lambda: now) as app:
        yield app


def looked(site: Path, count: int, days_ago: int) -> None:
    """Have somebody look so many times, so long ago."""
    then = wall_clock() - timedelta(days=days_ago)
    with at(site, then) as app:
        for _ in range(count):
            read = Read(
                id=app.make_id(), at=then, actor="ann", role="coordinator", purpose="treatment", request="r1",
                what="read.list",
            )  # fmt: skip
            note_read(app.database, read)


def due(site: Path) -> tuple[int, int]:
    """Give how many reads a run would take now, and how many it would leave because they are not sealed."""
    with at(site, wall_clock()) as app:
        runs, held = only_sealed(app, due_by_retention(app), site / "published")
        return next(one.count for one in runs if one.rule.what == READS), held


@pytest.fixture
def administered(site: Path, run: Run) -> Path:
    """Give a site with an administrator."""
    assert run("user", "add", "adam", "--role", "administrator").exit_code == 0
    return site


def test_what_is_not_sealed_stays_and_the_sealer_goes_on(administered: Path, run: Run, asked: Ask) -> None:
    """Three old reads are sealed, two are not: three go; sealed afterwards, the other two go with the next run."""
    looked(administered, 3, KEPT + 30)
    asked("sealer", "once", "--make-key")
    looked(administered, 2, KEPT + 20)
    assert due(administered) == (3, 2)

    first = run("audit", "retain", "--as", "adam")
    asked("sealer", "once")
    second = run("audit", "retain", "--as", "adam")
    sealed = asked("sealer", "once")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "reads: 2 more are due and not sealed yet" in first.stderr
    assert "reads: 3 from before" in first.stderr
    assert "not sealed yet" not in second.stderr
    assert "reads: 2 from before" in second.stderr
    with at(administered, wall_clock()) as app:
        assert app.database.look("SELECT first FROM access_head", {})[0] == 5
        assert verify_access(app.database).faults == ()
    assert next(one for one in sealed if one["log"] == "access")["size"] == sealed_reads(administered / "published")
    key = Key.parse((administered / "sealer/vkey-access").read_text())
    assert check(administered / "published/access", Asked(trust=Trust(keys=(key,)))).outcome is Outcome.VERIFIED


def test_where_nothing_was_ever_sealed_no_read_goes(administered: Path, run: Run, asked: Ask) -> None:
    """Without a published log nobody could tell later what was taken: all stay, it is said why, and sealing can begin."""
    looked(administered, 3, KEPT + 30)

    done = run("audit", "retain", "--as", "adam")

    assert done.exit_code == 0
    assert "reads: 3 more are due and not sealed yet, so they stay" in done.stderr
    assert asked("sealer", "once", "--make-key")[1]["new"] >= 3


def test_where_nobody_says_what_is_published_no_read_goes(administered: Path) -> None:
    """A database on a server, with no folder named: as if nothing were sealed."""
    looked(administered, 3, KEPT + 30)

    with at(administered, wall_clock()) as app:
        runs, held = only_sealed(app, due_by_retention(app), None)

    assert ([one.count for one in runs if one.rule.what == READS], held) == ([0], 3)


def test_a_log_published_beyond_this_database_counts_as_none(administered: Path, asked: Ask) -> None:
    """An older backup was restored: the checkpoint speaks of reads that are not here, so nothing is taken by it."""
    looked(administered, 3, KEPT + 30)
    asked("sealer", "once", "--make-key")
    with at(administered, wall_clock()) as app:
        (size,) = app.database.look("SELECT n FROM access_head", {})

    assert sealed_reads(administered / "published") == size
    assert due(administered) == (3, 0)
    other = administered / "published"
    note = (other / "access/checkpoint").read_bytes()
    (other / "access/checkpoint").write_bytes(note.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 9), 1))
    assert due(administered) == (0, 3)


def test_newer_reads_that_wait_hold_nothing_back(administered: Path, asked: Ask) -> None:
    """What is not sealed is of today: every old read may go."""
    looked(administered, 3, KEPT + 30)
    asked("sealer", "once", "--make-key")
    looked(administered, 2, 1)

    assert due(administered) == (3, 0)
