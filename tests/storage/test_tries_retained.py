"""How long it is kept what was tried with a message: append-only until a retention run, a hold, an erasure."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.decision import Retained
from engine.errors import Conflict, StepcareError
from engine.model import Kind, Message, Outcome
from engine.service import Change
from stepcare.custody import due_by_retention, finish_erasures, retain
from stepcare.replay import Replay
from storage.pump import Pump
from storage.retention import old_tries
from storage.vault import Details
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import Acts
from tests.storage.erased import ADAM, PETRA, WORKER, Site, site_at
from tests.storage.homes import Home
from tests.storage.waiting import LATER, asked, messages, put

YEAR = timedelta(days=365)
BEFORE = LATER + YEAR
ROWS = "SELECT count(*) FROM {}"


def tried(acts: Acts, episode: str, at: datetime, *, ends: bool = True) -> Message:
    """Send a message of an episode, and end it; its receipt comes at once."""
    number = len(acts.store.episode(episode).messages)
    messages(acts, episode, number + 1)
    pump = Pump(acts.store.database, "w1")
    (claimed,) = pump.claim_messages(at)
    assert pump.intend(claimed, at, acts.store.episode(episode).version)
    assert pump.attempted(claimed, at, "accepted", reference=f"{episode}-{number}")
    assert pump.received("console", f"{episode}-{number}", "delivered", at)
    message = next(one for one in acts.store.episode(episode).messages if one.id == claimed.id)
    if ends:
        put(acts, episode, replace(message, status="accepted"))
    return message


def counts(acts: Acts) -> tuple[object, ...]:
    """Count tries and receipts."""
    return tuple(
        asked(acts.store.database, ROWS.format(table))[0][0] for table in ("delivery_attempt", "delivery_receipt")
    )


def run_of(acts: Acts, before: datetime, count: int) -> Change:
    """Give the entry of a run that takes tries and receipts away."""
    return acts.site_change(Kind.RETAIN, Retained(what="messages", before=before, count=count))


@pytest.fixture
def sent(acts: Acts) -> Acts:
    """Give a message that was sent and ended, with its two steps and its receipt."""
    acts.register("e1", "p1")
    tried(acts, "e1", LATER)
    return acts


def test_a_run_takes_away_what_was_tried_before_and_says_how_much(sent: Acts) -> None:
    """A year after a message ended only the log says that it was sent; the run's own entry says how much went."""
    before = LATER + timedelta(seconds=1)
    assert old_tries(sent.store.database, before) == 3

    sent.keep(run_of(sent, before, 3))

    assert counts(sent) == (0, 0)
    assert [one.status for one in sent.store.episode("e1").messages] == ["accepted"]


def test_what_was_tried_since_stays(sent: Acts) -> None:
    """The run's instant is the border: at it, not before it."""
    assert old_tries(sent.store.database, LATER) == 0

    sent.keep(run_of(sent, LATER, 0))

    assert counts(sent) == (2, 1)


def test_what_waits_still_keeps_its_tries(acts: Acts) -> None:
    """A message without an end is not old, however long ago it was tried; a receipt stays with it."""
    acts.register("e1", "p1")
    tried(acts, "e1", LATER, ends=False)

    assert old_tries(acts.store.database, BEFORE) == 0


def test_a_receipt_of_nothing_goes_when_it_is_old(sent: Acts) -> None:
    """What nobody can say the message of is no more than old."""
    Pump(sent.store.database, "w1").received("email", "whose?", "bounced", LATER)

    assert old_tries(sent.store.database, BEFORE) == 4


def test_a_run_that_counts_wrong_takes_nothing(sent: Acts) -> None:
    """Something was added since it was counted: count again. The entry is not kept either."""
    with pytest.raises(Conflict, match="run it again"):
        sent.keep(run_of(sent, BEFORE, 2))

    assert counts(sent) == (2, 1)


DELETIONS = ("DELETE FROM delivery_attempt", "DELETE FROM delivery_receipt")
TAKEN = "INSERT INTO delivery_run (entry, before, count) VALUES ({}, '2029-01-01T00:00:00.000000Z', {})"


@pytest.mark.parametrize(
    "attack",
    [
        *DELETIONS,
        "UPDATE delivery_receipt SET detail = 'x'",
        "UPDATE delivery_attempt SET detail = 'x'",
        TAKEN.format(1, 3),
        TAKEN.format(99, 3),
        TAKEN.format("NULL", 3),
    ],
)
def test_nobody_takes_tries_away_without_a_run(home: Home, sent: Acts, attack: str) -> None:
    """Neither the program's own role nor the owner, with or without a row that names an entry."""
    with closing(home.open()) as database, pytest.raises(StepcareError), database.writing() as connection:
        connection.execute(attack)

    assert counts(sent) == (2, 1)


def test_an_old_run_lets_nobody_delete_later(home: Home, sent: Acts) -> None:
    """The door is open in the commit of the run's entry alone."""
    sent.keep(run_of(sent, BEFORE, 3))
    tried(sent, "e1", LATER)

    with closing(home.open()) as database:
        for attack in (*DELETIONS, "DELETE FROM delivery_run", "UPDATE delivery_run SET count = 0"):
            with pytest.raises(StepcareError), database.writing() as connection:
                connection.execute(attack)

    assert counts(sent) == (2, 1)


# --- through the door ---------------------------------------------------------------------------------------------


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    """Give a site on each kind of database; afterwards it must verify, and replay to the same decisions."""
    with site_at(home) as made:
        yield made
        report = verify_log(made.app.database, opener_of(made.app.database))
        assert (report.faults, report.verdict) == ((), Verdict.VERIFIED)
        assert [one for one in Replay(store=made.app.store).every() if one.differences] == []


def a_month_passes(site: Site) -> None:
    """Fire what is due, day by day."""
    for _ in range(30):
        site.clock.forward_to(site.clock() + timedelta(days=1))
        site.app.engine.fire_due(site.app.make_id)


def reminded(site: Site, name: str) -> tuple[str, str]:
    """Register somebody, and remind their coordinator a month later: (person, episode)."""
    person, episode = site.register(Details(name=name))
    a_month_passes(site)
    pump, now = Pump(site.app.database, "w1"), site.clock()
    claimed = [one for one in pump.claim_messages(now + timedelta(days=7)) if one.episode == episode]
    assert claimed
    for number, one in enumerate(claimed):
        version = site.app.store.episode(episode).version
        assert pump.intend(one, now, version)
        assert pump.attempted(one, now, "accepted", reference=f"{episode}-{number}")
        assert pump.received(one.channel, f"{episode}-{number}", "delivered", now)
        said = site.about(WORKER, Kind.DELIVER, episode, message=one.id, result="accepted", reason="")
        assert said.decision.outcome is Outcome.ACCEPTED, (said.decision.problem, said.decision.failed)
    return person, episode


def left(site: Site, episode: str) -> int:
    """Count what is left of an episode's tries."""
    return len(asked(site.app.database, "SELECT 1 FROM delivery_attempt WHERE episode_id = :episode", episode=episode))


def test_a_year_after_a_message_ended_its_tries_go_but_not_those_of_the_held(site: Site) -> None:
    """With an entry that counts them; whoever a legal hold is on keeps theirs, until it is released."""
    _, gone = reminded(site, "Ada Byron")
    person, held = reminded(site, "Mary Held")
    hold = site.ask(PETRA, Kind.HOLD, person=person, reason="complaint", matter="c-1")
    site.clock.forward_to(site.clock() + timedelta(days=367))
    before = left(site, gone), left(site, held)

    runs = due_by_retention(site.app)
    answer = retain(site.app, runs, ADAM)

    assert answer.decision.outcome is Outcome.ACCEPTED
    (count,) = (run.count for run in runs if run.rule.what == "messages")
    assert count == before[0] * 3 // 2  # two steps and a receipt of each message
    assert (left(site, gone), left(site, held)) == (0, before[1])
    site.ask(PETRA, Kind.RELEASE, person=person, hold=hold.decision.command.id)
    assert retain(site.app, due_by_retention(site.app), ADAM).decision.outcome is Outcome.ACCEPTED
    assert left(site, held) == 0
    assert asked(site.app.database, "SELECT count(*) FROM delivery_receipt") == [(0,)]


def test_a_run_that_is_not_what_its_entry_says_is_found(home: Home) -> None:
    """Somebody mighty takes more away and writes another number: the sealed entry says otherwise."""
    with site_at(home) as site:
        reminded(site, "Ada Byron")
        site.clock.forward_to(site.clock() + timedelta(days=367))
        retain(site.app, due_by_retention(site.app), ADAM)
    with home.unguarded() as connection:
        connection.execute("UPDATE delivery_run SET count = count + 1")

    with closing(home.open()) as database:
        report = verify_log(database, opener_of(database))

    assert [(fault.what, fault.idx is None) for fault in report.faults] == [("delivery_run", False)]


def test_an_erasure_takes_the_tries_of_its_person_at_once(site: Site) -> None:
    """A receiver's own reference leads to the person: it goes in the erasure's commit, receipts too; nobody is sent any more."""
    person, episode = reminded(site, "Ada Byron")
    _, other = reminded(site, "Mary Held")
    a_month_passes(site)
    pump = Pump(site.app.database, "w2")
    late = [one for one in pump.claim_messages(site.clock() + timedelta(days=7)) if one.episode == episode]
    site.close(episode)

    site.erase(person)

    assert left(site, episode) == 0
    assert left(site, other) > 0
    kept = asked(site.app.database, "SELECT reference FROM delivery_receipt")
    assert {str(one).startswith(other) for (one,) in kept} == {True}
    assert [pump.attempted(one, site.clock(), "accepted", reference="late") for one in late] == [False] * len(late)
    assert left(site, episode) == 0
    assert [one for one in pump.claim_messages(site.clock() + timedelta(days=90)) if one.episode == episode] == []
    list(finish_erasures(site.app))
