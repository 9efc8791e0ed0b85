"""The worklist that is read rank by rank is the one a plain query gives: rank everything, sort it, cut it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from engine.audit import instant
from engine.model import Role
from storage.connection import rows
from storage.database import Database
from storage.queries import DueFilter, due_list
from storage.tables import TABLES, Row
from storage.worklist import BUDGET, FARTHER, FURTHER, RANKS, Shape, opened_count, statement
from tests.storage.acts import NOW
from tests.storage.homes import Directory, Home

MOMENT = NOW + timedelta(days=20)
PRIORITIES = {"call": "safety", "review": "urgent", "alarm": "emergency", "visit": "normal", "letter": "normal"}
TEAMS, OWNERS, PEOPLE = ("back", "main", "north"), ("ann", "lena", None), 12
ROLES = (Role.COORDINATOR, Role.LEAD)

# The specification, as plain as it can be said.
PLAIN = """
SELECT d.*, e.owner AS episode_owner, CASE
    WHEN d.kind = 'alarm' OR e.urgency = 'emergency' THEN 0
    WHEN d.kind = 'review' OR e.urgency = 'urgent' THEN 1
    WHEN d.kind = 'call' AND d.due_at <= :now THEN 2
    WHEN d.rung > 0 THEN 3
    WHEN d.due_at <= :now THEN 4
    WHEN d.due_at IS NULL THEN 7
    WHEN d.opens_at <= :now THEN 5
    ELSE 6 END AS rank, coalesce(d.due_at, '~') AS due_key
FROM due_item AS d JOIN episode AS e ON e.id = d.episode_id
WHERE d.status = 'open' AND d.opens_at <= :horizon
ORDER BY rank, due_key, d.episode_id, d.id
"""


@dataclass(frozen=True, slots=True)
class World:
    """Random work of random episodes."""

    random: Random
    database: Database

    @classmethod
    def made(cls, home: Home, database: Database, seed: int, items: int, *, crowded: bool) -> "World":
        """Fill an empty database; crowded: nearly all windows are still to come, or are late, by few due instants."""
        random = Random(seed)  # noqa: S311 - the same worlds each time
        episodes = [_episode(random, number) for number in range(PEOPLE)]
        work = [_item(random, random.choice(episodes), number, crowded=crowded) for number in range(items)]
        with home.unguarded() as connection:
            connection.execute("DELETE FROM due_item")
            connection.execute("DELETE FROM episode")
            _fill(connection, "episode", episodes)
            _fill(connection, "due_item", work)
        return cls(random, database)

    def plain(self, now: datetime, wanted: DueFilter) -> list[tuple[str, str, str]]:
        """Give rank, episode and id of everything on the list, by the plain query and plain conditions."""
        values = {"now": instant(now), "horizon": instant(wanted.until or now)}
        with self.database.reading() as connection:
            found = rows(connection.execute(PLAIN, values))
        return [(RANKS[row["rank"]], row["episode_id"], row["id"]) for row in found if _is_wanted(row, now, wanted)]

    def any_filter(self) -> DueFilter:
        """Give conditions at random."""
        random = self.random
        return DueFilter(
            owner_role=random.choice((None, None, *ROLES)),
            owner=random.choice((None, None, "ann", "nobody")),
            teams=random.choice((None, None, frozenset({"main"}), frozenset(TEAMS[:2]), frozenset(), _many())),
            kinds=random.choice((None, None, frozenset({"call", "visit"}), frozenset({"alarm"}), frozenset())),
            episode=random.choice((None, None, None, "e3")),
            until=random.choice((None, MOMENT + timedelta(days=random.randint(-9, 9)))),
            with_snoozed=random.random() < 0.3,
            limit=random.choice((4, 11, 50)),
        )


def _many() -> frozenset[str]:
    return frozenset({*TEAMS, *(f"team {number}" for number in range(9))})


def _is_wanted(row: Row, now: datetime, wanted: DueFilter) -> bool:
    owner = row["episode_owner"] if row["owner"] is None else row["owner"]
    return (
        (wanted.with_snoozed or row["snoozed_until"] is None or row["snoozed_until"] <= instant(now))
        and (wanted.owner_role is None or row["owner_role"] == wanted.owner_role.value)
        and (wanted.owner is None or owner == wanted.owner)
        and (wanted.teams is None or row["team"] in wanted.teams)
        and (wanted.kinds is None or row["kind"] in wanted.kinds)
        and (wanted.episode is None or row["episode_id"] == wanted.episode)
    )


def _fill(connection: Any, table: str, made: list[Row]) -> None:
    names = [column.name for column in TABLES[table].columns]
    into = ", ".join(f'"{name}"' for name in names)
    connection.executemany(
        f"INSERT INTO {table} ({into}) VALUES ({', '.join(f':{name}' for name in names)})",  # noqa: S608 - our own names
        made,
    )


def _episode(random: Random, number: int) -> Row:
    given = {column.name: None if column.nullable else "" for column in TABLES["episode"].columns}
    numbers = dict.fromkeys(("version", "plan_version", "last_idx", "flags_open"), 1)
    return {
        **given,
        **numbers,
        "id": f"e{number}",
        "team": random.choice(TEAMS),
        "owner": random.choice(OWNERS),
        "urgency": random.choice(("", "", "", "", "routine", "urgent", "emergency")),
        "opened_at": instant(NOW),
    }


def _item(random: Random, episode: Row, number: int, *, crowded: bool) -> Row:
    # Few instants, so that many items tie, and instants meet the moment itself.
    opens = MOMENT + timedelta(days=random.randint(-9, 9) if not crowded else random.choice((-9, 9)))
    due = random.choice((None, opens, opens + timedelta(days=random.randint(0, 9))))
    if crowded:
        due = opens + timedelta(days=30 if number % 400 == 0 else random.choice((1, 2)))
    kind = random.choice(tuple(PRIORITIES) if not crowded else ("visit", "call"))
    item = {
        "episode_id": episode["id"],
        "id": f"{kind} {number}",
        "kind": kind,
        "occurrence": "",
        "title": "",
        "anchor": instant(opens),
        "opens_after": "",
        "due_after": "",
        "opens_at": instant(opens),
        "due_at": instant(due) if due else None,
        "due_on": None,
        "owner_role": random.choice(ROLES).value,
        "status": random.choice(("open", "open", "open", "done")),
        "owner": random.choice(OWNERS),
        "rung": random.choice((0, 0, 1, 2)) if not crowded else 0,
        "fired": 0,
        "snoozed_until": random.choice((None, None, None, instant(MOMENT), instant(MOMENT + timedelta(days=1)))),
        "closed_by": None,
    }
    return {**item, **_listed(episode, item)}


def _listed(episode: Row, item: Row) -> Row:
    if item["status"] != "open":
        return {"team": None, "assignee": None, "place": None}
    lanes = {"safety": (2, 3)}
    lane = lanes.get(PRIORITIES[item["kind"]], (5, 4))[item["rung"] > 0]
    for lifted, name in ((1, "urgent"), (0, "emergency")):
        if name in (PRIORITIES[item["kind"]], episode["urgency"]):
            lane = lifted
    owner = episode["owner"] if item["owner"] is None else item["owner"]
    return {"team": episode["team"], "assignee": owner, "place": f"{lane} {item['due_at'] or '~'}"}


def paged(database: Database, now: datetime, wanted: DueFilter) -> Iterator[tuple[str, str, str]]:
    """Give rank, episode and id of everything on a list, page by page."""
    after = ""
    while lines := due_list(database, now, replace(wanted, after=after)):
        assert len(lines) <= wanted.limit
        yield from ((line.rank, line.episode, line.item.id) for line in lines)
        after = lines[-1].cursor


def test_a_list_is_what_the_plain_query_gives(home: Home) -> None:
    """Whatever work there is, whatever is asked, page by page: the same lines in the same order, none lost or twice."""
    met: set[str] = set()
    with closing(home.open()) as database:
        for seed in range(25):
            world = World.made(home, database, seed, 60, crowded=False)
            for _ in range(50):
                wanted = world.any_filter()
                plain = world.plain(MOMENT, wanted)

                assert list(paged(database, MOMENT, wanted)) == plain, (seed, wanted)

                met |= {rank for rank, _, _ in plain}
    assert met == set(RANKS)


@pytest.mark.parametrize("scope", [{}, {"teams": frozenset({"main"})}, {"owner": "ann"}, {"teams": frozenset(TEAMS)}])
def test_a_few_open_windows_are_found_among_many_to_come(home: Home, scope: dict[str, Any]) -> None:
    """However many windows stand before the first that is open, and however many are late: none is missed."""
    many = BUDGET * FARTHER * FURTHER * 2
    with closing(home.open()) as database:
        world = World.made(home, database, 7, many, crowded=True)
        for until in (None, MOMENT + timedelta(days=10)):
            wanted = DueFilter(until=until, limit=40, with_snoozed=True, **scope)
            plain = [one for one in world.plain(MOMENT, wanted) if one[0] in ("due", "coming")][:120]

            found: list[tuple[str, str, str]] = []
            after = f"{RANKS.index('due')} 0 0 0"
            while len(found) < len(plain):
                lines = due_list(database, MOMENT, replace(wanted, after=after))
                found += [(line.rank, line.episode, line.item.id) for line in lines]
                after = lines[-1].cursor

            assert found == plain
            assert any(rank == "due" for rank, _, _ in plain)


@pytest.mark.parametrize("scope", ["", "team", "assignee", "episode_id"])
@pytest.mark.parametrize("walk", ["whole", "budgeted", "opened"])
def test_no_list_reads_a_whole_table(directory: Any, scope: Any, walk: Any) -> None:
    """Every query of a list searches an index; only where few windows are open, or in one episode, are lines sorted."""
    asked = [statement(Shape(scope=scope, walk=walk, reaches=2)), opened_count(scope, coming=True)]
    with closing(Directory(directory).open()) as database, database.reading() as connection:
        plans = [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}", _nothing())] for one in asked]

    for line in (line for plan in plans for line in plan):
        assert "SCAN due_item" not in line
        assert "SCAN episode" not in line
    (index,) = {line.partition("USING ")[2].partition(" (")[0] for line in plans[0] if "due_item" in line}
    by = "opens" if walk == "opened" else "place"
    assert index == ("PRIMARY KEY" if scope == "episode_id" else f"INDEX due_item_{scope or 'all'}_{by}")
    is_sorted = any("TEMP B-TREE" in line for line in plans[0])
    assert is_sorted is (walk == "opened" or scope == "episode_id")


def _nothing() -> dict[str, Any]:
    names = ("scope", "low", "high", "episode", "id")
    return {
        **{f"{name}{number}": "" for name in names for number in range(2)},
        **dict.fromkeys(("scope", "now", "horizon"), ""),
        **dict.fromkeys(("most", "budget"), 1),
    }
