"""A search finds what reading every entry would find, in any order, page by page; and its index can go at any time."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.errors import InvalidInput
from storage.database import Database
from storage.search import Filter, Order, Reach, Span, count_of, known_of, loosened, numbers_of, page_of, persons_of
from storage.search_fields import FIELDS
from storage.search_index import Index, searching
from tests.storage.homes import Directory, Home
from tests.storage.loglike import (
    ACTORS,
    ANSWERS,
    LEVELS,
    OUTCOMES,
    ROLES,
    RULES,
    STATES,
    TRIGGERS,
    Told,
    a_log,
    put_in,
    says,
)

COMMANDS = ("move", "record", "fire", "set_parameter", "correct")
WORDS = ("path", "path-05 ann", "ANN", "özge", "fire", "t1", "5", "severe", "self_care record", "nothing_like_it", "=1")


def some(random: Random, of: tuple[str, ...], chance: float = 0.25) -> tuple[str, ...]:
    """Choose a value or two, or mostly none."""
    return tuple(random.sample(of, random.choice((1, 1, 2)))) if random.random() < chance else ()


def a_span(random: Random, log: list[Told]) -> Span | None:
    """Choose a stretch of time whose borders are moments of the log, or mostly none."""
    if random.random() < 0.7:
        return None
    low, high = sorted(random.choice(log).envelope.recorded_at for _ in range(2))
    return Span(low=random.choice((low, None)), high=random.choice((high, None)))


def a_filter(random: Random, log: list[Told]) -> Filter:
    """Make up a filter of a few conditions."""
    edge = random.randrange(len(log))
    return Filter(
        actor=some(random, ACTORS),
        role=some(random, ROLES),
        patient=some(random, tuple(f"p-{number}" for number in range(5))),
        episode=some(random, tuple(f"e-{number}" for number in range(9)), 0.1),
        command=some(random, COMMANDS),
        trigger=some(random, TRIGGERS, 0.1),
        outcome=some(random, OUTCOMES),
        state=some(random, STATES, 0.1),
        rule=some(random, RULES),
        answer=some(random, (*ANSWERS, "override"), 0.15),
        level=some(random, LEVELS, 0.15),
        override=random.choice((None, None, None, True, False)),
        signed=random.choice((None, None, None, True, False)),
        recorded=a_span(random, log),
        occurred=a_span(random, log),
        entries=random.choice((None, None, Reach(low=edge, high=None), Reach(low=None, high=edge))),
        text=random.choice(("", "", "", *WORDS)),
        within=random.choice((None, None, None, ("e-1", "e-2", "e-3"))),
    )


def holds(one: Told, wanted: Filter) -> bool:
    """Say whether an entry is wanted: the specification of a filter, as plain as it can be said."""
    said = says(one)
    for name in ("actor", "role", "patient", "episode", "command", "trigger", "outcome", "state"):
        if getattr(wanted, name) and said[name] not in getattr(wanted, name):
            return False
    for flag, count in ((wanted.override, said["overridden"]), (wanted.signed, said["signed"])):
        if flag is not None and flag != (count > 0):
            return False
    for span, at in ((wanted.recorded, said["recorded"]), (wanted.occurred, said["occurred"])):
        if span and ((span.low and at < span.low) or (span.high and at >= span.high)):
            return False
    reach = wanted.entries
    if reach and not (reach.low or 0) <= said["entry"] <= (said["entry"] if reach.high is None else reach.high):
        return False
    if wanted.within is not None and said["episode"] not in ("", *wanted.within):
        return False
    return _rules_hold(one, wanted) and _text_holds(one, wanted)


def _rules_hold(one: Told, wanted: Filter) -> bool:
    if not (wanted.rule or wanted.answer or wanted.level):
        return True
    return any(
        (not wanted.rule or line.id in wanted.rule)
        and (not wanted.level or line.level in wanted.level)
        and (not wanted.answer or line.answer in wanted.answer or line.answer.split(":")[0] in wanted.answer)
        for line in one.envelope.rules
    )


def _text_holds(one: Told, wanted: Filter) -> bool:
    said = says(one)
    words = [said[name] for name in ("actor", "role", "type", "command", "trigger", "outcome", "state_before", "state")]
    words += [part for line in one.envelope.rules for part in (line.id, line.answer)]
    return all(any(term in word.casefold() for word in words) for term in wanted.text.casefold().split())


def in_order(log: list[Told], order: Order) -> list[int]:
    """Give the entries' numbers in an order."""
    return [
        said["entry"]
        for said in sorted(map(says, log), key=lambda said: (said[order.field], said["entry"]), reverse=order.falling)
    ]


def pages(index: Index, wanted: Filter, order: Order, limit: int) -> Iterator[list[int]]:
    """Walk every page."""
    after = ""
    while True:
        page = page_of(index, wanted, order, limit=limit, after=after)
        yield [row["entry"] for row in page.found]
        after = page.after
        if not after:
            return


@pytest.fixture(scope="module")
def searched(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, list[Told]]]:
    """Give a search of a log of 300 made-up entries."""
    home = Directory(founded).copy(tmp_path_factory.mktemp("searched") / "data")
    log = a_log(Random(7), 300)  # noqa: S311 - the same log each time
    put_in(home, log)
    with closing(home.open()) as database, searching(database) as index:
        yield index, log


@pytest.mark.parametrize("seed", range(12))
def test_a_search_finds_what_reading_every_entry_finds(searched: tuple[Index, list[Told]], seed: int) -> None:
    """Random filters in random orders, in pages of random length, against a plain walk over the envelopes."""
    index, log = searched
    random = Random(seed)  # noqa: S311
    met = 0
    for _ in range(40):
        wanted = a_filter(random, log)
        order = Order(field=random.choice(tuple(FIELDS)), falling=random.random() < 0.5)

        expected = in_order([one for one in log if holds(one, wanted)], order)

        found = [number for page in pages(index, wanted, order, random.choice((1, 3, 50, 400))) for number in page]
        assert (found, wanted, order) == (expected, wanted, order)
        assert list(numbers_of(index, wanted, order)) == expected
        assert count_of(index, wanted, 1000) == len(expected)
        assert set(persons_of(index, wanted)) == {log[number].person for number in expected} - {None}
        met += bool(expected)
    assert met > 5


def test_a_search_is_the_same_on_both_kinds_of_database(home: Home) -> None:
    """The index is read off SQLite and PostgreSQL alike."""
    log = a_log(Random(3), 60)  # noqa: S311
    put_in(home, log)
    with closing(home.open()) as database, searching(database) as index:
        for name in FIELDS:
            assert list(numbers_of(index, Filter(), Order(field=name))) == in_order(log, Order(field=name))
        page = page_of(index, Filter(rule=("PATH-05",)), Order(field="entry", falling=False), limit=100)

    assert [row["entry"] for row in page.found] == [
        one.envelope.index for one in log if "PATH-05" in {rule.id for rule in one.envelope.rules}
    ]
    for row in page.found:
        lines = [(line["id"], line["level"], line["value"], line["answer"]) for line in row["lines"]]
        assert lines == [(one.id, one.level, one.value, one.answer) for one in log[row["entry"]].envelope.rules]


@pytest.mark.parametrize("falling", [False, True], ids=["rising", "falling"])
@pytest.mark.parametrize("name", FIELDS)
def test_pages_stand_still_while_entries_arrive(
    searched: tuple[Index, list[Told]], name: str, *, falling: bool
) -> None:
    """Every field sorts both ways; the pages hold the log as it was at the first one, nothing twice, nothing left out."""
    index, log = searched
    order = Order(field=name, falling=falling)
    then = index.__class__(
        connection=index.connection, origin=index.origin, size=200, root=index.root, added=0, rebuilt=False
    )

    first = page_of(then, Filter(), order, limit=17)
    found = [row["entry"] for row in first.found]
    after = first.after
    while after:
        page = page_of(index, Filter(), order, limit=17, after=after)  # a hundred more entries are there by now
        found += [row["entry"] for row in page.found]
        after = page.after
        assert page.size == 200

    assert found == in_order(log[:200], order)


# --- cursors ------------------------------------------------------------------------------------------------------


def test_a_changed_cursor_is_refused(searched: tuple[Index, list[Told]]) -> None:
    """A letter changed anywhere, a piece cut off, nonsense: none gives a page."""
    index, _ = searched
    order, wanted = Order(), Filter(actor=("ann",))
    cursor = page_of(index, wanted, order, limit=2).after

    tries = [cursor[:at] + ("B" if cursor[at] == "A" else "A") + cursor[at + 1 :] for at in range(len(cursor))]
    tries += [
        cursor[:-4],
        f"{cursor}AAAA",
        "!!!",
        "AAAA",
        "W10",
        "bnVsbA",
        "é",
        "W1tdLFtdLFtdLFtdXQ",
        "W251bGwsMSwyLDNd",
    ]

    for one in tries:
        with pytest.raises(InvalidInput, match="cursor"):
            page_of(index, wanted, order, limit=2, after=one)
    assert page_of(index, wanted, order, limit=2, after=cursor).found


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (Filter(), Order()),
        (Filter(actor=("anna",)), Order()),
        (Filter(actor=("ann",), text="x"), Order()),
        (Filter(actor=("ann",)), Order(falling=False)),
        (Filter(actor=("ann",)), Order(field="occurred")),
    ],
    ids=str,
)
def test_a_cursor_belongs_to_its_search(searched: tuple[Index, list[Told]], wanted: Filter, order: Order) -> None:
    """With another filter or another order it would give a list with holes: it is refused."""
    index, _ = searched
    cursor = page_of(index, Filter(actor=("ann",)), Order(), limit=2).after

    with pytest.raises(InvalidInput, match="cursor"):
        page_of(index, wanted, order, limit=2, after=cursor)


def test_a_cursor_belongs_to_its_log(searched: tuple[Index, list[Told]]) -> None:
    """That of another log, or of this one when it was longer (a backup was restored), is refused."""
    index, _ = searched
    cursor = page_of(index, Filter(), Order(), limit=2).after
    values: dict[str, Any] = {one.name: getattr(index, one.name) for one in fields(Index)}

    for changed in ({"origin": "elsewhere.example/log"}, {"size": 100}):
        with pytest.raises(InvalidInput, match="cursor"):
            page_of(Index(**(values | changed)), Filter(), Order(), limit=2, after=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_length(searched: tuple[Index, list[Told]], limit: int) -> None:
    """None, or more than a thousand, is not given."""
    with pytest.raises(InvalidInput, match="ask for 1 to 1000"):
        page_of(searched[0], Filter(), Order(), limit=limit)


def test_an_order_names_a_field() -> None:
    """Anything else is refused; nothing that is typed becomes SQL."""
    for typed in ("", "-", "name", "entry; DROP TABLE entry", "--entry", "recorded DESC"):
        with pytest.raises(InvalidInput, match="use one of entry, recorded"):
            Order.of(typed)
    assert Order.of("-actor") == Order(field="actor", falling=True)
    assert Order.of("actor").typed == "actor"


# --- what helps ---------------------------------------------------------------------------------------------------


def test_what_finds_nothing_says_which_condition_to_leave_out(searched: tuple[Index, list[Told]]) -> None:
    """For each condition: how many there would be without it; those that would still find nothing are not named."""
    index, log = searched
    wanted = Filter(actor=("nobody",), outcome=("refused",), text="path-05")

    found = dict(loosened(index, wanted, 1000))

    assert found == {
        "actor": sum(holds(one, Filter(outcome=("refused",), text="path-05")) for one in log),
    }
    assert dict(loosened(index, Filter(actor=("nobody",)), 10)) == {"actor": 10}
    assert dict(loosened(index, Filter(actor=("nobody",), rule=("NO-1",)), 10)) == {}


def test_the_words_of_the_log_are_known(searched: tuple[Index, list[Told]]) -> None:
    """Rules and actors that occur, for whoever mistypes one."""
    index, _ = searched

    assert set(known_of(index, "rule")) == set(RULES)
    assert set(known_of(index, "actor")) == set(ACTORS)
    assert set(known_of(index, "state")) == set(STATES)


def test_found_texts_count_as_the_entries_words(searched: tuple[Index, list[Told]]) -> None:
    """A word that stands in an opened text finds its entry; each word may stand in another place."""
    index, log = searched
    (third,) = (one for one in log if one.envelope.index == 3)
    wanted = Filter(text=f"wharf {third.envelope.actor.id}", texts={"wharf": (3, 5)})

    found = set(numbers_of(index, wanted, Order()))

    assert 3 in found
    assert found <= {3, 5}


def test_an_empty_log_is_searched_like_any_other(database: Database) -> None:
    """Nothing is found, and nothing goes wrong."""
    with searching(database) as index:
        assert page_of(index, Filter(text="ann"), Order(), limit=5).found == ()
        assert (index.size, index.added) == (0, 0)
