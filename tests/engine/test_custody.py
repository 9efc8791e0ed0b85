"""What is kept, for how long, and under which keys: legal holds, erasure by two people, census, keys of the log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.closing import Closing
from engine.custody import BASES, FIELDS, HOLD_REASONS
from engine.decision import Decision, Erased
from engine.fold import fold_site
from engine.model import Actor, Command, Json, Kind, Outcome, Person, Role, Site
from engine.site import decide_site
from tests.worlds import LENA, WORKER, utc

PETRA = Actor(id="petra", role=Role.PRIVACY_OFFICER)
ADAM = Actor(id="adam", role=Role.ADMINISTRATOR)
NOW = utc(2026, 3, 2, 8)
CLOSED = Person(id="p1", version=4, episodes={"e1": ("upper_back", "closed"), "e2": ("hip", "void")})
CLOSES = Closing(episodes={"e1": 4, "e2": 2}, refused=1, digest="5" * 64)
VKEY = "clinic.example/log+0b5a4d2e+AVrL3V0c8yLZLpk3VX7lBqYH5e1Q2k6ZQ0mC4sLq1XyT"
ERASE: dict[str, Json] = {"person": "p1", "basis": "consent_withdrawn"}


def ask(
    site: Site, by: Actor, kind: Kind, of: str | None = None, about: Person | None = None, /, **values: Json
) -> Decision:
    """Decide one command of custody; no pathway is published."""
    command = Command(id=f"s{site.version}", kind=kind, actor=by, values=values, of=of)
    return decide_site(site, None, command, NOW, about, CLOSES)


def after(site: Site, decision: Decision) -> Site:
    """Give the site after an accepted or waiting decision."""
    assert decision.outcome in (Outcome.ACCEPTED, Outcome.NEEDS_SIGN_OFF), (decision.problem, decision.failed)
    return fold_site(site, decision.events)


def erase(site: Site, by: Actor = PETRA, person: Person | None = CLOSED, **other: Json) -> Decision:
    """Ask to erase p1."""
    command = Command(id=f"s{site.version}", kind=Kind.ERASE, actor=by, values={**ERASE, **other})
    return decide_site(site, None, command, NOW, person, CLOSES)


def test_erasing_takes_two_people() -> None:
    """The privacy officer asks; the lead says yes; only then is anything erased."""
    asked = erase(Site())
    site = after(Site(), asked)

    signed = ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes")

    assert asked.failed == ("ERASE-03",)
    assert site.erasures == ()
    assert [one.person for one in after(site, signed).erasures] == ["p1"]
    assert signed.events[-1] == Erased(erasure=after(site, signed).erasures[0], closes=CLOSES)


@pytest.mark.parametrize("episodes", [None, {"e1": 4}, {"e1": 4, "e2": 2, "e3": 9}], ids=["unasked", "fewer", "more"])
def test_nobody_is_erased_with_episodes_that_are_not_theirs(episodes: dict[str, int] | None) -> None:
    """What the log says is about them must be the episodes they have; else another person's could go with them."""
    asked = erase(Site())
    site = after(Site(), asked)
    command = Command(id="yes", kind=Kind.SIGN_OFF, actor=LENA, values={"answer": "yes"}, of=asked.command.id)
    closing = None if episodes is None else Closing(episodes=episodes)

    answer = decide_site(site, None, command, NOW, CLOSED, closing)

    assert (answer.outcome, answer.events) == (Outcome.INVALID, ())
    assert "audit verify" in answer.problem


@pytest.mark.parametrize(
    ("who", "failed"),
    [
        (replace(LENA, id="petra"), "SIGN-02"),
        (Actor(id="petra", role=Role.ADMINISTRATOR), "SIGN-02"),
        (PETRA, "SIGN-02"),
        (Actor(id="paul", role=Role.PRIVACY_OFFICER), "ROLE-01"),
        (Actor(id="ravi", role=Role.ASSESSOR), "ROLE-01"),
        (Actor(id="ann", role=Role.COORDINATOR), "ROLE-01"),
        (WORKER, "ROLE-01"),
    ],
    ids=["self-as-lead", "self-as-administrator", "self", "another-officer", "assessor", "coordinator", "worker"],
)
def test_nobody_approves_their_own_erasure_and_few_approve_any(who: Actor, failed: str) -> None:
    """Not the one who asked, in whatever role; and nobody but a lead or an administrator."""
    asked = erase(Site())
    site = after(Site(), asked)

    answer = ask(site, who, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes")

    assert answer.outcome is Outcome.REFUSED
    assert answer.failed == (failed,)
    assert answer.events == ()


@pytest.mark.parametrize("by", [LENA, ADAM, WORKER, Actor(id="aziz", role=Role.AUDITOR)])
def test_only_the_privacy_officer_asks_to_erase(by: Actor) -> None:
    """Whoever may approve may not ask."""
    assert erase(Site(), by).failed == ("ROLE-01",)


def test_a_legal_hold_stops_an_erasure_also_one_that_was_asked_for_before() -> None:
    """What a court may want to see is not destroyed, and nobody can pass that."""
    asked = erase(Site())
    site = after(Site(), asked)
    held = _hold(site)
    site = after(site, held)

    again = erase(site)
    signed = ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes")

    assert again.failed == signed.failed == ("ERASE-01",)
    assert again.rules[0].level.value == "HSx"
    released = ask(site, PETRA, Kind.RELEASE, person="p1", hold=held.command.id)
    site = after(site, released)
    assert site.holds == ()
    assert ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes").outcome is Outcome.ACCEPTED


def _hold(site: Site, **other: Json) -> Decision:
    values: dict[str, Json] = {"person": "p1", "reason": "litigation", "matter": "7-o-12.26", **other}
    command = Command(id=f"s{site.version}", kind=Kind.HOLD, actor=PETRA, values=values)
    return decide_site(site, None, command, NOW, CLOSED)


def test_an_open_episode_is_closed_first() -> None:
    """Nobody erases somebody who is being treated; also one opened after it was asked for."""
    open_ = replace(CLOSED, episodes={**CLOSED.episodes, "e3": ("knee", "active")})
    asked = erase(Site())
    site = after(Site(), asked)

    refused = erase(Site(), person=open_)

    assert refused.failed == ("ERASE-02",)
    assert "e3" in refused.rules[0].message
    assert ask(site, LENA, Kind.SIGN_OFF, asked.command.id, open_, answer="yes").failed == ("ERASE-02",)


def test_a_person_is_erased_once() -> None:
    """A second erasure, or a hold on somebody who is gone, is an error and no entry."""
    asked = erase(Site())
    site = after(Site(), asked)
    site = after(site, ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes"))

    assert "erased by entry" in erase(site, person=None).problem
    assert ask(site, LENA, Kind.SIGN_OFF, asked.command.id, None, answer="yes").failed == ("SIGN-01",)


def test_a_no_and_a_late_yes_erase_nobody() -> None:
    """A refused request is closed; after 72 hours it can no longer be answered."""
    asked = erase(Site())
    site = after(Site(), asked)
    late = replace(site, requests=tuple(replace(one, expires_at=NOW - timedelta(seconds=1)) for one in site.requests))

    no = after(site, ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="no"))

    for tried in (no, late):
        assert ask(tried, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes").failed == ("SIGN-01",)
    assert ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="perhaps").outcome is Outcome.INVALID


def test_that_a_key_is_gone_is_said_once_and_after_an_erasure_only() -> None:
    """The worker says it; without an erasure there is nothing to say."""
    asked = erase(Site())
    site = after(Site(), asked)
    early = ask(site, WORKER, Kind.DESTROYED, person="p1")
    site = after(site, ask(site, LENA, Kind.SIGN_OFF, asked.command.id, CLOSED, answer="yes"))

    done = after(site, ask(site, WORKER, Kind.DESTROYED, person="p1"))

    assert early.outcome is Outcome.INVALID
    assert done.erasures[0].destroyed == NOW
    assert ask(done, WORKER, Kind.DESTROYED, person="p1").outcome is Outcome.INVALID


def test_a_key_of_the_log_takes_two_people() -> None:
    """The administrator announces, the privacy officer agrees: one alone could sign a log of their own."""
    asked = ask(Site(), ADAM, Kind.LOG_KEY, vkey=VKEY, size=120)
    site = after(Site(), asked)

    signed = after(site, ask(site, PETRA, Kind.SIGN_OFF, asked.command.id, answer="yes"))

    assert asked.failed == ("KEY-01",)
    assert [(key.vkey, key.size) for key in signed.log_keys] == [(VKEY, 120)]
    assert ask(site, replace(PETRA, id="adam"), Kind.SIGN_OFF, asked.command.id, answer="yes").failed == ("SIGN-02",)
    assert ask(site, ADAM, Kind.SIGN_OFF, asked.command.id, answer="yes").failed == ("SIGN-02",)


@pytest.mark.parametrize(
    ("by", "kind", "values"),
    [
        (PETRA, Kind.HOLD, {"person": "p1", "reason": "because", "matter": "a"}),
        (PETRA, Kind.HOLD, {"person": "p1", "reason": "audit", "matter": "Mrs Miller said"}),
        (PETRA, Kind.HOLD, {"person": "p1", "reason": "audit"}),
        (PETRA, Kind.HOLD, {"person": "p1", "reason": "audit", "matter": "a", "note": "x"}),
        (PETRA, Kind.RELEASE, {"person": "p1", "hold": "none"}),
        (PETRA, Kind.ERASE, {"person": "p1", "basis": "tidy"}),
        (PETRA, Kind.RETAIN, {"runs": []}),
        (PETRA, Kind.RETAIN, {"runs": [{"what": "entries", "before": "2026-01-01T00:00:00.000000Z", "count": 1}]}),
        (PETRA, Kind.RETAIN, {"runs": [{"what": "reads", "before": "2027-01-01T00:00:00.000000Z", "count": 1}]}),
        (PETRA, Kind.RETAIN, {"runs": [{"what": "reads", "before": "yesterday", "count": 1}]}),
        (WORKER, Kind.CENSUS, {"size": 1, "count": 1, "root": "0" * 63}),
        (WORKER, Kind.CENSUS, {"size": -1, "count": 1, "root": "0" * 64}),
        (WORKER, Kind.CENSUS, {"size": True, "count": 1, "root": "0" * 64}),
        (ADAM, Kind.LOG_KEY, {"vkey": "no key", "size": 1}),
        (ADAM, Kind.LOG_KEY, {"vkey": VKEY, "size": "1"}),
        (ADAM, Kind.VAULT_KEY, {"keys": "all"}),
    ],
)
def test_a_command_of_custody_says_exactly_what_it_must(by: Actor, kind: Kind, values: dict[str, Json]) -> None:
    """Unknown codes, missing and additional fields, sentences where a code belongs: an error, and no entry."""
    command = Command(id="s1", kind=kind, actor=by, values=values)

    decision = decide_site(Site(), None, command, NOW, CLOSED)

    assert decision.outcome is Outcome.INVALID
    assert decision.problem
    assert decision.events == ()


def test_the_codes_are_words() -> None:
    """Reasons and bases stand in the log in the clear: they are codes, and nobody can add a sentence."""
    assert all(code.isascii() and " " not in code for code in (*HOLD_REASONS, *BASES))
    assert set(FIELDS) == {
        Kind.HOLD,
        Kind.RELEASE,
        Kind.ERASE,
        Kind.DESTROYED,
        Kind.RETAIN,
        Kind.CENSUS,
        Kind.LOG_KEY,
        Kind.VAULT_KEY,
    }
