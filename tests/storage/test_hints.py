"""Whoever waits for due work hears of what is due at once, from the very commit that makes it so."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storage.hints import listen
from storage.sqlite import Sqlite
from tests.storage.acts import NOW, Acts, a_message, a_timer
from tests.storage.waiting import put


@pytest.fixture
def heard(acts: Acts) -> list[datetime]:
    """Give what the store's own process hears."""
    acts.register("e1", "p1")
    heard: list[datetime] = []
    acts.store.on_due = heard.append
    return heard


def test_a_commit_that_leaves_something_to_do_now_says_so(acts: Acts, heard: list[datetime]) -> None:
    """The earliest instant, once a commit; what is due later is found by looking."""
    put(acts, "e1", replace(a_timer(1), at=NOW), replace(a_message("e1"), not_before=NOW - timedelta(hours=1)))
    put(acts, "e1", replace(a_timer(2), at=NOW + timedelta(days=300)))
    put(acts, "e1", replace(a_timer(1), at=NOW, state="fired"))

    assert heard == [NOW - timedelta(hours=1)]


def test_another_process_hears_it_from_the_server(acts: Acts) -> None:
    """On PostgreSQL the commit itself tells; with a file nobody can, and workers look every second."""
    acts.register("e1", "p1")
    database = acts.store.database
    found = listen(database)
    if isinstance(database.backend, Sqlite):
        assert found is None
        return
    assert found is not None
    with closing(found) as listener:
        assert listener.wait(0) is None
        put(acts, "e1", replace(a_timer(1), at=NOW))
        put(acts, "e1", replace(a_timer(2), at=NOW + timedelta(days=300)))
        put(acts, "e1", replace(a_message("e1"), not_before=NOW - timedelta(hours=1)))

        first, then = listener.wait(10), listener.wait(1)

        assert min(one for one in (first, then) if one is not None) == NOW - timedelta(hours=1)
        assert listener.wait(0) is None
        assert not listener.is_lost
        assert listener.fileno() > 0


def test_what_anybody_shouts_is_no_instant(acts: Acts) -> None:
    """Whoever may connect may notify; only an instant is a hint."""
    database = acts.store.database
    found = listen(database)
    if found is None:
        return
    with closing(found) as listener, database.writing() as connection:
        connection.execute("SELECT pg_notify('stepcare_due', 'now!')")
        connection.execute("COMMIT")
        connection.execute("BEGIN")

        assert listener.wait(5) is None
