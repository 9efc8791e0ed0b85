"""What lists show, and in which order."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.decision import Assigned, Put
from engine.derive import is_overdue
from engine.errors import InvalidInput
from engine.model import DueItem, Flag, Kind, Role
from storage.database import Database
from storage.queries import (
    DueFilter,
    EpisodeFilter,
    due_list,
    episodes,
    episodes_by_state,
    work_counts,
)
from storage.verify import verify_log
from storage.walk import opener_of
from tests.storage.acts import NOW, PACK, Acts, a_task
from tests.storage.homes import Home

LATER = NOW + timedelta(days=20)
DUE = DueFilter()


@pytest.fixture
def busy(acts: Acts) -> Acts:
    """Give four episodes with one piece of work of every rank."""
    for number in range(1, 5):
        acts.register(f"e{number}", f"p{number}")
    early = {"due_at": NOW + timedelta(days=1)}
    put(
        acts,
        "e1",
        a_task(1, id="undated", due_at=None, due_on=None),
        a_task(2, id="coming", opens_at=LATER + timedelta(days=2), due_at=LATER + timedelta(days=9)),
        a_task(3, id="due", due_at=LATER + timedelta(days=3)),
        a_task(4, id="overdue"),
        a_task(5, id="escalated", rung=1, due_at=LATER + timedelta(days=1)),
        a_task(6, id="late call", kind="safety_call"),
        a_task(7, id="call in time", kind="safety_call", due_at=LATER + timedelta(days=4)),
        a_task(8, id="urgent", kind="urgent_review", due_at=LATER + timedelta(days=5)),
        a_task(9, id="emergency", kind="emergency_review", due_at=LATER + timedelta(days=6)),
        a_task(10, id="done", status="done"),
        a_task(11, id="snoozed", snoozed_until=LATER + timedelta(days=1)),
    )
    flag = Flag(id="f1", item="fever", urgency="urgent", opened_at=NOW, record="r1")
    acts.keep(acts.change(acts.store.episode("e2"), Kind.RECORD, Put(item=flag)))
    put(acts, "e2", a_task(1, id="flagged", **early))
    put(acts, "e3", a_task(1, id="ravi's", owner="ravi", owner_role=Role.COORDINATOR))
    acts.keep(acts.assigning("e4", "lena"))
    put(acts, "e4", a_task(1, id="lena's by episode"))
    return acts


def put(acts: Acts, episode: str, *items: DueItem) -> None:
    """Owe this work."""
    acts.keep(acts.change(acts.store.episode(episode), Kind.RECORD, *(Put(item=item) for item in items)))


def shown(database: Database, wanted: DueFilter, now: datetime = LATER) -> list[str]:
    """Give the ids a due list shows, in its order."""
    return [line.item.id for line in due_list(database, now, wanted)]


def test_the_most_pressing_work_comes_first(busy: Acts) -> None:
    """Emergency, urgent (by kind or by flag), late safety contact, escalated, overdue, due; undated last."""
    lines = due_list(busy.store.database, LATER, DUE)

    assert [(line.rank, line.item.id) for line in lines] == [
        ("emergency", "emergency"),
        ("urgent", "flagged"),
        ("urgent", "urgent"),
        ("late_safety", "late call"),
        ("escalated", "escalated"),
        ("overdue", "overdue"),
        ("overdue", "ravi's"),
        ("overdue", "lena's by episode"),
        ("due", "due"),
        ("due", "call in time"),
        ("undated", "undated"),
    ]


def test_a_list_turns_pages_without_losing_a_line(busy: Acts) -> None:
    """Each page begins after the last line of the one before."""
    database = busy.store.database
    pages, after = [], ""
    while lines := due_list(database, LATER, replace(DUE, limit=3, after=after)):
        pages += [line.item.id for line in lines]
        after = lines[-1].cursor

    assert pages == shown(database, DUE)
    first, *_ = episodes(database, EpisodeFilter(limit=1))
    rest = episodes(database, EpisodeFilter(after=first.cursor))
    assert [line.id for line in (first, *rest)] == ["e1", "e2", "e3", "e4"]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (replace(DUE, owner="ravi"), ["ravi's"]),
        (replace(DUE, owner="lena"), ["lena's by episode"]),
        (replace(DUE, owner_role=Role.COORDINATOR), ["ravi's"]),
        (replace(DUE, kinds=frozenset({"safety_call"})), ["late call", "call in time"]),
        (replace(DUE, episode="e3"), ["ravi's"]),
        (replace(DUE, teams=frozenset()), []),
        (replace(DUE, episode="e1", kinds=frozenset({"reassessment"}), with_snoozed=True, limit=4), None),
        (replace(DUE, until=LATER + timedelta(days=3), kinds=frozenset({"reassessment"}), episode="e1"), None),
    ],
    ids=["owner", "owner by episode", "role", "kind", "episode", "no team", "snoozed", "coming"],
)
def test_work_is_filtered(busy: Acts, wanted: DueFilter, ids: list[str] | None) -> None:
    """By who owes it, by kind, by episode, by care team; with what is snoozed or still to come when asked."""
    found = shown(busy.store.database, wanted)

    if ids is not None:
        assert found == ids
    else:
        assert ("snoozed" in found) is wanted.with_snoozed
        assert ("coming" in found) is (wanted.until is not None)


def test_work_moves_with_its_episode(acts: Acts) -> None:
    """Another owner, another team, a red flag: what is open moves in the lists in the same commit, also when it goes."""
    acts.register()
    put(acts, "e1", a_task(1, id="theirs"), a_task(2, id="ravi's", owner="ravi"), a_task(3, id="done", status="done"))
    database = acts.store.database

    for owner, team in (("lena", "main"), ("lena", "north")):
        acts.keep(acts.change(acts.store.episode("e1"), Kind.ASSIGN, Assigned(owner=owner, team=team)))
        assert shown(database, replace(DUE, owner="lena")) == ["theirs"]
    assert shown(database, replace(DUE, owner="ravi")) == ["ravi's"]
    assert shown(database, replace(DUE, teams=frozenset({"north"}))) == ["ravi's", "theirs"]
    assert shown(database, replace(DUE, teams=frozenset({"main"}))) == []

    flag = Flag(id="f1", item="fever", urgency="emergency", opened_at=NOW, record="r1")
    for cleared_at, rank in ((None, "emergency"), (LATER, "overdue")):
        item = replace(flag, cleared_at=cleared_at)
        acts.keep(acts.change(acts.store.episode("e1"), Kind.RECORD, Put(item=item)))
        assert [line.rank for line in due_list(database, LATER, DUE)] == [rank, rank]


def test_a_place_that_the_log_does_not_say_is_found(acts: Acts) -> None:
    """What the worklist is read by is compared like every other copy, column by column."""
    acts.register()
    put(acts, "e1", a_task(1, kind="safety_call"))
    database = acts.store.database

    for name in ("team", "assignee", "place"):
        with database.writing() as connection:
            (before,) = connection.execute(f"SELECT {name} FROM due_item").fetchone()  # noqa: S608 - our own names
            connection.execute(f"UPDATE due_item SET {name} = 'elsewhere'")  # noqa: S608
        (fault,) = verify_log(database, opener_of(database)).faults
        with database.writing() as connection:
            connection.execute(f"UPDATE due_item SET {name} = :before", {"before": before})  # noqa: S608

        assert (fault.what, fault.reason.partition(" in ")[2]) == ("due_item", f"{name}.")


def test_a_lost_pack_is_one_finding(acts: Acts, home: Home) -> None:
    """Which lane its pathway gave an item cannot be told without the pack: the item itself is not blamed."""
    acts.register()
    put(acts, "e1", a_task(1, kind="safety_call"))
    database = acts.store.database

    with home.unguarded() as connection:
        connection.execute("UPDATE pack SET bytes = :data", {"data": PACK + b" "})
    faults = verify_log(database, opener_of(database)).faults
    with home.unguarded() as connection:
        connection.execute("UPDATE pack SET bytes = :data", {"data": PACK})

    assert [fault.what for fault in faults] == ["pack"]


def test_overdue_means_the_same_in_lists_as_everywhere(busy: Acts) -> None:
    """At the due instant itself work is overdue, in the database as in the engine."""
    (item,) = busy.store.episode("e3").due_items
    assert item.due_at is not None

    for now in (item.due_at - timedelta(microseconds=1), item.due_at):
        (line,) = due_list(busy.store.database, now, replace(DUE, episode="e3"))
        assert (line.rank == "overdue") is is_overdue(item.due_at, item.status, now)


def test_episodes_are_listed_with_what_a_coordinator_needs(acts: Acts) -> None:
    """State, response, chronicity, scores, flags and the next due date stand in the clear columns."""
    acts.register()
    acts.visit()

    (line,) = episodes(acts.store.database, EpisodeFilter())

    assert (line.id, line.person, line.region, line.state, line.version) == ("e1", "p1", "upper_back", "intake", 2)
    assert (line.response, line.chronicity, line.baseline, line.last) == ("partial", "chronic", "6", "4.5")
    assert (line.flags_open, line.urgency, line.change) == (1, "urgent", None)
    assert (line.next_due_at, line.closed_at) == (NOW + timedelta(days=14), None)


def test_an_entry_without_a_picture_keeps_the_last_one(acts: Acts) -> None:
    """A fired timer says nothing of response or scores: the list shows what was said before."""
    acts.register()
    acts.visit()

    acts.keep(acts.firing())

    (line,) = episodes(acts.store.database, EpisodeFilter())
    assert (line.version, line.response, line.last) == (3, "partial", "4.5")


def test_episodes_are_filtered(busy: Acts) -> None:
    """By state, owner, person, care team, what falls due, and whether they are open."""
    busy.keep(busy.moving("e3", "closed_done", "closed"))
    database = busy.store.database

    def ids(wanted: EpisodeFilter) -> list[str]:
        return [line.id for line in episodes(database, wanted)]

    assert ids(EpisodeFilter(state="closed_done")) == ["e3"]
    assert ids(EpisodeFilter(open_only=True)) == ["e1", "e2", "e4"]
    assert ids(EpisodeFilter(owner="lena")) == ["e4"]
    assert ids(EpisodeFilter(person="p2")) == ["e2"]
    assert ids(EpisodeFilter(teams=frozenset({"other"}))) == []
    assert ids(EpisodeFilter(due_before=NOW + timedelta(days=2))) == ["e2"]
    assert episodes(database, EpisodeFilter(state="closed_done"))[0].closed_at == NOW + timedelta(days=1)


def test_counts_for_the_summary(busy: Acts) -> None:
    """How many episodes are where, and how much work is owed and late."""
    assert episodes_by_state(busy.store.database) == {"intake": 4}
    assert work_counts(busy.store.database, LATER) == (12, 6)


@pytest.mark.parametrize("limit", [0, 501])
def test_a_page_has_a_size(acts: Acts, limit: int) -> None:
    """Nobody asks for nothing, or for everything."""
    with pytest.raises(InvalidInput, match="1 to 500"):
        episodes(acts.store.database, EpisodeFilter(limit=limit))


def test_a_cursor_from_elsewhere_is_refused(acts: Acts) -> None:
    """A cursor belongs to its list."""
    with pytest.raises(InvalidInput, match="cursor"):
        due_list(acts.store.database, NOW, replace(DUE, after="tomorrow"))
