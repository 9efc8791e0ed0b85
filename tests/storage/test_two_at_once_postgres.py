"""Two who append at the same time to PostgreSQL, without our code: one follows the other, or is refused.

After each the log and every chain in it count without a gap.
"""

# ruff: noqa: S608 - attacks are text

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from storage.postgres import Session
from storage.tables import TABLES
from tests.servers import the_server
from tests.storage.homes import Home
from tests.storage.postgres_worlds import APP, AUDITOR, SUPERUSER, refusal, sitting
from tests.storage.test_refusals import ENTRY, EPISODE, laid, next_entry, sealed_over

INSERT = ENTRY.format("")
RAISED, UNIQUE = "P0001", "23505"


class Meanwhile:
    """Statements of another session, run in a thread, because they wait for a lock."""

    def __init__(self, connection: Session, *statements: str, **values: Any) -> None:
        """Begin them."""
        self._said: list[str] = []
        self._thread = threading.Thread(target=lambda: self._said.append(refusal(connection, *statements, **values)))
        self._thread.start()

    def waits(self, observer: Session) -> bool:
        """Say whether they wait for somebody, once they do or have ended."""
        while self._thread.is_alive():
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if observer.execute(waiting).fetchone()[0]:
                return True
            self._thread.join(0.01)
        return False

    def said(self) -> str:
        """Give the state of the refusal, empty where they went through."""
        self._thread.join(30)
        assert self._said, "still waiting"
        return self._said[0]


def lay(episode: str) -> str:
    """Lay out the next row of an episode."""
    return laid().replace("'e1'", f"'{episode}'")


def entry_of(connection: Session, episode: str, **changed: Any) -> dict[str, Any]:
    """Forge the next entry of an episode."""
    values = next_entry(connection, ep=episode, **changed)
    version, state = connection.execute("SELECT version, state FROM episode WHERE id = :id", {"id": episode}).fetchone()
    said = json.loads(values["entry"])
    said |= {"epn": version, "ver": {"before": version, "after": version + 1}, "state": {**said["state"], "to": state}}
    return sealed_over({**values, "epn": version}, said)


def chains_hold(connection: Session) -> bool:
    """Say whether the log and each chain count without a gap, and every episode stands where its chain ends."""
    rows = connection.execute("SELECT idx, ep, epn FROM audit_entry ORDER BY idx").fetchall()
    chains: dict[str | None, list[int]] = {}
    for _, ep, epn in rows:
        chains.setdefault(ep, []).append(epn)
    versions = dict(connection.execute("SELECT id, version FROM episode").fetchall())
    (n,) = connection.execute("SELECT n FROM audit_head").fetchone()
    return (
        [row[0] for row in rows] == list(range(n))
        and all(numbers == list(range(len(numbers))) for numbers in chains.values())
        and versions == {ep: len(numbers) for ep, numbers in chains.items() if ep is not None}
    )


@pytest.fixture(scope="module")
def template(lived_of: Callable[[str], Home]) -> str:
    """Give a database where a little of everything has happened; copied, never used."""
    return lived_of("postgresql").address


@pytest.fixture
def own(template: str) -> Iterator[str]:
    """Give a copy of the test's own."""
    url = the_server().fresh_database(template)
    yield url
    the_server().drop_database(url)


@pytest.fixture
def three(own: str) -> Iterator[tuple[Session, Session, Session]]:
    """Give two writers at one database, and an observer."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(sitting(the_server(), own, APP)) for _ in range(2))
        observer = stack.enter_context(sitting(the_server(), own, SUPERUSER))
        yield one, two, observer
        assert chains_hold(observer)


@pytest.mark.parametrize("locks", [(), ("SELECT n FROM audit_head FOR UPDATE",)], ids=["no lock", "head locked"])
def test_two_append_to_one_episode(three: tuple[Session, Session, Session], locks: tuple[str, ...]) -> None:
    """The second, decided on the same version, is refused whether or not it waits for the head."""
    one, two, observer = three
    first, second = entry_of(one, "e1", id="first"), entry_of(two, "e1", id="second")
    later = entry_of(two, "e1", id="second", idx=second["idx"] + 1)
    for statement in (*locks, lay("e1"), INSERT):
        if statement is INSERT:
            one.execute(statement, first)
        else:
            one.execute("BEGIN") if not one.in_transaction else None
            one.execute(statement)
    meanwhile = Meanwhile(two, *locks, lay("e1"), INSERT, **later)

    assert meanwhile.waits(observer)
    one.execute("COMMIT")

    assert meanwhile.said() in {RAISED, UNIQUE}
    assert observer.execute("SELECT count(*) FROM audit_entry WHERE id = 'second'").fetchone() == (0,)


@pytest.mark.parametrize(("ending", "answers"), [("COMMIT", {UNIQUE}), ("ROLLBACK", {""})])
def test_two_append_to_two_episodes_without_locking(
    three: tuple[Session, Session, Session], ending: str, answers: set[str]
) -> None:
    """Whoever takes the same index waits for the first: refused when that one stays, let in when it is undone."""
    one, two, observer = three
    first, second = entry_of(one, "e1", id="first"), entry_of(two, "e2", id="second")
    one.execute("BEGIN")
    one.execute(lay("e1"))
    one.execute(INSERT, first)
    meanwhile = Meanwhile(two, lay("e2"), INSERT, **second)

    assert meanwhile.waits(observer)
    one.execute(ending)

    assert meanwhile.said() in answers


def test_an_index_guessed_ahead_is_refused(three: tuple[Session, Session, Session]) -> None:
    """The one after an entry that is not committed yet may never follow it: at once, not after a wait."""
    one, two, _ = three
    first, second = entry_of(one, "e1", id="first"), entry_of(two, "e2", id="second", idx=None)
    ahead = entry_of(two, "e2", id="second", idx=first["idx"] + 1)
    assert second["idx"] is None
    one.execute("BEGIN")
    one.execute(lay("e1"))
    one.execute(INSERT, first)
    next_row = lay("e2").replace("(SELECT n FROM audit_head)", str(ahead["idx"]))

    assert refusal(two, next_row, INSERT, **ahead) == RAISED
    one.execute("COMMIT")


def test_whoever_waits_for_the_head_reads_it_anew(three: tuple[Session, Session, Session]) -> None:
    """A session that locks the head last sees the entry it waited for, and goes on behind it."""
    one, two, observer = three
    first = entry_of(one, "e1", id="first")
    ahead = entry_of(two, "e2", id="second", idx=first["idx"] + 1)
    one.execute("BEGIN")
    one.execute(lay("e1"))
    one.execute(INSERT, first)
    meanwhile = Meanwhile(two, "SELECT n FROM audit_head FOR UPDATE", lay("e2"), INSERT, **ahead)

    assert meanwhile.waits(observer)
    one.execute("COMMIT")

    assert meanwhile.said() == ""


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_stricter_transaction_that_waited_is_refused(three: tuple[Session, Session, Session], level: str) -> None:
    """Its picture of the log is older than the entry it waited for."""
    one, two, observer = three
    first, second = entry_of(one, "e1", id="first"), entry_of(two, "e2", id="second")
    one.execute("BEGIN")
    one.execute("SELECT n FROM audit_head FOR UPDATE")
    one.execute(lay("e1"))
    meanwhile = Meanwhile(two, f"SET TRANSACTION ISOLATION LEVEL {level}", lay("e2"), INSERT, **second)
    assert meanwhile.waits(observer)
    two_waits_with_the_index = observer.execute("SELECT count(*) FROM audit_entry").fetchone()
    one.execute("ROLLBACK")
    assert meanwhile.said() == ""  # undone: nothing has changed under it
    third = entry_of(one, "e1", id="third")
    assert third["idx"] == first["idx"] + 1 == two_waits_with_the_index[0] + 1
    one.execute("BEGIN")
    one.execute(lay("e1"))
    one.execute(INSERT, third)
    meanwhile = Meanwhile(
        two, f"SET TRANSACTION ISOLATION LEVEL {level}", lay("e2"), INSERT, **entry_of(two, "e2", id="fourth")
    )
    assert meanwhile.waits(observer)

    one.execute("COMMIT")

    assert meanwhile.said() in {UNIQUE, "40001"}


PERSON = "INSERT INTO person_state SELECT :person, 1, sealed, commitment, key_id FROM person_state LIMIT 1"


def registering(connection: Session, episode: str, person: str, **changed: Any) -> dict[str, Any]:
    """Forge the first entry of an episode."""
    values = next_entry(connection, ep=episode, epn=0, **changed)
    (state,) = connection.execute("SELECT state FROM episode WHERE id = 'e2'").fetchone()
    said = json.loads(values["entry"])
    said |= {"epn": 0, "ver": {"before": 0, "after": 1}, "state": {**said["state"], "to": state}}
    return sealed_over({**values, "person": person}, said)


def laying_first() -> str:
    """Lay out the first row of the episode :ep of :person."""
    said = {"id": ":ep", "person_ref": ":person", "version": "1", "last_idx": "(SELECT n FROM audit_head)"}
    values = ", ".join(said.get(column.name, f'"{column.name}"') for column in TABLES["episode"].columns)
    return f"INSERT INTO episode_next ({EPISODE}) SELECT {values} FROM episode WHERE id = 'e2'"


@pytest.mark.parametrize(
    ("episode", "person", "answers"),
    [("e7", "p7", {UNIQUE}), ("e7", "p8", {RAISED, UNIQUE}), ("e8", "p7", {UNIQUE})],
    ids=["the same", "the same episode", "the same person"],
)
def test_two_register_at_once(
    three: tuple[Session, Session, Session], episode: str, person: str, answers: set[str]
) -> None:
    """An episode begins once and a person is added once; the second waits, and is refused."""
    one, two, observer = three
    first = registering(one, "e7", "p7", id="first")
    second = registering(two, episode, person, id="second", idx=first["idx"] + 1)
    one.execute("BEGIN")
    for statement in (PERSON, laying_first(), INSERT):
        one.execute(statement, first)
    meanwhile = Meanwhile(
        two, PERSON, "SELECT n FROM audit_head WHERE :idx > 0 FOR UPDATE", laying_first(), INSERT, **second
    )

    assert meanwhile.waits(observer)
    one.execute("COMMIT")

    assert meanwhile.said() in answers
    assert observer.execute("SELECT count(*) FROM episode WHERE id = 'e7' AND person_ref = 'p7'").fetchone() == (1,)


def test_many_append_as_they_please(own: str) -> None:
    """Four sessions that lock nothing and try again when refused: the log counts without a gap, each chain too."""
    kept: list[int] = []

    def append(episode: str, who: int) -> None:
        with sitting(the_server(), own, APP) as app:
            for number in range(60):
                values = entry_of(app, episode, id=f"{who}-{number}")
                kept.append(0 if refusal(app, lay(episode), INSERT, **values) else 1)

    threads = [threading.Thread(target=append, args=(f"e{1 + who % 3}", who)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with sitting(the_server(), own, AUDITOR) as connection:
        assert chains_hold(connection)
        found = connection.execute("SELECT count(*) FROM audit_entry WHERE id LIKE '%-%'").fetchone()
        assert found == (sum(kept),)
    assert len(kept) == 240
    assert sum(kept) > 20
