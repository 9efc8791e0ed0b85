"""The daily digest: numbers on the morning of a working day, once, and a word on what came too late."""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Event
from typing import Any, Literal

import pytest

from engine.audit import instant
from engine.model import Actor, Command, Json, Kind, Role
from stepcare.channels.configured import Configured
from stepcare.channels.port import Parcel, Result, temporary
from stepcare.channels.rates import Rate, Rates
from stepcare.digest import LEASE, MOST_TRIES, Digest, deliver_digests, due_digests
from stepcare.worker.sending import Post as Ways
from storage.digests import claim_digest, dropped, settle_digest
from storage.pump import Pump
from storage.staff import Colleague, Staff
from tests.web.conftest import House
from tests.worlds import utc

MORNING = utc(2026, 3, 2, 9)  # a Monday, ten o'clock in Berlin
MINUTE = timedelta(minutes=1)
CRASH = "crash"


@dataclass
class Post:
    """A channel that remembers what it was given, and answers as it was told; the last answer goes on."""

    name: str = "mail"
    on_unknown: Literal["resend", "ask", "hand_over"] = "resend"
    at_once: int = 1
    deadline: float = 1.0
    answers: list[str] = field(default_factory=lambda: ["accepted"])
    known: Result | None = None
    taken: list[Parcel] = field(default_factory=list)
    hangs: Event | None = None

    def send(self, parcel: Parcel) -> Result:
        """Take a parcel."""
        if self.hangs is not None:
            self.hangs.wait(10)
        self.taken.append(parcel)
        said: Any = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Result(status="accepted", code=CRASH) if said == CRASH else Result(status=said, code="told")

    def ask(self, parcel: Parcel) -> Result | None:  # noqa: ARG002 - a channel's own form
        """Say what is known of it."""
        return self.known

    def close(self) -> None:
        """Keep nothing open."""


class Out(Ways):
    """The worker's ways out, of which one may be the last thing that its process does."""

    def send(self, parcel: Parcel) -> Result:
        """Send, and die where the channel was told so."""
        result = super().send(parcel)
        if result.code == CRASH:
            raise SystemExit
        return result


def out(house: House, *posts: Post) -> Out:
    """Give the ways out that a worker has, with these channels."""
    fast = Rate(per_second=1e6, burst=1_000_000)
    rates = {one.name: Rates(channel=fast, person=fast) for one in posts}
    ways = Configured(channels={one.name: one for one in posts}, rates=rates, site_rate=fast)
    return Out(ways, Pump(house.app.database, "w1"), house.clock.monotonic)


@pytest.fixture
def site(house: House) -> House:
    """Give a site whose coordinator ann can be reached by mail."""
    reached(house, "ann", Role.COORDINATOR)
    return house


def reached(
    house: House, who: str, *roles: Role, teams: tuple[str, ...] = ("main",), by: tuple[str, ...] = ("mail",)
) -> None:
    """Give a colleague an address on each of these channels."""
    contacts = dict.fromkeys(by, f"{who}@clinic.example")
    Staff(house.app.database).add(Colleague(id=who, roles=roles, teams=teams, contacts=contacts, channels=by))


def sent(house: House, *posts: Post) -> dict[str, int]:
    """Send what is due now; gives how many came to which end."""
    with closing(out(house, *posts)) as ways:
        return dict(deliver_digests(house.app, ways, house.clock()))


def due(house: House) -> dict[str, Digest]:
    """Give what is due now, by colleague."""
    return {one.actor: one for one in due_digests(house.app, house.clock())}


def set_parameter(house: House, name: str, value: Json) -> None:
    """Set one of the site's numbers."""
    command = Command(
        id=house.app.make_id(),
        kind=Kind.SET_PARAMETER,
        actor=Actor(id="olga", role=Role.PATHWAY_OWNER),
        values={"name": name, "value": value},
    )
    answer = house.app.engine.handle(command)
    assert answer.decision.outcome == "accepted", answer.decision.problem


# --- what it says -------------------------------------------------------------------------------------------------


def test_a_digest_counts_by_rank_and_names_nobody(site: House) -> None:
    """Two triages are due: a number with its plural; no name, no reference, no address in the text."""
    episodes = [site.register(name="Wilhelmine Canary"), site.register()]
    site.clock.forward(hours=1)
    owed = site.get("ann", "/api/v1/due?limit=500").json()["items"]

    found = due(site)["ann"]

    assert sum(found.counts.values()) == len(owed)
    assert found.subject == "Your work today"
    for rank, many in found.counts.items():
        assert many == sum(one["rank"] == rank for one in owed)
    assert f"- {found.counts['due']} piece" in found.text
    for secret in ("Canary", "Ludens", "clinic.example", *episodes):
        assert secret not in found.text
        assert secret not in found.subject


def test_one_and_many_are_said_as_the_language_says_them(site: House) -> None:
    """One piece of work, two pieces of work."""
    site.register()
    site.clock.forward(hours=1)
    first = due(site)["ann"]
    site.register()
    site.clock.forward(hours=1)
    second = due(site)["ann"]

    assert (first.counts["due"], second.counts["due"]) == (1, 2)
    assert "1 piece of work due" in first.text
    assert "2 pieces of work due" in second.text


def test_a_colleague_hears_of_their_own_roles_and_teams_only(site: House) -> None:
    """The other team's coordinator and the assessor of this one are told other numbers; an auditor owes nothing."""
    reached(site, "otto", Role.COORDINATOR, teams=("other",))
    reached(site, "ravi", Role.ASSESSOR)
    reached(site, "adam", Role.ADMINISTRATOR)
    site.register()
    site.clock.forward(hours=1)

    found = due(site)

    assert set(found) == {"ann", "otto", "ravi"}
    assert (found["ann"].counts, found["otto"].counts, found["ravi"].counts) == ({"due": 1}, {}, {})


def test_what_somebody_else_owes_by_name_is_theirs(site: House) -> None:
    """Two coordinators: the work of an episode that ann owns is not counted for cora."""
    reached(site, "cora", Role.COORDINATOR)
    episode = site.register()
    site.command("ann", episode, {"kind": "assign", "values": {"owner": "ann"}})
    site.clock.forward(hours=1)

    found = due(site)

    assert (found["ann"].counts, found["cora"].counts) == ({"due": 1}, {})


def test_nothing_to_tell_is_not_told(site: House) -> None:
    """No work, nothing dropped: no message, and nobody counts again that day."""
    post = Post()

    assert sent(site, post) == {"nothing": 1}
    assert post.taken == []
    assert due(site) == {}


# --- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (utc(2026, 3, 2, 5, 59), False),  # Monday 06:59
        (utc(2026, 3, 2, 6, 0), True),  # 07:00, the end of the staff's quiet hours
        (utc(2026, 3, 2, 16, 59), True),  # 17:59: the worker was down in the morning
        (utc(2026, 3, 2, 17, 0), False),  # 18:00
        (utc(2026, 3, 7, 9, 0), False),  # Saturday
        (utc(2026, 3, 30, 5, 0), True),  # Monday after the clocks went forward, 07:00
        (utc(2026, 3, 30, 4, 59), False),
    ],
)
def test_it_comes_on_the_morning_of_a_working_day(site: House, at: Any, told: bool) -> None:
    """On the site's clock, from the end of the staff's quiet hours until they begin again, never on a day off."""
    site.register()
    site.clock.now = at

    assert bool(due(site)) is told


def test_it_does_not_come_on_a_closed_day(site: House) -> None:
    """The parameter says which days; no library is asked."""
    set_parameter(site, "closed_days", ["2026-03-02"])

    assert due(site) == {}
    site.clock.forward(days=1)
    assert set(due(site)) == {"ann"}


def test_who_is_away_is_left_in_peace(site: House) -> None:
    """Away from today to Tuesday: told again on Wednesday."""
    values: dict[str, Json] = {"who": "ann", "cover": "otto", "from": "2026-03-02", "until": "2026-03-03"}
    lena = Actor(id="lena", role=Role.LEAD)
    answer = site.app.engine.handle(Command(id=site.app.make_id(), kind=Kind.ABSENCE, actor=lena, values=values))
    assert answer.decision.outcome == "accepted"

    assert due(site) == {}
    site.clock.forward(days=2)
    assert set(due(site)) == {"ann"}


# --- once ---------------------------------------------------------------------------------------------------------


def test_it_is_sent_once_a_day(site: House) -> None:
    """However often the worker looks; the next day it is another one, with another key."""
    site.register()
    site.clock.forward(hours=1)
    post = Post()

    assert sent(site, post) == {"accepted": 1}
    assert sent(site, post) == {}
    site.clock.forward(days=1)
    assert sent(site, post) == {"accepted": 1}

    first, second = post.taken
    assert (first.to, first.channel, first.attempt) == ("ann@clinic.example", "mail", 1)
    assert first.key != second.key
    assert "ann" not in first.key


def test_two_workers_send_one(site: House) -> None:
    """Whoever writes the row first has it; the other one finds it taken."""
    day, now = date(2026, 3, 2), site.clock()

    first = claim_digest(site.app.database, day, "ann", channel="mail", now=now, lease=LEASE)
    second = claim_digest(site.app.database, day, "ann", channel="mail", now=now, lease=LEASE)

    assert first is not None
    assert second is None


def test_what_was_not_taken_is_tried_again_under_the_same_key(site: House) -> None:
    """Greylisted: certainly not taken, so again in half a minute, twice as long each time."""
    site.register()
    site.clock.forward(hours=1)
    post = Post(answers=["temporary", "temporary", "accepted"])

    assert sent(site, post) == {"waiting": 1}
    site.clock.forward(seconds=29)
    assert sent(site, post) == {}
    site.clock.forward(seconds=1)
    assert sent(site, post) == {"waiting": 1}
    site.clock.forward(seconds=60)
    assert sent(site, post) == {"accepted": 1}

    assert len({one.key for one in post.taken}) == 1
    assert [one.attempt for one in post.taken] == [1, 2, 3]


def test_trying_comes_to_an_end(site: House) -> None:
    """A channel that never takes it has failed after twelve tries; a refusal that is final, after one."""
    site.register()
    site.clock.forward(hours=1)
    post, ends = Post(answers=["temporary"]), []
    for _ in range(MOST_TRIES):
        ends += list(sent(site, post))
        site.clock.forward(minutes=30)

    assert ends == ["waiting"] * (MOST_TRIES - 1) + ["failed"]
    site.clock.forward(days=1, hours=-6)
    assert sent(site, Post(answers=["permanent"])) == {"failed": 1}
    assert sent(site, post) == {}


@pytest.mark.parametrize(
    ("rule", "known", "end", "parcels"),
    [
        ("resend", None, "accepted", 2),
        ("ask", Result(status="accepted", code="known"), "accepted", 1),
        ("ask", None, "unknown", 1),
        ("hand_over", None, "unknown", 1),
    ],
)
def test_a_crash_while_sending_is_settled_by_the_channels_rule(
    site: House, rule: Literal["resend", "ask", "hand_over"], known: Result | None, end: str, parcels: int
) -> None:
    """The worker died between intent and outcome: sent again under the same key, asked after, or left to a person."""
    site.register()
    site.clock.forward(hours=1)
    post = Post(on_unknown=rule, answers=[CRASH, "accepted"], known=known)
    with pytest.raises(SystemExit):
        sent(site, post)

    assert sent(site, post) == {}  # the dead worker's claim still stands
    site.clock.now += LEASE
    assert sent(site, post) == {end: 1}
    assert sent(site, post) == {}

    assert len(post.taken) == parcels
    assert len({one.key for one in post.taken}) == 1


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        ("resend", [{"waiting": 1}, {"accepted": 1}]),
        ("ask", [{}, {"unknown": 1}]),
        ("hand_over", [{"unknown": 1}, {}]),
    ],
)
def test_an_answer_that_never_came_is_settled_by_the_channels_rule(
    site: House, rule: Literal["resend", "ask", "hand_over"], ends: list[dict[str, int]]
) -> None:
    """The line broke after the last byte: again where the receiver knows the key, else asked later, else unknown."""
    site.register()
    site.clock.forward(hours=1)
    post = Post(on_unknown=rule, answers=["unknown", "accepted"])

    first = sent(site, post)
    site.clock.now += LEASE

    assert [first, sent(site, post)] == ends


def test_an_outcome_that_comes_too_late_is_not_kept(site: House) -> None:
    """A frozen worker wakes after another has taken over: what it has to say changes nothing."""
    day, now = date(2026, 3, 2), site.clock()
    frozen = claim_digest(site.app.database, day, "ann", channel="mail", now=now, lease=LEASE)
    other = claim_digest(site.app.database, day, "ann", channel="mail", now=now + LEASE, lease=LEASE)

    assert frozen is not None
    assert other is not None
    assert other.resumed
    assert not settle_digest(site.app.database, frozen, "failed")
    assert settle_digest(site.app.database, other, "accepted")


def test_who_cannot_be_reached_from_here_is_not_claimed(site: House) -> None:
    """No channel of theirs is configured: nothing is written, so that it can still go once one is."""
    site.register()
    site.clock.forward(hours=1)

    assert sent(site) == {}
    assert sent(site, Post()) == {"accepted": 1}


# --- by the worker's own ways -------------------------------------------------------------------------------------


def test_what_one_channel_refuses_for_good_goes_on_the_next(site: House) -> None:
    """The address is no more: the colleague's next way takes over, and after the last one nobody does."""
    reached(site, "ann", Role.COORDINATOR, by=("mail", "sms"))
    site.register()
    site.clock.forward(hours=1)
    mail, sms = Post(answers=["permanent"]), Post(name="sms", answers=["temporary", "accepted"])

    ends = [sent(site, mail, sms)]
    for _ in range(3):
        ends.append(sent(site, mail, sms))
        site.clock.forward(minutes=2)

    assert ends == [{"waiting": 1}, {"waiting": 1}, {"accepted": 1}, {}]
    assert [(one.channel, one.attempt) for one in (*mail.taken, *sms.taken)] == [("mail", 1), ("sms", 2), ("sms", 3)]


def test_a_channel_that_rests_is_not_tried_and_no_try_is_used_up(site: House) -> None:
    """Its breaker is open: the digest is not begun, and goes once the channel is tried again."""
    site.register()
    site.clock.forward(hours=1)
    post = Post()
    with closing(out(site, post)) as ways:
        for _ in range(5):
            ways._breakers["mail"].heard(temporary("unreachable"))
        assert dict(deliver_digests(site.app, ways, site.clock())) == {}
        site.clock.forward(minutes=5)
        assert dict(deliver_digests(site.app, ways, site.clock())) == {"accepted": 1}

    assert [one.attempt for one in post.taken] == [1]


def test_a_channel_that_hangs_is_given_up_at_its_deadline(site: House) -> None:
    """The lane gives it up as unknown; whoever sends digests goes on to the next colleague."""
    for who in ("ann", "otto"):
        reached(site, who, Role.COORDINATOR)
    site.register()
    site.clock.forward(hours=1)
    free = Event()
    post = Post(at_once=2, deadline=0.05, on_unknown="hand_over", hangs=free)

    ends = sent(site, post)
    free.set()

    assert ends == {"unknown": 2}


def test_digests_keep_to_the_rate_of_their_channel(site: House) -> None:
    """One token a minute: the second colleague's waits for the next look, without a try."""
    for who in ("ann", "otto"):
        reached(site, who, Role.COORDINATOR)
    site.register()
    site.clock.forward(hours=1)
    post = Post()
    slow = Rates(channel=Rate(per_second=1 / 60, burst=1))
    ways = Configured(channels={"mail": post}, rates={"mail": slow})
    with closing(Out(ways, Pump(site.app.database, "w1"), site.clock.monotonic)) as one_by_one:
        ends = [dict(deliver_digests(site.app, one_by_one, site.clock()))]
        site.clock.forward(minutes=1)
        ends.append(dict(deliver_digests(site.app, one_by_one, site.clock())))

    assert ends == [{"accepted": 1}, {"accepted": 1}]
    assert [one.attempt for one in post.taken] == [1, 1]


# --- what was dropped ---------------------------------------------------------------------------------------------


def test_reminders_that_came_too_late_are_one_line(site: House) -> None:
    """The service was down for a month: what expired meanwhile is counted once, in the first digest after it."""
    site.register()
    database = site.app.database
    expire(site, 12)
    site.clock.forward(hours=1)
    post = Post()

    assert due(site)["ann"].dropped == 12
    assert "12 reminders were not sent because they came too late." in due(site)["ann"].text
    sent(site, post)
    site.clock.forward(days=1)
    assert due(site)["ann"].dropped == 0
    assert dropped(database, [], MORNING, site.clock()) == 0
    assert dropped(database, ["other"], MORNING - MINUTE, site.clock()) == 0


def expire(house: House, many: int) -> None:
    """Have so many timers of one episode expire now."""
    episode = house.register()
    row = {"episode": episode, "at": instant(house.clock())}
    with house.app.database.writing() as connection:
        for number in range(many):
            connection.execute(
                "INSERT INTO timer (episode_id, id, kind, occurrence, at, local, zone, armed_on, expires_at, state) "
                "VALUES (:episode, :id, 'reassessment', 's0', :at, '2026-03-02T10:00', 'Europe/Berlin', 1, :at, 'expired')",
                {**row, "id": f"made:{number}"},
            )
