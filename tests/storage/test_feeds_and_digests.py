"""Addresses of calendars, dated work, and digests: the same on both kinds of database."""

from datetime import date, timedelta

import pytest

from engine.errors import NotFound
from storage.digests import claim_digest, dropped, last_digest, settle_digest, waiting_digests
from storage.feeds import Covers, Feed, Shown, add_feed, all_feeds, dated_work, find_feed, revoke_feed
from tests.storage.acts import NOW, Acts

HASH, OTHER = "a" * 64, "b" * 64
DAY = date(2026, 3, 2)
LEASE = timedelta(minutes=10)


def a_feed(token_hash: str = HASH, who: str = "ann") -> Feed:
    """Give an address that lasts a day."""
    return Feed(token_hash=token_hash, actor=who, covers=Covers.TEAM, made_at=NOW, expires_at=NOW + timedelta(days=1))


def shown(*teams: str, owner: str | None = None, most: int = 10) -> Shown:
    """Say which work to show: due within half a year."""
    since, until = NOW - timedelta(days=30), NOW + timedelta(days=183)
    return Shown(teams=frozenset(teams), owner=owner, since=since, until=until, most=most)


def test_an_address_is_kept_as_it_is(acts: Acts) -> None:
    """And found by its hash alone."""
    database = acts.store.database

    assert add_feed(database, a_feed()) is False
    assert find_feed(database, HASH) == a_feed()
    assert find_feed(database, OTHER) is None
    assert [one.id for one in all_feeds(database)] == ["a" * 12]


def test_a_new_address_takes_the_former_one_back(acts: Acts) -> None:
    """In one commit; somebody else's stays. One that has expired by itself is not taken back."""
    database = acts.store.database
    add_feed(database, a_feed("c" * 64, "otto"))
    add_feed(database, a_feed())

    assert add_feed(database, a_feed(OTHER)) is True

    assert {one.token_hash[0]: one.stands(NOW) for one in all_feeds(database)} == {"a": False, "b": True, "c": True}


def test_taking_back_is_for_ever(acts: Acts) -> None:
    """Twice changes nothing; an unknown one is said to be none."""
    database = acts.store.database
    add_feed(database, a_feed())

    assert revoke_feed(database, "a" * 12, NOW) is True
    assert revoke_feed(database, "a" * 12, NOW) is False
    with pytest.raises(NotFound, match="feed list"):
        revoke_feed(database, "b" * 12, NOW)


def test_dated_work_is_the_teams_or_ones_own(acts: Acts) -> None:
    """By care team, by owner (the item's, else the episode's), no more than asked for; nobody's teams show nothing."""
    database = acts.store.database
    acts.register("e1")
    acts.visit("e1")

    found = dated_work(database, shown("main"))

    assert {one.episode for one in found} == {"e1"}
    assert {one.version for one in found} == {acts.store.episode("e1").version}
    assert len(dated_work(database, shown("main", most=1))) == 1
    assert dated_work(database, shown("other")) == dated_work(database, shown()) == []
    assert dated_work(database, shown("main", owner="nobody")) == []


def test_a_digest_is_claimed_once(acts: Acts) -> None:
    """By whoever writes the row first; again once its lease is over, with a higher fence."""
    database = acts.store.database
    first = claim_digest(database, DAY, "ann", channel="mail", now=NOW, lease=LEASE)
    taken = claim_digest(database, DAY, "ann", channel="mail", now=NOW, lease=LEASE)
    later = claim_digest(database, DAY, "ann", channel="sms", now=NOW + LEASE, lease=LEASE)

    assert first is not None
    assert taken is None
    assert later is not None
    assert (later.attempt, later.resumed, later.channel) == (2, True, "mail")
    assert settle_digest(database, first, "failed") is False
    assert settle_digest(database, later, "waiting", try_at=NOW + 2 * LEASE, detail="greylisted") is True


def test_what_waits_is_tried_at_its_time(acts: Acts) -> None:
    """Not before; then by whatever channel is first now, because it was certainly not taken."""
    database = acts.store.database
    first = claim_digest(database, DAY, "ann", channel="mail", now=NOW, lease=LEASE)
    assert first is not None
    settle_digest(database, first, "waiting", try_at=NOW + LEASE)

    assert waiting_digests(database, DAY, NOW) == (frozenset({"ann"}), {})
    assert waiting_digests(database, DAY, NOW + LEASE) == (frozenset(), {"ann": "mail"})
    assert claim_digest(database, DAY, "ann", channel="sms", now=NOW, lease=LEASE) is None
    again = claim_digest(database, DAY, "ann", channel="sms", now=NOW + LEASE, lease=LEASE)
    assert again is not None
    assert (again.channel, again.resumed) == ("sms", False)
    assert settle_digest(database, again, "accepted", reference="r1")
    assert claim_digest(database, DAY, "ann", channel="sms", now=NOW + 9 * LEASE, lease=LEASE) is None


def test_the_last_digest_is_that_of_an_earlier_day(acts: Acts) -> None:
    """What was dropped is counted from then on."""
    database = acts.store.database
    claim_digest(database, DAY, "ann", channel="mail", now=NOW, lease=LEASE)

    assert last_digest(database, "ann", DAY) is None
    assert last_digest(database, "ann", DAY + timedelta(days=1)) == NOW
    assert last_digest(database, "otto", DAY + timedelta(days=1)) is None


def test_nothing_dropped_is_nought(acts: Acts) -> None:
    """An episode with work, and nothing that expired."""
    acts.register("e1")

    assert dropped(acts.store.database, ["main", "other"], NOW - LEASE, NOW + LEASE) == 0
